/*
 * One message from standard input to smtpd, and -bv.  Runs in: sendmail.
 *
 * Exit codes: EX_TEMPFAIL means that nothing was sent, to nobody, so that the
 * caller may try again.  A recipient that is refused for good does not keep the
 * others from getting the message; the exit code tells of it.
 *
 * More recipients than smtpd takes at a time get it in several transactions; for
 * these the content is kept as it goes out in the first.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "common/date.h"
#include "common/file.h"
#include "common/msg.h"
#include "spool/address_list.h"
#include "spool/sendmail.h"
#include "spool/sendmail_header.h"
#include "spool/sendmail_input.h"

enum {
	PIECE = 65536,
	SMALL = 65536, /* octets of a body that are looked at before it is
			* said what it holds */
	RCPT_TEXT = 4 * 1024 * 1024
};

struct message {
	const struct sendmail *m;
	struct smtp *s;
	struct input in;
	struct mail_header header;
	struct buf rcpt; /* addresses, each ended by LF */
	struct buf peek; /* the begin of the body */
	bool input_ended;
	bool eight; /* it may hold octets of eight bits */
	bool utf8;  /* an address is not ASCII */
	unsigned rcpt_n, accepted;
	unsigned sent;	/* recipients of what smtpd has taken */
	int copy;	/* of the body, for more transactions; -1: none */
	uint64_t copied;
	char from[ADDR_MAX + 1]; /* "" is the null reverse-path */
	int rc;			 /* of what went wrong on the way */
};

static char piece[PIECE];

/* ---- recipients ---- */

/* The first thing that went wrong is what the caller is told. */
static void
remember(struct message *g, int rc)
{
	if (g->rc == 0)
		g->rc = rc;
}

/* What ends it all in the middle. */
static int
broken(struct message *g, int rc)
{
	if (g->sent == 0)
		return rc;
	sendmail_say(g->m,
	    "%u recipients get the message, the others do not: it must not be "
	    "sent to all of them again",
	    g->sent);
	return rc == EX_TEMPFAIL ? EX_UNAVAILABLE : rc;
}

static void
add_list(void *arg, struct view list)
{
	struct message *g = arg;
	struct address a;
	struct view text;
	enum address_item item;

	while ((item = address_list_next(&list, &a, &text)) != ITEM_END) {
		if (item == ITEM_BAD) {
			sendmail_say(g->m, "this is no address: %.*s",
			    (int)(text.n < 200 ? text.n : 200), text.p);
			remember(g, EX_DATAERR);
			continue;
		}
		g->utf8 = g->utf8 || address_is_utf8(&a);
		buf_addf(&g->rcpt, "%s\n", a.text);
		g->rcpt_n++;
	}
}

static int
gather_recipients(struct message *g)
{
	for (int i = 0; i < g->m->address_n; i++)
		add_list(g, view_of(g->m->address[i]));
	if (g->m->from_header)
		mail_header_recipients(&g->header, add_list, g);
	if (g->rcpt.bad) {
		sendmail_say(g->m, "too many recipients");
		return EX_DATAERR;
	}
	if (g->rcpt_n > 0)
		return 0;
	if (g->rc == 0)
		sendmail_say(g->m, g->m->from_header
				       ? "the header names no recipient"
				       : "no recipient is named");
	return g->rc != 0 ? g->rc : EX_USAGE;
}

/* ---- sender and header ---- */

/* The path without a domain gets the origin's: what goes to other hosts must be
 * answerable. */
static int
take_sender(struct message *g)
{
	const char *given = g->m->sender;
	struct view rest = view_of(given == NULL ? sendmail_caller() : given);
	struct view text;
	struct address a;

	if (given != NULL && (rest.n == 0 || strcmp(given, "<>") == 0)) {
		g->from[0] = '\0';
		return 0;
	}
	if (address_list_next(&rest, &a, &text) != ITEM_ADDRESS) {
		sendmail_say(g->m, "-f: this is no address: %.200s", given);
		return EX_USAGE;
	}
	g->utf8 = g->utf8 || address_is_utf8(&a);
	if (a.domain[0] != '\0') {
		memcpy(g->from, a.text, sizeof(g->from));
		return 0;
	}
	int n =
	    snprintf(g->from, sizeof(g->from), "%s@%s", a.text, g->s->origin);
	return n > 0 && (size_t)n < sizeof(g->from) ? 0 : EX_DATAERR;
}

