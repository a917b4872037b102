/* The queue role: what it takes, hands out, retries and survives. */
#define _GNU_SOURCE
#include "t/unit/queue_role.h"

static struct running x;
static char big[3 << 20];

static void
test_one(void)
{
	static const char content[] = "Subject: x\r\n\r\nhi\r\n";
	int w = new_worker(&x);
	const char *to = "bob@example.org", *id = next_id();
	char want[200];

	shared->n = 0;
	ok(put(w, id, &to, 1, view_of(content), NULL) == OK,
	    "a message is taken");
	ok(wait_done(1, 2000) && strcmp(shared->done[0].to, to) == 0 &&
		strcmp(shared->done[0].id, id) == 0 &&
		shared->done[0].length == 18 &&
		shared->done[0].sum == sum_of(content, 18) &&
		!shared->done[0].from_file,
	    "and delivered at once");
	ok(wait_empty(1000) && files_in("incoming") == 0,
	    "and its record removed");
	snprintf(want, sizeof(want),
	    "%s: from=<alice@example.org>, size=18, nrcpt=1 (queue active)\n",
	    id);
	ok(logged(want), "log: queue active");
	snprintf(want, sizeof(want),
	    "%s: to=<bob@example.org>, relay=local, delay=", id);
	ok(logged(want) && logged(", delays=") &&
		logged(", dsn=2.0.0, status=sent (delivered to mailbox)\n"),
	    "log: sent");
	snprintf(want, sizeof(want), "%s: removed\n", id);
	ok(logged(want), "log: removed");
	close(w);
}

static void
test_spooled(void)
{
	int w = new_worker(&x);
	const char *to[] = { "carol@example.org", "dave@example.org" };

	shared->n = 0;
	ok(put(w, next_id(), to, 2, (struct view){ big, sizeof(big) }, NULL) ==
		OK,
	    "a large message is taken");
	ok(wait_done(2, 3000) && shared->done[0].length == sizeof(big) &&
		shared->done[1].sum == sum_of(big, sizeof(big)) &&
		shared->done[0].from_file,
	    "and delivered twice, as it was");
	ok(!shared->file_writable, "and nobody can write to its record");
	ok(put_one(w, "bob", "the channel is still good") == OK &&
		wait_done(3, 1000) && strcmp(shared->done[2].to, "bob") == 0,
	    "then a small one, for a name without a domain");
	wait_empty(1000);
	close(w);
}

static bool
logged_now(const char *text)
{
	return strstr(log_text(), text) != NULL;
}

static void
test_many(void)
{
	static char name[1000][40];
	const char *to[1000];
	int w = new_worker(&x);
	bool each = true;

	for (unsigned i = 0; i < 1000; i++) {
		snprintf(name[i], sizeof(name[i]), "user%03u@example.org", i);
		to[i] = name[i];
	}
	shared->n = shared->most = 0;
	ok(put(w, next_id(), to, 1000, view_of("x\r\n"), NULL) == OK,
	    "a message for 1,000 recipients");
	ok(wait_done(1000, 10000) && wait_empty(1000), "reaches them");
	for (unsigned i = 0; i < 1000; i++)
		each &= delivered_to(name[i]) == 1;
	ok(each, "each once");
	ok(shared->most > 4 && shared->most <= 20,
	    "several at a time (%u), but no more than allowed", shared->most);
	close(w);
}

/* ---- mailboxes that are slow, locked, full ---- */

static void
test_busy(void)
{
	int w = new_worker(&x);
	int64_t t = now_ms();

	shared->n = 0;
	clear_log();
	put_one(w, "busy2-x@example.org", "x");
	ok(wait_done(1, 5000), "a locked mailbox is tried again");
	int64_t took = now_ms() - t;
	ok(took >= 300, "after a while (%lld ms)", (long long)took);
	ok(logged("dsn=4.2.0, status=deferred (locked by another "
		  "program: said the test)"),
	    "log: why");
	put_one(w, "lost1-x@example.org", "x");
	ok(wait_done(2, 5000), "so it is when an append process died");
	ok(logged("append has gone"), "log: why");
	put_one(w, "gone-x@example.org", "x");
	ok(logged("dsn=5.1.1, status=bounced (said the test)"),
	    "an unknown user is given up, with a line");
	ok(wait_done(3, 3000) &&
		strcmp(shared->done[2].to, "alice@example.org") == 0 &&
		logged("sender non-delivery notification: "),
	    "and the sender is told");
	put_one(w, "full-x@example.org", "x");
	ok(logged("dsn=4.2.2, status=deferred (quota exceeded: "
		  "over <quota>?)"),
	    "so does a full mailbox");
	close(w);
}

