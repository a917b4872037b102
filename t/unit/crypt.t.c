/* Settings of crypt(3), and comparing hashes. */
#define _GNU_SOURCE
#include "common/crypt_proc.h"

#include <crypt.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/tap.h"

static void
test_setting(void)
{
	static const char *const prefixes[] = { "$y$", "$gy$", "$7$", "$2b$",
		"$2y$", "$6$", "$5$", "$sha1$", "$md5", "$1$", "$3$", "_", "" };
	static const char *const bad[] = { "", "!", "*", "*0", "x", "!!",
		"$6$salt$", "$9$salt$hash", "$2b$05$abcdefghijklmnopqrstuu",
		"secret", "$", "$$" };

	for (size_t i = 0; i < NELEM(prefixes); i++) {
		char salt[CRYPT_GENSALT_OUTPUT_SIZE], part[USER_HASH_MAX];
		char hash[USER_HASH_MAX], *again;

		if (crypt_gensalt_rn(
			prefixes[i], 0, NULL, 0, salt, sizeof(salt)) == NULL) {
			printf("# libcrypt has no %s\n", prefixes[i]);
			continue;
		}
		again = crypt("secret", salt);
		(void)snprintf(hash, sizeof(hash), "%s", again);
		bool cut = crypt_setting(hash, part);
		again = crypt("secret", part);
		if (!ok(cut && strlen(part) < strlen(hash) && again != NULL &&
			    crypt_same(hash, again) &&
			    !crypt_same(hash, crypt("Secret", part)),
			"the setting of a hash of \"%s\"", prefixes[i]))
			printf("# %s: %s\n", hash, part);
	}
	unsigned refused = 0;
	for (size_t i = 0; i < NELEM(bad); i++) {
		char part[USER_HASH_MAX] = "x";
		refused += !crypt_setting(bad[i], part) && part[0] == '\0';
	}
	ok(refused == NELEM(bad), "%u of %zu are no hashes", refused,
	    NELEM(bad));
	ok(!crypt_same("", "") && !crypt_same("a", "ab") &&
		!crypt_same("ab", "a") && crypt_same("ab", "ab"),
	    "comparing");
}

int
main(void)
{
	test_setting();
	return done_testing();
}
