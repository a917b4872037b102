/* The queue as people and programs read it.  Runs in: pennyctl, sendmail. */
#include "spool/queue_list.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/buf.h"
#include "common/utf8.h"
#include "spool/control.h"
#include "spool/json.h"

enum {
	AGES = 9,
	NAME_OCTETS = 255,
	/* More destinations than these are counted together. */
	DESTINATIONS = 100000
};

/* Minutes; a message that is older than the last counts in the one behind. */
static const unsigned ages[AGES] = { 5, 10, 20, 40, 80, 160, 320, 640, 1280 };

static const char others[] = "(others)";

struct count {
	char *name;
	unsigned long n[AGES + 1];
};

struct printer {
	enum queue_style style;
	const char *program;
	uint64_t messages, octets, matched;
	int64_t now;
	enum { OUTSIDE, IN_RECIPIENTS, IN_CONTENT } json; /* what is open */
	unsigned rcpt; /* of this message so far */
	int64_t arrived;
	char reason[256]; /* of the last recipient of this message */
	struct count *count;
	size_t count_n, count_cap;
	const char *failed; /* static; out of memory */
};

/* ---- words ---- */

/* What comes from a message is not to change the terminal. */
static void
put(struct view v)
{
	if (!utf8_printable(v)) {
		for (size_t i = 0; i < v.n; i++)
			putchar(v.p[i] >= ' ' && v.p[i] < 0x7f ? v.p[i] : '?');
		return;
	}
	fwrite(v.p, 1, v.n, stdout);
}

static unsigned long long
number(struct view v)
{
	unsigned long long n = 0;

	view_number(v, INT64_MAX, &n);
	return n;
}

/* ---- as Postfix prints it (postqueue -p with long queue ids) ---- */

static void
mailq_message(struct printer *p, const struct view *w)
{
	time_t at = (time_t)number(w[4]);
	char arrived[32] = "", id[32] = "";
	struct tm tm;

	if (p->messages == 1)
		printf("%-17s %8s %-19s %s\n", "----Queue ID-----", "--Size--",
		    "---Arrival Time----", "--Sender/Recipient------");
	else
		putchar('\n');
	if (localtime_r(&at, &tm) != NULL)
		strftime(arrived, sizeof(arrived), "%a %b %e %H:%M:%S", &tm);
	view_copy(w[1], id, sizeof(id) - 1);
	if (view_eqs(w[2], "active") || view_eqs(w[2], "hold")) {
		size_t n = strlen(id);
		id[n] = w[2].p[0] == 'a' ? '*' : '!';
		id[n + 1] = '\0';
	}
	printf("%-17s %8llu %19.19s ", id, number(w[3]), arrived);
	put(w[6].n == 0 ? view_of("MAILER-DAEMON") : w[6]);
	putchar('\n');
}

/* The reason stands above the recipients that share it, to the right. */
static void
mailq_recipient(struct printer *p, const struct view *w)
{
	if (w[6].n > 0 && !view_eqs(w[6], p->reason)) {
		view_copy(w[6], p->reason, sizeof(p->reason));
		printf("%*s(", w[6].n < 76 ? 76 - (int)w[6].n : 0, "");
		put(w[6]);
		puts(")");
	}
	printf("%-17s %8s %-19s ", "", "", "");
	put(w[2]);
	putchar('\n');
}

static void
mailq_end(const struct printer *p)
{
	if (p->messages == 0)
		puts("Mail queue is empty");
	else
		printf("\n-- %" PRIu64 " Kbytes in %" PRIu64 " Request%s.\n",
		    p->octets / 1024, p->messages, p->messages == 1 ? "" : "s");
}

/* ---- one message ---- */

static void
show_time(const char *name, struct view seconds)
{
	time_t at = (time_t)number(seconds);
	char text[64] = "";
	struct tm tm;

	if (at == 0 || localtime_r(&at, &tm) == NULL)
		return;
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z", &tm);
	printf("%s: %s\n", name, text);
}

static void
show_word(const char *name, struct view v)
{
	printf("%s: ", name);
	put(v);
	putchar('\n');
}

