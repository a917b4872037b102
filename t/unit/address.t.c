/* Addresses as RFC 5321 4.1.2 and 4.1.3 have them, and as people type them. */
#include "common/address.h"

#include <string.h>

#include "t/unit/tap.h"

#define L10 "aaaaaaaaaa"
#define L60 L10 L10 L10 L10 L10 L10
#define D60 L60 "."
#define V(s) ((struct view){ (s), sizeof(s) - 1 })

/* clang-format off */
static const struct {
	struct view in;
	const char *name, *text, *rest;
	enum address_error want;
	bool null;
} paths[] = {
	{ V("<a@b.org>"),           "4.1.2 Path",                    "a@b.org", "", ADDR_OK, false },
	{ V("<a@B.ORG>"),           "2.4 the domain has no case",    "a@B.ORG", "", ADDR_OK, false },
	{ V("<A@b.org>"),           "2.4 the local part has",        "A@b.org", "", ADDR_OK, false },
	{ V("<>"),                  "4.1.1.2 null reverse-path",     "", "", ADDR_OK, true },
	{ V("<>"),                  "4.1.1.3 no null forward-path",  NULL, NULL, ADDR_SYNTAX, false },
	{ V(""),                    "nothing is no null path",       NULL, NULL, ADDR_SYNTAX, true },
	{ V("  "),                  "nor are blanks",                NULL, NULL, ADDR_SYNTAX, true },
	{ V("< >"),                 "blanks between brackets",       "", "", ADDR_OK, true },
	{ V(" a@b.org"),            "typed without brackets",        "a@b.org", "", ADDR_OK, false },
	{ V("  <a@b.org>  "),       "typed with blanks",             "a@b.org", "", ADDR_OK, false },
	{ V("<frol>"),              "typed without domain",          "frol", "", ADDR_OK, false },
	{ V("<Postmaster>"),        "4.1.1.3 postmaster",            "Postmaster", "", ADDR_OK, false },
	{ V("<a@b> SIZE=1 X"),      "4.1.1.2 parameters are left",   "a@b", "SIZE=1 X", ADDR_OK, false },
	{ V("a@b SIZE=1"),          "also without brackets",         "a@b", "SIZE=1", ADDR_OK, false },
	{ V("a@b\tSIZE=1"),         "also behind a tab",             "a@b", "SIZE=1", ADDR_OK, false },
	{ V("<a@b>SIZE=1"),         "parameters glued on",           NULL, NULL, ADDR_SYNTAX, false },
	{ V("<a@b"),                "bracket not closed",            NULL, NULL, ADDR_SYNTAX, false },
	{ V("a@b>"),                "bracket not opened",            NULL, NULL, ADDR_SYNTAX, false },
	{ V("<<a@b>>"),             "two brackets",                  NULL, NULL, ADDR_SYNTAX, false },
	{ V("<@x.y,@z:a@b>"),       "C source route is ignored",     "a@b", "", ADDR_OK, false },
	{ V("<@[IPv6:::1]:a@b>"),   "route over a literal",          "a@b", "", ADDR_OK, false },
	{ V("<@x.y,z:a@b>"),        "broken source route",           NULL, NULL, ADDR_SYNTAX, false },
	{ V("<@x.y>"),              "a route to nowhere",            NULL, NULL, ADDR_SYNTAX, false },
	{ V("<@:a@b>"),             "an empty hop",                  NULL, NULL, ADDR_SYNTAX, false },
	{ V("<\"a b\"@c>"),         "4.1.2 Quoted-string",           "\"a b\"@c", "", ADDR_OK, false },
	{ V("\"a b\"@c S=1"),       "a quoted blank is no end",      "\"a b\"@c", "S=1", ADDR_OK, false },
	{ V("<\"a>b\"@c>"),         "a quoted bracket is no end",    "\"a>b\"@c", "", ADDR_OK, false },
	{ V("<\"a\\\">b\"@c>"),     "nor behind a quoted quote",     "\"a\\\">b\"@c", "", ADDR_OK, false },
	{ V("<\"ab\"@c>"),          "4.1.2 needless quotes go",      "ab@c", "", ADDR_OK, false },
	{ V("<\"a\\b\"@c>"),        "needless backslash goes",       "ab@c", "", ADDR_OK, false },
	{ V("<\"\"@c>"),            "the empty quoted string",       "\"\"@c", "", ADDR_OK, false },
	{ V("<\"a@c>"),             "quote not closed",              NULL, NULL, ADDR_SYNTAX, false },
	{ V("<\"a\"b@c>"),          "text behind the quote",         NULL, NULL, ADDR_SYNTAX, false },
	{ V("<\"a\\"),              "backslash at the very end",     NULL, NULL, ADDR_SYNTAX, false },
	{ V("\"a\\"),               "the same without bracket",      NULL, NULL, ADDR_SYNTAX, false },
	{ V("<a@>"),                "empty domain",                  NULL, NULL, ADDR_SYNTAX, false },
	{ V("<@>"),                 "nothing but @",                 NULL, NULL, ADDR_SYNTAX, false },
	{ V("<a@b@c>"),             "two @",                         NULL, NULL, ADDR_SYNTAX, false },
	{ V("<a..b@c>"),            "4.1.2 Dot-string: two dots",    NULL, NULL, ADDR_SYNTAX, false },
	{ V("<.a@c>"),              "leading dot",                   NULL, NULL, ADDR_SYNTAX, false },
	{ V("<a.@c>"),              "trailing dot",                  NULL, NULL, ADDR_SYNTAX, false },
	{ V("<a b@c>"),             "blank in a dot-string",         NULL, NULL, ADDR_SYNTAX, false },
	{ V("<a(x)@c>"),            "comments are no part of it",    NULL, NULL, ADDR_SYNTAX, false },
	{ V("<a+t%x!y/z@c>"),       "all of atext",                  "a+t%x!y/z@c", "", ADDR_OK, false },
	{ V("<a\0b@c>"),            "NUL",                           NULL, NULL, ADDR_SYNTAX, false },
	{ V("<\"a\0b\"@c>"),        "NUL, quoted",                   NULL, NULL, ADDR_SYNTAX, false },
	{ V("<\"a\rb\"@c>"),        "CR, quoted",                    NULL, NULL, ADDR_SYNTAX, false },
	{ V("<\"a\\\nb\"@c>"),      "LF behind a backslash",         NULL, NULL, ADDR_SYNTAX, false },
	{ V("<\"a\tb\"@c>"),        "tab, quoted",                   NULL, NULL, ADDR_SYNTAX, false },
	{ V("<a\x7f@c>"),           "DEL",                           NULL, NULL, ADDR_SYNTAX, false },
	{ V("<a@c\0d>"),            "NUL in the domain",             NULL, NULL, ADDR_SYNTAX, false },
	{ V("<j\xc3\xb6@c>"),       "UTF-8 (RFC 6531) not offered",  NULL, NULL, ADDR_UTF8, false },
	{ V("<j@c\xff>"),           "any octet over 127",            NULL, NULL, ADDR_UTF8, false },
	{ V("<a@[192.0.2.1]>"),     "4.1.3 IPv4 literal",            "a@[192.0.2.1]", "", ADDR_OK, false },
	{ V("<a@[IPV6:2001:DB8::1]>"), "4.1.3 IPv6 literal",         "a@[IPV6:2001:DB8::1]", "", ADDR_OK, false },
	{ V("<" L60 "aaaa@b>"),     "4.5.3.1.1 local part of 64",    L60 "aaaa@b", "", ADDR_OK, false },
	{ V("<" L60 "aaaaa@b>"),    "4.5.3.1.1 local part of 65",    NULL, NULL, ADDR_TOO_LONG, false },
	{ V("<\"" L60 " aaaa\"@b>"), "4.5.3.1.1 65, quoted",         NULL, NULL, ADDR_TOO_LONG, false },
	{ V("<a@" D60 D60 D60 D60 "aaaaaaaa>"), "4.5.3.1.3 path of 256",
	    "a@" D60 D60 D60 D60 "aaaaaaaa", "", ADDR_OK, false },
	{ V("<a@" D60 D60 D60 D60 "aaaaaaaaa>"), "4.5.3.1.3 path of 257", NULL, NULL, ADDR_TOO_LONG, false },
};

