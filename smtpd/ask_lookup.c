/* Asking lookup.  Runs in: worker. */
#include "smtpd/ask_lookup.h"

#include <string.h>

#include "common/msg.h"

enum { TIMEOUT_MS = 30000 };

bool
ask_lookup_rcpt(int sock, const char *address, struct rcpt_answer *a)
{
	uint32_t kind = RCPT_LATER;
	bool good = false;

	memset(a, 0, sizeof(*a));
	a->kind = RCPT_LATER;
	msg_start(&scratch, LOOKUP_RCPT);
	msg_put_str(&scratch, address);
	if (!msg_call(sock, &scratch, TIMEOUT_MS))
		goto out;
	kind = msg_get_u32(&scratch);
	msg_get_str(&scratch, a->user, sizeof(a->user));
	msg_get_str(&scratch, a->delivered_to, sizeof(a->delivered_to));
	msg_get_str(&scratch, a->moved, sizeof(a->moved));
	a->room = msg_get_u64(&scratch);
	good = msg_done(&scratch) && kind <= RCPT_MOVED && scratch.fd == -1;
	if (good)
		a->kind = (enum rcpt_kind)kind;
	else
		memset(a, 0, sizeof(*a));
out:
	if (!good)
		a->kind = RCPT_LATER;
	msg_wipe(&scratch);
	return good;
}

bool
ask_lookup_client(int sock, const char *address, struct client_answer *a)
{
	uint32_t kind = CLIENT_LATER;
	bool good = false;

	memset(a, 0, sizeof(*a));
	msg_start(&scratch, LOOKUP_CLIENT);
	msg_put_str(&scratch, address);
	if (!msg_call(sock, &scratch, TIMEOUT_MS))
		goto out;
	kind = msg_get_u32(&scratch);
	msg_get_str(&scratch, a->name, sizeof(a->name));
	msg_get_str(&scratch, a->listed, sizeof(a->listed));
	/* A name comes from outside: it goes into logs and headers. */
	good = msg_done(&scratch) && kind <= CLIENT_LATER && scratch.fd == -1 &&
	       (kind == CLIENT_NAMED) == domain_valid(view_of(a->name));
	if (!good)
		memset(a, 0, sizeof(*a));
out:
	a->kind = good ? (enum client_name)kind : CLIENT_LATER;
	msg_wipe(&scratch);
	return good;
}

bool
ask_lookup_vrfy(int sock, const char *address, struct vrfy_answer *a)
{
	bool good = false;

	memset(a, 0, sizeof(*a));
	msg_start(&scratch, LOOKUP_VRFY);
	msg_put_str(&scratch, address);
	if (msg_call(sock, &scratch, TIMEOUT_MS)) {
		uint32_t kind = msg_get_u32(&scratch);
		msg_get_str(&scratch, a->name, sizeof(a->name));
		msg_get_str(&scratch, a->address, sizeof(a->address));
		msg_get_str(&scratch, a->moved, sizeof(a->moved));
		good = msg_done(&scratch) && kind <= RCPT_MOVED &&
		       scratch.fd == -1;
		a->kind = (enum rcpt_kind)kind;
	}
	if (!good)
		*a = (struct vrfy_answer){ .kind = RCPT_LATER };
	msg_wipe(&scratch);
	return good;
}

/* n times name and address; at most max. */
static bool
get_people(struct person *a, unsigned max, unsigned *n)
{
	uint32_t count = msg_get_u32(&scratch);
	bool good = count <= max && !scratch.bad;

	for (uint32_t i = 0; i < count && good; i++)
		good =
		    msg_get_str(&scratch, a[i].name, sizeof(a[i].name)) &&
		    msg_get_str(&scratch, a[i].address, sizeof(a[i].address));
	good = good && msg_done(&scratch) && scratch.fd == -1;
	*n = good ? count : 0;
	return good;
}

bool
ask_lookup_people(int sock, struct view text, struct person *a, unsigned *n)
{
	bool good = false;

	*n = 0;
	msg_start(&scratch, LOOKUP_PEOPLE);
	msg_put_view(&scratch, text);
	if (msg_call(sock, &scratch, TIMEOUT_MS))
		good = get_people(a, LOOKUP_PEOPLE_MAX, n);
	msg_wipe(&scratch);
	return good;
}

bool
ask_lookup_members(int sock, const char *address, unsigned first,
    enum rcpt_kind *kind, struct person *a, unsigned *n)
{
	bool good = false;

	*n = 0;
	*kind = RCPT_LATER;
	msg_start(&scratch, LOOKUP_MEMBERS);
	msg_put_str(&scratch, address);
	msg_put_u32(&scratch, first);
	if (msg_call(sock, &scratch, TIMEOUT_MS)) {
		uint32_t k = msg_get_u32(&scratch);
		good = get_people(a, LOOKUP_MEMBERS_MAX, n) && k <= RCPT_MOVED;
		if (good)
			*kind = (enum rcpt_kind)k;
	}
	if (!good)
		*n = 0;
	msg_wipe(&scratch);
	return good;
}
