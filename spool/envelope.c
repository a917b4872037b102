/* The record of one queued message.  Runs in: queue. */
#include "spool/envelope.h"

#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"

#define MAGIC "pennypost-queue "

enum { US = 1000000 };

bool
rcpt_to_do(char state)
{
	return state == RCPT_TO_DO || state == RCPT_WARNED;
}

bool
rcpt_closed(char state)
{
	return state == RCPT_DONE || state == RCPT_BOUNCED;
}

bool
envelope_id_valid(struct view v)
{
	if (v.n < ENVELOPE_ID_MIN || v.n > ENVELOPE_ID_MAX)
		return false;
	for (size_t i = 0; i < v.n; i++)
		if (!ascii_digit(v.p[i]) && (v.p[i] < 'A' || v.p[i] > 'F'))
			return false;
	return true;
}

bool
envelope_value_valid(struct view v)
{
	return v.n <= ENVELOPE_VALUE_MAX && utf8_printable(v);
}

bool
envelope_params_valid(struct view v)
{
	return v.n <= ENVELOPE_PARAMS_MAX && utf8_printable(v);
}

bool
envelope_trail_valid(struct view v)
{
	unsigned n = 0;
	bool more = true;

	if (v.n > ENVELOPE_TRAIL_SIZE || !utf8_printable(v))
		return false;
	while (more && n <= ENVELOPE_TRAIL_MAX) {
		if (view_split(&v, ' ', &more).n == 0)
			return false;
		n++;
	}
	return n <= ENVELOPE_TRAIL_MAX;
}

bool
envelope_in_trail(struct view trail, struct view user)
{
	bool more = trail.n > 0;

	while (more)
		if (view_caseeq(view_split(&trail, ' ', &more), user))
			return true;
	return false;
}

/* ---- targets ---- */

static const char *const kinds[] = {
	[KIND_USER] = "user",
	[KIND_COMMAND] = "command",
	[KIND_FILE] = "file",
};
static const char *const sources[] = {
	[SOURCE_FORWARD] = "forward",
	[SOURCE_ALIASES] = "aliases",
};

/* The first column. */
static bool
address_valid(const struct envelope_rcpt *c)
{
	bool run = c->kind == KIND_COMMAND || c->kind == KIND_FILE;
	size_t max = run ? ENVELOPE_TARGET_MAX : ENVELOPE_VALUE_MAX;

	return c->address.n > 0 && c->address.n <= max &&
	       utf8_printable(c->address);
}

static bool
as_valid(struct view v)
{
	return v.n > 0 && v.n < 64 && memchr(v.p, ' ', v.n) == NULL &&
	       utf8_printable(v);
}

/* Takes "key=" and one of n words, from first on, off *v. */
static bool
take_word(struct view *v, const char *key, const char *const *words,
    unsigned first, unsigned n, unsigned *out)
{
	struct view w = view_split(v, ' ', NULL);

	for (*out = first; *out < n; (*out)++) {
		size_t k = strlen(key);
		if (w.n > k && memcmp(w.p, key, k) == 0 &&
		    view_eqs((struct view){ w.p + k, w.n - k }, words[*out]))
			return true;
	}
	return false;
}

static bool
parse_kind(struct view v, struct envelope_rcpt *c)
{
	unsigned kind, source;

	if (!take_word(&v, "kind=", kinds, KIND_USER, NELEM(kinds), &kind))
		return false;
	c->kind = (enum envelope_kind)kind;
	if (c->kind == KIND_USER)
		return v.n == 0;
	if (!take_word(&v, "source=", sources, 0, NELEM(sources), &source) ||
	    !view_casestarts(v, "as="))
		return false;
	c->source = (enum envelope_source)source;
	c->as = (struct view){ v.p + 3, v.n - 3 };
	return as_valid(c->as);
}

/* ---- printing ---- */

static void
print_value(struct buf *out, const char *key, struct view value)
{
	if (!envelope_value_valid(value)) {
		out->bad = true;
		return;
	}
	buf_adds(out, key);
	buf_adds(out, ": ");
	buf_addv(out, value);
	buf_addc(out, '\n');
}

