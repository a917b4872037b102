#ifndef COMMON_SETTINGS_H
#define COMMON_SETTINGS_H
/*
 * What smtpd.conf and pop3d.conf say.  One table (settings.c) names each
 * keyword, its type, range, default and the daemon that knows it; the manual
 * pages are checked against it.  Strings are owned by the struct and never
 * NULL unless said so.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/network.h"

enum { LISTEN_ADDRESS_MAX = 108 }; /* as much as a Unix socket's name */

enum listen_type {
	LISTEN_MX,         /* SMTP from anywhere (RFC 5321) */
	LISTEN_SUBMISSION, /* RFC 6409 */
	LISTEN_SMTPS,      /* the same inside TLS from the start (RFC 8314) */
	LISTEN_LMTP,       /* RFC 2033 */
	LISTEN_QUEUE,      /* the queue's own, behind all others */
	LISTEN_CONTROL,    /* the pool's own, behind all of clients */
	LISTEN_POP3,
	LISTEN_POP3S
};

const char *listen_type_name(enum listen_type); /* "mx" */

struct listener {
	enum listen_type type;
	char address[LISTEN_ADDRESS_MAX]; /* numeric, "*", or the path of a
					   * Unix socket */
	char port[16];       /* "" for a Unix socket */
	bool local;          /* a Unix socket */
	unsigned mode;       /* its permissions */
	bool plaintext_auth; /* passwords without TLS are allowed */
	bool proxy;          /* each client is announced by a proxy */
};

enum { ALIAS_FILES_MAX = 8 };
enum { DNS_SERVERS_MAX = 3, DNSBL_MAX = 8 };
struct dns_server {
	unsigned char address[16]; /* IPv4 mapped */
	unsigned port;
};
enum reverse_dns {
	REVERSE_NO,
	REVERSE_YES,     /* for logs and trace headers */
	REVERSE_REQUIRED /* a client without a name is refused */
};

struct rate {
	int64_t n;      /* 0: no limit */
	int64_t window; /* ms */
};

enum vrfy_for { VRFY_AUTHENTICATED, VRFY_ALL, VRFY_NONE };

struct tls_pair {
	char *certificate; /* PEM file: certificate and chain */
	char *key;	   /* PEM file */
	char *ocsp;	   /* DER file: OCSP response; NULL: none */
};

/* How relayed mail uses TLS. */
enum relay_tls {
	RELAY_TLS_NONE,
	RELAY_TLS_MAY,	 /* where it is offered, whoever that is */
	RELAY_TLS_MUST,	 /* or the message waits */
	RELAY_TLS_VERIFY /* and the certificate is that of the host's name */
};
enum relay_ip {
	RELAY_IP6_FIRST,
	RELAY_IP4_FIRST,
	RELAY_IP6_ONLY,
	RELAY_IP4_ONLY
};
/* Where mail for a domain goes (common/nexthop.h). */
struct transport {
	char *domain;  /* lower-case; ".example.org": what is below it; "*" */
	char *nexthop; /* "smtp:host:port", "lmtp:unix:/path", ... */
};

struct role_user {
	char role[16];
	char user[64]; /* name, or number for uid = gid */
};

