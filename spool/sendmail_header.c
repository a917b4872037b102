/* The header of a message from a program of this host.  Runs in: sendmail. */
#include "spool/sendmail_header.h"

#include <stdio.h>
#include <string.h>

#include "common/base64.h"
#include "common/utf8.h"
#include "spool/address_list.h"

enum {
	WORD_MAX = 45, /* octets in an encoded word (RFC 2047 2: 75) */
	WIDEST = 999   /* octets of a line with its CR (RFC 5322 2.1.1) */
};

enum {
	F_RCPT = 1,   /* a list of recipients */
	F_HIDDEN = 2, /* does not leave */
	F_RESENT = 4,
	F_PEOPLE = 8 /* a list of addresses, completed */
};

/* Fields that mean something here. */
static const struct {
	const char *name;
	unsigned flags;
	size_t seen; /* offset of a bool */
} fields[] = {
#define SEEN(b) offsetof(struct mail_header, b)
	{ "To", F_RCPT | F_PEOPLE, 0 },
	{ "Cc", F_RCPT | F_PEOPLE, 0 },
	{ "Bcc", F_RCPT | F_HIDDEN, 0 },
	{ "Resent-To", F_RCPT | F_RESENT | F_PEOPLE, SEEN(resent) },
	{ "Resent-Cc", F_RCPT | F_RESENT | F_PEOPLE, SEEN(resent) },
	{ "Resent-Bcc", F_RCPT | F_RESENT | F_HIDDEN, SEEN(resent) },
	{ "From", F_PEOPLE, SEEN(from) },
	{ "Sender", F_PEOPLE, 0 },
	{ "Reply-To", F_PEOPLE, 0 },
	{ "Date", 0, SEEN(date) },
	{ "Message-ID", 0, SEEN(message_id) },
	{ "Resent-From", F_RESENT | F_PEOPLE, SEEN(resent_from) },
	{ "Resent-Date", F_RESENT, SEEN(resent_date) },
	{ "Resent-Message-ID", F_RESENT, SEEN(resent_message_id) },
#undef SEEN
};

void
mail_header_init(struct mail_header *h)
{
	*h = (struct mail_header){ .line = 0 };
	/* And the piece in which its end stands. */
	buf_init(&h->in, MAIL_HEADER_MAX + 65536);
}

void
mail_header_free(struct mail_header *h)
{
	buf_free(&h->in);
}

/* ---- where fields begin and end ---- */

/* The name of the field that v begins with; empty: it begins with none.
 * Obsolete syntax has blanks before the colon. */
static struct view
name_of(struct view v)
{
	size_t n = 0, i;

	while (n < v.n && v.p[n] > ' ' && v.p[n] < 0x7f && v.p[n] != ':')
		n++;
	for (i = n; i < v.n && (v.p[i] == ' ' || v.p[i] == '\t'); i++)
		;
	if (n == 0 || i == v.n || v.p[i] != ':')
		return (struct view){ NULL, 0 };
	return (struct view){ v.p, n };
}

static int
known(struct view name)
{
	for (unsigned i = 0; i < NELEM(fields); i++)
		if (view_caseeqs(name, fields[i].name))
			return (int)i;
	return -1;
}

/* Takes the first field off *rest.  False: there is none. */
static bool
next_field(struct view *rest, struct view *field, struct view *name)
{
	*field = view_field(rest);
	*name = name_of(*field);
	return field->n > 0;
}

static struct view
all_fields(const struct mail_header *h)
{
	if (h->end <= h->field)
		return (struct view){ NULL, 0 };
	return (struct view){ h->in.p + h->field, h->end - h->field };
}

static void
note(struct mail_header *h, struct view name)
{
	int i = known(name);

	if (i != -1 && fields[i].seen != 0)
		*(bool *)(void *)((char *)h + fields[i].seen) = true;
	if (i != -1 && (fields[i].flags & F_RESENT) != 0)
		h->resent = true;
}

static bool
is_separator(struct view line)
{
	if (line.n > 0 && line.p[0] == '>')
		line = (struct view){ line.p + 1, line.n - 1 };
	return line.n > 5 && memcmp(line.p, "From ", 5) == 0;
}

/* One whole line, at h->line.  True: the header ends before it. */
static bool
take_line(struct mail_header *h, struct view line)
{
	bool first = h->line == 0;

	if (line.n == 2) { /* CRLF */
		h->body = h->line + 2;
		return true;
	}
	if (h->in_field && (line.p[0] == ' ' || line.p[0] == '\t'))
		return false;
	struct view name = name_of(line);
	if (name.n == 0 && first && is_separator(line)) {
		h->field = line.n;
		return false;
	}
	if (name.n == 0) {
		h->body = h->line;
		return true;
	}
	h->in_field = true;
	note(h, name);
	return false;
}

bool
mail_header_feed(struct mail_header *h, struct view v, bool at_end)
{
	buf_addv(&h->in, v);
	if (h->in.bad)
		h->too_long = true;
	while (!h->done && !h->too_long && h->line < h->in.n) {
		const char *p = h->in.p + h->line;
		const char *lf = memchr(p, '\n', h->in.n - h->line);
		if (lf == NULL)
			break;
		struct view line = { p, (size_t)(lf - p) + 1 };
		h->done = take_line(h, line);
		if (h->done)
			break;
		h->line += line.n;
		if (h->in_field)
			h->end = h->line;
	}
	if (!h->done && at_end && !h->too_long) {
		h->body = h->line;
		h->done = true;
	}
	if (h->line > MAIL_HEADER_MAX ||
	    (!h->done && h->in.n > MAIL_HEADER_MAX)) {
		h->done = false;
		h->too_long = true;
	}
	return h->done;
}

