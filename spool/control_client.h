#ifndef SPOOL_CONTROL_CLIENT_H
#define SPOOL_CONTROL_CLIENT_H
/*
 * Asking the queue (control.h): the server's socket or, when no server runs and
 * the caller may open it, the queue's directory.  Runs in: pennyctl, sendmail.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/view.h"

/* Whom to ask. */
struct control_from {
	const char *program; /* for messages: "pennyctl" */
	const char *config;  /* smtpd.conf, for the directory; NULL: default */
	bool quiet;
	bool server_only; /* without a server there is no answer */
};

/* What is told of the answer; false: enough. */
struct control_reader {
	/* A line, without its LF; word[i] are its words. */
	bool (*line)(void *arg, const struct view *word, unsigned n);
	/* Octets of the content. */
	bool (*content)(void *arg, struct view v);
	void *arg;
};
enum { CONTROL_WORDS = 8 };

/* Asks; question is one line without LF.  0: all of the answer was read, and
 * there was no error in it; else an exit code of sysexits.h, and standard error
 * has the reason: EX_TEMPFAIL: nobody is there to ask; EX_NOPERM; EX_SOFTWARE:
 * the answer makes no sense. */
int control_ask(const struct control_from *, const char *question,
    const struct control_reader *);

/* Takes pieces of an answer apart; for control_ask, and for its test. */
struct control_parser {
	const struct control_reader *reader;
	uint64_t content; /* octets that are left */
	bool after;	  /* the LF behind the content */
	bool ended, bad;
	char error[200]; /* what the other end says */
};
/* Takes what it can off *v: whole lines.  False: it has ended, or is bad. */
bool control_take(struct control_parser *, struct view *v);
#endif
