#ifndef T_UNIT_QUEUE_ASKER_H
#define T_UNIT_QUEUE_ASKER_H
/* Askers of the queue role that make their requests by hand, so that these
 * can be wrong. */
#include "t/unit/queue_role.h"

static struct running x;
static struct msg rq;
static char big[100000];

/* ---- requests by hand ---- */

static void
begin(const char *id, const char *sender)
{
	msg_start(&rq, QUEUE_BEGIN);
	msg_put_str(&rq, id);
	msg_put_str(&rq, sender);
	msg_put_str(&rq, "c[192.0.2.1]");
	msg_put_str(&rq, "c");
	msg_put_str(&rq, "ESMTP");
}

static void
rcpt(const char *to)
{
	msg_start(&rq, QUEUE_RCPT);
	msg_put_u32(&rq, 1);
	msg_put_str(&rq, to);
	msg_put_str(&rq, to);
}

static void
commit(uint32_t kind, uint64_t length, const char *content)
{
	msg_start(&rq, QUEUE_COMMIT);
	msg_put_u32(&rq, kind);
	msg_put_u64(&rq, length);
	msg_put_str(&rq, content);
}

/* Asks; the status, or 1: the channel was closed. */
static int
ask(int sock)
{
	if (!msg_call(sock, &rq, 60000))
		return 1;
	int st = (int)status_unpack(msg_get_u32(&rq));
	msg_wipe(&rq);
	return st;
}

static int
ask_begin(int sock)
{
	begin(next_id(), "a@example.org");
	return ask(sock);
}

static int
ask_rcpt(int sock, const char *to)
{
	rcpt(to);
	return ask(sock);
}

static int
open_draft(int sock)
{
	int st = ask_begin(sock);

	return st == OK ? ask_rcpt(sock, "bob@example.org") : st;
}

static int
spool_of(int w, size_t n)
{
	enum status st;
	int fd = ask_queue_spool(w, &st);

	if (fd == -1 || write(fd, big, n) != (ssize_t)n)
		printf("# no spool file\n");
	return fd;
}

static void
asker_begin(void)
{
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 11 + i / 253);
	test_begin();
	x = start("");
}

static int
asker_end(void)
{
	ok(waitpid(x.queue, NULL, WNOHANG) == 0, "the queue still lives");
	stop(&x);
	return test_end();
}

#endif
