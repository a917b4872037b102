/*
 * Asking expand.  Runs in: queue.
 *
 *	line --> RESOLVE --lists among them--> LIST --> PAGE ... --.
 *	           |  ^----------------------------------'---------'
 *	           `--all recipients asked--> rest()
 */
#include "spool/expander.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/log.h"
#include "common/msg.h"
#include "common/role.h"
#include "common/service.h"
#include "spool/ask_expand.h"
#include "spool/expand_step.h"
#include "spool/handout_remote.h"

enum { ANSWER_MS = 60000 };

/* A message in the line. */
struct pass {
	struct letter *letter;
	bool *taken; /* owned; recipients that go elsewhere, or nowhere */
	unsigned next_rcpt;
	struct pass *next;
};

static int intro_sock = -1, sock = -1;
static bool there; /* is there an expand at all? */
static struct watch *sock_watch;
static struct timer *timer;
static const struct settings *settings;
static void (*rest)(struct letter *, const bool *);
static struct pass *first, **last = &first;
static bool working; /* the first one's question is under way */
static struct msg m; /* 64 KiB: not on the stack */

/* The batch at hand: recipients, what they are, and which is a list to be
 * looked into. */
static struct {
	unsigned rcpt[EXPAND_BATCH];
	struct expand_answer answer[EXPAND_BATCH];
	unsigned n, at;
	struct expand_list list;
	struct alias_target *target; /* owned */
	unsigned target_n;
} batch;

static void ask_next(void);

/* ---- the channel ---- */

static void
hang_up(void)
{
	watch_del(sock_watch);
	sock_watch = NULL;
	close_fd(&sock);
	timer_del(timer);
	timer = NULL;
}

static void
batch_clear(void)
{
	free(batch.target);
	batch.target = NULL;
	batch.target_n = batch.n = batch.at = 0;
}

/* ---- the end of a message's pass ---- */

static bool
to_ask(const struct letter *l, unsigned i)
{
	const struct envelope_rcpt *c = &l->rec.env.rcpt[i];

	return rcpt_to_do(c->state) && c->kind == KIND_ADDRESS &&
	       !remote_has(l, i);
}

static void
pass_end(void)
{
	struct pass *p = first;
	struct letter *l = p->letter;

	first = p->next;
	if (first == NULL)
		last = &first;
	working = false;
	batch_clear();
	rest(l, p->taken);
	free(p->taken);
	free(p);
	l->open--; /* the pass itself */
	letter_settle(l);
}

static void
decide(unsigned i, struct attempt a, bool soon)
{
	struct pass *p = first;

	p->taken[i] = true;
	a.active_us = p->letter->active_us;
	letter_result(p->letter, i, &a, soon);
}

/* expand has gone: what of the message was not asked is asked soon again. */
static void
pass_fail(void)
{
	struct pass *p = first;
	unsigned begin = batch.n > 0 ? batch.rcpt[batch.at] : p->next_rcpt;

	hang_up();
	for (unsigned i = begin; i < p->letter->rec.env.rcpt_n; i++)
		if (to_ask(p->letter, i) && !p->taken[i])
			decide(i,
			    (struct attempt){ .status = ERR_DOWN,
				.text = "aliases cannot be asked now" },
			    true);
	pass_end();
}

/* ---- questions ---- */

static void
overdue(void *arg)
{
	(void)arg;
	timer = NULL;
	log_warn("warning: the role expand does not answer");
	pass_fail();
	ask_next();
}

static void ready(void *arg, uint32_t events);

static bool
connected(void)
{
	const struct intro who = { .kind = INTRO_QUEUE };

	if (sock != -1)
		return true;
	if (intro_sock == -1)
		return false;
	sock = introduce(intro_sock, &who);
	if (sock == -1)
		return false;
	sock_watch = watch_add(sock, EPOLLIN, ready, NULL);
	if (sock_watch == NULL)
		close_fd(&sock);
	return sock != -1;
}

/* m is the question. */
static bool
ask(void)
{
	if (!connected() || msg_send(sock, &m) == -1)
		return false;
	timer_del(timer);
	timer = timer_add(ANSWER_MS, overdue, NULL);
	return true;
}

/* The next recipients of the first message.  False: there are none. */
static bool
gather(struct pass *p)
{
	const struct envelope *e = &p->letter->rec.env;

	batch_clear();
	for (; p->next_rcpt < e->rcpt_n && batch.n < EXPAND_BATCH;
	     p->next_rcpt++)
		if (to_ask(p->letter, p->next_rcpt))
			batch.rcpt[batch.n++] = p->next_rcpt;
	return batch.n > 0;
}

static void
put_batch(const struct pass *p)
{
	static char text[EXPAND_BATCH][ADDR_MAX + 1];
	const char *address[EXPAND_BATCH];

	for (unsigned k = 0; k < batch.n; k++) {
		view_copy(p->letter->rec.env.rcpt[batch.rcpt[k]].address,
		    text[k], sizeof(text[k]));
		address[k] = text[k];
	}
	expand_put_resolve(&m, address, batch.n);
}

static void
ask_next(void)
{
	while (first != NULL && !working) {
		if (!gather(first)) {
			pass_end();
			continue;
		}
		put_batch(first);
		working = true;
		if (!ask())
			pass_fail();
	}
}

/* ---- answers ---- */

/* A list that leads to nobody but its own name. */
static bool
is_itself(const struct alias_target *t, struct view address)
{
	return (t->kind == TARGET_ADDRESS || t->kind == TARGET_USER) &&
	       view_caseeqs(address, t->text);
}

