#ifndef COMMON_UNITEXT_H
#define COMMON_UNITEXT_H
/*
 * Addresses outside ASCII where only ASCII may stand (RFC 6533 3): "\x{ED}"
 * is a character.
 */
#include <stdbool.h>

#include "common/buf.h"
#include "common/view.h"

/* Adds v, which is UTF-8, as utf-8-addr-xtext: all of it is ASCII then. */
void unitext_encode(struct buf *out, struct view v);
/* Decodes v as a string of less than size octets.  False: it is malformed, does
 * not fit, or stands for what is not printable; out may be scribbled on. */
bool unitext_decode(struct view v, char *out, size_t size);
#endif
