/* Every request a worker can make, correct in each field. */
#include <stdint.h>
#include <string.h>

#include "common/ask_auth.h"
#include "common/ask_key.h"
#include "common/pool.h"
#include "pop3d/ask_maildrop.h"
#include "smtpd/ask_lookup.h"
#include "spool/ask_forward.h"
#include "spool/ask_queue.h"
#include "t/hostile/attack.h"

static void
ask(int sock, struct msg *m)
{
	(void)msg_call(sock, m, 2000);
	msg_wipe(m);
}

/* ---- log, pool: they never answer ---- */

static void
valid_log(unsigned i, struct msg *m)
{
	(void)i;
	m->type = 0x00643131; /* "11d": a level and the start of a tag */
	msg_put_view(m, (struct view){ "\0text\n1smtpd\0more\n", 18 });
}

static void
valid_pool(unsigned i, struct msg *m)
{
	static const uint32_t types[] = { POOL_BUSY, POOL_IDLE, POOL_CLIENT,
		POOL_MESSAGE, POOL_EVENT, POOL_CHANNEL };
	static const char raw[16];

	msg_start(m, types[i]);
	if (types[i] == POOL_BUSY) {
		msg_put_u32(m, 0);
		m->fd = 0; /* /dev/null: no socket of anybody's */
	}
	if (types[i] == POOL_EVENT)
		msg_put_u32(m, 0);
	if (types[i] == POOL_CHANNEL)
		msg_put_u32(m, ROLE_AUTH);
	if (types[i] == POOL_CLIENT)
		msg_put_view(m, (struct view){ raw, sizeof(raw) });
}

/* ---- key, auth, lookup ---- */

static void
valid_key(unsigned i, struct msg *m)
{
	char text[64 + 33 + 1 + 32];

	(void)i;
	memset(text, ' ', 64);
	memcpy(text + 64, "TLS 1.3, server CertificateVerify", 34);
	memset(text + 98, 'h', 32);
	msg_start(m, KEY_SIGN);
	msg_put_u32(m, 0);
	msg_put_u32(m, KEY_ECDSA_SHA256);
	msg_put_view(m, (struct view){ text, sizeof(text) });
}

static void
valid_auth(unsigned i, struct msg *m)
{
	static const char digest[AUTH_DIGEST + 1] =
	    "0123456789abcdef0123456789abcdef";
	static const uint32_t types[] = { AUTH_PASSWORD, AUTH_APOP, AUTH_START,
		AUTH_STEP };

	msg_start(m, types[i]);
	/* Some descriptor: no socket whose address anybody could be told. */
	m->fd = types[i] == AUTH_STEP ? -1 : 0;
	switch (types[i]) {
	case AUTH_PASSWORD:
		msg_put_str(m, "root");
		msg_put_str(m, "wrong");
		msg_put_str(m, "PLAIN");
		msg_put_str(m, "192.0.2.1");
		break;
	case AUTH_APOP:
		msg_put_str(m, "root");
		msg_put_str(m, digest);
		msg_put_str(m, "<1.2@mail.example.org>");
		msg_put_str(m, "192.0.2.1");
		break;
	case AUTH_START:
		msg_put_str(m, "SCRAM-SHA-256");
		msg_put_str(m, "192.0.2.1");
		msg_put_str(m, "");
		msg_put_str(m, "");
		msg_put_str(m, "");
		break;
	case AUTH_STEP:
		msg_put_str(m, "n,,n=root,r=abcdefgh");
		break;
	}
}

/* A step belongs to an exchange that was started. */
static void
before_auth(int sock, unsigned i)
{
	static struct msg m;

	if (i != 3)
		return;
	valid_auth(2, &m);
	(void)msg_call_lent(sock, &m, 2000);
	msg_wipe(&m);
}

static void
valid_lookup(unsigned i, struct msg *m)
{
	static const uint32_t types[] = { LOOKUP_RCPT, LOOKUP_CLIENT,
		LOOKUP_VRFY, LOOKUP_PEOPLE, LOOKUP_MEMBERS };

	msg_start(m, types[i]);
	msg_put_str(
	    m, types[i] == LOOKUP_CLIENT ? "192.0.2.1" : "alice@example.org");
	if (types[i] == LOOKUP_MEMBERS)
		msg_put_u32(m, 0);
}

/* ---- deliver: nobody of that name, so that nothing is ever opened ---- */

static void
valid_deliver(unsigned i, struct msg *m)
{
	static const uint32_t types[] = { DELIVER_OPEN, DELIVER_TERMINAL,
		DELIVER_OPEN_HERE, DELIVER_FORWARD, DELIVER_RUN };

	/* But for the first, only the queue may ask that. */
	if (types[i] == DELIVER_RUN) {
		run_put(m, &(struct run){ .kind = TARGET_COMMAND,
			       .source = SOURCE_ALIASES,
			       .user = "alice",
			       .text = "/bin/touch /tmp/pennypost-hostile",
			       .id = "0123456789ABCDEF",
			       .sender = "alice@example.org",
			       .original = "alice@example.org",
			       .file = -1 });
		return;
	}
	msg_start(m, types[i]);
	msg_put_str(m, "nobody-of-that-name@example.org");
	if (types[i] != DELIVER_TERMINAL)
		return;
	msg_put_str(m, "alice");
	msg_put_str(m, "alice@example.org");
	msg_put_view(m, (struct view){ "hi\r\n", 4 });
}

