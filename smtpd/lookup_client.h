#ifndef SMTPD_LOOKUP_CLIENT_H
#define SMTPD_LOOKUP_CLIENT_H
/* LOOKUP_CLIENT of smtpd/ask_lookup.h.  Runs in: lookup. */
#include "common/service.h"
#include "common/settings.h"

/* The settings are borrowed; again after a change. */
void lookup_client_settings(const struct settings *);
enum answer answer_lookup_client(struct peer *, struct msg *, struct msg *);
#endif
