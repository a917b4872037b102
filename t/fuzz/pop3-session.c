/*
 * A POP3 session over any commands and any mailbox.
 *
 * The input: an octet of options, an octet that seeds the sizes of the reads,
 * two octets of length, that many octets of mailbox, and the rest is what the
 * client says.  Checked: replies are lines that end in CRLF; STAT is the sum of
 * LIST; RETR gives as many octets as it says, and without UTF8 a header that is
 * ASCII; an update names messages inside the mailbox, in ascending order.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/log.h"
#include "common/msg.h"
#include "common/sasl_mech.h"
#include "pop3d/session.h"
#include "t/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { OUT_MAX = 1 << 22 };

static int mailbox = -1;
static bool in_tls, utf8_said;
static char *out;
static size_t out_n;

/* ---- the roles ---- */

enum auth_result
ask_auth_password(const struct auth_client *c, struct view user,
    struct view pass, const char *mechanism, char *user_out, size_t size,
    int *right)
{
	(void)c;
	(void)mechanism;
	*right = -1;
	user_out[0] = '\0';
	if (pass.n == 0 || pass.p[0] == '!')
		return pass.n > 1 ? AUTH_LATER : AUTH_NO;
	must(view_copy(user, user_out, size) || user.n >= size);
	*right = dup(mailbox);
	return AUTH_YES;
}

int
ask_maildrop_lock(int right, enum status *st, char *text, size_t size)
{
	snprintf(text, size, "%s", "locked");
	*st = OK;
	return dup(right);
}

int
ask_maildrop_open(int right, enum status *st, char *text, size_t size)
{
	(void)size;
	text[0] = '\0';
	*st = OK;
	return dup(right);
}

/* Without an index all is kept in memory. */
int
ask_maildrop_file(int right, enum maildrop_file what, enum status *st)
{
	(void)right;
	(void)what;
	*st = ERR_GONE;
	return -1;
}

enum status
ask_maildrop_commit(int right, const struct maildrop_seen *seen,
    const struct maildrop_del *del, unsigned n, char *text, size_t text_size)
{
	uint64_t end = 0;

	(void)right;
	(void)text_size;
	text[0] = '\0';
	for (unsigned i = 0; i < n; i++) {
		must(del[i].offset >= end && del[i].length > 0 &&
		     del[i].length <= seen->size - del[i].offset);
		end = del[i].offset + del[i].length;
	}
	return OK;
}

void
worker_title(struct worker *w, const char *what)
{
	(void)w;
	(void)what;
}

void
worker_event(struct worker *w, enum worker_event e)
{
	(void)w;
	(void)e;
}

void
worker_login(struct worker *w, const char *user)
{
	(void)w;
	(void)user;
}

bool
conn_is_tls(const struct conn *c)
{
	(void)c;
	return in_tls;
}

enum line_status
conn_starttls(struct conn *c, struct tls_server *tls, const char **why)
{
	(void)tls;
	*why = "fuzz";
	conn_flush(c);
	conn_discard(c);
	in_tls = true;
	return LINE_OK;
}

#define FAKE_RIGHT dup(mailbox)
#include "t/unit/fake_exchange.h"

/* ---- the connection ---- */

struct input {
	const char *p;
	size_t n;
	uint32_t seed;
};

static ssize_t
in_read(struct conn *c, void *p, size_t n, short *events)
{
	struct input *in = c->io;
	size_t k = in->seed % 97 + 1;

	*events = POLLIN;
	in->seed = in->seed * 1103515245u + 12345u;
	k = k < in->n ? k : in->n;
	k = k < n ? k : n;
	if (k > 0)
		memcpy(p, in->p, k);
	in->p += k;
	in->n -= k;
	return (ssize_t)k;
}

static ssize_t
out_write(struct conn *c, const void *p, size_t n, short *events)
{
	(void)c;
	*events = POLLOUT;
	if (n <= OUT_MAX - out_n) {
		memcpy(out + out_n, p, n);
		out_n += n;
	}
	return (ssize_t)n;
}

