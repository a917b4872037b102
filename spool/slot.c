/* The deliveries in flight.  Runs in: queue. */
#include "spool/slot.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "common/log.h"
#include "common/msg.h"
#include "common/role.h"
#include "common/service.h"

enum {
	OPEN_WAIT = 60000,    /* ms; a user database may be slow */
	APPEND_WAIT = 600000, /* ms; append's own waits are shorter */
	RUN_WAIT = 3900000,   /* ms; so is what deliver lets a command have */
	OPEN_TRIES = 3
};

static struct slot *slots, *free_slots;
static unsigned slots_n;
static int intro_sock = -1;
static const struct slot_owner *owner;
static struct msg m; /* 64 KiB: not on the stack */

int64_t
time_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void
slots_init(unsigned n, int intro, const struct slot_owner *o)
{
	slots = calloc(n, sizeof(*slots));
	if (slots == NULL)
		fatal("out of memory for %u deliveries at once", n);
	slots_n = n;
	free_slots = NULL;
	for (unsigned i = 0; i < n; i++) {
		slots[i] = (struct slot){
			.sock = -1, .append = -1, .next = free_slots
		};
		free_slots = &slots[i];
	}
	intro_sock = intro;
	owner = o;
}

static void
close_sock(struct slot *s)
{
	watch_del(s->sock_watch);
	s->sock_watch = NULL;
	close_fd(&s->sock);
}

static void
close_append(struct slot *s)
{
	watch_del(s->append_watch);
	s->append_watch = NULL;
	close_fd(&s->append);
}

void
slots_free(void)
{
	for (unsigned i = 0; i < slots_n; i++) {
		close_sock(&slots[i]);
		close_append(&slots[i]);
	}
	free(slots);
	slots = free_slots = NULL;
	slots_n = 0;
	close_fd(&intro_sock);
}

void
slots_intro(int intro)
{
	close_fd(&intro_sock);
	intro_sock = intro;
}

static void
ended(struct slot *s)
{
	s->state = SLOT_FREE;
	close_append(s);
	owner->done(s);
	forwarding_free(&s->forwarding);
	s->turn = NULL;
	s->next = free_slots;
	free_slots = s;
	owner->freed();
}

static void
failed(struct slot *s, const char *text)
{
	s->d.status = ERR_DOWN;
	snprintf(s->d.text, sizeof(s->d.text), "%s", text);
	ended(s);
}

/* m is a question to deliver. */
static void
ask(struct slot *s, enum slot_state state, int64_t ms)
{
	s->state = state;
	s->deadline = now_ms() + ms;
	if (msg_send(s->sock, &m) == -1) {
		close_sock(s);
		failed(s, "deliver has gone");
	}
}

/* Asks deliver to open the mailbox. */
static void
open_mailbox(struct slot *s)
{
	deliver_put_open(&m, &s->d);
	if (s->kind == KIND_USER)
		m.type = DELIVER_OPEN_HERE;
	ask(s, SLOT_OPENING, OPEN_WAIT);
}

/* ---- forwarding ---- */

static void
forwarded(struct slot *s)
{
	forward_got(&m, &s->d, &s->forwarding);
	if (s->d.status == ERR_GONE) { /* nowhere else */
		s->kind = KIND_USER;
		open_mailbox(s);
		return;
	}
	if (s->d.status == OK)
		s->d.status = ERR_FORWARD;
	ended(s);
}

static void
run(struct slot *s)
{
	if (owner->content(s) != OK) { /* not the command's fault */
		failed(s, "the record cannot be read");
		return;
	}
	run_put(&m,
	    &(struct run){
		.kind = s->kind == KIND_COMMAND ? TARGET_COMMAND : TARGET_FILE,
		.source = s->source,
		.user = s->as,
		.text = s->recipient,
		.id = s->d.id,
		.sender = s->d.sender,
		.original = s->d.original,
		.offset = s->d.offset,
		.length = s->d.length,
		.file = s->d.file });
	ask(s, SLOT_RUNNING, RUN_WAIT);
}

/* A command or a file has had the message. */
static void
ran(struct slot *s)
{
	enum run_outcome o;

	if (!run_got(&m, &o, s->dsn, s->d.text)) {
		close_fd(&m.fd);
		s->dsn[0] = '\0';
		failed(s, "deliver's answer made no sense");
		return;
	}
	s->opened_us = s->began_us;
	if (o == RUN_STALE && s->source == SOURCE_FORWARD) {
		/* He has changed his mind, and it is still his. */
		snprintf(s->recipient, sizeof(s->recipient), "%s", s->as);
		s->kind = KIND_USER;
		s->dsn[0] = '\0';
		open_mailbox(s);
		return;
	}
	s->failed = o == RUN_FAILED;
	s->d.status = o == RUN_DONE ? OK : ERR_IO;
	ended(s);
}

