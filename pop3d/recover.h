#ifndef POP3D_RECOVER_H
#define POP3D_RECOVER_H
/*
 * Finishes the updates that a crash cut short, as soon as the service starts:
 * other programs do not know our journal and would see a half-moved mailbox
 * until its owner happens to log in.
 *
 * Only where all mailboxes lie in one directory can they be found; those in
 * home directories are mended when their owner logs in.
 */
#include "common/settings.h"

/* After update_child_init(); returns at once, the work is done by children. */
void recover_start(const struct settings *);
#endif
