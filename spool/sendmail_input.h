#ifndef SPOOL_SENDMAIL_INPUT_H
#define SPOOL_SENDMAIL_INPUT_H
/*
 * The message on standard input of sendmail(8): lines end in LF or in CRLF
 * there, and in CRLF in what comes out; a CR elsewhere, a NUL, an octet of
 * eight bits stay what they are.  A last line without end gets one.  Unless
 * dots mean nothing (-i), a line that holds a dot alone is the end.
 *
 * Bounded memory, whatever comes.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct input {
	int fd;	       /* borrowed */
	bool dot_ends; /* without -i */
	/* private */
	enum {
		INPUT_BOL,    /* at the begin of a line */
		INPUT_TEXT,   /* inside one */
		INPUT_CR,     /* a CR is held back */
		INPUT_DOT,    /* a dot at the begin of a line is held back */
		INPUT_DOT_CR, /* and a CR behind it */
		INPUT_END
	} state;
};

/* Reads some and writes it to out, which has size octets (at least 16).
 * Returns octets written, 0 at the end, -1: errno. */
ssize_t input_read(struct input *, char *out, size_t size);
/* The same for octets that were read already: takes n of p; at_end: there are
 * none behind them.  out has room for 2 * n + 4.  Returns octets written. */
size_t input_convert(
    struct input *, const char *p, size_t n, bool at_end, char *out);
#endif
