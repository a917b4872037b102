/*
 * The keywords of smtpd.conf and pop3d.conf.  Runs in: the master; every role,
 * on what the master made of the file.
 */
#define _GNU_SOURCE
#include "common/settings.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/address.h"
#include "common/conf.h"
#include "common/paths.h"
#include "common/settings_special.h"

enum { S = 1, P = 2, BOTH = S | P };

/* ---- the table ---- */

#define OPT(n) .name = #n, .offset = offsetof(struct settings, n)
#define SPECIAL(n, f)                                                          \
	.name = #n, .type = CONF_SPECIAL, .parse = parse_##f, .print = print_##f
enum { SEC = 1000, MIN = 60 * SEC, HOUR = 60 * MIN, DAY = 24 * HOUR };

/* clang-format off */
static const struct conf_option options[] = {
	{ OPT(hostname),           .type = CONF_STRING, .mask = BOTH },
	{ SPECIAL(listen, listen), .mask = BOTH },
	{ SPECIAL(tls_certificate, tls), .mask = BOTH },
	{ OPT(tls_check_interval), .type = CONF_TIME, .mask = BOTH, .dflt = "1m", .min = 0, .max = DAY },
	{ OPT(users),              .type = CONF_STRING, .mask = BOTH, .dflt = "\"\"" },
	{ OPT(system_users),       .type = CONF_BOOL,   .mask = BOTH, .dflt = "yes" },
	{ OPT(mailbox),            .type = CONF_STRING, .mask = BOTH, .dflt = "/var/mail/%u" },
	{ SPECIAL(mailbox_locks, locks), .mask = BOTH, .dflt = "fcntl" },
	{ OPT(mailbox_lock_wait),  .type = CONF_TIME, .mask = BOTH, .dflt = "10s", .min = 0, .max = 2 * MIN },
	{ SPECIAL(quoting, quoting), .mask = BOTH, .dflt = "mboxrd" },
	{ SPECIAL(role_user, role_user), .mask = BOTH },
	{ OPT(empty_directory),    .type = CONF_STRING, .mask = BOTH, .dflt = PENNYPOST_EMPTY_DIR },
	{ OPT(run_directory),      .type = CONF_STRING, .mask = BOTH, .dflt = PENNYPOST_RUN_DIR },
	{ OPT(pid_file),           .type = CONF_STRING, .mask = BOTH, .dflt = "\"\"" },
	{ SPECIAL(log_to, log_to), .mask = BOTH, .dflt = "syslog" },
	{ SPECIAL(log_style, log_style), .mask = BOTH, .dflt = "postfix" },
	{ OPT(log_verbose),        .type = CONF_BOOL, .mask = BOTH, .dflt = "no" },
	{ OPT(workers_max),        .type = CONF_INT,  .mask = BOTH, .dflt = "1000", .min = 1, .max = 20000 },
	{ OPT(workers_idle),       .type = CONF_INT,  .mask = BOTH, .dflt = "8",    .min = 1, .max = 10000 },
	{ OPT(workers_per_client), .type = CONF_INT,  .mask = BOTH, .dflt = "50",   .min = 1, .max = 20000 },
	{ OPT(sessions_per_worker), .type = CONF_INT, .mask = BOTH, .dflt = "10",   .min = 1, .max = 10000 },
	{ OPT(command_timeout),    .type = CONF_TIME, .mask = S, .dflt = "5m",      .min = SEC, .max = HOUR },
	/* RFC 1939 3: at least ten minutes. */
	{ OPT(command_timeout),    .type = CONF_TIME, .mask = P, .dflt = "10m",     .min = SEC, .max = HOUR },
	{ OPT(session_timeout),    .type = CONF_TIME, .mask = BOTH, .dflt = "1h",   .min = SEC, .max = DAY },
	{ OPT(grace_time),         .type = CONF_TIME, .mask = BOTH, .dflt = "30s",  .min = 0, .max = HOUR },
	{ OPT(idle_exit),          .type = CONF_TIME, .mask = BOTH, .dflt = "5m",   .min = SEC, .max = DAY },
	{ OPT(errors_max),         .type = CONF_INT,  .mask = BOTH, .dflt = "20",   .min = 1, .max = 1000 },
	{ OPT(auth_failure_delay), .type = CONF_TIME, .mask = BOTH, .dflt = "2s",   .min = 0, .max = MIN },
	{ OPT(auth_failures_max),  .type = CONF_INT,  .mask = BOTH, .dflt = "3",    .min = 1, .max = 100 },
	{ OPT(auth_processes),     .type = CONF_INT,  .mask = BOTH, .dflt = "4",    .min = 1, .max = 64 },
	{ OPT(auth_address_failures), .type = CONF_INT, .mask = BOTH, .dflt = "20", .min = 0, .max = 1000000 },
	{ OPT(auth_address_window), .type = CONF_TIME, .mask = BOTH, .dflt = "10m", .min = SEC, .max = DAY },
	{ SPECIAL(auth_address_exempt, exempt), .mask = BOTH, .dflt = "127.0.0.0/8 ::1/128" },
	{ SPECIAL(sasl_mechanisms, mechanisms), .mask = BOTH, .dflt = "all" },
	{ OPT(sasl_old_clients),   .type = CONF_BOOL, .mask = S, .dflt = "yes" },
	{ OPT(secrets),            .type = CONF_STRING, .mask = BOTH, .dflt = "\"\"" },
	{ OPT(tls_client_ca),      .type = CONF_STRING, .mask = BOTH, .dflt = "\"\"" },
	{ SPECIAL(local_domains, domains), .mask = BOTH },
	{ SPECIAL(virtual_domains, virtual_domains), .mask = S },
	{ SPECIAL(aliases, aliases), .mask = S },
	{ SPECIAL(virtual, virtual), .mask = S },
	{ OPT(alias_user),         .type = CONF_STRING, .mask = S, .dflt = "nobody" },
	{ OPT(forward),            .type = CONF_BOOL,   .mask = S, .dflt = "yes" },
	{ OPT(command_time),       .type = CONF_TIME,   .mask = S, .dflt = "10m", .min = SEC, .max = HOUR },
	{ OPT(postmaster),         .type = CONF_STRING, .mask = S, .dflt = "root" },
	{ OPT(recipient_delimiter), .type = CONF_STRING, .mask = S, .dflt = "+" },
	{ OPT(queue_directory),    .type = CONF_STRING, .mask = S, .dflt = PENNYPOST_QUEUE_DIR },
	{ OPT(message_size_max),   .type = CONF_SIZE, .mask = S, .dflt = "50M", .min = 65536, .max = INT32_MAX },
	{ OPT(recipients_max),     .type = CONF_INT,  .mask = S, .dflt = "1000", .min = 100, .max = 1000 },
	{ SPECIAL(bare_newline, bare_newline), .mask = S, .dflt = "normalize" },
	{ SPECIAL(vrfy, vrfy),     .mask = S, .dflt = "authenticated" },
	{ OPT(mails_per_session),  .type = CONF_INT,  .mask = S, .dflt = "10000", .min = 1, .max = 999999 },
	{ OPT(no_soliciting),      .type = CONF_STRING, .mask = S, .dflt = "\"\"" },
	{ OPT(data_timeout),       .type = CONF_TIME, .mask = S, .dflt = "3m",  .min = SEC, .max = HOUR },
	{ OPT(append_processes),   .type = CONF_INT,  .mask = S, .dflt = "16",  .min = 1, .max = 128 },
	{ OPT(quota),              .type = CONF_SIZE, .mask = S, .dflt = "0",   .min = 0, .max = INT64_MAX },
	{ OPT(queue_deliveries),   .type = CONF_INT,  .mask = S, .dflt = "20",  .min = 1, .max = 200 },
	{ OPT(retry_min),          .type = CONF_TIME, .mask = S, .dflt = "5m",  .min = 100, .max = DAY },
	{ OPT(retry_max),          .type = CONF_TIME, .mask = S, .dflt = "70m", .min = 100, .max = 7 * DAY },
	{ OPT(queue_free_min),     .type = CONF_SIZE, .mask = S, .dflt = "16M", .min = 0, .max = INT64_MAX },
	{ OPT(queue_user_max),     .type = CONF_INT,  .mask = S, .dflt = "10000", .min = 1, .max = 10000000 },
	{ OPT(queue_lifetime),     .type = CONF_TIME, .mask = S, .dflt = "5d",  .min = SEC, .max = 20 * DAY },
	{ OPT(delay_warning),      .type = CONF_TIME, .mask = S, .dflt = "4h",  .min = 0, .max = 20 * DAY },
	{ OPT(bounce_size_max),    .type = CONF_SIZE, .mask = S, .dflt = "50K", .min = 0, .max = 1 << 20 },
	{ OPT(double_bounces),     .type = CONF_STRING, .mask = S, .dflt = "\"\"" },
	{ SPECIAL(relay_networks, relay_networks), .mask = S },
	{ SPECIAL(refuse_networks, refuse_networks), .mask = S },
	{ SPECIAL(proxy_networks, proxy_networks), .mask = BOTH },
	{ SPECIAL(xclient_networks, xclient_networks), .mask = S },
	{ SPECIAL(client_connection_rate, connection_rate), .mask = S, .dflt = "0" },
	{ SPECIAL(client_message_rate, message_rate), .mask = S, .dflt = "0" },
	{ OPT(greet_delay),        .type = CONF_TIME, .mask = S, .dflt = "0s",  .min = 0, .max = MIN },
	{ OPT(helo_required),      .type = CONF_BOOL, .mask = S, .dflt = "yes" },
	{ SPECIAL(helo_syntax, helo_syntax), .mask = S, .dflt = "lax" },
	{ SPECIAL(dns_servers, dns_servers), .mask = S },
	{ SPECIAL(dnsbl, dnsbl), .mask = S },
	{ SPECIAL(reverse_dns, reverse_dns), .mask = S, .dflt = "no" },
	{ SPECIAL(local_part_case, local_part_case), .mask = S, .dflt = "fold" },
	{ OPT(send_verbs),         .type = CONF_BOOL, .mask = S, .dflt = "no" },
	{ SPECIAL(submission_senders, senders), .mask = S, .dflt = "own" },
	{ SPECIAL(relay, relay),   .mask = S, .dflt = "none" },
	{ OPT(relay_secret),       .type = CONF_STRING, .mask = S, .dflt = "\"\"" },
	{ SPECIAL(relay_tls, relay_tls), .mask = S, .dflt = "may" },
	{ OPT(relay_tls_ca),       .type = CONF_STRING, .mask = S, .dflt = "\"\"" },
	{ SPECIAL(transport, transport), .mask = S },
	{ OPT(relay_processes),    .type = CONF_INT,  .mask = S, .dflt = "100",  .min = 1, .max = 500 },
	{ OPT(relay_connections),  .type = CONF_INT,  .mask = S, .dflt = "5",   .min = 1, .max = 500 },
	{ OPT(relay_mx_port),      .type = CONF_INT,  .mask = S, .dflt = "25",  .min = 1, .max = 65535 },
	{ SPECIAL(relay_source, relay_source), .mask = S },
	{ SPECIAL(relay_ip, relay_ip), .mask = S, .dflt = "ipv6_first" },
	{ OPT(relay_connect_timeout), .type = CONF_TIME, .mask = S, .dflt = "30s", .min = 100, .max = 10 * MIN },
	{ OPT(relay_reply_timeout), .type = CONF_TIME, .mask = S, .dflt = "5m", .min = 100, .max = HOUR },
	{ OPT(dns_validates),      .type = CONF_BOOL, .mask = S, .dflt = "no" },
	{ OPT(mta_sts_policies),   .type = CONF_STRING, .mask = S, .dflt = "\"\"" },
	{ OPT(idle_timeout),       .type = CONF_TIME, .mask = P, .dflt = "10m", .min = SEC, .max = DAY },
	{ OPT(last),               .type = CONF_BOOL, .mask = P, .dflt = "no" },
	{ SPECIAL(language, language), .mask = P, .dflt = "en" },
	{ SPECIAL(expire, expire), .mask = P, .dflt = "never" },
	{ OPT(login_delay),        .type = CONF_TIME, .mask = P, .dflt = "0s",  .min = 0, .max = DAY },
	{ OPT(apop),               .type = CONF_BOOL, .mask = P, .dflt = "no" },
	{ .name = NULL }
};
/* clang-format on */

