/*
 * Talking to smtpd over its Unix socket.  Runs in: sendmail.
 *
 * Nothing of a message has been read yet when a connection is refused for a
 * moment (many programs of one user at a time), so it is tried again.
 */
#define _GNU_SOURCE
#include "spool/sendmail.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/msg.h"
#include "common/paths.h"

enum {
	LINE = 4096,	    /* octets of a reply line */
	REPLIES_MAX = 200,  /* lines of one reply */
	COMMAND_MAX = 2000, /* octets */
	TRIES = 9,	    /* 0.1, 0.2 ... 12.8 s between them */
	FIRST_PAUSE_MS = 100,
	ANSWER_MS = 600 * 1000 /* RFC 5321 4.5.3.2.6: the end of data */
};

const char *
sendmail_socket(void)
{
	const char *path = getenv("PENNYPOST_SMTP");

	return path != NULL && path[0] != '\0' ? path
					       : PENNYPOST_RUN_DIR "/smtp";
}

/* ---- replies ---- */

static void
keep_text(struct smtp *s, struct view line)
{
	size_t n = line.n < sizeof(s->text) - 1 ? line.n : sizeof(s->text) - 1;

	for (size_t i = 0; i < n; i++)
		s->text[i] =
		    line.p[i] >= ' ' && line.p[i] < 0x7f ? line.p[i] : '?';
	s->text[n] = '\0';
}

/* RFC 9422 */
static void
take_limits(struct smtp *s, struct view line)
{
	unsigned long long n;

	while (line.n > 0) {
		struct view value = view_token(&line);
		struct view name = view_split(&value, '=', NULL);
		if (view_caseeqs(name, "RCPTMAX") &&
		    view_number(value, INT_MAX, &n))
			s->rcpt_max = (unsigned)n;
	}
}

/* What EHLO offers.  X-ORIGIN is said to programs of this host only. */
static void
take_offer(struct smtp *s, struct view line, bool first)
{
	struct view word = view_token(&line);

	if (first)
		view_copy(word, s->origin, sizeof(s->origin));
	else if (view_caseeqs(word, "8BITMIME"))
		s->body8 = true;
	else if (view_caseeqs(word, "DSN"))
		s->dsn = true;
	else if (view_caseeqs(word, "SMTPUTF8"))
		s->utf8 = true;
	else if (view_caseeqs(word, "LIMITS"))
		take_limits(s, line);
	else if (view_caseeqs(word, "X-ORIGIN") && domain_valid(line))
		view_copy(line, s->origin, sizeof(s->origin));
}