/* The caller's name: -F, NAME, or what the user database says. */
static void
caller_name(const struct sendmail *m, char *out, size_t size)
{
	const char *env = getenv("NAME"), *name = m->name;
	struct passwd *pw = getpwuid(getuid());
	struct buf b;

	if (name == NULL && m->sender == NULL && env != NULL && env[0] != '\0')
		name = env;
	buf_init(&b, size - 1);
	if (name != NULL) {
		buf_adds(&b, name);
	} else if (pw != NULL && pw->pw_gecos != NULL && m->sender == NULL) {
		for (const char *c = pw->pw_gecos; *c != '\0' && *c != ','; c++)
			if (*c != '&')
				buf_addc(&b, *c);
			else
				buf_adds(&b, pw->pw_name);
	}
	if (b.bad || !view_copy(buf_view(&b), out, size))
		out[0] = '\0';
	buf_free(&b);
}

static int
print_header(struct message *g, struct buf *out)
{
	char name[256], from[1024], date[DATE_MAX], id[ADDR_DOMAIN_MAX + 64],
	    daemon[ADDR_MAX + 1];
	unsigned char r[8];
	unsigned long long u = 0;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (getrandom(r, sizeof(r), 0) != sizeof(r))
		return EX_OSERR;
	for (size_t i = 0; i < sizeof(r); i++)
		u = u << 8 | r[i];
	mail_date(now.tv_sec, date, sizeof(date));
	snprintf(id, sizeof(id), "<%llx.%016llx@%s>",
	    (unsigned long long)now.tv_sec, u, g->s->origin);
	snprintf(daemon, sizeof(daemon), "MAILER-DAEMON@%.180s", g->s->origin);
	caller_name(g->m, name, sizeof(name));
	mail_from_print(view_of(name), g->from[0] != '\0' ? g->from : daemon,
	    from, sizeof(from));
	const struct mail_header_add add = { from, date, id, g->s->origin };
	mail_header_print(&g->header, &add, out);
	return out->bad ? EX_OSERR : 0;
}

/* ---- input ---- */

/* Octets into piece; 0 at the end. */
static ssize_t
more(struct message *g)
{
	ssize_t n = input_read(&g->in, piece, sizeof(piece));

	if (n == -1) {
		sendmail_say(g->m, "standard input: %s; nothing was sent",
		    strerror(errno));
		g->rc = EX_IOERR;
	}
	g->input_ended = n <= 0;
	return n;
}

static bool
is_eight(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if ((unsigned char)v.p[i] >= 0x80 || v.p[i] == '\0')
			return true;
	return false;
}

/* The header, and of the body so much that a small message is known whole. */
static int
read_begin(struct message *g)
{
	ssize_t n;

	do {
		n = more(g);
		if (n == -1)
			return g->rc;
		mail_header_feed(
		    &g->header, (struct view){ piece, (size_t)n }, n == 0);
	} while (!g->header.done && !g->header.too_long);
	if (g->header.too_long) {
		sendmail_say(g->m, "the header has more than %d octets",
		    MAIL_HEADER_MAX);
		return EX_DATAERR;
	}
	buf_addv(&g->peek, mail_header_body(&g->header));
	while (!g->input_ended && g->peek.n < SMALL) {
		n = more(g);
		if (n == -1)
			return g->rc;
		buf_add(&g->peek, piece, (size_t)n);
	}
	if (g->peek.bad)
		return EX_OSERR;
	g->eight = !g->input_ended || is_eight(buf_view(&g->header.in)) ||
		   is_eight(buf_view(&g->peek));
	return 0;
}

/* ---- the transaction ---- */

static int
refused(struct message *g, const char *what)
{
	if (g->s->code == 0)
		sendmail_say(g->m, "the connection to smtpd was lost%s%s", what,
		    g->sent == 0 ? "; nothing was sent" : "");
	else
		sendmail_say(
		    g->m, "smtpd refuses the message%s: %s", what, g->s->text);
	return smtp_exit_code(g->s);
}

