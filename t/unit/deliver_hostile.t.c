/* Askers who do what they must not, at the opener and at append. */
#define _GNU_SOURCE
#include "t/unit/chain_faults.h"
#include "t/unit/taken.h"

#include "spool/append_grant.h"

/* ---- hostile askers ---- */

/* The other end closes the channel without an answer. */
static bool
dropped(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (poll(&p, 1, 60000) != 1)
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
	static const char *const bad[] = { "a\nFrom x", "a\r\n", "\177", "\303",
		"\302\205", "\033[1m" };
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

/* The one append process has no turn and wants none: waited for. */
static bool
append_sleeps(void)
{
	char path[64], state = '?';
	pid_t pid = 0;

	for (int i = 0; i < 60000 && state != 'S'; i++) {
		poll(NULL, 0, 1);
		if (chain_appenders(&chain, &pid, 1) != 1)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
		FILE *f = fopen(path, "re");
		if (f == NULL)
			continue;
		if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
			state = '?';
		fclose(f);
	}
	return state == 'S';
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
	pid_t p = hold("alice", 60000);
	int c = open_channel(asker, "alice");
	put_file(file, 0, 10);
	msg_send(c, &m);
	/* It has looked at the file when it has nothing to do but wait. */
	chain_must(taken(c) && append_sleeps(), "append");
	chain_must(ftruncate(file, 3) == 0, "ftruncate");
	kill(p, SIGKILL); /* well before append gives up */
	struct pollfd pf = { .fd = c, .events = POLLIN };
	poll(&pf, 1, 60000);
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
	poll(&pf, 1, 60000);
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
	bool used = msg_call(b, &m, 60000);
	close(b);
	ok(used && poll(&p, 1, 60000) == 1 && msg_recv(asker, &m) == 1 &&
		(b = deliver_got_open(&m, &d)) != -1,
	    "but when one was used");
	close(b);
	/* Two that are never used, and time. */
	close(asker);
	p.fd = asker = chain_asker(&chain, false);
	a = open_channel(asker, "alice");
	b = open_channel(asker, "bob");
	deliver_put_open(&m, &d);
	msg_send(asker, &m);
	shared->clock_s += 25;
	alive("25 seconds");
	ok(a != -1 && b != -1 && poll(&p, 1, 200) == 0,
	    "an unused channel has its time");
	/* Append may have taken the second one only now. */
	shared->clock_s += 35;
	alive("a minute");
	int c = -1;
	if (poll(&p, 1, 60000) == 1 && msg_recv(asker, &m) == 1)
		c = deliver_got_open(&m, &d);
	ok(c != -1, "after it the third is given: %s", d.text);
	ok(dropped(a), "as the first is closed");
	ok(dropped(b), "and the second");
	close(a);
	close(b);
	close(c);
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

int
main(void)
{
	chain_shared();
	chain_start(&chain, 3, "append_processes 1\nmailbox_lock_wait 60s\n");
	test_bad_open();
	test_bad_append();
	test_bad_files();
	test_hoard();
	ok(chain_stop(&chain), "it ends when it is told to");
	return done_testing();
}
