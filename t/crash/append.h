#ifndef T_CRASH_APPEND_H
#define T_CRASH_APPEND_H
/* Deliveries of batches of messages to the mailbox of t/crash/disk.h, by the
 * record of appends in its directory, on a host whose boots are counted.  To
 * use: define _GNU_SOURCE; appends_begin(); appends_end(). */
#include <string.h>

#include "common/log.h"
#include "spool/append.h"
#include "spool/intent.h"
#include "spool/lock.h"
#include "t/crash/disk.h"
#include "t/unit/tap.h"

enum { NOW = 1795212000, BATCHES = 3, PER_BATCH = 3, BIG = 2500000 };

static char boot_path[100];

/* The boot of the host is the one that our file names. */
int
open(const char *path, int flags, ...)
{
	va_list ap;

	va_start(ap, flags);
	int mode = (flags & O_CREAT) != 0 ? va_arg(ap, int) : 0;
	va_end(ap);
	if (strcmp(path, "/proc/sys/kernel/random/boot_id") == 0)
		path = boot_path;
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

static void
boot_is(unsigned n)
{
	char text[64];
	int fd = open(boot_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	snprintf(text, sizeof(text), "%08x-1111-2222-3333-444444444444\n", n);
	if (fd == -1 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	close(fd);
	intent_init();
	if (!intent_possible())
		abort();
}

static char *big_text;

static struct append_msg
message(unsigned k, bool big)
{
	static char text[BATCHES * PER_BATCH + 1][1500];
	int n = snprintf(text[k], sizeof(text[k]), "Subject: m%u\r\n\r\n", k);

	for (unsigned i = 0; i < 3 + k % 4 * 5; i++)
		n += snprintf(text[k] + n, sizeof(text[k]) - (size_t)n,
		    "%u.%u From the text of message %u\r\n", k, i, k);
	return (struct append_msg){ .sender = "s@x",
		.original_to = "b@x",
		.delivered_to = "b@x",
		.content = big ? (struct view){ big_text, BIG }
			       : (struct view){ text[k], (size_t)n },
		.file = -1 };
}

static int intent = -1;

static enum status
deliver(unsigned batch, bool big)
{
	struct append_msg m[PER_BATCH];
	struct append_target to = {
		.mbox = disk.mbox, .intent = intent, .mboxrd = true
	};

	/* The one behind all others is one message. */
	unsigned n = batch == BATCHES ? 1 : PER_BATCH;
	for (unsigned i = 0; i < n; i++)
		m[i] = message(batch * PER_BATCH + i, big && i == 1);
	/* As spool/append_box.c does it. */
	enum status st = lock_try(to.mbox, true);
	if (st != OK)
		return st;
	st = lock_same_file(to.mbox, disk.state, "mbox")
		 ? append_to(&to, m, n, NOW)
		 : ERR_CHANGED;
	lock_release(to.mbox);
	return st;
}

#define ONE "From a@x Mon Jan  5 10:00:00 2026\nSubject: a\n\nold\n\n"
#define TWO "From c@x Mon Jan  5 10:00:00 2026\nSubject: c\n\n"

static void
appends_begin(void)
{
	log_level_set(LOG_LVL_ERROR + 1);
	disk_open();
	snprintf(boot_path, sizeof(boot_path), "%s/boot", disk.dir);
	boot_is(1);
	intent = openat(disk.state, "journal", O_RDWR | O_CREAT, 0600);
	big_text = malloc(BIG);
	if (intent == -1 || big_text == NULL)
		abort();
	for (size_t i = 0; i < BIG; i += 50)
		memcpy(big_text + i,
		    "a line of a big message, and nothing else in it\r\n", 50);
}

static int
appends_end(void)
{
	free(big_text);
	close(intent);
	unlink(boot_path);
	disk_close();
	return done_testing();
}

#endif
