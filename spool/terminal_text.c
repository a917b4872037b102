/* A message as it is shown on a terminal.  Pure.  Runs in: deliver, in a child
 * that has become the user. */
#include "spool/terminal_text.h"

enum { FIELD_MAX = 200, END_ROOM = 32 };

/* Printable ASCII, blanks for tabs, '?' for all else, at most max octets. */
static void
add_clean(struct buf *out, struct view v, size_t max)
{
	if (v.n > 0 && v.p[v.n - 1] == '\r')
		v.n--;
	for (size_t i = 0; i < v.n && i < max; i++) {
		char c = v.p[i];
		if (out->n + END_ROOM >= TERMINAL_MAX)
			return;
		buf_addc(out, c == '\t' ? ' ' : c >= ' ' && c <= '~' ? c : '?');
	}
}

static void
add_field(struct buf *out, const char *name, struct view v)
{
	buf_adds(out, name);
	add_clean(out, v, FIELD_MAX);
	buf_adds(out, "\r\n");
}

void
terminal_text(struct buf *out, struct view who, struct view sender,
    struct view recipient, struct view content)
{
	struct view line, subject = { NULL, 0 };
	bool found = true;

	/* The header: up to the empty line. */
	while (found) {
		line = view_split(&content, '\n', &found);
		if (line.n == 0 || view_eqs(line, "\r"))
			break;
		if (subject.p == NULL && view_casestarts(line, "Subject:"))
			subject =
			    view_trim((struct view){ line.p + 8, line.n - 8 });
	}
	buf_adds(out, "\r\n\a");
	add_field(out, "Message from ", who);
	add_field(out, "From: ", sender);
	add_field(out, "To: ", recipient);
	add_field(out, "Subject: ", subject);
	buf_adds(out, "\r\n");
	for (unsigned n = 0; content.n > 0; n++) {
		if (n == TERMINAL_LINES || out->n + END_ROOM >= TERMINAL_MAX) {
			buf_adds(out, "[more]\r\n");
			break;
		}
		add_clean(out, view_split(&content, '\n', NULL), TERMINAL_MAX);
		buf_adds(out, "\r\n");
	}
	buf_adds(out, "EOF\r\n");
}
