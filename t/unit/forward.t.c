/* A .forward and its lists while calls fail: trouble that may pass is never
 * taken for a file that says nothing, as mail would go elsewhere then. */
#define _GNU_SOURCE
#include "spool/forward_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "spool/ask_forward.h"
#include "t/unit/tap.h"

/* ---- calls that can be made to fail ---- */

static unsigned calls, fail_at;
static int fail_with;

static bool
fails(void)
{
	if (++calls != fail_at)
		return false;
	errno = fail_with;
	return true;
}

int faulty_open(const char *path, int flags, ...) __asm__("open");
int
faulty_open(const char *path, int flags, ...)
{
	va_list ap;

	va_start(ap, flags);
	int mode = va_arg(ap, int);
	va_end(ap);
	if (fails())
		return -1;
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

ssize_t faulty_pread(int fd, void *p, size_t n, off_t at) __asm__("pread");
ssize_t
faulty_pread(int fd, void *p, size_t n, off_t at)
{
	return fails() ? -1 : syscall(SYS_pread64, fd, p, n, at);
}

/* ---- files ---- */

static struct user bob;
static struct alias_target target[FORWARD_TARGETS_MAX];
static char why[1000], list[USER_HOME_MAX + 20];
static unsigned n;

static void
write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	fputs(text, f);
	fclose(f);
	chmod(path, 0600);
}

static void
write_forward(const char *text)
{
	char path[USER_HOME_MAX + 20];

	forward_path(&bob, path, sizeof(path));
	write_file(path, text);
}

static enum status
read_it(void)
{
	calls = 0;
	return forward_read(&bob, target, NELEM(target), &n, why, sizeof(why));
}

static unsigned
descriptors(void)
{
	unsigned open = 0;

	for (int fd = 0; fd < 64; fd++)
		open += fcntl(fd, F_GETFD) != -1;
	return open;
}

static void
test_lists(void)
{
	char text[1000];

	snprintf(text, sizeof(text), "alice\n:include:%s\n|/bin/true\n", list);
	write_forward(text);
	write_file(list, "carol, dave # two\n");
	ok(read_it() == OK && n == 4 && strcmp(target[1].text, "carol") == 0 &&
		strcmp(target[2].text, "dave") == 0 &&
		target[3].kind == TARGET_COMMAND,
	    "a list stands where it is included");
	write_file(list, "carol\n\n/tmp/x\n");
	ok(read_it() == ERR_GONE && n == 0 && strstr(why, ":3: ") != NULL &&
		strstr(why, ".forward is ignored") != NULL,
	    "a mistake in it: %s", why);
	write_file(list, "");
	ok(read_it() == OK && n == 2, "an empty one is nobody");
	snprintf(text, sizeof(text), ":include:%s\n", list);
	write_forward(text);
	ok(read_it() == ERR_GONE && why[0] == '\0', "all that there is: none");
	chmod(list, 0620);
	ok(read_it() == ERR_GONE && strstr(why, "is writable") != NULL,
	    "writable for others: %s", why);
	unlink(list);
	ok(read_it() == ERR_GONE && strstr(why, "no such list") != NULL,
	    "not there: %s", why);
}

static void
test_faults(void)
{
	static const int errors[] = { EIO, EMFILE, ENFILE, ENOMEM, ESTALE };
	char text[1000];

	snprintf(text, sizeof(text), "alice\n:include:%s\n", list);
	write_forward(text);
	write_file(list, "carol\n");
	unsigned before = descriptors();
	fail_at = 0;
	ok(read_it() == OK && calls == 4, "two files are opened and read");
	for (size_t i = 0; i < NELEM(errors); i++) {
		bool good = true;
		fail_with = errors[i];
		for (fail_at = 1; fail_at <= 4; fail_at++) {
			enum status st = read_it();
			good &= st != OK && st != ERR_GONE && n == 0;
		}
		ok(good, "%s, at each call: another time", strerror(errors[i]));
	}
	fail_at = 0;
	ok(read_it() == OK && n == 2 && descriptors() == before,
	    "then it works, and nothing is left open");
}

int
main(void)
{
	char dir[] = "/tmp/pennypost-unit.XXXXXX";

	if (mkdtemp(dir) == NULL)
		return 1;
	bob =
	    (struct user){ .name = "bob", .uid = geteuid(), .gid = getegid() };
	snprintf(bob.home, sizeof(bob.home), "%s", dir);
	snprintf(list, sizeof(list), "%s/list", dir);
	test_lists();
	test_faults();
	unlink(list);
	char path[USER_HOME_MAX + 20];
	forward_path(&bob, path, sizeof(path));
	unlink(path);
	rmdir(dir);
	return done_testing();
}
