/* Addresses: whatever comes in, what is accepted is printable, short enough,
 * and reads back as the same address. */
#include "common/address.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool good)
{
	if (!good)
		abort();
}

static void
check(const struct address *a)
{
	struct address again;

	must(strlen(a->text) <= ADDR_MAX - 2);
	for (const char *c = a->text; *c != '\0'; c++)
		must(*c >= ' ' && *c <= '~');
	must(address_parse(view_of(a->text), &again) == ADDR_OK);
	must(strcmp(a->text, again.text) == 0);
	must(strcmp(a->local, again.local) == 0);
	must(a->domain[0] == '\0' || domain_valid(view_of(a->domain)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view in = { (const char *)data, size }, rest = in;
	struct address a;

	if (address_path(&rest, size % 2 == 0, &a) == ADDR_OK) {
		must(rest.n <= in.n);
		if (a.text[0] != '\0')
			check(&a);
	} else {
		must(a.text[0] == '\0');
	}
	if (address_parse(in, &a) == ADDR_OK)
		check(&a);
	if (domain_valid(in))
		must(size > 0 && size <= ADDR_DOMAIN_MAX);
	return 0;
}
