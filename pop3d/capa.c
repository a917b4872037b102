/* CAPA (RFC 2449): what this server can, printed from a table.  Runs in: worker
 * (pop3d). */
#include <inttypes.h>

#include "common/buf.h"
#include "common/sasl.h"
#include "pop3d/command.h"
#include "pop3d/reply.h"

static bool
always(const struct session *s)
{
	(void)s;
	return true;
}

/* RFC 2595 4: "present and permitted in the current state". */
static bool
stls_possible(const struct session *s)
{
	return s->w->tls != NULL && !conn_is_tls(s->conn) && !s->utf8 &&
	       s->state == ST_AUTHORIZATION;
}

/* "SASL" and those mechanisms that may be used on this connection. */
static void
print_sasl(struct session *s)
{
	struct buf names;

	buf_init(&names, 256);
	sasl_names(s->w, &names);
	if (names.n > 0 && !names.bad)
		reply_line(s, "SASL %s", buf_cstr(&names));
	buf_free(&names);
}

static bool
login_delayed(const struct session *s)
{
	return s->w->settings->login_delay > 0;
}

static void
print_login_delay(struct session *s)
{
	reply_line(s, "LOGIN-DELAY %" PRId64,
	    (s->w->settings->login_delay + 999) / 1000);
}

static void
print_expire(struct session *s)
{
	if (s->w->settings->expire_days > 0)
		reply_line(s, "EXPIRE %" PRId64, s->w->settings->expire_days);
	else
		reply_line(s, "EXPIRE NEVER");
}

/*
 * Clients look the tags up before or after login and believe what they see, so
 * both states show the same but for STLS, whose tag means "now".  There is no
 * tag for APOP (RFC 2449 6): the greeting would show it.
 */
/* clang-format off */
static const struct capability {
	const char *tag;
	bool (*offered)(const struct session *);
	void (*print)(struct session *); /* NULL: the tag alone */
} capabilities[] = {
	{ "TOP",                      always,               NULL },
	{ "USER",                     session_plaintext_ok, NULL },
	{ "SASL",                     always,               print_sasl },
	{ "RESP-CODES",               always,               NULL },
	{ "AUTH-RESP-CODE",           always,               NULL }, /* RFC 3206 */
	{ "PIPELINING",               always,               NULL },
	{ "EXPIRE",                   always,               print_expire },
	{ "LOGIN-DELAY",              login_delayed,        print_login_delay },
	{ "UIDL",                     always,               NULL },
	{ "STLS",                     stls_possible,        NULL },
	{ "UTF8 USER",                always,               NULL }, /* RFC 6856 */
	{ "LANG",                     always,               NULL },
	{ "IMPLEMENTATION pennypost", always,               NULL },
};
/* clang-format on */

enum next
cmd_capa(struct session *s, struct view arg)
{
	(void)arg;
	reply_ok(s, "Capabilities follow.");
	for (size_t i = 0; i < NELEM(capabilities); i++) {
		const struct capability *c = &capabilities[i];
		if (!c->offered(s))
			continue;
		if (c->print != NULL)
			c->print(s);
		else
			reply_line(s, "%s", c->tag);
	}
	return reply_end(s);
}
