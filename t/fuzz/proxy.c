/* The PROXY header: never more octets wanted than fit, nothing behind the
 * header taken, the same result whether it comes whole or in pieces. */
#include "common/proxy.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "t/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As the worker reads: never more than is wanted, step octets at most. */
static enum proxy_state
read_by(const uint8_t *data, size_t size, size_t step, size_t *used,
    struct proxy_header *h)
{
	size_t n = 0, want = 0;
	enum proxy_state st;

	while ((st = proxy_parse(data, n, &want, h)) == PROXY_MORE) {
		must(want > 0 && want <= PROXY_MAX - n);
		size_t take = want < step ? want : step;
		if (take > size - n)
			break;
		n += take;
	}
	*used = n;
	return st;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_header a, b;
	size_t used_a, used_b;
	enum proxy_state st = read_by(data, size, SIZE_MAX, &used_a, &a);
	enum proxy_state again = read_by(data, size, 1, &used_b, &b);

	must((st == PROXY_DONE) == (again == PROXY_DONE));
	if (st != PROXY_DONE) {
		must(!a.known);
		return 0;
	}
	must(used_a == used_b && memcmp(&a, &b, sizeof(a)) == 0);
	must(a.source_port < 65536 && a.destination_port < 65536);
	if (data[0] == 'P')
		must(used_a <= PROXY_V1_MAX && data[used_a - 1] == '\n');
	return 0;
}
