/* Questions to DNS servers.  Runs in: lookup. */
#define _GNU_SOURCE
#include "smtpd/resolver.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "common/msg.h"
#include "common/service.h"
#include "smtpd/dns_servers.h"
#include "smtpd/dns_stream.h"

enum {
	TRY_MS = 1500,		 /* for one server's answer */
	TRIES = 3,		 /* over all servers */
	ALL_MS = TRIES * TRY_MS, /* for all that a question takes */
	OPEN_MAX_Q = 400,	 /* questions at the same time */
	STREAM_MAX = 32,	 /* of them by TCP; 64 KiB each */
	CACHED = 1024,
	CACHE_WAYS = 4, /* places that a name may have, side by side */
	CACHE_MIN = 10, /* s */
	CACHE_MAX = 3600,
	CACHE_NONE = 300 /* s: there is none */
};

struct question {
	char name[DNS_NAME_MAX];
	enum dns_type type;
	unsigned id, tries;
	int64_t until; /* now_ms() */
	int sock;
	struct dns_stream *stream; /* owned; NULL: asked by UDP */
	struct watch *watch;
	struct timer *timer;
	resolver_done *done;
	void *arg;
};

struct cached {
	char name[DNS_NAME_MAX];
	enum dns_type type;
	int64_t until; /* now_ms(); 0: free */
	enum dns_result result;
	struct dns_answer *answer; /* owned; NULL with DNS_NONE */
};

static struct dns_server servers[DNS_SERVERS_MAX];
static unsigned server_n, open_n, stream_n;
static struct cached cache[CACHED];
static uint32_t seed;

static void try_next(struct question *q);

/* ---- servers ---- */

void
resolver_init(const struct settings *s)
{
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		seed = (uint32_t)now_ms();
	server_n = dns_servers_find(s, servers);
}

/* ---- the cache ---- */

/* Where name and type are kept; else the place to keep them at, that of
 * whatever is forgotten first. */
static struct cached *
place(const char *name, enum dns_type type)
{
	uint32_t h = seed ^ (uint32_t)type;
	struct cached *c, *oldest;

	for (const char *p = name; *p != '\0'; p++)
		h = (h ^ (unsigned char)ascii_lower(*p)) * 16777619u;
	c = oldest = &cache[(h ^ h >> 16) % (CACHED / CACHE_WAYS) * CACHE_WAYS];
	for (int i = 0; i < CACHE_WAYS; i++) {
		if (c[i].type == type && strcasecmp(c[i].name, name) == 0)
			return &c[i];
		if (c[i].until < oldest->until)
			oldest = &c[i];
	}
	return oldest;
}

static bool
is_cached(const struct cached *c, const char *name, enum dns_type type)
{
	return c->until > now_ms() && c->type == type &&
	       strcasecmp(c->name, name) == 0;
}

static void
keep(const struct question *q, enum dns_result r, const struct dns_answer *a)
{
	struct cached *c = place(q->name, q->type);
	int64_t ttl = r == DNS_NONE ? CACHE_NONE : (int64_t)a->ttl;

	if (r != DNS_FOUND && r != DNS_NONE)
		return;
	free(c->answer);
	*c = (struct cached){ .type = q->type, .result = r };
	if (r == DNS_FOUND) {
		c->answer = malloc(sizeof(*a));
		if (c->answer == NULL)
			return;
		memcpy(c->answer, a, sizeof(*a));
	}
	ttl = ttl < CACHE_MIN ? CACHE_MIN : ttl > CACHE_MAX ? CACHE_MAX : ttl;
	c->until = now_ms() + 1000 * ttl;
	memcpy(c->name, q->name, sizeof(c->name));
}

/* ---- one question ---- */

static void
stop_waiting(struct question *q)
{
	watch_del(q->watch);
	timer_del(q->timer);
	q->watch = NULL;
	q->timer = NULL;
	close_fd(&q->sock);
	if (q->stream != NULL) {
		dns_stream_close(q->stream);
		free(q->stream);
		q->stream = NULL;
		stream_n--;
	}
}

static void
end(struct question *q, enum dns_result r, const struct dns_answer *a)
{
	stop_waiting(q);
	open_n--;
	keep(q, r, a);
	q->done(q->arg, r, a);
	free(q);
}

static void
too_late(void *arg)
{
	struct question *q = arg;

	q->timer = NULL;
	stop_waiting(q);
	try_next(q);
}

