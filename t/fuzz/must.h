#ifndef T_FUZZ_MUST_H
#define T_FUZZ_MUST_H
/* What a target holds against the code: the input for which it is not so is
 * kept. */
#include <stdio.h>
#include <stdlib.h>

#define must(good) ((good) ? (void)0 : must_broken(#good, __FILE__, __LINE__))

__attribute__((__noreturn__, unused)) static void
must_broken(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s line %d: %s\n", file, line, what);
	abort();
}
#endif
