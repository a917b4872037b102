#ifndef SPOOL_FILE_TARGET_H
#define SPOOL_FILE_TARGET_H
/*
 * A message at the end of a file, as in a mailbox, by a process that is the
 * user: what the user may not write is not written.
 */
#include "spool/order.h"

/* The file is made if it is not there (0600).  Only regular files, no links;
 * /dev/null takes everything.  code has RUN_CODE_MAX octets, text
 * DELIVER_TEXT_MAX. */
enum run_outcome file_target(const struct order *, char *code, char *text);
#endif
