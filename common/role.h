#ifndef COMMON_ROLE_H
#define COMMON_ROLE_H
/*
 * The roles, and how one is started.
 *
 * Every process but the master is one role.  The master starts it by exec of
 * its own binary with the role's name as argument, so that it has a fresh
 * address space and an honest name in ps, and hands it everything over one
 * channel, fd 3: the settings, its channels to other roles, listening sockets,
 * certificate files.  The role drops its privileges, enters its sandbox,
 * proves both, says READY, and serves.
 *
 * Descriptors at exec: 0 and 1 /dev/null, 2 the terminal or /dev/null, 3 the
 * control channel.  Everything else comes over the control channel.
 */
#include <stdbool.h>
#include <stdnoreturn.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/settings.h"

enum role_id {
	ROLE_MASTER,
	ROLE_LOG,
	ROLE_POOL,
	ROLE_WORKER, /* forked by the pool, never exec'd */
	ROLE_KEY,
	ROLE_AUTH,
	ROLE_LOOKUP,
	ROLE_QUEUE,
	ROLE_DELIVER,
	ROLE_MAILDROP,
	ROLE_APPEND, /* started by deliver */
	ROLE_CRYPT,  /* started by auth */
	ROLE_RELAY,  /* its children speak SMTP to other hosts */
	ROLE_SENDER, /* one of these, forked by relay */
	ROLE_EXPAND, /* says what aliases lead to; lookup's user */
	ROLE_DIALER, /* connects to Unix sockets for senders; forked by relay */
	/* Processes that are users, forked by deliver's runner; they are in a
	 * sandbox of these names after their start as one. */
	ROLE_READER, /* reads what the user, or the administrator, wrote */
	ROLE_FILER,  /* writes a file of the user */
	ROLE_FEEDER, /* gives a message to a command that runs */
	ROLE__N
};

enum { ROLE_CTL_FD = 3, ROLE_LISTEN_MAX = 32, ROLE_FILES_MAX = 32 };

const char *role_name(enum role_id); /* "auth" */

/* What the master handed over.  The role owns all of it. */
struct role {
	enum role_id id;
	bool pop3; /* which daemon */
	bool root; /* started as root: privileges are there to be dropped */
	bool inetd; /* one connected client, listen_fd[0], and no others */
	bool idle_exit; /* pool: tell the master when nobody came for long */
	struct settings *settings;
	int ctl;
	/* Channel to each role that this one may talk to, or -1:
	 *   all: LOG, for its own lines
	 *   pool: KEY AUTH LOOKUP DELIVER QUEUE (smtpd), KEY AUTH (pop3d):
	 *     where it introduces each worker
	 *   auth: QUEUE or MAILDROP: where it introduces users
	 *   queue: EXPAND DELIVER RELAY: where it introduces its own
	 *     channels (RELAY comes with the front, later than the start)
	 *   and the other ends of these: whoever is introduced by X comes over
	 *   peer[X], or, from a later generation of X, over add_intro */
	int peer[ROLE__N];
	int key_ask; /* pool only: a question channel to KEY, for the warm-up */
	int log_intro; /* pool only: where it introduces workers to LOG */
	/* pool: as settings->listeners; queue: its own, if any */
	int listen_fd[ROLE_LISTEN_MAX];
	unsigned listen_n;
	/* Opened by the master, unread.  key: cert, key, cert, key...;
	 * pool: cert, cert..., and tls_client_ca if that is set; in the order
	 * of the settings. */
	int file[ROLE_FILES_MAX];
	unsigned file_n;
};

/*
 * "Introductions": on the channel from pool (or auth, or queue) to a service
 * role only one message is sent, INTRODUCE with one fd: the far end of a new
 * channel, and who is behind it.  The role adds it as a peer of that service.
 *   fields: u32 kind (enum introduce), str user, u32 uid, u32 gid, str home
 *   (user fields empty unless kind is INTRO_USER).
 */
enum { MSG_INTRODUCE = 30 };
enum introduce {
	INTRO_WORKER, /* a worker: anonymous, no right but what all have */
	INTRO_LOG,    /* to log: whoever writes there */
	INTRO_QUEUE,  /* to deliver: the queue */
	INTRO_USER    /* to queue or maildrop: whoever asks is this user */
};
struct intro {
	enum introduce kind;
	char user[64];
	uid_t uid;
	gid_t gid;
	char home[256];
};
/* Sends one end of a new channel to the role behind intro_sock and returns the
 * other, -1 on failure (errno). */
int introduce(int intro_sock, const struct intro *);
/* Adds intro_sock (taken) to the service loop; each introduction that comes
 * calls add(), which takes sock.  When intro_sock ends, nothing happens: those
 * introduced live on.  -1 is ignored. */
void service_introductions(int intro_sock,
    void (*add)(int sock, const struct intro *));

/* ---- a role's own side ---- */

typedef void role_main(struct role *);

/* Called by main() when argv says so: receives everything from the master and
 * calls the role's main, which must not return. */
noreturn void role_start(
    int argc, char **argv, role_main *const mains[ROLE__N]);
/* Tells the master that the role serves; once. */
void role_ready(struct role *);
/* Tells the master that it cannot, with one line that names the file and the
 * remedy, and exits. */
noreturn void role_failed(struct role *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Adds the control channel to the service loop (after service_init): a stop
 * order calls service_stop(), an introduction channel from a new generation
 * calls add_intro(from, fd) (takes fd; may be NULL), new settings call
 * new_settings() (may be NULL), and the master's end ends the process. */
void role_watch_master(struct role *,
    void (*add_intro)(enum role_id from, int fd),
    void (*new_settings)(struct settings *));
/* Instead of service_stop() at a stop order: grace in ms, UINT32_MAX = as long
 * as the sessions last. */
void role_on_stop(void (*stop)(uint32_t grace));
/* A listening socket after the start (takes fd). */
void role_on_listen(void (*listen)(int fd));
/* The master wants to hear role_drained() when there is nothing to be done. */
void role_on_drain(void (*drain)(void));
void role_drained(const struct role *);

/* ---- dropping, common/priv.c and common/sandbox.c ---- */
/* chroot (NULL: none), groups, gid, uid; then proves that there is no way
 * back.  Without root: only what needs none.  Never returns on failure. */
void priv_drop(const struct role *, enum role_id as, const char *root);
/* The user that a role runs as (role_user, or pennypost-ROLE).  False: err is
 * one line that says what to create. */
bool priv_user(const struct role *, enum role_id as, uid_t *uid, gid_t *gid,
    char *err, size_t size);
/* Becomes this user for good, without any group but gid, and proves it; for
 * children of root roles.  Never returns on failure. */
void priv_become(uid_t uid, gid_t gid);
/* Gives up all capabilities but those n (CAP_KILL, ...), and that anything that
 * is executed later gets some. */
void priv_keep(const int *caps, unsigned n);
/* rlimits, no_new_privs, not dumpable, Landlock, seccomp in kill mode. */
void sandbox_enter(const struct role *, enum role_id as);
/* Sets what ps shows: "smtpd: worker 192.0.2.1 RCPT". */
void proc_title_init(int argc, char **argv);
void proc_title(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Forks a helper process of the same binary without exec, for append and crypt
 * processes: in the child, closes everything but keep[], drops to role `as`.
 * keep must hold the log channel if the child is to log.  The child begins
 * without any signal handler of its own; the service loop must be begun anew
 * (service_init).  Returns pid, 0 in the child, -1. */
pid_t role_fork(const struct role *, enum role_id as, const int *keep,
    unsigned nkeep);
#endif
