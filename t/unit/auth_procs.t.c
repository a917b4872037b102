/*
 * auth's crypt processes.
 *
 * That several checks run at once is shown without a clock: a crypt process is
 * stopped over one check, and others go on.
 */
#define _GNU_SOURCE
#include "t/unit/auth_role.h"

#include "common/sandbox.h"

/* Somebody's delay and somebody's long calculation are nobody else's. */
static void
test_at_once(void)
{
	int a = new_worker(), b = new_worker(), c = new_worker();
	pid_t pid[PROCESSES];

	/* On a busy machine a yes may take longer than the delay, once. */
	bool first = false;
	for (int i = 0; i < 5 && !first; i++) {
		if (i > 0)
			answered(a, 60000);
		ask(a, "alice", "wrong");
		first = check(b, "dave", "dave-pass") == AUTH_YES &&
			!readable(a, 0);
	}
	ok(first, "a yes does not wait for somebody's delay");
	ok(answered(a, 60000) == AUTH_NO, "which ends");

	if (!ok(await_children(pid, PROCESSES), "%d crypt processes",
		(int)PROCESSES))
		return;
	kill(pid[0], SIGSTOP);
	ask(a, "dave", "dave-pass");
	ask(b, "dave", "dave-pass");
	struct pollfd p[2] = { { .fd = a, .events = POLLIN },
		{ .fd = b, .events = POLLIN } };
	ok(poll(p, 2, 60000) == 1, "one check hangs, another goes on");
	int hanging = p[0].revents == 0 ? a : b;
	ok(answered(hanging == a ? b : a, 0) == AUTH_YES, "to its end");
	ok(check(c, "dave", "dave-pass") == AUTH_YES &&
		check(c, "dave", "dave-pass") == AUTH_YES &&
		check(c, "bob", "bob-pass") == AUTH_YES,
	    "and so do all that come later");
	ok(!readable(hanging, 0), "it hangs still");
	kill(pid[0], SIGCONT);
	ok(answered(hanging, 60000) == AUTH_YES, "until it may go on");

	/* Everything is stopped: questions wait, first come first served. */
	kill(pid[0], SIGSTOP);
	kill(pid[1], SIGSTOP);
	int w[8];
	for (int i = 0; i < 8; i++) {
		w[i] = new_worker();
		ask(w[i], "dave", "dave-pass");
	}
	ok(!readable(w[7], 100), "eight wait for two");
	kill(pid[0], SIGCONT);
	kill(pid[1], SIGCONT);
	int yes = 0;
	for (int i = 0; i < 8; i++) {
		yes += answered(w[i], 60000) == AUTH_YES;
		close(w[i]);
	}
	ok(yes == 8, "and all are served");
	close(a);
	close(b);
	close(c);
}

/* A crypt process that dies over a check. */
static void
test_death(int w)
{
	pid_t pid[PROCESSES], now[PROCESSES];
	int a = new_worker(), b = new_worker();

	if (!await_children(pid, PROCESSES))
		abort();
	kill(pid[0], SIGSTOP);
	kill(pid[1], SIGSTOP);
	ask(a, "dave", "dave-pass");
	ask(b, "dave", "wrong");
	ok(!readable(a, 50), "a check hangs");
	kill(pid[0], SIGKILL);
	kill(pid[1], SIGKILL);
	ok(answered(a, 60000) == AUTH_LATER && answered(b, 60000) == AUTH_LATER,
	    "its process dies: later");
	ok(check(w, "dave", "dave-pass") == AUTH_YES, "a new one does it");
	ok(await_children(now, PROCESSES) && now[0] != pid[0] &&
		now[1] != pid[1],
	    "there are as many as before");
	const char *text = logged();
	if (!ok(strstr(text, "ended by signal 9") != NULL &&
		    strstr(text, "has gone") != NULL,
		"the log says it"))
		printf("# %s\n", text);
	close(a);
	close(b);
}

/* The last octets of erin's hash, which no check has touched lately, and a
 * password that was checked. */