void
envelope_print_head(struct buf *out, const struct envelope *e)
{
	if (!envelope_id_valid(e->id) || e->arrived_us < 0) {
		out->bad = true;
		return;
	}
	buf_adds(out, MAGIC "2\n");
	print_value(out, "id", e->id);
	buf_addf(out, "arrived: %lld.%06lld\n", (long long)(e->arrived_us / US),
	    (long long)(e->arrived_us % US));
	print_value(out, "sender", e->sender);
	print_value(out, "client", e->client);
	print_value(out, "helo", e->helo);
	print_value(out, "protocol", e->protocol);
	print_value(out, "user", e->user);
	if (!envelope_params_valid(e->params) ||
	    (e->trail.n > 0 && !envelope_trail_valid(e->trail))) {
		out->bad = true;
		return;
	}
	if (e->params.n > 0) {
		buf_adds(out, "params: ");
		buf_addv(out, e->params);
		buf_addc(out, '\n');
	}
	if (e->trail.n > 0) {
		buf_adds(out, "trail: ");
		buf_addv(out, e->trail);
		buf_addc(out, '\n');
	}
}

void
envelope_print_rcpt(struct buf *out, struct view address, struct view original)
{
	envelope_print_rcpt_params(
	    out, address, original, (struct view){ NULL, 0 });
}

void
envelope_print_rcpt_params(struct buf *out, struct view address,
    struct view original, struct view params)
{
	envelope_print_target(out,
	    &(struct envelope_rcpt){
		.address = address, .original = original, .params = params });
}

void
envelope_print_target(struct buf *out, const struct envelope_rcpt *c)
{
	bool run = c->kind == KIND_COMMAND || c->kind == KIND_FILE;

	if (!address_valid(c) || !envelope_value_valid(c->original) ||
	    !envelope_params_valid(c->params) || (run && !as_valid(c->as))) {
		out->bad = true;
		return;
	}
	buf_addc(out, RCPT_TO_DO);
	buf_addc(out, ' ');
	buf_addv(out, c->address);
	buf_addc(out, '\t');
	buf_addv(out, c->original);
	if (c->params.n > 0 || c->kind != KIND_ADDRESS)
		buf_addc(out, '\t');
	buf_addv(out, c->params);
	if (c->kind != KIND_ADDRESS)
		buf_addf(out, "\tkind=%s", kinds[c->kind]);
	if (run) {
		buf_addf(out, " source=%s as=", sources[c->source]);
		buf_addv(out, c->as);
	}
	buf_addc(out, '\n');
}

void
envelope_print_end(struct buf *out, unsigned rcpts, uint64_t content)
{
	buf_addf(out, "recipients: %u\ncontent: %llu\n\n", rcpts,
	    (unsigned long long)content);
}

/* ---- parsing ---- */

struct reader {
	struct view left;
	const char *start; /* of the text, for offsets */
	unsigned long long format;
	const char *why;
};

/* The next line, which must begin with key.  *value is what stands behind. */
static bool
read_line(struct reader *r, const char *key, struct view *value)
{
	bool found;
	size_t n = strlen(key);
	struct view line = view_split(&r->left, '\n', &found);

	if (!found || line.n < n || memcmp(line.p, key, n) != 0)
		return false;
	*value = (struct view){ line.p + n, line.n - n };
	return true;
}

static bool
read_value(struct reader *r, const char *key, struct view *value)
{
	return read_line(r, key, value) && envelope_value_valid(*value);
}

static bool
read_number(struct reader *r, const char *key, unsigned long long max,
    unsigned long long *out)
{
	struct view v;

	return read_line(r, key, &v) && view_number(v, max, out);
}

static bool
read_arrived(struct reader *r, int64_t *us)
{
	unsigned long long s, frac;
	struct view v;
	bool dot;

	if (!read_line(r, "arrived: ", &v))
		return false;
	struct view whole = view_split(&v, '.', &dot);
	if (!dot || v.n != 6 || !view_number(whole, INT64_MAX / US - 1, &s) ||
	    !view_number(v, US - 1, &frac))
		return false;
	*us = (int64_t)(s * US + frac);
	return true;
}

static bool
is_rcpt_line(struct view v)
{
	return v.n > 2 && v.p[1] == ' ' &&
	       (rcpt_to_do(v.p[0]) || rcpt_closed(v.p[0]) ||
		   v.p[0] == RCPT_DONE_TELL || v.p[0] == RCPT_RELAYED_TELL);
}

static unsigned
count_rcpts(struct view v)
{
	unsigned n = 0;
	bool more = true;

	while (more && is_rcpt_line(v)) {
		view_split(&v, '\n', &more);
		n++;
	}
	return n;
}

