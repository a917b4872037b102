/* Files of aliases: the first octet says which kind, the rest is the file.
 * What is read is found again, and where it leads ends in bounded time. */
#define _GNU_SOURCE
#include "spool/aliases.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "spool/expand.h"
#include "t/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
hear(void *arg, const char *text)
{
	*(unsigned *)arg += text[0] != '\0';
}

static void
walk(const struct book *b, const struct alias_file *f)
{
	static struct expansion x;
	struct alias_entry e, again;
	struct alias_target t;

	if (x.text.max == 0)
		expansion_init(&x);
	for (uint32_t i = 0; alias_file_at(f, i, &e); i++) {
		must(e.line > 0 && e.targets_line >= e.line);
		must(alias_file_find(f, view_of(e.name), &again));
		must(again.name == e.name);
		if (i < 20)
			expand_list(b, e.name, true, &x);
		for (unsigned k = 0; i < 20 && k < x.n; k++) {
			expansion_target(&x, k, &t);
			must(t.kind <= TARGET_FILE && t.text[0] != '\0');
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char path[64], host[] = "h.example", domain[] = "d.example",
			      none[] = "", plus[] = "+";
	static char *domains[] = { domain };
	static int fd = -1;
	struct settings s = { .hostname = host,
		.users = none,
		.local_domains = domains,
		.local_domain_n = 1,
		.postmaster = none,
		.recipient_delimiter = plus };
	struct stat st;
	unsigned mistakes = 0;
	char *err = NULL;

	if (fd == -1) {
		log_level_set(LOG_LVL_ERROR + 1);
		fd = memfd_create("aliases", MFD_CLOEXEC);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		fchmod(fd, 0600);
	}
	if (size == 0 || ftruncate(fd, 0) == -1 ||
	    pwrite(fd, data + 1, size - 1, 0) != (ssize_t)(size - 1))
		return 0;
	s.exact_case = (data[0] & 2) != 0;
	enum alias_form form = data[0] & 1 ? ALIAS_VIRTUAL : ALIAS_LOCAL;
	struct alias_file *f =
	    alias_file_read(path, form, &s, &st, hear, &mistakes);
	must((f == NULL) == (mistakes > 0));
	if (f == NULL)
		return 0;
	if (form == ALIAS_LOCAL)
		s.alias_files[s.alias_file_n++] = path;
	else
		s.virtual_files[s.virtual_file_n++] = path;
	struct book b = { &s, passdb_open(&s, false, &err), NULL };
	free(err);
	b.aliases = aliases_open(&s, &err);
	must(b.users != NULL && b.aliases != NULL && err == NULL);
	walk(&b, f);
	alias_file_free(f);
	aliases_free(b.aliases);
	passdb_free(b.users);
	return 0;
}
