/* Requests to the role lookup: whatever a worker sends, each is answered or
 * ends the channel, and what is found is a user or an address. */
#define _GNU_SOURCE
#include "smtpd/svc_lookup.c"
#include "t/fuzz/channel.h"
#include "t/fuzz/world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
set_up(void)
{
	static struct role r = { .id = ROLE_LOOKUP };
	char *err = NULL;

	world_make(0700);
	world_put("users", "bob:!:1001:1001:Bob, Room 1:/\n"
			   "j\xc3\xb6rg:!:1002:1002:J\xc3\xb6rg &:/\n"
			   "postmaster:!:1003:1003::/\n");
	world_put("aliases", "list: bob, j\xc3\xb6rg, x@elsewhere.test\n"
			     "loop: loop2\nloop2: loop\n");
	world_put("conf",
	    "local_domains example.org\nusers %s/users\naliases %s/aliases\n"
	    "system_users no\npostmaster postmaster\n"
	    "dns_servers 127.0.0.1:9\n",
	    world, world);
	r.settings = world_settings(false);
	log_level_set(LOG_LVL_ERROR + 1);
	role = &r;
	open_book(&r);
	lookup_client_settings(r.settings);
	book.aliases = aliases_open(r.settings, &err);
	must(book.aliases != NULL);
	lookup_alias_init(&book);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (role == NULL)
		set_up();
	/* Those to DNS servers last longer than an input (target dns). */
	channel.never = LOOKUP_CLIENT;
	channel_run(&service, data, size);
	return 0;
}
