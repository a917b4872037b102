#ifndef COMMON_ADDRESS_H
#define COMMON_ADDRESS_H
/*
 * Mail addresses (RFC 5321 4.1.2, 4.1.3), without policy.
 */
#include <stdbool.h>

#include "common/network.h"
#include "common/view.h"

enum {
	ADDR_LOCAL_MAX = 64,   /* RFC 5321 4.5.3.1.1 */
	ADDR_DOMAIN_MAX = 255, /* 4.5.3.1.2 */
	ADDR_MAX = 254 + 2     /* a path is 256 with <> (4.5.3.1.3) */
};

struct address {
	char local[ADDR_LOCAL_MAX + 1];	  /* unquoted; no NUL, no control
					   * characters */
	char domain[ADDR_DOMAIN_MAX + 1]; /* lower-case; "" when there is none;
					   * literals keep their brackets */
	char text[ADDR_MAX + 1]; /* local@domain as it may stand in a header
				  * or envelope, local part quoted if it must
				  * be, the domain's letters as they were
				  * typed; "" is the null reverse-path */
};

enum address_error {
	ADDR_OK,
	ADDR_SYNTAX, /* 553 5.1.3 / 501 5.1.7 */
	ADDR_TOO_LONG,
	ADDR_UTF8 /* holds non-ASCII octets */
};

/* A path as typed after FROM: or TO:, up to the parameters.  Takes it off *v.
 * RFC 5321's grammar, and what people type: no angle brackets, blanks around
 * them, a source route (ignored), a local part without domain.  With
 * allow_null "<>" is the null reverse-path. */
enum address_error address_path(
    struct view *v, bool allow_null, struct address *out);
/* An address without brackets, all of v. */
enum address_error address_parse(struct view v, struct address *out);
/* The same with RFC 6531 3.3: a local part, and labels of a domain, may hold
 * characters outside ASCII, in UTF-8 and printable.  Their case and
 * normalization are left as they are: only ASCII letters are folded. */
enum address_error address_path_utf8(
    struct view *v, bool allow_null, struct address *out);
enum address_error address_parse_utf8(struct view v, struct address *out);
bool address_is_utf8(const struct address *); /* not all ASCII */
/* "a.example" or an address literal "[192.0.2.1]", "[IPv6:2001:db8::1]". */
bool domain_valid(struct view v);
bool address_literal_valid(struct view v);
/* The same, and which address it is; all zero if it is none. */
bool address_literal_read(struct view v, unsigned char out[ADDRESS_OCTETS]);
/* Is the domain an address literal for that numeric address?  They are compared
 * as addresses, however they are written. */
bool address_literal_is(const char *domain, const char *numeric);
/* Takes the domain off, so that the address is one of this host's. */
void address_cut_domain(struct address *a);
#endif
