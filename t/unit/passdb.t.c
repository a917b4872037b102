/* The users file and the system's users. */
#define _GNU_SOURCE
#include "common/passdb.h"

#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "t/unit/tap.h"

#define H6                                                                     \
	"$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjlO/O817G3uBnIFNjnQJu" \
	"esI68OTLiBFdcbYEdFCoEOfaS35inz1"
#define H5 "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc8"
#define H1 "$1$abcdefgh$irWbblnpmw.5z7wgBnprh0"
#define H2 "$2b$05$abcdefghijklmnopqrstuuVxAlbVn7ZpDKXZE7Yd7Fcn9vDOjTPNS"
#define DES "ab1FTWcOQnuGo"

static char dir[] = "/tmp/passdb.XXXXXX";
static char path[64];

static void
put_file(const char *text, size_t n, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd == -1 || write(fd, text, n) != (ssize_t)n ||
	    fchmod(fd, mode) == -1)
		abort();
	close(fd);
}

static struct passdb *
open_db(bool system, bool hashes, char **err)
{
	struct settings s = { .users = path, .system_users = system };

	return passdb_open(&s, hashes, err);
}

static void
test_good(void)
{
	static const char text[] =
	    "# users\r\n"
	    "\n"
	    "  # indented comment\n"
	    "alice:{SHA512-CRYPT}" H6 ":1001:1001:Alice A:/home/alice\r\n"
	    "Bob:" H1 ":1002:1003::/home/bob:/bin/sh:userdb_x=y:z\n"
	    "carol:{CRYPT}" H2 ":1004:1004\n"
	    "dave:!:1005:1005::\n"
	    "erin::1006:1006::\n"
	    "frank:{blf-crypt}" H2 ":4294967294:0::\n"
	    "gert:{SHA256-CRYPT}" H5 ":1:1::\n"
	    "hugo:{MD5-CRYPT}" H1 ":1:1::\n"
	    "ida:" DES ":1:1::/home/ida"; /* no line end */
	char *err;
	struct user u;

	put_file(text, sizeof(text) - 1, 0640);
	struct passdb *db = open_db(false, true, &err);
	if (!ok(db != NULL, "a good file is read"))
		printf("# %s\n", err);
	ok(passdb_find(db, view_of("alice"), true, &u) == 1 && u.uid == 1001 &&
		u.gid == 1001 && strcmp(u.home, "/home/alice") == 0 &&
		strcmp(u.gecos, "Alice A") == 0 && strcmp(u.hash, H6) == 0,
	    "a full line with a scheme and CRLF");
	ok(passdb_find(db, view_of("alice"), false, &u) == 1 &&
		u.hash[0] == '\0',
	    "no hash unless asked for");
	ok(passdb_find(db, view_of("bOB"), true, &u) == 1 &&
		strcmp(u.name, "Bob") == 0 && u.gid == 1003 &&
		strcmp(u.hash, H1) == 0 && strcmp(u.home, "/home/bob") == 0,
	    "case is ignored, the file's spelling is given; extra fields");
	ok(passdb_find(db, view_of("carol"), true, &u) == 1 &&
		strcmp(u.hash, H2) == 0 && u.home[0] == '\0',
	    "{CRYPT}, no home");
	ok(passdb_find(db, view_of("dave"), true, &u) == 1 &&
		strcmp(u.hash, "!") == 0,
	    "a locked user exists");
	ok(passdb_find(db, view_of("erin"), true, &u) == 1 && u.hash[0] == '\0',
	    "an empty hash is empty");
	ok(passdb_find(db, view_of("frank"), true, &u) == 1 &&
		u.uid == 4294967294 && u.gid == 0,
	    "the largest uid");
	ok(passdb_find(db, view_of("ida"), true, &u) == 1 &&
		strcmp(u.hash, DES) == 0 && strcmp(u.home, "/home/ida") == 0,
	    "the last line without a line end");
	ok(passdb_find(db, view_of("zoe"), true, &u) == 0 && u.name[0] == '\0',
	    "nobody of that name");
	char model[USER_HASH_MAX];
	ok(passdb_model_hash(db, model) && strcmp(model, H6) == 0,
	    "the model is the first hash");
	passdb_free(db);

	db = open_db(false, false, &err);
	ok(db != NULL && passdb_find(db, view_of("alice"), true, &u) == 1 &&
		u.hash[0] == '\0' && strcmp(u.home, "/home/alice") == 0,
	    "opened without hashes there are none");
	passdb_free(db);
}

