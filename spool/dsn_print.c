/*
 * A report as a message: multipart/report (RFC 6522) of a text for people, a
 * text for programs, and what is returned of the message.  Runs in: queue.
 */
#define _GNU_SOURCE /* memmem */
#include <stdio.h>
#include <string.h>

#include "common/date.h"
#include "common/utf8.h"
#include "spool/dsn.h"
#include "spool/dsn_text.h"

enum {
	LINE_MOST = 998, /* RFC 5322 2.1.1, without CRLF */
	BOUNDARY = 64,	 /* RFC 2046 5.1.1: at most 70 */
	MESSAGE_ID = 250
};

struct parts {
	struct buf people, status, returned;
	bool all;	      /* returned is the whole message */
	bool global_status;   /* RFC 6533 4.1 */
	bool global_returned; /* 4.2, 4.3 */
	char boundary[BOUNDARY];
};

/* ---- what is returned ---- */

/* May it go through mail as it is: no NUL, no bare CR or LF, no long line? */
static bool
fit(struct view v)
{
	bool more = true;

	if (v.n > 0 && memchr(v.p, '\0', v.n) != NULL)
		return false;
	while (v.n > 0) {
		struct view line = view_split(&v, '\n', &more);
		const char *cr = memchr(line.p, '\r', line.n);
		if (line.n > LINE_MOST + 1 || (more && cr == NULL) ||
		    (cr != NULL && (!more || cr + 1 != line.p + line.n)))
			return false;
	}
	return true;
}

/* The same lines, made fit. */
static void
add_fit(struct buf *out, struct view v)
{
	while (v.n > 0) {
		struct view line = view_split(&v, '\n', NULL);
		size_t n = line.n < LINE_MOST ? line.n : LINE_MOST;

		if (n == line.n && n > 0 && line.p[n - 1] == '\r')
			n--;
		while (n < line.n && n > 0 &&
		       ((unsigned char)line.p[n] & 0xc0) == 0x80)
			n--; /* characters are not cut */
		for (size_t i = 0; i < n; i++) {
			char c = line.p[i];
			buf_addc(out, c == '\0' || c == '\r' ? '?' : c);
		}
		buf_adds(out, "\r\n");
	}
}

static void
make_returned(struct parts *p, const struct dsn *d, bool utf8_ok)
{
	struct view header = dsn_header(d->content);

	p->all = d->return_all && fit(d->content);
	if (p->all)
		buf_addv(&p->returned, d->content);
	else
		add_fit(&p->returned, header);
	if (!p->all)
		header = buf_view(&p->returned);
	p->global_returned =
	    utf8_ok && !view_ascii(header) && utf8_valid(header);
}

/* ---- the boundary ---- */

static bool
occurs(const struct buf *b, const char *text)
{
	return b->n > 0 && memmem(b->p, b->n, text, strlen(text)) != NULL;
}

/* One that is nowhere in the report.  There is always another number, and the
 * text is bounded, so this ends. */
static void
choose_boundary(struct parts *p, const struct dsn *d)
{
	uint64_t number = d->random;

	do
		snprintf(p->boundary, sizeof(p->boundary), "%.23s.%016llX",
		    d->id, (unsigned long long)number++);
	while (occurs(&p->people, p->boundary) ||
	       occurs(&p->status, p->boundary) ||
	       occurs(&p->returned, p->boundary));
}

/* ---- all of it ---- */

static void
add_part(struct buf *out, const struct parts *p, const char *description,
    const char *type, const struct buf *content)
{
	buf_addf(out,
	    "\r\n--%s\r\nContent-Description: %s\r\nContent-Type: %s\r\n",
	    p->boundary, description, type);
	if (!view_ascii(buf_view(content)))
		buf_adds(out, "Content-Transfer-Encoding: 8bit\r\n");
	buf_adds(out, "\r\n");
	buf_addv(out, buf_view(content));
}

