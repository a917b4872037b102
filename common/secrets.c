/*
 * The secrets file.  Runs in: auth.
 *
 * As the users file it lies in one piece of memory and is cut into strings
 * there; keys are kept beside it once they are known.  All is overwritten
 * before it is freed.
 */
#define _GNU_SOURCE
#include "common/secrets.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/base64.h"
#include "common/log.h"
#include "common/msg.h"
#include "common/passdb_file.h"
#include "common/private_file.h"
#include "common/saslprep.h"

enum {
	FILE_MAX = 64 << 20, /* octets */
	SECRET_MAX = 1024,   /* octets */
	SALT_SECRET_MIN = 16,
	HOST_KEY = 32,
	/* of keys that are made here, where no line of the file says more */
	ITERATIONS = 10000,
	SALT = 16
};

struct entry {
	const char *name;
	struct view plain;		   /* empty: none */
	struct scram_keys *keys[SCRAM__N]; /* NULL: none, or not yet made */
	unsigned line;
	uint32_t next; /* in the same bucket: number + 1; 0 ends */
};

/* The file, as read once. */
struct table {
	struct private_file file;
	struct entry *entries;
	uint32_t n;
	uint32_t *buckets; /* number of the first entry + 1 */
	uint32_t mask;
	/* How many iterations, and how long a salt, those have who have no line
	 * of this form: as the first of this form. */
	unsigned iterations[SCRAM__N];
	size_t salt_n[SCRAM__N];
	struct view salt_secret; /* empty: none */
};

struct secrets {
	char *path; /* NULL: no file */
	struct table table;
	struct private_watch watch;
	unsigned char host_key[HOST_KEY];
	char nobody[2 * HOST_KEY]; /* the secret of those who have none */
};

static const char *const schemes[SCRAM__N] = { "SCRAM-SHA-1", "SCRAM-SHA-256" };

#define bad(s, err, ...) private_file_error(err, (s)->path, __VA_ARGS__)

/* ---- the table ---- */

static void
table_free(struct table *t)
{
	for (uint32_t i = 0; i < t->n; i++)
		for (int h = 0; h < SCRAM__N; h++) {
			if (t->entries[i].keys[h] == NULL)
				continue;
			explicit_bzero(
			    t->entries[i].keys[h], sizeof(struct scram_keys));
			free(t->entries[i].keys[h]);
		}
	free(t->entries);
	free(t->buckets);
	private_file_wipe(&t->file);
	memset(t, 0, sizeof(*t));
}

static struct entry *
find(const struct table *t, struct view name)
{
	if (t->buckets == NULL)
		return NULL;
	uint32_t i = t->buckets[passdb_name_hash(name) & t->mask];
	while (i != 0 && !passdb_name_same(name, t->entries[i - 1].name))
		i = t->entries[i - 1].next;
	return i == 0 ? NULL : &t->entries[i - 1];
}

/* The entry of that name, made if there is none.  name lies in the text, and a
 * separator behind it. */
static struct entry *
entry_of(struct table *t, struct view name, unsigned line)
{
	struct entry *e = find(t, name);

	if (e != NULL)
		return e;
	t->file.text[name.p + name.n - t->file.text] = '\0';
	uint32_t *b = &t->buckets[passdb_name_hash(name) & t->mask];
	e = &t->entries[t->n];
	*e = (struct entry){ .name = name.p, .line = line, .next = *b };
	*b = ++t->n;
	return e;
}

static bool
index_alloc(struct table *t)
{
	uint32_t lines = 1, buckets = 16;

	for (size_t i = 0; i < t->file.size; i++)
		lines += t->file.text[i] == '\n';
	while (buckets < lines)
		buckets *= 2;
	t->entries = calloc(lines, sizeof(*t->entries));
	t->buckets = calloc(buckets, sizeof(*t->buckets));
	t->mask = buckets - 1;
	return t->entries != NULL && t->buckets != NULL;
}

/* ---- its lines ---- */

