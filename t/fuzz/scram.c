/*
 * What auth reads of a client: the messages of SCRAM, CRAM-MD5 and EXTERNAL.
 * The first octet says which mechanism, the second which channel bindings there
 * are; the messages follow, each on a line.  "%" in the second one stands for
 * the nonce that the server has sent, which is random, so that what is behind
 * it is reached.
 */
#include "common/auth_exchange.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "t/fuzz/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char empty[] = "", some[] = "x", hostname[] = "mail.example.org";
static char domain[] = "example.org";
static char *domains[] = { domain };
static struct settings settings = { .hostname = hostname,
	.secrets = empty,
	.tls_client_ca = some,
	.local_domains = domains,
	.local_domain_n = 1 };
static struct secrets *secrets;

/* With the nonce in place of "%". */
static void
fill_in(struct view line, const char *challenge, struct buf *out)
{
	struct view c = view_of(challenge);
	struct view nonce = view_split(&c, ',', NULL);
	bool found;

	buf_clear(out);
	struct view before = view_split(&line, '%', &found);
	buf_addv(out, before);
	if (found && nonce.n > 2)
		buf_add(out, nonce.p + 2, nonce.n - 2);
	buf_addv(out, line);
}

static void
check_result(
    const struct exchange *x, enum auth_result r, const struct buf *challenge)
{
	must(!challenge->bad && challenge->n <= AUTH_STEP_MAX);
	must(memchr(x->user, '\0', sizeof(x->user)) != NULL);
	must(memchr(x->name, '\0', sizeof(x->name)) != NULL);
	switch (r) {
	case AUTH_YES: /* nobody has a secret */
		must((x->mech->flags & SASL_CERTIFICATE) != 0);
		must(x->name[0] != '\0');
		break;
	case AUTH_NO:
		must(challenge->n == 0 && x->why[0] != '\0');
		break;
	case AUTH_CONTINUE:
		must((x->mech->flags & SASL_CERTIFICATE) == 0);
		must(x->steps == 1 && challenge->n > 0 && x->user[0] != '\0');
		must(challenge->p[0] == 'r');
		break;
	case AUTH_BAD:
		break;
	default:
		abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scram_bindings b = { .exporter = "exporter",
		.end_point = "end" };
	struct exchange x;
	struct buf challenge, message, copy;
	char *err = NULL;
	enum auth_result r = AUTH_CONTINUE;

	if (secrets == NULL)
		secrets = secrets_open(&settings, &err);
	if (size < 2 || size > 3 * AUTH_STEP_MAX)
		return 0;
	enum sasl_id id = (enum sasl_id)(data[0] % (SASL_CRAM_MD5 + 1));
	b.exporter_n = data[1] & 1 ? 8 : 0;
	b.end_point_n = data[1] & 2 ? 3 : 0;
	buf_init(&challenge, AUTH_STEP_MAX);
	buf_init(&message, 8 * AUTH_STEP_MAX);
	buf_init(&copy, AUTH_STEP_MAX + 1);
	exchange_start(&x, &sasl_mechs[id], data[1] & 4, &b,
	    data[1] & 8	   ? "carol@example.org"
	    : data[1] & 16 ? "dave"
			   : "",
	    &settings, &challenge);
	struct view rest = { (const char *)data + 2, size - 2 };
	while (r == AUTH_CONTINUE && rest.n > 0 && x.steps < 2) {
		buf_adds(&copy, buf_cstr(&challenge));
		fill_in(
		    view_split(&rest, '\n', NULL), buf_cstr(&copy), &message);
		r = exchange_step(
		    &x, secrets, &settings, buf_view(&message), &challenge);
		check_result(&x, r, &challenge);
		buf_clear(&copy);
	}
	buf_free(&challenge);
	buf_free(&message);
	buf_free(&copy);
	return 0;
}
