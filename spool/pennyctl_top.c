/*
 * pennyctl top: figures and sessions on a terminal, anew every two seconds.
 * Runs in: pennyctl.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "common/buf.h"
#include "spool/pennyctl.h"
#include "spool/pennyctl_status.h"

enum {
	PERIOD = 2000, /* ms */
	ROWS_MAX = 500,
	COLUMNS_MAX = 500,
	COLUMNS_MIN = 20,
	SCREEN_MAX = ROWS_MAX * (COLUMNS_MAX + 8)
};

static volatile sig_atomic_t ended;

static void
on_end(int sig)
{
	(void)sig;
	ended = 1;
}

static void
on_resize(int sig)
{
	(void)sig; /* that poll is interrupted is all */
}

struct screen {
	struct buf out;
	unsigned rows, columns, row;
};

/* One line, cut at the edge; what does not fit on the screen is left out. */
static void line(struct screen *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void
line(struct screen *s, const char *fmt, ...)
{
	char text[COLUMNS_MAX + 1];
	va_list ap;

	if (s->row + 1 >= s->rows)
		return;
	va_start(ap, fmt);
	vsnprintf(text, s->columns, fmt, ap);
	va_end(ap);
	buf_addf(&s->out, "%s\033[K\r\n", text);
	s->row++;
}

static void
size_of(struct screen *s)
{
	struct winsize w = { .ws_row = 0 };

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == -1 || w.ws_row == 0 ||
	    w.ws_col == 0) {
		w.ws_row = 24;
		w.ws_col = 80;
	}
	s->rows = w.ws_row < ROWS_MAX ? w.ws_row : ROWS_MAX;
	s->columns = w.ws_col < COLUMNS_MIN   ? COLUMNS_MIN
		     : w.ws_col > COLUMNS_MAX ? COLUMNS_MAX
					      : w.ws_col;
}

static void
head(struct screen *s, const struct ctl_where *w, const struct ctl_daemon *d)
{
	struct ctl_queue_count q;

	if (!d->up) {
		line(s, "%s: %s", d->name, d->why);
		return;
	}
	line(s,
	    "%s: %" PRIu64 " busy, %" PRIu64 " idle of %" PRIu64
	    "; %zu sessions of %zu clients",
	    d->name, d->busy, d->idle, d->max, d->n, ctl_clients(d));
	line(s,
	    "  last minute: %" PRIu64 " clients, %" PRIu64 " messages, "
	    "%" PRIu64 " logins, %" PRIu64 " failed, %" PRIu64 " refused",
	    d->minute[POOL_F_ACCEPTED], d->minute[POOL_F_MESSAGES],
	    d->minute[POOL_F_LOGINS], d->minute[POOL_F_AUTH_FAILURES],
	    d->minute[POOL_F_REFUSED_MANY] + d->minute[POOL_F_REFUSED_RATE]);
	if (strcmp(d->name, "smtpd") != 0)
		return;
	ctl_ask_queue(w, &q);
	if (q.up)
		line(s,
		    "  queue: %" PRIu64 " active, %" PRIu64 " queued, %" PRIu64
		    " on hold",
		    q.active, q.queued, q.hold);
}

static void
body(struct screen *s, const struct ctl_daemon *d)
{
	char age[CTL_AGE];

	for (size_t i = 0; d->up && i < d->n; i++) {
		const struct ctl_session *one = &d->sessions[i];
		ctl_age(one->since, age);
		line(s, "%7ld %-6s %-10s %-9s %-14s %-16s %s", (long)one->pid,
		    d->name, one->former ? "(former)" : one->listener, age,
		    one->state, one->user[0] == '\0' ? "-" : one->user,
		    one->client);
	}
}

/* All in one write, over what is there, so that nothing flickers. */
static bool
draw(const struct ctl_where *where)
{
	struct ctl_daemon d[CTL_DAEMONS];
	struct screen s = { .row = 0 };
	size_t sent = 0;
	bool good;

	size_of(&s);
	buf_init(&s.out, SCREEN_MAX);
	buf_adds(&s.out, "\033[H");
	int n = ctl_ask(where, d);
	for (int i = 0; i < n; i++)
		head(&s, where, &d[i]);
	line(&s, "%7s %-6s %-10s %-9s %-14s %-16s %s", "PID", "DAEMON",
	    "LISTENER", "FOR", "STATE", "USER", "CLIENT");
	for (int i = 0; i < n; i++)
		body(&s, &d[i]);
	buf_adds(&s.out, "\033[Jq ends");
	ctl_ask_free(d, n);
	good = !s.out.bad;
	while (good && sent < s.out.n) {
		ssize_t w =
		    write(STDOUT_FILENO, s.out.p + sent, s.out.n - sent);
		if (w == -1 && errno != EINTR)
			good = false;
		if (w > 0)
			sent += (size_t)w;
	}
	buf_free(&s.out);
	return good;
}

/* False: it is to end. */
static bool
wait_key(void)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	char c = '\0';
	int rc = poll(&p, 1, PERIOD);

	if (ended || (rc == -1 && errno != EINTR))
		return false;
	if (rc != 1)
		return true;
	return read(STDIN_FILENO, &c, 1) == 1 && c != 'q' && c != 'Q';
}

int
ctl_top(const char *config, int argc, char **argv)
{
	struct sigaction end = { .sa_handler = on_end };
	struct sigaction resize = { .sa_handler = on_resize };
	struct termios old, raw;
	struct ctl_options o;
	struct ctl_where w;
	bool good = true;

	if (ctl_options(argc, argv, "d:n:", &o) != argc || o.json)
		return -1;
	if (!ctl_find(config, o.only, &w))
		return CTL_FAILED;
	if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &old) == -1) {
		fputs("pennyctl: top needs a terminal; there is status, too\n",
		    stderr);
		return CTL_FAILED;
	}
	sigaction(SIGINT, &end, NULL);
	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGHUP, &end, NULL);
	sigaction(SIGWINCH, &resize, NULL);
	raw = old;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	/* The other screen, without a cursor; later back to what was there. */
	fputs("\033[?1049h\033[?25l", stdout);
	fflush(stdout);
	for (unsigned i = 0; good; i++) {
		good = draw(&w);
		if ((o.times > 0 && i + 1 >= o.times) || !good || !wait_key())
			break;
	}
	fputs("\033[?25h\033[?1049l", stdout);
	tcsetattr(STDIN_FILENO, TCSANOW, &old);
	return fflush(stdout) == EOF || !good ? CTL_FAILED : CTL_FINE;
}
