#ifndef SPOOL_PENNYCTL_H
#define SPOOL_PENNYCTL_H
/*
 * What the verbs of pennyctl(8) that look at one mailbox share.
 */
#include <stdbool.h>

#include "common/passdb.h"
#include "common/settings.h"
#include "common/status.h"
#include "spool/mailbox.h"
#include "spool/mbox.h"

/* Exit codes. */
enum { CTL_FINE = 0, CTL_FOUND = 1, CTL_FAILED = 2 };

/* A mailbox that a verb works on, as its owner. */
struct ctl_box {
	const struct settings *settings;
	struct user user;
	struct mailbox_path path;
	int mbox;  /* read only, or for writing if the verb says so; -1 */
	int dir;   /* of the mailbox */
	int state; /* the state directory */
};

struct ctl_verb {
	const char *name;
	const char *args; /* behind the user's name */
	unsigned argc;	  /* how many of these */
	bool writes;	  /* the mailbox is opened for writing */
	bool as_root;	  /* does not read the mailbox: stays what it is */
	int (*run)(struct ctl_box *, char **argv);
	const char *help;
};
/* NULL at the end of its names. */
extern const struct ctl_verb ctl_mailbox_verbs[];

int ctl_verify(struct ctl_box *, char **);
int ctl_repair(struct ctl_box *, char **);
int ctl_reindex(struct ctl_box *, char **);
int ctl_stat(struct ctl_box *, char **);
int ctl_who(struct ctl_box *, char **);
int ctl_import(struct ctl_box *, char **);

/* The names of what may lie beside a mailbox; NULL behind them. */
extern const char *const ctl_beside[];
/* One of them, for reading and writing; -1: not to be had. */
int ctl_open_beside(const struct ctl_box *, const char *name);
/* It is there, and is not what others would open: a plain file of the user's
 * with one name. */
bool ctl_unfit(const struct ctl_box *, const char *name);

/* pennyctl queue: argv[0] is the verb.  config: NULL: the default.  -1: there
 * is no such verb. */
int ctl_queue(const char *config, int argc, char **argv);
void ctl_queue_usage(void);

/* The verbs that are about the daemons; argv[0] is the verb.  config: NULL:
 * the default.  -1: wrong usage. */
int ctl_status(const char *config, int argc, char **argv);
int ctl_top(const char *config, int argc, char **argv);
int ctl_sessions(const char *config, int argc, char **argv);
int ctl_kick(const char *config, int argc, char **argv);
int ctl_metrics(const char *config, int argc, char **argv);
int ctl_passwd(const char *config, int argc, char **argv);
int ctl_check(const char *config, int argc, char **argv);
int ctl_log(const char *config, int argc, char **argv);
/* The exit status of that child; -1: it has none. */
int ctl_wait(pid_t);
/* Verifies the mailbox of each user of the file, one process each: the worst
 * exit code. */
int ctl_verify_all(const char *config);

/* A line on standard error: "pennyctl: alice: ...". */
void ctl_say(const struct ctl_box *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* On a terminal: how far it is. */
void ctl_progress(void *arg, const char *what, uint64_t done, uint64_t all);
/* Its line is wiped out. */
void ctl_progress_end(void);
/* A pass over the mailbox: ctl_count() is told of its messages, ctl_tell() of
 * how far it is. */
struct ctl_pass {
	struct ctl_box *box;
	uint64_t size;	  /* of the mailbox */
	uint64_t n, wire; /* messages so far, their octets by POP3 */
	uint32_t last;	  /* flags of the last one */
};
enum status ctl_count(void *pass, const struct mbox_msg *);
void ctl_tell(void *pass, uint64_t at);
/* Brings the index up to date, unique-ids and all. */
enum status ctl_index(struct ctl_box *);
#endif
