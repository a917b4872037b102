#ifndef SMTPD_POLICY_H
#define SMTPD_POLICY_H
/*
 * Which clients are served, and what they may do: the keywords of smtpd.conf(5)
 * that are about clients.  Those that answer the client set *next and return
 * false when they have refused.
 */
#include <stdbool.h>

#include "common/address.h"
#include "smtpd/session.h"

/* A connection, before anything was said: NEXT_COMMAND, or it was refused. */
enum next policy_connect(struct session *);
/* Asks DNS about the client, as far as the settings want it. */
void policy_look_up(struct session *);
/* A recipient is named: is mail taken from this client at all? */
bool policy_rcpt(struct session *, const struct address *, enum next *next);
/* Just before the greeting: a client that does not wait for it is no mail
 * server (greet_delay). */
enum next policy_wait(struct session *);
/* What the client says its name is. */
bool policy_helo(struct session *, struct view name, enum next *next);
/* A message begins. */
bool policy_sender(
    struct session *, const struct address *sender, enum next *next);
/* May it say whose mail it passes on (XCLIENT, XFORWARD)? */
bool policy_may_announce(const struct session *);
/* May it write to terminals (SEND, SOML, SAML)? */
bool policy_may_send(const struct session *);
/* May its mail be sent on to other hosts? */
bool policy_may_relay(const struct session *);
#endif
