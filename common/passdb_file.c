/*
 * The users file.  Runs in: auth, lookup, deliver, maildrop.
 *
 * The file is read into one piece of memory of exactly its size, so that no
 * copies of hashes are left behind, and cut into strings where it lies.  An
 * index over the names, folded, makes the 100,000th user as cheap as the first.
 */
#define _GNU_SOURCE
#include "common/passdb_file.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fold.h"
#include "common/log.h"
#include "common/passdb.h"
#include "common/private_file.h"

struct entry {
	uint32_t name, hash, gecos, home, shell; /* offsets into text */
	uid_t uid;
	gid_t gid;
	uint32_t line;
	uint32_t next; /* in the same bucket: number + 1; 0 ends */
};

struct passdb_file {
	const char *path; /* borrowed while reading */
	bool hashes;	  /* are kept */
	char *text;	  /* size octets and a NUL */
	size_t size;
	struct entry *entries;
	uint32_t n;
	uint32_t *buckets; /* number of the first entry + 1 */
	uint32_t mask;
};

/* Dovecot's names of schemes, and how a hash of each begins. */
/* clang-format off */
static const struct {
	const char *name, *prefix;
} schemes[] = {
	{ "CRYPT",        "" },
	{ "MD5-CRYPT",    "$1$" },
	{ "SHA256-CRYPT", "$5$" },
	{ "SHA512-CRYPT", "$6$" },
	{ "BLF-CRYPT",    "$2" },
};
/* clang-format on */

bool
passdb_name_valid(struct view v)
{
	if (v.n == 0 || v.n >= USER_NAME_MAX || v.p[0] == '-' || v.p[0] == '.')
		return false;
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];
		if (c <= ' ' || c == 0x7f || c == '/' || c == ':')
			return false;
	}
	return true;
}

#define bad(f, err, ...) private_file_error(err, (f)->path, __VA_ARGS__)

bool
passdb_name_same(struct view typed, const char *name)
{
	return view_caseeqs(typed, name) ||
	       (!view_ascii(typed) && fold_same(typed, view_of(name), true));
}

uint32_t
passdb_name_hash(struct view v)
{
	uint32_t h = 2166136261u; /* FNV-1a */
	char folded[FOLD_OUT];
	size_t n = view_ascii(v) ? 0 : fold_name(v, true, folded);

	if (n > 0)
		v = (struct view){ folded, n };
	for (size_t i = 0; i < v.n; i++)
		h = (h ^ (unsigned char)ascii_lower(v.p[i])) * 16777619u;
	return h ^ h >> 15;
}

static const struct entry *
entry_find(const struct passdb_file *f, struct view name)
{
	uint32_t i = f->buckets[passdb_name_hash(name) & f->mask];

	while (
	    i != 0 && !passdb_name_same(name, f->text + f->entries[i - 1].name))
		i = f->entries[i - 1].next;
	return i == 0 ? NULL : &f->entries[i - 1];
}

/* Takes a scheme off the second field.  *prefix is how a hash of it begins. */
static bool
scheme_take(const struct passdb_file *f, unsigned line, struct view *v,
    const char **prefix, char **err)
{
	bool closed;
	size_t i = 0;

	*prefix = "";
	if (v->n == 0 || v->p[0] != '{')
		return true;
	struct view rest = { v->p + 1, v->n - 1 };
	struct view name = view_split(&rest, '}', &closed);
	if (!closed || name.n > 32)
		name.n = 0;
	while (i < NELEM(schemes) && !view_caseeqs(name, schemes[i].name))
		i++;
	if (i == NELEM(schemes))
		return bad(f, err,
		    ":%u: password scheme {%.*s} is not supported: put a "
		    "crypt(3) hash there, as made by 'openssl passwd -6'",
		    line, (int)name.n, name.p);
	*prefix = schemes[i].prefix;
	*v = rest;
	return true;
}

/* The second field.  What is no hash at all must not look like a wrong password
 * for ever.  A hash that libcrypt does not know is perhaps of a newer one, or
 * of one that still had the method: that is this user's loss only. */
