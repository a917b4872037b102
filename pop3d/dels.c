/* What a session wants to have removed.  Runs in: maildrop. */
#include "pop3d/dels.h"

#include <stdlib.h>
#include <string.h>

enum {
	DELS_MAX = 10000000,	    /* of one session */
	DELS_MAX_ALL = 2 * DELS_MAX /* of all; 32 octets each */
};

static size_t dels_all;

static enum status
room_for(struct dels *r, unsigned more)
{
	if (more > DELS_MAX - r->n)
		return ERR_LIMIT;
	if (r->n + more <= r->cap)
		return OK;
	unsigned cap = r->n + more + r->n / 2;
	if (cap - r->cap > DELS_MAX_ALL - dels_all)
		return ERR_LIMIT;
	void *del = realloc(r->del, cap * sizeof(*r->del));
	if (del == NULL)
		return ERR_NOMEM;
	dels_all += cap - r->cap;
	r->del = del;
	r->cap = cap;
	return OK;
}

/* One row: behind those before it and inside the mailbox. */
static bool
take_row(struct dels *r, struct msg *rq)
{
	uint64_t offset = msg_get_u64(rq), length = msg_get_u64(rq);
	struct view uid = msg_get_view(rq, UNIQUE_ID_OCTETS);

	if (rq->bad || uid.n != UNIQUE_ID_OCTETS || length == 0 ||
	    offset < r->end || offset > r->size || length > r->size - offset)
		return false;
	struct update_del *d = &r->del[r->n++];
	d->offset = offset;
	d->length = length;
	memcpy(d->uid, uid.p, sizeof(d->uid));
	r->end = offset + length;
	return true;
}

bool
dels_take(struct dels *r, struct msg *rq, enum status *st)
{
	uint64_t dev = msg_get_u64(rq), ino = msg_get_u64(rq);
	uint64_t size = msg_get_u64(rq);
	uint32_t n = msg_get_u32(rq);

	if (n == 0 || n > MSG_DATA_MAX / DEL_OCTETS)
		return false;
	if (r->n == 0) {
		r->dev = dev;
		r->ino = ino;
		r->size = size;
	} else if (dev != r->dev || ino != r->ino || size != r->size) {
		return false;
	}
	*st = room_for(r, n);
	if (*st != OK)
		return true;
	for (uint32_t i = 0; i < n; i++)
		if (!take_row(r, rq))
			return false;
	return msg_done(rq);
}

unsigned
dels_give(struct dels *r, struct update_order *o)
{
	unsigned cap = r->cap;

	o->dev = r->dev;
	o->ino = r->ino;
	o->size = r->size;
	o->del = r->del;
	o->n = r->n;
	r->del = NULL;
	r->n = r->cap = 0;
	return cap;
}

void
dels_given_back(unsigned n)
{
	dels_all -= n;
}

void
dels_free(struct dels *r)
{
	dels_all -= r->cap;
	free(r->del);
	*r = (struct dels){ .del = NULL };
}
