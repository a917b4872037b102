/* Files of aliases: what they say, what is wrong with them, where they lead. */
#define _GNU_SOURCE
#include "spool/aliases.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
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

/* ---- what files may say ---- */

/* clang-format off */
static const char good[] =
    "# comment\n"
    "root: bob\n"
    "Staff: alice,\n"
    "# in between\n"
    "\n"
    "   Bob@B.Example,\r\n"
    "\tinner # with a word\n"
    "inner: \"|/bin/x 'a b'\", /var/x, other@elsewhere.example, alice\n"
    "owner-staff: carol\n"
    "\"john doe\" : bob\n"
    "self: bob\n"
    "bob: bob, alice\n"
    "carol: \\carol, staff\n"
    "away: \\bob@elsewhere.example\n"
    "tagged: bob+x, bob+tag\n"
    "gone: :moved: bob@elsewhere.example\n"
    "on: :forwarded: bob@elsewhere.example\n"
    "with-gone: gone, alice\n"
    "dead: nobody-here\n"
    "a: b\nb: c\nc: a\n"
    "me: me\n"
    "toor: toor, root\n"
    "diamond: d1, d2\nd1: d3\nd2: d3\nd3: alice\n";
static const char good_virtual[] =
    "info@virt.example alice, bob@elsewhere.example\n"
    "\"a b\"@virt.example: carol\n"
    "@virt.example\n\tstaff\n"
    "away@virt.example :moved: away@new.example\n"
    "alice@b.example bob\n"
    "@b.example alice\n"
    "x+y@virt.example alice\n"
    "x@virt.example bob\n";
static const struct {
	const char *address, *want;
} expansions[] = {
	{ "alice", "LOCAL alice@example.org" },
	{ "alice@elsewhere.example", "FOREIGN" },
	{ "zoe", "UNKNOWN" },
	{ "root", "LIST \\bob@example.org alice@example.org" },
	{ "root+x", "LIST \\bob@example.org alice@example.org" },
	{ "ROOT@B.example", "LIST \\bob@example.org alice@example.org" },
	{ "postmaster", "LIST \\carol@example.org alice@example.org \\bob@example.org |/bin/x 'a b' /var/x other@elsewhere.example" },
	{ "PostMaster@virt.example", "LIST \\carol@example.org alice@example.org \\bob@example.org |/bin/x 'a b' /var/x other@elsewhere.example" },
	{ "staff@example.org", "LIST (owner-staff@example.org) alice@example.org \\bob@example.org |/bin/x 'a b' /var/x other@elsewhere.example" },
	{ "STAFF+2@b.example", "LIST (owner-staff@b.example) alice@example.org \\bob@example.org |/bin/x 'a b' /var/x other@elsewhere.example" },
	{ "\"John Doe\"@example.org", "LIST \\bob@example.org alice@example.org" },
	{ "self", "LIST \\bob@example.org alice@example.org" },
	{ "bob", "LIST \\bob@example.org alice@example.org" },
	{ "bob+tag", "LOCAL bob+tag@example.org" },
	{ "bob+other", "LIST \\bob@example.org alice@example.org" },
	{ "away", "LIST bob@elsewhere.example" },
	{ "tagged", "LIST \\bob@example.org alice@example.org bob+tag@example.org" },
	{ "gone", "MOVED bob@elsewhere.example" },
	{ "gone+x@b.example", "MOVED bob@elsewhere.example" },
	{ "on", "LIST bob@elsewhere.example" },
	{ "with-gone", "LIST gone@example.org alice@example.org" },
	{ "dead", "LIST nobody-here@example.org" },
	{ "a", "ERROR alias loop: a -> b -> c -> a" },
	{ "c", "ERROR alias loop: c -> a -> b -> c" },
	{ "me", "ERROR alias loop: me -> me" },
	{ "diamond", "LIST alice@example.org" },
	{ "info@virt.example", "LIST alice@example.org bob@elsewhere.example" },
	{ "INFO+news@Virt.Example", "LIST alice@example.org bob@elsewhere.example" },
	{ "\"a b\"@virt.example", "LIST \\carol@example.org alice@example.org \\bob@example.org |/bin/x 'a b' /var/x other@elsewhere.example" },
	{ "alice@virt.example", "LIST alice@example.org \\bob@example.org |/bin/x 'a b' /var/x other@elsewhere.example" },
	{ "away@virt.example", "MOVED away@new.example" },
	{ "alice@b.example", "LIST \\bob@example.org alice@example.org" },
	{ "carol@b.example", "LIST \\carol@example.org alice@example.org \\bob@example.org |/bin/x 'a b' /var/x other@elsewhere.example" },
	{ "zoe@b.example", "LIST alice@example.org" },
	{ "x+y@virt.example", "LIST alice@example.org" },
	{ "x+z@virt.example", "LIST \\bob@example.org alice@example.org" },
	{ "no address", "UNKNOWN" },
};
static const struct {
	const char *name, *aliases, *virtual, *want;
} mistakes[] = {
	{ "no colon", "# x\nbob\n", "", "aliases:2: no ':' behind the name: name: target, target" },
	{ "no target", "bob:\nalice: x\n", "", "aliases:1: 'bob' leads nowhere: name: target" },
	{ "a bad target", "x: alice,\n  b c\n", "", "aliases:2: 'x': not an address, \"|command\", /file or :include:/file" },
	{ "twice", "x: alice\ny: bob\nX: bob\n", "", "aliases:3: 'X' was defined in line 1" },
	{ "goes on from nothing", "# x\n  bob: alice\n", "", "aliases:2: begins with a blank, but there is nothing before it that could go on" },
	{ "an address in aliases", "bob@example.org: alice\n", "", "aliases:1: a name without a domain must stand here; whole addresses belong into the file that 'virtual' names" },
	{ "moved and more", "x: :moved: a@b.example, bob\n", "", "aliases:1: 'x': what has moved can have no other target" },
	{ "no name in virtual", "", "bob alice\n", "virtual:1: an address, or @domain, must stand here: user@domain target, target" },
	{ "not ours", "", "bob@other.example alice\n", "virtual:1: other.example is neither in local_domains nor in virtual_domains, so that no mail for it comes here" },
	{ "a command in virtual", "", "bob@virt.example |/bin/x\n", "virtual:1: 'bob@virt.example': commands, files, :include: and :moved: may not stand here" },
	{ "a domain that is none", "", "@ alice\n", "virtual:1: an address, or @domain, must stand here: user@domain target, target" },
	{ "a quote open", "x: \"|/bin/x\n", "", "aliases:1: 'x': a quote is not closed in its line" },
};
/* clang-format on */

