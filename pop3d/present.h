#ifndef POP3D_PRESENT_H
#define POP3D_PRESENT_H
/*
 * How a message is given to this client: as it is, or (without UTF-8 mode, and
 * where its header is not ASCII) as a surrogate (RFC 6856 2.1, RFC 6858).
 */
#include <stdbool.h>
#include <stddef.h>

#include "pop3d/maildrop.h"

/* Finds out whether message i is given as a surrogate, and once makes its size
 * (maildrop_msg) and the sums of the maildrop those of the surrogate.
 * Reads nothing when the scan saw ASCII only.  Status as maildrop_read(). */
enum status present_message(
    struct maildrop *, bool utf8, size_t i, bool *surrogate);
/* The same for all messages: LIST must say what RETR will give. */
enum status present_all(struct maildrop *, bool utf8);
/* Octets of a message in the file, without the blank line that separates it
 * from the next. */
uint64_t present_octets(const struct mbox_msg *m);
#endif
