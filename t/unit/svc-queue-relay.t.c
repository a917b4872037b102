/* The queue and mail for other hosts: who may send it, how it is handed out,
 * and what becomes of it; and what it takes from mail for this one: nothing. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>

#include "t/unit/queue_role.h"

static struct running x;

static const char with_networks[] = "relay_networks 127.0.0.2/32\n"
				    "relay_processes 20\n";

static enum status
put_params(int sock, const char *const *names, const char *const *params,
    unsigned n, const char *mail_params)
{
	static struct deposit_rcpt rcpt[1000];
	struct deposit d = { .id = next_id(),
		.sender = "alice@example.org",
		.client = "client.test[192.0.2.1]",
		.helo = "client.test",
		.protocol = "ESMTP",
		.params = mail_params,
		.rcpt = rcpt,
		.rcpt_n = n,
		.content = view_of("Subject: x\r\n\r\nhi\r\n") };

	for (unsigned i = 0; i < n; i++)
		rcpt[i] = (struct deposit_rcpt){ names[i], names[i],
			params == NULL ? NULL : params[i] };
	return ask_queue_deposit(sock, &d);
}

static void
reset(void)
{
	wait_empty(5000);
	shared->n = 0;
	memset(relay_shared, 0, sizeof(*relay_shared));
	clear_log();
}

static void
wait_requests(unsigned n)
{
	for (int64_t end = until(60000);
	     relay_shared->requests < n && now_ms() < end;)
		pause_ms(2);
}

/* ---- one message ---- */

static void
test_groups(void)
{
	int u = new_user(&x, "alice");
	const char *to[] = { "a@one.test", "bob@example.org", "b@two.test",
		"c@ONE.test" };

	reset();
	ok(put_params(u, to, NULL, 4, NULL) == OK && wait_done(4, 5000) &&
		wait_empty(5000),
	    "a message for three places is taken, and done with");
	ok(relay_shared->requests == 2 && relay_shared->rcpts == 3,
	    "two of the recipients go together");
	for (unsigned i = 0; i < 4; i++)
		ok(delivered_to(to[i]) == 1, "%s has it once", to[i]);
	ok(!relay_shared->file_writable && !relay_shared->content_bad,
	    "the relay can read the record and not write it");
	ok(logged("to=<a@one.test>, relay=mx.test[192.0.2.1]:25, delay=") &&
		logged(", dsn=2.0.0, status=sent (250 Ok)\n"),
	    "log: as Postfix has it");
	close(u);
}

static void
test_params(void)
{
	int u = new_user(&x, "alice");
	const char *to = "a@one.test", *params = "NOTIFY=NEVER ORCPT=rfc822;b";

	reset();
	ok(put_params(u, &to, &params, 1, "RET=HDRS ENVID=q") == OK &&
		wait_done(1, 5000),
	    "a message with parameters");
	ok(strcmp(relay_shared->last_params, "RET=HDRS ENVID=q") == 0 &&
		strcmp(relay_shared->last_rcpt_params, params) == 0,
	    "which go with it");
	close(u);
}

static void
test_hundreds(void)
{
	static char name[250][40];
	const char *to[250];
	int u = new_user(&x, "alice");
	bool each = true;

	for (unsigned i = 0; i < 250; i++) {
		snprintf(name[i], sizeof(name[i]), "u%u@one.test", i);
		to[i] = name[i];
	}
	reset();
	ok(put_params(u, to, NULL, 250, NULL) == OK && wait_done(250, 10000),
	    "250 recipients at one place");
	ok(relay_shared->requests == 3, "go in three requests (%u)",
	    relay_shared->requests);
	for (unsigned i = 0; i < 250; i++)
		each &= delivered_to(name[i]) == 1;
	ok(each, "each once");
	close(u);
}

static void
test_outcomes(void)
{
	int u = new_user(&x, "alice");
	const char *to[] = { "a@one.test", "no-b@one.test",
		"later-c@one.test" };

	reset();
	put_params(u, to, NULL, 3, NULL);
	ok(wait_done(2, 5000) && delivered_to("a@one.test") == 1,
	    "one is taken");
	ok(logged("to=<no-b@one.test>, relay=mx.test[192.0.2.1]:25") &&
		logged("dsn=5.1.1, status=bounced (550 5.1.1 No)"),
	    "one refused");
	ok(wait_delivered("alice@example.org", 1), "its sender is told");
	wait_requests(3);
	ok(relay_shared->requests >= 3 && relay_shared->last_n == 1,
	    "one is tried again, by itself");
	ok(delivered_to("a@one.test") == 1, "and the first not sent twice");
	pause_ms(50);
	drop_waiting();
	close(u);
}

static void
test_child_dies(void)
{
	int u = new_user(&x, "alice");
	const char *to = "a@lost1.test";

	reset();
	put_params(u, &to, NULL, 1, NULL);
	ok(logged("status=deferred (the relay has gone)"),
	    "a child of the relay dies");
	ok(wait_done(1, 10000) && delivered_to(to) == 1,
	    "and another one sends the message");
	close(u);
}

