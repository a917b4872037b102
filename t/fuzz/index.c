/* The index of a mailbox, and imported unique-ids: files that their owner can
 * write as he likes.  The first octet says how much of a good index is put
 * under the input, and whether checksums are made right. */
#define _GNU_SOURCE
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/index_format.h"
#include "spool/index.h"
#include "spool/uidl.h"
#include "t/fuzz/must.h"

static int mbox = -1, file = -1;
static unsigned char good[3 * INDEX_BLOCK];
static size_t good_n;

static enum status
add(void *arg, const struct mbox_msg *m)
{
	struct index_writer *w = arg;
	struct index_entry e = { .offset = m->offset,
		.length = m->length,
		.wire = m->wire,
		.from_len = (uint16_t)m->from_len,
		.flags = (uint16_t)m->flags | INDEX_UID,
		.copy = 1 };

	w->h.wire += m->wire;
	w->h.uids++;
	return index_write_add(w, &e);
}

static void
prepare(void)
{
	static const char one[] =
	    "From a@x Mon Jan  5 10:00:00 2026\nSubject: x\n\nbody\n\n";
	struct index_writer w;

	mbox = memfd_create("mbox", MFD_CLOEXEC);
	file = memfd_create("index", MFD_CLOEXEC);
	for (int i = 0; i < 100; i++)
		must(write(mbox, one, sizeof(one) - 1) == sizeof(one) - 1);
	must(index_write_new(&w, file, true) == OK);
	must(mbox_scan_from(mbox, 0, 100 * (sizeof(one) - 1), true, add, &w) ==
	     OK);
	must(index_write_end(&w, mbox) == OK);
	good_n = (size_t)pread(file, good, sizeof(good), 0);
}

/* So that what is behind the checksums is reached. */
static void
make_right(unsigned char *p, size_t n)
{
	struct index_head *h = (void *)p;
	struct stat sb;

	if (n < 2 * INDEX_BLOCK || fstat(mbox, &sb) == -1)
		return;
	for (size_t at = INDEX_BLOCK; at + INDEX_BLOCK <= n;
	     at += INDEX_BLOCK) {
		struct index_block *b = (void *)(p + at);
		b->id = h->id;
		if (b->n <= INDEX_ENTRIES)
			b->check = index_block_check(b);
		h->last_check = b->check;
	}
	h->dev = sb.st_dev;
	h->ino = sb.st_ino;
	h->check = index_head_check(h);
}

static void
read_index(void)
{
	struct index ix;
	struct index_entry e;
	struct stat sb;
	uint64_t base, from;

	if (index_open(dup(file), &ix) != OK || fstat(mbox, &sb) == -1)
		return;
	if (index_fits(&ix, mbox, &sb, true) != INDEX_STALE &&
	    index_tail(&ix, mbox, &sb, &base, &from) == OK)
		must(base <= ix.h.n && from <= (uint64_t)sb.st_size);
	for (uint64_t i = 0; i < ix.h.n && i < 1000; i++) {
		struct mbox_msg m;
		if (index_get(&ix, i, &e) != OK)
			continue;
		index_msg(&e, &m);
		must(m.offset <= ix.h.size &&
		     m.length <= ix.h.size - m.offset &&
		     m.from_len <= m.length && m.from_len > 0);
		uint64_t offset, length;
		mbox_content(&m, &offset, &length);
		must(length <= m.length);
	}
	must(index_get(&ix, ix.h.n, &e) != OK);
	static struct index_block b[3];
	for (uint64_t i = 0; i < ix.h.n && i < 1000; i += INDEX_ENTRIES) {
		size_t n = index_blocks(&ix, i, b, NELEM(b));
		for (size_t k = 0; k < n; k++)
			must(b[k].n <= INDEX_ENTRIES &&
			     b[k].number == i / INDEX_ENTRIES + k);
	}
	index_close(&ix);
}

static void
read_uidl(void)
{
	static const unsigned char uid[16] = { 0x11, 0x22 };
	struct uidl u;

	if (uidl_load(file, &u) == OK)
		for (uint32_t copy = 1; copy < 4; copy++) {
			struct view v = uidl_find(&u, uid, copy);
			must(v.n <= UIDL_ID_MAX);
		}
	uidl_free(&u);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static _Alignas(16) unsigned char all[4 * INDEX_BLOCK];

	if (mbox == -1)
		prepare();
	if (n < 3 || n > 2 * INDEX_BLOCK)
		return 0;
	size_t size = n - 3;
	memcpy(all, p + 3, size);
	if (p[0] & 1) {
		/* The input is written over a good index. */
		size_t at = (p[1] | (size_t)p[2] << 8) % good_n;
		size = good_n;
		memcpy(all, good, good_n);
		memcpy(
		    all + at, p + 3, n - 3 < good_n - at ? n - 3 : good_n - at);
	}
	if (p[0] & 2)
		make_right(all, size);
	must(ftruncate(file, 0) == 0 &&
	     pwrite(file, all, size, 0) == (ssize_t)size);
	if (p[0] & 4)
		read_uidl();
	else
		read_index();
	return 0;
}
