#ifndef COMMON_CHECK_HOST_H
#define COMMON_CHECK_HOST_H
#include "common/settings.h"
/* -t: what is doubtful about this host, as lines with "warning:" on standard
 * error: ports that cannot be had, a name that does not resolve, certificates
 * for others, locks that do not work.  name: of the daemon. */
void config_check_host(const char *name, const struct settings *s);
#endif
