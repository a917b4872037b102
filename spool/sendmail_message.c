/* The message on standard input.  Runs in: sendmail. */
#define _GNU_SOURCE
#include "spool/sendmail_message.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "common/date.h"
#include "common/msg.h"
#include "spool/address_list.h"

enum {
	PIECE = 65536,
	SMALL = 65536, /* octets of a body that are looked at before it is
			* said what it holds */
	RCPT_TEXT = 4 * 1024 * 1024
};

static char piece[PIECE];

/* ---- recipients ---- */

void
message_remember(struct message *g, int rc)
{
	if (g->rc == 0)
		g->rc = rc;
}

static void
add_list(void *arg, struct view list)
{
	struct message *g = arg;
	struct address a;
	struct view text;
	enum address_item item;

	while ((item = address_list_next(&list, &a, &text)) != ITEM_END) {
		if (item == ITEM_BAD) {
			sendmail_say(g->m, "this is no address: %.*s",
			    (int)(text.n < 200 ? text.n : 200), text.p);
			message_remember(g, EX_DATAERR);
			continue;
		}
		g->utf8 = g->utf8 || address_is_utf8(&a);
		buf_addf(&g->rcpt, "%s\n", a.text);
		g->rcpt_n++;
	}
}

int
message_recipients(struct message *g)
{
	for (int i = 0; i < g->m->address_n; i++)
		add_list(g, view_of(g->m->address[i]));
	if (g->m->from_header)
		mail_header_recipients(&g->header, add_list, g);
	if (g->rcpt.bad) {
		sendmail_say(g->m, "too many recipients");
		return EX_DATAERR;
	}
	if (g->rcpt_n > 0)
		return 0;
	if (g->rc == 0)
		sendmail_say(g->m, g->m->from_header
				       ? "the header names no recipient"
				       : "no recipient is named");
	return g->rc != 0 ? g->rc : EX_USAGE;
}

/* ---- sender and header ---- */

/* The path without a domain gets the origin's: what goes to other hosts must be
 * answerable. */
int
message_sender(struct message *g)
{
	const char *given = g->m->sender;
	struct view rest = view_of(given == NULL ? sendmail_caller() : given);
	struct view text;
	struct address a;

	if (given != NULL && (rest.n == 0 || strcmp(given, "<>") == 0)) {
		g->from[0] = '\0';
		return 0;
	}
	if (address_list_next(&rest, &a, &text) != ITEM_ADDRESS) {
		sendmail_say(g->m, "-f: this is no address: %.200s", given);
		return EX_USAGE;
	}
	g->utf8 = g->utf8 || address_is_utf8(&a);
	if (a.domain[0] != '\0') {
		memcpy(g->from, a.text, sizeof(g->from));
		return 0;
	}
	int n =
	    snprintf(g->from, sizeof(g->from), "%s@%s", a.text, g->s->origin);
	return n > 0 && (size_t)n < sizeof(g->from) ? 0 : EX_DATAERR;
}

/* The caller's name: -F, NAME, or what the user database says. */
static void
caller_name(const struct sendmail *m, char *out, size_t size)
{
	const char *env = getenv("NAME"), *name = m->name;
	struct passwd *pw = getpwuid(getuid());
	struct buf b;

	if (name == NULL && m->sender == NULL && env != NULL && env[0] != '\0')
		name = env;
	buf_init(&b, size - 1);
	if (name != NULL) {
		buf_adds(&b, name);
	} else if (pw != NULL && pw->pw_gecos != NULL && m->sender == NULL) {
		for (const char *c = pw->pw_gecos; *c != '\0' && *c != ','; c++)
			if (*c != '&')
				buf_addc(&b, *c);
			else
				buf_adds(&b, pw->pw_name);
	}
	if (b.bad || !view_copy(buf_view(&b), out, size))
		out[0] = '\0';
	buf_free(&b);
}

int
message_header(struct message *g, struct buf *out)
{
	char name[256], from[1024], date[DATE_MAX], id[ADDR_DOMAIN_MAX + 64],
	    daemon[ADDR_MAX + 1];
	unsigned char r[8];
	unsigned long long u = 0;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (getrandom(r, sizeof(r), 0) != sizeof(r))
		return EX_OSERR;
	for (size_t i = 0; i < sizeof(r); i++)
		u = u << 8 | r[i];
	mail_date(now.tv_sec, date, sizeof(date));
	snprintf(id, sizeof(id), "<%llx.%016llx@%s>",
	    (unsigned long long)now.tv_sec, u, g->s->origin);
	snprintf(daemon, sizeof(daemon), "MAILER-DAEMON@%.180s", g->s->origin);
	caller_name(g->m, name, sizeof(name));
	mail_from_print(view_of(name), g->from[0] != '\0' ? g->from : daemon,
	    from, sizeof(from));
	const struct mail_header_add add = { from, date, id, g->s->origin };
	mail_header_print(&g->header, &add, out);
	return out->bad ? EX_OSERR : 0;
}

/* ---- input ---- */

/* Octets into piece; 0 at the end. */
static ssize_t
more(struct message *g)
{
	ssize_t n = input_read(&g->in, piece, sizeof(piece));

	if (n == -1) {
		sendmail_say(g->m, "standard input: %s; nothing was sent",
		    strerror(errno));
		g->rc = EX_IOERR;
	}
	g->input_ended = n <= 0;
	return n;
}

ssize_t
message_more(struct message *g, struct view *v)
{
	ssize_t n = more(g);

	*v = (struct view){ piece, n > 0 ? (size_t)n : 0 };
	return n;
}

static bool
is_eight(struct view v)
{
	return !view_ascii(v) || (v.n > 0 && memchr(v.p, '\0', v.n) != NULL);
}

int
message_begin(struct message *g)
{
	ssize_t n;

	do {
		n = more(g);
		if (n == -1)
			return g->rc;
		mail_header_feed(
		    &g->header, (struct view){ piece, (size_t)n }, n == 0);
	} while (!g->header.done && !g->header.too_long);
	if (g->header.too_long) {
		sendmail_say(g->m, "the header has more than %d octets",
		    MAIL_HEADER_MAX);
		return EX_DATAERR;
	}
	buf_addv(&g->peek, mail_header_body(&g->header));
	while (!g->input_ended && g->peek.n < SMALL) {
		n = more(g);
		if (n == -1)
			return g->rc;
		buf_add(&g->peek, piece, (size_t)n);
	}
	if (g->peek.bad)
		return EX_OSERR;
	g->eight = !g->input_ended || is_eight(buf_view(&g->header.in)) ||
		   is_eight(buf_view(&g->peek));
	return 0;
}

void
message_init(struct message *g, const struct sendmail *m, struct smtp *s)
{
	*g = (struct message){ .m = m, .s = s, .copy = -1 };
	g->in =
	    (struct input){ .fd = STDIN_FILENO, .dot_ends = !m->dot_is_text };
	mail_header_init(&g->header);
	buf_init(&g->rcpt, RCPT_TEXT);
	buf_init(&g->peek, MAIL_HEADER_MAX + SMALL + PIECE);
}

void
message_free(struct message *g)
{
	mail_header_free(&g->header);
	buf_free(&g->rcpt);
	buf_free(&g->peek);
	close_fd(&g->copy);
}
