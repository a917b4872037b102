#ifndef COMMON_NOTIFY_H
#define COMMON_NOTIFY_H
/* Tells systemd "READY=1" and the like (sd_notify(3)), if it asked to be told;
 * else nothing happens.  Runs in: the master. */
void notify_systemd(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* From now on tells systemd that the master's loop goes round, twice in each
 * WatchdogSec of the unit. */
void notify_watchdog(void);
#endif