struct settings {
	/* both */
	char *hostname;       /* default: the host's own */
	struct listener *listeners;
	unsigned listener_n;
	struct tls_pair *tls;
	unsigned tls_n;
	int64_t tls_check_interval; /* ms: renewed certificates; 0: never */
	char *users;          /* file; "" = none */
	bool system_users;
	char *mailbox;        /* template: %u user, %h home */
	bool lock_fcntl, lock_dotlock; /* mailbox_locks */
	int64_t mailbox_lock_wait; /* ms */
	bool quoting_mboxrd;  /* quoting mboxrd|mboxo */
	struct role_user *role_users;
	unsigned role_user_n;
	char *empty_directory;
	char *run_directory;  /* "" = none */
	char *pid_file;       /* "" = none */
	char *log_to;         /* syslog, journal, stderr */
	bool log_postfix;     /* log_style postfix|own */
	bool log_verbose;
	int64_t workers_max, workers_idle, workers_per_client,
	    sessions_per_worker;
	int64_t command_timeout; /* ms */
	int64_t session_timeout; /* ms: a whole session before authentication */
	int64_t grace_time;      /* ms: SIGTERM */
	int64_t idle_exit;       /* ms: inetd wait mode */
	int64_t errors_max;
	int64_t auth_failure_delay; /* ms */
	int64_t auth_failures_max;  /* per session */
	int64_t auth_processes;
	int64_t auth_address_failures; /* per address and window; 0: any */
	int64_t auth_address_window;   /* ms */
	struct networks auth_exempt;   /* auth_address_exempt */
	uint32_t sasl_mechanisms;      /* bits, by enum sasl_id */
	bool sasl_old_clients;	       /* smtpd: "AUTH=", too */
	char *secrets;        /* file; "" = none */
	char *tls_client_ca;  /* file; "" = none */
	/* smtpd */
	char **local_domains;
	unsigned local_domain_n;
	char **virtual_domains; /* ours, but only what `virtual` says */
	unsigned virtual_domain_n;
	char *alias_files[ALIAS_FILES_MAX]; /* aliases */
	unsigned alias_file_n;
	char *virtual_files[ALIAS_FILES_MAX]; /* virtual */
	unsigned virtual_file_n;
	bool forward;         /* ~/.forward is used */
	int64_t command_time; /* ms: a command that gets a message */
	char *alias_user; /* runs commands of aliases, owns their files */
	char *postmaster;     /* user who gets postmaster's mail */
	char *recipient_delimiter; /* "" = none */
	char *queue_directory;
	int64_t message_size_max; /* octets */
	int64_t recipients_max;
	bool bare_newline_reject; /* bare_newline normalize|reject */
	int64_t mails_per_session;
	enum vrfy_for vrfy;
	char *no_soliciting;      /* RFC 3865: "word,word", "" = none */
	int64_t data_timeout;     /* ms, between two pieces of a message */
	int64_t append_processes;
	int64_t quota;            /* octets of a mailbox; 0: any */
	int64_t queue_deliveries; /* at once */
	int64_t retry_min, retry_max; /* ms */
	int64_t queue_lifetime;   /* ms */
	int64_t queue_free_min;   /* octets */
	int64_t queue_user_max;   /* messages of one user of this host */
	int64_t delay_warning;    /* ms; 0: none */
	int64_t bounce_size_max;  /* octets of a returned message */
	char *double_bounces;     /* address; "" = none */
	/* smtpd: who may do what (settings_net.c) */
	struct networks relay_networks, refuse_networks, proxy_networks,
	    xclient_networks;
	struct rate connection_rate, message_rate; /* for each client */
	struct dns_server dns_servers[DNS_SERVERS_MAX];
	unsigned dns_server_n;
	char *dnsbl[DNSBL_MAX]; /* zones */
	unsigned dnsbl_n;
	enum reverse_dns reverse_dns;
	bool exact_case;        /* local_part_case fold|exact */
	bool send_verbs;        /* SEND SOML SAML for those who may */
	int64_t greet_delay;    /* ms; 0: none */
	bool helo_required;
	bool helo_strict;       /* helo_syntax strict|lax */
	bool senders_own;       /* submission_senders own|any */
	/* smtpd: mail that goes on (settings_relay.c) */
	char *relay_host;       /* the smarthost's name or address; "" = none */
	unsigned relay_port;
	char *relay_user;       /* "" = no AUTH */
	char *relay_secret;     /* file with the password; "" = none */
	enum relay_tls relay_tls;
	char *relay_tls_ca;     /* PEM file; "" = the system's */
	struct transport *transports;
	unsigned transport_n;
	int64_t relay_processes;
	int64_t relay_connections; /* to one destination */
	int64_t relay_mx_port;
	char *relay_source4, *relay_source6; /* "" = any */
	enum relay_ip relay_ip;
	int64_t relay_connect_timeout, relay_reply_timeout; /* ms */
	bool dns_validates;     /* AD of the DNS servers is to be believed */
	char *mta_sts_policies; /* directory; "" = none */
	/* pop3d */
	int64_t idle_timeout; /* ms: authenticated */
	bool apop;
	bool last;            /* the LAST command (RFC 1460) */
	char language[8];     /* tag of what "LANG *" selects */
	int64_t expire_days;  /* messages live at least as long; 0: for ever */
	int64_t login_delay;  /* ms between two logins of a user */
};

/* Reads the file.  NULL: *err (malloc'd) says "file:line: what, and what was
 * meant". */
struct settings *settings_read(const char *file, bool pop3, char **err);
/* The same from an open file; name is what messages call it.  Takes fd. */
struct settings *settings_read_fd(int fd, const char *name, bool pop3,
    char **err);
void settings_free(struct settings *);
/* A copy; NULL: errno. */
struct settings *settings_copy(const struct settings *, bool pop3);
/* Writes all values in force as a config file that reads back the same. */
int settings_write(const struct settings *, bool pop3, int fd);
/* The same in a new nameless file, at its start; -1: errno. */
int settings_memfd(const struct settings *, bool pop3);
/* The value of one keyword as it would stand in the file; NULL: no such. */
char *settings_show(const struct settings *, bool pop3, const char *keyword);
/* Whether an address' domain is local (without regard to case). */
bool settings_local_domain(const struct settings *, const char *domain,
    size_t n);
bool settings_virtual_domain(const struct settings *, const char *domain,
    size_t n);
/* Either: mail for it is not relayed but ends here, or at an alias. */
bool settings_our_domain(const struct settings *, const char *domain,
    size_t n);
#endif