/* ---- by TCP ---- */

static void
stream_ready(void *arg, uint32_t events)
{
	static struct dns_answer a;
	struct question *q = arg;
	struct dns_stream *t = q->stream;
	enum dns_result r = DNS_FAILED;

	(void)events;
	enum dns_stream_is is = dns_stream_go(t);
	if (is == DNS_STREAM_WRITE || is == DNS_STREAM_READ) {
		watch_change(
		    q->watch, is == DNS_STREAM_WRITE ? EPOLLOUT : EPOLLIN);
		return;
	}
	if (is == DNS_STREAM_DONE)
		r = dns_parse(t->in, t->in_n, q->id, q->name, q->type, &a);
	if (r == DNS_FOUND || r == DNS_NONE) {
		end(q, r, &a);
	} else {
		stop_waiting(q);
		try_next(q);
	}
}

/* Asks the server of the last try once more.  False: it cannot be done. */
static bool
ask_stream(struct question *q)
{
	const struct dns_server *d = &servers[(q->tries - 1) % server_n];
	unsigned char octets[DNS_QUERY_MAX];

	stop_waiting(q);
	if (stream_n >= STREAM_MAX)
		return false;
	q->stream = calloc(1, sizeof(*q->stream));
	if (q->stream == NULL)
		return false;
	stream_n++;
	if (dns_stream_open(q->stream, d, octets,
		dns_query(octets, q->id, q->name, q->type))) {
		q->watch =
		    watch_add(q->stream->sock, EPOLLOUT, stream_ready, q);
		q->timer = timer_add(q->until - now_ms(), too_late, q);
	}
	if (q->watch != NULL)
		return true;
	stop_waiting(q);
	return false;
}

/* ---- by UDP ---- */

static void
came(void *arg, uint32_t events)
{
	static unsigned char octets[DNS_MESSAGE_MAX];
	static struct dns_answer a;
	struct question *q = arg;

	(void)events;
	ssize_t n = recv(q->sock, octets, sizeof(octets), MSG_DONTWAIT);
	if (n == -1) { /* nobody listens there: the next one */
		stop_waiting(q);
		try_next(q);
		return;
	}
	enum dns_result r =
	    dns_parse(octets, (size_t)n, q->id, q->name, q->type, &a);
	if (r != DNS_FOREIGN && a.cut && ask_stream(q))
		return;
	if (r == DNS_FAILED) {
		stop_waiting(q);
		try_next(q);
	} else if (r != DNS_FOREIGN) {
		end(q, r, &a);
	}
}

static void
try_next(struct question *q)
{
	static const struct dns_answer none;
	unsigned char octets[DNS_QUERY_MAX];
	uint16_t id = 0;

	while (q->tries < TRIES && now_ms() < q->until) {
		const struct dns_server *d = &servers[q->tries++ % server_n];
		size_t n = 0;
		if (getrandom(&id, sizeof(id), 0) == sizeof(id))
			n = dns_query(octets, id, q->name, q->type);
		q->id = id;
		q->sock = n == 0 ? -1 : dns_servers_connect(d, SOCK_DGRAM);
		if (q->sock != -1 &&
		    send(q->sock, octets, n, MSG_NOSIGNAL) == (ssize_t)n) {
			q->watch = watch_add(q->sock, EPOLLIN, came, q);
			int64_t left = q->until - now_ms();
			q->timer = timer_add(
			    left < TRY_MS ? left : TRY_MS, too_late, q);
			if (q->watch != NULL && q->timer != NULL)
				return;
		}
		stop_waiting(q);
	}
	end(q, DNS_FAILED, &none);
}

void
resolver_ask(
    const char *name, enum dns_type type, resolver_done *done, void *arg)
{
	static const struct dns_answer none;
	struct cached *c = place(name, type);
	struct question *q = NULL;

	if (is_cached(c, name, type)) {
		done(arg, c->result, c->answer == NULL ? &none : c->answer);
		return;
	}
	if (open_n < OPEN_MAX_Q)
		q = calloc(1, sizeof(*q));
	if (q == NULL || !view_copy(view_of(name), q->name, sizeof(q->name))) {
		free(q);
		done(arg, DNS_FAILED, &none);
		return;
	}
	q->type = type;
	q->sock = -1;
	q->until = now_ms() + ALL_MS;
	q->done = done;
	q->arg = arg;
	open_n++;
	try_next(q);
}
