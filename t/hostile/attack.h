#ifndef T_HOSTILE_ATTACK_H
#define T_HOSTILE_ATTACK_H
/*
 * A worker that has been broken into: it has exactly a worker's descriptors and
 * filter, and does its worst with them.  Both daemons are built a second time
 * with this session in the place of their own.  A client whose first line is
 *
 *	HOSTILE target mode start [user password]
 *
 * makes the worker attack; any other client gets the real session.
 *
 * target: log pool key auth lookup deliver append queue right maildrop
 * mode:   mutate  each request with each octet changed, cut and lengthened,
 *                 from number `start` on
 *         random  messages of every type with random fields
 *         fds     each request with 1, 2 and 253 descriptors
 *         flood   asks for a second without reading one answer
 *         shutdown  closes the channel half way, each way
 *         stall   asks, and never reads
 *         claim   (pool) says twenty times that it serves the address `user`
 *         greed   (pool) wants a channel that it has, or that none may have
 * Answer: one line "DONE n": n messages were sent; or "NEXT n": the channel was
 * closed under us; go on with number n on another connection; or "SILENT n":
 * nobody answered, which is a failure of the server.
 */
#include "common/msg.h"
#include "common/worker.h"

session_serve hostile_session;
extern session_serve *hostile_real_session; /* the daemon's own */

struct target {
	const char *name;
	enum role_id role;
	bool silent;         /* never answers (log, pool) */
	unsigned requests;   /* how many kinds there are */
	/* Puts request number i, correct in every field, into m.  m->fd: a
	 * borrowed descriptor where one belongs. */
	void (*valid)(unsigned i, struct msg *m);
	/* Asks what must come first on a fresh channel; may be NULL. */
	void (*before)(int sock, unsigned i);
};
extern const struct target hostile_targets[];
extern const unsigned hostile_target_n;
#endif
