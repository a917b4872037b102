/* What stands in a record because an asker said so.  Runs in: queue. */
#include "spool/deposit_value.h"

#include "spool/envelope.h"

struct view
deposit_harmless(char *text)
{
	for (char *c = text; *c != '\0'; c++)
		if (*c < 0x20 || *c > 0x7e)
			*c = '?';
	return view_of(text);
}

bool
deposit_address(const char *text, bool null_ok, struct address *out)
{
	if (text[0] == '\0') {
		*out = (struct address){ .text = "" };
		return null_ok;
	}
	return address_parse_utf8(view_of(text), out) == ADDR_OK &&
	       envelope_value_valid(view_of(out->text));
}
