/*
 * The append process: any messages on the channel of a delivery, in any order,
 * with any descriptor.  The input: an octet of options, then messages of one
 * octet of type, one that chooses a descriptor, two of length, and the fields.
 * Checked: what was acknowledged is in the mailbox as one message, else the
 * mailbox is as it was, and nothing stays open.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/service.h"
#include "spool/append_grant.h"
#include "spool/append_proc.h"
#include "spool/ask_deliver.h"
#include "spool/mbox.h"
#include "t/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { MESSAGES = 6, TURNS = MESSAGES + 4 };

static char dir[] = "/tmp/fuzz-append.XXXXXX";
static int box = -1, dirfd_ = -1, content = -1;
static struct msg m;

static int adopt_end, ctl_end, asker; /* ours */
static struct watch *tick_watch;
static unsigned turn;
static bool delivered;

static void
remove_all(void)
{
	unlinkat(dirfd_, "box", 0);
	rmdir(dir);
}

static void
start_once(void)
{
	if (box != -1)
		return;
	log_level_set(LOG_LVL_ERROR + 1);
	must(mkdtemp(dir) != NULL);
	dirfd_ = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	box = openat(dirfd_, "box", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	content = memfd_create("content", MFD_CLOEXEC);
	must(box != -1 && content != -1);
	must(pwrite(content, "Subject: x\r\n\r\nFrom y\r\n", 22, 0) == 22);
	atexit(remove_all);
}

static int
descriptor(unsigned what)
{
	switch (what % 7) {
	case 1:
		return openat(dirfd_, "box", O_RDWR | O_CLOEXEC);
	case 2:
		return dup(dirfd_);
	case 3:
		return dup(content);
	case 4:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	case 5:
		return eventfd(0, EFD_CLOEXEC);
	case 6:
		return openat(dirfd_, "box", O_RDONLY | O_CLOEXEC);
	default:
		return -1;
	}
}

static void
send_all(const uint8_t *p, size_t n)
{
	for (int i = 0; i < MESSAGES && n >= 4; i++) {
		size_t len = (size_t)p[2] | (size_t)p[3] << 8;
		len = len < n - 4 ? len : n - 4;
		msg_start(&m, p[0] % 8);
		m.fd = descriptor(p[1]);
		memcpy(m.data, p + 4, len);
		m.len = (uint32_t)len;
		msg_send(asker, &m);
		close_fd(&m.fd);
		p += 4 + len;
		n -= 4 + len;
	}
}

static void
take_answer(void)
{
	/* Who has sent more than was read gets ECONNRESET before the answer. */
	int rc = msg_recv(asker, &m);
	if (rc == -1 && errno == ECONNRESET)
		rc = msg_recv(asker, &m);
	if (rc != 1)
		return;
	must(m.type == APPEND_INLINE || m.type == APPEND_FILE);
	must(m.fd == -1 && !delivered);
	delivered = status_unpack(msg_get_u32(&m)) == OK;
}

/* At each turn of the loop: ends the asker, then the opener. */
static void
tick(void *arg, uint32_t events)
{
	(void)arg;
	(void)events;
	if (++turn == TURNS) {
		take_answer();
		close(asker);
	} else if (turn == TURNS + 3) {
		close(adopt_end);
		close(ctl_end);
	} else if (turn == TURNS + 4) {
		watch_del(tick_watch);
	}
}

static unsigned
open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	must(d != NULL);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static void
run(const uint8_t *data, size_t n)
{
	int a[2], c[2], s[2];
	int ticks = eventfd(1, EFD_CLOEXEC);

	must(channel_pair(a) == 0 && channel_pair(c) == 0 &&
	     channel_pair(s) == 0);
	adopt_end = a[0];
	ctl_end = c[0];
	asker = s[0];
	turn = 0;
	delivered = false;
	send_all(data, n);
	/* The opener's answers lie there before it is asked. */
	for (uint32_t i = DOTLOCK_TAKE; i <= DOTLOCK_RELEASE; i++) {
		msg_start(&m, i);
		msg_put_u32(&m, status_pack(OK));
		must(msg_send(ctl_end, &m) == 0);
	}
	append_start(a[1], c[1]);
	append_adopt(s[1]);
	tick_watch = watch_add(ticks, EPOLLIN, tick, NULL);
	service_run();
	close(a[1]);
	close(c[1]);
	close(ticks);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char before[] = "From x Fri Nov 20 22:00:00 2026\n\ntorn";
	struct mbox_list l;
	struct stat st;

	start_once();
	if (n == 0)
		return 0;
	size_t had = data[0] & 1 ? sizeof(before) - 1 : 0;
	must(ftruncate(box, 0) == 0 &&
	     pwrite(box, before, had, 0) == (ssize_t)had);
	unsigned files = open_files();
	run(data + 1, n - 1);
	/* All but the loop's own epoll descriptor, which is for life. */
	must(open_files() == files + 1);
	close_range((unsigned)content + 1, ~0u, 0);
	must(fstat(box, &st) == 0);
	must(mbox_scan(box, (uint64_t)st.st_size, true, &l) == OK);
	must(l.n == (had > 0) + (delivered ? 1u : 0u));
	must(delivered || (size_t)st.st_size == had);
	mbox_list_free(&l);
	return 0;
}
