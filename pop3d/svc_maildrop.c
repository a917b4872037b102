/*
 * The maildrop role.  Runs in: maildrop, as root; in the file system always as
 * the user whose mailbox it is.
 *
 * A peer is a right: a channel that auth made for one user.  Whoever asks on it
 * is believed to be that user and nothing else.  The role keeps no lock and no
 * mailbox open: what it opens goes to the asker.
 */
#define _GNU_SOURCE
#include "pop3d/svc_maildrop.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/msg.h"
#include "common/service.h"
#include "pop3d/ask_maildrop.h"
#include "pop3d/dels.h"
#include "pop3d/lang.h"
#include "pop3d/login_delay.h"
#include "pop3d/recover.h"
#include "pop3d/update_child.h"
#include "spool/lock.h"
#include "spool/mbox.h"

enum {
	INDEXED_MAX = 4, /* children for one session's index */
	HOST_NAME = 256
};

/* What a peer has: its state. */
struct right {
	struct user user;
	struct mailbox_path path;
	bool locked, opened; /* it was handed the lock, the mailbox */
	unsigned indexed;    /* so often a child made the index */
	struct dels dels;    /* gathered for the update */
};

/* Somebody who waits for a child. */
struct waiting {
	uint64_t peer;
	enum maildrop_request what;
	unsigned n;
	unsigned cap; /* what dels_give said */
};

static struct settings *settings;
static char host[HOST_NAME];
static int log_fd = -1;

static enum answer answer_lock(struct peer *, struct msg *, struct msg *);
static enum answer answer_open(struct peer *, struct msg *, struct msg *);
static enum answer answer_file(struct peer *, struct msg *, struct msg *);
static enum answer answer_delete(struct peer *, struct msg *, struct msg *);
static enum answer answer_commit(struct peer *, struct msg *, struct msg *);
static void right_gone(struct peer *);

enum {
	MAY_UPDATE = BIT(MAILDROP_DELETE) | BIT(MAILDROP_COMMIT),
	MAY_ALL = MAY_UPDATE | BIT(MAILDROP_FILE)
};

/* clang-format off */
static const struct request requests[] = {
	{ MAILDROP_LOCK,   4, 4, false, BIT(MAILDROP_OPEN), answer_lock,   "lock" },
	{ MAILDROP_OPEN,   0, 0, false, MAY_ALL,            answer_open,   "open" },
	{ MAILDROP_FILE,   4, 4, false, MAY_ALL,            answer_file,   "file" },
	{ MAILDROP_DELETE, DELS_OCTETS_MIN, MSG_DATA_MAX,
				 false, MAY_UPDATE,         answer_delete, "delete" },
	{ MAILDROP_COMMIT, 12, 12, false, 0,                  answer_commit, "commit" },
};
/* clang-format on */

static const struct service service = { .name = "session",
	.requests = requests,
	.n = NELEM(requests),
	.first = BIT(MAILDROP_LOCK),
	.gone = right_gone };

static void
right_free(struct right *r)
{
	dels_free(&r->dels);
	free(r);
}

static void
right_gone(struct peer *p)
{
	right_free(p->state);
	p->state = NULL;
}

/* Status, a sentence for the user, and a descriptor (taken). */
static enum answer
answer_fd(struct msg *rp, enum status st, const char *text, int fd)
{
	msg_put_u32(rp, status_pack(st));
	msg_put_str(rp, text);
	rp->fd = fd;
	return ANSWER;
}

/* Why it failed goes into the log; the user gets no path to see. */
static const char *
not_opened(enum status st, const char *why)
{
	log_error("error: %s", why);
	if (st == ERR_PERM || st == ERR_UNSAFE)
		return LANG_TEXT("The mailbox is not fit to be opened; ask the "
				 "postmaster.");
	return LANG_TEXT("The mailbox cannot be opened now; try again later.");
}

/* In whole seconds, as CAPA announces it. */
static int64_t
login_delay(void)
{
	return (settings->login_delay + 999) / 1000;
}

static enum answer
answer_lock(struct peer *p, struct msg *rq, struct msg *rp)
{
	struct right *r = p->state;
	char why[300] = "", holder[120] = "";
	uint32_t pid = msg_get_u32(rq);
	int state = -1, fd = -1;

	if (!msg_done(rq) || pid > INT32_MAX)
		return ANSWER_DROP;
	enum status st =
	    state_open(&r->path, &r->user, &state, why, sizeof(why));
	if (st == OK && login_delay() > 0) {
		unsigned early =
		    login_too_early(state, &r->user, login_delay(), time(NULL));
		if (early > 0) {
			close_fd(&state);
			snprintf(holder, sizeof(holder), "%u", early);
			return answer_fd(rp, ERR_LIMIT, holder, -1);
		}
	}
	if (st == OK) {
		st = session_lock(state, &r->user, (pid_t)pid, host, &fd,
		    holder, sizeof(holder));
		if (st != OK)
			snprintf(why, sizeof(why),
			    "session lock %.100s/.pennypost/%s/lock: %s",
			    r->path.dir, r->user.name, status_text(st));
	}
	close_fd(&state);
	if (st == OK) {
		r->locked = true;
		return answer_fd(rp, OK, "", fd);
	}
	if (st == ERR_BUSY)
		return answer_fd(rp, st, holder, -1);
	/* No directory of mailboxes is no mail. */
	return answer_fd(
	    rp, st == ERR_GONE ? ERR_IO : st, not_opened(st, why), -1);
}

