/* The opener, its append processes and their askers, in processes of their
 * own, over channels as in life. */
#define _GNU_SOURCE
#include "t/unit/chain.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "spool/append_grant.h"
#include "spool/mbox.h"
#include "t/unit/tap.h"

/* What the append processes see of us: they are our forks. */
static struct shared {
	_Atomic unsigned flushes;
	_Atomic unsigned flush_us;  /* a flush takes this much longer */
	_Atomic int write_errno;    /* pwrite fails; 0: it works */
	_Atomic unsigned write_max; /* octets that still fit; 0: no matter */
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

static struct chain chain;
static struct msg m;

enum { FILE_MAX = 4 << 20 }; /* RLIMIT_FSIZE of the role */

static int64_t
ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static const char *
box_path(const char *user)
{
	static char path[2][128];
	static unsigned i;

	i = !i;
	snprintf(path[i], sizeof(path[i]), "%s/mail/%s", chain.base, user);
	return path[i];
}

static char *
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

static size_t
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

static void
reset(void)
{
	unlink(box_path("alice"));
	unlink(box_path("bob"));
}

/* The role still serves: bob gets one more. */
static void
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

static int
file_of(const char *text)
{
	FILE *f = tmpfile();
	int fd = dup(fileno(f));

	fputs(text, f);
	fclose(f);
	return fd;
}

/* ---- what it is for ---- */

static void
test_deliver(void)
{
	int asker = chain_asker(&chain, false);
	struct stat st;
	struct delivery d = chain_deliver(
	    asker, "Bob+x@EXAMPLE.org", "Subject: s\r\n\r\n.\r\nFrom me\r\n");

	ok(d.status == OK && strcmp(d.user, "bob") == 0 && d.text[0] != '\0',
	    "a message is delivered: %s: %s", d.user, d.text);
	const char *c = content("bob");
	const char *second = strchr(c, '\n');
	ok(strncmp(c, "From eve@example.com ", 21) == 0 && second != NULL &&
		strcmp(second + 1, "Return-Path: <eve@example.com>\n"
				   "X-Original-To: Bob+x@EXAMPLE.org\n"
				   "Delivered-To: bob@example.org\nSubject: "
				   "s\n\n.\n>From me\n\n") == 0,
	    "as it should be");
	ok(stat(box_path("bob"), &st) == 0 && (st.st_mode & 0777) == 0600 &&
		(geteuid() != 0 ||
		    (st.st_uid == CHAIN_UID + 1 && st.st_gid == CHAIN_MAIL)),
	    "in a mailbox that was made, 0600");
	d = chain_deliver(asker, "nobody", "x");
	ok(d.status == ERR_GONE, "an unknown user: %s", d.text);
	d = chain_deliver(asker, "bob@example.com", "x");
	ok(d.status == ERR_PERM, "somebody else's address: %s", d.text);

	struct delivery f = { .id = "AB12",
		.recipient = "alice",
		.original = "alice",
		.sender = "",
		.offset = 2,
		.length = 15 };
	f.file = file_of("xxSubject: file\r\nxx");
	ask_deliver(asker, &f);
	ok(f.status == OK && fcntl(f.file, F_GETFD) != -1,
	    "a message from a file, which is only lent: %s", f.text);
	ok(strstr(content("alice"), "@example.org\nSubject: file\n\n") != NULL,
	    "the part of it that was named");
	close(f.file);
	close(asker);
	reset();
}

static void
test_unsafe(void)
{
	int asker = chain_asker(&chain, false), q = chain_asker(&chain, true);

	chain_must(symlink("/etc/passwd", box_path("bob")) == 0, "symlink");
	struct delivery d = chain_deliver(asker, "bob", "x");
	ok(d.status == ERR_UNSAFE && strchr(d.text, '/') == NULL,
	    "a worker is told no path: %s", d.text);
	d = chain_deliver(q, "bob", "x");
	ok(d.status == ERR_UNSAFE && strstr(d.text, chain.base) != NULL,
	    "the queue is told what is wrong: %s", d.text);
	unlink(box_path("bob"));

	char top[128], dir[160], journal[200];
	snprintf(top, sizeof(top), "%s/mail/.pennypost", chain.base);
	snprintf(dir, sizeof(dir), "%s/bob", top);
	snprintf(journal, sizeof(journal), "%s/journal", dir);
	mkdir(top, 0755);
	mkdir(dir, 0700);
	int fd = open(journal, O_WRONLY | O_CREAT, 0600);
	chain_must(write(fd, "x", 1) == 1, journal);
	close(fd);
	d = chain_deliver(q, "bob", "x");
	ok(d.status == ERR_BUSY && messages("bob") == 0,
	    "unfinished deletions come first: %s", d.text);
	unlink(journal);
	rmdir(dir);
	rmdir(top);

	/* Replaced between opening and writing. */
	struct delivery o = { .recipient = "bob",
		.id = "1",
		.sender = "",
		.original = "bob",
		.file = -1,
		.content = view_of("x\r\n") };
	deliver_put_open(&m, &o);
	msg_call(asker, &m, 5000);
	int c = deliver_got_open(&m, &o);
	rename(box_path("bob"), box_path("old"));
	deliver_put_append(&m, &o);
	bool answered = msg_call(c, &m, 5000);
	deliver_got_append(&m, &o);
	ok(answered && o.status == ERR_CHANGED && messages("old") == 0,
	    "a mailbox that was renamed meanwhile is not written");
	close(c);
	unlink(box_path("old"));
	close(asker);
	close(q);
	alive("all that");
	reset();
}

/* ---- many at once ---- */

enum { CLIENTS = 20, EACH = 25 };

static void
client(unsigned n)
{
	int asker = chain_asker(&chain, false);
	char text[64];

	for (unsigned i = 0; i < EACH; i++) {
		snprintf(text, sizeof(text), "I: <%u.%u>\r\n\r\nx\r\n", n, i);
		struct delivery d = chain_deliver(asker, "alice", text);
		if (d.status != OK)
			_exit(1);
	}
	_exit(0);
}

static unsigned
wait_all(void)
{
	unsigned good = 0;
	int how;

	while (wait(&how) > 0)
		good += how == 0;
	return good;
}

/* Forked from a process that has no other children but the opener. */
static unsigned
run_clients(unsigned n, void (*body)(unsigned))
{
	int how;
	pid_t boss = fork();

	if (boss == 0) {
		for (unsigned i = 0; i < n; i++)
			if (fork() == 0)
				body(i);
		_exit((int)wait_all());
	}
	waitpid(boss, &how, 0);
	return (unsigned)WEXITSTATUS(how);
}

static void
test_many(void)
{
	shared->flushes = 0;
	shared->flush_us = 2000; /* a disk, so that some must wait */
	unsigned good = run_clients(CLIENTS, client);
	shared->flush_us = 0;
	ok(good == CLIENTS, "%u clients are served (%u)", CLIENTS, good);
	size_t n = messages("alice");
	ok(n == CLIENTS * EACH, "%u messages are there (%zu)", CLIENTS * EACH,
	    n);
	unsigned once = 0;
	const char *all = content("alice");
	for (unsigned i = 0; i < CLIENTS * EACH; i++) {
		char id[32];
		snprintf(id, sizeof(id), "\nI: <%u.%u>\n", i / EACH, i % EACH);
		const char *at = strstr(all, id);
		once += at != NULL && strstr(at + 1, id) == NULL;
	}
	ok(once == CLIENTS * EACH, "each of them once");
	ok(shared->flushes > 0 && shared->flushes < CLIENTS * EACH / 4,
	    "with far fewer flushes (%u)", (unsigned)shared->flushes);
	reset();
}

/* ---- a mailbox that another program holds ---- */

static pid_t
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

static void
busy_client(unsigned n)
{
	int asker = chain_asker(&chain, false);
	int64_t t = ms();
	struct delivery d;

	if (n < 6) {
		d = chain_deliver(asker, "alice", "x\r\n");
		t = ms() - t;
		if (d.status != ERR_BUSY)
			_exit(1);
		/* mailbox_lock_wait is 600 ms; t is told by a flush count */
		if (t < 300)
			shared->flushes += 1;
		_exit(t < 2500 ? 0 : 1);
	}
	for (int i = 0; i < 20; i++) {
		d = chain_deliver(asker, n & 1 ? "bob" : "u2", "x\r\n");
		if (d.status != OK)
			_exit(1);
	}
	_exit(ms() - t < 500 ? 0 : 1);
}

static void
test_busy(void)
{
	int asker = chain_asker(&chain, false);

	chain_deliver(asker, "alice", "first\r\n");
	pid_t p = hold("alice", 3000);
	shared->flushes = 0;
	unsigned good = run_clients(12, busy_client);
	ok(good == 12,
	    "six get ERR_BUSY in time, six others are served "
	    "meanwhile (%u)",
	    good);
	ok(messages("alice") == 1, "nothing was written behind the lock");
	kill(p, SIGKILL);
	waitpid(p, NULL, 0);

	p = hold("alice", 200);
	int64_t t = ms();
	struct delivery d = chain_deliver(asker, "alice", "x\r\n");
	t = ms() - t;
	ok(d.status == OK && t >= 100 && t < 550,
	    "a lock that is released in time is waited for (%ld ms)", (long)t);
	waitpid(p, NULL, 0);
	p = hold("alice", 3000);
	d = chain_deliver(asker, "alice", "x\r\n");
	ok(d.status == ERR_BUSY && d.text[0] != '\0', "else not: %s", d.text);
	kill(p, SIGKILL);
	waitpid(p, NULL, 0);
	d = chain_deliver(asker, "alice", "x\r\n");
	ok(d.status == OK && messages("alice") == 3, "and then it goes on");
	close(asker);
	reset();
	unlink(box_path("u2"));
}

static void
third_wheel(unsigned n)
{
	int asker = chain_asker(&chain, false);
	int64_t t = ms();

	usleep(n * 20000);
	struct delivery d = chain_deliver(asker, "alice", "x\r\n");
	t = ms() - t;
	/* The first two wait 600 ms, the others not at all. */
	_exit(d.status == ERR_BUSY && (n < 2 ? t >= 500 : t < 400) ? 0 : 1);
}

static void
test_two_wait(void)
{
	pid_t p = hold("alice", 3000);

	chain_must(geteuid() != 0 ||
		       chown(box_path("alice"), CHAIN_UID, CHAIN_UID) == 0,
	    "chown");
	unsigned good = run_clients(5, third_wheel);
	ok(good == 5, "two wait in front of a mailbox, three do not (%u)",
	    good);
	kill(p, SIGKILL);
	waitpid(p, NULL, 0);
	reset();
}

/* ---- things that go wrong ---- */

static void
mixed_client(unsigned n)
{
	int asker = chain_asker(&chain, false);
	static char text[50000];

	memset(text, 'x', sizeof(text) - 1);
	if (n == 1)
		text[100] = '\0';
	struct delivery d = chain_deliver(asker, "alice", text);
	_exit(d.status == (n == 1 ? OK : ERR_NOSPACE) ? 0 : 1);
}

static void
test_full(void)
{
	int asker = chain_asker(&chain, false);

	chain_deliver(asker, "alice", "S: first\r\n\r\nx\r\n");
	char *before = strdup(content("alice"));
	shared->write_errno = ENOSPC;
	struct delivery d = chain_deliver(asker, "alice", "x\r\n");
	ok(d.status == ERR_NOSPACE && strcmp(content("alice"), before) == 0,
	    "a full disk: %s", d.text);
	shared->write_errno = EDQUOT;
	d = chain_deliver(asker, "alice", "x\r\n");
	ok(d.status == ERR_QUOTA && strcmp(content("alice"), before) == 0,
	    "a full quota: %s", d.text);
	free(before);
	/* Small ones fit where large ones do not, in the same batch, too:
	 * all three come while the mailbox is held. */
	shared->write_errno = ENOSPC;
	shared->write_max = 1000;
	shared->flush_us = 100000;
	unsigned good = run_clients(3, mixed_client);
	ok(good == 3 && messages("alice") == 2,
	    "what fits of a batch is delivered (%u)", good);
	shared->write_errno = 0;
	shared->flush_us = shared->write_max = 0;

	before = strdup(content("alice"));
	struct delivery f = { .id = "AB12",
		.recipient = "alice",
		.original = "alice",
		.sender = "",
		.length = FILE_MAX };
	f.file = file_of("");
	chain_must(ftruncate(f.file, FILE_MAX) == 0, "ftruncate");
	ask_deliver(asker, &f);
	ok(f.status == ERR_QUOTA && strcmp(content("alice"), before) == 0,
	    "a file as large as a file may be: %s", f.text);
	close(f.file);
	free(before);

	unsigned none = 0, worse = 0;
	struct rlimit old;
	prlimit(chain.opener, RLIMIT_NOFILE, NULL, &old);
	for (unsigned n = 4; n < 64; n++) {
		struct rlimit few = { n, old.rlim_max };
		prlimit(chain.opener, RLIMIT_NOFILE, &few, NULL);
		d = chain_deliver(asker, "alice", "x\r\n");
		none += d.status == ERR_NOMEM;
		worse += d.status != OK && d.status != ERR_NOMEM;
	}
	prlimit(chain.opener, RLIMIT_NOFILE, &old, NULL);
	ok(none > 0 && worse == 0,
	    "an opener out of descriptors says so and lives on (%u)", none);
	close(asker);
	alive("all that");
	reset();
}

static void
test_death(void)
{
	int asker = chain_asker(&chain, false);
	pid_t pid[32];
	struct delivery d = { .status = ERR_DOWN };
	unsigned n = chain_appenders(&chain, pid, 32);

	ok(n == 4, "append_processes of them (%u)", n);
	for (unsigned i = 0; i < n; i++)
		kill(pid[i], SIGKILL);
	for (int i = 0; i < 50 && d.status != OK; i++) {
		d = chain_deliver(asker, "alice", "x\r\n");
		if (d.status != OK && d.status != ERR_DOWN)
			break;
		usleep(20000);
	}
	ok(d.status == OK, "dead append processes are replaced: %s", d.text);
	for (int i = 0; i < 100 && chain_appenders(&chain, pid, 32) != 4; i++)
		usleep(20000);
	ok(chain_appenders(&chain, pid, 32) == 4, "all of them");
	close(asker);
	reset();
}

/* ---- hostile askers ---- */

/* The other end closes the channel without an answer. */
static bool
dropped(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (poll(&p, 1, 3000) != 1)
		return false;
	return msg_recv(fd, &m) != 1;
}

static void
bad_open(const char *what)
{
	int asker = chain_asker(&chain, false);

	msg_send(asker, &m);
	close_fd(&m.fd);
	ok(dropped(asker), "opener: %s", what);
	close(asker);
}

static void
test_bad_open(void)
{
	msg_start(&m, 7);
	bad_open("an unknown request");
	msg_start(&m, DELIVER_OPEN);
	bad_open("no fields");
	msg_put_u32(&m, 1000);
	msg_put_u32(&m, 0);
	bad_open("a field longer than the message");
	msg_start(&m, DELIVER_OPEN);
	msg_put_view(&m, (struct view){ "bo\0b", 4 });
	bad_open("an address with a NUL");
	msg_start(&m, DELIVER_OPEN);
	msg_put_str(&m, "bob");
	msg_put_u32(&m, 1);
	bad_open("more than the fields");
	msg_start(&m, DELIVER_OPEN);
	msg_put_str(&m, "bob");
	m.fd = open("/dev/null", O_RDONLY);
	bad_open("a descriptor");
	msg_start(&m, GRANT);
	msg_put_str(&m, "bob");
	bad_open("a grant");
	static char huge[MSG_DATA_MAX - 4];
	memset(huge, 'x', sizeof(huge));
	msg_start(&m, DELIVER_OPEN);
	msg_put_view(&m, (struct view){ huge, sizeof(huge) });
	bad_open("the largest message");
	int asker = chain_asker(&chain, false);
	struct delivery d = { .recipient = "bob" };
	deliver_put_open(&m, &d);
	msg_send(asker, &m);
	msg_send(asker, &m);
	msg_send(asker, &m);
	shutdown(asker, SHUT_RD);
	close(asker);
	alive("bad opens");
	ok(messages("bob") == 1, "which delivered nothing");
	reset();
}

static int
open_channel(int asker, const char *user)
{
	struct delivery d = { .recipient = user };

	deliver_put_open(&m, &d);
	if (!msg_call(asker, &m, 5000))
		return -1;
	return deliver_got_open(&m, &d);
}

/* m goes to the append process, which must not like it.  Takes m.fd. */
static void
bad_append(const char *what)
{
	static struct msg copy;
	int asker = chain_asker(&chain, false);

	copy = m;
	int c = open_channel(asker, "alice");
	msg_send(c, &copy);
	close_fd(&copy.fd);
	ok(c != -1 && dropped(c) && messages("alice") == 0, "append: %s", what);
	close(c);
	close(asker);
}

static void
put_inline(const char *id, const char *sender, const char *original)
{
	msg_start(&m, APPEND_INLINE);
	msg_put_str(&m, id);
	msg_put_str(&m, sender);
	msg_put_str(&m, original);
	msg_put_str(&m, "text\r\n");
}

static void
put_file(int fd, uint64_t offset, uint64_t length)
{
	msg_start(&m, APPEND_FILE);
	msg_put_str(&m, "AB");
	msg_put_str(&m, "");
	msg_put_str(&m, "alice");
	msg_put_u64(&m, offset);
	msg_put_u64(&m, length);
	m.fd = fd;
}

static void
test_bad_append(void)
{
	static const char *const bad[] = { "a\nFrom x", "a\r\n", "\177",
		"\303\244", "\033[1m" };
	struct grant g = { .user = "bob", .name = "bob", .lock_wait = 1 };
	int p[2];

	msg_start(&m, 9);
	bad_append("an unknown request");
	grant_put(&m, &g);
	m.fd = file_of("");
	bad_append("a second grant");
	msg_start(&m, GRANT_DIR);
	m.fd = open("/", O_RDONLY | O_DIRECTORY);
	bad_append("a second directory");
	msg_start(&m, ADOPT);
	m.fd = file_of("");
	bad_append("an adoption");
	put_inline("", "", "x");
	bad_append("an empty queue id");
	put_inline("ab", "", "x");
	bad_append("a queue id in lower case");
	put_inline("ABCDEFABCDEFABCDEFABCDEFABCDEF", "", "x");
	bad_append("a queue id too long");
	for (unsigned i = 0; i < NELEM(bad); i++) {
		put_inline("AB", bad[i], "x");
		bad_append("a sender unfit for a header");
		put_inline("AB", "", bad[i]);
		bad_append("a recipient unfit for a header");
	}
	put_inline("AB", "", "x");
	m.fd = file_of("");
	bad_append("inline content with a file");
	put_inline("AB", "", "x");
	msg_put_u32(&m, 0);
	bad_append("more than the fields");
	put_inline("AB", "", "x");
	m.len--;
	bad_append("less than the fields");

	put_file(-1, 0, 1);
	bad_append("a file that is not there");
	put_file(open("/", O_RDONLY | O_DIRECTORY), 0, 1);
	bad_append("a directory for a file");
	put_file(open("/dev/zero", O_RDONLY), 0, 1);
	bad_append("a device for a file");
	put_file(socket(AF_UNIX, SOCK_STREAM, 0), 0, 1);
	bad_append("a socket for a file");
	chain_must(pipe(p) == 0, "pipe");
	put_file(p[0], 0, 1);
	bad_append("a pipe for a file");
	close(p[1]);
	put_file(file_of("0123456789"), 0, 11);
	bad_append("a length beyond the end");
	put_file(file_of("0123456789"), 11, 0);
	bad_append("an offset beyond the end");
	put_file(file_of("0123456789"), UINT64_MAX - 2, 4);
	bad_append("an offset that overflows");
	put_file(file_of("0123456789"), 5, UINT64_MAX - 2);
	bad_append("a length that overflows");
	int sparse = file_of("");
	chain_must(ftruncate(sparse, 100 << 20) == 0, "ftruncate");
	put_file(sparse, 0, 100 << 20);
	bad_append("more than message_size_max");
	alive("bad appends");
	reset();
}

/* Files that one can append only with what one may read or write. */
static void
test_bad_files(void)
{
	int asker = chain_asker(&chain, false);
	int file = file_of("0123456789");
	char name[] = "/tmp/deliver.file.XXXXXX";

	/* It shrinks while append waits for the mailbox. */
	chain_deliver(asker, "alice", "S: 1\r\n\r\nx\r\n");
	char *before = strdup(content("alice"));
	pid_t p = hold("alice", 300);
	int c = open_channel(asker, "alice");
	put_file(file, 0, 10);
	msg_send(c, &m);
	usleep(50000);
	chain_must(ftruncate(file, 3) == 0, "ftruncate");
	struct pollfd pf = { .fd = c, .events = POLLIN };
	poll(&pf, 1, 3000);
	bool got = msg_recv(c, &m) == 1;
	enum status st = status_unpack(msg_get_u32(&m));
	ok(got && st == ERR_INVALID && strcmp(content("alice"), before) == 0,
	    "a file that shrinks meanwhile: %s", status_text(st));
	close(c);
	close(file);
	waitpid(p, NULL, 0);

	/* Open for writing only. */
	int rw = mkstemp(name);
	chain_must(rw != -1 && write(rw, "0123", 4) == 4, name);
	file = open(name, O_WRONLY | O_CLOEXEC);
	unlink(name);
	c = open_channel(asker, "alice");
	put_file(file, 0, 4);
	msg_send(c, &m);
	poll(&pf, 0, 0);
	pf.fd = c;
	poll(&pf, 1, 3000);
	got = msg_recv(c, &m) == 1;
	st = status_unpack(msg_get_u32(&m));
	ok(got && st == ERR_IO && strcmp(content("alice"), before) == 0,
	    "a file that cannot be read: %s", status_text(st));
	close(c);
	close(rw);
	close(file);
	close(asker);
	free(before);
	reset();
}

static void
test_hoard(void)
{
	int asker = chain_asker(&chain, false);
	struct delivery d = { .recipient = "u2",
		.file = -1,
		.id = "AB",
		.sender = "",
		.original = "x",
		.content = view_of("x\r\n") };
	int a = open_channel(asker, "alice"), b = open_channel(asker, "bob");
	struct pollfd p = { .fd = asker, .events = POLLIN };

	deliver_put_open(&m, &d);
	msg_send(asker, &m);
	ok(a != -1 && b != -1 && poll(&p, 1, 300) == 0,
	    "with two unused channels there is no third");
	close(a);
	ok(poll(&p, 1, 300) == 0, "nor when one is closed unused");
	alive("hoarding");
	deliver_put_append(&m, &d);
	bool used = msg_call(b, &m, 3000);
	close(b);
	ok(used && poll(&p, 1, 3000) == 1 && msg_recv(asker, &m) == 1 &&
		(b = deliver_got_open(&m, &d)) != -1,
	    "but when one was used");
	close(b);
	/* Gone while it waits. */
	deliver_put_open(&m, &d);
	msg_send(asker, &m);
	poll(&p, 1, 100);
	close(asker);
	alive("a hoarder that went away");
	asker = chain_asker(&chain, false);
	a = open_channel(asker, "alice");
	d = chain_deliver(asker, "bob", "x\r\n");
	ok(d.status == OK, "one unused channel does no harm");
	close(a);
	close(asker);
	reset();
	unlink(box_path("u2"));
}

/* ---- dotlocks, reload, end ---- */

static void
reload(const char *extra)
{
	msg_start(&m, CTL_SETTINGS);
	msg_put_u32(&m, geteuid() == 0 ? CTL_F_ROOT : 0);
	m.fd = chain_settings_fd(&chain, extra);
	msg_send(chain.ctl, &m);
	close_fd(&m.fd);
	usleep(200000);
}

static void
slow_client(unsigned n)
{
	(void)n;
	chain_deliver(chain_asker(&chain, false), "alice", "x\r\n");
	_exit(0);
}

static void
test_dotlock(void)
{
	int asker = chain_asker(&chain, false);
	char lock[160];
	pid_t pid[32];

	reload("append_processes 2\nmailbox_lock_wait 600ms\n"
	       "mailbox_locks fcntl dotlock\nquoting mboxo\n");
	ok(chain_appenders(&chain, pid, 32) == 2,
	    "after a reload there are fewer append processes");
	snprintf(lock, sizeof(lock), "%s.lock", box_path("alice"));
	struct delivery d =
	    chain_deliver(asker, "alice", "S: x\r\n\r\n>From a\r\n");
	ok(d.status == OK && access(lock, F_OK) == -1 &&
		strstr(content("alice"), "\n>From a\n") != NULL,
	    "delivered with a dotlock, which is gone again; mboxo: %s", d.text);
	int fd = open(lock, O_WRONLY | O_CREAT | O_EXCL, 0644);
	close(fd);
	int64_t t = ms();
	d = chain_deliver(asker, "alice", "x\r\n");
	ok(d.status == ERR_BUSY && ms() - t < 2500 && access(lock, F_OK) == 0,
	    "another program's dotlock keeps us out: %s", d.text);
	unlink(lock);

	/* An append process dies while it holds one. */
	shared->flush_us = 2000000;
	pid_t p = fork();
	if (p == 0)
		slow_client(0);
	for (int i = 0; i < 100 && access(lock, F_OK) == -1; i++)
		usleep(10000);
	ok(access(lock, F_OK) == 0, "it is there while we write");
	shared->flush_us = 0;
	for (unsigned i = 0; i < 2; i++)
		kill(pid[i], SIGKILL);
	waitpid(p, NULL, 0);
	for (int i = 0; i < 100 && access(lock, F_OK) == 0; i++)
		usleep(10000);
	ok(access(lock, F_OK) == -1, "and not for long after its holder died");
	usleep(300000);
	d = chain_deliver(asker, "alice", "x\r\n");
	ok(d.status == OK, "the next one is delivered: %s", d.text);
	reload("append_processes 5\n");
	usleep(300000);
	ok(chain_appenders(&chain, pid, 32) == 5, "more after another reload");
	close(asker);
	reset();
}

int
main(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	struct rlimit all, size;
	getrlimit(RLIMIT_FSIZE, &all);
	size = all;
	size.rlim_cur = FILE_MAX; /* for the role, not for us */
	setrlimit(RLIMIT_FSIZE, &size);
	chain_start(&chain, 3, "append_processes 4\nmailbox_lock_wait 600ms\n");
	setrlimit(RLIMIT_FSIZE, &all);
	test_deliver();
	test_unsafe();
	test_many();
	test_busy();
	test_two_wait();
	test_full();
	test_death();
	test_bad_open();
	test_bad_append();
	test_bad_files();
	test_hoard();
	test_dotlock();
	alive("all tests");
	/* What it leaves behind becomes our child. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	ok(chain_stop(&chain), "it ends when it is told to");
	for (int i = 0; i < 100 && waitpid(-1, NULL, WNOHANG) != -1; i++)
		usleep(10000);
	ok(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD,
	    "and leaves no process behind");
	return done_testing();
}
