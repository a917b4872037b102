/* What stands in a report.  Runs in: queue. */
#include "spool/dsn_text.h"

#include <string.h>

#include "common/date.h"
#include "common/unitext.h"
#include "common/utf8.h"
#include "common/xtext.h"
#include "spool/dsn_words.h"

enum { WIDTH = 72, SHOWN = 200, ENVID = 101, ENCODED = 960 };

/* ---- pieces of somebody else's text ---- */

/* Is v[0..n) the end of a character? */
static bool
whole_character(struct view v, size_t n)
{
	return n >= v.n || ((unsigned char)v.p[n] & 0xc0) != 0x80;
}

/* At most DSN_TEXT_MAX octets of v, as one line; what is not printable, and
 * with ascii what is not ASCII, becomes '?'. */
static void
add_clean(struct buf *out, struct view v, bool ascii)
{
	size_t n = v.n < DSN_TEXT_MAX ? v.n : DSN_TEXT_MAX;

	while (!whole_character(v, n))
		n--;
	v.n = n;
	bool as_is = utf8_printable(v) && (!ascii || view_ascii(v));
	for (size_t i = 0; i < v.n; i++) {
		bool good = as_is || (v.p[i] >= ' ' && v.p[i] <= '~');
		buf_addc(out, good ? v.p[i] : '?');
	}
}

/* Words of v in lines that begin with four blanks. */
static void
add_wrapped(struct buf *out, struct view v)
{
	size_t column = 0;

	while (v.n > 0) {
		struct view word = view_token(&v);
		if (column == 0 || column + 1 + word.n > WIDTH) {
			buf_adds(out, column == 0 ? "    " : "\r\n    ");
			column = 4;
		} else {
			buf_addc(out, ' ');
			column++;
		}
		buf_addv(out, word);
		column += word.n;
	}
	buf_adds(out, "\r\n");
}

/* The text of a field, with its continuation lines; empty: there is none. */
static struct view
find_field(struct view header, const char *name)
{
	size_t n = strlen(name);
	struct view field;

	while ((field = view_field(&header)).n > 0)
		if (field.n > n && field.p[n] == ':' &&
		    view_casestarts(field, name)) {
			view_split(&field, ':', NULL);
			break;
		}
	return field;
}

bool
dsn_text_field(struct view header, const char *name, char *out, size_t size)
{
	struct view v = view_strip(find_field(header, name));
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '\r' || v.p[i] == '\n')
			continue;
		if (n + 1 >= size)
			return false;
		out[n++] = v.p[i] == '\t' ? ' ' : v.p[i];
	}
	if (n == 0 || memchr(out, '\0', n) != NULL ||
	    !utf8_printable((struct view){ out, n })) {
		out[0] = '\0';
		return false;
	}
	out[n] = '\0';
	return true;
}

/* ---- for people ---- */

static const struct {
	enum dsn_action action;
	const char *name, *intro;
} actions[] = {
	{ DSN_FAILED, "failed",
	    "It could NOT be delivered to the following address. The server "
	    "has given up; if it matters, it must be sent again." },
	{ DSN_DELAYED, "delayed",
	    "It could not be delivered YET to the following address. The "
	    "server keeps trying; it need not be sent again." },
	{ DSN_DELIVERED, "delivered",
	    "It WAS DELIVERED to the mailbox of the following address." },
	{ DSN_RELAYED, "relayed",
	    "It was HANDED ON to another mail server for the following "
	    "address. That server does not report deliveries, so this is the "
	    "last you hear unless something goes wrong." },
	{ DSN_EXPANDED, "expanded",
	    "It was PASSED ON to all addresses that stand behind the "
	    "following one." },
};

static unsigned
count(const struct dsn *d, enum dsn_action action)
{
	unsigned n = 0;

	for (unsigned i = 0; i < d->rcpt_n; i++)
		n += d->rcpt[i].action == action;
	return n;
}

