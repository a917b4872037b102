/* Asking expand.  Runs in: queue. */
#include "spool/ask_expand.h"

#include <string.h>

#include "common/msg.h"
#include "spool/envelope.h"

void
expand_put_resolve(struct msg *m, const char *const *address, unsigned n)
{
	msg_start(m, EXPAND_RESOLVE);
	msg_put_u32(m, n);
	for (unsigned i = 0; i < n; i++)
		msg_put_str(m, address[i]);
}

static bool
got_answer(struct msg *m, struct expand_answer *a)
{
	uint32_t kind = msg_get_u32(m);

	bool good = msg_get_str(m, a->text, sizeof(a->text)) &&
		    msg_get_str(m, a->more, sizeof(a->more)) &&
		    kind < EXPAND__N;
	a->kind = good ? (enum expand_kind)kind : EXPAND_LATER;
	return good;
}

bool
expand_got_resolve(struct msg *m, struct expand_answer *a, unsigned n)
{
	bool good = m->type == EXPAND_RESOLVE && msg_get_u32(m) == n;

	for (unsigned i = 0; i < n && good; i++)
		good = got_answer(m, a + i);
	return good && msg_done(m) && m->fd == -1;
}

void
expand_put_list(struct msg *m, const char *address)
{
	msg_start(m, EXPAND_LIST_OPEN);
	msg_put_str(m, address);
}

bool
expand_got_list(struct msg *m, struct expand_list *out)
{
	memset(out, 0, sizeof(*out));
	bool good = m->type == EXPAND_LIST_OPEN && got_answer(m, &out->a) &&
		    msg_get_str(m, out->owner, sizeof(out->owner)) &&
		    msg_get_str(m, out->key, sizeof(out->key));
	out->n = msg_get_u32(m);
	return good && msg_done(m) && m->fd == -1 &&
	       out->n <= ENVELOPE_RCPT_MAX &&
	       (out->n > 0) == (out->a.kind == EXPAND_LIST);
}

void
expand_put_page(struct msg *m, uint32_t first)
{
	msg_start(m, EXPAND_LIST_PAGE);
	msg_put_u32(m, first);
}

bool
expand_got_page(struct msg *m, uint32_t *n)
{
	bool good = m->type == EXPAND_LIST_PAGE && m->fd == -1;

	*n = msg_get_u32(m);
	good = good && !m->bad && *n <= EXPAND_PAGE_MAX;
	if (!good)
		*n = 0;
	return good;
}

bool
expand_got_target(struct msg *m, struct alias_target *out)
{
	uint32_t kind = msg_get_u32(m);
	bool good =
	    msg_get_str(m, out->text, sizeof(out->text)) && kind <= TARGET_FILE;

	out->kind = good ? (enum target_kind)kind : TARGET_ADDRESS;
	if (!good)
		out->text[0] = '\0';
	return good;
}
