/* Records of the queue and crashes: deposit, expansion, reports, hold and
 * release, removal are stopped before each call that changes the disk, by
 * kill -9 and by power loss, and the queue goes on from what is left: each
 * recipient of an accepted message has it, or its sender a report.
 * TORTURE=1 in the environment takes more samples. */
#define _GNU_SOURCE
#include "spool/expand_step.h"
#include "spool/handout.h"
#include "spool/letter.h"
#include "spool/own_record.h"
#include "spool/publish.h"
#include "spool/slot.h"
#include "t/crash/queue_disk.h"
#include "t/unit/tap.h"

#include "common/file.h"
#include "common/log.h"
#include "common/msg.h"
#include "common/service.h"

static struct queue queue;
static struct sched *sched;
static struct settings settings;
static bool recovering;

/* ---- what happened ---- */

enum { FACTS = 256 };

/* Seen from outside: it stays, whatever crashes. */
static struct fact {
	char text[96];
	size_t at; /* calls before it */
} facts[FACTS];
static unsigned facts_n, facts_kept;

static void
fact(const char *what, const char *who)
{
	if (facts_n == FACTS)
		abort();
	struct fact *f = &facts[facts_n++];
	snprintf(f->text, sizeof(f->text), "%s %.80s", what, who);
	f->at = qdisk.n;
}

/* Did it happen before the crash after n calls, or after the recovery?  What is
 * good (a delivery) is not sure to have happened just before the crash; what
 * obliges (an acceptance) is. */
static bool
happened(size_t n, const char *what, const char *who, bool obliges)
{
	char text[96];

	snprintf(text, sizeof(text), "%s %.80s", what, who);
	for (unsigned i = 0; i < facts_n; i++)
		if (strcmp(facts[i].text, text) == 0 &&
		    (i >= facts_kept || facts[i].at < n ||
			(obliges && facts[i].at == n)))
			return true;
	return false;
}

/* ---- the queue without its processes ---- */

static struct publish_job *jobs_first, **jobs_last = &jobs_first;

void
publish_submit(struct publish_job *j)
{
	j->next = NULL;
	*jobs_last = j;
	jobs_last = &j->next;
}

static bool
publish_next(void)
{
	struct publish_job *j = jobs_first;

	if (j == NULL)
		return false;
	jobs_first = j->next;
	if (jobs_first == NULL)
		jobs_last = &jobs_first;
	queue_publish(&queue, &j->pub, 1);
	j->done(j);
	return true;
}

void
publish_remove(const char *id)
{
	queue_remove(&queue, id);
}

void
handout_run(void)
{
}

/* What a record says that is no report: its first line.  Of a report: the id of
 * the message. */
static void
name_of(const struct letter *l, unsigned i, char *out, size_t size)
{
	static const char log_id[] = "Final-Log-ID: ";
	static char text[65536];
	const struct envelope *e = &l->rec.env;
	size_t n = e->content_n < sizeof(text) ? (size_t)e->content_n
					       : sizeof(text) - 1;

	if (queue_record_read(&l->rec, text, n) != OK)
		abort();
	text[n] = '\0';
	const char *p = strstr(text, log_id);
	if (p != NULL)
		snprintf(out, size, "report %.12s", p + strlen(log_id));
	else if ((p = strstr(text, "Subject: ")) != NULL)
		snprintf(out, size, "%.2s %.*s", p + 9,
		    (int)e->rcpt[i].address.n, e->rcpt[i].address.p);
	else
		snprintf(out, size, "?");
}

static void
expand(struct letter *l, unsigned i)
{
	static const struct alias_target target[2] = {
		{ TARGET_ADDRESS, "member@example.org" },
		{ TARGET_ADDRESS, "bad@example.org" }
	};
	const struct attempt began = { .active_us = l->active_us };

	expand_members(l, i,
	    &(struct alias_list){ .delivered_to = "list@example.org",
		.owner = "owner@example.org",
		.alias_user = "nobody",
		.target = target,
		.n = 2 },
	    &began);
}

