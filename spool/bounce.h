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
#include "common/status.h"
#include "spool/dsn.h"
#include "spool/queue.h"

enum bounce_result {
	RESULT_DONE,	/* delivered here */
	RESULT_RELAYED, /* another server has it */
	RESULT_EXPANDED, /* other recipients, in a record of their own */
	RESULT_LATER,	/* it may be tried again */
	RESULT_FAILED	/* for good */
};
/* What happened at one attempt at one recipient.  Strings are copied. */
struct bounce_event {
	unsigned rcpt;
	enum bounce_result result;
	bool dsn;	    /* RESULT_RELAYED: that server offers DSN, so it
			     * reports what is to be reported */
	const char *code;   /* enhanced status code; NULL: 2.0.0 or x.0.0 */
	const char *text;   /* one line for people; may be NULL */
	const char *remote; /* who said so: "name[addr]:port"; NULL: we */
};
enum bounce_fate {
	FATE_LATER,  /* stays to do */
	FATE_CLOSED, /* is marked done or given up */
	FATE_FAILED, /* is given up: by now, or when bounce_report ended */
	FATE_EXPIRED /* the same, as it was tried long enough */
};

struct bounces; /* what of one message is to be told */

/* Borrowed until the next call. */
void bounce_settings(const struct settings *);
/* Marks the recipient, or notes in *b (NULL at first) that it is to be told. */
enum bounce_fate bounce_event(
    struct bounces **b, struct record *, const struct bounce_event *);
/* The same after a delivery here that ended in this status. */
enum bounce_fate bounce_local(struct bounces **b, struct record *, unsigned rcpt,
    enum status, const char *text);
/* Notes what a crash left to be told (states S and R). */
void bounce_leftovers(struct bounces **b, struct record *);
/* Tells the sender what is noted, if anything is.  True: it is under way, and
 * done(arg) is called later, when the recipients are marked (or not, if that
 * could not be told now); the record must stay.  Frees *b either way. */
bool bounce_report(struct bounces **b, struct record *, void (*done)(void *),
    void *arg);
void bounce_free(struct bounces **b);
#endif