static void
test_files(void)
{
	char want[400];

	is(load(good, good_virtual), "", "good files");
	for (size_t i = 0; i < NELEM(expansions); i++)
		is(expand(expansions[i].address), expansions[i].want,
		    expansions[i].address);
	for (size_t i = 0; i < NELEM(mistakes); i++) {
		snprintf(want, sizeof(want), "%s/%s", dir, mistakes[i].want);
		is(load(mistakes[i].aliases, mistakes[i].virtual), want,
		    mistakes[i].name);
	}
	is(expand("zoe"), "LATER a file of aliases has a mistake",
	    "nobody is unknown while a file has a mistake");
	is(expand("alice"), "LATER a file of aliases has a mistake",
	    "nor known: an alias may be meant");
	is(expand("alice@elsewhere.example"), "FOREIGN", "but elsewhere");
	set.exact_case = true;
	is(load("staff: alice\n", ""), "", "where case matters");
	is(expand("STAFF"), "UNKNOWN", "another case is another name");
	is(expand("staff"), "LIST alice@example.org", "the same is the same");
	set.exact_case = false;
	load("J\xc3\xb6rg: alice\n", "");
	is(expand("jO\xcc\x88rg"), "LIST alice@example.org",
	    "UTF-8 in another form and case");
}

/* root's and postmaster's mail, when the keyword names nobody who can read
 * it. */
static void
test_root(void)
{
	char *before = set.postmaster;
	char root[] = "root", list[] = "admins";

	set.postmaster = root;
	load("", "");
	is(expand("postmaster"),
	    "LATER the user database cannot be asked, or nobody gets "
	    "postmaster's mail",
	    "postmaster is uid 0, and there is no alias");
	load("root: alice\n", "");
	is(expand("postmaster"), "LIST alice@example.org",
	    "postmaster is root is alice");
	load("postmaster: root\n", "");
	is(expand("postmaster"), "LIST \\root@example.org", "in a circle");
	ok(x.unknown == 1, "which reaches nobody");
	load("postmaster: alice\n", "");
	is(expand("root"), "LIST alice@example.org", "root is postmaster");
	is(expand("root+x@b.example"), "LIST alice@example.org",
	    "with a tag, in another domain");
	set.postmaster = list;
	load("admins: alice, bob\n", "");
	is(expand("postmaster"), "LIST alice@example.org bob@example.org",
	    "the keyword names an alias");
	set.postmaster = before;
	load("", "");
	is(expand("root"), "LOCAL carol@example.org",
	    "without any, the keyword's user");
}

/* ---- includes ---- */