const char *
dsn_text_subject(const struct dsn *d)
{
	if (count(d, DSN_FAILED) > 0)
		return "Undelivered Mail Returned to Sender";
	if (count(d, DSN_DELAYED) > 0)
		return "Delayed Mail (still being retried)";
	return "Successful Mail Delivery Report";
}

static void
add_reason(struct buf *out, const struct dsn_rcpt *r)
{
	struct buf b;

	buf_init(&b, 4096);
	if (r->expired)
		buf_adds(&b, "This was tried for too long. The last time: ");
	buf_adds(&b, dsn_words(r->code));
	add_wrapped(out, buf_view(&b));
	buf_clear(&b);
	if (r->remote.n > 0) {
		buf_adds(&b, "The server ");
		add_clean(&b, r->remote, false);
		buf_adds(&b, " said: ");
	} else if (r->text.n > 0) {
		buf_adds(&b, "In the words of this server: ");
	}
	add_clean(&b, r->text, false);
	if (b.n > 0)
		add_wrapped(out, buf_view(&b));
	buf_free(&b);
}

static void
add_group(struct buf *out, const struct dsn *d, size_t which)
{
	enum dsn_action action = actions[which].action;
	unsigned n = 0, all = count(d, action);
	char date[DATE_MAX];

	if (all == 0)
		return;
	add_wrapped(out, view_of(actions[which].intro));
	if (action == DSN_DELAYED) {
		mail_date(d->until, date, sizeof(date));
		buf_addf(
		    out, "    It will be given up at:\r\n    %s\r\n", date);
	}
	for (unsigned i = 0; i < d->rcpt_n && n < DSN_NOTED_MAX; i++) {
		const struct dsn_rcpt *r = &d->rcpt[i];
		if (r->action != action)
			continue;
		n++;
		buf_adds(out, "\r\n<");
		buf_addv(out, r->original.n > 0 ? r->original : r->address);
		buf_adds(out, ">\r\n");
		if (action <= DSN_DELAYED)
			add_reason(out, r);
	}
	if (all > n)
		buf_addf(out, "\r\n... and %u more.\r\n", all - n);
	buf_adds(out, "\r\n");
}

static void
add_field_line(struct buf *out, struct view header, const char *name)
{
	char text[SHOWN];

	if (dsn_text_field(header, name, text, sizeof(text)) &&
	    strstr(text, "=?") == NULL) /* no words in an encoding */
		buf_addf(out, "    %s: %s\r\n", name, text);
}

void
dsn_text_people(struct buf *out, const struct dsn *d)
{
	struct view header = dsn_header(d->content);
	char date[DATE_MAX];
	bool own = d->of->sender.n > 0;

	mail_date(d->of->arrived_us / 1000000, date, sizeof(date));
	buf_addf(out,
	    "This is the mail server %s.\r\n\r\n%s\r\n\r\n"
	    "    It came here: %s\r\n",
	    d->hostname,
	    own ? "This is about a message of yours:"
		: "This is about a message that names no sender to be told, "
		  "such as a report\r\nlike this one. You get this as you "
		  "look after the mail of this server.",
	    date);
	add_field_line(out, header, "Date");
	add_field_line(out, header, "Subject");
	buf_adds(out, "\r\n");
	for (size_t i = 0; i < NELEM(actions); i++)
		add_group(out, d, i);
	buf_addf(out, "Details for experts, and %s, follow as attachments.\r\n",
	    d->return_all ? "the message" : "the header of the message");
}

/* ---- for programs ---- */

/* In ASCII.  What would make too long a line is no address in earnest. */
static void
add_encoded(struct buf *out, struct view a)
{
	struct buf b;

	buf_init(&b, ENCODED);
	unitext_encode(&b, a);
	if (b.bad)
		add_clean(out, a, true);
	else
		buf_addv(out, buf_view(&b));
	buf_free(&b);
}