/* One user's hash must not keep the others out. */
static void
test_unknown_method(void)
{
	static const char text[] = "bob:$9$what$ever:1:1::\nalice:!:1:1\n";
	char *err;
	struct user u;

	put_file(text, sizeof(text) - 1, 0600);
	struct passdb *db = open_db(false, true, &err);
	ok(db != NULL && passdb_find(db, view_of("bob"), true, &u) == 1 &&
		!passdb_hash_usable(u.hash) &&
		passdb_find(db, view_of("alice"), true, &u) == 1,
	    "a hash of an unknown method locks out its user only");
	passdb_free(db);
}

static void
test_names(void)
{
	static const struct {
		const char *p;
		size_t n;
	} bad[] = { { "", 0 }, { ".", 1 }, { "..", 2 }, { ".x", 2 },
		{ "-x", 2 }, { "a/b", 3 }, { "a:b", 3 }, { "a\0b", 3 },
		{ "a\n", 2 }, { "a b", 3 }, { "alice\0", 6 }, { "\x7f", 1 } };
	char *err, longest[USER_NAME_MAX + 1];
	struct user u;
	unsigned refused = 0;
	char text[200];

	memset(longest, 'x', USER_NAME_MAX);
	longest[USER_NAME_MAX] = '\0';
	int n = snprintf(text, sizeof(text), "alice:!:1:1\n%.*s:!:2:2\n",
	    USER_NAME_MAX - 1, longest);
	put_file(text, (size_t)n, 0600);
	struct passdb *db = open_db(true, true, &err);
	for (size_t i = 0; i < NELEM(bad); i++)
		refused += passdb_find(db, (struct view){ bad[i].p, bad[i].n },
			       false, &u) == 0;
	ok(refused == NELEM(bad), "%u of %zu bad names are not found", refused,
	    NELEM(bad));
	ok(passdb_find(
	       db, (struct view){ longest, USER_NAME_MAX }, false, &u) == 0,
	    "a name that is one octet too long");
	ok(passdb_find(db, (struct view){ longest, USER_NAME_MAX - 1 }, false,
	       &u) == 1 &&
		u.uid == 2,
	    "the longest name");
	passdb_free(db);
}

static void
test_bad_lines(void)
{
	static const struct {
		const char *line, *want;
	} cases[] = {
		{ "bob", ":2: not name:hash" },
		{ "bob:{PLAIN}x:1:1::", ":2: password scheme {PLAIN} is not" },
		{ "bob:{PLAIN-MD5}x:1:1::", "openssl passwd -6" },
		{ "bob:{SSHA}x:1:1::", ":2: password scheme {SSHA}" },
		{ "bob:{CRYPT:1:1::", ":2: password scheme {}" },
		{ "bob:{:1:1::", ":2: password scheme {}" },
		{ "bob:{}" H6 ":1:1::", ":2: password scheme {}" },
		{ "bob:{SHA512-CRYPT}" H5 ":1:1::", "that begins with $6$" },
		{ "bob:secret:1:1::", ":2: the second field is no crypt" },
		{ "bob:x:1:1::", ":2: the second field is no crypt" },
		{ "bob:" H6 ":-1:1::", ":2: uid must be a number" },
		{ "bob:" H6 ":bob:1::", ":2: uid must be a number" },
		{ "bob:" H6 ":4294967295:1::", ":2: uid must be a number" },
		{ "bob:" H6 ":1:4294967296::", ":2: gid must be a number" },
		{ "bob:" H6 ":1:99999999999999999999::", ":2: gid must be" },
		{ "bob:" H6 ":1:1::home", ":2: the sixth field" },
		{ "bob:" H6 ":1:1:a\tb:/", ":2: control character" },
		{ ":" H6 ":1:1::", ":2: no name for a user" },
		{ "-bob:" H6 ":1:1::", ":2: no name for a user" },
		{ "a/b:" H6 ":1:1::", ":2: no name for a user" },
		{ "bob :" H6 ":1:1::", ":2: no name for a user" },
		{ "ALICE:" H6 ":1:1::",
		    ":2: user 'alice' was defined in line 1" },
	};

	for (size_t i = 0; i < NELEM(cases); i++) {
		char text[1000], *err;
		int n = snprintf(
		    text, sizeof(text), "alice:!:1:1\n%s\n", cases[i].line);
		put_file(text, (size_t)n, 0640);
		struct passdb *db = open_db(false, true, &err);
		if (!ok(db == NULL && err != NULL &&
			    strstr(err, cases[i].want) != NULL &&
			    strncmp(err, path, strlen(path)) == 0,
			"error: %s", cases[i].want))
			printf("# %s\n", err == NULL ? "(none)" : err);
		free(err);
		passdb_free(db);
	}
	char *err;
	put_file("b:$6$a\0b$"
		 "c:1:1\n",
	    15, 0640);
	ok(open_db(false, true, &err) == NULL && strstr(err, ":1: the second"),
	    "a NUL in a hash");
	free(err);
	put_file("alice:!:1:1\nb\0b:!:1:1\n", 23, 0640);
	ok(open_db(false, true, &err) == NULL && strstr(err, ":2: no name"),
	    "a NUL in a name");
	free(err);
	put_file("bob:" H6 ":::", sizeof("bob:" H6 ":::") - 1, 0640);
	struct passdb *db = open_db(false, true, &err);
	ok((db != NULL) == (geteuid() != 0),
	    "uid and gid may be left out only without root");
	passdb_free(db);
	free(err);
	char text[USER_HASH_MAX + 100];
	int n = snprintf(
	    text, sizeof(text), "bob:$6$%0*d:1:1::\n", USER_HASH_MAX - 3, 0);
	put_file(text, (size_t)n, 0640);
	ok(open_db(false, true, &err) == NULL && strstr(err, "hash longer"),
	    "a hash that is one octet too long");
	free(err);
}

