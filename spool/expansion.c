/* The record that follows from an expansion.  Runs in: queue. */
#include "spool/expansion.h"

#include <stdio.h>
#include <string.h>

#include "common/passdb.h"
#include "spool/dsn.h"

/* ---- parameters ---- */

static void
add_word(struct buf *out, const char *key, struct view value)
{
	if (out->n > 0)
		buf_addc(out, ' ');
	buf_adds(out, key);
	buf_addv(out, value);
}

/* RFC 3461 5.2.7.2: success is reported here, failure there. */
static void
add_notify(struct buf *out, struct view value)
{
	struct buf kept;
	bool more = value.n > 0;

	buf_init(&kept, ENVELOPE_PARAMS_MAX);
	while (more) {
		struct view w = view_split(&value, ',', &more);
		if (w.n == 0 || view_caseeqs(w, "SUCCESS"))
			continue;
		if (kept.n > 0)
			buf_addc(&kept, ',');
		buf_addv(&kept, w);
	}
	add_word(
	    out, "NOTIFY=", kept.n > 0 ? buf_view(&kept) : view_of("NEVER"));
	buf_free(&kept);
}

static void
rcpt_params(struct buf *out, const struct expansion *x)
{
	struct view left = x->of->rcpt[x->rcpt].params;

	/* 5.2.7.3: a list is a message of its own. */
	if (x->sender != NULL)
		return;
	while (left.n > 0) {
		struct view w = view_token(&left);
		if (!expansion_reports(x) && view_casestarts(w, "NOTIFY="))
			add_notify(out, (struct view){ w.p + 7, w.n - 7 });
		else
			add_word(out, "", w);
	}
}

static void
mail_params(struct buf *out, const struct expansion *x)
{
	struct view left = x->of->params;

	while (left.n > 0) {
		struct view w = view_token(&left);
		if (x->sender == NULL || (!view_casestarts(w, "ENVID=") &&
					     !view_casestarts(w, "RET=")))
			add_word(out, "", w);
	}
}

bool
expansion_reports(const struct expansion *x)
{
	return x->n == 1 && x->sender == NULL;
}

/* ---- the record ---- */

static void
print_target(struct buf *out, const struct expansion *x,
    const struct alias_target *t, struct view params)
{
	struct envelope_rcpt c = { .address = view_of(t->text),
		.original = x->of->rcpt[x->rcpt].original,
		.params = params };

	switch (t->kind) {
	case TARGET_USER:
		c.kind = KIND_USER;
		break;
	case TARGET_COMMAND:
	case TARGET_FILE:
		c.kind = t->kind == TARGET_FILE ? KIND_FILE : KIND_COMMAND;
		c.source = x->user != NULL ? SOURCE_FORWARD : SOURCE_ALIASES;
		c.as = view_of(x->user != NULL ? x->user : x->alias_user);
		break;
	default:
		break;
	}
	envelope_print_target(out, &c);
}

bool
expansion_print(struct buf *out, const struct expansion *x)
{
	struct envelope e = *x->of;
	char trail[ENVELOPE_TRAIL_SIZE + USER_NAME_MAX + 2];
	struct buf mail, rcpt;

	buf_init(&mail, ENVELOPE_PARAMS_MAX);
	buf_init(&rcpt, ENVELOPE_PARAMS_MAX);
	mail_params(&mail, x);
	rcpt_params(&rcpt, x);
	e.id = view_of(x->id);
	e.params = buf_view(&mail);
	if (x->sender != NULL)
		e.sender = view_of(x->sender);
	if (x->user != NULL) {
		int n =
		    snprintf(trail, sizeof(trail), "%.*s%s%s", (int)e.trail.n,
			e.trail.p, e.trail.n > 0 ? " " : "", x->user);
		e.trail = (struct view){ trail, n > 0 ? (size_t)n : 0 };
	}
	envelope_print_head(out, &e);
	for (unsigned i = 0; i < x->n; i++)
		print_target(out, x, &x->target[i], buf_view(&rcpt));
	envelope_print_end(out, x->n,
	    x->of->content_n + strlen("Delivered-To: \r\n") +
		strlen(x->delivered_to));
	buf_addf(out, "Delivered-To: %s\r\n", x->delivered_to);
	bool good = !out->bad && !mail.bad && !rcpt.bad;
	buf_free(&mail);
	buf_free(&rcpt);
	return good;
}

/* ---- loops ---- */

bool
expansion_loop(struct view content, const char *delivered_to)
{
	struct view left = dsn_header(content);

	while (left.n > 0) {
		struct view line = view_split(&left, '\n', NULL), name;
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		name = view_split(&line, ':', NULL);
		if (view_caseeqs(name, "Delivered-To") &&
		    view_caseeqs(view_trim(line), delivered_to))
			return true;
	}
	return false;
}
