/*
 * The whole queue while each of its file operations fails, or is the last thing
 * that its process does: what was accepted is delivered here, relayed, and
 * forwarded, at least once each.
 */
#define _GNU_SOURCE
#include "t/unit/fault.h"
#include "t/unit/queue_role.h"

enum { OPERATIONS = 75, NAMES = 5 };

static enum fault_kind kind;
static int error;
static long nth;

static void
arm(void)
{
	fault.stays = false;
	fault_arm(kind, nth, error);
}

/* Deposits one message while the fault is armed.  True: it was accepted. */
static bool
deposit_one(struct running *x, char name[NAMES][40])
{
	char forwards[40];
	const char *to[4] = { name[0], name[1], name[2], forwards };
	bool acked = false;

	/* Who leads to the last two. */
	snprintf(forwards, sizeof(forwards), "fwd-%s", name[3] + 5);
	queue_begins = arm;
	if (try_start(x, "")) {
		int u = new_user(x, "alice");
		acked = u != -1 &&
			put(u, next_id(), to, 4, view_of("x\r\n"), NULL) == OK;
		/* It is on its way when it is killed. */
		for (int i = 0; acked && i < 30 && files_in("active") > 0; i++)
			pause_ms(2);
		close_fd(&u);
	}
	kill_both(x);
	queue_begins = NULL;
	return acked;
}

static void
test_kind(const char *what)
{
	unsigned acked = 0, lost = 0, stuck = 0, most = 0;
	struct running x;

	for (nth = 1; nth <= OPERATIONS; nth++) {
		char name[NAMES][40];
		shared->n = 0;
		for (unsigned k = 0; k < 3; k++)
			snprintf(name[k], 40, "u%ld-%u@%s", nth, k,
			    k == 0   ? "example.org"
			    : k == 1 ? "one.test"
				     : "two.test");
		snprintf(name[3], 40, "here-%ld@example.org", nth);
		snprintf(name[4], 40, "there-%ld@one.test", nth);
		bool took = deposit_one(&x, name);
		x = start("");
		stuck += !wait_empty(20000);
		for (unsigned k = 0; took && k < NAMES; k++) {
			unsigned n = delivered_to(name[k]);
			lost += n == 0;
			most = n > most ? n : most;
		}
		acked += took;
		kill_both(&x);
	}
	ok(acked >= OPERATIONS / 5, "%s: %u messages were accepted", what,
	    acked);
	ok(lost == 0, "%s: %u deliveries are lost", what, lost);
	ok(stuck == 0, "%s: %u queues are not empty in the end", what, stuck);
	ok(most <= 2, "%s: none is repeated more than once", what);
}

int
main(void)
{
	test_begin();
	kind = FAULT_DIE;
	test_kind("it ends there");
	kind = FAULT_ERROR;
	error = EIO;
	test_kind("it fails");
	error = ENOSPC;
	test_kind("there is no room");
	ok(files_in("damaged") == 0 && files_in("incoming") == 0,
	    "nothing half-written is left");
	return test_end();
}
