#ifndef T_UNIT_QUEUE_FORWARD_H
#define T_UNIT_QUEUE_FORWARD_H
/*
 * What the deliver role of queue_role.h's test is asked, and how it answers of
 * those who forward: fwd-NAME leads to the mailbox here-NAME and to
 * there-NAME at one.test.
 */
#include "spool/ask_forward.h"

static bool
forwards(const char *to)
{
	return strncmp(to, "fwd-", 4) == 0;
}

static enum answer
test_forward(struct peer *p, struct msg *rq, struct msg *rp)
{
	char to[200], text[300];

	(void)p;
	msg_get_str(rq, to, sizeof(to));
	bool yes = forwards(to);
	msg_put_u32(rp, status_pack(yes ? OK : ERR_GONE));
	msg_put_str(rp, "fwd");
	msg_put_str(rp, "");
	msg_put_str(rp, to);
	msg_put_u32(rp, yes ? 2 : 0);
	if (!yes)
		return ANSWER;
	msg_put_u32(rp, TARGET_USER);
	snprintf(text, sizeof(text), "here-%s", to + 4);
	msg_put_str(rp, text);
	msg_put_u32(rp, TARGET_ADDRESS);
	snprintf(text, sizeof(text), "there-%.*s@one.test",
	    (int)strcspn(to + 4, "@"), to + 4);
	msg_put_str(rp, text);
	return ANSWER;
}

#define ALL_OF_DELIVER                                                         \
	(BIT(DELIVER_OPEN) | BIT(DELIVER_OPEN_HERE) | BIT(DELIVER_FORWARD))

static const struct request open_requests[] = {
	{ .type = DELIVER_OPEN,
	    .max = 600,
	    .then = ALL_OF_DELIVER,
	    .answer = test_open,
	    .name = "open" },
	{ .type = DELIVER_OPEN_HERE,
	    .max = 600,
	    .then = ALL_OF_DELIVER,
	    .answer = test_open,
	    .name = "open here" },
	{ .type = DELIVER_FORWARD,
	    .max = 600,
	    .then = ALL_OF_DELIVER,
	    .answer = test_forward,
	    .name = "forward" },
};
static const struct service open_service = { .name = "queue",
	.requests = open_requests,
	.n = NELEM(open_requests),
	.first = ALL_OF_DELIVER };
#endif
