#ifndef SPOOL_APPEND_GRANT_H
#define SPOOL_APPEND_GRANT_H
/*
 * What the deliver opener tells its append processes.
 *
 * For each delivery the opener makes a channel.  Into one end it puts these
 * messages, before anybody else can put one there:
 *   GRANT, with the mailbox open for reading and writing: the fields of struct
 *     grant;
 *   GRANT_DIR, with the directory it lies in (O_PATH);
 *   GRANT_INTENT, if GRANT said so, with the owner's file for intents
 *     (spool/intent.h).
 * The other end goes to an append process in an ADOPT message, then the first
 * end to the asker, who finds a channel on which APPEND_INLINE or APPEND_FILE
 * (spool/ask_deliver.h) may be asked, once, and nothing else.
 *
 * On its control channel the append process asks for dotlocks, which it has no
 * right to make:
 *   DOTLOCK_TAKE: str user.  Answer: u32 status.  At most one at a time; it
 *     goes when the process does.
 *   DOTLOCK_RELEASE: no fields.  Answer: u32 status.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/address.h"
#include "common/msg.h"
#include "common/passdb.h"

enum { GRANT = 3, GRANT_DIR = 4, ADOPT = 5, GRANT_INTENT = 6 };
enum { DOTLOCK_TAKE = 1, DOTLOCK_RELEASE = 2 };
enum { GRANT_NAME_MAX = 128, GRANT_FIELDS_MAX = 1024 };

struct grant {
	char user[USER_NAME_MAX];
	char delivered_to[ADDR_MAX + 1];
	char name[GRANT_NAME_MAX]; /* of the mailbox in its directory */
	bool mboxrd, dotlock;
	bool intent;	     /* GRANT_INTENT follows */
	int64_t lock_wait;   /* ms */
	uint64_t length_max; /* octets of content */
	uint64_t quota;	     /* octets of the mailbox; 0: any */
};

void grant_put(struct msg *m, const struct grant *);
/* False: malformed. */
bool grant_get(struct msg *m, struct grant *);
#endif
