#ifndef SMTPD_COMMAND_H
#define SMTPD_COMMAND_H
/*
 * The verbs of SMTP.  One table drives dispatch, HELP, and the counts in the
 * log.
 */
#include "common/buf.h"
#include "common/view.h"
#include "smtpd/session.h"

enum {
	C_NOARG = 1,   /* takes no argument */
	C_SYNC = 2,    /* the last of a pipelined group (RFC 2920 3.1): what is
			* there behind it might be content, or plaintext before
			* TLS */
	C_CONTENT = 4, /* after a 3yz or without it, content may follow */
	C_REFUSED = 8, /* known, and not served */
	C_SMTP = 16,   /* not in LMTP */
	C_LMTP = 32    /* only there (RFC 2033 4) */
};

struct command {
	const char *verb;
	unsigned states; /* legal in these; elsewhere 503 */
	unsigned flags;
	enum next (*run)(struct session *, struct view arg);
	const char *syntax; /* for HELP and 501 */
	const char *help;   /* its meaning and RFC, or why it is refused */
};

/* Answers one command line. */
enum next command_run(struct session *, struct view line);
/* Answers a line that is no command: 500 5.5.2 and why. */
enum next command_bad(struct session *, const char *why);
/* 421, because something stands behind the command at hand that must not. */
enum next command_unsynchronized(struct session *);
/* "501 5.5.4 Syntax: ..." for the command at hand. */
enum next command_syntax(struct session *);
/* The table; *n is how many rows it has. */
const struct command *command_table(size_t *n);
/* NULL: there is no such verb. */
const struct command *command_find(struct view verb);
/* May this client use it now, or after EHLO? */
bool command_offered(const struct session *, const struct command *);
/* Why it may not, in words (static), or NULL. */
const char *command_withheld(const struct session *, const struct command *);
/* The only verb at distance 1 from what was typed, or NULL. */
const struct command *command_near(struct view typed);
/* Logs the end of the session, with its commands by verb. */
void command_log_counts(const struct session *);

enum next cmd_helo(struct session *, struct view arg);
enum next cmd_ehlo(struct session *, struct view arg);
enum next cmd_lhlo(struct session *, struct view arg);
enum next cmd_starttls(struct session *, struct view arg);
enum next cmd_auth(struct session *, struct view arg);
enum next cmd_mail(struct session *, struct view arg);
enum next cmd_rcpt(struct session *, struct view arg);
enum next cmd_data(struct session *, struct view arg);
enum next cmd_bdat(struct session *, struct view arg);
enum next cmd_rset(struct session *, struct view arg);
enum next cmd_noop(struct session *, struct view arg);
enum next cmd_vrfy(struct session *, struct view arg);
enum next cmd_expn(struct session *, struct view arg);
enum next cmd_verb(struct session *, struct view arg);
enum next cmd_help(struct session *, struct view arg);
enum next cmd_onex(struct session *, struct view arg);
enum next cmd_submitter(struct session *, struct view arg);
enum next cmd_xclient(struct session *, struct view arg);
enum next cmd_xforward(struct session *, struct view arg);
/* What EHLO says about these. */
void add_xclient_attributes(const struct session *, struct buf *);
void add_xforward_attributes(const struct session *, struct buf *);
enum next cmd_send(struct session *, struct view arg);
enum next cmd_soml(struct session *, struct view arg);
enum next cmd_saml(struct session *, struct view arg);
enum next cmd_quit(struct session *, struct view arg);
#endif