static void
test_reuse(void)
{
	int u = new_user(&x, "alice");
	const char *one = "a@one.test", *two = "b@two.test";

	reset();
	for (unsigned i = 0; i < 10; i++) {
		put_params(u, i % 2 ? &one : &two, NULL, 1, NULL);
		wait_done(i + 1, 5000);
		wait_empty(5000); /* and the queue has heard of it */
	}
	ok(shared->n == 10 && relay_shared->same_place >= 8,
	    "messages for one place go by the lane of the last one (%u of 10)",
	    relay_shared->same_place);
	close(u);
}

/* ---- who may ---- */

/* Both ends of a connection from that address; [0] is the server's. */
static void
connection(const char *from, int end[2])
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t n = sizeof(a);
	int l = socket(AF_INET, SOCK_STREAM, 0);

	inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
	if (bind(l, (struct sockaddr *)&a, n) == -1 || listen(l, 1) == -1 ||
	    getsockname(l, (struct sockaddr *)&a, &n) == -1)
		exit(1);
	struct sockaddr_in me = { .sin_family = AF_INET };
	inet_pton(AF_INET, from, &me.sin_addr);
	end[1] = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(end[1], (struct sockaddr *)&me, sizeof(me)) == -1 ||
	    connect(end[1], (struct sockaddr *)&a, n) == -1)
		exit(1);
	end[0] = accept(l, NULL, NULL);
	close(l);
}

static void
test_networks(void)
{
	int w = new_worker(&x), in[2], out[2], un[2];
	const char *to = "a@one.test";

	reset();
	connection("127.0.0.2", in);
	connection("127.0.0.3", out);
	socketpair(AF_UNIX, SOCK_STREAM, 0, un);
	ok(put_params(w, &to, NULL, 1, NULL) == ERR_PERM,
	    "a worker may not have mail sent on");
	ok(ask_queue_client(w, in[0]) == OK, "a client in relay_networks may");
	ok(put_params(w, &to, NULL, 1, NULL) == OK, "one message");
	ok(put_params(w, &to, NULL, 1, NULL) == ERR_PERM, "and not another");
	ok(ask_queue_client(w, out[0]) == ERR_PERM &&
		put_params(w, &to, NULL, 1, NULL) == ERR_PERM,
	    "a client elsewhere may not");
	ok(ask_queue_client(w, in[1]) == ERR_PERM,
	    "nor does the other end of the connection count");
	ok(ask_queue_client(w, un[0]) == ERR_PERM, "or a socket without one");
	ok(ask_queue_client(w, in[0]) == OK &&
		ask_queue_client(w, out[0]) == ERR_PERM &&
		put_params(w, &to, NULL, 1, NULL) == ERR_PERM,
	    "the last client counts");
	ok(wait_done(1, 5000) && delivered_to(to) == 1, "one was sent");
	for (int i = 0; i < 2; i++) {
		close(in[i]);
		close(out[i]);
		close(un[i]);
	}
	close(w);
}

/* ---- what is dead or slow ---- */

/* 60 places of which none answers for long, more than there are lanes. */
static void
test_dead(void)
{
	int u = new_user(&x, "alice"), w = new_worker(&x);
	static char name[300][40];
	const char *to;

	reset();
	to = "known@one.test";
	/* It is known to work from now on. */
	put_params(u, &to, NULL, 1, NULL);
	wait_delivered(to, 1);
	wait_empty(5000); /* the queue has heard of it */
	relay_shared->dead_ms = 600000;
	for (unsigned i = 0; i < 300; i++) {
		snprintf(
		    name[i], sizeof(name[i]), "u%u@dead%u.test", i, i % 60);
		to = name[i];
		put_params(u, &to, NULL, 1, NULL);
	}
	for (int64_t end = until(0); relay_shared->dead < 15 && now_ms() < end;)
		pause_ms(5);
	ok(relay_shared->dead_most == 15,
	    "dead destinations have a part of the lanes only (%u)",
	    relay_shared->dead_most);
	shared->n = 0;
	for (unsigned i = 0; i < 100; i++) {
		put_one(w, "local@example.org", "x");
		to = "again@one.test";
		put_params(u, &to, NULL, 1, NULL);
	}
	/* None of the dead has been given up by then. */
	ok(wait_delivered("again@one.test", 100) &&
		wait_delivered("local@example.org", 100),
	    "and delay neither mail of this host nor of one that works");
	ok(relay_shared->dead == 15, "while no lane of theirs is free");
	close(u);
	close(w);
}

/* Who is not even tried is told what those were told who were. */
static void
test_suspended(void)
{
	int u = new_user(&x, "alice");
	const char *to[] = { "a@deadly.test", "b@deadly.test" };

	reset();
	relay_shared->dead_ms = 200;
	for (unsigned i = 0; i < 2; i++)
		put_params(u, &to[i], NULL, 1, NULL);
	ok(logged("(connect to it: timed out)") &&
		logged("(delivery temporarily suspended: connect to it: timed "
		       "out)"),
	    "who waits for a dead place is told why");
	pause_ms(50);
	drop_waiting();
	close(u);
}

/* A place is not reached for a while.  By then the intervals of those that wait
 * for it are about as long as that, but they are not waited for. */
