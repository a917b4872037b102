#ifndef COMMON_PATHS_H
#define COMMON_PATHS_H
/*
 * Where things are, as compiled in.  The makefile says it from PREFIX,
 * SYSCONFDIR, LOCALSTATEDIR and RUNSTATEDIR; these are its defaults.
 */
#ifndef PENNYPOST_CONFIG_DIR
#define PENNYPOST_CONFIG_DIR "/etc/pennypost"
#endif
#ifndef PENNYPOST_QUEUE_DIR
#define PENNYPOST_QUEUE_DIR "/var/spool/pennypost"
#endif
#ifndef PENNYPOST_EMPTY_DIR
#define PENNYPOST_EMPTY_DIR "/usr/local/lib/pennypost/empty"
#endif
#ifndef PENNYPOST_RUN_DIR
#define PENNYPOST_RUN_DIR "/run/pennypost"
#endif
#endif