static void
expect_refusal(const char *want, const char *what)
{
	char *err;
	struct passdb *db = open_db(false, true, &err);

	if (!ok(db == NULL && err != NULL && strstr(err, want) != NULL, "%s",
		what))
		printf("# %s\n", err == NULL ? "(none)" : err);
	free(err);
	passdb_free(db);
}

static void
test_modes(void)
{
	static const char text[] = "alice:!:1:1\n";

	put_file(text, sizeof(text) - 1, 0644);
	expect_refusal("chmod 0640", "readable by all");
	put_file(text, sizeof(text) - 1, 0660);
	expect_refusal(
	    "can change the users file: chmod 0640", "writable by the group");
	put_file(text, sizeof(text) - 1, 0602);
	expect_refusal("chmod 0640", "writable by all");
	put_file(text, sizeof(text) - 1, 0640);
	if (geteuid() == 0) {
		ok(chown(path, 12345, 0) == 0, "chown");
		expect_refusal("chown 0", "owned by somebody else");
	} else {
		tap_skip("foreign owner", "only root can chown");
		tap_skip("foreign owner", "only root can chown");
	}
	unlink(path);
	expect_refusal("create it", "a missing file");
	mkdir(path, 0700);
	expect_refusal("not a regular file", "a directory");
	rmdir(path);
	if (mkfifo(path, 0600) == -1)
		abort();
	expect_refusal("not a regular file", "a FIFO does not stop us");
	unlink(path);
	if (symlink("users", path) == -1)
		abort();
	expect_refusal("cannot be read", "a loop of links");
	unlink(path);
}

static void
test_refresh(void)
{
	char *err;
	struct user u;
	int logs[2];
	char seen[2000];

	put_file("alice:!:1:1\n", 12, 0600);
	struct passdb *db = open_db(false, true, &err);
	passdb_refresh(db);
	ok(passdb_find(db, view_of("alice"), false, &u) == 1, "unchanged");
	put_file("bob:!:1:1\ncarol:!:1:1\n", 22, 0600);
	passdb_refresh(db);
	ok(passdb_find(db, view_of("alice"), false, &u) == 0 &&
		passdb_find(db, view_of("bob"), false, &u) == 1 &&
		passdb_find(db, view_of("carol"), false, &u) == 1,
	    "a change in place is seen");
	char other[80];
	snprintf(other, sizeof(other), "%s.new", path);
	if (rename(path, other) == -1)
		abort();
	put_file("erin:!:1:1\ncarol:!:1:1\n", 23, 0600);
	passdb_refresh(db);
	ok(passdb_find(db, view_of("erin"), false, &u) == 1,
	    "a new file under the name is seen");
	unlink(other);

	if (pipe(logs) == -1)
		abort();
	int saved = dup(2);
	dup2(logs[1], 2);
	put_file("dave\n", 5, 0600);
	passdb_refresh(db);
	passdb_refresh(db);
	passdb_refresh(db);
	unlink(path);
	passdb_refresh(db);
	passdb_refresh(db);
	dup2(saved, 2);
	close(saved);
	close(logs[1]);
	ssize_t n = read(logs[0], seen, sizeof(seen) - 1);
	close(logs[0]);
	seen[n < 0 ? 0 : n] = '\0';
	unsigned lines = 0;
	for (char *p = seen; (p = strchr(p, '\n')) != NULL; p++)
		lines++;
	ok(passdb_find(db, view_of("erin"), false, &u) == 1,
	    "a file with an error leaves the old users in force");
	if (!ok(lines == 2 && strstr(seen, ":1: not name") != NULL &&
		    strstr(seen, "cannot be read") != NULL,
		"each error is logged once"))
		printf("# %s\n", seen);
	put_file("dave:!:1:1\n", 11, 0600);
	passdb_refresh(db);
	ok(passdb_find(db, view_of("dave"), false, &u) == 1,
	    "and when it is mended, it is read");
	passdb_free(db);
}

