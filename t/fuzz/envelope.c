/* Records of the queue: what is taken for one holds no forged line, and means
 * the same when it is printed again. */
#include "spool/envelope.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "t/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
print(struct buf *b, const struct envelope *e)
{
	envelope_print_head(b, e);
	for (unsigned i = 0; i < e->rcpt_n; i++)
		envelope_print_target(b, &e->rcpt[i]);
	envelope_print_end(b, e->rcpt_n, e->content_n);
}

static void
same(const struct envelope *a, const struct envelope *b)
{
	must(view_eq(a->id, b->id) && view_eq(a->sender, b->sender));
	must(view_eq(a->client, b->client) && view_eq(a->helo, b->helo));
	must(view_eq(a->protocol, b->protocol) && view_eq(a->user, b->user));
	must(a->arrived_us == b->arrived_us && a->content_n == b->content_n);
	must(view_eq(a->trail, b->trail));
	must(a->rcpt_n == b->rcpt_n);
	for (unsigned i = 0; i < a->rcpt_n; i++) {
		must(view_eq(a->rcpt[i].address, b->rcpt[i].address));
		must(view_eq(a->rcpt[i].original, b->rcpt[i].original));
		must(view_eq(a->rcpt[i].params, b->rcpt[i].params));
		must(a->rcpt[i].kind == b->rcpt[i].kind);
		must(a->rcpt[i].source == b->rcpt[i].source);
		must(view_eq(a->rcpt[i].as, b->rcpt[i].as));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view text = { (const char *)data, size };
	struct envelope e, again;
	struct buf b;
	const char *why = NULL;

	size_t end = envelope_end(text);
	must(end <= size);
	if (end > 0)
		text.n = end;
	if (envelope_parse(text, &e, &why) != OK) {
		must(why != NULL && e.rcpt == NULL && e.rcpt_n == 0);
		return 0;
	}
	must(end > 0 && envelope_id_valid(e.id) && e.content_at == end);
	for (unsigned i = 0; i < e.rcpt_n; i++) {
		must(text.p[e.rcpt[i].at] == e.rcpt[i].state);
		must(e.rcpt[i].at == 0 || text.p[e.rcpt[i].at - 1] == '\n');
	}
	buf_init(&b, ENVELOPE_MAX * 2);
	print(&b, &e);
	must(!b.bad && envelope_end(buf_view(&b)) == b.n);
	must(envelope_parse(buf_view(&b), &again, &why) == OK);
	same(&e, &again);
	envelope_free(&again);
	envelope_free(&e);
	buf_free(&b);
	return 0;
}
