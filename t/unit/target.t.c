/* Right-hand sides of aliases and .forward. */
#include "spool/target.h"

#include <stdlib.h>
#include <string.h>

#include "t/unit/tap.h"

/* One target per '\n' in want, as target_print has it; "!" at the end: an
 * error. */
/* clang-format off */
static const struct {
	const char *name, *in, *want;
} cases[] = {
	{ "one", "bob", "bob\n" },
	{ "several", "bob, carol@x.example ,dave", "bob\ncarol@x.example\ndave\n" },
	{ "line ends separate", "bob\n  carol\r\ndave\r\n", "bob\ncarol\ndave\n" },
	{ "empty ones", ",, bob,,\n\n,", "bob\n" },
	{ "nothing", " \t\n,", "" },
	{ "a comment line", "# bob, carol\ndave", "dave\n" },
	{ "a comment behind", "bob # the boss, carol\ndave", "bob\ndave\n" },
	{ "no comment in a name", "bob#1, dave", "bob#1\ndave\n" },
	{ "parentheses", "bob (Bob, \\) Smith (sen.)), (x) carol", "bob\ncarol\n" },
	{ "a full name", "Bob Smith <bob@x.example>, \"Smith, Carol\" <carol>", "bob@x.example\ncarol\n" },
	{ "a quoted local part", "\"john doe\"@x.example, \"john.doe\"", "\"john doe\"@x.example\njohn.doe\n" },
	{ "quoted comma", "\"a,b\"@x.example", "\"a,b\"@x.example\n" },
	{ "a user", "\\bob, \"\\\\carol\"", "\\bob\n\\carol\n" },
	{ "a quoted command", "\"|/bin/x -a 'b, c'\", bob", "|/bin/x -a 'b, c'\nbob\n" },
	{ "quotes in it", "\"|/bin/x \\\"a b\\\" \\\\\\\\\"", "|/bin/x \"a b\" \\\\\n" },
	{ "quotes behind the bar", "|\"/bin/x a, b\", bob", "|/bin/x a, b\nbob\n" },
	{ "an unquoted command", "|/bin/x -a \"b, c\", bob", "|/bin/x -a \"b, c\"\nbob\n" },
	{ "a blank behind the bar", "| /bin/x", "|/bin/x\n" },
	{ "a number sign in a command", "|/bin/x #1", "|/bin/x #1\n" },
	{ "a file", "/var/mail/x, \"/a b/c,d\"", "/var/mail/x\n/a b/c,d\n" },
	{ "an include", ":include:/etc/list, \":include: /a b\", :INCLUDE:/x", ":include:/etc/list\n:include:/a b\n:include:/x\n" },
	{ "moved", ":moved: bob@x.example", ":moved: bob@x.example\n" },
	{ "forwarded", ":forwarded:bob@x.example", ":forwarded: bob@x.example\n" },
	{ "UTF-8", "b\xc3\xb6" "b@x.example", "b\xc3\xb6" "b@x.example\n" },
	{ "a quote open", "bob, \"carol\ndave", "bob\n!" },
	{ "a quote open in a command", "\"|/bin/x", "!" },
	{ "a parenthesis open", "bob (the", "!" },
	{ "a quote open in what is moved", ":moved: \"bob", "!" },
	{ "a parenthesis open there", ":moved: bob@x.example (a", "!" },
	{ "a quote open behind a backslash", "\"\\\\\\\"bob\"", "!" },
	{ "two words", "bob carol", "!" },
	{ "no address", "bob@", "!" },
	{ "the null path", "<>", "!" },
	{ "an empty quote", "\"\"", "!" },
	{ "no command", "|", "!" },
	{ "a command that is no path", "\"|vacation bob\"", "!" },
	{ "a quote open in a command's words", "\"|/bin/x 'a\"", "!" },
	{ "a root directory", "/", "!" },
	{ "an include of nothing", ":include:", "!" },
	{ "an include that is no path", ":include:list", "!" },
	{ "moved to nowhere", ":moved:", "!" },
	{ "moved to no domain", ":moved: bob", "!" },
	{ "something else with colons", ":fail: go away", "!" },
	{ "a control character", "bo\001b", "!" },
	{ "one in a command", "\"|/bin/x \001\"", "!" },
	{ "an escaped line end", "\"|/bin/x \\\n\"", "!" },
	{ "text behind quotes", "\"|/bin/x\" y", "!" },
	{ "broken UTF-8", "|/bin/x \xc3", "!" },
	{ "a lone backslash", "\\", "!" },
};
static const struct {
	const char *name, *in, *want; /* words, each in []; NULL: refused */
} commands[] = {
	{ "words", "/bin/x a  b\tc", "[/bin/x][a][b][c]" },
	{ "single quotes", "/bin/x 'a \"b\\' c", "[/bin/x][a \"b\\][c]" },
	{ "double quotes", "/bin/x \"a 'b\\\"\\\\ \\n\"", "[/bin/x][a 'b\"\\ \\n]" },
	{ "an empty word", "/bin/x '' \"\"", "[/bin/x][][]" },
	{ "glued", "/bin/x a'b c'\"d e\"f", "[/bin/x][ab cd ef]" },
	{ "a backslash", "/bin/x a\\ b \\$HOME", "[/bin/x][a b][$HOME]" },
	{ "nothing of a shell", "/bin/x $HOME `id` * > /y; z & | w", "[/bin/x][$HOME][`id`][*][>][/y;][z][&][|][w]" },
	{ "not closed", "/bin/x 'a", NULL },
	{ "no path", "x", NULL },
	{ "nothing", " ", NULL },
	{ "a backslash at the end", "/bin/x a\\", "[/bin/x][a\\]" },
};
/* clang-format on */