static void
show_message(const struct view *w)
{
	show_word("id", w[1]);
	show_word("state", w[2]);
	show_word("size", w[3]);
	show_time("arrived", w[4]);
	show_time("next", w[5]);
	show_word("sender", w[6]);
	show_word("user", w[7]);
}

static void
show_recipient(const struct view *w)
{
	static const struct {
		char state;
		const char *name;
	} names[] = { { 'T', "to do" }, { 'W', "delayed" }, { 'D', "done" },
		{ 'S', "delivered" }, { 'R', "relayed" }, { 'B', "given up" } };

	printf("recipient: ");
	put(w[2]);
	for (size_t i = 0; i < NELEM(names); i++)
		if (w[1].n == 1 && w[1].p[0] == names[i].state)
			printf(" (%s)", names[i].name);
	if (w[6].n > 0) {
		printf(": ");
		put(w[6]);
	}
	putchar('\n');
}

/* ---- JSON (RFC 8259) ---- */

/* A piece of content may end inside a character, so that each octet beyond
 * ASCII is written by its number. */
static void
json_content(struct printer *p, struct view v)
{
	if (p->json == IN_RECIPIENTS)
		fputs("],\"content\":\"", stdout);
	p->json = IN_CONTENT;
	json_octets(v, false);
}

static void
json_close(struct printer *p)
{
	if (p->json == IN_RECIPIENTS)
		puts("]}");
	else if (p->json == IN_CONTENT)
		puts("\"}");
	p->json = OUTSIDE;
}

static void
json_message(struct printer *p, const struct view *w)
{
	json_close(p);
	fputs("{\"id\":", stdout);
	json_text(w[1]);
	fputs(",\"state\":", stdout);
	json_text(w[2]);
	printf(",\"size\":%llu,\"arrived\":%llu,\"next\":", number(w[3]),
	    number(w[4]));
	if (number(w[5]) == 0)
		fputs("null", stdout);
	else
		printf("%llu", number(w[5]));
	fputs(",\"sender\":", stdout);
	json_text(w[6]);
	fputs(",\"user\":", stdout);
	json_text(w[7]);
	fputs(",\"recipients\":[", stdout);
	p->json = IN_RECIPIENTS;
}

static void
json_recipient(struct printer *p, const struct view *w)
{
	if (p->rcpt > 1)
		putchar(',');
	fputs("{\"address\":", stdout);
	json_text(w[2]);
	fputs(",\"original\":", stdout);
	json_text(w[3]);
	fputs(",\"kind\":", stdout);
	json_text(w[4].n == 0 ? view_of("address") : w[4]);
	printf(
	    ",\"done\":%s,\"reason\":", view_eqs(w[5], "1") ? "true" : "false");
	if (w[6].n == 0)
		fputs("null", stdout);
	else
		json_text(w[6]);
	putchar('}');
}

/* ---- counts ---- */