/* ---- open ---- */

/* The login has succeeded, as far as this role can tell. */
static void
logged_in(const struct right *r)
{
	char why[300];
	int state;

	if (login_delay() == 0)
		return;
	if (state_open(&r->path, &r->user, &state, why, sizeof(why)) != OK)
		return;
	login_note(state, &r->user, time(NULL));
	close(state);
}

static enum answer
open_mailbox(struct right *r, struct msg *rp)
{
	char why[300], path[MAILDROP_TEXT_MAX];
	int fd;
	enum status st = mailbox_open(
	    &r->path, &r->user, O_RDONLY, false, &fd, NULL, why, sizeof(why));

	if (st == OK || st == ERR_GONE)
		logged_in(r);
	if (st == ERR_GONE)
		return answer_fd(rp, st, "", -1);
	if (st != OK)
		return answer_fd(rp, st, not_opened(st, why), -1);
	r->opened = true;
	snprintf(path, sizeof(path), "%.100s/%.90s", r->path.dir, r->path.name);
	return answer_fd(rp, OK, path, fd);
}

/* A child has finished what a crash interrupted, or has failed to. */
static void
answer_opened(struct peer *p, enum status st, struct msg *rp)
{
	struct right *r = p->state;

	switch (st) {
	case OK:
	case ERR_GONE:
	case ERR_DAMAGED: /* set aside; the mailbox is as it is */
		open_mailbox(r, rp);
		break;
	case ERR_BUSY:
		answer_fd(rp, st,
		    LANG_TEXT("Another program is changing the mailbox; "
			      "try again."),
		    -1);
		break;
	default:
		answer_fd(rp, st,
		    LANG_TEXT("An interrupted update of the mailbox cannot "
			      "be finished now; try again later."),
		    -1);
		break;
	}
}

static void
answer_committed(enum status st, unsigned n, struct msg *rp)
{
	msg_put_u32(rp, status_pack(st));
	msg_put_u32(rp, st == OK ? n : 0);
	msg_put_str(rp, st == OK ? "" : status_text(st));
}

/* ---- index and imported unique-ids ---- */

/* A file of the state directory, if st is OK so far. */
static enum answer
hand_file(struct right *r, const char *name, enum status st, struct msg *rp)
{
	char why[300] = "";
	int state = -1, fd = -1;

	if (st == OK)
		st = state_open(&r->path, &r->user, &state, why, sizeof(why));
	if (st == OK)
		st = state_file_open(state, &r->user, name, O_RDONLY, &fd);
	close_fd(&state);
	return answer_fd(rp, st, "", fd);
}

static void
child_done(void *arg, enum status st)
{
	static struct msg rp; /* 64 KiB */
	struct waiting *w = arg;
	struct peer *p = service_find(w->peer);

	/* Who has gone needs no answer: QUIT was said, and is carried out. */
	if (p != NULL) {
		msg_start(&rp, p->asked);
		if (w->what == MAILDROP_COMMIT)
			answer_committed(st, w->n, &rp);
		else if (w->what == MAILDROP_OPEN)
			answer_opened(p, st, &rp);
		else
			hand_file(p->state, "index", st, &rp);
		peer_answer(p, &rp);
	}
	dels_given_back(w->cap);
	free(w);
}

static enum answer
wait_for_child(struct peer *p, const struct update_order *o,
    enum maildrop_request what, unsigned cap)
{
	struct waiting *w = malloc(sizeof(*w));

	if (w != NULL) {
		*w = (struct waiting){ p->id, what, o->n, cap };
		if (update_child_start(o, child_done, w))
			return ANSWER_LATER;
	} else {
		free(o->del);
	}
	log_error("error: out of memory");
	dels_given_back(cap);
	free(w);
	return ANSWER_DROP;
}

/* Was an update of this mailbox cut short? */
static bool
update_pending(const struct right *r)
{
	char why[300];
	int dir;

	if (mailbox_dir_open(
		&r->path, &r->user, &dir, NULL, why, sizeof(why)) != OK)
		return false; /* opening it will say why */
	bool pending = state_update_pending(dir, &r->user);
	close(dir);
	return pending;
}