static void
parse(const char *in, unsigned allowed, char *out, size_t size)
{
	/* Exactly as long as it says, so that sanitizers see a step beyond. */
	size_t len = strlen(in), n = 0;
	char *copy = malloc(len + 1);
	struct alias_target t;
	const char *why;
	int rc;

	if (copy == NULL)
		abort();
	memcpy(copy, in, len);
	struct view v = { copy, len };
	out[0] = '\0';
	while ((rc = target_next(&v, allowed, &t, &why)) == 1) {
		char text[TARGET_TEXT_MAX + 20];
		target_print(&t, text, sizeof(text));
		n += (size_t)snprintf(out + n, size - n, "%s\n", text);
	}
	if (rc == -1 && t.text[0] == '\0' && why[0] != '\0')
		snprintf(out + n, size - n, "!");
	free(copy);
}

static void
test_words(void)
{
	char space[TARGET_TEXT_MAX + 1], *argv[TARGET_ARGS_MAX + 1];
	char got[2 * TARGET_TEXT_MAX], many[TARGET_TEXT_MAX + 2] = "/x";
	const char *why;

	for (size_t i = 0; i < NELEM(commands); i++) {
		size_t n = 0;
		bool good = target_argv(commands[i].in, space, argv, &why);
		got[0] = '\0';
		for (unsigned k = 0; good && argv[k] != NULL; k++)
			n += (size_t)snprintf(
			    got + n, sizeof(got) - n, "[%s]", argv[k]);
		if (!ok(good ? commands[i].want != NULL &&
				   strcmp(got, commands[i].want) == 0
			     : commands[i].want == NULL,
			"command: %s", commands[i].name))
			printf("# %d %s\n", good, got);
	}
	for (unsigned i = 1; i < TARGET_ARGS_MAX; i++)
		strncat(many, " a", 3);
	ok(target_argv(many, space, argv, &why) &&
		argv[TARGET_ARGS_MAX] == NULL,
	    "as many words as there may be");
	strncat(many, " a", 3);
	ok(!target_argv(many, space, argv, &why), "one more");
	memset(many, 'x', TARGET_TEXT_MAX);
	many[0] = '/';
	many[TARGET_TEXT_MAX] = '\0';
	ok(target_argv(many, space, argv, &why) &&
		strlen(argv[0]) == TARGET_TEXT_MAX,
	    "a word as long as may be");
	many[TARGET_TEXT_MAX] = 'x';
	many[TARGET_TEXT_MAX + 1] = '\0';
	ok(!target_argv(many, space, argv, &why), "one octet more");
}

int
main(void)
{
	char out[4096], longest[TARGET_TEXT_MAX + 8];
	struct alias_target a = { TARGET_USER, "bob" }, b = a;

	for (size_t i = 0; i < NELEM(cases); i++) {
		parse(cases[i].in, TARGETS_ALIAS, out, sizeof(out));
		if (!ok(strcmp(out, cases[i].want) == 0, "%s", cases[i].name))
			printf("# %s\n", out);
	}
	parse("bob, \"|/bin/x\"", TARGETS_LIST, out, sizeof(out));
	ok(strcmp(out, "bob\n!") == 0, "no command in a list");
	parse(":include:/x", TARGETS_FORWARD, out, sizeof(out));
	ok(strcmp(out, "!") == 0, "no include in .forward");
	parse("|/bin/x, /y, \\bob", TARGETS_FORWARD, out, sizeof(out));
	ok(strcmp(out, "|/bin/x\n/y\n\\bob\n") == 0, "but the rest");
	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[TARGET_TEXT_MAX] = '\0';
	parse(longest, TARGETS_FORWARD, out, sizeof(out));
	ok(strlen(out) == TARGET_TEXT_MAX + 1, "as long as may be");
	longest[TARGET_TEXT_MAX] = 'x';
	longest[TARGET_TEXT_MAX + 1] = '\0';
	parse(longest, TARGETS_FORWARD, out, sizeof(out));
	ok(strcmp(out, "!") == 0, "one octet more");
	ok(target_same(&a, &b), "the same");
	b.kind = TARGET_ADDRESS;
	ok(!target_same(&a, &b), "another kind");
	test_words();
	return done_testing();
}
