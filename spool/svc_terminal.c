/* DELIVER_TERMINAL: a message for a user's terminal, from the queue.  Runs in:
 * deliver. */
#include "spool/svc_terminal.h"

#include <stdlib.h>

#include "common/msg.h"
#include "spool/ask_deliver.h"
#include "spool/terminal.h"
#include "spool/terminal_text.h"

static terminal_resolve *resolve_user;
static int log_sock = -1;

void
terminal_init(terminal_resolve *resolve, int log_fd)
{
	resolve_user = resolve;
	log_sock = log_fd;
}

static void
tried(void *arg, bool reached)
{
	static struct msg rp;
	uint64_t *id = arg;
	struct peer *p = service_find(*id);

	free(id);
	if (p == NULL)
		return;
	msg_start(&rp, DELIVER_TERMINAL);
	rp.fd = -1;
	msg_put_u32(&rp, status_pack(reached ? OK : ERR_GONE));
	peer_answer(p, &rp);
}

static enum answer
cannot(struct msg *rp, enum status st)
{
	msg_put_u32(rp, status_pack(st));
	return ANSWER;
}

enum answer
answer_terminal(struct peer *p, struct msg *rq, struct msg *rp)
{
	char address[ADDR_MAX + 1], who[64], sender[ADDR_MAX + 1],
	    delivered_to[ADDR_MAX + 1];
	struct user u;
	struct buf text;

	msg_get_str(rq, address, sizeof(address));
	msg_get_str(rq, who, sizeof(who));
	msg_get_str(rq, sender, sizeof(sender));
	struct view content = msg_get_view(rq, TERMINAL_CONTENT);
	if (!msg_done(rq))
		return ANSWER_DROP;
	if (resolve_user(address, &u, delivered_to) != RESOLVED_LOCAL)
		return cannot(rp, ERR_GONE);
	uint64_t *id = malloc(sizeof(*id));
	if (id == NULL)
		return cannot(rp, ERR_NOMEM);
	*id = p->id;
	buf_init(&text, TERMINAL_MAX);
	if (content.n > 0)
		terminal_text(&text, view_of(who), view_of(sender),
		    view_of(delivered_to), content);
	bool begun = !text.bad &&
		     terminal_start(&u, buf_view(&text), log_sock, tried, id);
	buf_free(&text);
	if (begun)
		return ANSWER_LATER;
	free(id);
	return cannot(rp, ERR_BUSY);
}
