#ifndef SPOOL_BOUNCE_H
#define SPOOL_BOUNCE_H
/*
 * What becomes of a recipient after an attempt, and telling the sender.
 *
 * All that ends in one turn of a message, and that the sender wants to know, is
 * reported in one message from <>, which is durable before the recipients are
 * marked: a crash in between repeats the report (or the delivery), and loses
 * neither.
 *
 *	T --later, after delay_warning, told--> W
 *	T W --done--> D, or S, R --told--> D
 *	T W --failed, or later after queue_lifetime--> (told) B
 *
 * A message from <> is never reported to its sender; what of it failed goes to
 * the address of double_bounces if there is one.
 */
#include "common/settings.h"
#include "spool/dsn.h"
#include "spool/handout_log.h"
#include "spool/queue.h"

struct bounces; /* what of one message is to be told */

/* Borrowed until the next call. */
void bounce_settings(const struct settings *);
/* From now on no report is begun: what is to be told is told after the next
 * start. */
void bounce_end(void);
/* Is it for good?  Sets a->failed and a->dsn where the status of a delivery
 * here says so; others know by themselves. */
void bounce_judge(const struct record *, struct attempt *a);
/*
 * Marks recipient i as that attempt left it, or notes in *b (NULL at first)
 * that the sender is to be told first.  False: it is to be tried again.
 */
bool bounce_attempt(struct bounces **b, struct record *, unsigned i,
    const struct attempt *a);
/* Notes what was left to be told (states S and R). */
void bounce_leftovers(struct bounces **b, struct record *);
/*
 * Tells the sender what is noted, if anything is; *b is NULL then.  True: it is
 * under way, and done(arg) is called later, when the recipients are marked (or
 * not, if that could not be told now); the record must stay until then.
 */
bool bounce_report(struct bounces **b, struct record *, void (*done)(void *),
    void *arg);
void bounce_free(struct bounces **b);
#endif
