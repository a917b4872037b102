/* Replies.  Runs in: worker. */
#include "smtpd/reply.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/log.h"
#include "smtpd/session.h"

enum { REPLY_MAX = 512 }; /* octets of a line, CRLF included: 4.5.3.1.5 */

/* Writes one line.  mark is '-' when more follow, else ' '. */
static void
say(struct session *s, int code, char mark, const char *enhanced,
    const char *text)
{
	char line[REPLY_MAX];
	int n = snprintf(line, sizeof(line) - 1, "%03d%c%s%s%s", code, mark,
	    enhanced == NULL ? "" : enhanced, enhanced == NULL ? "" : " ",
	    text);

	if (n < 0)
		n = 0;
	if ((size_t)n > sizeof(line) - 2)
		n = sizeof(line) - 2; /* cut */
	for (int i = 0; i < n; i++) {
		bool utf8 = s->utf8_reply && (unsigned char)line[i] >= 0x80;
		if (!utf8 && (line[i] < ' ' || line[i] > '~'))
			line[i] = '?';
	}
	line[n++] = '\r';
	line[n++] = '\n';
	conn_write(s->c, line, (size_t)n);
}

static enum next
finish(struct session *s, int code, const char *enhanced, const char *text)
{
	if (code >= 500 && !s->each_answered &&
	    ++s->errors >= (uint64_t)s->set->errors_max) {
		log_info(
		    "too many errors after %s from %s", s->verb, s->client);
		s->spent = true;
		code = 421;
		enhanced = "4.7.0";
		text = "Too many errors";
	}
	s->code = code;
	say(s, code, ' ', enhanced, text);
	return code == 421 || code == 221 ? NEXT_CLOSE : NEXT_COMMAND;
}

enum next
reply(struct session *s, int code, const char *enhanced, const char *fmt, ...)
{
	char text[REPLY_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return finish(s, code, enhanced, text);
}

void
reply_more(
    struct session *s, int code, const char *enhanced, const char *fmt, ...)
{
	char text[REPLY_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	say(s, code, '-', enhanced, text);
}

enum next
reject(struct session *s, const char *to, int code, const char *enhanced,
    const char *fmt, ...)
{
	char text[REPLY_MAX], from[ADDR_MAX + 1], rcpt[ADDR_MAX + 1];
	const char *id = s->t.id[0] == '\0' ? "NOQUEUE" : s->t.id;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_info("%s: reject: %s from %s: %d %s %s; from=<%s>%s%s%s proto=%s "
		 "helo=<%s>",
	    id, s->verb, s->client, code, enhanced, text,
	    log_clean(view_of(s->t.sender.text), from, sizeof(from)),
	    to == NULL ? "" : " to=<",
	    to == NULL ? "" : log_clean(view_of(to), rcpt, sizeof(rcpt)),
	    to == NULL ? "" : ">", session_protocol(s), s->helo);
	return finish(s, code, enhanced, text);
}