static void
test_fair(void)
{
	int w = new_worker(&x);
	const char *two[] = { "held-two@example.org", "fast@example.org" };

	shared->n = 0;
	shared->let_go = false;
	for (unsigned i = 0; i < 40; i++)
		put_one(w, "held-x@example.org", "x");
	for (unsigned i = 0; i < 100; i++)
		put_one(w, "full-y@example.org", "x");
	put_one(w, "quick@example.org", "x");
	ok(wait_delivered("quick@example.org", 1) && shared->n == 1,
	    "a mailbox that hangs and a full one delay nobody else");
	put(w, next_id(), two, 2, view_of("x"), NULL);
	ok(wait_delivered("fast@example.org", 1) && shared->n == 2,
	    "nor the other recipients of their messages");
	shared->let_go = true;
	ok(wait_done(43, 60000) && delivered_to("held-x@example.org") == 40,
	    "the one that hung gets all of its own");
	close(w);
}

/* ---- ends and starts ---- */

static void
start_again(void)
{
	shared->flying = 0;
	x = start("");
}

static void
test_stop(void)
{
	int w = new_worker(&x);

	shared->n = 0;
	for (unsigned i = 0; i < 5; i++)
		put_one(w, "slow-stop@example.org", "x");
	close(w);
	stop_grace = 60000;
	stop(&x);
	stop_grace = 1000;
	start_again();
	ok(wait_done(5, 5000), "messages survive a stop");
	pause_ms(500);
	ok(delivered_to("slow-stop@example.org") == 5,
	    "and an orderly stop repeats none (%u)",
	    delivered_to("slow-stop@example.org"));
}

static void
test_partial(void)
{
	const char *to[] = { "a1@example.org", "full-p@example.org",
		"b2@example.org" };
	int w = new_worker(&x);

	shared->n = 0;
	put(w, next_id(), to, 3, view_of("x"), NULL);
	wait_done(2, 2000);
	/* It is marked as done before the log says so. */
	logged("to=<a1@example.org>");
	logged("to=<b2@example.org>");
	pause_ms(50);
	close(w);
	kill_both(&x);
	start_again();
	pause_ms(400);
	ok(delivered_to("a1@example.org") == 1 &&
		delivered_to("b2@example.org") == 1,
	    "who has it does not get it again after a crash");
	ok(files_in("active") > 0, "while the rest still waits");
}

static void
test_damaged_record(void)
{
	char path[200];

	kill_both(&x);
	clear_log();
	shared->n = 0;
	snprintf(path, sizeof(path), "%s/queue/active/BADBADBAD", top);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	(void)!write(fd, "pennypost-queue 1\nid: BADBADBAD\n\nx", 34);
	close(fd);
	snprintf(path, sizeof(path), "%s/queue/incoming/0BADBADBAD", top);
	close(open(path, O_WRONLY | O_CREAT, 0600));
	start_again();
	int w = new_worker(&x);
	put_one(w, "bob@example.org", "x");
	wait_done(1, 1000);
	ok(wait_files("damaged", 1) && wait_files("incoming", 0),
	    "a damaged record is set aside, a leftover removed");
	ok(logged("BADBADBAD: damaged record (the arrived line) "
		  "set aside as damaged/BADBADBAD"),
	    "log: it says so");
	ok(delivered_to("bob@example.org") == 1, "the others go on");
	close(w);
}

/* What failed stays until its sender could be told. */
static void
test_no_report(void)
{
	char path[128];

	kill_both(&x);
	drop_waiting();
	clear_log();
	shared->n = 0;
	x = start("queue_lifetime 5s\n");
	int w = new_worker(&x);
	put_one(w, "full-r@example.org", "x");
	close(w);
	/* The queue cannot write any more, well before the end of that time. */
	snprintf(path, sizeof(path), "%s/queue/incoming", top);
	ok(rmdir(path) == 0 &&
		logged("a report to the sender cannot be written now"),
	    "a report that cannot be written: the log says so");
	ok(!logged_now(": removed\n") && files_in("active") == 1 &&
		shared->n == 0,
	    "and the message stays");
	kill_both(&x);
	start_again();
	pause_ms(500);
	ok(files_in("active") == 1 && shared->n == 0,
	    "with more time it is tried again");
	stop(&x);
	x = start("queue_lifetime 1s\n");
	ok(wait_done(1, 5000) &&
		strcmp(shared->done[0].to, "alice@example.org") == 0 &&
		wait_empty(5000),
	    "or, when reports can be written, its sender is told");
	stop(&x);
	start_again();
}

