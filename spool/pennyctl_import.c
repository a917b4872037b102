/*
 * pennyctl mailbox uidl-import: the unique-ids that another server gave to
 * these messages.  Runs in: pennyctl, as the owner of the mailbox.
 *
 *   popa3d   half of the MD5 of the header lines that popa3d 1.0 takes
 *   dovecot  %08Xu%08Xv, its default, or dovecot:FORMAT, from X-UID and the
 *            X-IMAPbase or X-IMAP of the first message
 *   x-uidl   X-UIDL, as qpopper and others left it; a sender can forge that
 *            one, which is why nobody reads it but on this order
 */
#include "spool/pennyctl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/file.h"
#include "common/msg.h"
#include "spool/index_make.h"
#include "spool/lock.h"
#include "spool/uidl.h"

enum { HEADER_MAX = 1 << 20 }; /* octets of a header that are looked at */

struct import {
	struct ctl_box *box;
	struct index ix;
	enum status (*id)(struct import *, struct view header, char *id);
	unsigned long long validity; /* Dovecot's UIDVALIDITY; 0: not known */
	const char *format;	     /* its pop3_uidl_format */
	struct buf out;		     /* lines, not sorted */
	uint64_t n;
};

/* ---- headers ---- */

/* The next field, its continuation lines included; false: the end. */
static bool
next_field(struct view *rest, struct view *field)
{
	if (rest->n == 0 || rest->p[0] == '\n')
		return false;
	*field = view_field(rest);
	return true;
}

static bool
find_field(struct view header, const char *name, struct view *value)
{
	struct view field;

	while (next_field(&header, &field)) {
		if (!view_casestarts(field, name))
			continue;
		size_t n = strlen(name);
		while (field.n > n && field.p[field.n - 1] == '\n')
			field.n--;
		*value = view_trim((struct view){ field.p + n, field.n - n });
		return true;
	}
	return false;
}

/* ---- the sources.  An empty id: this message has none. ---- */

static enum status
id_x_uidl(struct import *im, struct view header, char *id)
{
	struct view v;

	(void)im;
	if (find_field(header, "X-UIDL:", &v) && v.n <= UIDL_ID_MAX)
		view_copy(v, id, UIDL_TEXT);
	return OK;
}

/* One variable of Dovecot's at *f, behind its %: [0][width][X] and u or v. With
 * the 0 a number is filled up to the width, without it it is cut there.  X is
 * for hexadecimal; the letters are small ones. */
static bool
dovecot_variable(const char **f, unsigned long long uid,
    unsigned long long validity, struct buf *out)
{
	char text[32];
	const char *p = *f;
	bool zero = *p == '0';
	unsigned width = 0;

	p += zero;
	for (; *p >= '0' && *p <= '9' && width < sizeof(text); p++)
		width = width * 10 + (unsigned)(*p - '0');
	bool hex = *p == 'X';
	p += hex;
	if (width >= sizeof(text) || (*p != 'u' && *p != 'v'))
		return false;
	unsigned long long number = *p == 'u' ? uid : validity;
	int n = snprintf(text, sizeof(text), hex ? "%0*llx" : "%0*llu",
	    zero ? (int)width : 1, number);
	if (!zero && width > 0 && n > (int)width)
		n = (int)width;
	*f = p + 1;
	return buf_add(out, text, (size_t)n);
}

static bool
dovecot_id(const char *f, unsigned long long uid, unsigned long long validity,
    char *id)
{
	struct buf out;
	bool good = true, said = false;

	buf_init(&out, UIDL_ID_MAX);
	while (good && *f != '\0') {
		if (*f != '%') {
			good = *f > ' ' && *f < 0x7f && buf_addc(&out, *f);
			f++;
			continue;
		}
		f++;
		good = dovecot_variable(&f, uid, validity, &out);
		said = said || (good && f[-1] == 'u');
	}
	good = good && said && view_copy(buf_view(&out), id, UIDL_TEXT);
	buf_free(&out);
	return good;
}

static enum status
id_dovecot(struct import *im, struct view header, char *id)
{
	unsigned long long uid;
	struct view v;

	if (im->validity == 0 && (find_field(header, "X-IMAPbase:", &v) ||
				     find_field(header, "X-IMAP:", &v)))
		view_number(view_token(&v), UINT32_MAX, &im->validity);
	if (im->validity != 0 && find_field(header, "X-UID:", &v) &&
	    view_number(v, UINT32_MAX, &uid))
		dovecot_id(im->format, uid, im->validity, id);
	return OK;
}

