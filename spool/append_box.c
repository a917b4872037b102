/* Deliveries that wait for their mailbox.  Runs in: append. */
#define _GNU_SOURCE
#include "spool/append_box.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "spool/lock.h"
#include "spool/pace.h"

enum {
	BATCH_MAX = 64,		/* messages */
	BATCH_OCTETS = 1 << 20, /* of content */
	WAITING_MAX = 2,	/* in front of a mailbox that is held */
	PAUSED_MAX = 256,	/* while we hold back ourselves */
	RETRY_MAX = 50,		/* ms between two tries for a lock */
	TURNSTILE_STEP = 10,	/* ms between two looks at it */
	DOTLOCK_ANSWER = 30000	/* ms; the opener may look up the user */
};

struct box {
	uint64_t dev, ino;
	struct job *head, **tail;
	unsigned n;
	bool busy;	     /* somebody else holds the lock */
	bool paused;	     /* others are given a chance */
	int64_t closed;	     /* now_ms(): found the turnstile so; 0: open */
	int64_t until, step; /* while busy: now_ms() of the end, ms */
	struct timer *retry; /* while busy or paused */
	struct box *next;
};

static int opener;
static void (*job_done)(struct job *, enum status);
static struct box *boxes;
static struct job *refused;
static struct timer *turn;
static struct pace pace;

void
box_init(int ctl, void (*done)(struct job *, enum status))
{
	opener = ctl;
	job_done = done;
	boxes = NULL;
	refused = NULL;
	turn = NULL;
	memset(&pace, 0, sizeof(pace));
}

static void
box_free(struct box *b)
{
	struct box **at = &boxes;

	assert(b->head == NULL);
	while (*at != b)
		at = &(*at)->next;
	*at = b->next;
	timer_del(b->retry);
	free(b);
}

static struct box *
box_of(const struct job *j)
{
	for (struct box *b = boxes; b != NULL; b = b->next)
		if (b->dev == j->dev && b->ino == j->ino)
			return b;
	struct box *b = calloc(1, sizeof(*b));
	if (b == NULL)
		return NULL;
	*b = (struct box){ .dev = j->dev, .ino = j->ino, .next = boxes };
	b->tail = &b->head;
	boxes = b;
	return b;
}

static struct job *
box_pop(struct box *b)
{
	struct job *j = b->head;

	b->head = j->next;
	if (b->head == NULL)
		b->tail = &b->head;
	b->n--;
	j->box = NULL;
	j->next = NULL;
	return j;
}

/* ---- locks ---- */

/* Asks the opener, who has the right. */
static enum status
ask_dotlock(const struct lock_both *b, bool take)
{
	static struct msg m;

	msg_start(&m, take ? DOTLOCK_TAKE : DOTLOCK_RELEASE);
	if (take)
		msg_put_str(&m, b->user);
	if (!msg_call(opener, &m, DOTLOCK_ANSWER))
		fatal("no answer about a dotlock");
	enum status st = status_unpack(msg_get_u32(&m));
	if (!msg_done(&m) || m.fd != -1)
		fatal("the answer about a dotlock made no sense");
	return st;
}

static struct lock_both
locks_of(const struct job *j)
{
	return (struct lock_both){ .fd = j->mbox,
		.dirfd = j->dir,
		.name = j->grant.name,
		.dotlock = j->grant.dotlock ? ask_dotlock : NULL,
		.user = j->grant.user };
}

/* ---- batches ---- */

struct batch {
	struct job *job[BATCH_MAX];
	struct append_msg msg[BATCH_MAX];
	enum status st[BATCH_MAX];
	unsigned n;
	size_t octets;
};

/* May j be written together with what is in the batch?  Content in a file may
 * shrink while it is read, so it shares its fate with nobody. */
static bool
fits(const struct batch *b, const struct job *j)
{
	return b->n == 0 ||
	       (b->n < BATCH_MAX && j->file == -1 && b->job[0]->file == -1 &&
		   b->octets + j->content_n <= BATCH_OCTETS &&
		   b->job[0]->grant.mboxrd == j->grant.mboxrd);
}

static void
batch_add(struct batch *b, struct job *j)
{
	b->job[b->n] = j;
	b->msg[b->n] = (struct append_msg){ .sender = j->sender,
		.original_to = j->original,
		.delivered_to = j->grant.delivered_to,
		.content = { j->content, j->content_n },
		.file = j->file,
		.offset = j->offset,
		.length = j->length };
	b->octets += j->content_n;
	b->n++;
}

/* Writes the batch.  When there is not room for all there may be for some. */
static void
batch_write(struct batch *b)
{
	int64_t now = (int64_t)time(NULL);
	const struct job *first = b->job[0];
	const struct append_target to = { .mbox = first->mbox,
		.intent = first->intent,
		.mboxrd = first->grant.mboxrd,
		.size_max = first->grant.quota };
	enum status all = append_to(&to, b->msg, b->n, now);

	for (unsigned i = 0; i < b->n; i++)
		b->st[i] = all;
	if (b->n == 1 ||
	    (all != ERR_NOSPACE && all != ERR_QUOTA && all != ERR_NOMEM))
		return;
	for (unsigned i = 0; i < b->n; i++)
		b->st[i] = append_to(&to, &b->msg[i], 1, now);
}

