/* Durable append: what is written, and what is left when something fails. */
#define _GNU_SOURCE
#include "spool/append.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/log.h"
#include "spool/mbox.h"
#include "t/unit/tap.h"

/* ---- calls that can be made to fail ---- */

enum call { PWRITE, FDATASYNC, FTRUNCATE, PREAD, CALLS };
enum { SHORT = -1 };
static unsigned count[CALLS];	/* calls so far */
static unsigned fail_at[CALLS]; /* number of the call that fails; 0: none */
static int fail_with;		/* errno, or SHORT */
/* What somebody who minds no lock appends when a call fails. */
static const char *foreign;
static int box;

static bool
fails(enum call c)
{
	if (++count[c] != fail_at[c] || fail_with == SHORT)
		return false;
	if (foreign != NULL)
		syscall(SYS_pwrite64, box, foreign, strlen(foreign),
		    syscall(SYS_lseek, box, 0, SEEK_END));
	errno = fail_with;
	return true;
}

static size_t
some(enum call c, size_t n)
{
	return count[c] == fail_at[c] && fail_with == SHORT ? n / 2 : n;
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	return fails(PWRITE)
		   ? -1
		   : syscall(SYS_pwrite64, fd, p, some(PWRITE, n), at);
}

ssize_t
pread(int fd, void *p, size_t n, off_t at)
{
	return fails(PREAD) ? -1
			    : syscall(SYS_pread64, fd, p, some(PREAD, n), at);
}

