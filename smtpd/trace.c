/* Queue ids and the trace header.  Runs in: worker. */
#include "smtpd/trace.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/date.h"

/*
 * 13 hexadecimal digits of microseconds (enough until 2112), then the worker's
 * slot.  A worker gives no two ids in the same microsecond, nor an older one
 * when the clock is set back.
 */
void
trace_id(uint32_t slot, char *out)
{
	static uint64_t last;
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	uint64_t us =
	    (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
	if (us <= last)
		us = last + 1;
	last = us;
	snprintf(out, QUEUE_ID_MAX, "%013llX%04X",
	    (unsigned long long)us & 0xfffffffffffffULL, (unsigned)slot);
}

/* "(using TLSv1.3 with cipher ...)", or nothing. */
static void
tls_comment(const struct session *s, char *out, size_t size)
{
	struct tls_info tls;

	out[0] = '\0';
	if (s->tls && conn_tls_info(s->c, &tls))
		snprintf(out, size,
		    "\t(using %s with cipher %s (%d/%d bits))\r\n", tls.version,
		    tls.cipher, tls.bits, tls.bits);
}

/* "(SOLICIT=...)", RFC 3865 2.6, folded behind commas where it is long. */
static void
solicit_comment(const struct session *s, char *out, size_t size)
{
	size_t n = 0, line = 0;

	out[0] = '\0';
	if (s->t.solicit[0] == '\0')
		return;
	n += (size_t)snprintf(out, size, " (SOLICIT=");
	for (const char *c = s->t.solicit; *c != '\0' && n + 8 < size; c++) {
		out[n++] = *c;
		line++;
		if (*c == ',' && line > 60) {
			memcpy(out + n, "\r\n\t", 3);
			n += 3;
			line = 0;
		}
	}
	memcpy(out + n, ")", 2);
}

size_t
trace_received(const struct session *s, int64_t now, char *out, size_t size)
{
	const char *only = transaction_only_rcpt(s);
	bool ipv6 = strchr(s->w->client, ':') != NULL;
	char date[DATE_MAX], comment[160], solicit[SOLICIT_MAX + 100];

	mail_date(now, date, sizeof(date));
	tls_comment(s, comment, sizeof(comment));
	solicit_comment(s, solicit, sizeof(solicit));
	int n = snprintf(out, size,
	    "Received: from %s (%s [%s%s])\r\n"
	    "%s"
	    "\tby %s (pennypost) with %s%s id %s%s%s%s;%s%s\r\n",
	    s->helo[0] == '\0' ? "unknown" : s->helo, s->name,
	    ipv6 ? "IPv6:" : "", s->w->client, comment, s->set->hostname,
	    session_protocol(s), solicit, s->t.id,
	    only == NULL ? "" : "\r\n\tfor <", only == NULL ? "" : only,
	    only == NULL ? "" : ">", only == NULL ? "\r\n\t" : " ", date);
	return n < 0 || (size_t)n >= size ? 0 : (size_t)n;
}

void
trace_missing(const struct session *s, int64_t now, struct content *c)
{
	char date[DATE_MAX];

	mail_date(now, date, sizeof(date));
	snprintf(c->date, sizeof(c->date), "Date: %s\r\n", date);
	int n = snprintf(c->message_id, sizeof(c->message_id),
	    "Message-ID: <%s@%s>\r\n", s->t.id, s->set->hostname);
	if (n < 0 || (size_t)n >= sizeof(c->message_id))
		c->message_id[0] = '\0'; /* rather none than half a line */
}