/* What cannot be a constant default. */
static char *
complete(struct settings *s, const char *name, bool pop3)
{
	char host[256];
	struct address double_bounces;

	settings_relay_complete(s);
	if (s->hostname == NULL) {
		if (gethostname(host, sizeof(host)) == -1)
			return conf_error(
			    "%s: hostname: %s", name, strerror(errno));
		host[sizeof(host) - 1] = '\0';
		s->hostname = settings_string(host);
	}
	if (s->local_domain_n == 0) {
		settings_add_domain(s, s->hostname);
		if (strcasecmp(s->hostname, "localhost") != 0)
			settings_add_domain(s, "localhost");
	}
	if (s->mailbox[0] != '/' && strncmp(s->mailbox, "%h/", 3) != 0)
		return conf_error("%s: mailbox must begin with / or %%h/, not "
				  "\"%s\"",
		    name, s->mailbox);
	if (strstr(s->mailbox, "%u") == NULL &&
	    strstr(s->mailbox, "%h") == NULL)
		return conf_error("%s: mailbox %s is the same for all users; "
				  "it must hold %%u (user) or %%h (home)",
		    name, s->mailbox);
	for (unsigned i = 0; i < s->listener_n; i++) {
		const struct listener *l = &s->listeners[i];
		if (l->type != LISTEN_CONTROL &&
		    (l->type >= LISTEN_POP3) != pop3)
			return conf_error("%s: listen %s is the other daemon's",
			    name, listen_type_name(l->type));
		if (l->proxy && s->proxy_networks.n == 0)
			return conf_error(
			    "%s: listen ... proxy needs a "
			    "proxy_networks line: who may announce clients",
			    name);
		if ((l->type == LISTEN_SMTPS || l->type == LISTEN_POP3S) &&
		    s->tls_n == 0)
			return conf_error("%s: listen %s needs a "
					  "tls_certificate line",
			    name, listen_type_name(l->type));
	}
	if (s->apop && s->secrets[0] == '\0')
		return conf_error("%s: apop needs a secrets line", name);
	if (s->tls_client_ca[0] != '\0' && s->tls_n == 0)
		return conf_error("%s: tls_client_ca needs a tls_certificate "
				  "line",
		    name);
	if (!pop3 && s->relay_user[0] != '\0' && s->relay_secret[0] == '\0')
		return conf_error("%s: relay with a user needs a relay_secret "
				  "line: the file with the password",
		    name);
	if (!pop3 && s->retry_max < s->retry_min)
		return conf_error("%s: retry_max is less than retry_min", name);
	if (!pop3 && s->double_bounces[0] != '\0' &&
	    address_parse_utf8(view_of(s->double_bounces), &double_bounces) !=
		ADDR_OK)
		return conf_error("%s: double_bounces: not an address: %s",
		    name, s->double_bounces);
	return NULL;
}

