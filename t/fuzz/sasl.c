/* The lines of AUTH.  The first octet says which mechanism, whether there is an
 * initial response, and whether the lines are to be encoded first, so that the
 * mechanisms are reached; the lines follow. */
#include "common/sasl.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base64.h"
#include "t/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char empty[] = "";
static struct settings settings = { .secrets = empty, .tls_client_ca = empty };
static struct listener listener;
static struct worker worker = { .settings = &settings, .listener = &listener };

/* What decodes is spelled in one way only. */
static void
check_base64(struct view line)
{
	static char raw[SASL_LINE_MAX], back[SASL_LINE_MAX + 8];
	size_t n;

	if (!base64_decode(line, raw, sizeof(raw), &n))
		return;
	must(base64_encode((struct view){ raw, n }, back, sizeof(back)));
	must(view_eqs(line, back));
}

static enum sasl_result
step(struct sasl *s, bool initial, bool encode, struct view line,
    struct buf *challenge)
{
	static char b64[BASE64_LEN(SASL_LINE_MAX) + 1];

	if (encode && base64_encode(line, b64, sizeof(b64)))
		line = view_of(b64);
	check_base64(line);
	return initial ? sasl_initial(s, line, challenge)
		       : sasl_step(s, line, challenge);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sasl s;
	struct buf challenge;
	struct view rest = { (const char *)data + 1, size - 1 };
	enum sasl_result r = SASL_CONTINUE;
	unsigned steps = 0;

	if (size == 0 || size > SASL_LINE_MAX)
		return 0;
	settings.sasl_mechanisms = (1u << SASL__N) - 1;
	must(sasl_start(&s, &worker, view_of(data[0] & 1 ? "PLAIN" : "LOGIN")));
	buf_init(&challenge, 200);
	if (data[0] & 2)
		r = sasl_initial(&s, (struct view){ NULL, 0 }, &challenge);
	while (r == SASL_CONTINUE && rest.n > 0) {
		struct view line = view_split(&rest, '\n', NULL);
		r = step(&s, !(data[0] & 2) && steps == 0, data[0] & 4, line,
		    &challenge);
		must(++steps <= 3);
	}
	must(!challenge.bad);
	if (r == SASL_CHECK) {
		must(s.user[0] != '\0');
		must(memchr(s.user, '\0', sizeof(s.user)) != NULL);
		must(memchr(s.pass, '\0', sizeof(s.pass)) != NULL);
	}
	sasl_wipe(&s);
	buf_free(&challenge);
	return 0;
}