int
fdatasync(int fd)
{
	return fails(FDATASYNC) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int
ftruncate(int fd, off_t n)
{
	return fails(FTRUNCATE) ? -1 : (int)syscall(SYS_ftruncate, fd, n);
}

static void
all_works(void)
{
	memset(count, 0, sizeof(count));
	memset(fail_at, 0, sizeof(fail_at));
}

/* ---- the file ---- */

static char got[1 << 16];

static void
start_with(const char *text)
{
	all_works();
	if (ftruncate(box, 0) == -1 ||
	    pwrite(box, text, strlen(text), 0) != (ssize_t)strlen(text))
		abort();
	all_works();
}

static const char *
content(void)
{
	all_works();
	ssize_t n = pread(box, got, sizeof(got) - 1, 0);

	got[n < 0 ? 0 : n] = '\0';
	return got;
}

static struct append_msg
message(const char *text)
{
	return (struct append_msg){ .sender = "eve@example.com",
		.original_to = "Bob@example.org",
		.delivered_to = "bob@example.org",
		.content = view_of(text),
		.file = -1 };
}

enum { NOW = 1795212000 }; /* Fri Nov 20 22:00:00 2026 */
#define HEAD                                                                   \
	"From eve@example.com Fri Nov 20 22:00:00 2026\n"                      \
	"Return-Path: <eve@example.com>\n"                                     \
	"X-Original-To: Bob@example.org\n"                                     \
	"Delivered-To: bob@example.org\n"
#define OLD "From x Fri Nov 20 21:00:00 2026\nA: b\n\nold\n\n"

static enum status
append(struct append_msg m)
{
	return append_batch(box, &m, 1, true, NOW);
}

static void
test_text(void)
{
	start_with("");
	ok(append(message("Subject: s\r\n\r\n>From a\r\nFrom b\r\n.\r\n")) ==
		    OK &&
		strcmp(content(), HEAD "Subject: s\n\n>>From a\n>From b\n"
				       ".\n\n") == 0,
	    "a message in an empty file, mboxrd");
	start_with("");
	struct append_msg m = message("S: s\r\n\r\n>From a\r\nFrom b");
	ok(append_batch(box, &m, 1, false, NOW) == OK &&
		strcmp(content(), HEAD "S: s\n\n>From a\n>From b\n\n") == 0,
	    "mboxo, and a last line without end");
	start_with("");
	m.sender = "";
	m.content = view_of("");
	ok(append(m) == OK &&
		strcmp(content(), "From MAILER-DAEMON Fri Nov 20 "
				  "22:00:00 2026\nReturn-Path: "
				  "<>\nX-Original-To: Bob@example.org\n"
				  "Delivered-To: bob@example.org\n\n") == 0,
	    "the null reverse-path, no content");
	start_with("");
	m.sender = "\"a b\"@example.com";
	ok(append(m) == OK && strncmp(content(),
				  "From \"a_b\"@example.com Fri "
				  "Nov 20 22:00:00 2026\nReturn-Path: <\"a "
				  "b\"@example.com>\n",
				  79) == 0,
	    "a blank in the sender does not end it in the From_ line");
	struct mbox_list l;
	ok(mbox_scan(box, (uint64_t)lseek(box, 0, SEEK_END), true, &l) == OK &&
		l.n == 1,
	    "which is a separator");
	mbox_list_free(&l);
	start_with("");
	m.sender = "e@x";
	append_batch(box, &m, 1, true, 0);
	ok(strncmp(content(), "From e@x Thu Jan  1 00:00:00 1970\n", 34) == 0,
	    "a date with one digit");
}

static void
test_tail(void)
{
	static const struct {
		const char *before, *gap, *what;
	} t[] = {
		{ OLD, "", "a whole mailbox" },
		{ "From x Fri Nov 20 21:00:00 2026\n\nold\n", "\n",
		    "no blank line before the end" },
		{ "From x Fri Nov 20 21:00:00 2026\n\nold", "\n\n",
		    "no line end" },
		{ "x", "\n\n", "one octet" },
		{ "\n", "", "one line feed" },
		{ "From x Fri Nov 20 21:00:00 2026\r\n\r\nold\r\n", "\n",
		    "CRLF" },
	};
	char want[512];

	for (size_t i = 0; i < NELEM(t); i++) {
		start_with(t[i].before);
		snprintf(want, sizeof(want), "%s%s" HEAD "\nnew\n\n",
		    t[i].before, t[i].gap);
		ok(append(message("\r\nnew\r\n")) == OK &&
			strcmp(content(), want) == 0,
		    "behind %s", t[i].what);
	}
}

static void
test_fields(void)
{
	static const char *const bad[] = { "a\nb@x", "a\rb", "a\tb", "\177@x",
		"\303@x", "\302\205@x", "\033[2J" };
	char longest[APPEND_FIELD_MAX + 2];

	start_with(OLD);
	for (size_t i = 0; i < NELEM(bad); i++) {
		struct append_msg m = message("x");
		m.sender = bad[i];
		bool good = append_fields_ok(&m) || append(m) != ERR_INVALID;
		m = message("x");
		m.original_to = bad[i];
		good = good || append_fields_ok(&m) || append(m) != ERR_INVALID;
		m = message("x");
		m.delivered_to = bad[i];
		good = good || append_fields_ok(&m) || append(m) != ERR_INVALID;
		ok(!good, "field %zu is not fit for a header", i);
	}
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	struct append_msg m = message("x");
	m.sender = longest;
	ok(!append_fields_ok(&m), "one too long");
	longest[APPEND_FIELD_MAX] = '\0';
	ok(append_fields_ok(&m), "one just short enough");
	ok(strcmp(content(), OLD) == 0, "nothing of that was written");
}

static int
file_with(size_t n)
{
	char name[] = "/tmp/append.XXXXXX";
	int fd = mkstemp(name);
	char line[64];

	if (fd == -1)
		abort();
	unlink(name);
	memset(line, 'l', sizeof(line));
	line[62] = '\r';
	line[63] = '\n';
	for (size_t i = 0; i < n; i++)
		if (pwrite(fd, line, 64, (off_t)i * 64) != 64)
			abort();
	all_works();
	return fd;
}

static void
test_file(void)
{
	struct append_msg m = message("");
	struct mbox_list l;
	struct stat st;

	start_with(OLD);
	m.file = file_with(100000);
	m.offset = 64;
	m.length = 6400000 - 64;
	enum status rc = append(m);
	ok(rc == OK && count[FDATASYNC] == 1 && count[PWRITE] <= 8,
	    "6.4 MB from a file: %u writes, %u flush", count[PWRITE],
	    count[FDATASYNC]);
	fstat(box, &st);
	ok((size_t)st.st_size == strlen(OLD HEAD) + 99999u * 63 + 1,
	    "all of it");
	ok(mbox_scan(box, (uint64_t)st.st_size, true, &l) == OK && l.n == 2 &&
		l.msg[1].wire > 6399936,
	    "as one message");
	mbox_list_free(&l);

	start_with(OLD);
	m.length = 6400000;
	ok(append(m) == ERR_INVALID, "a file that is shorter than was said");
	ok(strcmp(content(), OLD) == 0, "leaves nothing, though much of it "
					"had been written");
	m.offset = UINT64_MAX - 5;
	m.length = 10;
	ok(append(m) == ERR_INVALID, "an offset that overflows");
	m.offset = 5;
	m.length = UINT64_MAX;
	ok(append(m) == ERR_INVALID, "a length that does");
	ok(strcmp(content(), OLD) == 0, "leave nothing");
	close(m.file);
	int p[2];
	if (pipe(p) == -1)
		abort();
	m = message("");
	m.file = p[0];
	m.length = 5;
	ok(append(m) == ERR_IO, "a pipe is no file");
	close(p[0]);
	close(p[1]);
	ok(strcmp(content(), OLD) == 0, "and leaves nothing");
}

static void
test_batch(void)
{
	static struct append_msg m[64];
	static char big[15000];
	struct mbox_list l;

	for (size_t i = 0; i < sizeof(big); i += 50)
		memcpy(big + i,
		    "ssssssssssssssssssssssssssssssssssssssssssssssss"
		    "\r\n",
		    50);
	for (unsigned i = 0; i < NELEM(m); i++) {
		m[i] = message("");
		m[i].content = (struct view){ big, i == 5 ? 0 : sizeof(big) };
	}
	start_with(OLD);
	ok(append_batch(box, m, NELEM(m), true, NOW) == OK &&
		count[FDATASYNC] == 1 && count[PWRITE] == 1,
	    "64 messages: one write, one flush");
	all_works();
	ok(mbox_scan(box, (uint64_t)lseek(box, 0, SEEK_END), true, &l) == OK &&
		l.n == 65,
	    "all are there");
	mbox_list_free(&l);
	start_with(OLD);
	m[40].original_to = "a\nb";
	ok(append_batch(box, m, NELEM(m), true, NOW) == ERR_INVALID &&
		strcmp(content(), OLD) == 0,
	    "one that is bad: none");
}

static const struct fault {
	int e;
	enum status st;
} faults[] = {
	{ EIO, ERR_IO },
	{ ENOSPC, ERR_NOSPACE },
	{ EDQUOT, ERR_QUOTA },
	{ EFBIG, ERR_QUOTA },
	{ ESTALE, ERR_IO },
	{ EINTR, OK },
	{ SHORT, OK },
};

/* What append_batch must say when a call c fails so. */
static enum status
expected(const struct fault *f, enum call c)
{
	/* Reading says nothing of this disk's room. */
	return c == PREAD && f->st != OK ? ERR_IO : f->st;
}

/* One run in which the n-th call c fails. */
static bool
run_fault(const struct fault *f, enum call c, unsigned n,
    const struct append_msg *m, off_t whole)
{
	struct stat st;

	start_with(OLD);
	fail_at[c] = n;
	fail_with = f->e;
	enum status got_st = append_batch(box, m, 2, true, NOW);
	/* Cutting off is flushed like writing. */
	bool flushed = count[PWRITE] == 0 || count[FDATASYNC] > 0;
	all_works();
	fstat(box, &st);
	bool as_it_was = strcmp(content(), OLD) == 0;
	return got_st == expected(f, c) && flushed &&
	       (got_st == OK ? st.st_size == whole : as_it_was);
}

/* Each call fails once at its N-th time, for every N. */
static void
test_faults(const struct append_msg *m)
{
	static const char *const names[] = { "pwrite", "fdatasync", "ftruncate",
		"pread" };
	unsigned calls[CALLS];
	struct stat whole;

	start_with(OLD);
	append_batch(box, m, 2, true, NOW);
	memcpy(calls, count, sizeof(calls));
	fstat(box, &whole);
	ok(calls[PWRITE] > 2 && calls[FDATASYNC] == 1 && calls[FTRUNCATE] == 0,
	    "a batch of several writes");
	for (unsigned i = 0; i < NELEM(faults); i++) {
		for (unsigned c = 0; c < CALLS; c++) {
			unsigned bad = 0;
			for (unsigned n = 1; n <= calls[c]; n++)
				bad += !run_fault(
				    &faults[i], c, n, m, whole.st_size);
			if (calls[c] == 0)
				continue; /* only after a failure */
			ok(bad == 0, "%s fails with %s, at each of %u calls",
			    names[c],
			    faults[i].e == SHORT ? "less than asked"
						 : strerrorname_np(faults[i].e),
			    calls[c]);
		}
	}
}

/* The failures that come in twos. */
static void
test_cutting_off(struct append_msg *m)
{
	struct mbox_list l;

	start_with(OLD);
	fail_at[PWRITE] = fail_at[FTRUNCATE] = 1;
	fail_with = EINTR;
	ok(append_batch(box, m, 2, true, NOW) == OK, "EINTR is no failure");
	start_with(OLD);
	struct append_msg turned[2] = { m[1], m[0] };
	/* Behind the file, so that much was written. */
	turned[1].sender = "a\nb";
	fail_at[FTRUNCATE] = 1;
	fail_with = EINTR;
	ok(append_batch(box, turned, 2, true, NOW) == ERR_INVALID &&
		count[PWRITE] > 0 && strcmp(content(), OLD) == 0,
	    "nor does it keep a torn tail from being cut off");
	/* When cutting off fails as well, the next one closes the tail. */
	start_with(OLD);
	fail_at[PWRITE] = 2;
	fail_at[FTRUNCATE] = 1;
	fail_with = EIO;
	ok(append_batch(box, m, 2, true, NOW) == ERR_IO,
	    "nothing is said to be delivered when the tail cannot be cut off");
	all_works();
	ok(append(message("S: 2\r\n\r\ntwo\r\n")) == OK &&
		mbox_scan(box, (uint64_t)lseek(box, 0, SEEK_END), true, &l) ==
		    OK,
	    "and the next append makes an mbox of it");
	ok(l.n >= 2 && l.msg[l.n - 1].length == strlen(HEAD "S: 2\n\ntwo\n\n"),
	    "whose last message is whole");
	mbox_list_free(&l);
}

/* Nobody should write there without a lock.  What he wrote stays. */
static void
test_foreign(struct append_msg *m)
{
	static const char text[] = "From f@x Fri Nov 20 22:00:00 2026\n"
				   "S: f\n\nf\n\n";
	static char all[4 << 20];
	unsigned kept = 0;

	for (unsigned n = 1; n <= 4; n++) {
		start_with(OLD);
		fail_at[n == 4 ? FDATASYNC : PWRITE] = n == 4 ? 1 : n;
		fail_with = EIO;
		foreign = text;
		enum status st = append_batch(box, m, 2, true, NOW);
		foreign = NULL;
		all_works();
		ssize_t got_n = pread(box, all, sizeof(all) - 1, 0);
		all[got_n < 0 ? 0 : got_n] = '\0';
		kept += st == ERR_IO && strncmp(all, OLD, strlen(OLD)) == 0 &&
			strstr(all, text) != NULL;
	}
	ok(kept == 4,
	    "what somebody wrote behind a torn message is not cut off "
	    "with it (%u of 4)",
	    kept);
}

int
main(void)
{
	char name[] = "/tmp/append.XXXXXX";

	log_level_set(LOG_LVL_ERROR + 1);
	box = mkstemp(name);
	if (box == -1)
		abort();
	unlink(name);
	test_text();
	test_tail();
	test_fields();
	test_file();
	test_batch();
	struct append_msg m[2] = { message("S: 1\r\n\r\none\r\n"),
		message("") };
	m[1].file = file_with(40000); /* 2.5 MB: several writes */
	m[1].length = 64 * 40000;
	test_faults(m);
	test_cutting_off(m);
	test_foreign(m);
	close(m[1].file);
	return done_testing();
}
