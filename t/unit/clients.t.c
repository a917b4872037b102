/* Workers per client address, against a slow and plain count. */
#include <stdlib.h>
#include <string.h>

#include "common/clients.h"
#include "t/unit/tap.h"

enum { MAX = 200, STEPS = 20000 };

int
main(void)
{
	static unsigned char held[MAX][16];
	unsigned n = 0, wrong = 0;
	unsigned char v6[2][16] = { { 0x20, 1, 0xd, 0xb8, [15] = 1 },
		{ 0x20, 1, 0xd, 0xb8, [15] = 2 } };

	ok(clients_init(MAX), "a table");
	srand(7);
	for (int step = 0; step < STEPS; step++) {
		if (n < MAX && (n == 0 || rand() % 2)) {
			unsigned char a[16] = { [10] = 0xff,
				[11] = 0xff,
				[12] = 192,
				[15] = (unsigned char)(rand() % 90) };
			unsigned want = 1;
			for (unsigned i = 0; i < n; i++)
				want += memcmp(held[i], a, 16) == 0;
			memcpy(held[n++], a, 16);
			wrong += clients_enter(a) != want;
		} else {
			unsigned i = (unsigned)rand() % n;
			clients_leave(held[i]);
			memcpy(held[i], held[--n], 16);
		}
	}
	ok(wrong == 0, "%d steps counted right", STEPS);
	while (n > 0)
		clients_leave(held[--n]);
	ok(clients_enter(v6[0]) == 1 && clients_enter(v6[1]) == 2,
	    "a /64 is one client");
	clients_leave(v6[0]);
	clients_leave(v6[1]);
	ok(clients_enter(v6[1]) == 1, "and it may leave");
	return done_testing();
}