/* Is this one of the fields whose octets popa3d hashes?  Those that the local
 * delivery has put on top, down to the first Received. */
static bool
popa3d_field(struct view field, bool *received)
{
	if (view_casestarts(field, "Received:")) {
		bool first = !*received;
		*received = true;
		return first;
	}
	if (view_casestarts(field, "Delivered-To:"))
		return true;
	/* It looks at a capital X only. */
	if (field.p[0] == 'X')
		return view_casestarts(field, "X-Delivery-ID:");
	return !*received && (view_casestarts(field, "Date:") ||
				 view_casestarts(field, "Message-ID:"));
}

static enum status
id_popa3d(struct import *im, struct view header, char *id)
{
	static const unsigned char order[] = { 3, 2, 1, 0, 7, 6, 5, 4 };
	unsigned char md[EVP_MAX_MD_SIZE];
	struct view field;
	bool received = false;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int good = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_md5(), NULL);

	(void)im;
	while (good == 1 && next_field(&header, &field))
		if (popa3d_field(field, &received))
			good = EVP_DigestUpdate(ctx, field.p, field.n);
	if (good == 1)
		good = EVP_DigestFinal_ex(ctx, md, NULL);
	EVP_MD_CTX_free(ctx);
	if (good != 1)
		return ERR_NOMEM;
	for (size_t i = 0; i < sizeof(order); i++)
		snprintf(id + 2 * i, 3, "%02x", md[order[i]]);
	return OK;
}

/* ---- all messages ---- */

static bool
fit_for_uidl(const char *id)
{
	size_t n = strlen(id);

	for (size_t i = 0; i < n; i++)
		if (id[i] < 0x21 || id[i] > 0x7e)
			return false;
	return n > 0 && n <= UIDL_ID_MAX;
}

static enum status
import_message(struct import *im, uint64_t i, char *header)
{
	char id[UIDL_TEXT] = "", key[UIDL_TEXT];
	struct index_entry e;
	enum status st = index_get(&im->ix, i, &e);

	if (st != OK)
		return st;
	uint64_t n = e.length - e.from_len;
	if (n > HEADER_MAX)
		n = HEADER_MAX;
	st = file_read_at(
	    im->box->mbox, header, (size_t)n, e.offset + e.from_len);
	if (st == OK)
		st = im->id(im, (struct view){ header, (size_t)n }, id);
	if (st != OK || !fit_for_uidl(id))
		return st;
	if (!buf_addf(&im->out, "%s %s\n", uidl_text(e.uid, e.copy, key).p, id))
		return ERR_LIMIT;
	im->n++;
	return OK;
}

static enum status
import_all(struct import *im)
{
	struct ctl_box *b = im->box;
	char *header = malloc(HEADER_MAX);
	struct stat sb;
	enum status st = lock_wait_state(
	    b->mbox, false, b->settings->mailbox_lock_wait, b->state);

	if (header == NULL && st == OK)
		st = ERR_NOMEM;
	if (st == OK && (fstat(b->mbox, &sb) == -1 ||
			    index_fits(&im->ix, b->mbox, &sb,
				b->settings->quoting_mboxrd) == INDEX_STALE))
		st = ERR_CHANGED;
	for (uint64_t i = 0; st == OK && i < im->ix.h.uids; i++) {
		ctl_progress(NULL, "messages", i, im->ix.h.uids);
		st = import_message(im, i, header);
	}
	lock_release(b->mbox);
	free(header);
	ctl_progress_end();
	return st;
}

/* ---- the file ---- */

static int
by_key(const void *a, const void *b)
{
	struct view x = *(const struct view *)a, y = *(const struct view *)b;
	unsigned long long m = 1, n = 1;
	int c = memcmp(x.p, y.p, 32);

	if (c != 0)
		return c;
	struct view p = view_token(&x), q = view_token(&y);
	if (p.n > 33)
		view_number(
		    (struct view){ p.p + 33, p.n - 33 }, UINT32_MAX, &m);
	if (q.n > 33)
		view_number(
		    (struct view){ q.p + 33, q.n - 33 }, UINT32_MAX, &n);
	return m < n ? -1 : m > n;
}

static struct view
id_of(struct view line)
{
	view_token(&line);
	return line;
}

static int
by_id(const void *a, const void *b)
{
	struct view x = id_of(*(const struct view *)a);
	struct view y = id_of(*(const struct view *)b);
	int c = memcmp(x.p, y.p, x.n < y.n ? x.n : y.n);

	return c != 0 ? c : x.n < y.n ? -1 : x.n > y.n;
}

