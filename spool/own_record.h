#ifndef SPOOL_OWN_RECORD_H
#define SPOOL_OWN_RECORD_H
/*
 * Records that the queue itself makes: reports to senders, messages that are
 * sent on.  They are published as those of clients are, and handed out at once.
 */
#include "common/status.h"
#include "common/view.h"
#include "spool/queue.h"
#include "spool/sched.h"

/* Both borrowed. */
void own_record_init(struct queue *, struct sched *);
/* An id that nobody else gives or gave; out has QUEUE_ID_MAX octets. */
void own_record_id(char *out);
/*
 * Publishes the record id.  head: its envelope and the start of its content;
 * content (taken) with length octets is appended to it, or -1.
 * OK: done(arg, id, status) is called later, exactly once; with OK the record
 * survives a power cut and is on its way.  Else: nothing is left of it, and
 * done is not called.
 */
enum status own_record_publish(const char *id, struct view head, int content,
    uint64_t length, void (*done)(void *arg, const char *id, enum status),
    void *arg);
/* The same, with length octets of content from offset on. */
enum status own_record_publish_from(const char *id, struct view head,
    int content, uint64_t offset, uint64_t length,
    void (*done)(void *arg, const char *id, enum status), void *arg);
#endif
