/* From a recipient address to a user. */
#define _GNU_SOURCE
#include "spool/recipient.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "t/unit/tap.h"

static char dot_org[] = "Example.ORG", literal[] = "[127.0.0.1]";
static char second[] = "second.example";
static char *domains[] = { dot_org, second, literal };
static char path[] = "/tmp/recipient.XXXXXX";
static char hostname[] = "mail.example.org";
static char delimiter[] = "+", two[] = "-+", none[] = "";
static char carol[] = "Carol";
static const char users[] = "alice:!:1001:1:Alice:/home/alice\n"
			    "bob+lists:!:1002:1::/\n"
			    "bob:!:1003:1::/\n"
			    "Carol:!:1004:1::/\n"
			    "root:!:0:0::/root\n"
			    "we(ird:!:1006:1::/\n"
			    "j\xc3\xb6rg:!:1007:1::/\n"
			    "e\xcc\x81mile:!:1008:1::/\n";

static const struct {
	const char *address;
	enum rcpt_resolved want;
	uid_t uid;
	const char *delivered_to;
} cases[] = {
	{ "alice@example.org", RESOLVED_LOCAL, 1001, "alice@example.org" },
	{ "ALICE@EXAMPLE.org", RESOLVED_LOCAL, 1001, "alice@example.org" },
	{ "alice@second.example", RESOLVED_LOCAL, 1001,
	    "alice@second.example" },
	{ "alice", RESOLVED_LOCAL, 1001, "alice@example.org" },
	{ "\"alice\"@example.org", RESOLVED_LOCAL, 1001, "alice@example.org" },
	{ "carol@example.org", RESOLVED_LOCAL, 1004, "carol@example.org" },
	{ "root@example.org", RESOLVED_LOCAL, 1004, "carol@example.org" },
	{ "root+x@example.org", RESOLVED_LOCAL, 1004, "carol@example.org" },
	{ "alice@[127.0.0.1]", RESOLVED_LOCAL, 1001, "alice@[127.0.0.1]" },
	{ "alice@[127.0.0.2]", RESOLVED_FOREIGN, 0, "" },
	{ "alice@[IPv6:::1]", RESOLVED_FOREIGN, 0, "" },
	{ "bob+tag@example.org", RESOLVED_LOCAL, 1003, "bob@example.org" },
	{ "bob+a+b@example.org", RESOLVED_LOCAL, 1003, "bob@example.org" },
	{ "bob+@example.org", RESOLVED_LOCAL, 1003, "bob@example.org" },
	{ "bob+lists@example.org", RESOLVED_LOCAL, 1002,
	    "bob+lists@example.org" },
	{ "bob+LISTS@example.org", RESOLVED_LOCAL, 1002,
	    "bob+lists@example.org" },
	{ "+tag@example.org", RESOLVED_UNKNOWN, 0, "" },
	{ "bob-tag@example.org", RESOLVED_UNKNOWN, 0, "" },
	{ "dave@example.org", RESOLVED_UNKNOWN, 0, "" },
	{ "dave+alice@example.org", RESOLVED_UNKNOWN, 0, "" },
	{ "\"../alice\"@example.org", RESOLVED_UNKNOWN, 0, "" },
	{ "\"alice/x\"@example.org", RESOLVED_UNKNOWN, 0, "" },
	{ "\"we(ird\"@second.example", RESOLVED_LOCAL, 1006,
	    "\"we(ird\"@second.example" },
	{ "alice@elsewhere.example", RESOLVED_FOREIGN, 0, "" },
	{ "alice@sub.example.org", RESOLVED_FOREIGN, 0, "" },
	{ "alice@mail.example.org", RESOLVED_FOREIGN, 0, "" },
	{ "postmaster@elsewhere.example", RESOLVED_FOREIGN, 0, "" },
	{ "postmaster", RESOLVED_LOCAL, 1004, "carol@example.org" },
	{ "PostMaster", RESOLVED_LOCAL, 1004, "carol@example.org" },
	{ "POSTMASTER@Second.Example", RESOLVED_LOCAL, 1004,
	    "carol@second.example" },
	{ "postmaster+x@example.org", RESOLVED_LOCAL, 1004,
	    "carol@example.org" },
	/* RFC 6530 10.1: one octet sequence or another, it is the same user */
	{ "j\xc3\xb6rg@example.org", RESOLVED_LOCAL, 1007,
	    "j\xc3\xb6rg@example.org" },
	{ "jo\xcc\x88rg@example.org", RESOLVED_LOCAL, 1007,
	    "j\xc3\xb6rg@example.org" },
	{ "J\xc3\x96RG+tag@example.org", RESOLVED_LOCAL, 1007,
	    "j\xc3\xb6rg@example.org" },
	{ "\xc3\x89mile@example.org", RESOLVED_LOCAL, 1008,
	    "e\xcc\x81mile@example.org" },
	{ "jorg@example.org", RESOLVED_UNKNOWN, 0, "" },
	{ "", RESOLVED_UNKNOWN, 0, "" },
	{ "a b@example.org", RESOLVED_UNKNOWN, 0, "" },
	{ "alice@", RESOLVED_UNKNOWN, 0, "" },
	{ "@example.org", RESOLVED_UNKNOWN, 0, "" },
	{ "alice@example.org@example.org", RESOLVED_UNKNOWN, 0, "" },
	{ "ali\xc3\xa7"
	  "e@example.org",
	    RESOLVED_UNKNOWN, 0, "" },
};