static bool
plain_check(const struct secrets *s, unsigned line, struct view v, char **err)
{
	if (v.n == 0 || v.n > SECRET_MAX)
		return bad(s, err,
		    ":%u: a secret has 1 to %d octets; take the line out for "
		    "a user without one",
		    line, SECRET_MAX);
	for (size_t i = 0; i < v.n; i++)
		if ((unsigned char)v.p[i] < ' ' || v.p[i] == 0x7f)
			return bad(s, err,
			    ":%u: control character in the secret", line);
	if (v.p[0] == ' ' || v.p[v.n - 1] == ' ')
		return bad(s, err,
		    ":%u: the secret begins or ends with a blank", line);
	return true;
}

static bool
key_take(struct view *v, unsigned char *out, size_t n, bool last)
{
	bool comma;
	size_t got;
	struct view one = view_split(v, ',', &comma);

	return comma == !last && base64_decode(one, out, n, &got) && got == n;
}

/* iterations,salt,StoredKey,ServerKey */
static bool
keys_parse(struct view v, enum scram_hash h, struct scram_keys *k)
{
	unsigned long long iterations;
	bool comma1, comma2;
	struct view number = view_split(&v, ',', &comma1);
	struct view salt = view_split(&v, ',', &comma2);

	if (!comma1 || !comma2 ||
	    !view_number(number, SCRAM_ITERATIONS_MAX, &iterations) ||
	    iterations < SCRAM_ITERATIONS_MIN)
		return false;
	k->iterations = (unsigned)iterations;
	return base64_decode(salt, k->salt, sizeof(k->salt), &k->salt_n) &&
	       k->salt_n > 0 &&
	       key_take(&v, k->stored, scram_octets(h), false) &&
	       key_take(&v, k->server, scram_octets(h), true);
}

static bool
twice(const struct secrets *s, unsigned line, const struct entry *e, char **err)
{
	return bad(s, err, ":%u: user '%s' has such a line already, first %u",
	    line, e->name, e->line);
}

static bool
scram_add(struct secrets *s, struct table *t, struct entry *e,
    enum scram_hash h, unsigned line, struct view v, char **err)
{
	struct scram_keys *k;

	if (e->keys[h] != NULL)
		return twice(s, line, e, err);
	k = e->keys[h] = calloc(1, sizeof(*k));
	if (k == NULL)
		return bad(s, err, ": out of memory");
	if (!keys_parse(v, h, k))
		return bad(s, err,
		    ":%u: not {%s}iterations,salt,StoredKey,ServerKey, with "
		    "%d to %d iterations and the others in base64",
		    line, schemes[h], SCRAM_ITERATIONS_MIN,
		    SCRAM_ITERATIONS_MAX);
	if (t->iterations[h] == 0) {
		t->iterations[h] = k->iterations;
		t->salt_n[h] = k->salt_n;
	}
	return true;
}

/* A line's form and what stands behind it. */
static bool
value_add(struct secrets *s, struct table *t, struct entry *e, unsigned line,
    struct view scheme, struct view v, char **err)
{
	for (int h = 0; h < SCRAM__N; h++)
		if (view_caseeqs(scheme, schemes[h]))
			return scram_add(
			    s, t, e, (enum scram_hash)h, line, v, err);
	if (!view_caseeqs(scheme, "PLAIN") &&
	    !view_caseeqs(scheme, "CLEARTEXT"))
		return bad(s, err,
		    ":%u: form {%.*s} is not supported; there are {PLAIN}, "
		    "{SCRAM-SHA-256} and {SCRAM-SHA-1}",
		    line, (int)(scheme.n < 32 ? scheme.n : 32), scheme.p);
	if (e->plain.n > 0)
		return twice(s, line, e, err);
	e->plain = v;
	return plain_check(s, line, v, err);
}