/* The columns behind the address. */
static bool
read_columns(struct view rest, bool targets, struct envelope_rcpt *c)
{
	bool more, kind = false;

	c->original = view_split(&rest, '\t', &more);
	c->params = rest;
	if (targets)
		c->params = view_split(&rest, '\t', &kind);
	return envelope_value_valid(c->original) &&
	       envelope_params_valid(c->params) &&
	       more == (c->params.n > 0 || kind) &&
	       (!kind || parse_kind(rest, c));
}

/* Recipient lines, up to the first line that is none. */
static bool
read_rcpts(struct reader *r, struct envelope *e)
{
	unsigned n = count_rcpts(r->left);

	r->why = "no recipient, or too many";
	if (n == 0 || n > ENVELOPE_RCPT_MAX)
		return false;
	e->rcpt = calloc(n, sizeof(*e->rcpt));
	if (e->rcpt == NULL) {
		r->why = NULL;
		return false;
	}
	r->why = "a recipient line";
	for (; e->rcpt_n < n; e->rcpt_n++) {
		struct envelope_rcpt *c = &e->rcpt[e->rcpt_n];
		struct view line;
		bool tab;
		c->at = (size_t)(r->left.p - r->start);
		c->state = r->left.p[0];
		if (!read_line(r, (char[]){ c->state, ' ', 0 }, &line))
			return false;
		c->address = view_split(&line, '\t', &tab);
		if (!tab || !read_columns(line, r->format > 1, c) ||
		    !address_valid(c))
			return false;
	}
	return true;
}

/* The lines in their order.  False: r->why says at which it went wrong; NULL
 * for want of memory. */
static bool
read_lines(struct reader *r, struct envelope *e)
{
	unsigned long long n = 0;
	struct view rest;

	r->why = "the first line";
	if (!read_line(r, MAGIC, &rest) || rest.n != 1 ||
	    !view_number(rest, 2, &r->format) || r->format == 0)
		return false;
	r->why = "the id line";
	if (!read_line(r, "id: ", &e->id) || !envelope_id_valid(e->id))
		return false;
	r->why = "the arrived line";
	if (!read_arrived(r, &e->arrived_us))
		return false;
	const struct {
		const char *key, *why;
		struct view *value;
	} values[] = {
		{ "sender: ", "the sender line", &e->sender },
		{ "client: ", "the client line", &e->client },
		{ "helo: ", "the helo line", &e->helo },
		{ "protocol: ", "the protocol line", &e->protocol },
		{ "user: ", "the user line", &e->user },
	};
	for (size_t i = 0; i < NELEM(values); i++) {
		r->why = values[i].why;
		if (!read_value(r, values[i].key, values[i].value))
			return false;
	}
	r->why = "the params line";
	if (view_casestarts(r->left, "params: ") &&
	    (!read_line(r, "params: ", &e->params) || e->params.n == 0 ||
		!envelope_params_valid(e->params)))
		return false;
	r->why = "the trail line";
	if (r->format > 1 && view_casestarts(r->left, "trail: ") &&
	    (!read_line(r, "trail: ", &e->trail) ||
		!envelope_trail_valid(e->trail)))
		return false;
	if (!read_rcpts(r, e))
		return false;
	r->why = "the recipients line";
	if (!read_number(r, "recipients: ", ENVELOPE_RCPT_MAX, &n) ||
	    n != e->rcpt_n)
		return false;
	r->why = "the content line";
	if (!read_number(r, "content: ", INT64_MAX / 2, &n))
		return false;
	e->content_n = n;
	r->why = "the empty line";
	return read_line(r, "", &rest) && rest.n == 0 && r->left.n == 0;
}

size_t
envelope_end(struct view text)
{
	const char *p = text.p;
	size_t left = text.n;

	while (left >= 2) {
		const char *lf = memchr(p, '\n', left - 1);
		if (lf == NULL)
			return 0;
		if (lf[1] == '\n')
			return (size_t)(lf + 2 - text.p);
		left -= (size_t)(lf + 1 - p);
		p = lf + 1;
	}
	return 0;
}

enum status
envelope_parse(struct view text, struct envelope *out, const char **why)
{
	struct reader r = { .left = text, .start = text.p };

	*out = (struct envelope){ .content_at = text.n };
	*why = "too long";
	if (text.n > ENVELOPE_MAX)
		return ERR_DAMAGED;
	if (read_lines(&r, out))
		return OK;
	*why = r.why == NULL ? "no memory" : r.why;
	envelope_free(out);
	return r.why == NULL ? ERR_NOMEM : ERR_DAMAGED;
}

void
envelope_free(struct envelope *e)
{
	free(e->rcpt);
	*e = (struct envelope){ .rcpt = NULL };
}
