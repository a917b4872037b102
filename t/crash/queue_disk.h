#ifndef T_CRASH_QUEUE_DISK_H
#define T_CRASH_QUEUE_DISK_H
/*
 * A disk with directories that crashes: records what a program does to the
 * files of four directories, and makes these again as a crash at any moment
 * could have left them.
 *
 * The calls of the program under test come here because these definitions are
 * found before those of the C library.  Two models:
 *   kill -9: everything done up to the N-th call is there;
 *   power loss: of what was not flushed any part is there, names and octets
 *   independent of each other and of their order, which is harder than any
 *   journal; a rename is there whole or not at all, once either of its
 *   directories is flushed.
 *
 * To use: define _GNU_SOURCE; qdisk_open(); qdisk_record(true); run the
 * program on the directory qdisk.top; qdisk_record(false); then qdisk_explore()
 * with a function that recovers and looks.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { Q_DIRS = 4, Q_FILES = 256, Q_NAME = 32, Q_OPS = 1024, Q_NONE = 255 };

static const char *const q_dir_names[Q_DIRS] = { "incoming", "active", "hold",
	"damaged" };

struct q_op {
	enum { Q_CREATE, Q_WRITE, Q_FLUSH, Q_MOVE, Q_REMOVE, Q_FLUSH_DIR } what;
	unsigned file; /* Q_CREATE, Q_WRITE, Q_FLUSH */
	unsigned dir, to;
	char name[Q_NAME], new_name[Q_NAME];
	uint64_t at;
	size_t n;
	char *data; /* owned */
};

static struct {
	char top[64];
	int fd[Q_DIRS], top_fd;
	ino_t dir_ino[Q_DIRS];
	bool recording;
	struct q_op op[Q_OPS];
	size_t n;
	ino_t file_ino[Q_FILES];
	unsigned files;
	unsigned long runs, failed;
	uint64_t seed;
} qdisk;

/* ---- what is recorded ---- */

static unsigned
q_dir_of(int fd)
{
	struct stat sb;

	if (fstat(fd, &sb) == -1 || !S_ISDIR(sb.st_mode))
		return Q_NONE;
	for (unsigned i = 0; i < Q_DIRS; i++)
		if (qdisk.dir_ino[i] == sb.st_ino)
			return i;
	return Q_NONE;
}

/* The number of a regular file; one that was never seen is new. */
static unsigned
q_file_of(int fd)
{
	struct stat sb;

	if (fstat(fd, &sb) == -1 || !S_ISREG(sb.st_mode))
		return Q_NONE;
	for (unsigned i = qdisk.files; i-- > 0;)
		if (qdisk.file_ino[i] == sb.st_ino)
			return i;
	if (qdisk.files == Q_FILES - 1)
		abort();
	qdisk.file_ino[qdisk.files] = sb.st_ino;
	return qdisk.files++;
}

static struct q_op *
q_add(int what)
{
	if (qdisk.n == Q_OPS)
		abort();
	struct q_op *o = &qdisk.op[qdisk.n++];
	*o = (struct q_op){ .file = Q_NONE, .dir = Q_NONE, .to = Q_NONE };
	o->what = what;
	return o;
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	ssize_t k = syscall(SYS_pwrite64, fd, p, n, at);
	unsigned file = qdisk.recording && k > 0 ? q_file_of(fd) : Q_NONE;

	if (file == Q_NONE)
		return k;
	struct q_op *o = q_add(Q_WRITE);
	o->file = file;
	o->at = (uint64_t)at;
	o->n = (size_t)k;
	o->data = malloc(o->n);
	if (o->data == NULL)
		abort();
	memcpy(o->data, p, o->n);
	return k;
}

/* The file system under the test need not do anything. */
int
fsync(int fd)
{
	unsigned dir = qdisk.recording ? q_dir_of(fd) : Q_NONE;
	unsigned file =
	    qdisk.recording && dir == Q_NONE ? q_file_of(fd) : Q_NONE;

	if (dir != Q_NONE)
		q_add(Q_FLUSH_DIR)->dir = dir;
	else if (file != Q_NONE)
		q_add(Q_FLUSH)->file = file;
	return 0;
}

int
fdatasync(int fd)
{
	return fsync(fd);
}

int
sync_file_range(int fd, off_t at, off_t n, unsigned flags)
{
	(void)fd;
	(void)at;
	(void)n;
	(void)flags;
	return 0; /* promises nothing */
}

/* So that copies are writes, which are seen. */
ssize_t
copy_file_range(
    int in, off_t *from, int out, off_t *to, size_t n, unsigned flags)
{
	(void)in;
	(void)from;
	(void)out;
	(void)to;
	(void)n;
	(void)flags;
	errno = EXDEV;
	return -1;
}