/* One id for two messages would be none: both keep ours. */
static size_t
drop_twins(struct view *line, size_t n)
{
	size_t kept = 0;

	qsort(line, n, sizeof(*line), by_id);
	for (size_t i = 0; i < n;) {
		size_t k = i + 1;
		while (k < n && by_id(&line[i], &line[k]) == 0)
			k++;
		if (k == i + 1)
			line[kept++] = line[i];
		i = k;
	}
	qsort(line, kept, sizeof(*line), by_key);
	return kept;
}

static enum status
write_sorted(struct import *im, const struct view *line, size_t n)
{
	int dir = im->box->state;
	struct buf b;
	enum status st = OK;

	buf_init(&b, UIDL_FILE_MAX);
	for (size_t i = 0; i < n; i++) {
		buf_addv(&b, line[i]);
		buf_addc(&b, '\n');
	}
	unlinkat(dir, "uidl.new", 0);
	int fd = openat(dir, "uidl.new",
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (b.bad)
		st = ERR_LIMIT;
	else if (fd == -1)
		st = status_from_errno(errno);
	else
		st = file_write_at(fd, b.p, b.n, 0);
	if (st == OK)
		st = file_flush(fd);
	if (st == OK && renameat(dir, "uidl.new", dir, "uidl") == -1)
		st = status_from_errno(errno);
	if (st == OK && fsync(dir) == -1)
		st = status_from_errno(errno);
	if (st != OK)
		unlinkat(dir, "uidl.new", 0);
	close_fd(&fd);
	buf_free(&b);
	return st;
}

static enum status
write_uidl(struct import *im, size_t *kept)
{
	struct view rest = buf_view(&im->out);
	struct view *line = calloc(im->n + 1, sizeof(*line));
	size_t n = 0;

	if (line == NULL)
		return ERR_NOMEM;
	while (n < im->n)
		line[n++] = view_split(&rest, '\n', NULL);
	*kept = drop_twins(line, n);
	enum status st = write_sorted(im, line, *kept);
	free(line);
	return st;
}

int
ctl_import(struct ctl_box *b, char **argv)
{
	static const struct {
		const char *name;
		enum status (*id)(struct import *, struct view, char *);
	} sources[] = { { "popa3d", id_popa3d }, { "dovecot", id_dovecot },
		{ "x-uidl", id_x_uidl } };
	struct import im = {
		.box = b, .ix = { .fd = -1 }, .format = "%08Xu%08Xv"
	};
	static const char with_format[] = "dovecot:";
	const char *name = argv[0];
	char id[UIDL_TEXT];
	size_t kept = 0;

	if (strncmp(name, with_format, sizeof(with_format) - 1) == 0) {
		im.format = name + sizeof(with_format) - 1;
		name = "dovecot";
	}
	for (size_t i = 0; i < NELEM(sources); i++)
		if (strcmp(name, sources[i].name) == 0)
			im.id = sources[i].id;
	if (im.id == NULL) {
		ctl_say(b, "unknown source; there are popa3d, dovecot, "
			   "dovecot:FORMAT, x-uidl");
		return CTL_FAILED;
	}
	if (!dovecot_id(im.format, UINT32_MAX, UINT32_MAX, id)) {
		ctl_say(b, "Dovecot's format may hold %%u and %%v, such as "
			   "%%08Xu%%08Xv or %%v.%%u, and must hold %%u");
		return CTL_FAILED;
	}
	buf_init(&im.out, 2 * UIDL_FILE_MAX);
	enum status st = ctl_index(b);
	if (st == OK) {
		int fd = openat(b->state, "index",
		    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		st = fd == -1 ? ERR_GONE : index_open(fd, &im.ix);
	}
	if (st == OK)
		st = import_all(&im);
	if (st == OK && im.n > 0)
		st = write_uidl(&im, &kept);
	if (st == OK || st == ERR_GONE)
		printf("%s: %zu of %" PRIu64 " messages have an imported "
		       "unique-id\n",
		    b->user.name, kept, im.ix.h.n);
	else
		ctl_say(b, "not imported: %s", status_text(st));
	index_close(&im.ix);
	buf_free(&im.out);
	return st == OK && kept > 0	    ? CTL_FINE
	       : st == OK || st == ERR_GONE ? CTL_FOUND
					    : CTL_FAILED;
}
