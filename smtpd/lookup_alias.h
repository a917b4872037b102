#ifndef SMTPD_LOOKUP_ALIAS_H
#define SMTPD_LOOKUP_ALIAS_H
/*
 * What lookup answers of recipients, users and lists; smtpd/ask_lookup.h has
 * the questions.  Runs in: lookup.
 */
#include "common/service.h"
#include "spool/expand.h"

/* The book is borrowed, and may change between two questions. */
void lookup_alias_init(struct book *);
/* Of what it was asked before, nothing is kept. */
void lookup_alias_forget(void);
enum answer answer_lookup_rcpt(struct peer *, struct msg *rq, struct msg *rp);
enum answer answer_lookup_vrfy(struct peer *, struct msg *rq, struct msg *rp);
enum answer answer_lookup_people(struct peer *, struct msg *rq, struct msg *rp);
enum answer answer_lookup_members(
    struct peer *, struct msg *rq, struct msg *rp);
#endif
