/* Right-hand sides of aliases and .forward: whatever comes in, what is taken is
 * printable, bounded, and reads back as the same target. */
#include "spool/target.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/utf8.h"
#include "t/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As it would have to be written. */
static size_t
quoted(const struct alias_target *t, char *out)
{
	size_t n = 0;

	out[n++] = '"';
	out[n++] = t->kind == TARGET_COMMAND ? '|' : '/';
	for (const char *c = t->text + (t->kind == TARGET_FILE); *c != '\0';
	     c++) {
		if (*c == '"' || *c == '\\')
			out[n++] = '\\';
		out[n++] = *c;
	}
	out[n++] = '"';
	return n;
}

static void
check(const struct alias_target *t)
{
	static char text[2 * TARGET_TEXT_MAX + 10];
	char space[TARGET_TEXT_MAX + 1], *argv[TARGET_ARGS_MAX + 1];
	struct alias_target again;
	struct address a;
	const char *why;

	must(t->kind < TARGET__N && t->text[0] != '\0');
	must(strlen(t->text) <= TARGET_TEXT_MAX);
	must(utf8_printable(view_of(t->text)));
	switch (t->kind) {
	case TARGET_FILE:
	case TARGET_INCLUDE:
		must(t->text[0] == '/' && t->text[1] != '\0');
		break;
	case TARGET_COMMAND:
		must(target_argv(t->text, space, argv, &why));
		must(argv[0] != NULL && argv[0][0] == '/');
		break;
	default:
		must(address_parse_utf8(view_of(t->text), &a) == ADDR_OK);
		must(strcmp(a.text, t->text) == 0);
	}
	if ((t->kind != TARGET_COMMAND && t->kind != TARGET_FILE) ||
	    strlen(t->text) > TARGET_TEXT_MAX / 2 - 10)
		return;
	/* A command that is one quoted word is unquoted once more. */
	if (t->kind == TARGET_COMMAND && strchr("\" \t", t->text[0]) != NULL)
		return;
	struct view v = { text, quoted(t, text) };
	must(target_next(&v, TARGETS_FORWARD, &again, &why) == 1);
	must(again.kind == t->kind);
	must(target_next(&v, TARGETS_FORWARD, &again, &why) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned allowed[] = { TARGETS_LIST, TARGETS_FORWARD,
		TARGETS_ALIAS, TARGETS_VIRTUAL };
	struct alias_target t;
	const char *why;

	if (size == 0)
		return 0;
	unsigned mask = allowed[data[0] % NELEM(allowed)];
	struct view v = { (const char *)data + 1, size - 1 };
	const char *end = v.p + v.n;
	for (;;) {
		struct view before = v;
		int rc = target_next(&v, mask, &t, &why);
		must(v.p + v.n == end && v.n <= before.n);
		if (rc == 1) {
			must(v.n < before.n && (mask & 1u << t.kind) != 0);
			check(&t);
			continue;
		}
		must(rc == 0 ? v.n == 0 : rc == -1 && why[0] != '\0');
		must(t.text[0] == '\0');
		break;
	}
	return 0;
}