static void
test_recovers(void)
{
	enum { N = 60, OFF_MS = 30000 };
	static const char long_retry[] = "relay_networks 127.0.0.2/32\n"
					 "relay_processes 20\n"
					 "retry_min 500ms\nretry_max 70m\n";
	const char *to = "a@off.test";

	stop(&x);
	x = start(long_retry);
	int u = new_user(&x, "alice");
	reset();
	relay_shared->off = true;
	for (unsigned i = 0; i < N; i++)
		put_params(u, &to, NULL, 1, NULL);
	pause_ms(OFF_MS);
	wait_requests(4);
	ok(relay_shared->requests >= 4,
	    "a place that is down is probed again and again (%u)",
	    relay_shared->requests);
	relay_shared->off = false;
	int64_t began = now_ms();
	wait_done(N, 2 * OFF_MS);
	int64_t took = now_ms() - began;
	ok(took < OFF_MS / 2 && delivered_to(to) == N,
	    "soon after it works again all have arrived (%u of %u, %lld ms)",
	    delivered_to(to), N, (long long)took);
	wait_empty(5000);
	drop_waiting();
	close(u);
	stop(&x);
	x = start(with_networks);
}

/* A place where all is slow has many messages; others are not behind them. */
static void
test_slow(void)
{
	enum { SLOW = 100 };
	int u = new_user(&x, "alice");
	const char *to = "a@slow.test";

	reset();
	relay_shared->hold = true;
	for (unsigned i = 0; i < SLOW; i++)
		put_params(u, &to, NULL, 1, NULL);
	to = "b@fast.test";
	put_params(u, &to, NULL, 1, NULL);
	ok(wait_delivered("b@fast.test", 1) && shared->n == 1,
	    "a message goes while %d for a slow place wait", SLOW);
	relay_shared->hold = false;
	ok(wait_done(SLOW + 1, 120000), "and all of which arrive");
	ok(relay_shared->most <= 5, "by five lanes at most (%u)",
	    relay_shared->most);
	close(u);
}

/* ---- killed at any moment ---- */

enum {
	ROUNDS = 8,
	ROUNDS_MAX = 80,
	EACH = 300,
	ACKED_MIN = 100,
	ACKED_MAX = 5000
};

struct acked {
	char to[3][40];
};

static void
client(int u, int told, unsigned round)
{
	/* No more than the pipe holds. */
	for (unsigned i = 0; i < EACH; i++) {
		struct acked a = { .to = { "" } };
		const char *to[3] = { a.to[0], a.to[1], a.to[2] };
		snprintf(a.to[0], 40, "%u-%u@one%u.test", round, i, i % 5);
		snprintf(a.to[1], 40, "%u-%u@slow%u.test", round, i, i % 50);
		snprintf(a.to[2], 40, "%u-%u@example.org", round, i);
		if (put_params(u, to, NULL, 3, NULL) != OK)
			_exit(0);
		(void)!write(told, &a, sizeof(a));
	}
	_exit(0);
}

static void
test_kill(void)
{
	static struct acked acked[ACKED_MAX];
	static unsigned seed = 7;
	unsigned n = 0, round = 0, lost = 0;

	kill_both(&x);
	drop_waiting();
	shared->n = 0;
	srand(seed++);
	for (; round < ROUNDS || (n < ACKED_MIN && round < ROUNDS_MAX);
	     round++) {
		int told[2];
		x = start(with_networks);
		int u = new_user(&x, "alice");
		if (pipe(told) == -1)
			exit(1);
		pid_t pid = fork_or_die();
		if (pid == 0)
			client(u, told[1], round);
		close(u);
		close(told[1]);
		await_told(told[0]);
		pause_ms(20 + rand() % 300);
		kill_both(&x);
		waitpid(pid, NULL, 0);
		while (n < ACKED_MAX && read(told[0], &acked[n],
					    sizeof(*acked)) == sizeof(*acked))
			n++;
		close(told[0]);
	}
	x = start(with_networks);
	ok(wait_empty(120000), "the queue is empty after %u kills", round);
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < 3; k++)
			lost += delivered_to(acked[i].to[k]) == 0;
	ok(n >= ACKED_MIN && lost == 0,
	    "of %u accepted messages for three each, %u deliveries are lost", n,
	    lost);
	/* Lanes, slots, and marks are those that a kill may repeat. */
	unsigned all = 3 * n + 3 * round;
	ok(shared->n <= all + round * 60, "and few are repeated (%u for %u)",
	    shared->n, all);
}

int
main(void)
{
	test_begin();
	x = start(with_networks);
	if (getenv("KILLS") != NULL) { /* this alone, so often */
		for (int n = (int)strtol(getenv("KILLS"), NULL, 10); n > 0; n--)
			test_kill();
		stop(&x);
		return test_end();
	}
	test_groups();
	test_params();
	test_hundreds();
	test_outcomes();
	test_child_dies();
	test_reuse();
	test_networks();
	test_slow();
	test_suspended();
	test_recovers();
	test_dead();
	test_kill();
	stop(&x);
	return test_end();
}
