#ifndef T_UNIT_CHAIN_FAULTS_H
#define T_UNIT_CHAIN_FAULTS_H
/* What the tests of the deliver role have in common: calls of the append
 * processes that can be made to fail or to take long, mailboxes, locks held by
 * another program. */
#include "t/unit/chain.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "spool/mbox.h"
#include "t/unit/tap.h"

/* What the append processes see of us: they are our forks. */
static struct shared {
	_Atomic unsigned flushes;
	_Atomic unsigned flush_us;  /* a flush takes this much longer */
	_Atomic int write_errno;    /* pwrite fails; 0: it works */
	_Atomic int clock_s;       /* the clock is that much ahead */
	_Atomic unsigned write_max; /* octets that still fit; 0: no matter */
	/* Who makes the next dotlock finds another mailbox under the name: a
	 * program that takes nothing else was quicker. */
	_Atomic bool replace;
} * shared;

int
fdatasync(int fd)
{
	shared->flushes++;
	if (shared->flush_us > 0)
		usleep(shared->flush_us);
	return (int)syscall(SYS_fdatasync, fd);
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	if (shared->write_errno != 0 &&
	    (shared->write_max == 0 || n > shared->write_max)) {
		errno = shared->write_errno;
		return -1;
	}
	return syscall(SYS_pwrite64, fd, p, n, at);
}

int
clock_gettime(clockid_t id, struct timespec *t)
{
	int rc = (int)syscall(SYS_clock_gettime, id, t);

	if (id == CLOCK_MONOTONIC)
		t->tv_sec += shared->clock_s;
	return rc;
}

int
linkat(int from, const char *old, int to, const char *name, int flags)
{
	char box[64] = "";
	size_t n = strlen(name);

	if (shared->replace && n > 5 && n < sizeof(box)) {
		shared->replace = false;
		memcpy(box, name, n - strlen(".lock"));
		renameat(to, box, to, "old");
		close(openat(to, box, O_WRONLY | O_CREAT | O_EXCL, 0600));
	}
	return (int)syscall(SYS_linkat, from, old, to, name, flags);
}

static struct chain chain;
static struct msg m;

enum { FILE_MAX = 4 << 20 }; /* RLIMIT_FSIZE of the role */

__attribute__((unused)) static int64_t
ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

__attribute__((unused)) static const char *
box_path(const char *user)
{
	static char path[2][128];
	static unsigned i;

	i = !i;
	snprintf(path[i], sizeof(path[i]), "%s/mail/%s", chain.base, user);
	return path[i];
}

__attribute__((unused)) static char *
content(const char *user)
{
	static char text[1 << 20];
	int fd = open(box_path(user), O_RDONLY | O_CLOEXEC);
	ssize_t n = fd == -1 ? 0 : read(fd, text, sizeof(text) - 1);

	text[n < 0 ? 0 : n] = '\0';
	if (fd != -1)
		close(fd);
	return text;
}

__attribute__((unused)) static size_t
messages(const char *user)
{
	struct mbox_list l;
	struct stat st;
	int fd = open(box_path(user), O_RDONLY | O_CLOEXEC);

	if (fd == -1 || fstat(fd, &st) == -1)
		return 0;
	size_t n =
	    mbox_scan(fd, (uint64_t)st.st_size, true, &l) == OK ? l.n : 999999;
	mbox_list_free(&l);
	close(fd);
	return n;
}

__attribute__((unused)) static void
reset(void)
{
	unlink(box_path("alice"));
	unlink(box_path("bob"));
}

/* The role still serves: bob gets one more. */
__attribute__((unused)) static void
alive(const char *after)
{
	int asker = chain_asker(&chain, false);
	size_t before = messages("bob");
	struct delivery d = chain_deliver(asker, "bob", "S: x\r\n\r\nx\r\n");

	ok(d.status == OK && messages("bob") == before + 1,
	    "others are served after %s%s%s", after, d.status == OK ? "" : ": ",
	    d.status == OK ? "" : d.text);
	close(asker);
}

__attribute__((unused)) static int
file_of(const char *text)
{
	FILE *f = tmpfile();
	int fd = dup(fileno(f));

	fputs(text, f);
	fclose(f);
	return fd;
}

__attribute__((unused)) static pid_t
hold(const char *user, int milliseconds)
{
	int p[2];
	char c;
	struct flock l = { .l_type = F_WRLCK };

	chain_must(pipe(p) == 0, "pipe");
	pid_t pid = fork();
	if (pid == 0) {
		int fd = open(box_path(user), O_RDWR | O_CREAT, 0600);
		if (fcntl(fd, F_SETLK, &l) == -1 || write(p[1], "x", 1) != 1)
			_exit(1);
		usleep((useconds_t)milliseconds * 1000);
		_exit(0);
	}
	close(p[1]);
	chain_must(read(p[0], &c, 1) == 1, "holder");
	close(p[0]);
	return pid;
}

__attribute__((unused)) static int
open_channel(int asker, const char *user)
{
	struct delivery d = { .recipient = user };

	deliver_put_open(&m, &d);
	if (!msg_call(asker, &m, 5000))
		return -1;
	return deliver_got_open(&m, &d);
}

static void
chain_shared(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}
#endif
