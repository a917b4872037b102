/* The log lines of POP3 sessions.  Runs in: worker (pop3d). */
#include "pop3d/poplog.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "common/log.h"
#include "common/service.h"

enum { NAME_MAX_LOGGED = 100 };

static const char *
tls(const struct session *s)
{
	return conn_is_tls(s->conn) ? ", TLS" : "";
}

/* "rip=..., lip=..., TLS, session=<...>" */
struct where {
	char text[256];
};

static const char *
where(const struct session *s, struct where *out)
{
	snprintf(out->text, sizeof(out->text), "rip=%s, lip=%s%s, session=<%s>",
	    s->w->client, s->w->local, tls(s), s->id);
	return out->text;
}

/* "pop3(bob)<4242><session>", as Dovecot's mail_log_prefix. */
struct tag {
	char text[LOG_TAG_MAX + 1];
};

static const char *
tag(const struct session *s, struct tag *out)
{
	char user[48];

	log_clean(view_of(s->login), user, sizeof(user));
	snprintf(out->text, sizeof(out->text), "pop3(%s)<%ld><%s>", user,
	    (long)getpid(), s->id);
	return out->text;
}

static long long
seconds(const struct session *s)
{
	return (long long)(now_ms() - s->started) / 1000;
}

/* The line that fail2ban counts. */
static void
log_failures(const struct session *s, const char *what)
{
	char user[NAME_MAX_LOGGED];
	struct where w;

	log_clean(view_of(s->failed), user, sizeof(user));
	log_write(LOG_LVL_INFO, "pop3-login",
	    "%s (auth failed, %" PRId64 " attempts in %lld secs): "
	    "user=<%s>, method=%s, %s",
	    what, s->auth_failures, seconds(s), user, s->failed_method,
	    where(s, &w));
}

void
poplog_login(const struct session *s)
{
	char user[NAME_MAX_LOGGED];

	/* Who guesses others' passwords must not hide that by a login of his
	 * own. */
	if (s->auth_failures > 0)
		log_failures(s, "Aborted login");
	log_clean(view_of(s->login), user, sizeof(user));
	log_write(LOG_LVL_INFO, "pop3-login",
	    "Login: user=<%s>, method=%s, rip=%s, lip=%s, mpid=%ld%s, "
	    "session=<%s>",
	    user, s->method, s->w->client, s->w->local, (long)getpid(), tls(s),
	    s->id);
	/* The session may be silent for hours; who is in should be seen. */
	log_flush();
}

void
poplog_no_maildrop(const struct session *s, enum status st, const char *text)
{
	char why[MAILDROP_TEXT_MAX], path[MAILDROP_TEXT_MAX];
	char holder[MAILDROP_TEXT_MAX];
	struct tag t;

	log_clean(view_of(text), why, sizeof(why));
	log_clean(view_of(s->drop.path), path, sizeof(path));
	log_clean(view_of(s->drop.holder), holder, sizeof(holder));
	if (st == ERR_BUSY)
		log_write(LOG_LVL_INFO, tag(s, &t),
		    "Disconnected: Mailbox in use: %s",
		    holder[0] != '\0' ? holder : why);
	else if (st == ERR_LIMIT && s->drop.delay > 0)
		log_write(LOG_LVL_INFO, tag(s, &t),
		    "Disconnected: Login delay, %u seconds too early",
		    s->drop.delay);
	else if (st == ERR_DAMAGED)
		log_write(LOG_LVL_ERROR, tag(s, &t),
		    "Error: mailbox %s does not begin with a From_ line, so it "
		    "is no mbox; pennyctl mailbox repair mends what a power "
		    "cut tore, else move it away, or put one there",
		    path);
	else
		log_write(LOG_LVL_ERROR, tag(s, &t),
		    "Error: mailbox%s%s not opened: %s: %s",
		    path[0] != '\0' ? " " : "", path, status_text(st), why);
}

void
poplog_lost(const struct session *s, enum status st)
{
	struct tag t;

	log_write(LOG_LVL_ERROR, tag(s, &t),
	    "Error: the mailbox cannot be read any more: %s", status_text(st));
}

void
poplog_expired(const struct session *s, size_t n)
{
	struct tag t;

	log_write(LOG_LVL_INFO, tag(s, &t),
	    "Expired: %zu messages older than %" PRId64 " days", n,
	    s->w->settings->expire_days);
}

void
poplog_logout(
    const struct session *s, bool update, enum status st, const char *text)
{
	const struct maildrop *d = &s->drop;
	char why[MAILDROP_TEXT_MAX];
	struct tag t;
	size_t removed = update && st == OK ? d->n - d->left : 0;

	tag(s, &t);
	if (st != OK) {
		log_clean(view_of(text), why, sizeof(why));
		log_write(LOG_LVL_ERROR, t.text, "Error: %s: %s",
		    st == ERR_IO || st == ERR_DOWN
			? "not certain that messages were deleted"
			: "deleted messages not removed",
		    why[0] == '\0' ? status_text(st) : why);
	}
	log_write(LOG_LVL_INFO, t.text,
	    "Disconnected: %s top=%" PRIu64 "/%" PRIu64 ", retr=%" PRIu64
	    "/%" PRIu64 ", del=%zu/%zu, size=%" PRIu64,
	    s->why, s->top_n, s->top_octets, s->retr_n, s->retr_octets, removed,
	    d->n, d->all_octets);
}

void
poplog_no_login(const struct session *s)
{
	struct where w;

	where(s, &w);
	if (s->auth_failures > 0)
		log_failures(s, "Disconnected");
	else if (s->plaintext_refused)
		log_write(LOG_LVL_INFO, "pop3-login",
		    "Aborted login (tried to use disallowed plaintext auth): "
		    "user=<>, %s",
		    w.text);
	else if (!s->authenticated)
		log_write(LOG_LVL_INFO, "pop3-login",
		    "Disconnected: %s (no auth attempts in %lld secs): "
		    "user=<>, %s",
		    s->why, seconds(s), w.text);
}