static void
write_list(unsigned n, unsigned repeat)
{
	char tmp[80];

	snprintf(tmp, sizeof(tmp), "%s.new", list_path);
	FILE *f = fopen(tmp, "w");
	if (f == NULL)
		abort();
	for (unsigned k = 0; k < repeat; k++)
		for (unsigned i = 0; i < n; i++)
			fprintf(f, "Member %u <m%u@lists.example>\n", i, i);
	fclose(f);
	chmod(tmp, 0644);
	rename(tmp, list_path);
}

static long
peak_kib(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return r.ru_maxrss;
}

static void
test_includes(void)
{
	char text[400], want[400];
	struct alias_target t;

	snprintf(text, sizeof(text),
	    "list: :include:%s, alice\nother: :include:%s.not\n", list_path,
	    list_path);
	is(load(text, ""), "", "files with includes");
	put(list_path,
	    "# members\nbob, carol # two\n\nbob\nb c d\n|/bin/x\n"
	    "/etc/passwd\n:include:/etc/passwd\n\\alice\nz@x.example\n",
	    0644);
	is(expand("list"),
	    "LIST bob@example.org carol@example.org \\alice@example.org "
	    "z@x.example alice@example.org",
	    "members; what may not stand there is left out");
	put(list_path, "bob\n", 0664);
	snprintf(want, sizeof(want),
	    "LATER %s: mode 0664: others can change the :include: file: "
	    "chmod go-w '%s'",
	    list_path, list_path);
	is(expand("list"), want, "a list that a group can write");
	put(list_path, "bob\n", 0646);
	ok(strncmp(expand("list"), "LATER ", 6) == 0, "or everybody");
	unlink(list_path);
	mkfifo(list_path, 0644);
	ok(strstr(expand("list"), "not a regular file") != NULL, "a FIFO");
	unlink(list_path);
	ok(strncmp(expand("other"), "LATER ", 6) == 0, "one that is missing");
	put(list_path, "list\nalice\n", 0644);
	ok(strncmp(expand("list"), "ERROR alias loop: list -> list", 30) == 0,
	    "a list in itself");

	write_list(EXPANSION_MAX - 1, 3);
	long before = peak_kib();
	expand("list");
	ok(x.kind == EXPAND_LIST && x.n == EXPANSION_MAX,
	    "as many members as there may be, each once");
	expansion_target(&x, EXPANSION_MAX - 2, &t);
	ok(strcmp(t.text, "m7998@lists.example") == 0, "in their order");
	printf("# %ld KiB more\n", peak_kib() - before);
	ok(peak_kib() - before < 32 * 1024, "in little memory");
	write_list(EXPANSION_MAX, 1);
	ok(strncmp(
	       expand("list"), "ERROR 'list' leads to more than 8000", 36) == 0,
	    "one more");
	write_list(2000, 51);
	ok(strncmp(expand("list"), "ERROR 'list' leads to too many targets",
	       38) == 0,
	    "the same ones for ever");
}

/* A chain, and a bush. */
static void
test_depth(void)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	for (int i = 0; i < 200; i++)
		fprintf(f, "n%d: n%d\n", i, i + 1);
	fprintf(f, "n200: alice\n");
	for (int i = 0; i < 18; i++)
		fprintf(f, "p%d: q%d, p%d\nq%d: p%d, alice\n", i, i, i + 1, i,
		    i + 1);
	fprintf(f, "p18: bob\n");
	fclose(f);
	is(load(text, ""), "", "a long chain");
	ok(strstr(expand("n0"), "leads through too many aliases") != NULL,
	    "200 aliases one behind the other");
	is(expand("n190"), "LIST alice@example.org", "10 are well");
	is(expand("p9"), "LIST bob@example.org alice@example.org",
	    "each alias is entered once");
	free(text);
}

/* ---- changes ---- */

