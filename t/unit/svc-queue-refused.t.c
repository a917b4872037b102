/* What the queue role refuses: who may send to whom, addresses, spool files,
 * ids that are taken; and that nothing of it is ever on disk. */
#define _GNU_SOURCE
#include "t/unit/queue_asker.h"

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
		wait_files("incoming", 0),
	    "and nothing of it is kept, for nobody");
	ok(put(w, next_id(), upper, 1, view_of("x"), text) == OK,
	    "the case of a domain does not matter");
	ok(put(w, next_id(), route, 1, view_of("x"), text) == OK &&
		wait_done(2, 1000) && delivered_to(route[0]) == 1,
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

	if (!wait_empty(1000)) /* of what was delivered */
		printf("# another record waits\n");
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

int
main(void)
{
	asker_begin();
	test_rights();
	test_record();
	test_addresses();
	test_spool();
	test_collision();
	return asker_end();
}
