/* Messages whose time is over.  Runs in: worker (pop3d). */
#include "pop3d/expire.h"

enum { DAY = 86400 };

enum status
expire_mark(struct maildrop *d, int64_t days, int64_t now, size_t *n)
{
	char line[MBOX_FROM_MAX + 1];
	enum status st = OK;
	int64_t came;

	*n = 0;
	for (size_t i = 0; i < d->n && st == OK; i++) {
		struct mbox_msg m = { .from_len = 0 };
		st = maildrop_msg(d, i, &m);
		size_t len = m.from_len;
		if (st != OK || maildrop_deleted(d, i) || len == 0 ||
		    len > sizeof(line))
			continue;
		st = maildrop_read(d, i, 0, line, len);
		if (st != OK ||
		    !mbox_from_date((struct view){ line, len - 1 }, &came) ||
		    (now - came) / DAY <= days)
			continue;
		st = maildrop_mark(d, i);
		*n += st == OK;
	}
	return st;
}