/* The same size, and the same time to the nanosecond, as after two writes
 * within one tick: found when the time has passed. */
static void
test_same_tick(void)
{
	char *err;
	struct user u;

	put_file("alice:!:1:1\n", 12, 0600);
	struct passdb *db = open_db(false, true, &err);
	bool found = false;
	put_file("peter:!:1:1\n", 12, 0600);
	for (int i = 0; i < 300 && !found; i++) {
		passdb_refresh(db);
		found = passdb_find(db, view_of("peter"), false, &u) == 1;
		nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
	}
	ok(found, "a change within the same tick is seen soon");
	passdb_free(db);
}

static void
test_large(void)
{
	enum { USERS = 100000 };
	char *text = malloc(USERS * 64), *err, name[32];
	size_t n = 0;
	struct user u;
	struct timespec a, b;
	unsigned found = 0;

	for (int i = 0; i < USERS; i++)
		n += (size_t)snprintf(
		    text + n, 64, "user%d:%s:%d:%d::/h\n", i, DES, i, i);
	put_file(text, n, 0600);
	/* Its own time: how much others have meanwhile is no matter. */
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	struct passdb *db = open_db(false, true, &err);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	double read_ms = (double)(b.tv_sec - a.tv_sec) * 1e3 +
			 (double)(b.tv_nsec - a.tv_nsec) / 1e6;
	for (int i = 0; i < USERS; i++) {
		snprintf(name, sizeof(name), "user%d", i);
		found += passdb_find(db, view_of(name), false, &u) == 1 &&
			 u.uid == (uid_t)i;
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	double find_ms = (double)(a.tv_sec - b.tv_sec) * 1e3 +
			 (double)(a.tv_nsec - b.tv_nsec) / 1e6;
	printf("# %d users: read in %.1f ms, each found once in %.1f ms\n",
	    USERS, read_ms, find_ms);
	ok(found == USERS, "100,000 users are found");
	ok(find_ms < 2000, "in less than 20 us each");
	passdb_free(db);
	free(text);
}

static void
test_system(void)
{
	char *err;
	struct user u;
	struct passwd *root;

	put_file("daemon:!:77:78::/srv/d\n", 23, 0600);
	struct passdb *db = open_db(true, true, &err);
	root = getpwuid(0);
	if (root == NULL)
		abort();
	ok(passdb_find(db, view_of("root"), false, &u) == 1 && u.uid == 0 &&
		strcmp(u.home, root->pw_dir) == 0,
	    "root can get mail");
	ok(passdb_find(db, view_of("ROOT"), false, &u) == 1 &&
		strcmp(u.name, "root") == 0,
	    "a system user in upper case");
	ok(passdb_find(db, view_of("daemon"), false, &u) == 1 && u.uid == 77,
	    "the file wins");
	ok(passdb_find(db, view_of("no-such-user-here"), true, &u) == 0,
	    "no such system user");
	if (geteuid() == 0)
		ok(passdb_find(db, view_of("bin"), true, &u) == 1 &&
			!passdb_hash_usable(u.hash),
		    "bin is locked");
	else
		tap_skip("bin is locked", "only root reads the shadow file");
	passdb_free(db);
	db = open_db(false, true, &err);
	ok(passdb_find(db, view_of("root"), false, &u) == 0,
	    "without system_users there are none");
	passdb_free(db);
	struct settings none = { .users = dir + strlen(dir) };
	db = passdb_open(&none, true, &err);
	passdb_refresh(db);
	ok(db != NULL && passdb_find(db, view_of("root"), true, &u) == 0,
	    "no users at all");
	passdb_free(db);
}

int
main(void)
{
	log_open(-1, "t");
	if (mkdtemp(dir) == NULL)
		return 1;
	snprintf(path, sizeof(path), "%s/users", dir);
	test_good();
	test_unknown_method();
	test_names();
	test_bad_lines();
	test_modes();
	test_refresh();
	test_same_tick();
	test_large();
	test_system();
	unlink(path);
	rmdir(dir);
	return done_testing();
}