/* The code of a reply line "250-text"; 0: it is none. */
static int
reply_code(struct view line)
{
	for (size_t i = 0; i < 3; i++)
		if (line.n < 3 || !ascii_digit(line.p[i]))
			return 0;
	if (line.n > 3 && line.p[3] != ' ' && line.p[3] != '-')
		return 0;
	return (line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 +
	       (line.p[2] - '0');
}

static int
read_reply(struct smtp *s, bool ehlo)
{
	struct view line;
	int code = 0;

	s->code = 0;
	for (int i = 0; i < REPLIES_MAX; i++) {
		enum line_status st = conn_line(&s->c, LINE, &line);
		if (st != LINE_OK && st != LINE_BARE_LF)
			return 0;
		if (s->verbose)
			printf("%.*s\n", (int)line.n, line.p);
		int now = reply_code(line);
		if (now == 0 || (code != 0 && now != code))
			return 0;
		code = now;
		bool more = line.n > 3 && line.p[3] == '-';
		if (i == 0)
			keep_text(s, line);
		size_t skip = line.n < 4 ? line.n : 4;
		if (ehlo && code == 250)
			take_offer(s,
			    (struct view){ line.p + skip, line.n - skip },
			    i == 0);
		if (!more) {
			s->code = code;
			return code;
		}
	}
	return 0;
}

int
smtp_reply(struct smtp *s)
{
	return read_reply(s, false);
}

int
smtp_command(struct smtp *s, const char *fmt, ...)
{
	char line[COMMAND_MAX];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	s->code = 0;
	s->text[0] = '\0';
	/* An address or a name is not to bring a command of its own. */
	if (n < 0 || (size_t)n >= sizeof(line) || strpbrk(line, "\r\n") != NULL)
		return 0;
	if (s->verbose)
		printf(">>> %s\n", line);
	conn_writes(&s->c, line);
	conn_writes(&s->c, "\r\n");
	if (!conn_flush(&s->c))
		return 0;
	return read_reply(s, strncmp(line, "EHLO ", 5) == 0);
}

int
smtp_exit_code(const struct smtp *s)
{
	const char *dsn = strlen(s->text) > 4 ? s->text + 4 : "";

	/* RFC 5321 4.5.3.1.10: this many are too many the next time, too. */
	if (s->code == 452 && strncmp(dsn, "4.5.3", 5) == 0)
		return EX_UNAVAILABLE;
	if (s->code == 0 || s->code / 100 == 4)
		return EX_TEMPFAIL;
	if (strncmp(dsn, "5.1.2", 5) == 0)
		return EX_NOHOST;
	if (strncmp(dsn, "5.1.7", 5) == 0 || strncmp(dsn, "5.1.8", 5) == 0)
		return EX_DATAERR;
	if (strncmp(dsn, "5.1.", 4) == 0)
		return EX_NOUSER;
	if (strncmp(dsn, "5.7.", 4) == 0)
		return EX_NOPERM;
	return EX_UNAVAILABLE;
}

/* ---- content ---- */

/* v has lines that end in CRLF and in nothing else, so that an LF tells where a
 * line begins. */
bool
smtp_content(struct smtp *s, struct smtp_dots *d, struct view v)
{
	while (v.n > 0) {
		const char *lf = memchr(v.p, '\n', v.n);
		size_t n = lf == NULL ? v.n : (size_t)(lf - v.p) + 1;
		if (!d->inside && v.p[0] == '.')
			conn_write(&s->c, ".", 1);
		conn_write(&s->c, v.p, n);
		d->inside = lf == NULL;
		v = (struct view){ v.p + n, v.n - n };
	}
	return !s->c.failed;
}

/* ---- connecting ---- */

static int
cannot_connect(const struct sendmail *m, const char *path, int e)
{
	if (e == EACCES || e == EPERM) {
		sendmail_say(m, "no permission to connect to %s", path);
		return EX_NOPERM;
	}
	if (e == ENOENT || e == ECONNREFUSED)
		sendmail_say(m,
		    "smtpd is not running, or does not listen on unix:%s; "
		    "nothing was sent, try again later",
		    path);
	else
		sendmail_say(m, "%s: %s; nothing was sent, try again later",
		    path, strerror(e));
	return EX_TEMPFAIL;
}

int
smtp_connect(const struct sendmail *m, int *out)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const char *path = sendmail_socket();

	*out = -1;
	if (!view_copy(view_of(path), a.sun_path, sizeof(a.sun_path))) {
		sendmail_say(m, "%s: the name is too long", path);
		return EX_CONFIG;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1 ||
	    connect(fd, (const struct sockaddr *)&a, sizeof(a)) == -1) {
		int e = errno;
		close_fd(&fd);
		return cannot_connect(m, path, e);
	}
	*out = fd;
	return 0;
}

static const char *
own_name(char *out, size_t size)
{
	if (gethostname(out, size) == -1)
		return "localhost";
	out[size - 1] = '\0';
	return domain_valid(view_of(out)) ? out : "localhost";
}

/* 0: greeted, EHLO said.  *again: it may be different in a moment. */
static int
try_open(struct smtp *s, const struct sendmail *m, bool *again)
{
	char host[HOST_NAME_MAX + 1];
	int fd, rc = smtp_connect(m, &fd);

	*again = false;
	if (rc != 0)
		return rc;
	conn_open(&s->c, fd);
	s->c.timeout_ms = ANSWER_MS;
	int code = smtp_reply(s);
	if (code == 220)
		code = smtp_command(s, "EHLO %s", own_name(host, sizeof(host)));
	if (code == 250)
		return 0;
	*again = code == 0 || code == 421;
	conn_close(&s->c);
	return code == 0 ? EX_TEMPFAIL : smtp_exit_code(s);
}

int
smtp_open(struct smtp *s, const struct sendmail *m)
{
	struct timespec pause = { 0, FIRST_PAUSE_MS * 1000000L };
	bool again;

	for (int i = 1;; i++) {
		*s = (struct smtp){ .verbose = m->verbose };
		int rc = try_open(s, m, &again);
		if (!again || i == TRIES) {
			if (rc != 0 && s->text[0] != '\0')
				sendmail_say(m, "smtpd says: %s", s->text);
			else if (again)
				sendmail_say(m,
				    "smtpd closed the connection; nothing was "
				    "sent, try again later");
			return rc;
		}
		nanosleep(&pause, NULL);
		pause.tv_sec = pause.tv_sec * 2 + (pause.tv_nsec >= 500000000L);
		pause.tv_nsec = pause.tv_nsec * 2 % 1000000000L;
	}
}

void
smtp_close(struct smtp *s)
{
	smtp_command(s, "QUIT");
	conn_close(&s->c);
}