/* Does what the address says. */
static void
deliver(struct letter *l, unsigned i)
{
	static const struct attempt good = { .status = OK, .text = "" },
				    relayed = { .status = OK,
					    .text = "250 Ok",
					    .dsn = "2.0.0",
					    .relay = "mx.test[192.0.2.1]:25" },
				    bad = { .status = ERR_GONE,
					    .failed = true,
					    .dsn = "5.1.1",
					    .text = "no such user" },
				    later = { .status = ERR_BUSY, .text = "" };
	struct view to = l->rec.env.rcpt[i].address;
	char name[400];

	if (view_casestarts(to, "list@")) {
		expand(l, i);
		return;
	}
	if (view_casestarts(to, "bad@")) {
		letter_result(l, i, &bad, false);
		return;
	}
	if (view_casestarts(to, "later@") && !recovering &&
	    l->msg->tries == 0) {
		letter_result(l, i, &later, false);
		return;
	}
	name_of(l, i, name, sizeof(name));
	fact("has", name);
	letter_result(
	    l, i, view_casestarts(to, "far@") ? &relayed : &good, false);
}

static void
wait_all(struct letter *l)
{
	struct envelope *e = &l->rec.env;
	unsigned n = e->rcpt_n;

	for (unsigned i = 0; i < n; i++)
		l->open += rcpt_to_do(e->rcpt[i].state);
	l->open++; /* as the letter may go while it is looked at */
	for (unsigned i = 0; i < n; i++)
		if (rcpt_to_do(e->rcpt[i].state))
			deliver(l, i);
	l->open--;
}

static bool
no_park(struct letter *l)
{
	(void)l;
	return false;
}

static const struct letter_host host = {
	.queue = &queue, .wait = wait_all, .park = no_park
};
static struct letter_host host_now;

static void
queue_begin(void)
{
	static const struct sched_limits limits = {
		.active = 50, .retry_min = 1000, .retry_max = 2000, .seed = 1
	};
	char why[200];

	if (queue_open(&queue, qdisk.top_fd, why, sizeof(why)) != OK ||
	    !queue.runner || (sched = sched_new(&limits)) == NULL) {
		printf("Bail out! %s\n", why);
		exit(1);
	}
	host_now = host;
	host_now.sched = sched;
	letters_init(&host_now);
	own_record_init(&queue, sched);
	expand_step_init(&queue);
}

static void
queue_end(void)
{
	sched_free(sched);
	queue_close(&queue);
}

/* Until there is nothing left, or it does not end. */
static bool
drain(void)
{
	for (int i = 0; i < 500; i++) {
		if (publish_next())
			continue;
		struct sched_msg *m = sched_activate(sched, INT64_MAX);
		if (m == NULL)
			return sched_count(sched) == 0;
		letter_activate(m);
	}
	return false;
}

/* ---- what is done ---- */

static const char *const rcpts[] = { "near@example.org", "far@far.test",
	"bad@example.org", "later@example.org", "list@example.org" };
enum { MESSAGES = 6, RCPTS = 5 };

static const char *
id_of(unsigned m)
{
	static char id[MESSAGES][16];

	snprintf(id[m], sizeof(id[m]), "ABCD%08X", m);
	return id[m];
}

/* As deposit.c does it; 3: with its content in a file. */
static void
create(unsigned m, struct publication *p)
{
	struct buf b;
	char text[64];
	enum status st;
	int n = snprintf(text, sizeof(text), "Subject: m%u\r\n\r\nx\r\n", m);

	buf_init(&b, 65536);
	envelope_print_head(&b, &(struct envelope){ .id = view_of(id_of(m)),
				    .arrived_us = time_us(),
				    .sender = view_of("alice@example.org"),
				    .client = view_of("c"),
				    .helo = view_of("c"),
				    .protocol = view_of("ESMTP") });
	for (unsigned i = 0; i < RCPTS; i++)
		envelope_print_rcpt_params(&b, view_of(rcpts[i]),
		    view_of(rcpts[i]),
		    view_of(m == 1 && i == 0 ? "NOTIFY=SUCCESS" : ""));
	envelope_print_end(&b, RCPTS, (uint64_t)n);
	*p = (struct publication){ .content = -1 };
	if (m == 3) {
		p->content = queue_spool(&queue, &st);
		p->length = (uint64_t)n;
		if (p->content == -1 ||
		    file_write_at(p->content, text, (size_t)n, 0) != OK)
			abort();
	} else {
		buf_add(&b, text, (size_t)n);
	}
	view_copy(view_of(id_of(m)), p->id, sizeof(p->id));
	int fd = queue_create(&queue, p->id, &st);
	if (b.bad || fd == -1 || file_write_at(fd, b.p, b.n, 0) != OK)
		abort();
	close(fd);
	buf_free(&b);
}

