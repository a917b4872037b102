#ifndef SPOOL_MBOX_H
#define SPOOL_MBOX_H
/*
 * The mbox: grammar and scan.
 *
 * A separator is a line "From " + sender + date that parses (asctime, with or
 * without a time zone, before or behind the year; seconds optional), after a
 * blank line or at the start of the file.  Anything else is text.  Lines end in
 * LF; a CR before it is an octet of the line, but the From_ line and the blank
 * line before it may have one (Thunderbird).  Bodies are quoted mboxrd (or
 * mboxo).  Everything in the file is hostile.  It is read with pread in bounded
 * pieces, never mapped.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/status.h"
#include "common/view.h"

struct mbox_msg {
	uint64_t offset;   /* of the "F" of its From_ line */
	uint64_t length;   /* up to the next message or the end: From_ line,
			    * header, body and the blank line behind it */
	uint32_t from_len; /* octets of the From_ line, its LF included */
	uint32_t flags;	   /* MBOX_* */
	uint64_t wire;	   /* octets RETR sends, before dot-stuffing, with CRLF
			    * (RFC 1939 11) */
};
enum {
	MBOX_FROM_QUOTED = 1, /* holds a >From line: RETR must unquote */
	MBOX_NO_BLANK = 2,    /* the blank line behind it is missing, or has a
			       * CR and is text */
	MBOX_8BIT = 4 /* there is an octet beyond ASCII behind its From_ line */
};

struct mbox_list {
	struct mbox_msg *msg; /* owned */
	size_t n, cap;
	uint64_t size; /* octets of the file that were scanned */
	uint64_t dev, ino;
	int64_t mtime_ns, ctime_ns;
};

/* What of it is sent: everything but the From_ line and the blank line. */
void mbox_content(const struct mbox_msg *m, uint64_t *offset, uint64_t *length);
enum { MBOX_FROM_MAX = 1024 }; /* a longer line is no From_ line */
/* Is this line (without LF) a From_ line?  The blank line before it is the
 * caller's business.  The sender may be empty and may hold blanks; "remote from
 * host" may follow the date. */
bool mbox_is_from(struct view line);
/* The date of such a line, as if it were UTC, in seconds since 1970; a time
 * zone and the seconds are left out of account.  False: it is none. */
bool mbox_from_date(struct view line, int64_t *seconds);
/* Finds all messages in the first `size` octets of fd.  ERR_DAMAGED: the file
 * does not start with a separator (it is not an mbox).  ERR_CHANGED: it has
 * become shorter than size.  An empty file has 0 messages.  out is overwritten;
 * the caller frees it with mbox_list_free, on failure too. */
enum status mbox_scan(
    int fd, uint64_t size, bool mboxrd, struct mbox_list *out);
void mbox_list_free(struct mbox_list *);
/* Is called for each message in turn; anything but OK ends the scan. */
typedef enum status mbox_found(void *arg, const struct mbox_msg *m);
/* The same from an offset on where a message begins (the blank line before it
 * is the caller's business), without keeping anything.  ERR_DAMAGED: there is
 * no From_ line. */
enum status mbox_scan_from(int fd, uint64_t from, uint64_t size, bool mboxrd,
    mbox_found *found, void *arg);
/* Is told now and then how far a scan is; may be NULL. */
typedef void mbox_told(void *arg, uint64_t at);
/* The same as mbox_scan_from(), and told is told, with the same arg. */
enum status mbox_scan_told(int fd, uint64_t from, uint64_t size, bool mboxrd,
    mbox_found *found, mbox_told *told, void *arg);
/* A mbox_found; arg is a struct mbox_list. */
enum status mbox_list_add(void *list, const struct mbox_msg *m);
/* Is there a separator at that offset: a From_ line behind a blank line or at
 * the start of the file?  ERR_CHANGED: no, or not any more. */
enum status mbox_check_separator(int fd, uint64_t offset);
/* The unique-id: a hash of the message, the same wherever it lies in the file
 * and whatever other programs add to its header or blank lines behind it.
 * Reads m->offset and m->length only.  ERR_CHANGED: there is no separator at
 * that offset, or the file has become shorter. */
enum status mbox_unique_id(
    int fd, const struct mbox_msg *m, unsigned char uid[16]);
/* Makes ready what mbox_unique_id() needs of OpenSSL, for the processes that
 * are forked from here: getting that takes each of them longer than a hundred
 * messages. */
void mbox_unique_id_warm(void);
#endif
