/* The queue role among askers that lie: who may send to whom, what is refused,
 * what gets its sender dropped, and that nothing of it is ever on disk. */
#define _GNU_SOURCE
#include "t/unit/queue_role.h"

static struct running x;
static struct msg rq;
static char big[100000];

/* ---- requests by hand ---- */

static void
begin(const char *id, const char *sender)
{
	msg_start(&rq, QUEUE_BEGIN);
	msg_put_str(&rq, id);
	msg_put_str(&rq, sender);
	msg_put_str(&rq, "c[192.0.2.1]");
	msg_put_str(&rq, "c");
	msg_put_str(&rq, "ESMTP");
}

static void
rcpt(const char *to)
{
	msg_start(&rq, QUEUE_RCPT);
	msg_put_u32(&rq, 1);
	msg_put_str(&rq, to);
	msg_put_str(&rq, to);
}

static void
commit(uint32_t kind, uint64_t length, const char *content)
{
	msg_start(&rq, QUEUE_COMMIT);
	msg_put_u32(&rq, kind);
	msg_put_u64(&rq, length);
	msg_put_str(&rq, content);
}

/* Asks; the status, or 1: the channel was closed. */
static int
ask(int sock)
{
	if (!msg_call(sock, &rq, 60000))
		return 1;
	int st = (int)status_unpack(msg_get_u32(&rq));
	msg_wipe(&rq);
	return st;
}

static int
ask_begin(int sock)
{
	begin(next_id(), "a@example.org");
	return ask(sock);
}

static int
ask_rcpt(int sock, const char *to)
{
	rcpt(to);
	return ask(sock);
}

static int
open_draft(int sock)
{
	int st = ask_begin(sock);

	return st == OK ? ask_rcpt(sock, "bob@example.org") : st;
}

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

/* ---- who may send to whom ---- */

static void
test_rights(void)
{
	int w = new_worker(&x), u = new_user(&x, "alice");
	char text[DELIVER_TEXT_MAX];
	const char *mixed[] = { "bob@example.org", "eve@elsewhere.example" };
	const char *almost[] = { "bob@example.org.evil" };
	const char *literal[] = { "bob@[127.0.0.1]" };
	const char *route[] = { "bob%elsewhere.example" };
	const char *upper[] = { "bob@EXAMPLE.org" };

	ok(put(w, next_id(), mixed, 2, view_of("x"), text) == ERR_PERM &&
		strstr(text, "<eve@elsewhere.example>") != NULL,
	    "a foreign recipient is refused: %s", text);
	ok(put(w, next_id(), almost, 1, view_of("x"), text) == ERR_PERM,
	    "so is a domain that only begins like ours");
	ok(put(w, next_id(), literal, 1, view_of("x"), text) == ERR_PERM,
	    "and an address literal");
	pause_ms(30);
	ok(shared->n == 0 && files_in("active") == 0 &&
		files_in("incoming") == 0,
	    "and nothing of it is kept, for nobody");
	ok(put(w, next_id(), upper, 1, view_of("x"), text) == OK,
	    "the case of a domain does not matter");
	ok(put(w, next_id(), route, 1, view_of("x"), text) == OK &&
		wait_done(2, 1000) && strcmp(shared->done[1].to, route[0]) == 0,
	    "a percent sign is a letter of a local name");
	ok(put(u, next_id(), mixed, 2, view_of("x"), text) == OK &&
		wait_done(4, 1000) && delivered_to(mixed[1]) == 1,
	    "a user may send to anybody");
	const struct intro in = { .kind = INTRO_USER, .user = "mallory" };
	int forged = introduce(x.pool, &in);
	struct pollfd p = { .fd = forged, .events = POLLIN };
	ok(poll(&p, 1, 60000) == 1 && (p.revents & POLLHUP),
	    "the pool cannot introduce a user");
	close(forged);
	close(w);
	close(u);
}

/* Reads the one record that waits. */
static const char *
waiting_record(void)
{
	static char text[4000];
	DIR *d = queue_subdir("active");

	text[0] = '\0';
	for (struct dirent *e; (e = readdir(d)) != NULL;) {
		int fd = e->d_name[0] == '.'
			     ? -1
			     : openat(dirfd(d), e->d_name, O_RDONLY);
		if (fd == -1)
			continue;
		ssize_t n = read(fd, text, sizeof(text) - 1);
		text[n > 0 ? n : 0] = '\0';
		close(fd);
	}
	closedir(d);
	return text;
}

