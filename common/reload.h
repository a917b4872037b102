#ifndef COMMON_RELOAD_H
#define COMMON_RELOAD_H
/* Inside of the master: master.c, reload.c. */
#include <stdint.h>

#include "common/group.h"
#include "common/master.h"

extern struct master {
	const struct daemon *daemon;
	const struct options *opt;
	struct group *current[GROUP__N]; /* in force */
	struct group *coming[GROUP__N];	 /* started, not yet ready */
	struct config *config;		 /* in force, or to be */
	bool serving, stopping;
	pid_t successor; /* another master that takes our place; 0 */
} master;

/* ---- master.c ---- */

/* Begins to end everything; UINT32_MAX: when the sessions have ended. */
void master_stop(uint32_t grace_ms);
bool master_has_pool(const struct group *); /* NULL is fine */

/* ---- reload.c ---- */

/* Takes s; NULL: reads the configuration again. */
void reload(struct settings *s);
void reload_if_asked(void);
/* Certificates have changed. */
void reload_certificates(void);
/* A front is in force that was started in the place of old.  False: not by a
 * reload. */
bool reload_ready(struct group *old);
/* A front that was coming failed.  True: nothing is left to be done for it. */
bool reload_failed(const char *why);
/* No client comes to that group any more, or it has ended. */
void reload_retired(const struct group *);
/* Starts the program on disk in our place. */
void upgrade(void);
#endif