/* RFC 3461 4: what xtext does not hold as it is. */
static void
print_xtext(struct buf *b, const char *text)
{
	for (; *text != '\0'; text++)
		if (*text == '+' || *text == '=')
			buf_addf(b, "+%02X", (unsigned)*text);
		else
			buf_addc(b, *text);
}

static int
say_mail(struct message *g)
{
	const struct sendmail *m = g->m;
	struct buf b;

	buf_init(&b, 1024);
	if (m->body != NULL ? strcmp(m->body, "8BITMIME") == 0 : g->eight)
		buf_adds(&b, g->s->body8 ? " BODY=8BITMIME" : "");
	if (g->utf8 && g->s->utf8)
		buf_adds(&b, " SMTPUTF8");
	if (m->ret != NULL && g->s->dsn)
		buf_addf(&b, " RET=%s", m->ret);
	if (m->envid != NULL && g->s->dsn) {
		buf_adds(&b, " ENVID=");
		print_xtext(&b, m->envid);
	}
	smtp_command(g->s, "MAIL FROM:<%s>%s", g->from, buf_cstr(&b));
	buf_free(&b);
	return g->s->code / 100 == 2 ? 0 : refused(g, "");
}

/* As many of *rest as one transaction takes. */
static int
say_recipients(struct message *g, struct view *rest)
{
	const char *notify = g->s->dsn ? g->m->notify : NULL;

	g->accepted = 0;
	while (rest->n > 0 &&
	       (g->s->rcpt_max == 0 || g->accepted < g->s->rcpt_max)) {
		struct view to = view_split(rest, '\n', NULL);
		smtp_command(g->s, "RCPT TO:<%.*s>%s%s", (int)to.n, to.p,
		    notify == NULL ? "" : " NOTIFY=",
		    notify == NULL ? "" : notify);
		if (g->s->code / 100 == 2) {
			g->accepted++;
			continue;
		}
		if (g->s->code / 100 != 5)
			return refused(g, "");
		sendmail_say(g->m, "%.*s: %s", (int)to.n, to.p, g->s->text);
		remember(g, smtp_exit_code(g->s));
	}
	return 0;
}

/* The rest of the input; -1: g->rc has why not. */
static int
say_input(struct message *g, struct smtp_dots *dots, bool *good)
{
	ssize_t n = 0;

	*good = smtp_content(g->s, dots, buf_view(&g->peek));
	while (*good && !g->input_ended && (n = more(g)) > 0) {
		*good = smtp_content(
		    g->s, dots, (struct view){ piece, (size_t)n });
		if (g->copy == -1)
			continue;
		if (file_write_at(g->copy, piece, (size_t)n, g->copied) != OK) {
			sendmail_say(g->m, "no room for a copy of the message");
			g->rc = EX_OSERR;
			return -1;
		}
		g->copied += (uint64_t)n;
	}
	return n == -1 ? -1 : 0;
}

/* The same once more, from the copy. */
static int
say_copy(struct message *g, struct smtp_dots *dots, bool *good)
{
	*good = smtp_content(g->s, dots, buf_view(&g->peek));
	for (uint64_t at = 0; *good && at < g->copied;) {
		ssize_t n = pread(g->copy, piece, sizeof(piece), (off_t)at);
		if (n <= 0) {
			g->rc = EX_OSERR;
			return -1;
		}
		at += (uint64_t)n;
		*good = smtp_content(
		    g->s, dots, (struct view){ piece, (size_t)n });
	}
	return 0;
}

/* The rest of the message; the end is said only when all of it was read. */
static int
say_content(struct message *g, struct view header)
{
	struct smtp_dots dots = { false };
	bool good;

	if (smtp_command(g->s, "DATA") != 354)
		return refused(g, "");
	good = smtp_content(g->s, &dots, header);
	if (good && (g->sent == 0 ? say_input(g, &dots, &good)
				  : say_copy(g, &dots, &good)) == -1)
		return g->rc;
	/* A server that has had enough says so before it closes. */
	if (!good) {
		smtp_reply(g->s);
		return refused(g, " while it was being sent");
	}
	if (g->s->verbose)
		puts(">>> .");
	conn_writes(&g->s->c, ".\r\n");
	conn_flush(&g->s->c);
	smtp_reply(g->s);
	if (g->s->code / 100 != 2)
		return refused(g, "");
	g->sent += g->accepted;
	return 0;
}