static void
append_ready(void *arg, uint32_t events)
{
	struct slot *s = arg;

	(void)events;
	int rc = msg_recv(s->append, &m);
	if (rc == -1 && errno == EAGAIN)
		return;
	if (rc != 1) {
		failed(s, "append has gone");
		return;
	}
	deliver_got_append(&m, &s->d);
	if (s->d.status == ERR_CHANGED && ++s->tries < OPEN_TRIES &&
	    s->sock != -1) {
		close_append(s);
		open_mailbox(s);
		return;
	}
	ended(s);
}

/* deliver has answered: with a channel to append, or why not. */
static void
opened(struct slot *s)
{
	s->append = deliver_got_open(&m, &s->d);
	s->opened_us = time_us();
	if (s->d.status == ERR_FORWARD && s->kind == KIND_ADDRESS) {
		forward_put_ask(&m, s->d.recipient);
		ask(s, SLOT_FORWARDING, OPEN_WAIT);
		return;
	}
	if (s->append == -1) {
		ended(s);
		return;
	}
	s->state = SLOT_APPENDING;
	s->deadline = now_ms() + APPEND_WAIT;
	if (owner->content(s) != OK) { /* not the mailbox's fault */
		failed(s, "the record cannot be read");
		return;
	}
	deliver_put_append(&m, &s->d); /* m.fd is borrowed */
	s->append_watch = watch_add(s->append, EPOLLIN, append_ready, s);
	if (s->append_watch == NULL || msg_send(s->append, &m) == -1)
		failed(s, "append does not listen");
}

/* Does deliver owe it an answer? */
static bool
asking(const struct slot *s)
{
	return s->state == SLOT_OPENING || s->state == SLOT_FORWARDING ||
	       s->state == SLOT_RUNNING;
}

static void
sock_ready(void *arg, uint32_t events)
{
	struct slot *s = arg;

	(void)events;
	int rc = msg_recv(s->sock, &m);
	if (rc == -1 && errno == EAGAIN)
		return;
	if (rc == 1 && s->state == SLOT_OPENING &&
	    m.type ==
		(s->kind == KIND_USER ? DELIVER_OPEN_HERE : DELIVER_OPEN)) {
		opened(s);
		return;
	}
	if (rc == 1 && s->state == SLOT_FORWARDING &&
	    m.type == DELIVER_FORWARD) {
		forwarded(s);
		return;
	}
	if (rc == 1 && s->state == SLOT_RUNNING && m.type == DELIVER_RUN) {
		ran(s);
		return;
	}
	close_fd(&m.fd);
	close_sock(s);
	if (asking(s))
		failed(s, "deliver has gone");
}

int
slots_channel(void)
{
	const struct intro who = { .kind = INTRO_QUEUE };

	if (intro_sock == -1)
		return -1;
	int sock = introduce(intro_sock, &who);
	if (sock == -1 &&
	    (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN))
		close_fd(&intro_sock);
	return sock;
}

static bool
connect_slot(struct slot *s)
{
	s->sock = slots_channel();
	if (s->sock == -1)
		return false;
	s->sock_watch = watch_add(s->sock, EPOLLIN, sock_ready, s);
	if (s->sock_watch == NULL)
		close_fd(&s->sock);
	return s->sock != -1;
}

struct slot *
slot_free_one(void)
{
	struct slot *s = free_slots;

	if (s == NULL || (s->sock == -1 && !connect_slot(s)))
		return NULL;
	return s;
}

void
slot_start(struct slot *s)
{
	assert(s == free_slots && s->state == SLOT_FREE);
	free_slots = s->next;
	s->tries = 0;
	s->opened_us = 0;
	s->began_us = time_us();
	s->failed = false;
	s->dsn[0] = '\0';
	if (s->kind == KIND_COMMAND || s->kind == KIND_FILE)
		run(s);
	else
		open_mailbox(s);
}

void
slots_tick(void)
{
	int64_t now = now_ms();

	for (unsigned i = 0; i < slots_n; i++) {
		struct slot *s = &slots[i];
		if (s->state == SLOT_FREE || s->deadline > now)
			continue;
		/* A late answer must not be taken for the next one's. */
		if (asking(s))
			close_sock(s);
		failed(s, "no answer in time");
	}
}

void
slots_drain(int64_t ms)
{
	int64_t until = now_ms() + ms;

	for (unsigned i = 0; i < slots_n; i++) {
		struct slot *s = &slots[i];
		while (s->state == SLOT_APPENDING && now_ms() < until) {
			struct pollfd p = { .fd = s->append, .events = POLLIN };
			close_sock(s); /* no second try */
			if (poll(&p, 1, (int)(until - now_ms())) == 1)
				append_ready(s, 0);
		}
		while (s->state == SLOT_RUNNING && now_ms() < until) {
			struct pollfd p = { .fd = s->sock, .events = POLLIN };
			if (poll(&p, 1, (int)(until - now_ms())) == 1)
				sock_ready(s, 0);
		}
	}
}