static void
test_deliver_away(void)
{
	int w = new_worker(&x);

	shared->n = 0;
	end_process(x.deliver, SIGKILL);
	ok(put_one(w, "bob@example.org", "x") == OK,
	    "messages are taken while deliver is away");
	pause_ms(100);
	new_deliver(&x);
	ok(wait_done(1, 4000) && delivered_to("bob@example.org") == 1,
	    "and delivered when it is back");
	close(w);
}

static void
test_two_runners(void)
{
	struct running first = x, second = start("");
	int w = new_worker(&second);

	shared->n = 0;
	ok(put_one(w, "bob@example.org", "x") == OK,
	    "a second queue process takes messages");
	ok(wait_done(1, 5000), "that the first hands out");
	put_one(w, "slow-over@example.org", "x");
	kill_one(&first);
	x = second;
	ok(wait_done(2, 6000), "and takes over when the first has died");
	close(w);
}

/* ---- killed at any moment ---- */

enum {
	CLIENTS = 4,
	ROUNDS = 12,
	ROUNDS_MAX = 100, /* on a slow machine */
	ACKED_MIN = 100,
	ACKED_MAX = 20000,
	NAME = 40
};

/* Deposits without end, and tells of each message that was accepted. */
static void
client(int w, int told, unsigned round, unsigned c)
{
	for (unsigned i = 0;; i++) {
		char name[NAME] = "";
		const char *to = name;
		struct view content = { big, i % 5 == 0 ? 100000 : 500 };
		snprintf(
		    name, sizeof(name), "%u-%u-%u@example.org", round, c, i);
		if (put(w, next_id(), &to, 1, content, NULL) != OK)
			_exit(0);
		(void)!write(told, name, sizeof(name));
	}
}

static unsigned
kill_round(unsigned round, char (*names)[NAME], unsigned acked)
{
	pid_t pid[CLIENTS];
	int told[2];

	if (pipe(told) == -1)
		exit(1);
	start_again();
	for (unsigned c = 0; c < CLIENTS; c++) {
		int w = new_worker(&x);
		pid[c] = fork_or_die();
		if (pid[c] == 0)
			client(w, told[1], round, c);
		close(w);
	}
	close(told[1]);
	await_told(told[0]);
	pause_ms(5 + rand() % 60);
	kill_both(&x);
	for (unsigned c = 0; c < CLIENTS; c++)
		waitpid(pid[c], NULL, 0);
	while (acked < ACKED_MAX && read(told[0], names[acked], NAME) == NAME)
		acked++;
	close(told[0]);
	return acked;
}

static void
test_kill(void)
{
	static char names[ACKED_MAX][NAME];
	unsigned acked = 0, lost = 0, round = 0;

	kill_both(&x);
	drop_waiting();
	shared->n = 0;
	srand(5);
	for (; round < ROUNDS || (acked < ACKED_MIN && round < ROUNDS_MAX);
	     round++)
		acked = kill_round(round, names, acked);
	start_again();
	ok(wait_empty(20000), "the queue is empty after %u kills", round);
	for (unsigned i = 0; i < acked; i++)
		lost += delivered_to(names[i]) == 0;
	ok(acked >= ACKED_MIN && lost == 0,
	    "of %u accepted messages %u are lost", acked, lost);
	unsigned more = shared->n > acked ? shared->n - acked : 0;
	ok(more <= round * (20 + CLIENTS),
	    "%u deliveries more than that: those in flight at a kill", more);
	ok(files_in("incoming") == 0 && files_in("damaged") == 1,
	    "nothing half-written was found");
}

int
main(void)
{
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 11 + i / 253);
	test_begin();
	x = start("");
	test_one();
	test_spooled();
	test_many();
	test_busy();
	test_fair();
	test_stop();
	test_partial();
	test_damaged_record();
	test_no_report();
	test_deliver_away();
	test_two_runners();
	test_kill();
	stop(&x);
	return test_end();
}
