#ifndef SPOOL_EXPANDER_H
#define SPOOL_EXPANDER_H
/*
 * Asking the role expand who is behind the addresses of a message, before its
 * recipients wait for their turns.  One question is under way at a time; the
 * messages wait in a line, which is as long as many are active.
 */
#include "common/settings.h"
#include "spool/letter.h"

/* rest: lets those recipients wait for their turns that lead nowhere else;
 * taken[i]: recipient i does not.  intro (taken) is where channels to expand
 * are made; -1: there is none, and nothing is asked. */
void expander_init(
    int intro, void (*rest)(struct letter *, const bool *taken));
void expander_settings(const struct settings *); /* borrowed */
/* expand was started again; fd is taken. */
void expander_intro(int fd);
/* True: the message is in the line, and rest is called later.  Its recipients
 * are counted as open by then.  False: there is nothing to ask. */
bool expander_start(struct letter *);
#endif
