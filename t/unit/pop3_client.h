#ifndef T_UNIT_POP3_CLIENT_H
#define T_UNIT_POP3_CLIENT_H
/*
 * A POP3 session in a process of its own, against a maildrop role, a password
 * check and a "TLS" of this file, and the client who talks to it.  For the test
 * programs of pop3d/session.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/msg.h"
#include "common/sasl_mech.h"
#include "pop3d/session.h"
#include "t/unit/tap.h"

/* ---- the roles a session asks, and TLS ---- */

/* What the session did, seen from outside its process. */
struct seen {
	unsigned auths, opens, commits, dels;
	char user[64], pass[64], method[16];
	struct maildrop_del del[16];
	uint64_t size;
	bool tls, discarded;
};
static struct seen *seen;
static int mailbox = -1; /* what ask_maildrop_open gives, for writing */
static char mailbox_name[] = "/tmp/pop3-session-XXXXXX";
static enum status commit_status;
static enum status open_status;

enum auth_result
ask_auth_password(const struct auth_client *c, struct view user,
    struct view pass, const char *mechanism, char *user_out, size_t size,
    int *right)
{
	(void)c;
	seen->auths++;
	view_copy(user, seen->user, sizeof(seen->user));
	view_copy(pass, seen->pass, sizeof(seen->pass));
	snprintf(seen->method, sizeof(seen->method), "%s", mechanism);
	*right = -1;
	user_out[0] = '\0';
	if (view_eqs(user, "later"))
		return AUTH_LATER;
	if (!view_eqs(pass, "a pass ") && !view_eqs(pass, "alice-pass"))
		return AUTH_NO;
	view_copy(user, user_out, size);
	*right = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return AUTH_YES;
}

int
ask_maildrop_lock(int right, enum status *st, char *text, size_t size)
{
	(void)right;
	*st = OK;
	if (strcmp(seen->user, "busy") == 0)
		*st = ERR_BUSY;
	if (strcmp(seen->user, "unsafe") == 0)
		*st = ERR_UNSAFE;
	if (strcmp(seen->user, "down") == 0)
		*st = ERR_DOWN;
	if (strcmp(seen->user, "early") == 0)
		*st = ERR_LIMIT;
	snprintf(text, size, "%s",
	    *st == ERR_LIMIT  ? "17"
	    : *st == ERR_BUSY ? "pid 7 on h since 2026"
			      : "");
	return *st == OK ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
}

int
ask_maildrop_open(int right, enum status *st, char *text, size_t size)
{
	(void)right;
	text[0] = '\0';
	seen->opens++;
	*st = open_status;
	if (strcmp(seen->user, "empty") == 0)
		*st = ERR_GONE;
	if (*st != OK)
		return -1;
	snprintf(text, size, "%s", mailbox_name);
	/* A description of its own, as the real one: locks belong to it. */
	return open(mailbox_name, O_RDONLY | O_CLOEXEC);
}

/* Without an index all is kept in memory. */
int
ask_maildrop_file(int right, enum maildrop_file what, enum status *st)
{
	(void)right;
	(void)what;
	*st = ERR_GONE;
	return -1;
}

enum status
ask_maildrop_commit(int right, const struct maildrop_seen *box,
    const struct maildrop_del *del, unsigned n, char *text, size_t text_size)
{
	(void)right;
	(void)text_size;
	text[0] = '\0';
	seen->commits++;
	seen->dels = n;
	seen->size = box->size;
	for (unsigned i = 0; i < n && i < NELEM(seen->del); i++)
		seen->del[i] = del[i];
	return commit_status;
}

void
worker_event(struct worker *w, enum worker_event e)
{
	(void)w;
	(void)e;
}

void
worker_login(struct worker *w, const char *user)
{
	(void)w;
	(void)user;
}

void
worker_title(struct worker *w, const char *what)
{
	(void)w;
	(void)what;
}

bool
conn_is_tls(const struct conn *c)
{
	(void)c;
	return seen->tls;
}

/* "TLS" whose handshake succeeds at once. */
enum line_status
conn_starttls(struct conn *c, struct tls_server *tls, const char **why)
{
	(void)tls;
	*why = "";
	seen->discarded = conn_pending(c);
	conn_discard(c);
	conn_flush(c);
	seen->tls = true;
	return LINE_OK;
}

#define FAKE_RIGHT open("/dev/null", O_RDONLY | O_CLOEXEC)
#include "t/unit/fake_exchange.h"

/* ---- a client ---- */

