/* Replacing a small file's text. */
#include "common/file.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "t/unit/tap.h"

static int fd;

static bool
holds(const char *text)
{
	char p[64];
	ssize_t n = pread(fd, p, sizeof(p), 0);

	return n == (ssize_t)strlen(text) && memcmp(p, text, (size_t)n) == 0;
}

int
main(void)
{
	char path[] = "/tmp/pennypost-file-XXXXXX";
	struct rlimit few = { 2, RLIM_INFINITY };
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	fd = mkstemp(path);
	if (fd == -1)
		abort();
	unlink(path);
	ok(file_replace(fd, "one\n", 4) == OK && holds("one\n"), "empty");
	ok(file_replace(fd, "seven\n", 6) == OK && holds("seven\n"), "longer");
	ok(file_replace(fd, "x\n", 2) == OK && holds("x\n"),
	    "shorter: no rest stays");
	ok(file_replace(fd, "", 0) == OK && holds(""), "nothing");
	signal(SIGXFSZ, SIG_IGN);
	fflush(stdout);
	setrlimit(RLIMIT_FSIZE, &few);
	bool empty = file_replace(fd, "three\n", 6) != OK && holds("");
	setrlimit(RLIMIT_FSIZE, &all);
	ok(empty, "what cannot be written leaves no part of itself");
	return done_testing();
}