static void
test_secrets(int w)
{
	static char text[65536];
	pid_t pid[PROCESSES];
	int fd = open(users_path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	text[n < 0 ? 0 : n] = '\0';
	char *erin = strstr(text, "\nerin:");
	if (erin == NULL)
		abort();
	char *end = strchr(erin + 6, ':');
	*end = '\0';
	const char *secret = end - 30;
	if (geteuid() != 0) {
		tap_skip("memory of crypt processes", "needs root");
		return;
	}
	if (sandbox_compiled_out()) {
		tap_skip("memory of crypt processes",
		    "a sanitizer keeps what was freed");
		return;
	}
	ok(check(w, "alice", "octopus-in-a-jar") == AUTH_NO, "a check");
	ok(memory_has(auth, secret), "the search finds a hash in auth");
	ok(!memory_has(auth, "octopus-in-a-jar"),
	    "and there no password that was checked");
	bool hash = false, pass = false;
	if (!await_children(pid, PROCESSES))
		abort();
	for (int i = 0; i < PROCESSES; i++) {
		/* One that has had no turn yet has not forgotten. */
		for (int k = 0; k < 200 && memory_has(pid[i], secret); k++)
			usleep(50000);
		hash = hash || memory_has(pid[i], secret);
		pass = pass || memory_has(pid[i], "octopus-in-a-jar");
	}
	/* These were started late, by an auth that had read the hashes. */
	ok(!hash, "no hash in a crypt process");
	ok(!pass, "no password in a crypt process that is done with it");
}

/* Askers that go away: while waiting, in the calculation, in the delay. */
static void
test_gone(int w)
{
	pid_t pid[PROCESSES];
	int a = new_worker(), b = new_worker(), c = new_worker();
	struct intro in;

	while (readable(queue, 0))
		(void)(close(introduced(&in)));
	if (!await_children(pid, PROCESSES))
		abort();
	kill(pid[0], SIGSTOP);
	kill(pid[1], SIGSTOP);
	ask(a, "dave", "dave-pass");
	ask(b, "dave", "wrong");
	ask(c, "dave", "dave-pass");
	(void)readable(a, 100); /* they have arrived */
	close(a);
	close(b);
	close(c);
	nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
	kill(pid[0], SIGCONT);
	kill(pid[1], SIGCONT);
	ok(!readable(queue, 300), "nobody is introduced to nobody");
	a = new_worker();
	ask(a, "dave", "wrong");
	(void)readable(a, DELAY / 2);
	close(a);
	(void)readable(w, DELAY);
	ok(check(w, "dave", "dave-pass") == AUTH_YES,
	    "askers came and went, auth goes on");
}

static void
test_settings(int w)
{
	pid_t pid[8];
	int old = pool, end[2];

	write_conf(4);
	msg_start(&m, CTL_SETTINGS);
	m.fd = open(conf_path, O_RDONLY | O_CLOEXEC);
	msg_send(ctl, &m);
	close_fd(&m.fd);
	ok(await_children(pid, 4), "more crypt processes");
	write_conf(1);
	msg_start(&m, CTL_SETTINGS);
	m.fd = open(conf_path, O_RDONLY | O_CLOEXEC);
	msg_send(ctl, &m);
	close_fd(&m.fd);
	ok(await_children(pid, 1), "fewer crypt processes");
	ok(check(w, "dave", "dave-pass") == AUTH_YES, "one is enough");
	if (channel_pair(end) == -1)
		abort();
	msg_start(&m, CTL_PEER);
	msg_put_u32(&m, ROLE_POOL);
	msg_put_u32(&m, 0);
	m.fd = end[1];
	msg_send(ctl, &m);
	close_fd(&m.fd);
	close(old);
	pool = end[0];
	int n = new_worker();
	ok(check(n, "dave", "dave-pass") == AUTH_YES &&
		check(w, "dave", "dave-pass") == AUTH_YES,
	    "a new pool's worker, and an old one's");
	close(n);
}

int
main(void)
{
	if (begin()) {
		int w = new_worker();
		test_at_once();
		test_death(w);
		test_secrets(w);
		test_gone(w);
		test_settings(w);
		test_stop(w);
	}
	clean_up();
	return done_testing();
}
