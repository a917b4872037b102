#ifndef T_FUZZ_WORLD_H
#define T_FUZZ_WORLD_H
/*
 * What a role's service finds around it, for targets that hold one: a directory
 * of its own with files in it, gone at exit, and settings read from there.  The
 * including file begins with #define _GNU_SOURCE.
 */
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/settings.h"
#include "t/fuzz/must.h"

static char world[64]; /* the directory's path; "": there is none yet */

static int
world_remove(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static void
world_end(void)
{
	nftw(world, world_remove, 4, FTW_DEPTH | FTW_PHYS);
}

static void
world_make(mode_t mode)
{
	snprintf(world, sizeof(world), "%s/fuzz.XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	must(mkdtemp(world) != NULL && chmod(world, mode) == 0);
	atexit(world_end);
}

/* A file in it, of mode 0600. */
__attribute__((format(printf, 2, 3))) static void
world_put(const char *name, const char *fmt, ...)
{
	char path[128];
	va_list ap;

	snprintf(path, sizeof(path), "%s/%s", world, name);
	FILE *f = fopen(path, "w");
	va_start(ap, fmt);
	must(f != NULL && vfprintf(f, fmt, ap) >= 0 && fclose(f) == 0);
	va_end(ap);
	must(chmod(path, 0600) == 0);
}

/* Owned by that user, if we may give it away. */
__attribute__((unused)) static void
world_give(const char *name, uid_t owner)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", world, name);
	must(geteuid() != 0 || chown(path, owner, owner) == 0);
}

__attribute__((unused)) static void
world_dir(const char *name, mode_t mode)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", world, name);
	must(mkdir(path, mode) == 0 && chmod(path, mode) == 0);
}

/* Those of its file conf. */
static struct settings *
world_settings(bool pop3)
{
	char path[128], *err = NULL;

	snprintf(path, sizeof(path), "%s/conf", world);
	struct settings *s = settings_read(path, pop3, &err);
	if (s == NULL)
		fprintf(stderr, "%s\n", err);
	must(s != NULL);
	return s;
}
#endif