int
openat(int dir, const char *name, int flags, ...)
{
	va_list ap;

	va_start(ap, flags);
	int mode = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE
		       ? va_arg(ap, int)
		       : 0;
	va_end(ap);
	int fd = (int)syscall(SYS_openat, dir, name, flags, mode);
	unsigned d = qdisk.recording && fd != -1 && (flags & O_CREAT) != 0
			 ? q_dir_of(dir)
			 : Q_NONE;
	if (d != Q_NONE) {
		unsigned file = q_file_of(fd);
		struct q_op *o = q_add(Q_CREATE);
		o->file = file;
		o->dir = d;
		snprintf(o->name, Q_NAME, "%s", name);
	}
	return fd;
}

int
renameat2(int from, const char *a, int to, const char *b, unsigned flags)
{
	int rc = (int)syscall(SYS_renameat2, from, a, to, b, flags);

	if (rc == 0 && qdisk.recording && q_dir_of(from) != Q_NONE) {
		struct q_op *o = q_add(Q_MOVE);
		o->dir = q_dir_of(from);
		o->to = q_dir_of(to);
		if (o->to == Q_NONE)
			abort();
		snprintf(o->name, Q_NAME, "%s", a);
		snprintf(o->new_name, Q_NAME, "%s", b);
	}
	return rc;
}

int
unlinkat(int dir, const char *name, int flags)
{
	int rc = (int)syscall(SYS_unlinkat, dir, name, flags);

	if (rc == 0 && qdisk.recording && q_dir_of(dir) != Q_NONE) {
		struct q_op *o = q_add(Q_REMOVE);
		o->dir = q_dir_of(dir);
		snprintf(o->name, Q_NAME, "%s", name);
	}
	return rc;
}

/* ---- directories ---- */

static void
qdisk_open(void)
{
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	snprintf(qdisk.top, sizeof(qdisk.top), "%s/pennypost-XXXXXX", base);
	if (mkdtemp(qdisk.top) == NULL)
		abort();
	qdisk.top_fd = open(qdisk.top, O_RDONLY | O_DIRECTORY);
	for (unsigned i = 0; i < Q_DIRS; i++) {
		struct stat sb;
		if (mkdirat(qdisk.top_fd, q_dir_names[i], 0700) == -1)
			abort();
		qdisk.fd[i] = openat(
		    qdisk.top_fd, q_dir_names[i], O_RDONLY | O_DIRECTORY);
		if (qdisk.fd[i] == -1 || fstat(qdisk.fd[i], &sb) == -1)
			abort();
		qdisk.dir_ino[i] = sb.st_ino;
	}
	qdisk.seed = 88172645463325252u;
}

static void
q_empty(unsigned i)
{
	int fd = openat(qdisk.fd[i], ".", O_RDONLY | O_DIRECTORY);
	DIR *d = fdopendir(fd);

	if (d == NULL)
		abort();
	for (struct dirent *e; (e = readdir(d)) != NULL;)
		if (e->d_name[0] != '.')
			syscall(SYS_unlinkat, qdisk.fd[i], e->d_name, 0);
	closedir(d);
}

static void
qdisk_close(void)
{
	static const char *const locks[] = { "lock", "deposit" };

	for (unsigned i = 0; i < Q_DIRS; i++) {
		q_empty(i);
		close(qdisk.fd[i]);
		unlinkat(qdisk.top_fd, q_dir_names[i], AT_REMOVEDIR);
	}
	for (unsigned i = 0; i < 2; i++)
		unlinkat(qdisk.top_fd, locks[i], 0);
	close(qdisk.top_fd);
	rmdir(qdisk.top);
	for (size_t i = 0; i < qdisk.n; i++)
		free(qdisk.op[i].data);
}

static void
qdisk_record(bool on)
{
	qdisk.recording = on;
}

/* ---- crashes ---- */

struct q_entry {
	unsigned dir, file; /* Q_NONE: there is none */
	char name[Q_NAME];
};

static struct q_entry *
q_find(struct q_entry *all, unsigned *n, unsigned dir, const char *name)
{
	for (unsigned i = 0; i < *n; i++)
		if (all[i].file != Q_NONE && all[i].dir == dir &&
		    strcmp(all[i].name, name) == 0)
			return &all[i];
	return NULL;
}

static void
q_put_entry(struct q_entry *all, unsigned *n, unsigned dir, const char *name,
    unsigned file)
{
	struct q_entry *e = q_find(all, n, dir, name);

	if (e == NULL)
		e = &all[(*n)++];
	if (*n > Q_OPS)
		abort();
	*e = (struct q_entry){ .dir = dir, .file = file };
	memcpy(e->name, name, Q_NAME);
}