static void
test_record(void)
{
	int u = new_user(&x, "alice");
	struct deposit_rcpt r = { "held-tame@example.org", "tame\"]", NULL };
	struct deposit d = { .id = next_id(),
		.sender = "",
		.client = "c\n[x]",
		.helo = "h\r\n\x80T eve@example.org\tx",
		.protocol = "\x1b[0m",
		.rcpt = &r,
		.rcpt_n = 1,
		.content = view_of("x") };

	shared->n = 0;
	shared->let_go = false;
	ok(ask_queue_deposit(u, &d) == ERR_INVALID,
	    "an original recipient must be an address, too");
	r.original = "tame";
	ok(ask_queue_deposit(u, &d) == OK, "a user's message is taken");
	const char *rec = waiting_record();
	ok(strstr(rec, "\nsender: \nclient: c?[x]\n"
		       "helo: h???T eve@example.org?x\nprotocol: ?[0m\n"
		       "user: alice\nT held-tame@example.org\ttame\n"
		       "recipients: 1\ncontent: 1\n\nx") != NULL,
	    "its record says who sent it, and holds no forged line");
	shared->let_go = true;
	ok(wait_done(1, 5000) && wait_empty(1000) &&
		delivered_to("eve@example.org") == 0,
	    "nobody else gets it");
	ok(logged("to=<held-tame@example.org>, orig_to=<tame>, "
		  "relay=local"),
	    "log: the original recipient");
	close(u);
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

/* ---- refusals ---- */

static void
test_addresses(void)
{
	static const char *const bad[] = { "bob@example.org\nT eve@example.org",
		"bob\t@example.org", "bob@example.org\r", "\x01@example.org",
		"b\xc3@example.org", "@example.org", "bob@",
		"bob@example.org@example.org", " ", "bob@exa\x7fmple.org" };
	int w = new_worker(&x);
	unsigned n = 0;

	shared->n = 0;
	for (size_t i = 0; i < NELEM(bad); i++) {
		begin(next_id(), bad[i]);
		n += ask(w) == ERR_INVALID;
		ask_begin(w);
		int st = ask_rcpt(w, bad[i]);
		n += st == ERR_INVALID;
		if (st != ERR_INVALID)
			printf("# %zu: %d\n", i, st);
	}
	ok(n == 2 * NELEM(bad), "addresses that are none are refused");
	ask_begin(w);
	for (n = 0; n < 1001 && ask_rcpt(w, "bob@example.org") == OK; n++)
		;
	ok(n == 1000, "one recipient too many is refused (%u)", n);
	commit(0, 1, "x");
	ok(ask(w) == 1, "and nothing is left to commit");
	close(w);
}

static int
spool_of(int w, size_t n)
{
	enum status st;
	int fd = ask_queue_spool(w, &st);

	if (fd == -1 || write(fd, big, n) != (ssize_t)n)
		printf("# no spool file\n");
	return fd;
}

static void
test_spool(void)
{
	int w = new_worker(&x);

	shared->n = 0;
	int fd = spool_of(w, 10);
	open_draft(w);
	commit(1, 11, "");
	ok(ask(w) == ERR_INVALID, "a length beyond the spool file's end");
	close(fd);
	open_draft(w);
	commit(1, 1, "");
	ok(ask(w) == 1, "after it the file is forgotten");
	close(w);

	w = new_worker(&x);
	fd = spool_of(w, 10);
	int second = spool_of(w, 0);
	open_draft(w);
	commit(1, 10, "");
	ok(ask(w) == ERR_INVALID, "a second file takes the place of the first");
	close(fd);
	close(second);

	fd = spool_of(w, sizeof(big));
	ok(ftruncate(fd, 50000) == 0, "a file that is cut shorter");
	open_draft(w);
	commit(1, sizeof(big), "");
	ok(ask(w) == ERR_INVALID, "is refused");
	close(fd);

	/* What is written later does not reach the record. */
	fd = spool_of(w, sizeof(big));
	ask_begin(w);
	ask_rcpt(w, "busy1-later@example.org");
	commit(1, sizeof(big), "");
	int st = ask(w);
	ok(pwrite(fd, "changed", 7, 0) == 7 && ftruncate(fd, 10) == 0,
	    "a file that is changed later");
	ok(st == OK && wait_done(1, 3000) &&
		shared->done[0].sum == sum_of(big, sizeof(big)),
	    "does not change what was accepted");
	close(fd);

	fd = spool_of(w, 0);
	ok(ftruncate(fd, (off_t)3 << 30) == 0, "a file of 3 GiB");
	open_draft(w);
	commit(1, (uint64_t)3 << 30, "");
	ok(ask(w) == ERR_LIMIT, "is more than message_size_max");
	close(fd);
	ok(wait_empty(1000) && wait_files("incoming", 0),
	    "nothing of these is left");
	close(w);
}

static void
test_collision(void)
{
	static const char id[] = "C0111DE000000001",
			  other[] = "C0111DE000000002";
	int w = new_worker(&x), v = new_worker(&x);
	const char *to = "full-collide@example.org";
	char text[DELIVER_TEXT_MAX];

	ok(put(w, id, &to, 1, view_of("first"), NULL) == OK, "a message waits");
	ok(put(v, id, &to, 1, view_of("second"), text) == ERR_INVALID,
	    "its id cannot be taken again: %s", text);
	begin(other, "");
	ok(ask(w) == OK, "an id is taken from the beginning on");
	begin(other, "");
	ok(ask(v) == ERR_INVALID, "not by two at a time");
	msg_start(&rq, QUEUE_ABORT);
	ok(ask(w) == OK, "until it is given up");
	begin(other, "");
	ok(ask(v) == OK, "then it is free");
	close(w);
	close(v);
	ok(strstr(waiting_record(), "\n\nfirst") != NULL,
	    "the first is unharmed");
	drop_waiting();
	ok(logged("the record has gone from active/"),
	    "log: a record was taken away");
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
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 11 + i / 253);
	test_begin();
	x = start("");
	test_rights();
	test_record();
	test_order();
	test_fields();
	test_addresses();
	test_spool();
	test_collision();
	test_gone();
	test_flood();
	test_stall();
	ok(waitpid(x.queue, NULL, WNOHANG) == 0, "the queue still lives");
	stop(&x);
	return test_end();
}
