/* pennyctl status, sessions, kick.  Runs in: pennyctl. */
#include "spool/pennyctl_status.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "spool/json.h"
#include "spool/pennyctl.h"

enum { WATCH_SECONDS = 2, STATES_MAX = 32 };

static const char *const labels[POOL_F__N] = {
	[POOL_F_ACCEPTED] = "clients accepted",
	[POOL_F_MESSAGES] = "messages taken",
	[POOL_F_LOGINS] = "logins",
	[POOL_F_AUTH_FAILURES] = "failed logins",
	[POOL_F_REFUSED_MANY] = "refused, too many clients",
	[POOL_F_REFUSED_RATE] = "refused, too often",
	[POOL_F_DEFERRED] = "messages deferred, too often",
	[POOL_F_DIED] = "workers that died",
};

void
ctl_age(int64_t since, char out[CTL_AGE])
{
	long long s = (long long)time(NULL) - since;

	if (since == 0)
		snprintf(out, CTL_AGE, "-");
	else if (s < 3600)
		snprintf(out, CTL_AGE, "%lldm%02llds", s < 0 ? 0 : s / 60,
		    s < 0 ? 0 : s % 60);
	else if (s < 86400)
		snprintf(out, CTL_AGE, "%lldh%02lldm", s / 3600, s / 60 % 60);
	else
		snprintf(
		    out, CTL_AGE, "%lldd%02lldh", s / 86400, s / 3600 % 24);
}

/* ---- how many sessions are in each state ---- */

struct state_count {
	const char *name;
	size_t n;
};

static size_t
states(const struct ctl_daemon *d, struct state_count out[STATES_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++) {
		const char *name = d->sessions[i].state;
		size_t k = 0;
		if (name[0] == '\0')
			name = "unknown";
		while (k < n && strcmp(out[k].name, name) != 0)
			k++;
		if (k == STATES_MAX)
			k--; /* the last stands for all that follow */
		else if (k == n)
			out[n++] = (struct state_count){ name, 0 };
		out[k].n++;
	}
	return n;
}

/* ---- status ---- */

static void
print_daemon(const struct ctl_daemon *d)
{
	struct state_count state[STATES_MAX];
	char age[CTL_AGE];

	if (!d->up) {
		printf("%s: %s\n", d->name, d->why);
		return;
	}
	ctl_age(d->since, age);
	printf("%s: running, process %ld, counts for %s\n", d->name,
	    (long)d->master, age);
	printf("  workers: %" PRIu64 " idle, %" PRIu64 " busy, %" PRIu64
	       " at most\n",
	    d->idle, d->busy, d->max);
	printf("  sessions: %zu of %zu clients", d->n, ctl_clients(d));
	size_t n = states(d, state);
	for (size_t i = 0; i < n; i++)
		printf("%s%zu %s", i == 0 ? ": " : ", ", state[i].n,
		    state[i].name);
	printf("\n  %-30s %12s %12s\n", "", "all", "last minute");
	for (int i = 0; i < POOL_F__N; i++)
		printf("  %-30s %12" PRIu64 " %12" PRIu64 "\n", labels[i],
		    d->all[i], d->minute[i]);
}

static void
json_daemon(const struct ctl_daemon *d)
{
	struct state_count state[STATES_MAX];

	printf("{\"daemon\":\"%s\",\"running\":%s", d->name,
	    d->up ? "true" : "false");
	if (!d->up) {
		fputs(",\"reason\":", stdout);
		json_text(view_of(d->why));
		puts("}");
		return;
	}
	printf(",\"master\":%ld,\"since\":%" PRId64, (long)d->master, d->since);
	printf(",\"workers\":{\"idle\":%" PRIu64 ",\"busy\":%" PRIu64
	       ",\"max\":%" PRIu64 "},\"sessions\":%zu,\"clients\":%zu",
	    d->idle, d->busy, d->max, d->n, ctl_clients(d));
	fputs(",\"states\":{", stdout);
	size_t n = states(d, state);
	for (size_t i = 0; i < n; i++) {
		fputs(i == 0 ? "" : ",", stdout);
		json_text(view_of(state[i].name));
		printf(":%zu", state[i].n);
	}
	fputs("}", stdout);
	for (int i = 0; i < POOL_F__N; i++)
		printf(",\"%s\":{\"all\":%" PRIu64 ",\"minute\":%" PRIu64 "}",
		    pool_figure_name((enum pool_figure)i), d->all[i],
		    d->minute[i]);
	puts("}");
}