static enum answer
answer_open(struct peer *p, struct msg *rq, struct msg *rp)
{
	struct right *r = p->state;

	if (!msg_done(rq) || !r->locked)
		return ANSWER_DROP;
	if (!update_pending(r))
		return open_mailbox(r, rp);
	return wait_for_child(p,
	    &(struct update_order){ .user = r->user, .path = r->path },
	    MAILDROP_OPEN, 0);
}

static enum answer
answer_file(struct peer *p, struct msg *rq, struct msg *rp)
{
	struct right *r = p->state;
	struct update_order o = { .user = r->user, .path = r->path };
	uint32_t what = msg_get_u32(rq);

	if (!msg_done(rq) || !r->opened || what > MAILDROP_TURNSTILE)
		return ANSWER_DROP;
	if (what == MAILDROP_INDEX)
		return hand_file(r, "index", OK, rp);
	if (what == MAILDROP_UIDL)
		return hand_file(r, "uidl", OK, rp);
	if (what == MAILDROP_TURNSTILE)
		return hand_file(r, TURNSTILE_FILE, OK, rp);
	if (r->indexed++ == INDEXED_MAX)
		return ANSWER_DROP;
	o.index = what == MAILDROP_INDEX_UIDS	? INDEX_UNIQUE_IDS
		  : what == MAILDROP_INDEX_ANEW ? INDEX_ANEW
						: INDEX_EXTENTS;
	return wait_for_child(p, &o, MAILDROP_FILE, 0);
}

/* ---- update ---- */

static enum answer
answer_delete(struct peer *p, struct msg *rq, struct msg *rp)
{
	struct right *r = p->state;
	enum status st = OK;

	if (!r->opened || !dels_take(&r->dels, rq, &st))
		return ANSWER_DROP;
	msg_put_u32(rp, status_pack(st));
	return ANSWER;
}

static enum answer
answer_commit(struct peer *p, struct msg *rq, struct msg *rp)
{
	struct right *r = p->state;
	uint32_t total = msg_get_u32(rq);
	int64_t ctime_ns = (int64_t)msg_get_u64(rq);

	if (!msg_done(rq) || total != r->dels.n)
		return ANSWER_DROP;
	if (total == 0) {
		answer_committed(OK, 0, rp);
		return ANSWER;
	}
	struct update_order o = { .user = r->user, .path = r->path };
	/* A false one hurts the user only whose right this is, and who may
	 * remove all of them anyway. */
	o.ctime_ns = ctime_ns;
	unsigned cap = dels_give(&r->dels, &o);
	return wait_for_child(p, &o, MAILDROP_COMMIT, cap);
}

/* ---- rights come, and the start ---- */

static void
add_right(int sock, const struct intro *in)
{
	struct right *r = calloc(1, sizeof(*r));

	if (r == NULL || in->kind != INTRO_USER)
		goto bad;
	if (!view_copy(view_of(in->user), r->user.name, sizeof(r->user.name)) ||
	    !view_copy(view_of(in->home), r->user.home, sizeof(r->user.home)))
		goto bad;
	r->user.uid = in->uid;
	r->user.gid = in->gid;
	/* Root has no mailbox here; without root we are one user only. */
	if (geteuid() == 0 ? in->uid == 0 : in->uid != geteuid())
		goto bad;
	if (mailbox_path(settings, &r->user, &r->path) != OK) {
		log_error("error: mailbox %s does not fit user %s",
		    settings->mailbox, r->user.name);
		goto bad;
	}
	if (service_add(sock, &service, r) == NULL)
		free(r);
	return;
bad:
	free(r);
	close(sock);
}

static void
add_intro(enum role_id from, int fd)
{
	if (from == ROLE_AUTH)
		service_introductions(fd, add_right);
	else
		close(fd);
}

static void
new_settings(struct settings *s)
{
	update_child_init(s, log_fd);
	settings_free(settings);
	settings = s;
}

void
svc_maildrop_main(struct role *r)
{
	settings = r->settings;
	if (gethostname(host, sizeof(host) - 1) == -1 || host[0] == '\0')
		memcpy(host, "localhost", sizeof("localhost"));
	signal(SIGCHLD, SIG_IGN); /* children are never waited for */
	signal(SIGPIPE, SIG_IGN);
	priv_drop(r, ROLE_MAILDROP, NULL);
	sandbox_enter(r, ROLE_MAILDROP);
	service_init();
	log_fd = r->peer[ROLE_LOG];
	update_child_init(settings, log_fd);
	mbox_unique_id_warm();
	role_watch_master(r, add_intro, new_settings);
	service_introductions(r->peer[ROLE_AUTH], add_right);
	recover_start(settings);
	role_ready(r);
	service_run();
	update_child_drain();
	exit(0);
}
