/* A question to a DNS server by TCP: whatever comes, and in whatever pieces. */
#define _GNU_SOURCE
#include "smtpd/dns_stream.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/msg.h"
#include "t/unit/tap.h"

static struct dns_server server;
static int listener;

static void
start(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ok(bind(listener, (struct sockaddr *)&a, n) == 0 &&
		listen(listener, 5) == 0 &&
		getsockname(listener, (struct sockaddr *)&a, &n) == 0,
	    "a server");
	ok(address_read(view_of("127.0.0.1"), server.address), "its address");
	server.port = ntohs(a.sin_port);
}

/* Goes on until it is over, or waits for what does not come. */
static enum dns_stream_is
settle(struct dns_stream *t, int ms)
{
	enum dns_stream_is is = dns_stream_go(t);

	while (is == DNS_STREAM_WRITE || is == DNS_STREAM_READ) {
		struct pollfd p = { .fd = t->sock,
			.events = is == DNS_STREAM_WRITE ? POLLOUT : POLLIN };
		if (poll(&p, 1, ms) != 1)
			break;
		is = dns_stream_go(t);
	}
	return is;
}

/* Opens one, and takes the question off at the server's end. */
static int
begin(struct dns_stream *t)
{
	static const unsigned char query[] = "a question";
	unsigned char got[12] = { 0 };

	ok(dns_stream_open(t, &server, query, 10), "opened");
	int s = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	ok(settle(t, 0) == DNS_STREAM_READ, "asked, and waits");
	ok(recv(s, got, sizeof(got), MSG_WAITALL) == 12 && memcmp(got,
							       "\0\x0a"
							       "a question",
							       12) == 0,
	    "the question, behind its length");
	return s;
}

static void
answers(void)
{
	static unsigned char big[2 + 65535];
	struct dns_stream t;
	size_t sent = 0;
	int s = begin(&t);

	for (const char *p = "\0\3xyz"; sent < 5; sent++) {
		ok(settle(&t, 0) == DNS_STREAM_READ, "%zu octets: not all yet",
		    sent);
		ok(send(s, p + sent, 1, 0) == 1, "one more");
	}
	ok(settle(&t, 30000) == DNS_STREAM_DONE && t.in_n == 3 &&
		memcmp(t.in, "xyz", 3) == 0,
	    "an answer octet by octet");
	close(s);
	dns_stream_close(&t);
	s = begin(&t);
	sent = 0;
	memset(big, 'x', sizeof(big));
	big[0] = big[1] = 0xff;
	for (enum dns_stream_is is = DNS_STREAM_READ; is == DNS_STREAM_READ;) {
		ssize_t n = sent == sizeof(big)
				? 0
				: send(s, big + sent, sizeof(big) - sent,
				      MSG_DONTWAIT | MSG_NOSIGNAL);
		sent += n > 0 ? (size_t)n : 0;
		is = settle(&t, sent == sizeof(big) ? 30000 : 10);
		ok(is != DNS_STREAM_FAILED, "%zu octets", sent);
		if (is == DNS_STREAM_DONE)
			break;
	}
	ok(t.in_n == 65535 && t.in[65534] == 'x', "the largest");
	close(s);
	dns_stream_close(&t);
}

static void
failures(void)
{
	static const struct {
		const char *what, *octets;
		size_t n;
	} cases[] = {
		{ "nothing", "", 0 },
		{ "half a length", "\0", 1 },
		{ "a length of nothing", "\0\0", 2 },
		{ "half an answer", "\0\4ab", 4 },
	};
	struct dns_stream t;

	for (size_t i = 0; i < NELEM(cases); i++) {
		int s = begin(&t);
		ok(send(s, cases[i].octets, cases[i].n, 0) ==
			(ssize_t)cases[i].n,
		    "sent");
		close(s);
		ok(settle(&t, 30000) == DNS_STREAM_FAILED, "%s: failed",
		    cases[i].what);
		dns_stream_close(&t);
		dns_stream_close(&t);
		ok(t.sock == -1 && t.in == NULL, "closed twice");
	}
	close(listener);
	bool open = dns_stream_open(&t, &server, (const void *)"x", 1);
	ok(!open || settle(&t, 30000) == DNS_STREAM_FAILED, "nobody there");
	dns_stream_close(&t);
}

int
main(void)
{
	start();
	answers();
	failures();
	return done_testing();
}
