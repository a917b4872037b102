/* DNS answers: what is found is bounded, printable, and a valid name. */
#include "common/dns.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "t/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum dns_type types[] = { DNS_A, DNS_PTR, DNS_AAAA };
	static unsigned char message[DNS_QUERY_MAX + 4096];
	static struct dns_answer a;

	if (size < 2 || size > 4096)
		return 0;
	enum dns_type type = types[data[0] % 3];
	/* Behind a right question, and all by itself. */
	size_t n = dns_query(message, 7, "a.example", type);
	must(n > 12);
	message[2] = 0x80;
	message[3] = data[1] & 15;
	message[6] = 0;
	message[7] = 8;
	memcpy(message + n, data + 2, size - 2);
	for (int i = 0; i < 2; i++) {
		enum dns_result r =
		    i == 0
			? dns_parse(
			      message, n + size - 2, 7, "a.example", type, &a)
			: dns_parse(data, size,
			      (unsigned)data[0] << 8 | data[1], "a", type, &a);
		must((r == DNS_FOUND) == (a.n > 0));
		must(a.n <= DNS_RECORDS_MAX);
		for (unsigned k = 0; k < a.n && type == DNS_PTR; k++)
			must(domain_valid(
			    (struct view){ a.name[k], strlen(a.name[k]) }));
	}
	return 0;
}
