/* Replies to the client.  Runs in: worker (pop3d). */
#include "pop3d/reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	REPLY_MAX = 512, /* RFC 1939 3 */
	NUMBER_MAX = 20, /* digits of 64 bits */
	LIST = 65536	 /* octets sent at once */
};

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

enum next
reply_end(struct session *s)
{
	conn_writes(s->conn, ".\r\n");
	return NEXT_COMMAND;
}

/* ---- long lists ---- */

bool
reply_list_start(struct reply_list *l, struct session *s)
{
	*l = (struct reply_list){ .s = s };
	l->buf = l->line = malloc(LIST);
	return l->buf != NULL;
}

/* Returns its end. */
static char *
put_number(char *p, uint64_t number)
{
	uint64_t limit = 10;
	int n = 1;

	for (; n < NUMBER_MAX && number >= limit; limit *= 10)
		n++;
	for (int i = n; i > 0; number /= 10)
		p[--i] = (char)('0' + number % 10);
	return p + n;
}

static void
list_send(struct reply_list *l)
{
	conn_write(l->s->conn, l->buf, (size_t)(l->line - l->buf));
	l->line = l->buf;
}

char *
reply_number(struct reply_list *l, uint64_t number)
{
	if (l->buf + LIST - l->line < NUMBER_MAX + REPLY_TEXT + 3)
		list_send(l);
	char *p = put_number(l->line, number);
	*p = ' ';
	return p + 1;
}

void
reply_text_end(struct reply_list *l, char *text, size_t n)
{
	text[n] = '\r';
	text[n + 1] = '\n';
	l->line = text + n + 2;
}

void
reply_numbers(struct reply_list *l, uint64_t first, uint64_t second)
{
	char *p = reply_number(l, first);

	reply_text_end(l, p, (size_t)(put_number(p, second) - p));
}

enum next
reply_list_end(struct reply_list *l)
{
	list_send(l);
	reply_list_free(l);
	return reply_end(l->s);
}

void
reply_list_free(struct reply_list *l)
{
	free(l->buf);
	l->buf = l->line = NULL;
}
