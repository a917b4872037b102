/* SASLprep: what comes out is short, UTF-8, without a control character, and
 * stays as it is when it is prepared once more; what may be stored is the same
 * as what is asked for. */
#include "common/saslprep.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"
#include "t/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char query[1025], stored[1025], again[1025], little[8];
	struct view in = { (const char *)data, size };
	size_t n = saslprep(in, SASLPREP_QUERY, query, sizeof(query));
	size_t m = saslprep(in, SASLPREP_STORED, stored, sizeof(stored));

	must(n == strlen(query) && m == strlen(stored));
	must(m == 0 || strcmp(stored, query) == 0);
	struct view out = { query, n };
	must(utf8_printable(out));
	if (n > 0) {
		must(saslprep(out, SASLPREP_QUERY, again, sizeof(again)) == n);
		must(strcmp(again, query) == 0);
	}
	size_t k = saslprep(in, SASLPREP_QUERY, little, sizeof(little));
	must(k == (n < sizeof(little) ? n : 0) && little[k] == '\0');
	return 0;
}
