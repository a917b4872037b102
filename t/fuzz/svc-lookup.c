/* Requests to the role lookup: whatever a worker sends, each is answered or
 * ends the channel, and what is found is a user or an address. */
#include <stdio.h>
#include <sys/stat.h>

#include "smtpd/svc_lookup.c"
#include "t/fuzz/channel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[] = "/tmp/fuzz-lookup.XXXXXX";

static void
put(const char *name, const char *text)
{
	char file[64];

	snprintf(file, sizeof(file), "%s/%s", path, name);
	FILE *f = fopen(file, "w");
	must(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
	must(chmod(file, 0600) == 0);
}

static void
clean(void)
{
	static const char *const names[] = { "conf", "users", "aliases", "" };
	char file[64];

	for (size_t i = 0; i < NELEM(names); i++) {
		snprintf(file, sizeof(file), "%s/%s", path, names[i]);
		if (unlink(file) == -1)
			rmdir(file);
	}
}

static void
set_up(void)
{
	static struct role r = { .id = ROLE_LOOKUP };
	char conf[256], *err = NULL;

	must(mkdtemp(path) != NULL);
	atexit(clean);
	put("users", "bob:!:1001:1001:Bob, Room 1:/\n"
		     "j\xc3\xb6rg:!:1002:1002:J\xc3\xb6rg &:/\n"
		     "postmaster:!:1003:1003::/\n");
	put("aliases", "list: bob, j\xc3\xb6rg, x@elsewhere.test\n"
		       "loop: loop2\nloop2: loop\n");
	snprintf(conf, sizeof(conf),
	    "local_domains example.org\nusers %s/users\naliases %s/aliases\n"
	    "system_users no\npostmaster postmaster\n"
	    "dns_servers 127.0.0.1:9\n",
	    path, path);
	put("conf", conf);
	snprintf(conf, sizeof(conf), "%s/conf", path);
	r.settings = settings_read(conf, false, &err);
	if (r.settings == NULL)
		fprintf(stderr, "%s\n", err);
	must(r.settings != NULL);
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