static bool
line_add(struct secrets *s, struct table *t, unsigned line, struct view rest,
    char **err)
{
	bool colon, brace = false;
	struct view name = view_split(&rest, ':', &colon);
	bool open = rest.n > 0 && rest.p[0] == '{';
	struct view scheme = view_split(&rest, '}', &brace);

	if (!colon || !open || !brace)
		return bad(s, err,
		    ":%u: not name:{PLAIN}secret or "
		    "name:{SCRAM-SHA-256}iterations,salt,StoredKey,ServerKey",
		    line);
	scheme.p++;
	scheme.n--;
	if (view_eqs(name, "*")) {
		if (!view_caseeqs(scheme, "PLAIN") || rest.n < SALT_SECRET_MIN)
			return bad(s, err,
			    ":%u: of '*' there is only {PLAIN} and at least %d "
			    "octets, better random ones",
			    line, SALT_SECRET_MIN);
		t->salt_secret = rest;
		return plain_check(s, line, rest, err);
	}
	if (!passdb_name_valid(name))
		return bad(s, err, ":%u: no name for a user", line);
	return value_add(
	    s, t, entry_of(t, name, line), line, scheme, rest, err);
}

static bool
parse(struct secrets *s, struct table *t, char **err)
{
	struct view rest = { t->file.text, t->file.size };

	if (!index_alloc(t))
		return bad(s, err, ": out of memory");
	for (unsigned line = 1; rest.n > 0; line++) {
		struct view v = view_split(&rest, '\n', NULL);
		if (v.n > 0 && v.p[v.n - 1] == '\r')
			v.n--;
		if (view_trim(v).n == 0 || v.p[0] == '#')
			continue;
		if (!line_add(s, t, line, v, err))
			return false;
	}
	return true;
}

/* ---- the file ---- */

static bool
table_read(struct secrets *s, struct table *t, struct stat *st, char **err)
{
	memset(t, 0, sizeof(*t));
	bool good =
	    private_file_read(s->path, "secrets", FILE_MAX, &t->file, err) &&
	    parse(s, t, err);
	*st = t->file.st;
	if (!good)
		table_free(t);
	for (int h = 0; h < SCRAM__N && good; h++)
		if (t->iterations[h] == 0) {
			t->iterations[h] = ITERATIONS;
			t->salt_n[h] = SALT;
		}
	return good;
}

static void
random_octets(void *p, size_t n)
{
	if (getrandom(p, n, 0) != (ssize_t)n)
		fatal("getrandom");
}

/* Known to this host, the same for both daemons and after a restart, and not
 * seen by any client.  Whoever has an account here may read it, and learns by
 * it at most who has a secret. */
static void
host_key(struct secrets *s)
{
	char id[128];
	int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd == -1 ? -1 : read(fd, id, sizeof(id));

	close_fd(&fd);
	if (n < 32 || !scram_hmac(SCRAM_SHA256, (struct view){ id, (size_t)n },
			  view_of("salts of SCRAM"), s->host_key))
		random_octets(s->host_key, sizeof(s->host_key));
}

struct secrets *
secrets_open(const struct settings *set, char **err)
{
	struct secrets *s = calloc(1, sizeof(*s));
	struct stat st;

	*err = NULL;
	if (s == NULL)
		return NULL;
	random_octets(s->nobody, sizeof(s->nobody));
	host_key(s);
	for (int h = 0; h < SCRAM__N; h++) {
		s->table.iterations[h] = ITERATIONS;
		s->table.salt_n[h] = SALT;
	}
	if (set->secrets[0] == '\0')
		return s;
	s->path = strdup(set->secrets);
	if (s->path != NULL && table_read(s, &s->table, &st, err)) {
		private_watch_set(&s->watch, &st);
		return s;
	}
	secrets_free(s);
	return NULL;
}

void
secrets_free(struct secrets *s)
{
	if (s == NULL)
		return;
	table_free(&s->table);
	free(s->path);
	explicit_bzero(s, sizeof(*s));
	free(s);
}

