/* Our own torn append is cut off, nobody else's (spool/intent.c), and the size
 * that a mailbox may have (spool/append.c). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spool/append.h"
#include "spool/intent.h"
#include "t/unit/tap.h"

static char dir[] = "/tmp/intent-XXXXXX";
static int box = -1, record = -1, big = -1;
static const char old[] = "From a@x Mon Jan  5 10:00:00 2026\n\nold\n\n";
enum { BIG = 3 << 20, NOW = 1790000000 };

static int
make_file(const char *name)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd == -1)
		abort();
	return fd;
}

static off_t
size(void)
{
	return lseek(box, 0, SEEK_END);
}

static void
put(const char *text)
{
	if (pwrite(box, text, strlen(text), size()) != (ssize_t)strlen(text))
		abort();
}

static struct append_target target = { .mboxrd = true };
static const struct append_msg small = { .sender = "s@x",
	.original_to = "b@x",
	.delivered_to = "b@x",
	.content = { "Subject: new\r\n\r\nbody\r\n", 22 },
	.file = -1 };

/* A delivery that dies in the middle: the second piece is beyond what the
 * process may write. */
static void
torn(const struct append_msg *first)
{
	struct append_msg m[2] = { *first, { .sender = "big@x",
					       .original_to = "b@x",
					       .delivered_to = "b@x",
					       .file = big,
					       .length = BIG } };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct rlimit r = { 0, 0 };
		setrlimit(RLIMIT_CORE, &r);
		r.rlim_cur = r.rlim_max = (rlim_t)size() + 1500000;
		setrlimit(RLIMIT_FSIZE, &r);
		signal(SIGXFSZ, SIG_DFL);
		append_to(&target, m, 2, NOW);
		append_to(&target, m + 1, 1, NOW);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid)
		abort();
}

static void
begin(void)
{
	if (ftruncate(box, 0) == -1 || ftruncate(record, 0) == -1)
		abort();
	put(old);
}

/* Does the mailbox have just these, in this order? */
static bool
holds(const char *first, const char *then)
{
	static char text[8192];
	ssize_t n = pread(box, text, sizeof(text) - 1, 0);

	if (n < 0 || (size_t)n != (size_t)size())
		return false;
	text[n] = '\0';
	const char *at = strstr(text, then);
	return strncmp(text, first, strlen(first)) == 0 && at != NULL &&
	       strstr(text, "big@x") == NULL;
}

static void
test_torn(void)
{
	begin();
	ok(append_to(&target, &small, 1, NOW) == OK &&
		holds(old, "Subject: new"),
	    "an append");
	off_t whole = size();
	ok(append_to(&target, &small, 1, NOW) == OK &&
		size() == 2 * whole - (off_t)strlen(old),
	    "a second one finds nothing to cut off");
	begin();
	torn(&small);
	ok(size() > 1000000, "a delivery died in the middle");
	ok(append_to(&target, &small, 1, NOW) == OK &&
		holds(old, "Subject: new") && size() == whole,
	    "the next one cuts that off");
	begin();
	put("From torn@y Mon Jan  5 10:00:00 2026\n\nno end");
	off_t theirs = size();
	torn(&small);
	ok(append_to(&target, &small, 1, NOW) == OK &&
		size() == theirs + 2 + whole - (off_t)strlen(old),
	    "what another program left torn is kept");
}

static void
test_foreign(void)
{
	static const char *const others[] = {
		"\n\nFrom o@y Mon Jan  5 11:00:00 2026\n\nother\n\n",
		"From o@y Mon Jan  5 11:00:00 2026\n\nother\n\n",
		"\nFrom o@y Mon Jan  5 11:00:00 2026\n\nother\n\n",
	};

	for (size_t i = 0; i < NELEM(others); i++) {
		begin();
		torn(&small);
		put(others[i]);
		off_t was = size();
		ok(append_to(&target, &small, 1, NOW) == OK && size() > was,
		    "another program wrote behind it: kept (%zu)", i);
		was = size();
		ok(append_to(&target, &small, 1, NOW) == OK && size() > was,
		    "and for good");
	}
	begin();
	torn(&small);
	if (ftruncate(box, 0) == -1)
		abort();
	put("From o@y Mon Jan  5 11:00:00 2026\n\nother, and longer\n\n");
	put("From o@y Mon Jan  5 11:00:00 2026\n\nother, and longer\n\n");
	off_t was = size();
	ok(append_to(&target, &small, 1, NOW) == OK && size() > was,
	    "another program rewrote the mailbox: kept");
}

static void
test_lies(void)
{
	struct intent in;
	unsigned char c;

	begin();
	torn(&small);
	off_t was = size();
	if (pread(record, &in, sizeof(in), 0) != sizeof(in))
		abort();
	in.boot[3] ^= 1;
	if (pwrite(record, &in, sizeof(in), 0) != sizeof(in))
		abort();
	ok(append_to(&target, &small, 1, NOW) == OK && size() > was,
	    "a record that does not check");
	unsigned bad = 0;
	for (size_t at = 0; at < sizeof(in); at += 3) {
		begin();
		torn(&small);
		was = size();
		if (at >= offsetof(struct intent, n) &&
		    at < offsetof(struct intent, head_n))
			at = offsetof(struct intent, head_n);
		if (pread(record, &c, 1, (off_t)at) != 1)
			abort();
		c ^= 0x40;
		if (pwrite(record, &c, 1, (off_t)at) != 1)
			abort();
		append_to(&target, &small, 1, NOW);
		bad += size() <= was;
		at += 40;
	}
	ok(bad == 0, "no changed octet of it is believed");
}

static void
test_quota(void)
{
	begin();
	append_to(&target, &small, 1, NOW);
	uint64_t one = (uint64_t)size() - strlen(old);
	begin();
	target.size_max = strlen(old) + 2 * one;
	struct append_msg m[3] = { small, small, small };
	ok(append_to(&target, m, 3, NOW) == ERR_QUOTA &&
		size() == (off_t)strlen(old),
	    "three are one too many: nothing is written");
	ok(append_to(&target, m, 2, NOW) == OK &&
		size() == (off_t)target.size_max,
	    "two fit to the octet");
	ok(append_to(&target, m, 1, NOW) == ERR_QUOTA &&
		size() == (off_t)target.size_max,
	    "then it is full");
	target.size_max = 2000000;
	begin();
	m[0] = (struct append_msg){ .sender = "big@x",
		.original_to = "b@x",
		.delivered_to = "b@x",
		.file = big,
		.length = BIG };
	ok(append_to(&target, m, 1, NOW) == ERR_QUOTA &&
		size() == (off_t)strlen(old),
	    "a large one is cut off again");
	target.size_max = 0;
	ok(append_to(&target, m, 1, NOW) == OK && size() > 2000000,
	    "0: any size");
}

int
main(void)
{
	char c[64];

	if (mkdtemp(dir) == NULL)
		abort();
	target.mbox = box = make_file("box");
	target.intent = record = make_file("append");
	big = make_file("big");
	memset(c, 'x', sizeof(c));
	memcpy(c + 62, "\r\n", 2);
	for (int i = 0; i < BIG / 64; i++)
		if (write(big, c, sizeof(c)) != sizeof(c))
			abort();
	intent_init();
	ok(intent_possible(), "the boot is known");
	test_torn();
	test_foreign();
	test_lies();
	test_quota();
	pid_t rm = fork();
	if (rm == 0)
		execlp("rm", "rm", "-r", dir, (char *)NULL);
	waitpid(rm, NULL, 0);
	return done_testing();
}
