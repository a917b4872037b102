/* Requests to the key role: whatever a worker sends, nothing is signed but what
 * a TLS server says in a handshake (fuzz target keytext has the texts). */
#define _GNU_SOURCE
#include "common/svc_key.h"

#include "common/log.h"
#include "t/fuzz/channel.h"
#include "t/unit/certs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
set_up(void)
{
	static char name[] = "pem";
	static const struct tls_pair names[] = { { .certificate = name,
	    .key = name } };
	struct certs_pair pair = certs_pair("EC:P-256");
	char err[512];

	must(keys_load(pair.fd, names, 1, err, sizeof(err)));
	log_level_set(LOG_LVL_ERROR + 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;

	if (!ready)
		set_up();
	ready = true;
	channel_run(&key_service, data, size);
	return 0;
}
