/* The queue role among askers that lie, go away, flood it or stall: what gets
 * its sender dropped, and that nothing of it is ever on disk. */
#define _GNU_SOURCE
#include "t/unit/queue_asker.h"

/* A worker whose message wants only its content. */
static int
drafting(void)
{
	int w = new_worker(&x);

	if (open_draft(w) != OK)
		printf("# no draft\n");
	return w;
}

/* The request in rq is one that no honest asker makes. */
static void
breach(const char *what, int sock)
{
	ok(ask(sock) == 1, "dropped: %s", what);
	close(sock);
}

/* ---- breaches ---- */

static void
test_order(void)
{
	int w = new_worker(&x);

	rcpt("bob@example.org");
	breach("RCPT without BEGIN", w);
	w = new_worker(&x);
	commit(0, 1, "x");
	breach("COMMIT without BEGIN", w);
	w = new_worker(&x);
	ask_begin(w);
	commit(0, 1, "x");
	breach("COMMIT without RCPT", w);
	w = drafting();
	commit(0, 1, "x");
	ok(ask(w) == OK, "COMMIT");
	commit(0, 1, "x");
	breach("COMMIT twice", w);
	w = drafting();
	ask_rcpt(w, "bob@elsewhere.example");
	commit(0, 1, "x");
	breach("COMMIT after a refused RCPT", w);
	w = drafting();
	ask_rcpt(w, "bob@elsewhere.example");
	rcpt("bob@example.org");
	breach("RCPT after a refused RCPT", w);
	w = drafting();
	msg_start(&rq, QUEUE_ABORT);
	ask(w);
	rcpt("bob@example.org");
	breach("RCPT after ABORT", w);
	w = drafting();
	begin(next_id(), "a\nb");
	ask(w);
	rcpt("bob@example.org");
	breach("RCPT after a refused BEGIN", w);
}

static void
test_fields(void)
{
	static const char *const ids[] = { "", "1234567", "../../../etc/x",
		"0123456789abcdef", "0123456789ABCDEF01234567", "01234567\n",
		"0123456G" };
	static const uint32_t counts[] = { 0, 2, 1001, 0x80000000, 0xffffffff };
	int w;

	for (size_t i = 0; i < NELEM(ids); i++) {
		w = new_worker(&x);
		begin(ids[i], "");
		breach("a queue id that is none", w);
	}
	for (size_t i = 0; i < NELEM(counts); i++) {
		w = drafting();
		rcpt("bob@example.org");
		memcpy(rq.data, &counts[i], sizeof(counts[i]));
		breach("a wrong number of recipients", w);
	}
	w = drafting();
	rcpt("bob@example.org");
	msg_put_u32(&rq, 0);
	breach("octets behind the recipients", w);
	w = drafting();
	commit(0, 2, "x");
	breach("a length that is not the content's", w);
	w = drafting();
	commit(2, 1, "x");
	breach("an unknown kind of content", w);
	w = drafting();
	commit(1, 1, "");
	breach("spooled content without a spool file", w);
	w = drafting();
	commit(1, 1, "x");
	breach("spooled and inline content", w);
	w = drafting();
	msg_start(&rq, QUEUE_COMMIT);
	msg_put_u32(&rq, 0);
	msg_put_u64(&rq, MSG_INLINE_MAX + 1);
	msg_put_view(&rq, (struct view){ big, MSG_INLINE_MAX + 1 });
	breach("more content than a message may carry", w);
	w = new_worker(&x);
	begin(next_id(), "");
	rq.fd = open("/dev/null", O_RDONLY);
	breach("a descriptor", w);
	w = new_worker(&x);
	msg_start(&rq, 31);
	breach("an unknown request", w);
	w = new_worker(&x);
	msg_start(&rq, QUEUE_SPOOL);
	msg_put_u32(&rq, 1);
	breach("a spool with a field", w);
	w = new_worker(&x);
	begin(next_id(), "");
	rq.len -= 2;
	breach("a request that was cut off", w);
	ok(wait_empty(1000) && wait_files("incoming", 0),
	    "nothing of these is left");
}

/* ---- askers that go ---- */

static void
long_rcpt(unsigned from)
{
	char to[120];

	msg_start(&rq, QUEUE_RCPT);
	msg_put_u32(&rq, 200);
	for (unsigned k = from; k < from + 200; k++) {
		snprintf(to, sizeof(to),
		    "somebody-with-a-long-name-%04u@example.org", k);
		msg_put_str(&rq, to);
		msg_put_str(&rq, "somebody-with-an-even-longer-name-"
				 "and-an-address@example.org");
	}
}

static void
test_gone(void)
{
	enum { N = 30 };
	int w[N];

	shared->n = 0;
	for (unsigned i = 0; i < N; i++) {
		w[i] = new_worker(&x);
		if (i % 3 == 0)
			close(spool_of(w[i], 10));
		open_draft(w[i]);
	}
	for (unsigned i = 0; i < N; i++)
		close(w[i]);
	int v = new_worker(&x);
	ask_begin(v);
	for (unsigned i = 0; i < 4; i++) {
		long_rcpt(i * 200);
		ask(v);
	}
	ok(files_in("incoming") == 1, "a long envelope is on disk already");
	close(v);
	ok(wait_files("incoming", 0), "and gone with its asker");
	/* Those that do not wait for their answer. */
	for (unsigned i = 0; i < N; i++) {
		w[i] = drafting();
		commit(0, 1, "x");
		msg_send(w[i], &rq);
		close(w[i]);
	}
	v = new_worker(&x);
	ok(put_one(v, "carol@example.org", "x") == OK && wait_done(1, 2000) &&
		wait_empty(2000) && delivered_to("carol@example.org") == 1,
	    "the others are not disturbed");
	ok(wait_files("incoming", 0), "nothing is left");
	close(v);
}

/* Floods, and never reads an answer. */
static void
test_flood(void)
{
	int w = new_worker(&x), v = new_worker(&x);
	unsigned sent = 0;

	shared->n = 0;
	msg_start(&rq, QUEUE_ABORT);
	while (sent < 100000 && msg_send(w, &rq) == 0)
		sent++;
	int64_t t = now_ms();
	ok(put_one(v, "dave@example.org", "x") == OK, "a flood of %u", sent);
	t = now_ms() - t;
	ok(t < 15000, "holds nobody up (%lld ms)", (long long)t);
	close(w);
	close(v);
	ok(wait_done(1, 2000), "and delivery goes on");
}

/* 200 askers that stall with half a message. */
static void
test_stall(void)
{
	enum { N = 200 };
	int w[N], v;
	unsigned good = 0;

	shared->n = 0;
	for (unsigned i = 0; i < N; i++) {
		w[i] = new_worker(&x);
		good += open_draft(w[i]) == OK;
	}
	v = new_worker(&x);
	ok(good == N && put_one(v, "erin@example.org", "x") == OK &&
		wait_done(1, 1000),
	    "%u half messages keep no other waiting", good);
	close(v);
	for (unsigned i = 0; i < N; i++) {
		commit(0, 1, "x");
		good -= ask(w[i]) == OK;
		close(w[i]);
	}
	ok(good == 0 && wait_done(N + 1, 5000), "and can go on later");
}

int
main(void)
{
	asker_begin();
	test_order();
	test_fields();
	test_gone();
	test_flood();
	test_stall();
	return asker_end();
}
