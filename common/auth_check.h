#ifndef COMMON_AUTH_CHECK_H
#define COMMON_AUTH_CHECK_H
/*
 * One question to auth, from when it was asked until its answer is sent.
 *
 *	TALKING    an exchange waits for the client; nothing is owed
 *	WAITING    a password waits for a free crypt process
 *	RUNNING    one calculates
 *	DECIDED    the answer is not yet due
 *
 * A peer has at most one, as its state, so first come, first served is round
 * robin.
 */
#include "common/ask_auth.h"
#include "common/auth_exchange.h"
#include "common/auth_limit.h"
#include "common/passdb.h"
#include "common/role.h"
#include "common/service.h"

enum { MECHANISM_MAX = 31, CLIENT_MAX = 63 };
enum check_state { TALKING, WAITING, RUNNING, DECIDED };

struct check {
	uint64_t peer; /* id; 0: it has gone */
	enum check_state state;
	enum auth_result result;   /* when DECIDED */
	struct check *prev, *next; /* unless DECIDED */
	struct timer *timer; /* WAITING: gives up; DECIDED: the answer is due */
	int64_t asked;	     /* now_ms() */
	bool dummy;	     /* whatever comes out, the answer is no */
	bool other;	     /* pass is tried as it came, too, */
	bool again;	     /* which is now */
	bool proven;	     /* TALKING: all but the last, empty message */
	const char *why;     /* for the log: static */
	struct origin origin;
	struct exchange *exchange; /* owned; NULL: none */
	struct user found;
	char user[AUTH_USER_MAX + 1], pass[AUTH_PASS_MAX + 1];
	char mechanism[MECHANISM_MAX + 1], client[CLIENT_MAX + 1];
};

/* What needs no secret; then, after the crypt processes were started, what
 * does.  forget() is called first thing in each of them.  False: see err
 * (malloc'd) or errno. */
bool checks_start(struct role *, void (*forget)(void));
bool checks_open(char **err);
/* New settings are in force: role->settings. */
void checks_settings(void);
/* In a crypt process: overwrites all that it must not know. */
void checks_forget(void);

/* A new one, TALKING, of nobody yet.  NULL: no memory. */
struct check *check_new(void);
/* It is the peer's now, in place of the one before; fd: the client's socket
 * (borrowed); c->client is set. */
void check_begin(struct check *c, struct peer *, int fd);
/* The peer does not want to know any more; or it was never begun. */
void check_free(struct check *);
/* Frees p's, when its channel ends. */
void check_gone(struct peer *);

/* True: too many failures from there; no is decided, without any work. */
bool check_refused(struct check *);
/* Compares user and pass, sooner or later. */
void check_password(struct check *);
/* Whoever it is has proven to be name, by other means than a password: may that
 * user log in?  AUTH_YES, with c->found; AUTH_NO, AUTH_LATER, with c->why. */
enum auth_result check_user(struct check *, const char *name);
/* Answers when it is due: never before this returns. */
void check_decide(struct check *, enum auth_result, const char *why);
#endif
