/* Handing a mailbox to an append process.  Runs in: deliver. */
#include "spool/grant_give.h"

#include <fcntl.h>

#include "spool/appenders.h"

/* Puts what append must know into the asker's end, where it is the first that
 * comes out of the other. */
static enum status
put_grant(int end, const struct grant *g, int fd, int dir, int intent)
{
	static struct msg m;

	grant_put(&m, g);
	m.fd = fd;
	if (msg_send(end, &m) == -1)
		return ERR_NOMEM;
	msg_start(&m, GRANT_DIR);
	m.fd = dir;
	if (msg_send(end, &m) == -1)
		return ERR_NOMEM;
	if (intent == -1)
		return OK;
	msg_start(&m, GRANT_INTENT);
	m.fd = intent;
	return msg_send(end, &m) == -1 ? ERR_NOMEM : OK;
}

enum status
grant_give(
    const struct grant *g, int fd, int dir, int intent, int *end, int *copy)
{
	int pair[2], dup = -1;
	enum status st = ERR_NOMEM;

	if (channel_pair(pair) == -1)
		return ERR_NOMEM;
	dup = fcntl(pair[0], F_DUPFD_CLOEXEC, 3);
	if (dup != -1)
		st = put_grant(pair[0], g, fd, dir, intent);
	if (st == OK)
		st = appenders_hand(g->user, pair[1]);
	if (st == OK) {
		*copy = dup;
		*end = pair[0];
		dup = pair[0] = -1;
	}
	close_fd(&dup);
	close_fd(&pair[0]);
	close_fd(&pair[1]);
	return st;
}
