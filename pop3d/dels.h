#ifndef POP3D_DELS_H
#define POP3D_DELS_H
/*
 * What a session wants to have removed, as it comes in MAILDROP_DELETE
 * messages (pop3d/ask_maildrop.h).
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/msg.h"
#include "common/status.h"
#include "pop3d/ask_maildrop.h"
#include "pop3d/update_child.h"

enum {
	DEL_OCTETS = 8 + 8 + 4 + UNIQUE_ID_OCTETS,
	DELS_HEAD = 8 + 8 + 8 + 4,
	DELS_OCTETS_MIN = DELS_HEAD + DEL_OCTETS
};
struct dels {
	uint64_t dev, ino, size; /* of the mailbox */
	uint64_t end;		 /* of the last message */
	struct update_del *del;	 /* owned */
	unsigned n, cap;
};

/* Takes the rows of one message.  False: nonsense.  *st: ERR_LIMIT, ERR_NOMEM
 * when they are too many. */
bool dels_take(struct dels *, struct msg *rq, enum status *st);
/* Gives all to the order.  What is returned counts against all sessions until
 * dels_given_back(). */
unsigned dels_give(struct dels *, struct update_order *);
void dels_given_back(unsigned);
void dels_free(struct dels *);
#endif
