#ifndef SPOOL_EXPANSION_H
#define SPOOL_EXPANSION_H
/*
 * The record that follows from an expansion.  Pure.
 */
#include "common/buf.h"
#include "spool/envelope.h"
#include "spool/target.h"

struct expansion {
	const struct envelope *of;
	unsigned rcpt;		 /* who was expanded */
	const char *id;		 /* of the new record */
	const char *user;	 /* forwards; NULL: an alias */
	const char *alias_user;	 /* for commands and files of an alias */
	const char *delivered_to;
	const char *sender;	 /* the owner of a list; NULL: unchanged */
	const struct alias_target *target;
	unsigned n;
};
/* The envelope and the start of the content.  False: it does not fit. */
bool expansion_print(struct buf *out, const struct expansion *);
/* Whoever has the message now reports to the sender; else that it was expanded
 * is what there is to report (RFC 3461 5.2.7). */
bool expansion_reports(const struct expansion *);
/* Is there a Delivered-To field with this address in the header at the start of
 * content? */
bool expansion_loop(struct view content, const char *delivered_to);
#endif
