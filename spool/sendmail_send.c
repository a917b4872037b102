/*
 * One message from standard input to smtpd, and -bv.  Runs in: sendmail.
 *
 * Exit codes: EX_TEMPFAIL means that nothing was sent, to nobody, so that the
 * caller may try again.  A recipient that is refused for good does not keep the
 * others from getting the message; the exit code tells of it.
 *
 * More recipients than smtpd takes at a time get it in several transactions;
 * for these the content is kept as it goes out in the first.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/file.h"
#include "common/msg.h"
#include "spool/sendmail_message.h"

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
		message_remember(g, smtp_exit_code(g->s));
	}
	return 0;
}

/* The rest of the input; -1: g->rc has why not. */
static int
say_input(struct message *g, struct smtp_dots *dots, bool *good)
{
	struct view v;
	ssize_t n = 0;

	*good = smtp_content(g->s, dots, buf_view(&g->peek));
	while (*good && !g->input_ended && (n = message_more(g, &v)) > 0) {
		*good = smtp_content(g->s, dots, v);
		if (g->copy == -1)
			continue;
		if (file_write_at(g->copy, v.p, v.n, g->copied) != OK) {
			sendmail_say(g->m, "no room for a copy of the message");
			g->rc = EX_OSERR;
			return -1;
		}
		g->copied += v.n;
	}
	return n == -1 ? -1 : 0;
}

/* The same once more, from the copy. */
static int
say_copy(struct message *g, struct smtp_dots *dots, bool *good)
{
	static char piece[65536];

	*good = smtp_content(g->s, dots, buf_view(&g->peek));
	for (uint64_t at = 0; *good && at < g->copied;) {
		ssize_t n = pread(g->copy, piece, sizeof(piece), (off_t)at);
		if (n <= 0) {
			g->rc = EX_OSERR;
			return -1;
		}
		at += (uint64_t)n;
		*good =
		    smtp_content(g->s, dots, (struct view){ piece, (size_t)n });
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
	rc = message_begin(g);
	if (rc == 0)
		rc = message_recipients(g);
	if (rc == 0)
		rc = message_sender(g);
	if (rc == 0)
		rc = message_header(g, &header);
	rest = buf_view(&g->rcpt);
	while (rc == 0 && rest.n > 0)
		rc = send_some(g, buf_view(&header), &rest);
	buf_free(&header);
	return rc == 0 ? 0 : broken(g, rc);
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
	rc = message_recipients(&g);
	if (rc == 0)
		rc = message_sender(&g);
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
			message_remember(&g, smtp_exit_code(&s));
	}
	smtp_close(&s);
	if (rc == 0)
		rc = g.rc;
	message_free(&g);
	return rc;
}
