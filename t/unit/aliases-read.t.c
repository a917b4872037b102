/* Files of aliases: long lists and chains, files that change, and what
 * newaliases says of them. */
#define _GNU_SOURCE
#include "t/unit/alias_book.h"

#include <sys/resource.h>

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
	book_begin();
	test_includes();
	test_depth();
	test_check();
	unlink(second_path);
	test_refresh();
	book_end();
	return done_testing();
}