static void
print_queue(const struct ctl_queue_count *q, bool json)
{
	if (json)
		printf("{\"queue\":true,\"running\":%s,\"active\":%" PRIu64
		       ",\"queued\":%" PRIu64 ",\"hold\":%" PRIu64
		       ",\"octets\":%" PRIu64 "}\n",
		    q->up ? "true" : "false", q->active, q->queued, q->hold,
		    q->octets);
	else if (!q->up)
		puts("queue: it cannot be asked; does smtpd.conf have a line "
		     "listen queue?");
	else
		printf("queue: %" PRIu64 " active, %" PRIu64 " queued, %" PRIu64
		       " on hold, %" PRIu64 " octets\n",
		    q->active, q->queued, q->hold, q->octets);
}

int
ctl_print_status(const struct ctl_where *w, bool json)
{
	struct ctl_daemon d[CTL_DAEMONS];
	struct ctl_queue_count q;
	bool up = true;
	int n = ctl_ask(w, d);

	for (int i = 0; i < n; i++) {
		if (json)
			json_daemon(&d[i]);
		else
			print_daemon(&d[i]);
		up = up && d[i].up;
		if (d[i].up && strcmp(d[i].name, "smtpd") == 0) {
			ctl_ask_queue(w, &q);
			print_queue(&q, json);
		}
	}
	ctl_ask_free(d, n);
	if (fflush(stdout) == EOF)
		return CTL_FAILED;
	return up ? CTL_FINE : CTL_FOUND;
}

/* -d of a daemon; --json; what else is in letters may be there, too.  -1: wrong
 * usage. */
static int
options(int argc, char **argv, const char *letters, struct ctl_options *o)
{
	static const struct option with_json[] = {
		{ "json", no_argument, NULL, 'j' }, { NULL, 0, NULL, 0 }
	};
	unsigned long long n;
	int opt;

	optind = 0;
	while ((opt = getopt_long(argc, argv, letters, with_json, NULL)) != -1)
		switch (opt) {
		case 'd':
			if (strcmp(optarg, "smtpd") != 0 &&
			    strcmp(optarg, "pop3d") != 0)
				return -1;
			o->only = optarg;
			break;
		case 'j':
			o->json = true;
			break;
		case 'w':
			o->watch = true;
			break;
		case 'n':
			if (!view_number(view_of(optarg), 1000000, &n) ||
			    n == 0)
				return -1;
			o->times = (unsigned)n;
			break;
		default:
			return -1;
		}
	return optind;
}

int
ctl_options(int argc, char **argv, const char *letters, struct ctl_options *o)
{
	*o = (struct ctl_options){ .only = NULL };
	return options(argc, argv, letters, o);
}

int
ctl_status(const char *config, int argc, char **argv)
{
	struct ctl_options o;
	struct ctl_where w;
	bool screen = isatty(STDOUT_FILENO);
	int rc = CTL_FINE;

	if (ctl_options(argc, argv, "d:wn:", &o) != argc)
		return -1;
	if (!ctl_find(config, o.only, &w))
		return CTL_FAILED;
	for (unsigned i = 0;; i++) {
		if (o.watch && screen && !o.json)
			fputs("\033[H\033[2J", stdout);
		rc = ctl_print_status(&w, o.json);
		if (!o.watch || rc == CTL_FAILED ||
		    (o.times > 0 && i + 1 >= o.times))
			return rc;
		sleep(WATCH_SECONDS);
	}
}

/* ---- sessions ---- */