/* The channel is to a mailbox that exists; what is sent there is never fit for
 * a From_ line. */
static void
valid_append(unsigned i, struct msg *m)
{
	static const char path[] = "../../../etc/passwd";

	msg_start(m, i == 0 ? APPEND_INLINE : APPEND_FILE);
	msg_put_str(m, "0123456789ABCDEF");
	msg_put_str(m, "a b\nFrom x\nFrom y\n\n\nFrom z");
	msg_put_str(m, "alice@example.org");
	if (i == 0) {
		msg_put_view(m, (struct view){ path, sizeof(path) });
		return;
	}
	msg_put_u64(m, UINT64_MAX - 3);
	msg_put_u64(m, 8);
	m->fd = 0; /* /dev/null: no regular file */
}

/* ---- queue: a foreign recipient, for which nobody has a right here ---- */

static void
valid_queue(unsigned i, struct msg *m)
{
	static const uint32_t types[] = { QUEUE_BEGIN, QUEUE_RCPT, QUEUE_COMMIT,
		QUEUE_RCPT_PARAMS, QUEUE_ABORT, QUEUE_SPOOL, QUEUE_LOCAL,
		QUEUE_TERMINAL, QUEUE_CLIENT, QUEUE_SPACE };

	msg_start(m, types[i]);
	switch (types[i]) {
	case QUEUE_BEGIN:
		msg_put_str(m, "FEDCBA9876543210");
		msg_put_str(m, "a@b.example");
		msg_put_str(m, "unknown[192.0.2.1]");
		msg_put_str(m, "helo.example");
		msg_put_str(m, "ESMTP");
		break;
	case QUEUE_RCPT:
	case QUEUE_RCPT_PARAMS:
		msg_put_u32(m, 1);
		msg_put_str(m, "victim@foreign.example");
		msg_put_str(m, "victim@foreign.example");
		if (types[i] == QUEUE_RCPT_PARAMS)
			msg_put_str(m, "NOTIFY=NEVER");
		break;
	case QUEUE_LOCAL:
	case QUEUE_CLIENT:
		m->fd = 0; /* /dev/null: no socket of anybody's */
		break;
	case QUEUE_COMMIT:
		msg_put_u32(m, 0);
		msg_put_u64(m, 4);
		msg_put_view(m, (struct view){ "hi\r\n", 4 });
		break;
	case QUEUE_SPACE:
		msg_put_u64(m, UINT64_MAX);
		break;
	case QUEUE_TERMINAL:
		msg_put_str(m, "alice@example.org");
		msg_put_str(m, "a@b.example");
		msg_put_view(m, (struct view){ "hi\r\n", 4 });
		break;
	}
}

static void
before_queue(int sock, unsigned i)
{
	static struct msg m;

	for (unsigned k = 0; k < i && k < 2; k++) {
		valid_queue(k, &m);
		ask(sock, &m);
	}
}

/* ---- maildrop: on the right of a user ---- */

static void
valid_maildrop(unsigned i, struct msg *m)
{
	static const char uid[UNIQUE_ID_OCTETS];
	static const uint32_t types[] = { MAILDROP_LOCK, MAILDROP_OPEN,
		MAILDROP_FILE, MAILDROP_DELETE, MAILDROP_COMMIT };

	msg_start(m, types[i]);
	if (types[i] == MAILDROP_LOCK) {
		msg_put_u32(m, 1);
	} else if (types[i] == MAILDROP_DELETE) {
		msg_put_u64(m, 1);
		msg_put_u64(m, 2);
		msg_put_u64(m, 1000);
		msg_put_u32(m, 1);
		msg_put_u64(m, 0);
		msg_put_u64(m, 100);
		msg_put_view(m, (struct view){ uid, sizeof(uid) });
	} else if (types[i] == MAILDROP_FILE) {
		msg_put_u32(m, MAILDROP_INDEX_NEW);
	} else if (types[i] == MAILDROP_COMMIT) {
		msg_put_u32(m, 1);
		msg_put_u64(m, 0);
	}
}

static void
before_maildrop(int sock, unsigned i)
{
	static struct msg m;

	for (unsigned k = 0; k < i; k++) {
		valid_maildrop(k, &m);
		ask(sock, &m);
	}
}

const struct target hostile_targets[] = {
	{ "log", ROLE_LOG, true, 1, valid_log, NULL },
	{ "pool", ROLE_POOL, true, 6, valid_pool, NULL },
	{ "key", ROLE_KEY, false, 1, valid_key, NULL },
	{ "auth", ROLE_AUTH, false, 4, valid_auth, before_auth },
	{ "lookup", ROLE_LOOKUP, false, 5, valid_lookup, NULL },
	{ "deliver", ROLE_DELIVER, false, 5, valid_deliver, NULL },
	{ "append", ROLE_APPEND, false, 2, valid_append, NULL },
	{ "queue", ROLE_QUEUE, false, 10, valid_queue, before_queue },
	{ "right", ROLE_MASTER, false, 10, valid_queue, before_queue },
	{ "maildrop", ROLE_MAILDROP, false, 5, valid_maildrop,
	    before_maildrop },
};
const unsigned hostile_target_n = NELEM(hostile_targets);
