#ifndef COMMON_RATES_H
#define COMMON_RATES_H
/*
 * How often each client address did something lately: IPv4 by address, IPv6 by
 * /64.  The table has a fixed size; when it is full, who has been quiet longest
 * is forgotten.
 */
#include <stdbool.h>
#include <stdint.h>

enum rate_kind { RATE_CONNECTION, RATE_MESSAGE, RATE__N };

/* Room for that many addresses at least. */
bool rates_init(unsigned addresses);
/* Counts one more at now (ms); how many there were, with it, in the window of
 * so many ms that began with the first of them. */
unsigned rates_count(enum rate_kind, const unsigned char address[16],
    int64_t now, int64_t window);
#endif
