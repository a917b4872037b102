/* Why a recipient has not got a message yet.  Runs in: queue. */
#include "spool/reasons.h"

#include <stdint.h>
#include <stdlib.h>

#include "spool/envelope.h"

enum { SLOTS = 4096, TEXT = 200 };

struct reason {
	char id[ENVELOPE_ID_MAX + 1];
	unsigned rcpt;
	char text[TEXT];
};
static struct reason *slots; /* NULL: nothing was noted, or no memory */

/* FNV-1a.  Who chooses ids so that they meet loses his own reasons. */
static struct reason *
slot_of(struct view id, unsigned i)
{
	uint32_t h = 2166136261u ^ i;

	for (size_t k = 0; k < id.n; k++)
		h = (h ^ (unsigned char)id.p[k]) * 16777619u;
	return &slots[h % SLOTS];
}

void
reasons_note(struct view id, unsigned i, const char *text)
{
	struct view v = view_of(text);

	if (slots == NULL)
		slots = calloc(SLOTS, sizeof(*slots));
	if (slots == NULL)
		return;
	struct reason *r = slot_of(id, i);
	if (!view_copy(id, r->id, sizeof(r->id)))
		return;
	r->rcpt = i;
	if (v.n >= sizeof(r->text))
		v.n = sizeof(r->text) - 1;
	view_copy(v, r->text, sizeof(r->text));
	/* It stands in a line of an answer. */
	for (char *c = r->text; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || (unsigned char)*c >= 0x7f)
			*c = '?';
}

const char *
reasons_find(struct view id, unsigned i)
{
	if (slots == NULL)
		return "";
	const struct reason *r = slot_of(id, i);
	return r->rcpt == i && view_eqs(id, r->id) ? r->text : "";
}
