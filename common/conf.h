#ifndef COMMON_CONF_H
#define COMMON_CONF_H
/*
 * Config files: "keyword value..." lines, sshd_config's manner.  A '#' at the
 * start of a line or after a blank begins a comment.  A value may be quoted
 * with "..." to hold blanks or '#'.  "include FILE" reads another file in its
 * place (relative names are relative to the including file).
 *
 * What keywords there are is a table of the caller's; this knows no mail.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

enum conf_type {
	CONF_BOOL,   /* bool: yes no */
	CONF_INT,    /* int64_t */
	CONF_TIME,   /* int64_t, milliseconds: 500ms 30s 5m 2h 1d */
	CONF_SIZE,   /* int64_t, octets: 4096 64K 50M 2G */
	CONF_STRING, /* char *: one word */
	CONF_SPECIAL /* parse and print */
};

/* One line, in words. */
enum { CONF_WORDS = 64 };
struct conf_line {
	const char *file;
	unsigned line;
	char *word[CONF_WORDS]; /* word[0] is the keyword */
	unsigned n;
};

struct conf_option {
	const char *name;
	enum conf_type type;
	unsigned mask;     /* which daemons know it */
	size_t offset;     /* in the target struct */
	const char *dflt;  /* parsed like a line of the file */
	int64_t min, max;  /* CONF_INT, CONF_TIME (ms), CONF_SIZE */
	/* CONF_SPECIAL.  parse: NULL, or what is wrong (malloc'd).  again is
	 * set when this is not the first such line: lists grow, others are
	 * an error.  print: adds whole lines. */
	char *(*parse)(void *target, const struct conf_line *, bool again);
	void (*print)(const void *target, struct buf *);
};

/* Fills target (zeroed by the caller) with the defaults and then with what the
 * file says.  fd -1: opens name; else reads fd (taken).  NULL, or what is wrong
 * (malloc'd): "file:line: ...". */
char *conf_read(int fd, const char *name, const struct conf_option *,
    unsigned mask, void *target);
/* Adds "keyword value\n" for that option. */
void conf_print(const struct conf_option *, const void *target, struct buf *);
const struct conf_option *conf_find(const struct conf_option *,
    const char *name, unsigned mask);
/* malloc'd text; never NULL. */
char *conf_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Values, also for special parsers.  NULL or what is wrong. */
char *conf_number(const char *word, const struct conf_option *, int64_t *out);
/* Small distance between two words: 0 equal, else up to 3; for "did you
 * mean".  Case does not matter. */
unsigned conf_distance(const char *a, const char *b);
#endif
