/*
 * The sending side of the log.  Runs in: every role.
 *
 * A datagram holds lines "LTAG\0TEXT\n": L is the level as a digit.  The log
 * role (svc_log.c) checks it all again.
 */
#define _GNU_SOURCE
#include "common/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { GATHER = 8192 };

static int sock = -1;
static const char *own_tag = "pennypost";
static enum log_level least = LOG_LVL_INFO;
static bool gathering;
static char gathered[GATHER];
static size_t gathered_n;
static unsigned lost;

void
log_open(int fd, const char *tag)
{
	sock = fd;
	own_tag = tag;
}

void
log_level_set(enum log_level l)
{
	least = l;
}

void
log_gather(bool on)
{
	log_flush();
	gathering = on;
}

static bool
try_send(const char *p, size_t n)
{
	ssize_t r;

	do
		r = send(sock, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (r == -1 && errno == EINTR);
	return r != -1;
}

/* Sends a datagram, and behind it the news of those that were lost before. */
static void
send_out(const char *p, size_t n)
{
	char news[128];

	if (!try_send(p, n)) {
		lost++;
		return;
	}
	if (lost == 0)
		return;
	int len = snprintf(news, sizeof(news),
	    "%d%s%cwarning: %u times log lines were lost here\n",
	    (int)LOG_LVL_WARN, own_tag, 0, lost);
	if (len > 0 && try_send(news, (size_t)len))
		lost = 0;
}

void
log_flush(void)
{
	if (gathered_n == 0)
		return;
	send_out(gathered, gathered_n);
	gathered_n = 0;
}

static bool
printable(unsigned char c)
{
	return c >= 0x20 && c < 0x7f;
}

/* Formats one record into out; returns its octets. */
__attribute__((format(printf, 5, 0))) static size_t
record(char *out, size_t size, enum log_level level, const char *tag,
    const char *fmt, va_list ap)
{
	int h = snprintf(out, size - LOG_LINE_MAX - 1, "%d%s", (int)level, tag);
	/* A tag that is too long was cut.  The NUL stays as the separator. */
	size_t head = h < 0 ? 1 : strlen(out) + 1;
	char *text = out + head;
	int n = vsnprintf(text, LOG_LINE_MAX + 1, fmt, ap);
	size_t len = n < 0 ? 0 : (size_t)n;

	if (len > LOG_LINE_MAX) {
		len = LOG_LINE_MAX;
		memcpy(text + len - 3, "...", 3);
	}
	for (size_t i = 0; i < len; i++)
		if (!printable((unsigned char)text[i]))
			text[i] = '?';
	text[len] = '\n';
	return head + len + 1;
}

void
log_write(enum log_level level, const char *tag, const char *fmt, ...)
{
	char one[LOG_LINE_MAX + 1 + LOG_TAG_MAX + 2];
	va_list ap;

	if (level < least)
		return;
	int saved = errno;
	va_start(ap, fmt);
	size_t n = record(
	    one, sizeof(one), level, tag == NULL ? own_tag : tag, fmt, ap);
	va_end(ap);
	if (sock == -1) {
		const char *text = one + strlen(one) + 1;
		size_t len = n - (size_t)(text - one);
		/* Where should one complain that this failed? */
		(void)!dprintf(2, "%s: %.*s", one + 1, (int)len, text);
	} else if (gathering && level < LOG_LVL_WARN) {
		if (n > sizeof(gathered) - gathered_n)
			log_flush();
		memcpy(gathered + gathered_n, one, n);
		gathered_n += n;
	} else {
		log_flush();
		send_out(one, n);
	}
	errno = saved;
}

noreturn void
fatal(const char *fmt, ...)
{
	char text[LOG_LINE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_error("fatal: %s", text);
	log_flush();
	exit(1);
}

const char *
log_clean(struct view v, char *dst, size_t size)
{
	size_t n = v.n < size ? v.n : size - 1;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)v.p[i];
		bool plain = printable(c) && strchr("<>[](),\"\\", c) == NULL;
		dst[i] = plain ? (char)c : '?';
	}
	if (n < v.n && n >= 3)
		memcpy(dst + n - 3, "...", 3);
	dst[n] = '\0';
	return dst;
}
