/* The POP3 session: states, arguments, octet counts, what it says and logs
 * (pop3d/session.c and what hangs on it).  Each case runs it in a process of
 * its own against a maildrop role and a password check of this file. */
#define _GNU_SOURCE
#include "pop3d/session.h"

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

#include "common/log.h"
#include "common/msg.h"
#include "spool/lock.h"
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
ask_auth_password(int sock, struct view user, struct view pass,
    const char *mechanism, const char *client, char *user_out, size_t size,
    int *right)
{
	(void)sock;
	(void)client;
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
	snprintf(text, size, "%s",
	    *st == ERR_BUSY ? "Mailbox locked by pid 7 on h since 2026." : "");
	return *st == OK ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
}

int
ask_maildrop_open(int right, enum status *st, char *text, size_t size)
{
	(void)right;
	(void)size;
	text[0] = '\0';
	seen->opens++;
	*st = open_status;
	if (strcmp(seen->user, "empty") == 0)
		*st = ERR_GONE;
	if (*st != OK)
		return -1;
	/* A description of its own, as the real one: locks belong to it. */
	return open(mailbox_name, O_RDONLY | O_CLOEXEC);
}

enum status
ask_maildrop_commit(int right, uint64_t dev, uint64_t ino, uint64_t size,
    const struct maildrop_del *del, unsigned n, char *text, size_t text_size)
{
	(void)right;
	(void)dev;
	(void)ino;
	(void)text_size;
	text[0] = '\0';
	seen->commits++;
	seen->dels = n;
	seen->size = size;
	for (unsigned i = 0; i < n && i < NELEM(seen->del); i++)
		seen->del[i] = del[i];
	return commit_status;
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

/* ---- a client ---- */

static struct settings settings = { .hostname = (char[]){ "mx.example" },
	.quoting_mboxrd = true,
	.mailbox_lock_wait = 200,
	.command_timeout = 2000,
	.session_timeout = 4000,
	.idle_timeout = 3000,
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

static int
temp_file(void)
{
	int fd = memfd_create("t", MFD_CLOEXEC);

	if (fd == -1)
		abort();
	return fd;
}

/* A file with a name: one without is a mailbox that was replaced. */
static void
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
static void
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

static void
say(struct client *c, const char *text)
{
	size_t n = strlen(text);

	if (send(c->fd, text, n, MSG_NOSIGNAL) != (ssize_t)n)
		tap_ok(false, __FILE__, __LINE__, "cannot say %s", text);
}

/* Reads up to the end, or until the text ends with `until`. */
static char *
hear(struct client *c, const char *until, size_t *len)
{
	size_t n = 0, cap = 1 << 20, u = until == NULL ? 0 : strlen(until);
	char *text = malloc(cap);

	for (;;) {
		struct pollfd p = { .fd = c->fd, .events = POLLIN };
		if (poll(&p, 1, 5000) != 1)
			break;
		ssize_t got = read(c->fd, text + n, cap - n - 1);
		if (got <= 0)
			break;
		n += (size_t)got;
		if (n + 1 == cap)
			text = realloc(text, cap *= 2);
		if (u > 0 && n >= u && memcmp(text + n - u, until, u) == 0)
			break;
	}
	text[n] = '\0';
	if (len != NULL)
		*len = n;
	return text;
}

/* One line was said; its answer is one line that begins like this. */
static void
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
static bool
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

/* ---- dialogues, typed ahead ---- */

#define GREETING "+OK mx.example pennypost POP3 server ready\n"
#define IN "USER alice\nPASS alice-pass\n"
#define IN_OK GREETING "+OK*\n+OK 2 messages (68 octets)\n"

static const char two[] =
    "From a@x Mon Jan  5 10:00:00 2026\nSubject: one\n\nbody\n.dot\n\n"
    "From b@x Mon Jan  5 10:00:01 2026\nSubject: two\n\n"
    ">From here\n..two\nlast\n\n";

/* Lines with * at their end are the beginning of what must come. */
struct dialogue {
	const char *name; /* with the RFC section that asks for it */
	const char *says, *wants;
	const char *log; /* must be in it; may be NULL */
};

/* clang-format off */
static const struct dialogue dialogues[] = {
{ "RFC 1939 4: QUIT before login is no update", "QUIT\n", GREETING "+OK*\n",
  "pop3-login: Disconnected: Logged out (no auth attempts in 0 secs): user=<>, rip=192.0.2.9, lip=192.0.2.1, session=<" },
{ "RFC 1939 3: commands in any case", "uSeR alice\npAsS alice-pass\nstat\nquit\n",
  IN_OK "+OK 2 68\n+OK*\n",
  "pop3-login: Login: user=<alice>, method=PLAIN, rip=192.0.2.9, lip=192.0.2.1, mpid=" },
{ "RFC 1939 7: blanks are part of a password", "USER alice\nPASS a pass \nQUIT\n", IN_OK "+OK*\n", NULL },
{ "RFC 1939 7: and one blank more is another password", "USER alice\nPASS  a pass \nQUIT\n", GREETING "+OK*\n-ERR [AUTH]*\n+OK*\n",
  "pop3-login: Disconnected (auth failed, 1 attempts in 0 secs): user=<alice>, method=PLAIN, rip=192.0.2.9, lip=192.0.2.1, session=<" },
{ "RFC 1939 7: PASS needs a USER before it", "PASS alice-pass\nQUIT\n", GREETING "-ERR*\n+OK*\n", NULL },
{ "RFC 1939 7: after a failed PASS, USER again", "USER alice\nPASS no\nPASS alice-pass\n" IN "QUIT\n",
  GREETING "+OK*\n-ERR [AUTH]*\n-ERR USER*\n+OK*\n+OK 2 messages (68 octets)\n+OK*\n", NULL },
{ "RFC 3206 5: the same reply for an unknown user", "USER nobody\nPASS no\nQUIT\n", GREETING "+OK*\n-ERR [AUTH] Authentication failed.\n+OK*\n", NULL },
{ "RFC 3206 4: [SYS/TEMP] where it cannot be checked", "USER later\nPASS no\nQUIT\n", GREETING "+OK*\n-ERR [SYS/TEMP]*\n+OK*\n", NULL },
{ "after auth_failures_max tries the session ends", "USER a\nPASS n\nUSER a\nPASS n\nUSER a\nPASS n\nNOOP\n",
  GREETING "+OK*\n-ERR [AUTH]*\n+OK*\n-ERR [AUTH]*\n+OK*\n-ERR [AUTH]*\n",
  "Disconnected (auth failed, 3 attempts in " },
{ "an empty password or name is none", "USER\nUSER alice\nPASS\nQUIT\n", GREETING "-ERR*\n+OK*\n-ERR*\n+OK*\n", NULL },
{ "a user name cannot forge a log line", "USER a>, rip=1.2.3.4, [x\nPASS n\n", GREETING "+OK*\n-ERR [AUTH]*\n",
  "user=<a?? rip=1.2.3.4? ?x>, method=PLAIN, rip=192.0.2.9," },
{ "RFC 2449 8.1.2: [IN-USE] says who, and login may be tried again", "USER busy\nPASS alice-pass\nSTAT\n" IN "QUIT\n",
  GREETING "+OK*\n-ERR [IN-USE] Mailbox locked by pid 7 on h since 2026.\n-ERR STAT comes after*\n+OK*\n+OK 2*\n+OK*\n", "Mailbox in use" },
{ "RFC 3206 4: [SYS/PERM] for a mailbox that will not do", "USER unsafe\nPASS alice-pass\nQUIT\n", GREETING "+OK*\n-ERR [SYS/PERM]*\n+OK*\n", NULL },
{ "RFC 3206 4: [SYS/TEMP] when the role has gone", "USER down\nPASS alice-pass\nQUIT\n", GREETING "+OK*\n-ERR [SYS/TEMP]*\n+OK*\n", NULL },
{ "no mailbox file is an empty maildrop", "USER empty\nPASS alice-pass\nSTAT\nLIST\nUIDL\nRETR 1\nRSET\nQUIT\n",
  GREETING "+OK*\n+OK 0 messages (0 octets)\n+OK 0 0\n+OK*\n.\n+OK*\n.\n-ERR No such*\n+OK*\n+OK*\n", NULL },
{ "RFC 1939 5: TRANSACTION commands before login", "STAT\nLIST\nRETR 1\nDELE 1\nQUIT\n",
  GREETING "-ERR STAT comes after*\n-ERR LIST comes*\n-ERR RETR*\n-ERR DELE*\n+OK*\n", NULL },
{ "RFC 1939 4, RFC 5034 4: USER, PASS, AUTH after login", IN "USER x\nPASS x\nAUTH PLAIN\nSTLS\nQUIT\n",
  IN_OK "-ERR USER comes before*\n-ERR PASS*\n-ERR AUTH*\n-ERR STLS*\n+OK*\n", NULL },
{ "RFC 1939 5: STAT, LIST, NOOP", IN "STAT\nLIST\nLIST 1\nLIST 2\nNOOP\nQUIT\n",
  IN_OK "+OK 2 68\n+OK 2 messages (68 octets)\n1 28\n2 40\n.\n+OK 1 28\n+OK 2 40\n+OK*\n+OK*\n", NULL },
{ "arguments that are no message", IN "LIST 0\nLIST 3\nLIST -1\nRETR 99999999999999999999999999\nDELE one\nQUIT\n",
  IN_OK "-ERR Messages are numbered from 1.\n-ERR No such message; there are 2.\n-ERR*digits*\n-ERR No such*\n-ERR*digits*\n+OK*\n", NULL },
{ "too many or too few arguments", IN "RETR\nRETR 1 2\nSTAT 1\nDELE 1 2\nQUIT\n",
  IN_OK "-ERR RETR needs an argument: RETR message\n-ERR*\n-ERR STAT takes no argument.\n-ERR*\n+OK*\n", NULL },
{ "RFC 1939 5: RETR, byte-stuffed, From_ unquoted", IN "RETR 1\nRETR 2\nQUIT\n",
  IN_OK "+OK 28 octets\nSubject: one\n\nbody\n..dot\n.\n+OK 40 octets\nSubject: two\n\nFrom here\n...two\nlast\n.\n+OK*\n",
  ": Disconnected: Logged out top=0/0, retr=2/70, del=0/2, size=68" },
{ "RFC 1939 7: TOP with 0, 1 and many lines", IN "TOP 1 0\nTOP 1 1\nTOP 2 99999999999\nQUIT\n",
  IN_OK "+OK*\nSubject: one\n\n.\n+OK*\nSubject: one\n\nbody\n.\n+OK*\nSubject: two\n\nFrom here\n...two\nlast\n.\n+OK*\n", NULL },
{ "TOP 1, as people type it, is TOP 1 0", IN "top 1\nQUIT\n", IN_OK "+OK*\nSubject: one\n\n.\n+OK*\n", NULL },
{ "TOP with a wrong number of lines", IN "TOP 1 -1\nTOP 1 x\nTOP 1 2 3\nTOP\nQUIT\n", IN_OK "-ERR*\n-ERR*\n-ERR*\n-ERR*\n+OK*\n", NULL },
{ "RFC 1939 5: DELE marks, RSET unmarks", IN "DELE 1\nSTAT\nLIST\nRETR 1\nDELE 1\nTOP 1 0\nUIDL 1\nRSET\nSTAT\nQUIT\n",
  IN_OK "+OK*\n+OK 1 40\n+OK 1 messages (40 octets)\n2 40\n.\n-ERR Message 1 is marked*\n-ERR Message 1*\n-ERR Message 1*\n-ERR Message 1*\n+OK*\n+OK 2 68\n+OK*\n", NULL },
{ "unknown commands, then too many of them", "FOO\n\nHELO x\n\x7f\nBAR\nNOOP\n",
  GREETING "-ERR Unknown*\n-ERR An empty*\n-ERR Unknown*\n-ERR The line holds control*\n-ERR Too many*\n",
  "Disconnected: Too many wrong commands" },
{ "a typed backspace is told", IN "STAX\bT\nSTAT\nQUIT\n", IN_OK "-ERR The line holds control*\n+OK 2 68\n+OK*\n", NULL },
{ "RFC 1939 7: no APOP in the greeting, and none here", "APOP alice c4c9334bac560ecc979e58001b3e22fb\nQUIT\n", GREETING "-ERR APOP*\n+OK*\n", NULL },
{ "HTTP as the first line ends it", "POST / HTTP/1.1\nUSER alice\n", GREETING "-ERR This is POP3*\n", "HTTP instead of POP3" },
{ "HELP names the commands", "HELP\nQUIT\n", GREETING "+OK USER name, PASS password, AUTH*\n+OK*\n", NULL },
{ "RFC 2449 5: CAPA before and after login", "CAPA\n" IN "CAPA\nQUIT\n",
  GREETING "+OK*\nTOP\nUSER\nSASL PLAIN LOGIN\nRESP-CODES\nAUTH-RESP-CODE\nPIPELINING\nUIDL\nIMPLEMENTATION pennypost\n.\n"
  "+OK*\n+OK 2*\n+OK*\nTOP\nUSER\nSASL PLAIN LOGIN\nRESP-CODES\nAUTH-RESP-CODE\nPIPELINING\nUIDL\nIMPLEMENTATION pennypost\n.\n+OK*\n", NULL },
{ "RFC 5034 4: AUTH PLAIN with an initial response", "AUTH PLAIN AGFsaWNlAGFsaWNlLXBhc3M=\nSTAT\nQUIT\n", GREETING "+OK 2 messages (68 octets)\n+OK 2 68\n+OK*\n", "Login: user=<alice>, method=PLAIN, " },
{ "RFC 5034 4: and without one", "AUTH plain\nAGFsaWNlAGFsaWNlLXBhc3M=\nQUIT\n", GREETING "+ \n+OK 2*\n+OK*\n", NULL },
{ "AUTH LOGIN", "AUTH LOGIN\nYWxpY2U=\nYWxpY2UtcGFzcw==\nQUIT\n", GREETING "+ VXNlcm5hbWU6\n+ UGFzc3dvcmQ6\n+OK 2*\n+OK*\n", "method=LOGIN, " },
{ "RFC 5034 4: * cancels, bad base64 is refused", "AUTH PLAIN\n*\nAUTH PLAIN\n=AAA\nAUTH PLAIN AGFsaWNlAGFsaWNlLXBhc3M\nQUIT\n",
  GREETING "+ \n-ERR*cancel*\n+ \n-ERR*\n-ERR*\n+OK*\n", NULL },
{ "AUTH with an unknown mechanism, and alone", "AUTH X\nAUTH\nQUIT\n", GREETING "-ERR*\n+OK*\nPLAIN\nLOGIN\n.\n+OK*\n", NULL },
{ "AUTH that ends in the middle", "AUTH PLAIN\n", GREETING "+ \n", "Disconnected: Connection closed (no auth" },
{ "a failed AUTH forgets USER", "USER alice\nAUTH PLAIN AGEAYg==\nPASS alice-pass\nQUIT\n", GREETING "+OK*\n-ERR [AUTH]*\n-ERR USER*\n+OK*\n", NULL },
{ "STLS where TLS is not set up", "STLS\nQUIT\n", GREETING "-ERR TLS is not*\n+OK*\n", NULL },
};
/* clang-format on */

/* Takes CR before LF away; false if an LF has none. */
static bool
unwire(char *text)
{
	bool good = true;
	char *to = text;

	for (const char *p = text; *p != '\0'; p++) {
		if (*p == '\r' && p[1] == '\n')
			continue;
		if (*p == '\n' && (p == text || p[-1] != '\r'))
			good = false;
		*to++ = *p;
	}
	*to = '\0';
	return good;
}

/* "-ERR*digits*": the pieces between stars in this order. */
static bool
line_like(struct view got, struct view want)
{
	bool star;
	struct view piece = view_split(&want, '*', &star);

	if (got.n < piece.n || memcmp(got.p, piece.p, piece.n) != 0)
		return false;
	got.p += piece.n;
	got.n -= piece.n;
	while (star) {
		piece = view_split(&want, '*', &star);
		if (piece.n == 0 && !star)
			return true;
		const char *at = memmem(got.p, got.n, piece.p, piece.n);
		if (at == NULL)
			return false;
		got.n -= (size_t)(at + piece.n - got.p);
		got.p = at + piece.n;
	}
	return got.n == 0;
}

static bool
like(const char *got, const char *want)
{
	struct view g = view_of(got), w = view_of(want);

	while (g.n > 0 && w.n > 0)
		if (!line_like(
			view_split(&g, '\n', NULL), view_split(&w, '\n', NULL)))
			return false;
	return g.n == 0 && w.n == 0;
}

/* crlf: else the lines end in LF, as typed into openssl s_client. */
static void
run_dialogue(const struct dialogue *d, bool crlf)
{
	char log[4096], line[4096];
	struct client c;
	size_t n = 0;

	for (const char *p = d->says; *p != '\0'; p++) {
		if (*p == '\n' && crlf)
			line[n++] = '\r';
		line[n++] = *p;
	}
	line[n] = '\0';
	client_start(&c);
	say(&c, line);
	shutdown(c.fd, SHUT_WR);
	char *got = hear(&c, NULL, NULL);
	bool again = client_end(&c, log, sizeof(log));
	bool wire = unwire(got);
	if (!ok(wire && like(got, d->wants), "%s (%s)", d->name,
		crlf ? "CRLF" : "LF"))
		printf("# got:\n%s# wanted:\n%s# log:\n%s", got, d->wants, log);
	if (d->log != NULL && !ok(strstr(log, d->log) != NULL, "its log line"))
		printf("# log: %s# wanted: %s\n", log, d->log);
	ok(seen->commits == 0 || seen->dels > 0, "no update without DELE");
	ok(!again || seen->auths == 0, "who has logged in is the last");
	free(got);
}

/* ---- what needs more than a transcript ---- */

static void
test_quit(void)
{
	struct client c;
	char log[4096];
	uint64_t second = (uint64_t)(strstr(two + 1, "\nFrom b") + 1 - two);

	client_start(&c);
	say(&c,
	    "USER alice\r\nPASS alice-pass\r\nDELE 2\r\nDELE 1\r\nQUIT\r\n");
	char *got = hear(&c, NULL, NULL);
	client_end(&c, log, sizeof(log));
	ok(strstr(got, "+OK 2 messages deleted") != NULL, "QUIT says how many");
	free(got);
	ok(seen->commits == 1 && seen->dels == 2, "RFC 1939 6: one update");
	ok(seen->del[0].offset == 0 && seen->del[0].length == second &&
		seen->del[1].offset == second &&
		seen->del[1].length == strlen(two) - second,
	    "ascending, with the extents of the scan");
	ok(memcmp(seen->del[0].uid, seen->del[1].uid, 16) != 0 &&
		seen->size == strlen(two),
	    "with unique-ids and the size");
	ok(strstr(log, "del=2/2, size=68") != NULL, "logged");

	commit_status = ERR_CHANGED;
	client_start(&c);
	say(&c, "USER alice\r\nPASS alice-pass\r\nDELE 1\r\nQUIT\r\n");
	got = hear(&c, NULL, NULL);
	client_end(&c, log, sizeof(log));
	ok(strstr(got, "-ERR [SYS/TEMP] The mailbox was changed") != NULL,
	    "RFC 1939 6: -ERR when nothing was removed");
	ok(strstr(log, "del=0/2") != NULL,
	    "and the log does not say otherwise");
	free(got);
	commit_status = OK;
}

static void
test_no_update(void)
{
	struct client c;
	char log[4096];

	client_start(&c);
	say(&c, "USER alice\r\nPASS alice-pass\r\nDELE 1\r\n");
	shutdown(c.fd, SHUT_WR);
	free(hear(&c, NULL, NULL));
	client_end(&c, log, sizeof(log));
	ok(seen->commits == 0, "RFC 1939 6: a dropped line deletes nothing");
	ok(strstr(log, "Disconnected: Connection closed top=") != NULL,
	    "and is logged");

	settings.idle_timeout = 100;
	client_start(&c);
	say(&c, "USER alice\r\nPASS alice-pass\r\nDELE 1\r\n");
	char *got = hear(&c, NULL, NULL);
	ok(strstr(got, "+OK Message 1") != NULL && strstr(got, "-ERR") == NULL,
	    "RFC 1939 3: idle timeout closes without a word");
	free(got);
	client_end(&c, log, sizeof(log));
	ok(seen->commits == 0 && strstr(log, "Inactivity top=") != NULL,
	    "and deletes nothing");
	settings.idle_timeout = 3000;

	settings.command_timeout = 100;
	client_start(&c);
	free(hear(&c, NULL, NULL));
	client_end(&c, log, sizeof(log));
	ok(strstr(log, "Disconnected: Inactivity (no auth attempts in 0 secs)"),
	    "the greeted that says nothing is put out sooner");
	settings.command_timeout = 2000;
}

static void
test_tls(void)
{
	struct client c;
	char log[4096];

	listener.plaintext_auth = false;
	have_tls = true;
	client_start(&c);
	free(hear(&c, "\r\n", NULL));
	say(&c, "CAPA\r\n");
	char *got = hear(&c, ".\r\n", NULL);
	ok(strstr(got, "\r\nSTLS\r\n") != NULL && !strstr(got, "USER") &&
		!strstr(got, "SASL"),
	    "RFC 2595 2.2: no password mechanisms before TLS");
	free(got);
	answers(&c, "USER alice\r\n", "-ERR Passwords are not taken in clear");
	answers(&c, "PASS alice-pass\r\n", "-ERR Passwords");
	answers(&c, "AUTH PLAIN AGEAYg==\r\n", "-ERR Passwords");
	ok(seen->auths == 0, "and none is tried");
	say(&c, "STLS\r\nUSER mallory\r\n");
	free(hear(&c, "\r\n", NULL));
	answers(&c, "PASS alice-pass\r\n", "-ERR USER comes first");
	ok(seen->discarded, "RFC 2595 4: what came before TLS is gone");
	answers(&c, "STLS\r\n", "-ERR TLS is active");
	say(&c, "CAPA\r\n");
	got = hear(&c, ".\r\n", NULL);
	ok(!strstr(got, "STLS") && strstr(got, "\r\nUSER\r\n") &&
		strstr(got, "\r\nSASL PLAIN LOGIN\r\n"),
	    "RFC 2595 4: the list changes with TLS");
	free(got);
	answers(&c, "USER alice\r\n", "+OK");
	answers(&c, "PASS alice-pass\r\n", "+OK 2 messages");
	client_end(&c, log, sizeof(log));
	ok(strstr(log, ", TLS, session=<") != NULL, "TLS is logged");

	client_start(&c);
	say(&c, "USER alice\r\n");
	shutdown(c.fd, SHUT_WR);
	free(hear(&c, NULL, NULL));
	ok(!client_end(&c, log, sizeof(log)) &&
		strstr(log, "pop3-login: Aborted login (tried to use disallowed"
			    " plaintext auth): user=<>, rip=192.0.2.9"),
	    "logged for fail2ban, and the worker ends");

	listener.plaintext_auth = true;
	client_start(&c);
	free(hear(&c, "\r\n", NULL));
	answers(&c, "USER alice\r\n", "+OK");
	answers(&c, "STLS\r\n", "+OK");
	answers(&c, "PASS alice-pass\r\n", "-ERR USER comes first");
	client_end(&c, log, sizeof(log));
	ok(seen->auths == 0, "a USER before STLS is forgotten");
	have_tls = false;

	listener.type = LISTEN_POP3S;
	client_start(&c);
	got = hear(&c, NULL, NULL);
	ok(got[0] == '\0', "without a certificate POP3S says nothing");
	free(got);
	client_end(&c, log, sizeof(log));
	listener.type = LISTEN_POP3;
}

/* Unique-ids: alike over sessions, different for equal messages. */
static void
test_uidl(void)
{
	static const char same[] =
	    "From a@x Mon Jan  5 10:00:00 2026\nSubject: s\n\nx\n\n";
	char text[4 * sizeof(same) + sizeof(two)], log[1000];
	struct client c;

	snprintf(text, sizeof(text), "%s%s%s%s", same, two, same, same);
	put_mailbox(text);
	char *first = NULL;
	for (int i = 0; i < 2; i++) {
		client_start(&c);
		say(&c, "USER alice\r\nPASS alice-pass\r\nUIDL\r\n"
			"UIDL 4\r\nDELE 1\r\nUIDL 5\r\nUIDL\r\nNOOP\r\n");
		shutdown(c.fd, SHUT_WR);
		char *got = hear(&c, NULL, NULL);
		client_end(&c, log, sizeof(log));
		if (i == 1)
			ok(strcmp(first, got) == 0, "the same at next login");
		free(first);
		first = got;
	}
	char uid[40] = "";
	const char *one = strstr(first, "follow.\r\n1 ");
	if (ok(one != NULL, "UIDL lists"))
		memcpy(uid, one + 11, 32);
	ok(strspn(uid, "0123456789abcdef") == 32, "RFC 1939 7: printable");
	snprintf(text, sizeof(text),
	    "\r\n4 %s.2\r\n5 %s.3\r\n.\r\n+OK 4 %s.2"
	    "\r\n",
	    uid, uid, uid);
	ok(strstr(first, text) != NULL, "copies are told apart");
	snprintf(text, sizeof(text), "+OK 5 %s.3\r\n", uid);
	const char *again = strstr(first, text);
	ok(again != NULL, "after DELE, too");
	snprintf(text, sizeof(text), "\r\n1 %s\r\n", uid);
	ok(again != NULL && strstr(again, text) == NULL,
	    "RFC 1939 7: a marked message is not listed");
	free(first);
	put_mailbox(two);
}

/* LIST == octets of RETR before byte-stuffing, also over pieces. */
static void
test_large(void)
{
	size_t n = 0, cap = 3 << 20, len;
	char *text = malloc(cap), log[1000], want[64];
	struct client c;

	n += (size_t)snprintf(
	    text, cap, "From a@x Mon Jan  5 10:00:00 2026\nSubject: big\n\n");
	for (unsigned i = 0; n < cap - 200; i++) {
		unsigned w = (i * 7919u) % 90;
		static const char *const starts[] = { "", ".", "..", ">From ",
			">>From ", "From", ">", "\r" };
		n += (size_t)snprintf(text + n, cap - n, "%s%.*s\n",
		    starts[i % NELEM(starts)], (int)w,
		    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		    "xx"
		    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	}
	snprintf(text + n, cap - n, "\n");
	put_mailbox(text);
	free(text);
	client_start(&c);
	free(hear(&c, "\r\n", NULL));
	answers(&c, "USER alice\r\n", "+OK");
	answers(&c, "PASS alice-pass\r\n", "+OK 1 messages");
	say(&c, "LIST 1\r\n");
	text = hear(&c, "\r\n", NULL);
	unsigned long listed = strtoul(text + 6, NULL, 10);
	free(text);
	say(&c, "RETR 1\r\n");
	text = hear(&c, "\r\n.\r\n", &len);
	snprintf(want, sizeof(want), "+OK %lu octets\r\n", listed);
	ok(strncmp(text, want, strlen(want)) == 0, "%.*s",
	    (int)strcspn(text, "\r"), text);
	size_t octets = len - strlen(want) - 3, bare = 0;
	for (size_t i = strlen(want); i + 3 < len; i++) {
		octets -= text[i] == '.' && text[i - 1] == '\n';
		bare += text[i] == '\n' && text[i - 1] != '\r';
	}
	ok(listed == octets, "LIST %lu, RETR %zu", listed, octets);
	ok(bare == 0, "every line ends in CRLF");
	free(text);
	client_end(&c, log, sizeof(log));
	put_mailbox(two);
}

static void
append(const char *text)
{
	lseek(mailbox, 0, SEEK_END);
	if (write(mailbox, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
}

/* Other programs change the mailbox while it is open. */
static void
test_company(void)
{
	char log[2000];
	struct client c;

	client_start(&c);
	free(hear(&c, "\r\n", NULL));
	answers(&c, "USER alice\r\n", "+OK");
	answers(&c, "PASS alice-pass\r\n", "+OK 2 messages");
	append("From c@x Mon Jan  5 10:00:02 2026\nSubject: new\n\nx\n\n");
	answers(&c, "STAT\r\n", "+OK 2 68");
	answers(&c, "LIST 3\r\n", "-ERR No such message; there are 2.");
	say(&c, "RETR 2\r\n");
	char *got = hear(&c, ".\r\n", NULL);
	ok(strncmp(got, "+OK 40", 6) == 0, "new mail does not disturb");
	free(got);

	/* Another program holds the lock. */
	int fd = open(mailbox_name, O_RDWR | O_CLOEXEC);
	ok(lock_try(fd, true) == OK,
	    "no lock is held while a client is waited for");
	answers(&c, "RETR 1\r\n", "-ERR [SYS/TEMP] Another program");
	answers(&c, "DELE 1\r\n", "-ERR [SYS/TEMP] Another program");
	answers(&c, "STAT\r\n", "+OK 2 68");
	close(fd);
	answers(&c, "DELE 1\r\n", "+OK");

	/* It is rewritten: one octet more in the first header. */
	if (ftruncate(mailbox, 0) == -1)
		abort();
	append(
	    "From a@x Mon Jan  5 10:00:00 2026\nSubject: ones\n\nbody\n.dot\n\n"
	    "From b@x Mon Jan  5 10:00:01 2026\nSubject: two\n\n"
	    ">From here\n..two\nlast\n\n");
	answers(&c, "RETR 2\r\n", "-ERR [SYS/TEMP] The mailbox was changed");
	answers(&c, "UIDL\r\n", "-ERR [SYS/TEMP] The mailbox was changed");
	answers(&c, "QUIT\r\n", "-ERR [SYS/TEMP] The mailbox was changed");
	client_end(&c, log, sizeof(log));
	ok(seen->commits == 0, "nothing is deleted then");
	put_mailbox(two);

	client_start(&c);
	free(hear(&c, "\r\n", NULL));
	answers(&c, "USER alice\r\n", "+OK");
	answers(&c, "PASS alice-pass\r\n", "+OK 2 messages");
	if (ftruncate(mailbox, 10) == -1)
		abort();
	answers(&c, "TOP 1 0\r\n", "-ERR [SYS/TEMP] The mailbox was changed");
	client_end(&c, log, sizeof(log));

	put_mailbox("This is no mbox.\n");
	client_start(&c);
	free(hear(&c, "\r\n", NULL));
	answers(&c, "USER alice\r\n", "+OK");
	answers(&c, "PASS alice-pass\r\n", "-ERR [SYS/PERM]");
	client_end(&c, log, sizeof(log));
	put_mailbox(two);
}

static void
test_limits(void)
{
	char log[2000], line[6000];
	struct client c;

	over_limit = true;
	client_start(&c);
	char *got = hear(&c, NULL, NULL);
	ok(strncmp(got, "-ERR [SYS/TEMP] Too many connections", 36) == 0,
	    "over the limit of its address: told and closed");
	free(got);
	client_end(&c, log, sizeof(log));
	over_limit = false;

	client_start(&c);
	free(hear(&c, "\r\n", NULL));
	memset(line, 'x', sizeof(line));
	memcpy(line + sizeof(line) - 3, "\r\n", 3);
	answers(&c, line, "-ERR The line is too long.");
	memset(line, 'x', sizeof(line));
	memcpy(line, "USER ", 5);
	memcpy(line + 400, "\r\n", 3);
	answers(&c, line, "-ERR The name is too long.");
	answers(&c, "NO\rOP\r\n", "-ERR A line ends with CR and LF");
	client_end(&c, log, sizeof(log));

	client_start(&c);
	free(hear(&c, "\r\n", NULL));
	answers(&c, "CAPA x\r\n", "-ERR");
	client_end(&c, log, sizeof(log));
	client_start(&c);
	say(&c, "NOOP\r\n");
	shutdown(c.fd, SHUT_WR);
	free(hear(&c, NULL, NULL));
	ok(!client_end(&c, log, sizeof(log)), "misbehaved: the worker ends");
	client_start(&c);
	say(&c, "HELP\r\nQUIT\r\n");
	free(hear(&c, NULL, NULL));
	ok(client_end(&c, log, sizeof(log)),
	    "anonymous, plain, polite: the worker goes on");
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (seen == MAP_FAILED)
		return 1;
	put_mailbox(two);
	for (size_t i = 0; i < NELEM(dialogues); i++) {
		run_dialogue(&dialogues[i], true);
		run_dialogue(&dialogues[i], false);
	}
	test_quit();
	test_no_update();
	test_tls();
	test_uidl();
	test_large();
	test_company();
	test_limits();
	unlink(mailbox_name);
	return done_testing();
}
