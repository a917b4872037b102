/* Replies of other servers.  Pure.  Runs in: sender. */
#include "smtpd/smtp_reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/utf8.h"

void
smtp_reply_start(struct smtp_reply *r)
{
	*r = (struct smtp_reply){ .code = 0 };
}

size_t
smtp_reply_dsn(struct view v, char class)
{
	size_t at = 1;

	if (v.n < 5 || v.p[0] != class)
		return 0;
	for (int part = 0; part < 2; part++) {
		size_t digits = 0;
		if (at >= v.n || v.p[at++] != '.')
			return 0;
		while (at < v.n && ascii_digit(v.p[at])) {
			digits++;
			at++;
		}
		if (digits == 0 || digits > 3)
			return 0;
	}
	return at == v.n || v.p[at] == ' ' || v.p[at] == '\t' ? at : 0;
}

/* Adds what there is room for.  Whether it is UTF-8 is seen at the end. */
static void
add_text(struct smtp_reply *r, struct view v)
{
	for (size_t i = 0; i < v.n && r->text_n + 1 < sizeof(r->text); i++) {
		unsigned char c = (unsigned char)v.p[i];
		r->text[r->text_n++] = c < ' ' || c == 0x7f ? '?' : (char)c;
	}
	r->text[r->text_n] = '\0';
}

static void
make_printable(char *text)
{
	if (utf8_printable(view_of(text)))
		return;
	for (char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
}

static unsigned
read_code(struct view line)
{
	unsigned code = 0;

	if (line.n < 3 || (line.n > 3 && line.p[3] != ' ' && line.p[3] != '-' &&
			      line.p[3] != '\t'))
		return 0;
	for (int i = 0; i < 3; i++) {
		if (!ascii_digit(line.p[i]))
			return 0;
		code = code * 10 + (unsigned)(line.p[i] - '0');
	}
	return code >= 200 && code <= 599 ? code : 0;
}

enum smtp_reply_is
smtp_reply_line(struct smtp_reply *r, struct view line, struct view *text)
{
	unsigned code = read_code(line);

	*text = (struct view){ line.p, 0 };
	r->octets += line.n + 2;
	/* All lines have the same code (4.2.1). */
	if (code == 0 || (r->code != 0 && code != r->code) ||
	    ++r->lines > SMTP_REPLY_LINES || r->octets > SMTP_REPLY_OCTETS)
		return SMTP_REPLY_BAD;
	r->code = code;
	if (line.n > 4)
		*text = (struct view){ line.p + 4, line.n - 4 };
	if (r->dsn[0] == '\0') {
		size_t n = smtp_reply_dsn(*text, line.p[0]);
		if (n > 0 && n < sizeof(r->dsn))
			view_copy((struct view){ text->p, n }, r->dsn,
			    sizeof(r->dsn));
	}
	if (r->lines == 1)
		add_text(r, (struct view){ line.p, 3 });
	add_text(r, view_of(" "));
	add_text(r, *text);
	if (line.n > 3 && line.p[3] == '-')
		return SMTP_REPLY_MORE;
	if (r->dsn[0] == '\0')
		snprintf(r->dsn, sizeof(r->dsn), "%u.0.0", code / 100 % 10);
	make_printable(r->text);
	return SMTP_REPLY_END;
}

void
smtp_reply_set(
    struct smtp_reply *r, unsigned code, const char *dsn, const char *fmt, ...)
{
	char text[SMTP_REPLY_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	smtp_reply_start(r);
	r->code = code;
	snprintf(r->dsn, sizeof(r->dsn), "%s", dsn);
	add_text(r, view_of(text));
	make_printable(r->text);
}