int
main(void)
{
	struct settings s = { .users = path,
		.hostname = hostname,
		.local_domains = domains,
		.local_domain_n = NELEM(domains),
		.postmaster = carol,
		.recipient_delimiter = delimiter };
	char *err, to[ADDR_MAX + 1];
	struct user u;
	int fd = mkstemp(path);

	log_open(-1, "t");
	if (fd == -1 || write(fd, users, sizeof(users) - 1) == -1)
		return 1;
	close(fd);
	struct passdb *db = passdb_open(&s, false, &err);
	if (!ok(db != NULL, "users"))
		return 1;
	for (size_t i = 0; i < NELEM(cases); i++) {
		enum rcpt_resolved got =
		    recipient_resolve(&s, db, cases[i].address, &u, to);
		if (!ok(got == cases[i].want && u.uid == cases[i].uid &&
			    strcmp(to, cases[i].delivered_to) == 0,
			"<%s>", cases[i].address))
			printf("# %d, uid %u, %s\n", (int)got, (unsigned)u.uid,
			    to);
	}
	static char root[] = "root", nobody[] = "zoe";
	ok(recipient_postmaster_ok(&s, db), "carol may be postmaster");
	s.postmaster = root;
	ok(!recipient_postmaster_ok(&s, db), "root may not");
	ok(recipient_resolve(&s, db, "postmaster", &u, to) == RESOLVED_LATER,
	    "and gets no mail: it waits");
	s.postmaster = nobody;
	ok(!recipient_postmaster_ok(&s, db), "nor somebody unknown");
	s.postmaster = carol;
	s.recipient_delimiter = none;
	ok(recipient_resolve(&s, db, "alice+x@example.org", &u, to) ==
		RESOLVED_UNKNOWN,
	    "no delimiter");
	s.recipient_delimiter = two;
	ok(recipient_resolve(&s, db, "alice-x+y@example.org", &u, to) ==
		    RESOLVED_LOCAL &&
		recipient_resolve(&s, db, "alice+x-y", &u, to) ==
		    RESOLVED_LOCAL,
	    "either of two delimiters");
	s.postmaster = nobody;
	ok(recipient_resolve(&s, db, "postmaster@example.org", &u, to) ==
		    RESOLVED_LATER &&
		u.name[0] == '\0' && to[0] == '\0',
	    "a postmaster who does not exist: later");
	s.local_domain_n = 0;
	ok(recipient_resolve(&s, db, "alice", &u, to) == RESOLVED_LOCAL &&
		strcmp(to, "alice@mail.example.org") == 0,
	    "without local domains the host's name is ours");
	passdb_free(db);
	unlink(path);
	return done_testing();
}
