/* Addresses: whatever comes in, what is accepted is printable, short enough,
 * and reads back as the same address. */
#include "common/address.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"
#include "t/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct address *a)
{
	struct address again;

	must(strlen(a->text) <= ADDR_MAX - 2);
	must(utf8_printable(view_of(a->text)));
	must(address_parse_utf8(view_of(a->text), &again) == ADDR_OK);
	must((address_parse(view_of(a->text), &again) == ADDR_UTF8) ==
	     address_is_utf8(a));
	must(address_parse_utf8(view_of(a->text), &again) == ADDR_OK);
	must(strcmp(a->text, again.text) == 0);
	must(strcmp(a->local, again.local) == 0);
	must(a->domain[0] == '\0' || address_is_utf8(a) ||
	     domain_valid(view_of(a->domain)));
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
	if (address_parse_utf8(in, &a) == ADDR_OK)
		check(&a);
	rest = in;
	if (address_path_utf8(&rest, size % 2 == 0, &a) == ADDR_OK &&
	    a.text[0] != '\0')
		check(&a);
	if (domain_valid(in))
		must(size > 0 && size <= ADDR_DOMAIN_MAX);
	return 0;
}
