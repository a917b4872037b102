/*
 * pennyctl queue: who is in the queue, and what is to become of it.
 * Runs in: pennyctl.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/buf.h"
#include "spool/control.h"
#include "spool/pennyctl.h"
#include "spool/queue_list.h"

enum {
	OPT_JSON = 256,
	OPT_SENDER,
	OPT_RECIPIENT,
	OPT_DESTINATION,
	OPT_OLDER,
	OPT_YOUNGER,
	OPT_HOLD,
	OPT_QUEUED,
	OPT_ALL
};

static const struct option options[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	{ "sender", required_argument, NULL, OPT_SENDER },
	{ "recipient", required_argument, NULL, OPT_RECIPIENT },
	{ "destination", required_argument, NULL, OPT_DESTINATION },
	{ "older", required_argument, NULL, OPT_OLDER },
	{ "younger", required_argument, NULL, OPT_YOUNGER },
	{ "hold", no_argument, NULL, OPT_HOLD },
	{ "queued", no_argument, NULL, OPT_QUEUED },
	{ "all", no_argument, NULL, OPT_ALL },
	{ NULL, 0, NULL, 0 },
};

/* What a verb asks (control.h), and what it wants. */
static const struct {
	const char *name, *question;
	enum queue_style style;
	bool choose; /* only with a filter, or --all: it changes something */
	bool one;    /* an id, and nothing else */
	const char *done;
} verbs[] = {
	{ "list", "list", QUEUE_MAILQ, false, false, NULL },
	{ "count", "list", QUEUE_COUNTS, false, false, NULL },
	{ "show", "show", QUEUE_SHOW, false, true, NULL },
	{ "flush", "retry", QUEUE_QUIET, false, false, "to be tried now" },
	{ "retry", "retry", QUEUE_QUIET, true, false, "to be tried now" },
	{ "hold", "hold", QUEUE_QUIET, true, false, "on hold" },
	{ "release", "release", QUEUE_QUIET, true, false, "released" },
	{ "delete", "delete", QUEUE_QUIET, true, false, "deleted" },
};

void
ctl_queue_usage(void)
{
	fputs("       pennyctl [-f file] queue verb [filter ...] [id ...]\n"
	      "  queue list|count|show|flush|retry|hold|release|delete\n"
	      "  --sender GLOB --recipient GLOB --destination GLOB\n"
	      "  --older AGE --younger AGE --hold --queued --all --json\n",
	    stderr);
}

/* "90", "15m", "4h", "2d", "1w" in seconds. */
static bool
age(const char *text, long long *out)
{
	static const struct {
		char unit;
		unsigned seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 },
		{ 'w', 604800 } };
	struct view v = view_of(text);
	unsigned long long n, factor = 1;

	for (size_t i = 0; v.n > 0 && i < NELEM(units); i++)
		if (v.p[v.n - 1] == units[i].unit) {
			factor = units[i].seconds;
			v.n--;
			break;
		}
	if (!view_number(v, 1000000000 / factor, &n))
		return false;
	*out = (long long)(n * factor);
	return true;
}

/* Adds a key to the question.  A TAB or a line end in a value would be another
 * one. */
static bool
add_key(struct buf *q, const char *key, const char *value)
{
	if (value[0] == '\0' || strpbrk(value, "\t\r\n") != NULL ||
	    strlen(value) >= CONTROL_GLOB_MAX) {
		fprintf(stderr, "pennyctl: --%s: that cannot be\n", key);
		return false;
	}
	return buf_addf(q, "\t%s=%s", key, value);
}

static bool
add_age(struct buf *q, const char *key, const char *value)
{
	long long n;

	if (age(value, &n))
		return buf_addf(q, "\t%s=%lld", key, n);
	fprintf(stderr,
	    "pennyctl: --%s: an age such as 90s, 15m, 4h, 2d, not \"%s\"\n",
	    key, value);
	return false;
}

/* The options behind the verb.  False: they are wrong, and it is said. */
static bool
take_options(int argc, char **argv, struct buf *q, bool *json, bool *chosen)
{
	int opt;

	optind = 0; /* from the beginning, and options may stand anywhere */
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		bool good = true;
		if (opt == OPT_JSON) {
			*json = true;
			continue;
		}
		*chosen = true;
		if (opt == OPT_SENDER)
			good = add_key(q, "sender", optarg);
		else if (opt == OPT_RECIPIENT)
			good = add_key(q, "recipient", optarg);
		else if (opt == OPT_DESTINATION)
			good = add_key(q, "destination", optarg);
		else if (opt == OPT_OLDER)
			good = add_age(q, "older", optarg);
		else if (opt == OPT_YOUNGER)
			good = add_age(q, "younger", optarg);
		else if (opt == OPT_HOLD)
			good = add_key(q, "state", "hold");
		else if (opt == OPT_QUEUED)
			good = add_key(q, "state", "queue");
		else if (opt != OPT_ALL)
			good = false;
		if (!good)
			return false;
	}
	return true;
}

static int
ask(const struct control_from *f, const char *question, enum queue_style style,
    const char *done)
{
	uint64_t n = 0;
	int rc = queue_print(f, question, style, &n);

	if (rc != 0)
		return CTL_FAILED;
	if (done != NULL)
		printf("%llu message%s %s\n", (unsigned long long)n,
		    n == 1 ? "" : "s", done);
	if (fflush(stdout) == EOF)
		return CTL_FAILED;
	return n > 0 ? CTL_FINE : CTL_FOUND;
}

int
ctl_queue(const char *config, int argc, char **argv)
{
	const struct control_from f = { .program = "pennyctl",
		.config = config };
	bool json = false, chosen = false;
	unsigned v = 0;
	struct buf q;
	int rc = CTL_FAILED;

	while (v < NELEM(verbs) &&
	       (argc < 1 || strcmp(argv[0], verbs[v].name) != 0))
		v++;
	if (v == NELEM(verbs))
		return -1;
	buf_init(&q, CONTROL_LINE_MAX - 64);
	buf_adds(&q, verbs[v].question);
	if (!take_options(argc, argv, &q, &json, &chosen))
		goto out;
	if (verbs[v].choose && !chosen && optind == argc) {
		fprintf(stderr,
		    "pennyctl: queue %s needs ids, filters, or --all\n",
		    verbs[v].name);
		goto out;
	}
	if (verbs[v].one && argc - optind != 1) {
		fprintf(
		    stderr, "pennyctl: queue %s needs one id\n", verbs[v].name);
		goto out;
	}
	enum queue_style style = verbs[v].style;
	if (json && verbs[v].done == NULL && style != QUEUE_COUNTS)
		style = QUEUE_JSON;
	if (optind == argc)
		rc = ask(&f, buf_cstr(&q), style, verbs[v].done);
	size_t n = q.n;
	for (int i = optind; i < argc; i++) {
		q.n = n;
		int one = CTL_FAILED;
		if (add_key(&q, "id", argv[i]))
			one = ask(&f, buf_cstr(&q), style, verbs[v].done);
		if (one == CTL_FOUND)
			fprintf(stderr,
			    "pennyctl: %s: there is no such message\n",
			    argv[i]);
		if (i == optind || one > rc)
			rc = one;
	}
out:
	buf_free(&q);
	return rc;
}
