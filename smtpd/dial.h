#ifndef SMTPD_DIAL_H
#define SMTPD_DIAL_H
/* Connecting to another host by TCP, for a bounded time.  Runs in: sender. */
#include <stddef.h>

#include "common/settings.h"

/* From the source address of the settings, if there is one for that family.
 * -1: why is a short text. */
int dial(const struct settings *, const unsigned char address[ADDRESS_OCTETS],
    unsigned port, char *why, size_t size);
#endif
