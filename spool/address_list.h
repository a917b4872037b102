#ifndef SPOOL_ADDRESS_LIST_H
#define SPOOL_ADDRESS_LIST_H
/*
 * Lists of addresses as people and programs write them (RFC 5322 3.4, with the
 * obsolete syntax of 4.4): display names, comments, quoted strings, groups,
 * routes, folded lines.
 *
 *	Bob <bob@example.org>, "Doe, Jane" <jane@example.org> (at work),
 *	friends: alice@example.org, carol;, root
 *
 * Pure: octets in, octets out.  What is parsed is hostile.
 */
#include <stdbool.h>

#include "common/address.h"
#include "common/view.h"

enum address_item {
	ITEM_ADDRESS, /* *out is it; without a domain if it had none */
	ITEM_BAD,     /* something that is no address; *text is it */
	ITEM_END      /* there are no more */
};

/* Takes the next address off *rest.  *text is what it was taken from (borrowed
 * from *rest). */
enum address_item address_list_next(
    struct view *rest, struct address *out, struct view *text);
#endif
