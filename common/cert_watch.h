#ifndef COMMON_CERT_WATCH_H
#define COMMON_CERT_WATCH_H
/* Notices when certificates or keys have been renewed.  Runs in: the master. */
#include "common/settings.h"

/* From now on looks at the files of these settings (borrowed until the next
 * call) every tls_check_interval, and calls changed() when they are others than
 * now (fresh; else than when it looked last) and have been left alone for two
 * seconds. */
void cert_watch(
    const struct settings *, void (*changed)(void), bool fresh);
#endif
