#ifndef SMTPD_ASK_LOOKUP_H
#define SMTPD_ASK_LOOKUP_H
/*
 * Who is that recipient?  Who is that client?
 *
 * Request LOOKUP_RCPT: str address ("bob+tag@example.org", "postmaster").
 * Answer: u32 enum rcpt_kind, str user, str delivered-to address, str where to
 * it has moved, u64 octets that the mailbox has left (UINT64_MAX: any).
 * Request LOOKUP_VRFY: the same.
 * Answer: u32 enum rcpt_kind, str full name, str address, str moved to.
 * Request LOOKUP_PEOPLE: str text; whose full name has these words?
 * Answer: u32 n, then n times str full name, str address.
 * Request LOOKUP_MEMBERS: str address, u32 first.
 * Answer: u32 enum rcpt_kind, u32 n, then n times str full name, str address:
 * the members of a list, from that number on; 0: there are no more.  A program
 * or a file is a member without a name whose address is the list's.
 * The answer steers the dialogue only; deliver and queue resolve the recipient
 * again by themselves and believe no worker.
 *
 * Request LOOKUP_CLIENT: str numeric address.
 * Answer: u32 enum client_name, str name, str zone of the first DNS blocklist
 * that has it, "" if none.
 */
#include "common/address.h"
#include "common/passdb.h"

enum {
	LOOKUP_RCPT = 1,
	LOOKUP_VRFY = 2,
	LOOKUP_PEOPLE = 4,
	LOOKUP_MEMBERS = 5,
	LOOKUP_CLIENT = 8
};
enum {
	LOOKUP_NAME_MAX = 128,
	LOOKUP_PEOPLE_MAX = 10, /* that one question finds */
	LOOKUP_MEMBERS_MAX = 64 /* in one answer */
};
enum rcpt_kind {
	RCPT_LOCAL,   /* a mailbox here */
	RCPT_UNKNOWN, /* local domain, nobody of that name: 550 5.1.1 */
	RCPT_FOREIGN, /* another domain */
	RCPT_LATER,   /* cannot be known now: 451 4.3.0 */
	RCPT_LIST,    /* an alias: the queue finds out where it leads */
	RCPT_MOVED    /* not here any more: 551 5.1.6 */
};
struct rcpt_answer {
	enum rcpt_kind kind;
	/* RCPT_LOCAL; RCPT_LIST: if it is nothing but another name of that
	 * user. */
	char user[USER_NAME_MAX];
	char delivered_to[ADDR_MAX + 1]; /* RCPT_LIST: its own address */
	/* RCPT_MOVED; RCPT_LIST: if the client is to know it (251), else "" */
	char moved[ADDR_MAX + 1];
	uint64_t room; /* RCPT_LOCAL: octets before it is full */
};
enum client_name {
	CLIENT_NAMELESS, /* no name that leads back to the address */
	CLIENT_NAMED,
	CLIENT_LATER /* DNS could not tell */
};
struct client_answer {
	enum client_name kind;
	char name[ADDR_DOMAIN_MAX + 1]; /* "" unless CLIENT_NAMED */
	char listed[ADDR_DOMAIN_MAX + 1];
};
struct vrfy_answer {
	enum rcpt_kind kind;
	char name[LOOKUP_NAME_MAX]; /* the person's */
	char address[ADDR_MAX + 1];
	char moved[ADDR_MAX + 1]; /* as of struct rcpt_answer */
};
struct person {
	char name[LOOKUP_NAME_MAX]; /* "": none */
	char address[ADDR_MAX + 1];
};
/* a has LOOKUP_PEOPLE_MAX places; *n: how many were found.  False: the role
 * has gone; none was. */
bool ask_lookup_people(
    int sock, struct view text, struct person *a, unsigned *n);
/* a has LOOKUP_MEMBERS_MAX places.  False: the role has gone; *kind is
 * RCPT_LATER. */
bool ask_lookup_members(int sock, const char *address, unsigned first,
    enum rcpt_kind *kind, struct person *a, unsigned *n);
/* False: the role has gone; a is RCPT_LATER. */
bool ask_lookup_vrfy(int sock, const char *address, struct vrfy_answer *a);
/* False: the role has gone; a is RCPT_LATER. */
bool ask_lookup_rcpt(int sock, const char *address, struct rcpt_answer *a);
/* False: the role has gone; a is CLIENT_LATER, and not listed. */
bool ask_lookup_client(int sock, const char *address, struct client_answer *a);
#endif
