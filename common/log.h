#ifndef COMMON_LOG_H
#define COMMON_LOG_H
/*
 * The log.  Every process but the log role itself only sends text to it; the
 * log role stamps each line with the sender's pid as the kernel tells it.  A
 * line is one line: control characters and non-ASCII octets become '?'.
 * Logging never blocks and never fails the caller: a full channel loses lines
 * and the next line that gets through says how many.
 *
 * tag is the name of the Postfix or Dovecot program whose lines these are, so
 * that existing tools read them: "smtpd", "qmgr", "local", "cleanup",
 * "pop3-login", "pop3", "auth", "master".  The log role turns it into
 * "postfix/smtpd[pid]", "dovecot: pop3-login:" or "pennypost/smtpd[pid]".
 */
#include <stdnoreturn.h>

#include "common/view.h"

enum log_level { LOG_LVL_DEBUG, LOG_LVL_INFO, LOG_LVL_WARN, LOG_LVL_ERROR };

enum {
	LOG_LINE_MAX = 1000, /* octets of text; more is cut, with "..." */
	LOG_TAG_MAX = 120    /* octets of a tag; more is cut */
};

/* Takes fd: the channel to the log role; -1: lines go to standard error. */
void log_open(int fd, const char *default_tag);
void log_level_set(enum log_level least);
void log_write(enum log_level, const char *tag, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
#define log_debug(...) log_write(LOG_LVL_DEBUG, NULL, __VA_ARGS__)
#define log_info(...) log_write(LOG_LVL_INFO, NULL, __VA_ARGS__)
#define log_warn(...) log_write(LOG_LVL_WARN, NULL, __VA_ARGS__)
#define log_error(...) log_write(LOG_LVL_ERROR, NULL, __VA_ARGS__)
/* Lines are gathered and go out in one datagram when log_flush is called, the
 * gathering is full, or the level is WARN or above.  Off at first. */
void log_gather(bool on);
void log_flush(void);
/* The world failed: logs, and exits with status 1. */
noreturn void fatal(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));
/* Copies v into dst for use inside a log line where it is somebody else's
 * text: control characters, non-ASCII and each of <>[](),"\ become '?'; what
 * does not fit is cut and ends in "...".  Returns dst. */
const char *log_clean(struct view v, char *dst, size_t size);
#endif
