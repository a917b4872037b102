#ifndef T_UNIT_INDEX_BOX_H
#define T_UNIT_INDEX_BOX_H
/* A mailbox of many messages with an index, and whether that says what a scan
 * of the mailbox does. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "spool/index_format.h"
#include "spool/index_make.h"
#include "t/unit/tap.h"

static char dir[] = "/tmp/index-XXXXXX";
static int state = -1, mbox = -1;

static void
begin(void)
{
	if (mkdtemp(dir) == NULL)
		abort();
	state = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mbox =
	    openat(state, "mbox", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (state == -1 || mbox == -1)
		abort();
}

/* Message k: some are equal, some are long, some have quoted lines. */
static void
put(struct buf *b, unsigned k)
{
	unsigned what = k % 7 == 3 ? 3 : k;

	buf_addf(b, "From a@x Mon Jan  5 10:00:%02u 2026\n", what % 60);
	buf_addf(b, "Subject: %u\n\n", what);
	for (unsigned i = 0; i < what % 50; i++)
		buf_addf(b, "line %u of it\n", i);
	if (what % 11 == 0)
		buf_adds(b, ">From here\n\xc3\xa9\n");
	buf_adds(b, "\n");
}

static void
fill(unsigned first, unsigned n)
{
	struct buf b;

	buf_init(&b, 1 << 24);
	for (unsigned k = first; k < first + n; k++)
		put(&b, k);
	if (b.bad || lseek(mbox, 0, SEEK_END) == -1 ||
	    write(mbox, b.p, b.n) != (ssize_t)b.n)
		abort();
	buf_free(&b);
}

static enum status
make(bool uids)
{
	return index_make(&(struct index_job){ .mbox = mbox,
	    .state_dir = state,
	    .mboxrd = true,
	    .uids = uids,
	    .lock_wait = 100 });
}

static int
index_fd(void)
{
	return openat(state, "index", O_RDWR | O_CLOEXEC);
}

static enum index_fit
fit(void)
{
	struct index ix;
	struct stat sb;
	int fd = index_fd();

	if (fd == -1 || index_open(fd, &ix) != OK || fstat(mbox, &sb) == -1)
		return INDEX_STALE;
	enum index_fit f = index_fits(&ix, mbox, &sb, true);
	index_close(&ix);
	return f;
}

static uint64_t
inode(void)
{
	struct stat sb;

	return fstatat(state, "index", &sb, 0) == 0 ? sb.st_ino : 0;
}

/* Does the index say what a scan does?  The number of messages it covers, or
 * -1. */
static long
agrees(bool uids)
{
	struct mbox_list l;
	struct index ix;
	struct stat sb;
	long n = -1;
	uint64_t wire = 0;
	int fd = index_fd();

	if (fd == -1 || index_open(fd, &ix) != OK)
		return -1;
	if (fstat(mbox, &sb) == -1 ||
	    mbox_scan(mbox, (uint64_t)sb.st_size, true, &l) != OK)
		goto out;
	if (ix.h.n > l.n || (uids && ix.h.uids != ix.h.n))
		goto out;
	for (uint64_t i = 0; i < ix.h.n; i++) {
		struct index_entry e;
		struct mbox_msg m;
		unsigned char uid[16];
		uint32_t copy = 1;
		if (index_get(&ix, i, &e) != OK)
			goto out;
		index_msg(&e, &m);
		wire += m.wire;
		if (memcmp(&m, &l.msg[i], sizeof(m)) != 0)
			goto out;
		if (i >= ix.h.uids)
			continue;
		if (!(e.flags & INDEX_UID))
			goto out;
		if (mbox_unique_id(mbox, &m, uid) != OK ||
		    memcmp(uid, e.uid, 16) != 0)
			goto out;
		for (uint64_t k = 0; k < i; k++) {
			struct index_entry o;
			if (index_get(&ix, k, &o) != OK)
				goto out;
			copy += memcmp(o.uid, uid, 16) == 0;
		}
		if (copy != e.copy)
			goto out;
	}
	if (wire == ix.h.wire)
		n = (long)ix.h.n;
out:
	index_close(&ix);
	mbox_list_free(&l);
	return n;
}

static void
empty(void)
{
	if (ftruncate(mbox, 0) == -1)
		abort();
	index_drop(state);
}

/* Removes all; what the test's main returns. */
static int
end(void)
{
	unlinkat(state, "index", 0);
	unlinkat(state, "mbox", 0);
	rmdir(dir);
	return done_testing();
}

#endif