/* <...> without blanks and such: to be named in our header. */
static bool
good_message_id(const char *id)
{
	size_t n = strlen(id);

	if (n < 3 || id[0] != '<' || id[n - 1] != '>')
		return false;
	for (size_t i = 1; i < n - 1; i++)
		if (id[i] <= ' ' || id[i] > '~' || id[i] == '<' || id[i] == '>')
			return false;
	return true;
}

static void
add_header(
    struct buf *out, const struct dsn *d, const struct parts *p, bool eight)
{
	char date[DATE_MAX], of[MESSAGE_ID];

	mail_date(d->now, date, sizeof(date));
	buf_addf(out,
	    "Date: %s\r\nFrom: Mail Delivery System <MAILER-DAEMON@%s>\r\n"
	    "To: <",
	    date, d->hostname);
	buf_addv(out, d->to);
	buf_addf(out, ">\r\nSubject: %s\r\nMessage-ID: <%s@%s>\r\n",
	    dsn_text_subject(d), d->id, d->hostname);
	if (dsn_text_field(
		dsn_header(d->content), "Message-ID", of, sizeof(of)) &&
	    good_message_id(of)) /* RFC 3834 3.1.4 */
		buf_addf(out, "In-Reply-To: %s\r\nReferences: %s\r\n", of, of);
	buf_addf(out,
	    "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: multipart/report; report-type=delivery-status;\r\n"
	    "\tboundary=\"%s\"\r\n%s\r\n"
	    "This is a report in several parts (MIME).\r\n",
	    p->boundary, eight ? "Content-Transfer-Encoding: 8bit\r\n" : "");
}

static bool
any_utf8(const struct dsn *d)
{
	for (unsigned i = 0; i < d->rcpt_n; i++)
		if (!view_ascii(d->rcpt[i].address))
			return true;
	return false;
}

static void
print(struct buf *out, const struct dsn *d, const struct parts *p)
{
	bool ascii = view_ascii(buf_view(&p->people));
	const char *returned =
	    p->all ? p->global_returned ? "message/global" : "message/rfc822"
	    : p->global_returned ? "message/global-headers"
				 : "text/rfc822-headers";

	add_header(out, d, p,
	    !ascii || !view_ascii(buf_view(&p->status)) ||
		!view_ascii(buf_view(&p->returned)));
	add_part(out, p, "What happened",
	    ascii ? "text/plain; charset=us-ascii"
		  : "text/plain; charset=utf-8",
	    &p->people);
	add_part(out, p, "Delivery report",
	    p->global_status ? "message/global-delivery-status"
			     : "message/delivery-status",
	    &p->status);
	add_part(out, p, p->all ? "The message" : "The header of the message",
	    returned, &p->returned);
	buf_addf(out, "\r\n--%s--\r\n", p->boundary);
}

bool
dsn_print(struct buf *out, const struct dsn *d, bool *utf8)
{
	struct parts p = { .all = false };
	bool given;

	/* Who sends with SMTPUTF8 can be told so (RFC 6533 4.5). */
	dsn_param(d->of->params, "SMTPUTF8", &given);
	given |= !view_ascii(d->to);
	buf_init(&p.people, out->max);
	buf_init(&p.status, out->max);
	buf_init(&p.returned, out->max);
	p.global_status = given && any_utf8(d);
	make_returned(&p, d, given);
	struct dsn told = *d;
	told.return_all = p.all;
	dsn_text_people(&p.people, &told);
	dsn_text_status(&p.status, d, p.global_status);
	*utf8 = p.global_status || p.global_returned || !view_ascii(d->to);
	if (p.people.bad || p.status.bad || p.returned.bad) {
		out->bad = true;
	} else {
		choose_boundary(&p, d);
		print(out, d, &p);
	}
	buf_free(&p.people);
	buf_free(&p.status);
	buf_free(&p.returned);
	return !out->bad;
}