static bool
hash_check(
    const struct passdb_file *f, unsigned line, struct view *v, char **err)
{
	char hash[USER_HASH_MAX];
	const char *prefix;

	if (!scheme_take(f, line, v, &prefix, err))
		return false;
	if (v->n >= sizeof(hash))
		return bad(f, err, ":%u: hash longer than %d octets", line,
		    USER_HASH_MAX - 1);
	bool text = view_copy(*v, hash, sizeof(hash));
	bool locked = v->n == 0 || v->p[0] == '!' || v->p[0] == '*';
	bool known = text && passdb_hash_usable(hash);
	bool method = v->n > 1 && v->p[0] == '$';
	explicit_bzero(hash, sizeof(hash));
	if (!text || !(locked || known || method) ||
	    !(locked || view_casestarts(*v, prefix)))
		return bad(f, err,
		    ":%u: the second field is no crypt(3) hash%s%s: make one "
		    "with 'openssl passwd -6', or put '!' there to lock the "
		    "user out",
		    line, prefix[0] == '\0' ? "" : " that begins with ",
		    prefix);
	if (f->hashes && !locked && !known)
		log_warn("warning: %s:%u: libcrypt does not know how this hash "
			 "was made; the user cannot log in",
		    f->path, line);
	return true;
}

/* Empty is allowed for whoever cannot act as somebody else anyway. */
static bool
id_check(const struct passdb_file *f, unsigned line, struct view v,
    const char *what, uint32_t own, uint32_t *out, char **err)
{
	unsigned long long u;

	*out = own;
	if (v.n == 0 && geteuid() != 0)
		return true;
	if (!view_number(v, UINT32_MAX - 1, &u))
		return bad(f, err,
		    ":%u: %s must be a number (name:hash:uid:gid:gecos:home)",
		    line, what);
	*out = (uint32_t)u;
	return true;
}

static bool
printable(struct view v)
{
	for (size_t i = 0; i < v.n; i++)
		if ((unsigned char)v.p[i] < 0x20 || v.p[i] == 0x7f)
			return false;
	return true;
}

/* Makes v, which lies in the text and ends at a separator, a string. */
static uint32_t
place(struct passdb_file *f, struct view v)
{
	if (v.n == 0)
		return (uint32_t)f->size; /* the NUL at the end */
	uint32_t at = (uint32_t)(v.p - f->text);
	f->text[at + v.n] = '\0';
	return at;
}

static void
wipe(struct passdb_file *f, struct view v)
{
	if (v.n > 0)
		explicit_bzero(f->text + (v.p - f->text), v.n);
}

enum { NAME, HASH, UID, GID, GECOS, HOME, SHELL, FIELDS };

/* Checks what is not the business of the functions above. */
static bool
fields_check(const struct passdb_file *f, unsigned line, const struct view *v,
    char **err)
{
	if (!passdb_name_valid(v[NAME]))
		return bad(f, err,
		    ":%u: no name for a user: 1 to %d octets, no blank or '/', "
		    "not beginning with '-' or '.'",
		    line, USER_NAME_MAX - 1);
	if (v[HOME].n >= USER_HOME_MAX || !printable(v[HOME]) ||
	    (v[HOME].n > 0 && v[HOME].p[0] != '/'))
		return bad(f, err,
		    ":%u: the sixth field, home, must begin with '/' and have "
		    "at most %d octets",
		    line, USER_HOME_MAX - 1);
	if (!printable(v[GECOS]))
		return bad(
		    f, err, ":%u: control character in the fifth field", line);
	const struct entry *twin = entry_find(f, v[NAME]);
	if (twin != NULL)
		return bad(f, err, ":%u: user '%s' was defined in line %u",
		    line, f->text + twin->name, (unsigned)twin->line);
	return true;
}

