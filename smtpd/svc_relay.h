#ifndef SMTPD_SVC_RELAY_H
#define SMTPD_SVC_RELAY_H
/* The role relay; see spool/ask_relay.h for what may be asked. */
#include "common/role.h"

role_main svc_relay_main;
#endif
