#ifndef POP3D_ASK_MAILDROP_H
#define POP3D_ASK_MAILDROP_H
/*
 * A user's maildrop, asked for on the channel that auth made: whoever holds it
 * is that user.
 *
 * MAILDROP_LOCK: u32 pid of the asker, which is believed for the text in the
 *   lock file only.  Answer: u32 status, str text; with OK an fd: the
 *   session lock, held by an open-file-description lock that lives as long as
 *   this descriptor and its copies.  The maildrop keeps none.  ERR_BUSY: text
 *   says who holds it since when ("pid 4711 on mail.example.org since
 *   2026-11-21 10:20:30").  ERR_LIMIT: the user's last login was a shorter
 *   time ago than `login_delay`; text is the number of seconds left.
 * MAILDROP_OPEN: no fields.  Answer: u32 status, str text; with OK an fd: the
 *   mbox, read only, and text is its path, for the log.  ERR_GONE: there is no
 *   mbox; the maildrop is empty.
 * MAILDROP_FILE: u32 what (enum maildrop_file).  Answer as MAILDROP_OPEN, with
 *   a file of the state directory, read only; ERR_GONE: there is none.  With
 *   MAILDROP_INDEX_NEW and _UIDS (unique-ids as well) a child that has become
 *   the user brings the index up to date before (spool/index.h), with
 *   MAILDROP_INDEX_ANEW (with unique-ids) it begins a new one; at most four
 *   times a session.
 * MAILDROP_DELETE: u64 dev, u64 ino, u64 size (of the mbox when it was
 *   scanned), u32 n, then n times u64 offset, u64 length, view unique-id (16
 *   octets).  Any number of these, offsets ascending.  Answer: u32 status.
 * MAILDROP_COMMIT: u32 total, u64 ctime of the mbox when it was scanned (ns
 *   since 1970; 0: not to be relied on).  A child that has become the user
 *   checks each message at its offset (the first and the last of them where
 *   the ctime is still the same) and removes them all, or none.  Answer: u32
 * status, u32 removed, str text.  OK: durable.  ERR_CHANGED: another program
 *   changed the mailbox; nothing was written.
 */
#include <stdint.h>
#include <sys/types.h>

#include "common/status.h"

enum maildrop_request {
	MAILDROP_LOCK = 1,
	MAILDROP_OPEN = 2,
	MAILDROP_DELETE = 3,
	MAILDROP_COMMIT = 4,
	MAILDROP_FILE = 5
};
enum maildrop_file {
	MAILDROP_INDEX,
	MAILDROP_INDEX_NEW,
	MAILDROP_INDEX_UIDS,
	MAILDROP_INDEX_ANEW,
	MAILDROP_UIDL,
	MAILDROP_TURNSTILE /* spool/lock.h */
};
enum { MAILDROP_TEXT_MAX = 200, UNIQUE_ID_OCTETS = 16 };

struct maildrop_del {
	uint64_t offset, length; /* of the message in the mbox, From_ line and
				  * the blank line behind it included */
	unsigned char uid[UNIQUE_ID_OCTETS];
};

/* The mbox when it was scanned. */
struct maildrop_seen {
	uint64_t dev, ino, size;
	int64_t ctime_ns; /* 0: too young to be relied on */
};

/* Owned fds, or -1 with *st and text. */
int ask_maildrop_lock(int right, enum status *st, char *text, size_t size);
int ask_maildrop_open(int right, enum status *st, char *text, size_t size);
int ask_maildrop_file(int right, enum maildrop_file what, enum status *st);
enum status ask_maildrop_commit(int right, const struct maildrop_seen *,
    const struct maildrop_del *, unsigned n, char *text, size_t text_size);
#endif
