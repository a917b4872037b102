/* JSON (RFC 8259) on standard output.  Runs in: pennyctl, sendmail. */
#include "spool/json.h"

#include <stdio.h>

#include "common/utf8.h"

void
json_octets(struct view v, bool utf8)
{
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];
		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8))
			printf("\\u%04x", c);
		else
			putchar(c);
	}
}

void
json_text(struct view v)
{
	putchar('"');
	json_octets(v, utf8_valid(v));
	putchar('"');
}