static void
finish(struct job *j, enum status st)
{
	if (st != OK && st != ERR_BUSY)
		log_warn("warning: %s: mailbox of %s: %s", j->id, j->grant.user,
		    status_text(st));
	job_done(j, st);
}

/* The lock is held through the first job's descriptor. */
static void
box_write(struct box *b)
{
	static struct batch batch;
	const struct lock_both locks = locks_of(b->head);
	int64_t from = now_ms();

	batch.n = 0;
	batch.octets = 0;
	while (b->head != NULL && fits(&batch, b->head))
		batch_add(&batch, box_pop(b));
	batch_write(&batch);
	lock_release_both(&locks);
	pace_held(&pace, b->dev, b->ino, from, now_ms());
	for (unsigned i = 0; i < batch.n; i++)
		finish(batch.job[i], batch.st[i]);
}

/* ---- a mailbox' turn ---- */

static void box_run(struct box *b);

static void
retry_due(void *arg)
{
	struct box *b = arg;

	b->retry = NULL;
	box_run(b);
}

/* Somebody else holds the mailbox: a few wait, the others need not. */
static void
box_wait(struct box *b)
{
	int64_t now = now_ms();

	if (!b->busy) {
		b->busy = true;
		b->until = now + b->head->grant.lock_wait;
		b->step = 1;
	}
	int64_t left = b->until - now;
	unsigned stay = left > 0 ? WAITING_MAX : 0;
	struct job *out = NULL, **end = &out;
	struct job **at = &b->head;
	for (unsigned i = 0; i < stay && *at != NULL; i++)
		at = &(*at)->next;
	*end = *at;
	*at = NULL;
	b->tail = at;
	while (out != NULL) {
		struct job *j = out;
		out = j->next;
		j->next = NULL;
		j->box = NULL;
		b->n--;
		finish(j, ERR_BUSY);
	}
	if (b->head == NULL) {
		box_free(b);
		return;
	}
	b->retry = timer_add(b->step < left ? b->step : left, retry_due, b);
	b->step = b->step * 2 < RETRY_MAX ? b->step * 2 : RETRY_MAX;
}

/* All wait, for ms. */
static void
box_pause(struct box *b, int64_t ms)
{
	b->paused = true;
	b->retry = timer_add(ms, retry_due, b);
}

/* Locks the mailbox for the first job.  *pause: so many ms all hold back, so
 * that others get at it; the status is no matter then. */
static enum status
box_lock(struct box *b, int64_t *pause)
{
	const struct job *j = b->head;
	int64_t now = now_ms();

	*pause = 0;
	if (!b->busy && j->grant.dotlock)
		*pause = pace_wait(&pace, b->dev, b->ino, now);
	if (*pause > 0)
		return ERR_BUSY;
	if (!turnstile_closed(j->intent)) {
		b->closed = 0;
		const struct lock_both locks = locks_of(j);
		return lock_try_both(&locks);
	}
	if (b->closed == 0)
		b->closed = now;
	if (!b->busy && now - b->closed < TURNSTILE_MS)
		*pause = TURNSTILE_STEP;
	return ERR_BUSY;
}

static void
box_run(struct box *b)
{
	b->paused = false;
	while (b->head != NULL) {
		int64_t pause;
		enum status st = box_lock(b, &pause);
		if (pause > 0) {
			box_pause(b, pause);
			return;
		}
		if (st == ERR_BUSY) {
			box_wait(b);
			return;
		}
		b->busy = false;
		if (st == OK)
			box_write(b);
		else
			finish(box_pop(b), st);
	}
	box_free(b);
}

/* The end of a turn of the loop: all that came in it is there. */
static void
turn_due(void *arg)
{
	struct box *next;

	(void)arg;
	turn = NULL;
	while (refused != NULL) {
		struct job *j = refused;
		refused = j->next;
		j->next = NULL;
		finish(j, j->refused);
	}
	for (struct box *b = boxes; b != NULL; b = next) {
		next = b->next;
		if (!b->busy && !b->paused)
			box_run(b);
	}
}

void
box_refuse(struct job *j, enum status st)
{
	if (turn == NULL)
		turn = timer_add(0, turn_due, NULL);
	j->refused = st;
	j->next = refused;
	refused = j;
}

void
box_queue(struct job *j)
{
	struct box *b = box_of(j);

	if (b == NULL) {
		box_refuse(j, ERR_NOMEM);
		return;
	}
	if ((b->busy && b->n >= WAITING_MAX) ||
	    (b->paused && b->n >= PAUSED_MAX)) {
		box_refuse(j, ERR_BUSY);
		return;
	}
	if (turn == NULL)
		turn = timer_add(0, turn_due, NULL);
	j->box = b;
	*b->tail = j;
	b->tail = &j->next;
	b->n++;
}

static void
list_remove(struct job **at, const struct job *j)
{
	while (*at != NULL && *at != j)
		at = &(*at)->next;
	if (*at != NULL)
		*at = j->next;
}

void
box_forget(struct job *j)
{
	struct box *b = j->box;

	if (b == NULL) {
		list_remove(&refused, j);
		return;
	}
	list_remove(&b->head, j);
	for (b->tail = &b->head; *b->tail != NULL;)
		b->tail = &(*b->tail)->next;
	b->n--;
	j->box = NULL;
	/* One that does not wait is freed when its turn comes. */
	if (b->head == NULL && (b->busy || b->paused))
		box_free(b);
}
