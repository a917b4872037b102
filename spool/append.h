#ifndef SPOOL_APPEND_H
#define SPOOL_APPEND_H
/*
 * Durable append of a batch of messages to one mbox under one lock and one
 * flush.  All or nothing: on any error the file has its old length again, and
 * that is flushed, before the lock is released.
 *
 * The caller holds the exclusive lock.  A torn tail that somebody left (no LF
 * at the end, no blank line before the end) is closed with what is missing
 * first, so that our From_ line is a separator.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/status.h"
#include "common/view.h"

struct append_msg {
	const char *sender; /* "" = <>; From_ line says MAILER-DAEMON */
	const char *original_to;
	const char *delivered_to;
	struct view content; /* CRLF lines; unless file != -1 */
	int file;
	uint64_t offset, length;
};
/* sender, original_to and delivered_to are printable ASCII of at most
 * APPEND_FIELD_MAX octets each.  Whoever gathers a batch looks at each message
 * before, so that one cannot spoil the others. */
enum { APPEND_FIELD_MAX = 512 };
bool append_fields_ok(const struct append_msg *m);
/* The From_ line and what else stands above the content, lines ended by LF. */
void append_put_head(struct buf *out, const struct append_msg *m, int64_t now);
/* What was forwarded to the user who forwarded it has that one's Delivered-To
 * as its first line already: takes it off the content, as it would be there
 * twice.  ERR_INVALID, ERR_IO: the file cannot be read. */
enum status append_skip(struct append_msg *m);
/* Where a batch goes. */
struct append_target {
	int mbox;
	int intent; /* spool/intent.h; -1: none */
	bool mboxrd;
	uint64_t size_max; /* of the mailbox; 0: any */
};
/* As append_batch(); first cuts off what one of us left who died.  ERR_QUOTA:
 * the mailbox would be larger than it may. */
enum status append_to(const struct append_target *, const struct append_msg *m,
    unsigned n, int64_t now);
/* Writes all n and flushes once (fdatasync).  now: for the From_ lines.
 * OK, ERR_NOSPACE, ERR_QUOTA, ERR_IO, ERR_NOMEM; ERR_INVALID: a field is not
 * fit for a header line, or a file is shorter than was said. */
enum status append_batch(
    int fd, const struct append_msg *m, unsigned n, bool mboxrd, int64_t now);
#endif
