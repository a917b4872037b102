#ifndef T_UNIT_ALIAS_BOOK_H
#define T_UNIT_ALIAS_BOOK_H
/* A user database and files of aliases in a directory of their own, and what
 * an address leads to by them.  Users: alice, bob, carol, bob+tag, root. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "spool/aliases.h"
#include "spool/expand.h"
#include "t/unit/tap.h"

static char dir[] = "/tmp/aliases.XXXXXX";
static char users_path[64], alias_path[64], second_path[64], virtual_path[64];
static char list_path[64];
static char *domains[] = { (char[]){ "example.org" }, (char[]){ "b.example" } };
static char *virtuals[] = { (char[]){ "virt.example" } };
static struct settings set = {
	.users = users_path,
	.hostname = (char[]){ "mail.example.org" },
	.local_domains = domains,
	.local_domain_n = NELEM(domains),
	.virtual_domains = virtuals,
	.virtual_domain_n = NELEM(virtuals),
	.alias_files = { alias_path, second_path },
	.alias_file_n = 2,
	.virtual_files = { virtual_path },
	.virtual_file_n = 1,
	.postmaster = (char[]){ "carol" },
	.recipient_delimiter = (char[]){ "+" },
};
static struct book book = { .settings = &set };
static struct expansion x;

static const char users[] = "alice:!:1001:1:Alice:/home/alice\n"
			    "bob:!:1002:1::/\n"
			    "carol:!:1003:1::/\n"
			    "bob+tag:!:1004:1::/\n"
			    "root:!:0:0::/root\n";

static void
put(const char *path, const char *text, mode_t mode)
{
	char tmp[80];

	snprintf(tmp, sizeof(tmp), "%s.new", path);
	int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd == -1 || write(fd, text, strlen(text)) == -1 ||
	    fchmod(fd, mode) == -1 || close(fd) == -1 ||
	    rename(tmp, path) == -1)
		abort();
}

/* Reads all files; the first mistake, or "". */
static const char *
load(const char *aliases, const char *virtual)
{
	static char text[1024];
	char *err = NULL;

	put(alias_path, aliases, 0644);
	put(virtual_path, virtual, 0644);
	aliases_free(book.aliases);
	book.aliases = aliases_open(&set, &err);
	if (book.aliases == NULL)
		abort();
	snprintf(text, sizeof(text), "%s", err == NULL ? "" : err);
	free(err);
	return text;
}

/* "LIST owner: a b c", "UNKNOWN", ... */
static const char *
expand(const char *address)
{
	static const char *const names[EXPAND__N] = { "LOCAL", "FOREIGN",
		"LIST", "UNKNOWN", "MOVED", "LATER", "ERROR" };
	static char out[4096];
	struct alias_target t;
	size_t n;

	expand_list(&book, address, true, &x);
	n = (size_t)snprintf(out, sizeof(out), "%s", names[x.kind]);
	if (x.kind != EXPAND_LIST) {
		snprintf(out + n, sizeof(out) - n, "%s%s",
		    x.why[0] == '\0' ? "" : " ", x.why);
		return out;
	}
	if (x.owner[0] != '\0')
		n += (size_t)snprintf(
		    out + n, sizeof(out) - n, " (%s)", x.owner);
	for (unsigned i = 0; i < x.n && n < sizeof(out) - 200; i++) {
		char text[TARGET_TEXT_MAX + 20];
		expansion_target(&x, i, &t);
		target_print(&t, text, sizeof(text));
		n +=
		    (size_t)snprintf(out + n, sizeof(out) - n, " %.150s", text);
	}
	return out;
}

static void
is(const char *got, const char *want, const char *name)
{
	if (!ok(strcmp(got, want) == 0, "%s", name))
		printf("# got  %s\n# want %s\n", got, want);
}

static void
book_begin(void)
{
	char *err;

	log_open(-1, "t");
	if (mkdtemp(dir) == NULL)
		abort();
	snprintf(users_path, sizeof(users_path), "%s/users", dir);
	snprintf(alias_path, sizeof(alias_path), "%s/aliases", dir);
	snprintf(second_path, sizeof(second_path), "%s/second", dir);
	snprintf(virtual_path, sizeof(virtual_path), "%s/virtual", dir);
	snprintf(list_path, sizeof(list_path), "%s/list", dir);
	put(users_path, users, 0600);
	put(second_path, "", 0644);
	book.users = passdb_open(&set, false, &err);
	if (!ok(book.users != NULL, "users"))
		exit(1);
	expansion_init(&x);
}

static void
book_end(void)
{
	expansion_free(&x);
	aliases_free(book.aliases);
	passdb_free(book.users);
	unlink(users_path);
	unlink(alias_path);
	unlink(second_path);
	unlink(virtual_path);
	unlink(list_path);
	ok(rmdir(dir) == 0, "nothing is left");
}

#endif