struct view
mail_header_body(const struct mail_header *h)
{
	return (struct view){ h->in.p + h->body, h->in.n - h->body };
}

/* ---- recipients ---- */

void
mail_header_recipients(const struct mail_header *h,
    void (*each)(void *arg, struct view list), void *arg)
{
	struct view rest = all_fields(h), field, name;

	while (next_field(&rest, &field, &name)) {
		int i = known(name);
		if (i == -1 || (fields[i].flags & F_RCPT) == 0 ||
		    ((fields[i].flags & F_RESENT) != 0) != h->resent)
			continue;
		view_split(&field, ':', NULL);
		each(arg, field);
	}
}

/* ---- addresses without a domain ---- */

/* How far into text, which an address was taken from, its domain is missing;
 * 0: it has one, or where it would belong is not plain to see. */
static size_t
place(struct view text, const struct address *a)
{
	size_t n = strlen(a->text);

	if (a->domain[0] != '\0' || n == 0 || text.n < n)
		return 0;
	if (memcmp(text.p, a->text, n) == 0) {
		struct view rest =
		    view_trim((struct view){ text.p + n, text.n - n });
		return rest.n == 0 || rest.p[0] == '(' ? n : 0;
	}
	if (text.n < n + 2 || text.p[text.n - 1] != '>' ||
	    text.p[text.n - n - 2] != '<' ||
	    memcmp(text.p + text.n - n - 1, a->text, n) != 0)
		return 0;
	return text.n - 1;
}

/* Is a line longer than RFC 5322 2.1.1 lets it be? */
static bool
too_wide(struct view v)
{
	while (v.n > 0)
		if (view_split(&v, '\n', NULL).n > WIDEST)
			return true;
	return false;
}

/* The field, with the origin behind names without a domain: other hosts would
 * take their own for it.  left: octets that must fit behind it. */
static void
print_people(
    struct buf *out, struct view field, size_t left, const char *origin)
{
	struct view list = field, text;
	struct address a;
	struct buf b;
	size_t done = 0;
	enum address_item item;

	buf_init(&b, 4 * MAIL_HEADER_MAX);
	view_split(&list, ':', NULL);
	while ((item = address_list_next(&list, &a, &text)) != ITEM_END) {
		text = view_strip(text);
		size_t at = item == ITEM_ADDRESS ? place(text, &a) : 0;
		if (at == 0)
			continue;
		at += (size_t)(text.p - field.p);
		buf_add(&b, field.p + done, at - done);
		buf_addf(&b, "@%s", origin);
		done = at;
	}
	buf_add(&b, field.p + done, field.n - done);
	bool good = !b.bad && out->n + b.n + left + 2 <= out->max &&
		    (!too_wide(buf_view(&b)) || too_wide(field));
	buf_addv(out, good ? buf_view(&b) : field);
	buf_free(&b);
}

/* ---- the header as it leaves ---- */

static void
add(struct buf *out, bool there, const char *name, const char *value)
{
	if (!there && value != NULL)
		buf_addf(out, "%s: %s\r\n", name, value);
}

void
mail_header_print(const struct mail_header *h, const struct mail_header_add *a,
    struct buf *out)
{
	struct view rest = all_fields(h), field, name;

	if (h->resent) {
		add(out, h->resent_date, "Resent-Date", a->date);
		add(out, h->resent_from, "Resent-From", a->from);
		add(out, h->resent_message_id, "Resent-Message-ID",
		    a->message_id);
	}
	add(out, h->date, "Date", a->date);
	add(out, h->from, "From", a->from);
	add(out, h->message_id, "Message-ID", a->message_id);
	while (next_field(&rest, &field, &name)) {
		int i = known(name);
		if (i != -1 && (fields[i].flags & F_HIDDEN) != 0)
			continue;
		if (i != -1 && (fields[i].flags & F_PEOPLE) != 0 &&
		    a->origin != NULL)
			print_people(out, field, rest.n, a->origin);
		else
			buf_addv(out, field);
	}
	buf_adds(out, "\r\n");
}

/* ---- From ---- */

/* RFC 5322 3.2.3 */
static bool
is_plain(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_alnum(v.p[i]) && v.p[i] != ' ' && v.p[i] != '-')
			return false;
	return true;
}

static bool
quote(struct view name, char *out, size_t size)
{
	struct buf b;

	buf_init(&b, size - 1);
	buf_addc(&b, '"');
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] == '"' || name.p[i] == '\\')
			buf_addc(&b, '\\');
		buf_addc(&b, name.p[i]);
	}
	buf_addc(&b, '"');
	bool good = !b.bad && view_copy(buf_view(&b), out, size);
	buf_free(&b);
	return good;
}

static bool
encode(struct view name, char *out, size_t size)
{
	char text[(WORD_MAX + 2) / 3 * 4 + 1];

	if (name.n > WORD_MAX || !base64_encode(name, text, sizeof(text)))
		return false;
	return (size_t)snprintf(out, size, "=?UTF-8?B?%s?=", text) < size;
}

void
mail_from_print(struct view name, const char *address, char *out, size_t size)
{
	char shown[600];
	bool ascii = true, good;

	name = view_trim(name);
	for (size_t i = 0; i < name.n; i++)
		ascii = ascii && (unsigned char)name.p[i] < 0x80;
	if (name.n == 0 || name.n > 200 || !utf8_printable(name))
		good = false;
	else if (!ascii)
		good = encode(name, shown, sizeof(shown));
	else if (is_plain(name))
		good = view_copy(name, shown, sizeof(shown));
	else
		good = quote(name, shown, sizeof(shown));
	if (good)
		snprintf(out, size, "%s <%s>", shown, address);
	else
		snprintf(out, size, "%s", address);
}
