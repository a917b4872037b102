#ifndef T_UNIT_TAP_H
#define T_UNIT_TAP_H
/* Test Anything Protocol for unit tests in C; see prove(1). */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static int tap_count, tap_failed;

/* One test: counted, printed, and remembered if it failed. */
#define ok(cond, ...) tap_ok((cond), __FILE__, __LINE__, __VA_ARGS__)

__attribute__((format(printf, 4, 5), unused)) static bool
tap_ok(bool good, const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %d - ", good ? "" : "not ", ++tap_count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	if (!good) {
		tap_failed++;
		printf("# failed at %s line %d\n", file, line);
	}
	fflush(stdout);
	return good;
}

__attribute__((unused)) static void
tap_skip(const char *what, const char *why)
{
	printf("ok %d - # SKIP %s: %s\n", ++tap_count, what, why);
}

/* Prints the plan; the test program's exit status. */
__attribute__((unused)) static int
done_testing(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed != 0;
}
#endif