/* One transaction, for as many of *rest as it takes. */
static int
send_some(struct message *g, struct view header, struct view *rest)
{
	int rc = say_mail(g);

	if (rc == 0)
		rc = say_recipients(g, rest);
	if (rc == 0 && rest->n > 0 && g->copy == -1 && !g->input_ended) {
		g->copy = memfd_create("sendmail", MFD_CLOEXEC);
		if (g->copy == -1) {
			sendmail_say(g->m, "no room for a copy of the message");
			rc = EX_OSERR;
		}
	}
	if (rc == 0 && g->accepted > 0)
		rc = say_content(g, header);
	else if (rc == 0 && rest->n > 0 && smtp_command(g->s, "RSET") != 250)
		rc = refused(g, "");
	return rc;
}

static int
transaction(struct message *g)
{
	struct view rest;
	struct buf header;
	int rc;

	buf_init(&header, 2 * MAIL_HEADER_MAX);
	rc = read_begin(g);
	if (rc == 0)
		rc = gather_recipients(g);
	if (rc == 0)
		rc = take_sender(g);
	if (rc == 0)
		rc = print_header(g, &header);
	rest = buf_view(&g->rcpt);
	while (rc == 0 && rest.n > 0)
		rc = send_some(g, buf_view(&header), &rest);
	buf_free(&header);
	return rc == 0 ? 0 : broken(g, rc);
}

static void
message_init(struct message *g, const struct sendmail *m, struct smtp *s)
{
	*g = (struct message){ .m = m, .s = s, .copy = -1 };
	g->in =
	    (struct input){ .fd = STDIN_FILENO, .dot_ends = !m->dot_is_text };
	mail_header_init(&g->header);
	buf_init(&g->rcpt, RCPT_TEXT);
	buf_init(&g->peek, MAIL_HEADER_MAX + SMALL + PIECE);
}

static void
message_free(struct message *g)
{
	mail_header_free(&g->header);
	buf_free(&g->rcpt);
	buf_free(&g->peek);
	close_fd(&g->copy);
}

int
sendmail_send(const struct sendmail *m)
{
	static struct message g;
	static struct smtp s;
	int rc;

	if (!m->from_header && m->address_n == 0) {
		sendmail_say(m, "no recipient is named (-t takes them from the "
				"header)");
		return EX_USAGE;
	}
	rc = smtp_open(&s, m);
	if (rc != 0)
		return rc;
	message_init(&g, m, &s);
	rc = transaction(&g);
	/* In the middle of the content a QUIT would be part of it. */
	if (s.code != 0 && s.code != 354)
		smtp_close(&s);
	else
		conn_close(&s.c);
	if (rc == 0)
		rc = g.rc;
	message_free(&g);
	return rc;
}

/* ---- -bv ---- */

int
sendmail_verify(const struct sendmail *m)
{
	static struct message g;
	static struct smtp s;
	int rc = smtp_open(&s, m);

	if (rc != 0)
		return rc;
	message_init(&g, m, &s);
	rc = gather_recipients(&g);
	if (rc == 0)
		rc = take_sender(&g);
	if (rc == 0)
		rc = say_mail(&g);
	struct view rest = buf_view(&g.rcpt);
	while (rc == 0 && rest.n > 0) {
		struct view to = view_split(&rest, '\n', NULL);
		int code = smtp_command(&s, "RCPT TO:<%.*s>", (int)to.n, to.p);
		if (code == 0)
			rc = refused(&g, "");
		printf("%.*s... %s%s\n", (int)to.n, to.p,
		    code / 100 == 2 ? "deliverable" : "not deliverable: ",
		    code / 100 == 2 ? "" : s.text);
		if (code / 100 != 2)
			remember(&g, smtp_exit_code(&s));
	}
	smtp_close(&s);
	if (rc == 0)
		rc = g.rc;
	message_free(&g);
	return rc;
}
