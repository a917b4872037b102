/* Replies to the client.  Runs in: worker (pop3d). */
#include "pop3d/reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { REPLY_MAX = 512 }; /* RFC 1939 3 */

__attribute__((format(printf, 4, 0))) static void
write_line(struct session *s, const char *head, const char *code,
    const char *fmt, va_list ap)
{
	char line[REPLY_MAX + 1];
	size_t max = REPLY_MAX - 2;
	int n = code == NULL ? snprintf(line, max, "%s", head)
			     : snprintf(line, max, "%s[%s] ", head, code);
	size_t at = n < 0 ? 0 : (size_t)n;

	n = vsnprintf(line + at, max + 1 - at, fmt, ap);
	at += n < 0 ? 0 : (size_t)n;
	if (at > max) {
		at = max;
		/* Not in the middle of a character of UTF-8. */
		while (at > 0 && ((unsigned char)line[at] & 0xc0) == 0x80)
			at--;
	}
	memcpy(line + at, "\r\n", 2);
	conn_write(s->conn, line, at + 2);
}

enum next
reply_ok(struct session *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(s, "+OK ", NULL, lang_text(s->lang, fmt), ap);
	va_end(ap);
	return NEXT_COMMAND;
}

enum next
reply_err(struct session *s, const char *code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(s, "-ERR ", code, lang_text(s->lang, fmt), ap);
	va_end(ap);
	return NEXT_COMMAND;
}

enum next
reply_bad(struct session *s, const char *fmt, ...)
{
	va_list ap;

	if (++s->errors >= s->w->settings->errors_max) {
		reply_err(s, NULL, "Too many wrong commands; goodbye.");
		s->why = "Too many wrong commands";
		return NEXT_CLOSE;
	}
	va_start(ap, fmt);
	write_line(s, "-ERR ", NULL, lang_text(s->lang, fmt), ap);
	va_end(ap);
	return NEXT_COMMAND;
}

void
reply_line(struct session *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(s, "", NULL, fmt, ap);
	va_end(ap);
}

void
reply_number_line(struct session *s, uint64_t number, struct view text)
{
	char line[REPLY_MAX];
	size_t at = 21; /* the digits end there */
	char *p = line + at;

	if (text.n > sizeof(line) - at - 3)
		text.n = sizeof(line) - at - 3;
	*p = ' ';
	memcpy(p + 1, text.p, text.n);
	memcpy(p + 1 + text.n, "\r\n", 2);
	do
		*--p = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	conn_write(s->conn, p, (size_t)(line + at + 3 - p) + text.n);
}

enum next
reply_end(struct session *s)
{
	conn_writes(s->conn, ".\r\n");
	return NEXT_COMMAND;
}
