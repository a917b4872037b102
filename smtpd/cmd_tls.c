/* STARTTLS (RFC 3207).  Runs in: worker. */
#include <string.h>

#include "smtpd/command.h"

enum next
cmd_starttls(struct session *s, struct view arg)
{
	(void)arg;
	if (s->tls)
		return reply(s, 503, "5.5.1", "TLS is active already");
	if (s->w->tls == NULL)
		return reply(s, 502, "5.5.1",
		    "TLS is not offered: this server has no certificate");
	if (s->user[0] != '\0')
		return reply(
		    s, 503, "5.5.1", "Too late: you are authenticated already");
	reply(s, 220, "2.0.0", "Ready to start TLS");
	conn_flush(s->c);
	if (session_start_tls(s) != NEXT_COMMAND)
		return NEXT_LOST;
	/* 4.2: what the client said before is forgotten. */
	transaction_reset(s);
	s->state = ST_NEW;
	s->esmtp = s->pipelined = s->verbose = false;
	/* openssl s_client ends its own EHLO and STARTTLS in CRLF, and what is
	 * typed into it then in LF. */
	s->lf_only = !s->set->bare_newline_reject;
	s->helo[0] = '\0';
	return NEXT_COMMAND;
}
