/* Unique-ids: the same for the same message wherever it lies, whatever other
 * programs add to it. */
#include "spool/mbox.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t/unit/tap.h"

#define F1 "From alice@example.org Fri Nov 20 22:00:00 2026\n"
#define F2 "From bob Sat Nov 21 01:02:03 2026\n"

/* A file without a name that holds text. */
static int
file_of(struct view text)
{
	char name[] = "/tmp/mbox-XXXXXX";
	int fd = mkstemp(name);

	if (fd == -1)
		abort();
	unlink(name);
	if (write(fd, text.p, text.n) != (ssize_t)text.n)
		abort();
	return fd;
}

struct uid {
	unsigned char id[16];
	enum status st;
};

/* The unique-id of message k of text. */
static struct uid
uid_of(const char *text, size_t k)
{
	struct view t = view_of(text);
	struct mbox_list l;
	struct uid u = { .st = ERR_INVALID };
	int fd = file_of(t);

	if (mbox_scan(fd, t.n, true, &l) == OK && k < l.n)
		u.st = mbox_unique_id(fd, &l.msg[k], u.id);
	mbox_list_free(&l);
	close(fd);
	return u;
}

static bool
same_uid(const char *a, size_t i, const char *b, size_t k)
{
	struct uid u = uid_of(a, i), v = uid_of(b, k);
	return u.st == OK && v.st == OK && memcmp(u.id, v.id, 16) == 0;
}

static void
unique_ids(void)
{
#define H F1 "Subject: x\nTo: y\n"
#define B "\nbody\n\nmore\n"
	static const char base[] = H B "\n";
	/* clang-format off */
	static const struct { const char *text, *name; size_t k; bool same; }
	cases[] = {
	{ F2 "x: y\n\nz\n\n" H B "\n", "another place",            1, true },
	{ H B,                         "no blank line behind it",  0, true },
	{ H B "\n\n\n",                "more blank lines",         0, true },
	{ H "Status: RO\n" B,          "Status added",             0, true },
	{ F1 "status: O\nSubject: x\nX-UID: 7\nTo: y\n" B, "X-UID", 0, true },
	{ H "X-IMAPbase: 1 2\n  3 4\n\tNonJunk\n" B, "a folded X-IMAPbase",
	  0, true },
	{ H "Content-Length: 1\nLines: 2\nX-Keywords: a\nX-Status: A\n"
	  "X-UIDL: z\nX-IMAP: 1\nX-Mozilla-Status2: 0\n" B, "all of them",
	  0, true },
	{ H "X-Statu: A\n" B,          "another field",            0, false },
	{ H "Linesx: A\n" B,           "a name that is longer",    0, false },
	{ F1 "To: y\nSubject: x\n" B,  "another order",            0, false },
	{ F1 "Subject: x\n Status: y\nTo: y\n" B, "a folded line that looks so",
	  0, false },
	{ F2 "Subject: x\nTo: y\n" B,  "another sender",           0, false },
	{ H B "Status: RO\n",          "Status in the body",       0, false },
	{ H "\nbody\n\n\nmore\n",      "another body",             0, false },
	};
	/* clang-format on */
	for (size_t i = 0; i < NELEM(cases); i++)
		ok(same_uid(base, 0, cases[i].text, cases[i].k) ==
			cases[i].same,
		    "unique-id: %s", cases[i].name);
	struct uid u = uid_of(base, 0);
	static const unsigned char known[16] = { 0x4c, 0x1c, 0xc0, 0x4c, 0x25,
		0x73, 0xa3, 0xc2, 0xe7, 0xee, 0x02, 0x1f, 0x15, 0x39, 0x57,
		0x79 };
	ok(u.st == OK && memcmp(u.id, known, 16) == 0,
	    "unique-id: what it was when it was first released");
	struct mbox_msg m = { .offset = 1, .length = sizeof(base) - 2 };
	int fd = file_of(view_of(base));
	ok(mbox_unique_id(fd, &m, u.id) == ERR_CHANGED, "no message there");
	m = (struct mbox_msg){ .offset = 0, .length = sizeof(base) };
	ok(mbox_unique_id(fd, &m, u.id) == ERR_CHANGED,
	    "one octet more than there is");
	ok(mbox_check_separator(fd, sizeof(base) + 4096) == ERR_CHANGED,
	    "no separator behind the end");
	close(fd);
}

/* Copies s with its terminator; returns where that is. */
static char *
text(char *p, const char *s)
{
	size_t n = strlen(s);

	memcpy(p, s, n + 1);
	return p + n;
}

static char *
fill(char *p, const char *with, size_t n)
{
	size_t w = strlen(with);

	for (size_t i = 0; i < n; i++)
		p[i] = with[i % w];
	return p + n;
}

/* Header lines, headers and bodies larger than what is read at once: an id must
 * depend on every octet it should, and on no other. */
static void
large_ids(void)
{
	enum { SIZE = 40000 };
	char *a = malloc(2 * SIZE), *b = malloc(2 * SIZE);
	int wrong = 0;

	if (a == NULL || b == NULL)
		abort();
	for (size_t at = 4000; at < 8400; at += at == 4400 ? 3600 : 1) {
		char *p = fill(text(a, F1), "X: y\n", at / 2);
		p = fill(p, "X: a long line ", at / 2);
		memcpy(b, a, (size_t)(p - a));
		char *q = b + (p - a);
		/* A foreign field of 9,000 octets behind it, or none. */
		q = fill(text(q, "\nStatus: "), "R", 9000);
		text(q, "\nTo: a\n\nbody\n");
		text(p, "\nTo: a\nX-UID: 5\n\nbody\n");
		wrong += !same_uid(a, 0, b, 0);
		a[at / 3] ^= 1;
		wrong += same_uid(a, 0, b, 0);
	}
	ok(wrong == 0, "unique-id: a header of any length");
	wrong = 0;
	for (size_t n = 0; n < SIZE; n += n / 7 + 1) {
		char *p = text(a, F1 "\n");
		p = fill(p, "body\n", n);
		memcpy(b, a, (size_t)(p - a));
		char *q = b + (p - a);
		*fill(p, "\n", n % 7 * 2000) = '\0';
		*q = '\0';
		wrong += !same_uid(a, 0, b, 0);
		memcpy(q, ".", 2);
		wrong += same_uid(a, 0, b, 0);
		*q = '\0';
		if (n > 1100) {
			b[sizeof(F1) + 1030] = '#';
			wrong += !same_uid(a, 0, b, 0);
			b[sizeof(F1) + 1023] = '#';
			wrong += same_uid(a, 0, b, 0);
		}
	}
	ok(wrong == 0, "unique-id: a body of any length");
	free(a);
	free(b);
}

/* A separator is found whatever the length of its From_ line. */
static void
long_from_lines(void)
{
	char mail[8192];
	int wrong = 0;

	for (size_t n = 1; n < MBOX_FROM_MAX + 50; n++) {
		char *p = text(mail, F1 "\nbody\n\n");
		size_t at = (size_t)(p - mail);
		p = fill(text(p, "From "), "a", n);
		p = text(p, " Fri Nov 20 22:00:00 2026\n");
		bool separator = (size_t)(p - mail) - at <= MBOX_FROM_MAX + 1;
		text(p, "Subject: x\n\n");
		int fd = file_of(view_of(mail));
		wrong += (mbox_check_separator(fd, at) == OK) != separator;
		close(fd);
	}
	ok(wrong == 0, "a separator of any length (%d wrong)", wrong);
}

int
main(void)
{
	unique_ids();
	long_from_lines();
	large_ids();
	return done_testing();
}