static bool
never_pending(struct conn *c)
{
	(void)c;
	return false;
}

static void
no_close(struct conn *c)
{
	(void)c;
}

static const struct conn_ops ops = { in_read, out_write, never_pending,
	no_close };

/* ---- what came out ---- */

/* The message behind a "+OK n octets" has n, dots aside. */
static size_t
check_message(size_t at, unsigned long long said)
{
	unsigned long long octets = 0;
	bool body = false;

	for (;;) {
		char *lf = memchr(out + at, '\n', out_n - at);
		if (lf == NULL)
			return out_n; /* cut off */
		size_t n = (size_t)(lf - (out + at)) + 1;
		must(n >= 2 && lf[-1] == '\r');
		if (n == 3 && out[at] == '.')
			break;
		octets += n - (out[at] == '.');
		/* Lines of a mailbox that end in CR LF have one CR more. */
		body |= n == 2 || (n == 3 && out[at] == '\r');
		for (size_t i = 0; i < n && !body && !utf8_said; i++)
			must((unsigned char)out[at + i] < 128);
		at += n;
	}
	must(octets == said);
	return at + 3;
}

static void
check_output(void)
{
	size_t at = 0;

	while (at < out_n) {
		char *lf = memchr(out + at, '\n', out_n - at), line[600];
		unsigned long long said;
		char word[8];
		if (lf == NULL)
			return;
		size_t n = (size_t)(lf - (out + at)) + 1;
		must(n >= 2 && lf[-1] == '\r');
		bool reply = n > 3 && memcmp(out + at, "+OK", 3) == 0 &&
			     n < sizeof(line);
		if (!reply) {
			at += n;
			continue;
		}
		memcpy(line, out + at, n);
		line[n] = '\0';
		at += n;
		if (sscanf(line, "+OK %llu %7s", &said, word) == 2 &&
		    strcmp(word, "octets") == 0)
			at = check_message(at, said);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static char host[] = "h";
	static struct settings settings = { .hostname = host,
		.secrets = host,
		.tls_client_ca = host,
		.apop = true,
		.sasl_mechanisms = (1u << SASL__N) - 1,
		.mailbox_lock_wait = 10,
		.command_timeout = 1000,
		.session_timeout = 100000,
		.idle_timeout = 1000,
		.errors_max = 20,
		.language = "ru",
		.last = true,
		.auth_failures_max = 3 };
	static struct listener listener = { .type = LISTEN_POP3 };
	static struct worker w;
	struct input in;

	if (n < 4)
		return 0;
	if (out == NULL) {
		out = malloc(OUT_MAX);
		mailbox = memfd_create("mailbox", MFD_CLOEXEC);
		must(out != NULL && mailbox != -1);
		must(freopen("/dev/null", "w", stdout) != NULL);
		log_level_set(LOG_LVL_ERROR + 1);
	}
	size_t box = (size_t)data[2] | (size_t)data[3] << 8;
	if (box > n - 4)
		box = n - 4;
	must(ftruncate(mailbox, 0) == 0 &&
	     pwrite(mailbox, data + 4, box, 0) == (ssize_t)box);
	settings.quoting_mboxrd = data[0] & 1;
	listener.plaintext_auth = data[0] & 2;
	w.settings = &settings;
	w.listener = &listener;
	w.tls = data[0] & 4 ? (struct tls_server *)(void *)&w : NULL;
	in = (struct input){ (const char *)data + 4 + box, n - 4 - box,
		data[1] };
	settings.expire_days = data[0] & 8 ? 1 : 0;
	in_tls = false;
	utf8_said = false;
	for (size_t i = 0; i + 4 <= in.n; i++)
		utf8_said |= strncasecmp(in.p + i, "utf8", 4) == 0;
	out_n = 0;
	conn_open(&w.conn, -1);
	w.conn.ops = &ops;
	w.conn.io = &in;
	pop3_session_serve(&w);
	check_output();
	return 0;
}