static void
test_refresh(void)
{
	struct alias_target t = { TARGET_COMMAND, "/bin/x a" };

	load("x: alice\n", "");
	ok(!aliases_have(book.aliases, &t), "no such command");
	put(alias_path, "x: bob, |\"/bin/x a\"\n", 0644);
	aliases_refresh(book.aliases, &set);
	is(expand("x"), "LIST bob@example.org |/bin/x a", "read again");
	ok(aliases_have(book.aliases, &t), "the command is there");
	put(virtual_path, "v@virt.example bob\n", 0644);
	t = (struct alias_target){ TARGET_ADDRESS, "bob" };
	put(alias_path, "x: carol\n", 0644);
	aliases_refresh(book.aliases, &set);
	ok(!aliases_have(book.aliases, &t),
	    "what stands in virtual only is not in an alias");
	put(alias_path, "x: car ol\n", 0644);
	aliases_refresh(book.aliases, &set);
	is(expand("x"), "LIST carol@example.org",
	    "a mistake: what was read before is in force");
	ok(!aliases_broken(book.aliases), "and nothing is broken");
	unlink(alias_path);
	aliases_refresh(book.aliases, &set);
	is(expand("x"), "LIST carol@example.org", "gone: the same");
	put(alias_path, "y: carol\n", 0644);
	aliases_refresh(book.aliases, &set);
	is(expand("x"), "UNKNOWN", "a good one again");
	put(second_path, "x: bob\ny: bob\n", 0644);
	aliases_refresh(book.aliases, &set);
	is(expand("x"), "LIST bob@example.org", "a second file comes");
	is(expand("y"), "LIST carol@example.org", "the first is believed");
	put(second_path, "x: bo b\n", 0644);
	unlink(alias_path);
	aliases_free(book.aliases);
	char *err = NULL;
	book.aliases = aliases_open(&set, &err);
	ok(err != NULL && aliases_broken(book.aliases),
	    "a mistake from the start");
	free(err);
	put(second_path, "x: bob\n", 0644);
	aliases_refresh(book.aliases, &set);
	ok(!aliases_broken(book.aliases), "is mended");
	is(expand("x"), "LIST bob@example.org", "and read");
	put(second_path, "x: bob\n", 0666);
	aliases_refresh(book.aliases, &set);
	is(expand("x"), "LIST bob@example.org", "a file that all may write");
	put(second_path, "", 0644);
}

/* ---- what newaliases says ---- */

static char said[4096];

static void
say(void *arg, bool error, const char *text)
{
	size_t n = strlen(said);

	(void)arg;
	/* Without the directory. */
	if (strncmp(text, dir, strlen(dir)) == 0)
		text += strlen(dir) + 1;
	snprintf(said + n, sizeof(said) - n, "%s %s\n",
	    error ? "error" : "warning", text);
}

static unsigned
check(const char *aliases)
{
	load(aliases, "");
	said[0] = '\0';
	return aliases_check(&set, book.users, say, NULL);
}

static void
test_check(void)
{
	ok(check("root: alice\n") == 0, "nothing is wrong");
	is(said, "", "and nothing said");
	ok(check("x: b c\ny:\nz: alice\nz: alice\n") == 3, "three mistakes");
	is(said,
	    "error aliases:1: 'x': not an address, \"|command\", /file or "
	    ":include:/file\nerror aliases:2: 'y' leads nowhere: name: "
	    "target\nerror aliases:4: 'z' was defined in line 3\n",
	    "each is said");
	ok(check("a: b\nb: a\nc: :include:/nonexistent/list\n") == 3,
	    "loops and lists");
	ok(strstr(said, "aliases:1: alias loop: a -> b -> a") != NULL &&
		strstr(said, "aliases:3: /nonexistent/list: cannot be read") !=
		    NULL,
	    "with their lines");
	ok(check("root: nobody-here\npostmaster: nobody-here, x@y.example\n") ==
		0,
	    "warnings are no errors");
	is(said,
	    "warning aliases:1: 'root' leads to nobody-here@example.org, but "
	    "there is no such user or alias\n"
	    "warning aliases:2: 'postmaster' leads to nobody-here@example.org, "
	    "but there is no such user or alias\n"
	    "warning mail for root reaches nobody: it leads to nobody that is "
	    "there\n",
	    "who is not reached");
}

int
main(void)
{
	char *err;

	log_open(-1, "t");
	if (mkdtemp(dir) == NULL)
		return 1;
	snprintf(users_path, sizeof(users_path), "%s/users", dir);
	snprintf(alias_path, sizeof(alias_path), "%s/aliases", dir);
	snprintf(second_path, sizeof(second_path), "%s/second", dir);
	snprintf(virtual_path, sizeof(virtual_path), "%s/virtual", dir);
	snprintf(list_path, sizeof(list_path), "%s/list", dir);
	put(users_path, users, 0600);
	put(second_path, "", 0644);
	book.users = passdb_open(&set, false, &err);
	if (!ok(book.users != NULL, "users"))
		return 1;
	expansion_init(&x);
	test_files();
	test_root();
	test_includes();
	test_depth();
	test_check();
	unlink(second_path);
	test_refresh();
	expansion_free(&x);
	aliases_free(book.aliases);
	passdb_free(book.users);
	unlink(users_path);
	unlink(alias_path);
	unlink(second_path);
	unlink(virtual_path);
	unlink(list_path);
	ok(rmdir(dir) == 0, "nothing is left");
	return done_testing();
}