static void
print_session(const struct ctl_daemon *d, const struct ctl_session *s)
{
	char age[CTL_AGE];

	ctl_age(s->since, age);
	printf("%7ld %-6s %-10s %-40s %-16s %-14s %s\n", (long)s->pid, d->name,
	    s->former		     ? "(former)"
	    : s->listener[0] == '\0' ? "-"
				     : s->listener,
	    s->client, s->user[0] == '\0' ? "-" : s->user,
	    s->state[0] == '\0' ? "-" : s->state, age);
}

static void
json_session(const struct ctl_daemon *d, const struct ctl_session *s)
{
	printf("{\"pid\":%ld,\"daemon\":\"%s\",\"former\":%s,\"listener\":",
	    (long)s->pid, d->name, s->former ? "true" : "false");
	json_text(view_of(s->listener));
	fputs(",\"client\":", stdout);
	json_text(view_of(s->client));
	fputs(",\"user\":", stdout);
	json_text(view_of(s->user));
	fputs(",\"state\":", stdout);
	json_text(view_of(s->state));
	printf(",\"since\":%" PRId64 "}\n", s->since);
}

static int
not_up(const struct ctl_daemon *d)
{
	fprintf(stderr, "pennyctl: %s: %s\n", d->name, d->why);
	return CTL_FAILED;
}

int
ctl_sessions(const char *config, int argc, char **argv)
{
	struct ctl_daemon d[CTL_DAEMONS];
	struct ctl_options o;
	struct ctl_where w;
	int rc = CTL_FINE;

	if (ctl_options(argc, argv, "d:", &o) != argc)
		return -1;
	if (!ctl_find(config, o.only, &w))
		return CTL_FAILED;
	if (!o.json)
		printf("%7s %-6s %-10s %-40s %-16s %-14s %s\n", "PID", "DAEMON",
		    "LISTENER", "CLIENT", "USER", "STATE", "SINCE");
	int n = ctl_ask(&w, d);
	for (int i = 0; i < n; i++) {
		if (!d[i].up)
			rc = not_up(&d[i]);
		for (size_t k = 0; d[i].up && k < d[i].n; k++)
			(o.json ? json_session : print_session)(
			    &d[i], &d[i].sessions[k]);
	}
	ctl_ask_free(d, n);
	return fflush(stdout) == EOF ? CTL_FAILED : rc;
}

/* ---- kick ---- */

static bool
is_meant(const struct ctl_session *s, const char *whom)
{
	unsigned long long pid;

	if (view_number(view_of(whom), INT32_MAX, &pid))
		return (unsigned long long)s->pid == pid;
	return view_caseeqs(view_of(s->client), whom) ||
	       (s->user[0] != '\0' && strcmp(s->user, whom) == 0);
}

int
ctl_kick(const char *config, int argc, char **argv)
{
	struct ctl_daemon d[CTL_DAEMONS];
	struct ctl_options o;
	struct ctl_where w;
	const char *why;
	size_t kicked = 0;
	int up = 0, rc = CTL_FINE, first = ctl_options(argc, argv, "d:", &o);

	if (first == -1 || first + 1 != argc || o.json)
		return -1;
	if (!ctl_find(config, o.only, &w))
		return CTL_FAILED;
	int n = ctl_ask(&w, d);
	for (int i = 0; i < n; i++) {
		up += d[i].up;
		for (size_t k = 0; d[i].up && k < d[i].n; k++) {
			const struct ctl_session *s = &d[i].sessions[k];
			if (!is_meant(s, argv[first]))
				continue;
			if (ctl_end_session(&d[i], s, &why)) {
				kicked++;
				continue;
			}
			fprintf(stderr, "pennyctl: process %ld: %s\n",
			    (long)s->pid, why);
			rc = CTL_FAILED;
		}
	}
	for (int i = 0; up == 0 && i < n; i++)
		rc = not_up(&d[i]);
	ctl_ask_free(d, n);
	if (rc == CTL_FAILED)
		return rc;
	printf("%zu session%s ended\n", kicked, kicked == 1 ? "" : "s");
	return kicked > 0 ? CTL_FINE : CTL_FOUND;
}
