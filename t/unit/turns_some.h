#ifndef T_UNIT_TURNS_SOME_H
#define T_UNIT_TURNS_SOME_H
/* Turns, and destinations by number, for the tests of whose turn it is. */
#include <stdio.h>
#include <stdlib.h>

#include "spool/turns.h"

static const struct turns_limits tl = {
	.in_flight = 20, .per_dest = 5, .pause = 10000, .seed = 1
};

static struct turn *
new_turns(unsigned n)
{
	struct turn *t = calloc(n, sizeof(*t));

	for (unsigned i = 0; i < n; i++)
		t[i].index = i;
	return t;
}

static struct view
dest(unsigned n)
{
	static char name[32];

	snprintf(name, sizeof(name), "user%u@example.org", n);
	return view_of(name);
}

#endif