static struct settings settings = { .hostname = (char[]){ "mx.example" },
	.secrets = (char[]){ "" },
	.tls_client_ca = (char[]){ "" },
	.sasl_mechanisms = 1u << SASL_PLAIN | 1u << SASL_LOGIN,
	.quoting_mboxrd = true,
	.mailbox_lock_wait = 200,
	.command_timeout = 2000,
	.session_timeout = 4000,
	.idle_timeout = 3000,
	.language = "de",
	.errors_max = 5,
	.auth_failures_max = 3 };
static struct listener listener = { .type = LISTEN_POP3,
	.plaintext_auth = true };
static bool have_tls;
static bool over_limit;

struct client {
	int fd, log;
	pid_t pid;
};

__attribute__((unused)) static int
temp_file(void)
{
	int fd = memfd_create("t", MFD_CLOEXEC);

	if (fd == -1)
		abort();
	return fd;
}

/* A file with a name: one without is a mailbox that was replaced. */
__attribute__((unused)) static void
put_mailbox(const char *text)
{
	if (mailbox != -1)
		unlink(mailbox_name);
	close_fd(&mailbox);
	memset(strrchr(mailbox_name, '-') + 1, 'X', 6);
	mailbox = mkstemp(mailbox_name);
	if (mailbox == -1 ||
	    write(mailbox, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
}

/* Runs a session; its exit status is 1 when the worker may go on. */
__attribute__((unused)) static void
client_start(struct client *c)
{
	static struct worker w;
	int end[2];

	memset(seen, 0, sizeof(*seen));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, end) == -1)
		abort();
	c->log = temp_file();
	c->fd = end[0];
	c->pid = fork();
	if (c->pid != 0) {
		close(end[1]);
		return;
	}
	close(end[0]);
	dup2(c->log, 2);
	w = (struct worker){ .settings = &settings,
		.listener = &listener,
		.tls = have_tls ? (struct tls_server *)&w : NULL,
		.client = "192.0.2.9",
		.local = "192.0.2.1",
		.over_limit = over_limit };
	conn_open(&w.conn, end[1]);
	_exit(pop3_session_serve(&w));
}

__attribute__((unused)) static void
say(struct client *c, const char *text)
{
	size_t n = strlen(text);

	if (send(c->fd, text, n, MSG_NOSIGNAL) != (ssize_t)n)
		tap_ok(false, __FILE__, __LINE__, "cannot say %s", text);
}

/* Reads up to the end, or until the text ends with `until`. */
__attribute__((unused)) static char *
hear(struct client *c, const char *until, size_t *len)
{
	size_t n = 0, cap = 1 << 23, u = until == NULL ? 0 : strlen(until);
	char *text = malloc(cap); /* more than any test hears */

	if (text == NULL)
		abort();
	for (;;) {
		struct pollfd p = { .fd = c->fd, .events = POLLIN };
		if (poll(&p, 1, 60000) != 1)
			break;
		ssize_t got = read(c->fd, text + n, cap - n - 1);
		if (got <= 0)
			break;
		n += (size_t)got;
		if (u > 0 && n >= u && memcmp(text + n - u, until, u) == 0)
			break;
	}
	text[n] = '\0';
	if (len != NULL)
		*len = n;
	return text;
}

/* One line was said; its answer is one line that begins like this. */
__attribute__((unused)) static void
answers(struct client *c, const char *line, const char *begin)
{
	char *got, what[41];

	snprintf(what, sizeof(what), "%.*s", (int)strcspn(line, "\r\n"), line);
	say(c, line);
	got = hear(c, "\r\n", NULL);
	ok(strncmp(got, begin, strlen(begin)) == 0, "%.40s: %.*s", what,
	    (int)strcspn(got, "\r\n"), got);
	free(got);
}

/* The end of the session: true when the worker may go on. */
__attribute__((unused)) static bool
client_end(struct client *c, char *log, size_t size)
{
	int status;

	close(c->fd);
	waitpid(c->pid, &status, 0);
	ssize_t n = pread(c->log, log, size - 1, 0);
	log[n < 0 ? 0 : n] = '\0';
	close(c->log);
	ok(WIFEXITED(status), "the session does not crash");
	return WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

/* The mailbox that a test begins with. */
static const char two[] =
    "From a@x Mon Jan  5 10:00:00 2026\nSubject: one\n\nbody\n.dot\n\n"
    "From b@x Mon Jan  5 10:00:01 2026\nSubject: two\n\n"
    ">From here\n..two\nlast\n\n";

__attribute__((unused)) static void
clients_begin(void)
{
	signal(SIGPIPE, SIG_IGN);
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (seen == MAP_FAILED)
		abort();
	put_mailbox(two);
}

__attribute__((unused)) static int
clients_done(void)
{
	unlink(mailbox_name);
	return done_testing();
}
#endif
