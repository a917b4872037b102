/*
 * From a user's right to a terminal: the queue passes on what a user, and
 * nobody else, asks for.  Runs in: queue.
 */
#define _GNU_SOURCE
#include "spool/terminal_relay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/log.h"
#include "spool/ask_queue.h"
#include "spool/slot.h"
#include "spool/terminal_text.h"

enum { RELAYS_MAX = 32, RELAY_MS = 10000 };

struct relay {
	uint64_t peer;
	int sock;
	struct watch *watch;
	struct timer *timer;
};
static unsigned relays;

bool
terminal_local_client(int fd, char *who, size_t size)
{
	struct sockaddr_un a = { 0 };
	struct ucred cred;
	socklen_t n = sizeof(a), type_n = sizeof(int), cred_n = sizeof(cred);
	int type = 0;

	if (getsockname(fd, (struct sockaddr *)&a, &n) == -1 ||
	    a.sun_family != AF_UNIX || n <= sizeof(sa_family_t) ||
	    a.sun_path[0] == '\0' ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_n) == -1 ||
	    type != SOCK_STREAM ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &cred_n) == -1)
		return false;
	snprintf(who, size, "uid %lu of this host", (unsigned long)cred.uid);
	return true;
}

static void
finish(struct relay *r, enum status st)
{
	static struct msg rp;
	struct peer *p = service_find(r->peer);

	watch_del(r->watch);
	timer_del(r->timer);
	close_fd(&r->sock);
	relays--;
	if (p != NULL) {
		msg_start(&rp, QUEUE_TERMINAL);
		rp.fd = -1;
		msg_put_u32(&rp, status_pack(st));
		msg_put_str(&rp, "");
		peer_answer(p, &rp);
	}
	free(r);
}

static void
answered(void *arg, uint32_t events)
{
	static struct msg m;
	struct relay *r = arg;
	enum status st = ERR_DOWN;

	(void)events;
	if (msg_recv(r->sock, &m) == 1) {
		close_fd(&m.fd);
		st = status_unpack(msg_get_u32(&m));
		if (!msg_done(&m) || m.type != DELIVER_TERMINAL)
			st = ERR_DOWN;
	}
	finish(r, st);
}

static void
too_late(void *arg)
{
	struct relay *r = arg;

	r->timer = NULL;
	finish(r, ERR_DOWN);
}

static enum answer
cannot(struct msg *rp, enum status st)
{
	msg_put_u32(rp, status_pack(st));
	msg_put_str(rp, "");
	return ANSWER;
}

enum answer
terminal_relay(struct peer *p, const char *who, struct msg *rq, struct msg *rp)
{
	static struct msg m;
	char recipient[ADDR_MAX + 1], sender[ADDR_MAX + 1];
	struct address a;

	msg_get_str(rq, recipient, sizeof(recipient));
	msg_get_str(rq, sender, sizeof(sender));
	struct view content = msg_get_view(rq, TERMINAL_CONTENT);
	if (!msg_done(rq))
		return ANSWER_DROP;
	if (who[0] == '\0')
		return cannot(rp, ERR_PERM);
	if (address_parse(view_of(recipient), &a) != ADDR_OK)
		return cannot(rp, ERR_INVALID);
	struct relay *r = relays < RELAYS_MAX ? calloc(1, sizeof(*r)) : NULL;
	if (r == NULL)
		return cannot(rp, ERR_BUSY);
	r->sock = slots_channel();
	msg_start(&m, DELIVER_TERMINAL);
	m.fd = -1;
	msg_put_str(&m, recipient);
	msg_put_str(&m, who);
	msg_put_str(&m, sender);
	msg_put_view(&m, content);
	if (r->sock == -1 || msg_send(r->sock, &m) == -1 ||
	    (r->watch = watch_add(r->sock, EPOLLIN, answered, r)) == NULL) {
		close_fd(&r->sock);
		free(r);
		return cannot(rp, ERR_DOWN);
	}
	r->peer = p->id;
	r->timer = timer_add(RELAY_MS, too_late, r);
	relays++;
	return ANSWER_LATER;
}
