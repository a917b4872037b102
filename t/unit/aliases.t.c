/* Files of aliases: what they say, what is wrong with them, where they lead. */
#define _GNU_SOURCE
#include "t/unit/alias_book.h"

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

int
main(void)
{
	book_begin();
	test_files();
	test_root();
	book_end();
	return done_testing();
}