/* An address that may be outside ASCII, with its type; one without a domain is
 * ours. */
static void
add_address(struct buf *out, const struct dsn *d, struct view a, bool global)
{
	bool ascii = view_ascii(a);

	buf_adds(out, ascii ? "rfc822;" : "utf-8;");
	if (ascii || global)
		buf_addv(out, a);
	else
		add_encoded(out, a);
	if (a.n == 0 || memchr(a.p, '@', a.n) == NULL)
		buf_addf(out, "@%s", d->hostname);
}

/* ORCPT is type;text.  RFC 3461 6.3 (d), RFC 6533 3. */
static void
add_original(struct buf *out, struct view orcpt, bool global)
{
	char text[ENVELOPE_PARAMS_MAX + 8];
	struct view v = orcpt, type = view_split(&v, ';', NULL);
	bool utf8 = view_caseeqs(type, "utf-8");

	buf_adds(out, "Original-Recipient: ");
	buf_addv(out, type);
	buf_addc(out, ';');
	if (utf8 && !view_ascii(v) && !global)
		add_encoded(out, v);
	else if (utf8 && (!global || !unitext_decode(v, text, sizeof(text))))
		buf_addv(out, v);
	else if (!utf8 && !xtext_decode(v, text, sizeof(text)))
		buf_addv(out, v);
	else
		add_clean(out, view_of(text), !global);
	buf_adds(out, "\r\n");
}

static void
add_date(struct buf *out, const char *name, int64_t when)
{
	char date[DATE_MAX];

	mail_date(when, date, sizeof(date));
	buf_addf(out, "%s: %s\r\n", name, date);
}

static void
add_rcpt(
    struct buf *out, const struct dsn *d, const struct dsn_rcpt *r, bool global)
{
	bool given;
	struct view orcpt = dsn_param(r->params, "ORCPT", &given);
	size_t which = 0;

	buf_adds(out, "\r\n");
	if (given)
		add_original(out, orcpt, global);
	buf_adds(out, "Final-Recipient: ");
	add_address(out, d, r->address, global);
	while (actions[which].action != r->action)
		which++;
	buf_addf(out, "\r\nAction: %s\r\nStatus: %s\r\n", actions[which].name,
	    r->code);
	if (r->remote.n > 0) {
		struct view name = r->remote;
		buf_adds(out, "Remote-MTA: dns; ");
		add_clean(out, view_split(&name, '[', NULL), true);
		buf_adds(out, "\r\n");
	}
	if (r->text.n > 0) {
		buf_addf(out, "Diagnostic-Code: %s; ",
		    r->remote.n > 0 ? "smtp" : "x-pennypost");
		add_clean(out, r->text, true);
		buf_adds(out, "\r\n");
	}
	add_date(out, "Last-Attempt-Date", d->now);
	buf_adds(out, "Final-Log-ID: ");
	buf_addv(out, d->of->id);
	buf_adds(out, "\r\n");
	if (r->action == DSN_DELAYED)
		add_date(out, "Will-Retry-Until", d->until);
}

void
dsn_text_status(struct buf *out, const struct dsn *d, bool global)
{
	bool given, full = strchr(d->hostname, '.') != NULL;
	char text[ENVID];
	struct view envid = dsn_param(d->of->params, "ENVID", &given);

	if (given && xtext_decode(envid, text, sizeof(text))) {
		buf_adds(out, "Original-Envelope-Id: ");
		add_clean(out, view_of(text), true);
		buf_adds(out, "\r\n");
	}
	buf_addf(out, "Reporting-MTA: %s; %s\r\n",
	    full ? "dns" : "x-local-hostname", d->hostname);
	add_date(out, "Arrival-Date", d->of->arrived_us / 1000000);
	for (unsigned i = 0; i < d->rcpt_n; i++)
		add_rcpt(out, d, &d->rcpt[i], global);
}