static const struct {
	struct view in;
	bool want;
} domains[] = {
	{ V("a"), true }, { V("a.b"), true }, { V("1.2.3.4"), true }, { V("xn--a-b.c"), true },
	{ V("my_pc"), true }, { V(""), false }, { V("."), false }, { V("a."), false },
	{ V(".a"), false }, { V("a..b"), false }, { V("-a"), false }, { V("a-"), false },
	{ V("a-.b"), false }, { V("a.-b"), false }, { V("a b"), false }, { V("a/b"), false },
	{ V("a\0b"), false }, { V("a@b"), false }, { V("a\n"), false }, { V("\xc3\xb6"), false },
	{ V(L60 "aaa"), true }, { V(L60 "aaaa"), false }, /* label of 63, 64 */
	{ V(D60 D60 D60 D60 L10 "a"), true }, { V(D60 D60 D60 D60 L10 "aa"), false }, /* 255, 256 */
	{ V("[127.0.0.1]"), true }, { V("[127.0.0.1"), false }, { V("127.0.0.1]"), false },
	{ V("[]"), false }, { V("["), false }, { V("[127.1]"), false }, { V("[256.0.0.1]"), false },
	{ V("[IPv6:::1]"), true }, { V("[ipv6:2001:db8::192.0.2.1]"), true }, { V("[::1]"), false },
	{ V("[IPv6:fe80::1%eth0]"), false }, { V("[IPv6:]"), false }, { V("[IPv6:1.2.3.4]"), false },
	{ V("[IPv6:1:2:3:4:5:6:7:8:9]"), false }, { V("[x-gen:abc]"), false },
	{ V("[127.0.0.1\0]"), false },
	{ V("[IPv6:::" "1111111111111111111111111111111111111111111111111111111111]"), false },
};
/* clang-format on */

