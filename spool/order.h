#ifndef SPOOL_ORDER_H
#define SPOOL_ORDER_H
/*
 * What deliver has done by a process that is the user.
 *
 * deliver makes a channel, gives one end to its runner (RUNNER_JOB) and puts
 * the order into the other.  The runner forks; the child becomes the user,
 * takes the order, does it, and answers on the channel:
 *   ORDER_FORWARD: str text ("" or why not), u32 enum status, u32 n, then n
 *     times u32 enum target_kind, str text.
 *   ORDER_RUN: as DELIVER_RUN is answered (spool/ask_forward.h).
 * deliver checks all of it: who speaks is a user.
 */
#include <stdint.h>

#include "common/msg.h"
#include "common/passdb.h"
#include "spool/ask_forward.h"

enum { RUNNER_JOB = 1, ORDER_FORWARD = 2, ORDER_RUN = 3 };

struct order {
	struct user user; /* without gecos and hash */
	bool shell_ok; /* not asked: the administrator wrote the command */
	bool mboxrd, dotlock; /* for files */
	int64_t lock_wait, time; /* ms */
	char delivered_to[ADDR_MAX + 1];
	char extension[ADDR_MAX + 1];
	char aliases[2048]; /* files, with line feeds between them */
	/* ORDER_RUN */
	struct run run;
	struct run_space space;
};
void order_put(struct msg *m, uint32_t what, const struct order *);
/* False: it makes no sense. m->type is what. With ORDER_RUN out->run.file is
 * m->fd, still m's. */
bool order_get(struct msg *m, struct order *out);
#endif