void
secrets_refresh(struct secrets *s)
{
	struct table t;
	struct stat st;
	char *err = NULL;
	bool changed;

	if (s->path == NULL || !private_watch_due(&s->watch, s->path, &changed))
		return;
	if (table_read(s, &t, &st, &err)) {
		table_free(&s->table);
		s->table = t;
		private_watch_set(&s->watch, &st);
		if (changed)
			log_info("%s: read again: secrets of %u users", s->path,
			    (unsigned)t.n);
	} else if (changed) {
		log_error("error: %s; the secrets read before stay in force",
		    err == NULL ? "out of memory" : err);
	}
	free(err);
}

/* ---- asking ---- */

/* Octets that depend on the host, what they are for, and the name in lower
 * case. */
static void
invent(const struct secrets *s, const char *what, struct view user,
    unsigned char out[SCRAM_KEY_MAX])
{
	char text[32 + AUTH_USER_MAX];
	size_t n = strlen(what) + 1;
	struct view key = { (const char *)s->host_key, HOST_KEY };

	if (s->table.salt_secret.n > 0)
		key = s->table.salt_secret;
	memcpy(text, what, n);
	for (size_t i = 0; i < user.n && n < sizeof(text); i++)
		text[n++] = (char)ascii_lower((unsigned char)user.p[i]);
	if (!scram_hmac(SCRAM_SHA256, key, (struct view){ text, n }, out))
		fatal("HMAC-SHA-256 does not work");
}

/* As the client spells it, or as SASLprep does. */
static struct entry *
find_user(const struct table *t, struct view user)
{
	char name[AUTH_USER_MAX + 1];
	struct entry *e = find(t, user);

	if (saslprep(user, SASLPREP_QUERY, name, sizeof(name)) > 0 && e == NULL)
		e = find(t, view_of(name));
	return e;
}

bool
secrets_plain(struct secrets *s, struct view user, struct view *secret,
    char name[USER_NAME_MAX])
{
	const struct entry *e = find_user(&s->table, user);
	bool found = e != NULL && e->plain.n > 0;

	*secret = (struct view){ s->nobody, sizeof(s->nobody) };
	name[0] = '\0';
	if (!found)
		return false;
	*secret = e->plain;
	return view_copy(view_of(e->name), name, USER_NAME_MAX);
}

/* Salt and iterations of those whom the file gives none. */
static void
shape(const struct secrets *s, struct view user, enum scram_hash h,
    struct scram_keys *k)
{
	unsigned char half[SCRAM_KEY_MAX];
	char what[] = "salt 0 0";

	memset(k, 0, sizeof(*k));
	k->iterations = s->table.iterations[h];
	k->salt_n = s->table.salt_n[h];
	what[5] = (char)('0' + (int)h);
	for (size_t at = 0; at < k->salt_n; at += sizeof(half)) {
		size_t n = k->salt_n - at < sizeof(half) ? k->salt_n - at
							 : sizeof(half);
		invent(s, what, user, half);
		memcpy(k->salt + at, half, n);
		what[7]++;
	}
	invent(s, "stored", user, k->stored);
	invent(s, "server", user, k->server);
}

bool
secrets_scram(struct secrets *s, struct view user, enum scram_hash h, bool full,
    struct scram_keys *out, char name[USER_NAME_MAX])
{
	struct entry *e = find_user(&s->table, user);

	/* Always, so that it takes the time for everybody. */
	shape(s, user, h, out);
	name[0] = '\0';
	if (e == NULL || (e->keys[h] == NULL && e->plain.n == 0))
		return false;
	if (e->keys[h] == NULL && full) {
		struct scram_keys *k = malloc(sizeof(*k));
		if (k == NULL)
			return false;
		*k = *out;
		if (!scram_derive(h, e->plain, k)) {
			free(k);
			return false;
		}
		e->keys[h] = k;
	}
	if (e->keys[h] != NULL)
		*out = *e->keys[h];
	return view_copy(view_of(e->name), name, USER_NAME_MAX);
}
