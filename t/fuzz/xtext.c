/* xtext (RFC 3461 4): what is decoded is as long as it says, fits where it is
 * put, and gives the same again when it is written in the one canonical form.
 */
#include "common/xtext.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 500 };

static size_t
encode(const char *s, char out[3 * MOST + 1])
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		if (*s >= 33 && *s <= 126 && *s != '+' && *s != '=')
			out[n++] = *s;
		else
			n += (size_t)snprintf(
			    out + n, 4, "+%02X", (unsigned char)*s);
	return n;
}

/* Octets that v must stand for, counted without a look at what they are. */
static size_t
length(struct view v)
{
	size_t n = 0;

	for (size_t i = 0; i < v.n; n++)
		i += v.p[i] == '+' ? 3 : 1;
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view in = { (const char *)data, size };
	char one[MOST], two[MOST], form[3 * MOST + 1];
	size_t room = size > 0 ? data[0] % 64 + 1 : 1;

	if (xtext_decode(in, one, sizeof(one))) {
		must(strlen(one) == length(in));
		struct view again = { form, encode(one, form) };
		must(xtext_decode(again, two, sizeof(two)));
		must(strcmp(one, two) == 0);
		if (xtext_printable(in))
			for (const char *p = one; *p != '\0'; p++)
				must(*p >= ' ' && *p <= '~');
	}
	/* A place of any size is never left: the sanitizer looks at it. */
	char *small = malloc(room);
	if (small != NULL && xtext_decode(in, small, room))
		must(strlen(small) < room);
	free(small);
	return 0;
}
