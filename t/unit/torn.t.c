/* What a power cut leaves of an append (spool/torn.c). */
#define _GNU_SOURCE /* memfd_create */
#include "spool/torn.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "spool/mbox.h"
#include "t/unit/tap.h"

#define FROM "From a@x Mon Jan  5 10:00:00 2026\nSubject: a\n\n"
#define DATE " Thu Jan  1 00:00:00 1970\n"
#define SUBJECT "Subject: (the rest of a message that a power cut tore)\n\n"
#define REST "rest\n\n"
#define ZEROS "[zeros]"

enum { ROOM = 1 << 20 };

/* clang-format off */
static const struct {
	const char *name;
	const char *before; /* in the mailbox */
	const char *torn;   /* of what was appended */
	size_t zeros;	    /* up to an octet that this number divides; 0: none */
	const char *rest;
	const char *want;   /* in place of the first zeros; NULL: untouched */
} cases[] = {
{ "nothing", "", "", 0, "", NULL },
{ "a whole mailbox", "", FROM REST, 0, "", NULL },
{ "an empty mailbox whose first sector is gone", "", "", 512, REST, "From -" DATE SUBJECT ZEROS },
{ "one whose From_ line was cut", "", "From a@x Mon", 0, "", DATE SUBJECT },
{ "within its first word", "", "Fr", 0, "", "om -" DATE SUBJECT },
{ "zeros and nothing else", "", "", 512, "", "From -" DATE SUBJECT ZEROS },
{ "a torn message behind others", FROM REST, "", 512, REST, "From -" DATE SUBJECT ZEROS },
{ "within its From_ line", FROM REST, "From a@x Mo", 512, REST, DATE SUBJECT ZEROS },
{ "what closed the message before it is gone, too", FROM "x", "", 512, REST, "\n\nFrom -" DATE SUBJECT ZEROS },
{ "or half of it", FROM "x\n", "\n", 512, REST, "From -" DATE SUBJECT ZEROS },
{ "zeros of little room", FROM "x", "", 128, REST, "\n\nFrom -" DATE "\n" ZEROS },
{ "of no room", FROM "x", "", 64, REST, NULL },
{ "a From_ line that is whole", FROM REST, FROM, 512, REST, NULL },
{ "text, and zeros behind it", FROM REST, "hello", 512, REST, NULL },
};
/* clang-format on */

static char text[ROOM], is[ROOM];

static void
mend(size_t i)
{
	int fd = memfd_create("mbox", MFD_CLOEXEC);
	size_t at = strlen(cases[i].before), n = at + strlen(cases[i].torn);
	struct mbox_list l = { .n = 0 };
	bool mended = false;

	memset(text, 0, sizeof(text));
	memcpy(text, cases[i].before, at);
	memcpy(text + at, cases[i].torn, n - at);
	size_t gap = n;
	while (cases[i].zeros > 0 && (n == gap || n % cases[i].zeros != 0))
		n++;
	memcpy(text + n, cases[i].rest, strlen(cases[i].rest));
	n += strlen(cases[i].rest);
	if (fd == -1 || pwrite(fd, text, n, 0) != (ssize_t)n)
		abort();
	enum status st = torn_mend(fd, at, &mended);
	if (cases[i].want != NULL) {
		size_t k = strlen(cases[i].want);
		memcpy(text + gap, cases[i].want, k);
		n = gap + k > n ? gap + k : n;
	}
	memset(is, 0, sizeof(is));
	ssize_t got = pread(fd, is, sizeof(is), 0);
	ok(st == OK && mended == (cases[i].want != NULL) && got == (ssize_t)n &&
		memcmp(is, text, n) == 0,
	    "%s", cases[i].name);
	if (cases[i].want != NULL) {
		ok(mbox_scan(fd, n, true, &l) == OK && l.n == 1 + (at > 0) &&
			l.msg[l.n - 1].offset >= at,
		    "it is a message of its own");
		ok(torn_mend(fd, at, &mended) == OK && !mended,
		    "once is enough");
	}
	mbox_list_free(&l);
	close(fd);
}

static void
others(void)
{
	int fd = memfd_create("mbox", MFD_CLOEXEC);
	bool mended = true;
	uint64_t at = 0;

	memset(text, 0, sizeof(text));
	memset(text + 100, 'x', 100); /* no disk's zeros end there */
	if (fd == -1 || pwrite(fd, text, 200, 0) != 200)
		abort();
	ok(torn_mend(fd, 0, &mended) == OK && !mended,
	    "zeros that end anywhere are somebody's");
	ok(torn_find(fd, &at, NULL, NULL) == OK && at == 0,
	    "zeros at the start are found");
	memset(text, 'x', sizeof(text));
	for (size_t k = 65530; k < 65550; k++) {
		memset(text, 'x', 70000);
		memcpy(text + k, "\n\n\0\0", 4);
		at = 0;
		if (pwrite(fd, text, sizeof(text), 0) != sizeof(text) ||
		    torn_find(fd, &at, NULL, NULL) != OK || at != k + 2)
			break;
		at++;
		if (torn_find(fd, &at, NULL, NULL) != ERR_GONE)
			break;
		mended = k == 65549;
	}
	ok(mended, "wherever they are, and once each");
	close(fd);
}

int
main(void)
{
	for (size_t i = 0; i < NELEM(cases); i++)
		mend(i);
	others();
	return done_testing();
}
