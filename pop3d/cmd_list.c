/* STAT, LIST, UIDL (RFC 1939 5, 7).  Runs in: worker (pop3d). */
#include <inttypes.h>
#include <stdlib.h>

#include "pop3d/command.h"
#include "pop3d/present.h"
#include "pop3d/reply.h"

/* The size is that of the messages as they are where nobody has asked for those
 * of surrogates yet: polling clients ask for it each time (RFC 6856 2.1 wants
 * LIST to be exact, not this). */
enum next
cmd_stat(struct session *s, struct view arg)
{
	(void)arg;
	return reply_ok(s, "%zu %" PRIu64, s->drop.left, s->drop.octets);
}

/* The one message that an argument names.  False: *next is what to do. */
static bool
one_message(struct session *s, struct view arg, size_t *i, enum next *next)
{
	if (!command_message(s, &arg, i, next))
		return false;
	if (arg.n == 0)
		return true;
	*next = reply_bad(s, "One message number, or none for all.");
	return false;
}

/* The index was replaced under our feet, in the middle of a reply. */
static enum next
broken_off(struct session *s, struct reply_list *list)
{
	reply_list_free(list);
	s->why = "Mailbox changed while it was read";
	return NEXT_CLOSE;
}

enum next
cmd_list(struct session *s, struct view arg)
{
	struct maildrop *d = &s->drop;
	struct reply_list list;
	struct mbox_msg m;
	enum next next;
	bool surrogate;
	size_t i = 0;

	if (arg.n > 0 && !one_message(s, arg, &i, &next))
		return next;
	enum status st = arg.n > 0 ? present_message(d, s->utf8, i, &surrogate)
				   : present_all(d, s->utf8);
	if (st == OK && arg.n > 0)
		st = maildrop_msg(d, i, &m);
	if (st != OK)
		return command_drop_failed(s, st);
	if (arg.n > 0)
		return reply_ok(s, "%zu %" PRIu64, i + 1, m.wire);
	if (!reply_list_start(&list, s))
		return command_drop_failed(s, ERR_NOMEM);
	reply_ok(s, "%zu messages (%" PRIu64 " octets)", d->left, d->octets);
	for (i = 0; i < d->n; i++) {
		if (maildrop_deleted(d, i))
			continue;
		if (maildrop_msg(d, i, &m) != OK)
			return broken_off(s, &list);
		reply_numbers(&list, i + 1, m.wire);
	}
	return reply_list_end(&list);
}

/* Lists the n messages from `first` on, of which b is. */
static void
list_ids(struct reply_list *list, const struct maildrop *d, size_t first,
    size_t n, const struct index_block *b)
{
	const struct index_entry *e = b->e;

	for (size_t i = first; i < first + n; i++) {
		if (e == b->e + INDEX_ENTRIES)
			e = (++b)->e;
		if (!maildrop_deleted(d, i)) {
			char *to = reply_number(list, i + 1);
			reply_text_end(
			    list, to, uidl_text(e->uid, e->copy, to).n);
		}
		e++;
	}
}

/* The unique-ids of all messages. */
static bool
list_all_ids(struct reply_list *list, struct maildrop *d)
{
	_Static_assert((int)UIDL_TEXT <= (int)REPLY_TEXT, "in place");
	struct index_block *b = malloc(MAILDROP_BLOCKS * sizeof(*b));
	bool good = true;

	for (size_t i = 0, n = 1; i < d->n && good; i += n) {
		n = b == NULL ? 0 : maildrop_id_blocks(d, i, b);
		if (n > 0) {
			list_ids(list, d, i, n, b);
			continue;
		}
		n = 1;
		if (maildrop_deleted(d, i))
			continue;
		char *to = reply_number(list, i + 1);
		struct view id = maildrop_unique_id(d, i, to);
		good = id.n > 0;
		reply_text_end(list, to, id.n);
	}
	free(b);
	return good;
}

enum next
cmd_uidl(struct session *s, struct view arg)
{
	struct maildrop *d = &s->drop;
	struct reply_list list;
	char text[UIDL_TEXT];
	enum next next;
	size_t i = 0;

	if (arg.n > 0 && !one_message(s, arg, &i, &next))
		return next;
	enum status st = maildrop_unique_ids(d);
	if (st == OK && arg.n > 0 && maildrop_unique_id(d, i, text).n == 0)
		st = ERR_CHANGED;
	if (st != OK)
		return command_drop_failed(s, st);
	if (arg.n > 0)
		return reply_ok(s, "%zu %s", i + 1, text);
	if (!reply_list_start(&list, s))
		return command_drop_failed(s, ERR_NOMEM);
	reply_ok(s, "Unique-ids follow.");
	return list_all_ids(&list, d) ? reply_list_end(&list)
				      : broken_off(s, &list);
}
