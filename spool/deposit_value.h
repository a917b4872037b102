#ifndef SPOOL_DEPOSIT_VALUE_H
#define SPOOL_DEPOSIT_VALUE_H
/*
 * What stands in a record because an asker said so.
 */
#include <stdbool.h>

#include "common/address.h"
#include "common/view.h"

/* For people and logs only, so what is odd is made harmless, not refused. */
struct view deposit_harmless(char *text);
/* An address is what common/address.h says, and no more than a line of a
 * record may hold. */
bool deposit_address(const char *text, bool null_ok, struct address *out);
#endif
