/* The purported responsible address.  Runs in: worker. */
#include "smtpd/pra.h"

/* Octets that stand for themselves up to and with the end of what begins at
 * v.p[0]: a comment, a quoted string, or one octet. */
static size_t
span(struct view v)
{
	unsigned depth = 0;
	char end = v.p[0] == '"' ? '"' : v.p[0] == '(' ? ')' : '\0';
	size_t i = 0;

	if (end == '\0')
		return 1;
	for (; i < v.n; i++) {
		char c = v.p[i];

		if (c == '\\') {
			i++;
			continue;
		}
		depth += end == ')' && c == '(';
		if (c == end && i > 0 && (end == '"' || --depth == 0))
			return i + 1;
	}
	return v.n;
}

bool
pra_mailbox(struct view text, struct address *out)
{
	char plain[HEADER_TEXT_MAX];
	struct view angle = { NULL, 0 };
	size_t n = 0, open = 0; /* where '<' stands in plain, and one more */

	/* Without comments; quoted strings as they are. */
	while (text.n > 0) {
		size_t k = span(text);

		if (text.p[0] == ',' && open == 0)
			return false;
		if (text.p[0] == '<' && open++ != 0)
			return false;
		if (text.p[0] == '<')
			angle.p = plain + n + 1;
		if (text.p[0] == '>' && angle.p != NULL && angle.n == 0)
			angle.n = (size_t)(plain + n - angle.p);
		if (text.p[0] == ',' && angle.n > 0)
			return false;
		for (size_t i = 0; i < k && text.p[0] != '('; i++)
			plain[n++] = text.p[i];
		text = (struct view){ text.p + k, text.n - k };
	}
	if (angle.p == NULL)
		return address_parse_utf8(view_trim((struct view){ plain, n }),
			   out) == ADDR_OK;
	struct view behind = { angle.p + angle.n + 1,
		(size_t)(plain + n - angle.p) - angle.n };
	if (angle.n == 0 || view_trim(behind).n > 1)
		return false;
	return address_parse_utf8(view_trim(angle), out) == ADDR_OK;
}

bool
pra_find(const struct header_scan *h, struct address *out)
{
	enum header_kept which = HEADER_RESENT_SENDER;

	/* RFC 4407 2, steps 1 to 4. */
	if (header_text(h, which).n == 0 || h->resent_apart)
		which = HEADER_RESENT_FROM;
	if (header_text(h, which).n == 0)
		which = HEADER_SENDER;
	if (header_text(h, which).n == 0)
		which = HEADER_FROM;
	if ((which == HEADER_SENDER || which == HEADER_FROM) &&
	    h->kept[which].more > 0)
		return false;
	return header_text(h, which).n > 0 && !h->kept[which].cut &&
	       pra_mailbox(header_text(h, which), out);
}
