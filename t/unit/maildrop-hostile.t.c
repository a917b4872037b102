/* What a session that was broken into may send to the maildrop role
 * (pop3d/svc_maildrop.c). */
#define _GNU_SOURCE
#include "t/unit/maildrop_role.h"

struct row {
	uint64_t offset, length;
	size_t uid;
};
static const struct attack {
	const char *name;
	unsigned requests; /* of LOCK, OPEN before it */
	uint32_t type;
	unsigned n; /* said */
	struct row row[3];
	unsigned rows; /* sent */
	uint32_t total;
	int fds;
	unsigned extra;
} attacks[] = {
	/* clang-format off */
	{ .name = "OPEN before LOCK", .type = MAILDROP_OPEN },
	{ .name = "COMMIT before LOCK", .type = MAILDROP_COMMIT },
	{ .name = "COMMIT before OPEN", .requests = 1, .type = MAILDROP_COMMIT },
	{ .name = "an unknown request", .requests = 2, .type = 17 },
	{ .name = "a huge request", .requests = 2, .type = 4000000000u },
	{ .name = "LOCK twice", .requests = 2, .type = MAILDROP_LOCK, .extra = 4 },
	{ .name = "a row of length 0", .requests = 2, .type = MAILDROP_DELETE, .n = 1, .rows = 1, .row = { { 5, 0, 16 } } },
	{ .name = "a row behind the end", .requests = 2, .type = MAILDROP_DELETE, .n = 1, .rows = 1, .row = { { 90, 11, 16 } } },
	{ .name = "a row that wraps around", .requests = 2, .type = MAILDROP_DELETE, .n = 1, .rows = 1, .row = { { 10, UINT64_MAX - 4, 16 } } },
	{ .name = "rows that overlap", .requests = 2, .type = MAILDROP_DELETE, .n = 2, .rows = 2, .row = { { 0, 10, 16 }, { 9, 3, 16 } } },
	{ .name = "rows out of order", .requests = 2, .type = MAILDROP_DELETE, .n = 2, .rows = 2, .row = { { 50, 10, 16 }, { 9, 3, 16 } } },
	{ .name = "a short unique-id", .requests = 2, .type = MAILDROP_DELETE, .n = 2, .rows = 2, .row = { { 0, 10, 16 }, { 20, 3, 15 } } },
	{ .name = "a long unique-id", .requests = 2, .type = MAILDROP_DELETE, .n = 1, .rows = 1, .row = { { 0, 10, 17 } } },
	{ .name = "fewer rows than said", .requests = 2, .type = MAILDROP_DELETE, .n = 3, .rows = 2, .row = { { 0, 10, 16 }, { 20, 3, 16 } } },
	{ .name = "more rows than said", .requests = 2, .type = MAILDROP_DELETE, .n = 1, .rows = 2, .row = { { 0, 10, 16 }, { 20, 3, 16 } } },
	{ .name = "millions of rows said", .requests = 2, .type = MAILDROP_DELETE, .n = UINT32_MAX, .rows = 2, .row = { { 0, 10, 16 }, { 20, 3, 16 } } },
	{ .name = "a wrong total", .requests = 2, .type = MAILDROP_COMMIT, .total = 1 },
	{ .name = "a descriptor with COMMIT", .requests = 2, .type = MAILDROP_COMMIT, .fds = 1 },
	/* clang-format on */
};

static void
run_attack(const struct attack *a)
{
	char text[MAILDROP_TEXT_MAX];
	struct msg *m = calloc(1, sizeof(*m));
	enum status st;
	int lock = -1, fd = -1, right = introduce(auth, &alice);

	if (a->requests > 0)
		lock = ask_maildrop_lock(right, &st, text, sizeof(text));
	if (a->requests > 1)
		fd = ask_maildrop_open(right, &st, text, sizeof(text));
	msg_start(m, a->type);
	if (a->type == MAILDROP_COMMIT || a->extra > 0)
		msg_put_u32(m, a->total);
	if (a->type == MAILDROP_COMMIT)
		msg_put_u64(m, 0);
	if (a->type == MAILDROP_DELETE) {
		msg_put_u64(m, 1);
		msg_put_u64(m, 2);
		msg_put_u64(m, 100);
		msg_put_u32(m, a->n);
	}
	for (unsigned i = 0; i < a->rows; i++) {
		msg_put_u64(m, a->row[i].offset);
		msg_put_u64(m, a->row[i].length);
		msg_put_view(
		    m, (struct view){ "0123456789abcdefgh", a->row[i].uid });
	}
	if (a->fds > 0)
		m->fd = dup(0);
	ok(!msg_call(right, m, 60000), "%s: no answer", a->name);
	struct pollfd p = { .fd = right, .events = POLLIN };
	ok(poll(&p, 1, 60000) == 1 && (p.revents & POLLHUP), "but the end");
	close(right);
	close_fd(&lock);
	close_fd(&fd);
	free(m);
}

static void
test_attacks(void)
{
	seen->runs = 0;
	for (size_t i = 0; i < NELEM(attacks); i++)
		run_attack(&attacks[i]);
	ok(seen->runs == 0, "nothing was deleted");
	ok(commit(1) == OK, "and the role serves others");
	struct intro in = alice;
	char text[MAILDROP_TEXT_MAX];
	enum status st;
	in.uid = geteuid() == 0 ? 0 : geteuid() + 1;
	int right = introduce(auth, &in);
	ok(ask_maildrop_lock(right, &st, text, sizeof(text)) == -1 &&
		st == ERR_DOWN,
	    "nobody becomes root, or another user without root");
	close(right);
	snprintf(in.user, sizeof(in.user), "../alice");
	in.uid = alice.uid;
	right = introduce(auth, &in);
	ok(ask_maildrop_lock(right, &st, text, sizeof(text)) == -1,
	    "a name that leads elsewhere gets nothing");
	close(right);
}

int
main(void)
{
	spool_begin();
	role_begin();
	test_attacks();
	ok(role_end(), "it ends when the master does");
	spool_end();
	return done_testing();
}
