#ifndef SMTPD_BINARY_HEADER_H
#define SMTPD_BINARY_HEADER_H
/* What binary.c does with headers. */
#include "smtpd/binary.h"

void binary_header_begin(struct binary *, bool digest);
/* The blank line has come. */
void binary_header_end(struct binary *, struct buf *out);
/* A header that has no blank line ends. */
void binary_header_cut(struct binary *, struct buf *out);
#endif
