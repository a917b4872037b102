/*
 * Drives a sender without a queue, for t/0450-relay*.t.
 *
 *	drive CONFIG <requests
 *
 * A request is a line of fields between TABs: nexthop ("-": what the settings
 * say for the first recipient), sender, parameters of MAIL, the file with the
 * content, then "address" or "address|parameters" for each recipient.  The line
 * "wait MS" waits.  The answer: "VERDICT BITS REMOTE", for each recipient
 * "OUTCOME DSN remote|own TEXT", and ".".
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "smtpd/dns_wait.h"
#include "smtpd/route.h"
#include "smtpd/sender.h"
#include "smtpd/sts.h"

static const char *const verdicts[] = { "works", "busy", "down" };
static const char *const outcomes[] = { "sent", "deferred", "bounced" };

static int
connect_local(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(un.sun_path, sizeof(un.sun_path), "%.107s", path);
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

static void
put_all(struct msg *m, const struct settings *set, char *line, int *fd)
{
	char *field[4 + RELAY_RCPT_MAX], hop[NEXTHOP_MAX];
	unsigned n = 0;
	struct stat st;

	for (char *p = strsep(&line, "\t"); p != NULL; p = strsep(&line, "\t"))
		if (n < 4 + RELAY_RCPT_MAX)
			field[n++] = p;
	if (n < 5 || (*fd = open(field[3], O_RDONLY)) == -1 ||
	    fstat(*fd, &st) == -1)
		abort();
	(void)snprintf(hop, sizeof(hop), "%s", field[0]);
	struct view address = view_of(field[4]);
	if (strcmp(hop, "-") == 0 &&
	    !nexthop_of(
		set, nexthop_domain(view_split(&address, '|', NULL)), hop))
		abort();
	relay_put_send(m, hop, view_of("4F2A9C0017E3"), view_of(field[1]),
	    view_of(field[2]), *fd, 0, (uint64_t)st.st_size);
	for (unsigned i = 4; i < n; i++) {
		struct view rest = view_of(field[i]);
		struct view a = view_split(&rest, '|', NULL);
		if (!relay_put_rcpt(m, a, rest))
			abort();
	}
}

static void
run(const struct settings *set, char *line)
{
	static struct relay_request rq;
	static struct relay_answer head;
	static struct msg m;
	int fd = -1;

	put_all(&m, set, line, &fd);
	m.fd = -1;
	if (!relay_read(&m, &rq))
		abort();
	sender_run(&rq, fd, &head);
	close(fd);
	/* Over the channel and back, as the queue would have it. */
	msg_start(&m, RELAY_SEND);
	relay_put_answer(&m, &head, &rq);
	if (!relay_got(&m, rq.n, &head))
		abort();
	printf("%s %u %s\n", verdicts[head.verdict], head.bits, head.remote);
	for (unsigned i = 0; i < head.n; i++)
		printf("%s %s %s %s\n", outcomes[head.rcpt[i].outcome],
		    head.rcpt[i].dsn, head.rcpt[i].remote ? "remote" : "own",
		    head.rcpt[i].text);
	printf(".\n");
	(void)fflush(stdout);
}

int
main(int argc, char **argv)
{
	static char secret[256], line[65536];
	char *err = NULL, why[256] = "";
	struct settings *set =
	    argc < 2 ? NULL : settings_read(argv[1], false, &err);

	if (set == NULL) {
		(void)fprintf(stderr, "%s\n", err == NULL ? "usage" : err);
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	FILE *f =
	    set->relay_secret[0] == '\0' ? NULL : fopen(set->relay_secret, "r");
	if (f != NULL && fgets(secret, sizeof(secret), f) != NULL)
		secret[strcspn(secret, "\n")] = '\0';
	if (f != NULL)
		(void)fclose(f);
	struct sender_means means = { .settings = set,
		.tls = tls_client_new(set->relay_tls_ca, why, sizeof(why)),
		.secret = secret,
		.connect_local = connect_local };
	if (means.tls == NULL ||
	    !sts_load(set->mta_sts_policies, why, sizeof(why))) {
		(void)fprintf(stderr, "%s\n", why);
		return 2;
	}
	dns_wait_init(set);
	route_init(set);
	sender_init(&means);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "wait ", 5) == 0)
			poll(NULL, 0, (int)strtol(line + 5, NULL, 10));
		else
			run(set, line);
	}
	sender_end();
	settings_free(set);
	tls_client_free(means.tls);
	return 0;
}
