/*
 * Entries for systemd's journal.  Runs in: log.
 *
 * Each value is a part of one printable line, so that it can stand behind "="
 * and needs none of the protocol's counted values.
 */
#include "common/log_journal.h"

#include <stdio.h>
#include <string.h>

#include "common/view.h"

enum { ID_MIN = 6, ID_MAX = 24 }; /* digits of a queue id */

/* "postfix/smtpd[12]: text" and "dovecot: pop3-login: text", taken apart. */
struct parts {
	struct view identifier; /* postfix/smtpd, dovecot */
	struct view pid;	/* empty if there is none */
	struct view message;
	struct view program; /* smtpd, pop3-login */
	struct view id;	     /* empty if there is none */
};

/* What is before the first of chars. */
static struct view
until(struct view v, const char *chars)
{
	size_t n = 0;

	while (n < v.n && strchr(chars, v.p[n]) == NULL)
		n++;
	return (struct view){ v.p, n };
}

static struct view
after(struct view v, size_t n)
{
	return n < v.n ? (struct view){ v.p + n, v.n - n }
		       : (struct view){ v.p, 0 };
}

/* "4F2A81C3: text" */
static struct view
queue_id(struct view text)
{
	size_t n = 0;

	while (n < text.n && strchr("0123456789ABCDEF", text.p[n]) != NULL)
		n++;
	bool is = n >= ID_MIN && n <= ID_MAX && n + 1 < text.n &&
		  text.p[n] == ':' && text.p[n + 1] == ' ';
	return (struct view){ text.p, is ? n : 0 };
}

static struct parts
take_apart(struct view line)
{
	struct parts p = { .identifier = until(line, "[:") };
	struct view rest = after(line, p.identifier.n);

	if (rest.n > 0 && rest.p[0] == '[') {
		p.pid = until(after(rest, 1), "]");
		rest = after(rest, p.pid.n + 2);
	}
	p.message = after(rest, 2); /* ": " */
	const char *slash = memchr(p.identifier.p, '/', p.identifier.n);
	struct view text = p.message;
	if (slash != NULL) {
		size_t before = (size_t)(slash - p.identifier.p) + 1;
		p.program = after(p.identifier, before);
	} else {
		/* "dovecot: pop3(bob)<4><x>: text" */
		p.program = until(text, "(<:");
		text = after(text, until(text, ":").n + 2);
	}
	p.id = queue_id(text);
	return p;
}

size_t
log_journal_entry(const char *line, int priority, char *out, size_t size)
{
	struct parts p = take_apart(view_of(line));
	const struct {
		const char *name;
		struct view value;
	} field[] = {
		{ "SYSLOG_IDENTIFIER", p.identifier },
		{ "SYSLOG_PID", p.pid },
		{ "PENNYPOST_PROGRAM", p.program },
		{ "PENNYPOST_QUEUE_ID", p.id },
		{ "MESSAGE", p.message },
	};
	/* Facility 2 is mail. */
	int n =
	    snprintf(out, size, "PRIORITY=%d\nSYSLOG_FACILITY=2\n", priority);

	if (n < 0 || (size_t)n >= size)
		return 0;
	size_t at = (size_t)n;
	for (size_t i = 0; i < NELEM(field); i++) {
		struct view v = field[i].value;
		if (v.n == 0)
			continue;
		n = snprintf(out + at, size - at, "%s=%.*s\n", field[i].name,
		    (int)v.n, v.p);
		if (n < 0 || (size_t)n >= size - at)
			return 0;
		at += (size_t)n;
	}
	return at;
}