/* One line that is neither blank nor a comment. */
static bool
line_add(struct passdb_file *f, unsigned line, struct view rest, char **err)
{
	struct view v[FIELDS];
	struct entry e = { .line = line };
	bool more;

	for (int i = 0; i < FIELDS; i++) {
		v[i] = view_split(&rest, ':', &more);
		if (i == NAME && !more)
			return bad(f, err,
			    ":%u: not name:hash:uid:gid:gecos:home", line);
	}
	if (!fields_check(f, line, v, err) ||
	    !hash_check(f, line, &v[HASH], err) ||
	    !id_check(f, line, v[UID], "uid", geteuid(), &e.uid, err) ||
	    !id_check(f, line, v[GID], "gid", getegid(), &e.gid, err))
		return false;
	if (!f->hashes) {
		wipe(f, v[HASH]);
		wipe(f, rest); /* extra may hold a second secret */
		v[HASH].n = 0;
	}
	uint32_t *b = &f->buckets[passdb_name_hash(v[NAME]) & f->mask];
	e.name = place(f, v[NAME]);
	e.hash = place(f, v[HASH]);
	e.gecos = place(f, v[GECOS]);
	e.home = place(f, v[HOME]);
	e.shell = place(f, v[SHELL]);
	e.next = *b;
	f->entries[f->n] = e;
	*b = ++f->n;
	return true;
}

/* Makes room for as many users as there are lines. */
static bool
index_alloc(struct passdb_file *f)
{
	uint32_t lines = 1, buckets = 16;
	const char *at = f->text;

	while (
	    (at = memchr(at, '\n', f->size - (size_t)(at - f->text))) != NULL) {
		lines++;
		at++;
	}
	while (buckets < lines)
		buckets *= 2;
	f->entries = calloc(lines, sizeof(*f->entries));
	f->buckets = calloc(buckets, sizeof(*f->buckets));
	f->mask = buckets - 1;
	return f->entries != NULL && f->buckets != NULL;
}

static bool
parse(struct passdb_file *f, char **err)
{
	struct view rest = { f->text, f->size };

	if (!index_alloc(f))
		return bad(f, err, ": out of memory");
	for (unsigned line = 1; rest.n > 0; line++) {
		struct view v = view_split(&rest, '\n', NULL);
		if (v.n > 0 && v.p[v.n - 1] == '\r')
			v.n--;
		struct view text = view_trim(v);
		if (text.n == 0 || text.p[0] == '#')
			continue;
		if (!line_add(f, line, text, err))
			return false;
	}
	return true;
}

struct passdb_file *
passdb_file_read(const char *path, bool hashes, struct stat *st, char **err)
{
	struct passdb_file *f = calloc(1, sizeof(*f));
	struct private_file whole;

	*err = NULL;
	memset(st, 0, sizeof(*st));
	if (f == NULL)
		return NULL;
	bool good =
	    private_file_read(path, "users", PASSDB_FILE_MAX, &whole, err);
	f->path = path;
	f->hashes = hashes;
	f->text = whole.text;
	f->size = whole.size;
	*st = whole.st;
	good = good && parse(f, err);
	f->path = NULL;
	if (good)
		return f;
	passdb_file_free(f);
	return NULL;
}

void
passdb_file_free(struct passdb_file *f)
{
	if (f == NULL)
		return;
	private_file_wipe(&(struct private_file){ f->text, f->size, { 0 } });
	free(f->entries);
	free(f->buckets);
	free(f);
}

static void
line_out(
    const struct passdb_file *f, const struct entry *e, struct passdb_line *out)
{
	*out = (struct passdb_line){ .name = f->text + e->name,
		.hash = f->text + e->hash,
		.gecos = f->text + e->gecos,
		.home = f->text + e->home,
		.shell = f->text + e->shell,
		.uid = e->uid,
		.gid = e->gid };
}

bool
passdb_file_find(
    const struct passdb_file *f, struct view name, struct passdb_line *out)
{
	const struct entry *e = entry_find(f, name);

	if (e == NULL)
		return false;
	line_out(f, e, out);
	return true;
}

bool
passdb_file_at(const struct passdb_file *f, unsigned i, struct passdb_line *out)
{
	if (i >= f->n)
		return false;
	line_out(f, &f->entries[i], out);
	return true;
}

const char *
passdb_file_first_hash(const struct passdb_file *f)
{
	for (uint32_t i = 0; i < f->n; i++)
		if (passdb_hash_usable(f->text + f->entries[i].hash))
			return f->text + f->entries[i].hash;
	return "";
}

unsigned
passdb_file_count(const struct passdb_file *f)
{
	return f->n;
}