/* The file that a name stands for if all before op[n] was done. */
static unsigned
q_file_named(size_t n, unsigned dir, const char *name)
{
	while (n-- > 0) {
		const struct q_op *o = &qdisk.op[n];
		if (o->what == Q_CREATE && o->dir == dir &&
		    strcmp(o->name, name) == 0)
			return o->file;
		if (o->what == Q_MOVE && o->to == dir &&
		    strcmp(o->new_name, name) == 0)
			return q_file_named(n, o->dir, o->name);
	}
	abort();
}

/* Makes the directories be what pick[0..n) of the calls leave. */
static void
q_make(size_t n, const unsigned char *pick)
{
	static struct q_entry all[Q_OPS + 1];
	unsigned entries = 0;

	for (size_t i = 0; i < n; i++) {
		const struct q_op *o = &qdisk.op[i];
		struct q_entry *e;
		if (!pick[i])
			continue;
		if (o->what == Q_CREATE)
			q_put_entry(all, &entries, o->dir, o->name, o->file);
		if ((o->what == Q_REMOVE || o->what == Q_MOVE) &&
		    (e = q_find(all, &entries, o->dir, o->name)) != NULL)
			e->file = Q_NONE;
		if (o->what == Q_MOVE)
			q_put_entry(all, &entries, o->to, o->new_name,
			    q_file_named(i, o->dir, o->name));
	}
	for (unsigned d = 0; d < Q_DIRS; d++)
		q_empty(d);
	for (unsigned k = 0; k < entries; k++) {
		if (all[k].file == Q_NONE)
			continue;
		int fd = openat(qdisk.fd[all[k].dir], all[k].name,
		    O_WRONLY | O_CREAT | O_EXCL, 0600);
		if (fd == -1)
			abort();
		for (size_t i = 0; i < n; i++) {
			const struct q_op *o = &qdisk.op[i];
			if (pick[i] && o->what == Q_WRITE &&
			    o->file == all[k].file &&
			    pwrite(fd, o->data, o->n, (off_t)o->at) !=
				(ssize_t)o->n)
				abort();
		}
		close(fd);
	}
}

/* Which of op[0..n) are not flushed when the power fails. */
static size_t
q_unflushed(size_t n, size_t *which)
{
	bool file[Q_FILES] = { false }, dir[Q_DIRS] = { false };
	size_t k = 0;

	for (size_t i = n; i-- > 0;) {
		const struct q_op *o = &qdisk.op[i];
		bool safe = true;
		if (o->what == Q_FLUSH)
			file[o->file] = true;
		else if (o->what == Q_FLUSH_DIR)
			dir[o->dir] = true;
		else if (o->what == Q_WRITE)
			safe = file[o->file];
		else if (o->what == Q_MOVE)
			safe = dir[o->dir] || dir[o->to];
		else
			safe = dir[o->dir];
		if (!safe)
			which[k++] = i;
	}
	return k;
}

static uint64_t
q_random(void)
{
	qdisk.seed ^= qdisk.seed << 13;
	qdisk.seed ^= qdisk.seed >> 7;
	qdisk.seed ^= qdisk.seed << 17;
	return qdisk.seed * UINT64_C(2685821657736338717) >> 16;
}

/* Looks at what the crash left after n calls. */
typedef bool qdisk_check(size_t n, bool power);

static void
q_one(size_t n, const unsigned char *pick, qdisk_check *check, bool power)
{
	q_make(n, pick);
	qdisk.runs++;
	qdisk.failed += !check(n, power);
}

/* All crashes of what was recorded; where there are more than `samples` sets of
 * what is not flushed, so many at random. */
static void
qdisk_explore(qdisk_check *check, unsigned samples)
{
	static unsigned char pick[Q_OPS + 1];
	static size_t which[Q_OPS + 1];

	for (size_t n = 0; n <= qdisk.n; n++) {
		memset(pick, 1, sizeof(pick));
		q_one(n, pick, check, false);
		size_t k = q_unflushed(n, which);
		bool all = k < 20 && (1ul << k) <= samples;
		unsigned long sets = all ? 1ul << k : samples;
		for (unsigned long s = 0; k > 0 && s < sets; s++) {
			uint64_t set = all ? s : 0;
			for (size_t i = 0; i < k; i++) {
				if (!all && i % 32 == 0)
					set = q_random();
				pick[which[i]] = set >> i % 32 & 1;
			}
			q_one(n, pick, check, true);
		}
	}
}
#endif