/* What was accepted is the same when it is read back, and harmless. */
static bool
stable(const struct address *a)
{
	struct address again;

	for (const char *c = a->text; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			return false;
	return address_parse(view_of(a->text), &again) == ADDR_OK &&
	       strcmp(again.text, a->text) == 0 &&
	       strcmp(again.local, a->local) == 0 &&
	       strcmp(again.domain, a->domain) == 0;
}

/* RFC 6531 3.3 */
static void
utf8(void)
{
	static const struct {
		const char *in, *text; /* NULL: refused */
	} cases[] = { { "j\xc3\xb6rg@b\xc3\xbc.x", "j\xc3\xb6rg@b\xc3\xbc.x" },
		{ "<\xe7\x94\xa8\xe6\x88\xb7@x>",
		    "\xe7\x94\xa8\xe6\x88\xb7@x" },
		{ "<\"j \xc3\xb6\"@x>", "\"j \xc3\xb6\"@x" },
		{ "<\"j\xc3\xb6\"@X>", "j\xc3\xb6@X" }, { "\xf6@x", NULL },
		{ "a\xc3@x", NULL }, { "\xc0\xaf@x", NULL },
		{ "\xed\xa0\x80@x", NULL }, { "\xf4\x90\x80\x80@x", NULL },
		{ "a\xc2\x9b@x", NULL }, { "a\xe2\x80\xa8@x", NULL },
		{ "a@b\xc3\xbc..x", NULL } };

	for (size_t i = 0; i < NELEM(cases); i++) {
		struct view v = view_of(cases[i].in);
		struct address a;
		bool good = address_path_utf8(&v, false, &a) == ADDR_OK;
		ok(good == (cases[i].text != NULL) &&
			(!good || (strcmp(a.text, cases[i].text) == 0 &&
				      address_is_utf8(&a))),
		    "UTF-8 %zu", i);
		v = view_of(cases[i].in);
		ok(address_path(&v, false, &a) == ADDR_UTF8,
		    "UTF-8 %zu, where ASCII is asked for", i);
	}
	ok(!domain_valid(view_of("b\xc3\xbc.x")), "a host name is ASCII");
}

/* clang-format off */
static const struct {
	const char *a, *b; /* b: "" for none, or the address alone */
	bool same;
} literals[] = {
	{ "[192.0.2.1]",            "192.0.2.1",      true },
	{ "[192.0.2.1]",            "192.0.2.2",      false },
	{ "[IPv6:2001:db8::1]",     "2001:db8::1",    true },
	{ "[ipv6:2001:DB8:0:0::1]", "2001:db8::1",    true },
	{ "[IPv6:2001:db8::2]",     "2001:db8::1",    false },
	{ "[IPv6:::ffff:192.0.2.1]", "192.0.2.1",     true },
	{ "[IPv6:::192.0.2.1]",     "192.0.2.1",      false },
	{ "[2001:db8::1]",          "2001:db8::1",    false },
	{ "[IPv6:192.0.2.1]",       "192.0.2.1",      false },
	{ "192.0.2.1",              "192.0.2.1",      false },
	{ "[192.0.2.1",             "192.0.2.1",      false },
	{ "[192.0.2.1]x",           "192.0.2.1",      false },
	{ "[192.0.2.01]",           "192.0.2.1",      false },
	{ "[0.0.0.0]",              "local",          false },
	{ "[IPv6:::]",              "unknown",        false },
	{ "[IPv6:::]",              "",               false },
	{ "[]",                     "",               false },
	{ "",                       "",               false },
	{ "[IPv6:fe80::1%lo]",      "fe80::1",        false },
	{ "[IPv6:fe80::1]",         "fe80::1%lo",     false },
};
/* clang-format on */

static void
own(void)
{
	struct address a;

	for (size_t i = 0; i < NELEM(literals); i++)
		ok(address_literal_is(literals[i].a, literals[i].b) ==
			literals[i].same,
		    "4.1.3 %s is %s%s", literals[i].a,
		    literals[i].same ? "" : "not ", literals[i].b);
	ok(address_parse(view_of("\"a b\\\"c\"@[192.0.2.1]"), &a) == ADDR_OK,
	    "quotes before a literal");
	address_cut_domain(&a);
	ok(strcmp(a.text, "\"a b\\\"c\"") == 0 && a.domain[0] == '\0' &&
		strcmp(a.local, "a b\"c") == 0,
	    "stay when it is cut off");
	ok(stable(&a), "and it reads back the same");
	address_cut_domain(&a);
	ok(strcmp(a.text, "\"a b\\\"c\"") == 0, "where there is none");
}

int
main(void)
{
	utf8();
	own();
	for (size_t i = 0; i < NELEM(paths); i++) {
		struct view v = paths[i].in;
		struct address a;
		enum address_error e = address_path(&v, paths[i].null, &a);

		ok(e == paths[i].want &&
			(e != ADDR_OK || (strcmp(a.text, paths[i].text) == 0 &&
					     view_eqs(v, paths[i].rest))),
		    "%s", paths[i].name);
		for (const char *c = a.domain; *c != '\0'; c++)
			if (*c != ascii_lower(*c))
				ok(false, "domain in lower case");
		if (e == ADDR_OK && a.text[0] != '\0')
			ok(stable(&a), "%s: reads back the same",
			    paths[i].name);
		if (e != ADDR_OK)
			ok(a.text[0] == '\0' && a.local[0] == '\0',
			    "%s: nothing is left in *out", paths[i].name);
	}
	for (size_t i = 0; i < NELEM(domains); i++)
		ok(domain_valid(domains[i].in) == domains[i].want,
		    "4.1.2 Domain, row %zu: %s", i,
		    domains[i].want ? "valid" : "not valid");

	/* The longest quoted local part doubles in text: the path decides. */
	char in[300] = "\"";
	for (int i = 0; i < 64; i++)
		memcpy(in + 1 + 2 * i, "\\\"", 2);
	memcpy(in + 129, "\"@b", 4);
	struct address a;
	ok(address_parse(view_of(in), &a) == ADDR_OK && stable(&a),
	    "64 quoted quotes");
	memset(in + 131, 'b', 60);
	memcpy(in + 191, ".", 1);
	memset(in + 192, 'c', 62);
	in[254] = '\0';
	ok(address_parse(view_of(in), &a) == ADDR_OK && stable(&a) &&
		strlen(a.text) == 254,
	    "and a domain up to the limit");
	memcpy(in + 254, "c", 2);
	ok(address_parse(view_of(in), &a) == ADDR_TOO_LONG,
	    "and one octet more");
	return done_testing();
}