static void
list_done(struct pass *p)
{
	unsigned i = batch.rcpt[batch.at];
	const struct attempt began = { .active_us = p->letter->active_us };

	if (batch.target_n != 1 ||
	    !is_itself(&batch.target[0], p->letter->rec.env.rcpt[i].address)) {
		p->taken[i] = true;
		expand_members(p->letter, i,
		    &(struct alias_list){
			.delivered_to = batch.answer[batch.at].text,
			.owner = batch.list.owner,
			.alias_user = settings->alias_user,
			.target = batch.target,
			.n = batch.target_n },
		    &began);
	}
	free(batch.target);
	batch.target = NULL;
	batch.target_n = 0;
}

/* What is no list is decided at once; with a list: asks for it. */
static bool
go_on(struct pass *p)
{
	for (; batch.at < batch.n; batch.at++) {
		const struct expand_answer *a = &batch.answer[batch.at];
		unsigned i = batch.rcpt[batch.at];
		char text[EXPAND_TEXT_MAX + 32];
		char address[ADDR_MAX + 1];

		switch (a->kind) {
		case EXPAND_LIST:
			view_copy(p->letter->rec.env.rcpt[i].address, address,
			    sizeof(address));
			expand_put_list(&m, address);
			return ask();
		case EXPAND_MOVED:
			snprintf(text, sizeof(text), "moved to %s", a->text);
			decide(i,
			    (struct attempt){ .status = ERR_GONE,
				.failed = true,
				.dsn = "5.1.6",
				.text = text },
			    false);
			break;
		case EXPAND_LATER:
			decide(i,
			    (struct attempt){
				.status = ERR_IO, .text = a->text },
			    false);
			break;
		case EXPAND_ERROR:
			decide(i,
			    (struct attempt){ .status = ERR_INVALID,
				.failed = a->more[0] == '5',
				.dsn = a->more[0] == '\0' ? NULL : a->more,
				.text = a->text },
			    false);
			break;
		default: /* deliver knows */
			break;
		}
	}
	working = false;
	return true;
}

static bool
got_list(struct pass *p)
{
	if (!expand_got_list(&m, &batch.list))
		return false;
	if (batch.list.a.kind != EXPAND_LIST) { /* by now */
		batch.answer[batch.at] = batch.list.a;
		return go_on(p);
	}
	batch.target = calloc(batch.list.n, sizeof(*batch.target));
	if (batch.target == NULL)
		return false;
	expand_put_page(&m, 0);
	return ask();
}

static bool
got_page(struct pass *p)
{
	uint32_t n;

	if (batch.target == NULL || !expand_got_page(&m, &n) ||
	    n > batch.list.n - batch.target_n)
		return false;
	while (n-- > 0)
		if (!expand_got_target(&m, &batch.target[batch.target_n++]))
			return false;
	if (!msg_done(&m) || batch.target_n == 0)
		return false;
	if (batch.target_n < batch.list.n) {
		expand_put_page(&m, batch.target_n);
		return ask();
	}
	list_done(p);
	batch.at++;
	return go_on(p);
}

static bool
answered(struct pass *p)
{
	switch (m.type) {
	case EXPAND_RESOLVE:
		return expand_got_resolve(&m, batch.answer, batch.n) &&
		       go_on(p);
	case EXPAND_LIST_OPEN:
		return got_list(p);
	case EXPAND_LIST_PAGE:
		return got_page(p);
	default:
		return false;
	}
}

static void
ready(void *arg, uint32_t events)
{
	int rc = msg_recv(sock, &m);

	(void)arg;
	(void)events;
	if (rc == -1 && errno == EAGAIN)
		return;
	timer_del(timer);
	timer = NULL;
	if (rc != 1 || !working) {
		close_fd(&m.fd);
		if (working)
			pass_fail();
		else
			hang_up();
	} else if (!answered(first)) {
		close_fd(&m.fd);
		pass_fail();
	}
	ask_next();
}

/* ---- the line ---- */

static struct timer *kick;

static void
kicked(void *arg)
{
	(void)arg;
	kick = NULL;
	ask_next();
}

bool
expander_start(struct letter *l)
{
	const struct envelope *e = &l->rec.env;
	bool any = false;

	if (!there ||
	    (settings->alias_file_n == 0 && settings->virtual_file_n == 0))
		return false;
	for (unsigned i = 0; i < e->rcpt_n && !any; i++)
		any = to_ask(l, i);
	struct pass *p = any ? calloc(1, sizeof(*p)) : NULL;
	if (p != NULL)
		p->taken = calloc(e->rcpt_n, sizeof(*p->taken));
	if (p == NULL || p->taken == NULL) {
		free(p);
		if (!any)
			return false;
		/* Not to be delivered unasked. */
		for (unsigned i = 0; i < e->rcpt_n; i++)
			if (rcpt_to_do(e->rcpt[i].state))
				letter_result(l, i,
				    &(struct attempt){
					.status = ERR_NOMEM, .text = "" },
				    false);
		return true;
	}
	p->letter = l;
	l->open++;
	*last = p;
	last = &p->next;
	/* Not before whoever called has said his last word about it. */
	if (kick == NULL)
		kick = timer_add(0, kicked, NULL);
	return true;
}

void
expander_init(int intro, void (*rest_of)(struct letter *, const bool *))
{
	there = intro != -1;
	intro_sock = intro;
	rest = rest_of;
}

void
expander_settings(const struct settings *s)
{
	settings = s;
}

void
expander_intro(int fd)
{
	hang_up();
	close_fd(&intro_sock);
	intro_sock = fd;
	there = true;
	if (working)
		pass_fail();
	ask_next();
}
