/* What a passing message's header says.  Runs in: worker. */
#include "smtpd/header.h"

#include <string.h>

static const char *const kept_names[HEADER_KEPT] = { "Resent-Sender",
	"Resent-From", "Sender", "From", "Solicitation" };

void
header_init(struct header_scan *h)
{
	/* The texts' pages are not to be touched unless they are used. */
	h->state = HEADER_LINE;
	h->name_n = h->id_n = 0;
	h->received = 0;
	h->is_message_id = h->date = h->message_id = h->resent_apart = false;
	h->id[0] = '\0';
	memset(h->id, 0, sizeof(h->id));
	h->keeping = NULL;
	for (int i = 0; i < HEADER_KEPT; i++) {
		h->kept[i].n = 0;
		h->kept[i].more = 0;
		h->kept[i].cut = false;
	}
}

struct view
header_text(const struct header_scan *h, enum header_kept which)
{
	return view_trim(
	    (struct view){ h->kept[which].text, h->kept[which].n });
}

static void
keep_begin(struct header_scan *h, struct view name)
{
	h->keeping = NULL;
	if ((view_caseeqs(name, "Received") ||
		view_caseeqs(name, "Return-Path")) &&
	    header_text(h, HEADER_RESENT_FROM).n > 0 &&
	    header_text(h, HEADER_RESENT_SENDER).n == 0)
		h->resent_apart = true;
	for (int i = 0; i < HEADER_KEPT; i++) {
		if (!view_caseeqs(name, kept_names[i]))
			continue;
		if (header_text(h, (enum header_kept)i).n > 0) {
			h->kept[i].more++;
			return;
		}
		h->kept[i].n = 0;
		h->keeping = &h->kept[i];
	}
}

static void
keep_octets(struct header_field *f, struct view v)
{
	for (size_t i = 0; i < v.n && !f->cut; i++) {
		if (v.p[i] == '\r' || v.p[i] == '\n')
			continue;
		f->cut = f->n == sizeof(f->text);
		if (!f->cut)
			f->text[f->n++] = v.p[i];
	}
}

static void
name_ends(struct header_scan *h)
{
	struct view name = view_trim((struct view){ h->name, h->name_n });

	keep_begin(h, name);

	/* The first one is the message's; a second one changes nothing. */
	h->is_message_id = view_caseeqs(name, "Message-ID") && !h->message_id;
	h->message_id |= h->is_message_id;
	h->date |= view_caseeqs(name, "Date");
	h->received += view_caseeqs(name, "Received");
	h->state = HEADER_VALUE;
}

/* RFC 5322 2.2: a name is printable and ends at the colon; obsolete syntax
 * (4.5) has blanks before it. */
static void
name_octet(struct header_scan *h, char c)
{
	if (c == ':' && h->name_n > 0) {
		name_ends(h);
	} else if (c <= ' ' && c != ' ' && c != '\t') {
		h->state = HEADER_DONE; /* a line without colon, or 8-bit */
	} else if (h->name_n < sizeof(h->name)) {
		h->name[h->name_n++] = c;
	}
}

/* The first word of the field, which may stand on a folded line. */
static void
message_id_octet(struct header_scan *h, char c)
{
	if (c > ' ' && h->id_n < sizeof(h->id) - 1)
		h->id[h->id_n++] = c;
	else if (h->id_n > 0)
		h->is_message_id = false;
}

/* Takes the rest of a line, or what there is of it, off *v. */
static void
value(struct header_scan *h, struct view *v)
{
	const char *lf = memchr(v->p, '\n', v->n);
	size_t n = lf == NULL ? v->n : (size_t)(lf - v->p);

	for (size_t i = 0; h->is_message_id && i < n; i++)
		message_id_octet(h, v->p[i]);
	if (h->keeping != NULL)
		keep_octets(h->keeping, (struct view){ v->p, n });
	if (lf != NULL) {
		h->state = HEADER_LINE;
		n++;
	}
	*v = (struct view){ v->p + n, v->n - n };
}

void
header_scan(struct header_scan *h, struct view v)
{
	while (v.n > 0 && h->state != HEADER_DONE) {
		char c = v.p[0];

		if (h->state == HEADER_VALUE) {
			value(h, &v);
			continue;
		}
		if (h->state == HEADER_LINE) {
			h->name_n = 0;
			h->state = HEADER_NAME;
			if (c == ' ' || c == '\t') { /* folded: 2.2.3 */
				h->state = HEADER_VALUE;
				continue;
			}
		}
		name_octet(h, c);
		v = (struct view){ v.p + 1, v.n - 1 };
	}
}