/* The place of that name in the sorted list, or where it belongs. */
static size_t
place(const struct printer *p, const char *name)
{
	size_t from = 0, to = p->count_n;

	while (from < to) {
		size_t mid = from + (to - from) / 2;
		if (strcmp(p->count[mid].name, name) < 0)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

static struct count *
count_of(struct printer *p, const char *name)
{
	size_t at = place(p, name);

	if (at < p->count_n && strcmp(p->count[at].name, name) == 0)
		return &p->count[at];
	if (p->count_n == DESTINATIONS && strcmp(name, others) != 0)
		return count_of(p, others);
	if (p->count_n == p->count_cap) {
		size_t cap = p->count_cap == 0 ? 64 : p->count_cap * 2;
		struct count *c = realloc(p->count, cap * sizeof(*c));
		if (c == NULL)
			return NULL;
		p->count = c;
		p->count_cap = cap;
	}
	char *copy = strdup(name);
	if (copy == NULL)
		return NULL;
	memmove(&p->count[at + 1], &p->count[at],
	    (p->count_n - at) * sizeof(*p->count));
	p->count[at] = (struct count){ .name = copy };
	p->count_n++;
	return &p->count[at];
}

/* A message counts once for each of its recipients. */
static void
count_recipient(struct printer *p, const struct view *w)
{
	char name[NAME_OCTETS + 1];
	int64_t age = (p->now - p->arrived) / 60;
	unsigned i = 0;
	struct view at = control_domain(w[2]);

	if (w[4].n > 0 || at.n == 0)
		at = view_of("(this host)");
	for (size_t k = 0; k < at.n && k < NAME_OCTETS; k++) {
		name[k] = (char)ascii_lower(at.p[k]);
		name[k + 1] = '\0';
	}
	while (i < AGES && age >= ages[i])
		i++;
	struct count *c = count_of(p, name);
	if (c == NULL)
		p->failed = "out of memory";
	else
		c->n[i]++;
}

static void
counts_end(struct printer *p)
{
	struct count all = { .name = NULL };

	printf("%40s %7s", "", "T");
	for (unsigned i = 0; i < AGES; i++)
		printf(" %6u", ages[i]);
	printf(" %5u+\n", ages[AGES - 1]);
	for (size_t k = 0; k <= p->count_n; k++) {
		struct count *c = k == 0 ? &all : &p->count[k - 1];
		unsigned long sum = 0;
		if (k == 0)
			for (size_t j = 0; j < p->count_n; j++)
				for (unsigned i = 0; i <= AGES; i++)
					all.n[i] += p->count[j].n[i];
		for (unsigned i = 0; i <= AGES; i++)
			sum += c->n[i];
		printf("%40.255s %7lu", k == 0 ? "TOTAL" : c->name, sum);
		for (unsigned i = 0; i <= AGES; i++)
			printf(" %6lu", c->n[i]);
		putchar('\n');
	}
}

/* ---- the answer ---- */

static bool
take_message(struct printer *p, const struct view *w, unsigned n)
{
	if (n != 8)
		return false;
	p->messages++;
	p->octets += number(w[3]);
	p->arrived = (int64_t)number(w[4]);
	p->rcpt = 0;
	p->reason[0] = '\0';
	if (p->style == QUEUE_MAILQ)
		mailq_message(p, w);
	else if (p->style == QUEUE_SHOW)
		show_message(w);
	else if (p->style == QUEUE_JSON)
		json_message(p, w);
	return true;
}

static bool
take_recipient(struct printer *p, const struct view *w, unsigned n)
{
	if (n != 7)
		return false;
	p->rcpt++;
	if (p->style == QUEUE_MAILQ)
		mailq_recipient(p, w);
	else if (p->style == QUEUE_SHOW)
		show_recipient(w);
	else if (p->style == QUEUE_JSON)
		json_recipient(p, w);
	else if (p->style == QUEUE_COUNTS)
		count_recipient(p, w);
	return p->failed == NULL;
}

static bool
take_line(void *arg, const struct view *w, unsigned n)
{
	struct printer *p = arg;

	if (view_eqs(w[0], "M"))
		return take_message(p, w, n);
	if (view_eqs(w[0], "R"))
		return take_recipient(p, w, n);
	if (view_eqs(w[0], "C") && p->style == QUEUE_SHOW)
		putchar('\n');
	if (view_eqs(w[0], "A") && n == 3)
		fprintf(stderr, "%s: %.*s: %.*s\n", p->program, (int)w[1].n,
		    w[1].p, (int)w[2].n, w[2].p);
	if (view_eqs(w[0], "=") && n == 2)
		p->matched = number(w[1]);
	return true;
}

static bool
take_content(void *arg, struct view v)
{
	struct printer *p = arg;

	if (p->style == QUEUE_JSON)
		json_content(p, v);
	else
		fwrite(v.p, 1, v.n, stdout);
	return !ferror(stdout);
}

int
queue_print(const struct control_from *f, const char *question,
    enum queue_style style, uint64_t *matched)
{
	struct printer p = { .style = style,
		.program = f->program,
		.now = (int64_t)time(NULL) };
	const struct control_reader reader = { take_line, take_content, &p };
	int rc = control_ask(f, question, &reader);

	*matched = p.matched;
	if (p.failed != NULL)
		fprintf(stderr, "%s: %s\n", f->program, p.failed);
	json_close(&p);
	if (rc == 0 && style == QUEUE_MAILQ)
		mailq_end(&p);
	if (rc == 0 && style == QUEUE_COUNTS)
		counts_end(&p);
	for (size_t i = 0; i < p.count_n; i++)
		free(p.count[i].name);
	free(p.count);
	return rc;
}
