#ifndef SPOOL_UIDL_H
#define SPOOL_UIDL_H
/*
 * Imported unique-ids: the file `uidl` in the state directory, so that nobody
 * downloads twice after a change of servers.  One line for each message:
 *
 *   UNIQUE-ID IMPORTED
 *
 * UNIQUE-ID is ours, as UIDL shows it: 32 hexadecimal digits, and ".2" and so
 * on for the second of equal messages.  IMPORTED is 1 to 70 octets from 0x21 to
 * 0x7e (RFC 1939 7).  Lines ascend by UNIQUE-ID, and no IMPORTED is there
 * twice.  The file is the owner's, and hostile.
 */
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/status.h"
#include "common/view.h"

enum {
	UIDL_ID_MAX = 70,
	UIDL_TEXT = 72, /* any unique-id as a string */
	UIDL_FILE_MAX = 64 << 20
};

struct uidl {
	char *text; /* owned; the file */
	size_t n;
};

/* Reads all of it and checks every line.  ERR_LIMIT: it is too long;
 * ERR_DAMAGED: a line is not as above.  After a failure out is empty. */
enum status uidl_load(int fd, struct uidl *out);
void uidl_free(struct uidl *);
/* *twin: an IMPORTED that two lines have; empty: there is none. */
enum status uidl_twin(const struct uidl *, struct view *twin);
/* The imported unique-id of the copy-th (from 1) message of that uid; empty:
 * none.  Dies with uidl. */
struct view uidl_find(
    const struct uidl *, const unsigned char uid[16], uint32_t copy);
/* Our own unique-id as text, as UIDL shows it, with a NUL behind it, in out:
 * UIDL_TEXT octets. */
struct view uidl_text(const unsigned char uid[16], uint32_t copy, char *out);
#endif
