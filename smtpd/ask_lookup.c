/* Asking lookup.  Runs in: worker. */
#include "smtpd/ask_lookup.h"

#include <string.h>

#include "common/msg.h"

enum { TIMEOUT_MS = 30000 };

bool
ask_lookup_rcpt(int sock, const char *address, struct rcpt_answer *a)
{
	static struct msg m;
	uint32_t kind = RCPT_LATER;
	bool good = false;

	memset(a, 0, sizeof(*a));
	a->kind = RCPT_LATER;
	msg_start(&m, LOOKUP_RCPT);
	msg_put_str(&m, address);
	if (!msg_call(sock, &m, TIMEOUT_MS))
		goto out;
	kind = msg_get_u32(&m);
	msg_get_str(&m, a->user, sizeof(a->user));
	msg_get_str(&m, a->delivered_to, sizeof(a->delivered_to));
	good = msg_done(&m) && kind <= RCPT_LATER && m.fd == -1;
	if (good)
		a->kind = (enum rcpt_kind)kind;
	else
		memset(a, 0, sizeof(*a));
out:
	if (!good)
		a->kind = RCPT_LATER;
	msg_wipe(&m);
	return good;
}
