#ifndef SPOOL_SENDMAIL_H
#define SPOOL_SENDMAIL_H
/*
 * sendmail(8): what the programs of this host call to hand in a message.  It
 * has no privileges of any kind: it speaks SMTP over a Unix socket of smtpd's,
 * and the kernel tells smtpd whose process it is.
 */
#include <stdbool.h>
#include <stdio.h>

#include "common/buf.h"
#include "common/conn.h"
#include "common/address.h"

enum sendmail_mode {
	MODE_SEND,    /* -bm, and without -b */
	MODE_SMTP,    /* -bs */
	MODE_VERIFY,  /* -bv */
	MODE_LIST,    /* -bp, mailq */
	MODE_ALIASES, /* -bi, newaliases */
	MODE_FLUSH    /* -q */
};

/* The command line. */
struct sendmail {
	enum sendmail_mode mode;
	bool dot_is_text;    /* -i */
	bool from_header;    /* -t */
	bool verbose, quiet; /* -v; -oeq */
	const char *sender;  /* -f, -r; NULL: the caller */
	const char *name;    /* -F; NULL: the caller's */
	const char *body;    /* -B: "7BIT", "8BITMIME"; NULL: as it is */
	const char *notify;  /* -N; NULL: not given */
	const char *ret;     /* -R */
	const char *envid;   /* -V */
	const char *flush;   /* -qI, -qR, -qS: which; NULL: all */
	char flush_by;	     /* 'I', 'R', 'S' */
	const char *config;  /* -C; NULL: the default */
	char **address;	     /* the arguments */
	int address_n;
};

/* Reads the command line; program is its name without directories.  0, or an
 * exit code of sysexits.h, and err says why.  Flags that nobody knows are
 * passed over, as other programs call with those of other servers. */
int sendmail_options(const char *program, int argc, char **argv,
    struct sendmail *out, char *err, size_t size);

/* ---- talking to smtpd ---- */

enum { SMTP_TEXT_MAX = 512 };

struct smtp {
	struct conn c;
	bool verbose;
	int code;		  /* of the last reply; 0: there was none */
	char text[SMTP_TEXT_MAX]; /* its first line, printable */
	bool body8, dsn, utf8;	  /* what it offers */
	unsigned rcpt_max;	  /* of one message (RFC 9422); 0: not told */
	char origin[ADDR_DOMAIN_MAX + 1]; /* of addresses without a domain */
};

/* A connection, owned by the caller, blocking; 0 or an exit code, and -1. */
int smtp_connect(const struct sendmail *, int *out);
/* Connects, waits for its turn where others of this user are served, says
 * EHLO.  0 or an exit code, with the reason on standard error (quiet: not). */
int smtp_open(struct smtp *, const struct sendmail *);
/* Sends a line and reads the reply; the code, 0 when the server has gone. */
int smtp_command(struct smtp *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
int smtp_reply(struct smtp *);
/* Content behind 354: octets with lines that end in CRLF; dots are doubled. */
struct smtp_dots {
	bool inside; /* not at the begin of a line */
};
bool smtp_content(struct smtp *, struct smtp_dots *, struct view);
void smtp_close(struct smtp *);
/* The exit code that a refusal means. */
int smtp_exit_code(const struct smtp *);

/* ---- the modes ---- */

int sendmail_send(const struct sendmail *);
int sendmail_verify(const struct sendmail *);
int sendmail_smtp(const struct sendmail *);  /* -bs */
int sendmail_queue(const struct sendmail *); /* -bp, -q, -bi */
int sendmail_aliases(const struct sendmail *);

/* Whose process this is: the login name, or "uid1234". */
const char *sendmail_caller(void);
/* A line on standard error: "sendmail: ...", unless quiet. */
void sendmail_say(const struct sendmail *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Where smtpd listens for programs of this host. */
const char *sendmail_socket(void);
#endif
