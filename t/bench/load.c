/* Clients that load a daemon for some seconds; prints what they got done.
 *
 *	load smtp ADDRESS PORT CLIENTS SECONDS PER_SESSION SIZE RCPT...
 *	load pop3 ADDRESS PORT CLIENTS SECONDS PER_SESSION USER PASSWORD
 *
 * smtp: PER_SESSION messages a session, each with SIZE octets and to all RCPTs;
 * pop3: a login, STAT, PER_SESSION times RETR 1, QUIT.  Each client is a
 * process; an answer that is not 2xx, 3xx or +OK counts as an error and ends
 * its session. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 2048, INPUT = 65536 };

struct result {
	unsigned long long done, sessions, errors;
	double slowest;
};

struct client {
	int sock;
	bool pop3;
	size_t head, tail;
	char in[INPUT];
};

static struct sockaddr_in server;
static char *content;
static size_t content_n;

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool
put(struct client *c, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t w = write(c->sock, p, n);
		if (w <= 0)
			return false;
		p += w;
		n -= (size_t)w;
	}
	return true;
}

/* One line without its end; NULL: the server has gone. */
static char *
get(struct client *c)
{
	for (;;) {
		char *start = c->in + c->head;
		char *end = memchr(start, '\n', c->tail - c->head);
		if (end != NULL) {
			*end = '\0';
			c->head = (size_t)(end - c->in) + 1;
			return start;
		}
		memmove(c->in, start, c->tail - c->head);
		c->tail -= c->head;
		c->head = 0;
		ssize_t n = read(c->sock, c->in + c->tail, INPUT - c->tail);
		if (n <= 0)
			return NULL;
		c->tail += (size_t)n;
	}
}

/* A reply: did it say yes? */
static bool
yes(struct client *c)
{
	for (;;) {
		const char *l = get(c);
		if (l == NULL)
			return false;
		if (c->pop3)
			return l[0] == '+';
		if (strlen(l) < 4 || l[3] != '-')
			return l[0] == '2' || l[0] == '3';
	}
}

static bool
ask(struct client *c, const char *verb, const char *arg, const char *end)
{
	char line[LINE];
	int n = snprintf(line, sizeof(line), "%s%s%s\r\n", verb, arg, end);

	return n > 0 && n < LINE && put(c, line, (size_t)n) && yes(c);
}

static bool
message(struct client *c, char *const *rcpt)
{
	if (!ask(c, "MAIL FROM:<bench@client.test>", "", ""))
		return false;
	for (; *rcpt != NULL; rcpt++)
		if (!ask(c, "RCPT TO:<", *rcpt, ">"))
			return false;
	return ask(c, "DATA", "", "") && put(c, content, content_n) && yes(c);
}

static bool
retrieve(struct client *c)
{
	const char *l;

	if (!ask(c, "RETR 1", "", ""))
		return false;
	while ((l = get(c)) != NULL)
		if (l[0] == '.' && (l[1] == '\r' || l[1] == '\0'))
			return true;
	return false;
}

static bool
begin(struct client *c, char *const *arg)
{
	int one = 1;

	c->head = c->tail = 0;
	c->sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->sock == -1 ||
	    connect(c->sock, (struct sockaddr *)&server, sizeof(server)) == -1)
		return false;
	setsockopt(c->sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (!yes(c))
		return false;
	if (!c->pop3)
		return ask(c, "EHLO client.test", "", "");
	return ask(c, "USER ", arg[0], "") && ask(c, "PASS ", arg[1], "") &&
	       ask(c, "STAT", "", "");
}

static void
client(struct result *r, bool pop3, double end, unsigned each, char *const *arg)
{
	static struct client c;

	c.pop3 = pop3;
	while (seconds() < end) {
		double start = seconds();
		bool good = begin(&c, arg);
		for (unsigned i = 0; good && i < each; i++) {
			good = pop3 ? retrieve(&c) : message(&c, arg);
			r->done += good;
		}
		if (good)
			good = ask(&c, "QUIT", "", "");
		r->sessions += good;
		r->errors += !good;
		if (seconds() - start > r->slowest)
			r->slowest = seconds() - start;
		close(c.sock);
	}
}

static void
make_content(size_t size)
{
	static const char head[] = "Subject: bench\r\n\r\n";
	static const char line[] = "0123456789012345678901234567890123456789"
				   "01234567890123456789012345\r\n";

	content = malloc(sizeof(head) + size + sizeof(line) + 4);
	if (content == NULL)
		abort();
	memcpy(content, head, sizeof(head) - 1);
	content_n = sizeof(head) - 1;
	while (content_n < size) {
		memcpy(content + content_n, line, sizeof(line) - 1);
		content_n += sizeof(line) - 1;
	}
	memcpy(content + content_n, ".\r\n", 3);
	content_n += 3;
}

int
main(int argc, char **argv)
{
	if (argc < 9) {
		fprintf(stderr,
		    "usage: load smtp|pop3 ADDRESS PORT CLIENTS "
		    "SECONDS PER_SESSION SIZE|USER RCPT|PASSWORD\n");
		return 2;
	}
	bool pop3 = strcmp(argv[1], "pop3") == 0;
	unsigned clients = (unsigned)strtoul(argv[4], NULL, 10);
	double length = strtod(argv[5], NULL);
	unsigned each = (unsigned)strtoul(argv[6], NULL, 10);
	struct result sum = { 0 };

	server.sin_family = AF_INET;
	server.sin_port = htons((uint16_t)strtoul(argv[3], NULL, 10));
	if (inet_pton(AF_INET, argv[2], &server.sin_addr) != 1)
		return 2;
	make_content(pop3 ? 0 : strtoul(argv[7], NULL, 10));
	struct result *r = mmap(NULL, clients * sizeof(*r),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (r == MAP_FAILED)
		return 2;
	double start = seconds();
	for (unsigned i = 0; i < clients; i++) {
		pid_t pid = fork();
		if (pid == -1)
			return 2;
		if (pid == 0) {
			client(&r[i], pop3, start + length, each,
			    argv + (pop3 ? 7 : 8));
			_exit(0);
		}
	}
	while (wait(NULL) != -1)
		continue;
	length = seconds() - start;
	for (unsigned i = 0; i < clients; i++) {
		sum.done += r[i].done;
		sum.sessions += r[i].sessions;
		sum.errors += r[i].errors;
		if (r[i].slowest > sum.slowest)
			sum.slowest = r[i].slowest;
	}
	printf("%7.0f %s/s %7.0f sessions/s, slowest %.0f ms, %llu errors\n",
	    (double)sum.done / length, pop3 ? "retrieved" : "messages",
	    (double)sum.sessions / length, sum.slowest * 1000, sum.errors);
	return sum.done == 0 && sum.sessions == 0;
}
