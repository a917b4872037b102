/* Failed logins by address.  Runs in: auth. */
#define _GNU_SOURCE
#include "common/auth_limit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"

enum { PLACES = 8192, BUCKETS = 4096 };

/* Those who failed longest ago give way when all places are taken. */
struct place {
	unsigned char key[ADDRESS_OCTETS];
	int64_t since; /* now_ms() of the first failure of this window */
	int64_t failures;
	struct place *older, *newer; /* by the last failure */
	struct place *next;	     /* in the same bucket */
};

static struct place places[PLACES];
static struct place *buckets[BUCKETS];
static struct place *oldest, *newest;
static unsigned used;

void
origin_of(
    int fd, const char *said, const struct settings *s, struct origin *out)
{
	struct sockaddr_storage a = { 0 };
	socklen_t n = sizeof(a);

	memset(out, 0, sizeof(*out));
	(void)snprintf(out->text, sizeof(out->text), "local");
	if (getpeername(fd, (struct sockaddr *)&a, &n) == -1) {
		/* A terminal or a pipe (inetd) is no socket. */
		if (errno != ENOTSOCK)
			out->kind = ORIGIN_GONE;
		return;
	}
	if (!address_of(&a, out->key))
		return;
	address_text(out->key, out->text);
	if (networks_match(&s->proxy_networks, out->text) ||
	    networks_match(&s->xclient_networks, out->text)) {
		unsigned char announced[ADDRESS_OCTETS];
		if (address_read(view_of(said), announced)) {
			memcpy(out->key, announced, sizeof(out->key));
			address_text(out->key, out->text);
		}
	}
	if (networks_match(&s->auth_exempt, out->text))
		out->kind = ORIGIN_EXEMPT;
	address_share(out->key);
}

static struct place **
bucket_of(const unsigned char key[ADDRESS_OCTETS])
{
	uint64_t h = 1469598103934665603u; /* FNV-1a */

	for (unsigned i = 0; i < ADDRESS_OCTETS; i++)
		h = (h ^ key[i]) * 1099511628211u;
	return &buckets[(h >> 32) % BUCKETS];
}

static struct place *
find(const unsigned char key[ADDRESS_OCTETS])
{
	struct place *p = *bucket_of(key);

	while (p != NULL && memcmp(p->key, key, ADDRESS_OCTETS) != 0)
		p = p->next;
	return p;
}

static void
unlink_age(struct place *p)
{
	*(p->older == NULL ? &oldest : &p->older->newer) = p->newer;
	*(p->newer == NULL ? &newest : &p->newer->older) = p->older;
}

static void
make_newest(struct place *p)
{
	p->older = newest;
	p->newer = NULL;
	*(newest == NULL ? &oldest : &newest->newer) = p;
	newest = p;
}

/* A place for key, which has none. */
static struct place *
take(const unsigned char key[ADDRESS_OCTETS], int64_t now)
{
	struct place *p, **at;

	if (used < PLACES) {
		p = &places[used++];
	} else {
		p = oldest;
		unlink_age(p);
		for (at = bucket_of(p->key); *at != p; at = &(*at)->next)
			;
		*at = p->next;
	}
	at = bucket_of(key);
	*p = (struct place){ .since = now, .next = *at };
	memcpy(p->key, key, ADDRESS_OCTETS);
	*at = p;
	make_newest(p);
	return p;
}

static bool
over(const struct place *p, const struct settings *s, int64_t now)
{
	return s->auth_address_failures > 0 &&
	       now - p->since < s->auth_address_window &&
	       p->failures >= s->auth_address_failures;
}

bool
auth_limit_reached(
    const struct origin *o, const struct settings *s, int64_t now)
{
	const struct place *p = o->kind == ORIGIN_COUNTED ? find(o->key) : NULL;

	return o->kind == ORIGIN_GONE || (p != NULL && over(p, s, now));
}

void
auth_limit_count(const struct origin *o, const struct settings *s, int64_t now)
{
	if (o->kind != ORIGIN_COUNTED)
		return;
	struct place *p = find(o->key);
	if (p == NULL)
		p = take(o->key, now);
	if (now - p->since >= s->auth_address_window) {
		p->since = now;
		p->failures = 0;
	}
	p->failures++;
	unlink_age(p);
	make_newest(p);
	if (p->failures == s->auth_address_failures)
		log_warn("warning: %lld failed logins from %s: no more tries "
			 "from there for %lld s",
		    (long long)p->failures, o->text,
		    (long long)(p->since + s->auth_address_window - now) /
			1000);
}