struct settings *
settings_read_fd(int fd, const char *name, bool pop3, char **err)
{
	struct settings *s = calloc(1, sizeof(*s));

	if (s == NULL)
		abort();
	*err = conf_read(fd, name, options, pop3 ? P : S, s);
	if (*err == NULL)
		*err = complete(s, name, pop3);
	if (*err == NULL)
		return s;
	settings_free(s);
	return NULL;
}

struct settings *
settings_read(const char *file, bool pop3, char **err)
{
	return settings_read_fd(-1, file, pop3, err);
}

void
settings_free(struct settings *s)
{
	if (s == NULL)
		return;
	for (const struct conf_option *o = options; o->name != NULL; o++)
		if (o->type == CONF_STRING)
			free(*(char **)(void *)((char *)s + o->offset));
	for (unsigned i = 0; i < s->tls_n; i++) {
		free(s->tls[i].certificate);
		free(s->tls[i].key);
		free(s->tls[i].ocsp);
	}
	settings_mail_free(s);
	settings_net_free(s);
	settings_relay_free(s);
	free(s->tls);
	free(s->listeners);
	free(s->role_users);
	free(s->log_to);
	free(s);
}

int
settings_write(const struct settings *s, bool pop3, int fd)
{
	struct buf b;
	size_t at = 0;

	buf_init(&b, 8 << 20);
	for (const struct conf_option *o = options; o->name != NULL; o++)
		if (o->mask & (pop3 ? P : S))
			conf_print(o, s, &b);
	while (!b.bad && at < b.n) {
		ssize_t n = write(fd, b.p + at, b.n - at);
		if (n <= 0)
			break;
		at += (size_t)n;
	}
	bool good = !b.bad && at == b.n;
	buf_free(&b);
	return good ? 0 : -1;
}

int
settings_memfd(const struct settings *s, bool pop3)
{
	int fd = memfd_create("settings", MFD_CLOEXEC);

	if (fd == -1 ||
	    (settings_write(s, pop3, fd) == 0 && lseek(fd, 0, SEEK_SET) == 0))
		return fd;
	close(fd);
	return -1;
}

struct settings *
settings_copy(const struct settings *s, bool pop3)
{
	int fd = settings_memfd(s, pop3);
	char *err = NULL;

	if (fd == -1)
		return NULL;
	struct settings *copy = settings_read_fd(fd, "settings", pop3, &err);
	assert(copy != NULL); /* it was read before */
	return copy;
}

char *
settings_show(const struct settings *s, bool pop3, const char *keyword)
{
	const struct conf_option *o = conf_find(options, keyword, pop3 ? P : S);
	struct buf b;

	if (o == NULL)
		return NULL;
	buf_init(&b, 8 << 20);
	conf_print(o, s, &b);
	char *text = settings_string(buf_cstr(&b));
	buf_free(&b);
	return text;
}
