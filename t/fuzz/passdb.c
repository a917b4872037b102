/* The users file: whatever it holds, it is refused with a line of text or every
 * user in it can be found and is fit for use. */
#define _GNU_SOURCE
#include "common/passdb_file.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/crypt_proc.h"
#include "common/passdb.h"
#include "t/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *
file_of(const uint8_t *data, size_t size)
{
	static char path[64];
	static int fd = -1;

	if (fd == -1) {
		fd = memfd_create("users", MFD_CLOEXEC);
		must(fd != -1 && fchmod(fd, 0600) == 0);
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	must(ftruncate(fd, 0) == 0 &&
	     pwrite(fd, data, size, 0) == (ssize_t)size);
	return path;
}

static void
check(const struct passdb_line *l)
{
	char setting[USER_HASH_MAX];

	must(passdb_name_valid(view_of(l->name)));
	must(strlen(l->hash) < USER_HASH_MAX);
	must(strlen(l->home) < USER_HOME_MAX);
	must(l->home[0] == '\0' || l->home[0] == '/');
	must(l->uid != (uid_t)-1 && l->gid != (gid_t)-1);
	must(l->hash[0] == '\0' || strchr("!*$", l->hash[0]) != NULL ||
	     passdb_hash_usable(l->hash));
	if (crypt_setting(l->hash, setting))
		must(strlen(setting) < strlen(l->hash) &&
		     strncmp(l->hash, setting, strlen(setting)) == 0);
	else
		must(setting[0] == '\0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *path = file_of(data, size);
	struct passdb_line l;
	struct stat st;
	char *err;
	unsigned found = 0;

	struct passdb_file *f = passdb_file_read(path, true, &st, &err);
	if (f == NULL) {
		must(err != NULL && strncmp(err, path, strlen(path)) == 0 &&
		     strchr(err, '\n') == NULL);
		free(err);
		return 0;
	}
	/* Every run of octets up to a colon may be somebody's name. */
	struct view rest = { (const char *)data, size };
	while (rest.n > 0) {
		struct view line = view_split(&rest, '\n', NULL);
		line = view_trim(line);
		struct view name = view_split(&line, ':', NULL);
		if (!passdb_file_find(f, name, &l))
			continue;
		found++;
		must(view_caseeqs(name, l.name));
		check(&l);
	}
	must(found >= passdb_file_count(f));
	passdb_hash_usable(passdb_file_first_hash(f));
	passdb_file_free(f);

	f = passdb_file_read(path, false, &st, &err);
	must(f != NULL && passdb_file_first_hash(f)[0] == '\0');
	passdb_file_free(f);
	return 0;
}