/* Accepts messages first .. first + n - 1 together. */
static void
deposit(unsigned first, unsigned n)
{
	struct publication p[MESSAGES];

	for (unsigned i = 0; i < n; i++)
		create(first + i, &p[i]);
	queue_publish(&queue, p, n);
	for (unsigned i = 0; i < n; i++) {
		if (p[i].status != OK)
			abort();
		fact("accepted", p[i].id);
	}
}

static void
known(unsigned m)
{
	struct sched_msg *s = sched_reserve(sched, id_of(m));

	if (s == NULL)
		abort();
	sched_fresh(sched, s);
}

static bool
live(void)
{
	deposit(0, 1);
	known(0);
	bool good = drain();
	deposit(1, 3);
	for (unsigned m = 1; m <= 3; m++)
		known(m);
	good &= drain();
	deposit(4, 2);
	good &= queue_hold(&queue, id_of(4)) == OK &&
		queue_hold(&queue, id_of(5)) == OK &&
		queue_release(&queue, id_of(4)) == OK;
	known(4);
	good &= drain();
	fact("deleted", id_of(5));
	return good && queue_remove_held(&queue, id_of(5)) == OK;
}

/* ---- and after a crash ---- */

static void
found(void *arg, const char *id)
{
	(void)arg;
	struct sched_msg *m = sched_reserve(sched, id);

	if (m == NULL)
		abort();
	sched_wait(sched, m, 0);
}

/* What is on hold is released first, so that it can be seen. */
static void
release_all(void)
{
	for (unsigned m = 0; m < MESSAGES; m++) {
		struct stat sb;
		if (fstatat(queue.hold, id_of(m), &sb, 0) == 0)
			queue_release(&queue, id_of(m));
	}
}

static bool
has(size_t n, const char *what, unsigned m)
{
	char who[80];

	snprintf(who, sizeof(who), "m%u %s", m, what);
	if (happened(n, "has", who, false))
		return true;
	if (tap_failed < 20)
		printf("# after %zu calls: %s has not got message %u\n", n,
		    what, m);
	return false;
}

static bool
all_there(size_t n)
{
	char report[64];
	bool good = true;

	for (unsigned m = 0; m < MESSAGES; m++) {
		if (!happened(n, "accepted", id_of(m), true) ||
		    (m == 5 && happened(n, "deleted", id_of(m), true)))
			continue;
		good &= has(n, rcpts[0], m) & has(n, rcpts[1], m) &
			has(n, rcpts[3], m) & has(n, "member@example.org", m);
		snprintf(report, sizeof(report), "report %.20s", id_of(m));
		if (!happened(n, "has", report, false)) {
			printf("# after %zu calls: no report of message %u\n",
			    n, m);
			good = false;
		}
	}
	return good;
}

static bool
check(size_t n, bool power)
{
	unsigned foreign;

	(void)power;
	facts_n = facts_kept;
	recovering = true;
	queue_begin();
	queue_sweep(&queue);
	release_all();
	bool good = queue_scan(&queue, found, NULL, &foreign) == OK && drain();
	if (!good)
		printf("# after %zu calls: it does not end\n", n);
	queue_end();
	return good & all_there(n);
}

int
main(void)
{
	const char *env = getenv("TORTURE");
	int null = open("/dev/null", O_WRONLY);

	log_gather(false);
	dup2(null, 2);
	close(null);
	qdisk_open();
	service_init();
	settings.hostname = (char *)(uintptr_t) "mail.example.org";
	settings.double_bounces = (char *)(uintptr_t) "";
	settings.queue_lifetime = INT64_C(432000000);
	settings.delay_warning = 0;
	settings.bounce_size_max = 1000000;
	bounce_settings(&settings);
	queue_begin();
	qdisk_record(true);
	bool good = live();
	qdisk_record(false);
	queue_end();
	facts_kept = facts_n;
	ok(good, "messages come and go by %zu calls", qdisk.n);
	ok(all_there(qdisk.n + 1), "each recipient has them");
	qdisk_explore(check, env != NULL ? 2000 : 24);
	ok(qdisk.failed == 0, "and has them after %lu crashes (%lu not)",
	    qdisk.runs, qdisk.failed);
	qdisk_close();
	return done_testing();
}
