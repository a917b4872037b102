#ifndef COMMON_SETTINGS_SPECIAL_H
#define COMMON_SETTINGS_SPECIAL_H
/*
 * Parsers and printers for the table of settings.c (conf.h says how they are
 * called); nobody else needs them.
 */
#include "common/conf.h"
#include "common/settings.h"

char *parse_listen(void *target, const struct conf_line *, bool again);
void print_listen(const void *target, struct buf *);
char *parse_tls(void *target, const struct conf_line *, bool again);
void print_tls(const void *target, struct buf *);
char *parse_role_user(void *target, const struct conf_line *, bool again);
void print_role_user(const void *target, struct buf *);
char *parse_domains(void *target, const struct conf_line *, bool again);
void print_domains(const void *target, struct buf *);
char *parse_locks(void *target, const struct conf_line *, bool again);
void print_locks(const void *target, struct buf *);
char *parse_quoting(void *target, const struct conf_line *, bool again);
void print_quoting(const void *target, struct buf *);
char *parse_vrfy(void *target, const struct conf_line *, bool again);
void print_vrfy(const void *target, struct buf *);
char *parse_bare_newline(void *target, const struct conf_line *, bool again);
void print_bare_newline(const void *target, struct buf *);
char *parse_log_style(void *target, const struct conf_line *, bool again);
void print_log_style(const void *target, struct buf *);
char *parse_log_to(void *target, const struct conf_line *, bool again);
void print_log_to(const void *target, struct buf *);
char *parse_exempt(void *target, const struct conf_line *, bool again);
void print_exempt(const void *target, struct buf *);
char *parse_mechanisms(void *target, const struct conf_line *, bool again);
void print_mechanisms(const void *target, struct buf *);
char *parse_language(void *target, const struct conf_line *, bool again);
void print_language(const void *target, struct buf *);
char *parse_expire(void *target, const struct conf_line *, bool again);
void print_expire(const void *target, struct buf *);

/* settings_relay.c */
char *parse_relay(void *target, const struct conf_line *, bool again);
void print_relay(const void *target, struct buf *);
char *parse_relay_tls(void *target, const struct conf_line *, bool again);
void print_relay_tls(const void *target, struct buf *);
char *parse_transport(void *target, const struct conf_line *, bool again);
void print_transport(const void *target, struct buf *);
char *parse_relay_source(void *target, const struct conf_line *, bool again);
void print_relay_source(const void *target, struct buf *);
char *parse_relay_ip(void *target, const struct conf_line *, bool again);
void print_relay_ip(const void *target, struct buf *);

/* Strings that no line has set; frees what belongs to these. */
void settings_relay_complete(struct settings *);
void settings_relay_free(struct settings *);

/* settings_mail.c */
char *parse_virtual_domains(void *, const struct conf_line *, bool again);
void print_virtual_domains(const void *target, struct buf *);
char *parse_aliases(void *, const struct conf_line *, bool again);
void print_aliases(const void *target, struct buf *);
char *parse_virtual(void *, const struct conf_line *, bool again);
void print_virtual(const void *target, struct buf *);

/* settings_net.c */
char *parse_relay_networks(void *, const struct conf_line *, bool again);
void print_relay_networks(const void *target, struct buf *);
char *parse_refuse_networks(void *, const struct conf_line *, bool again);
void print_refuse_networks(const void *target, struct buf *);
char *parse_proxy_networks(void *, const struct conf_line *, bool again);
void print_proxy_networks(const void *target, struct buf *);
char *parse_xclient_networks(void *, const struct conf_line *, bool again);
void print_xclient_networks(const void *target, struct buf *);
char *parse_connection_rate(void *, const struct conf_line *, bool again);
void print_connection_rate(const void *target, struct buf *);
char *parse_message_rate(void *, const struct conf_line *, bool again);
void print_message_rate(const void *target, struct buf *);
char *parse_helo_syntax(void *, const struct conf_line *, bool again);
void print_helo_syntax(const void *target, struct buf *);
char *parse_dns_servers(void *, const struct conf_line *, bool again);
void print_dns_servers(const void *target, struct buf *);
char *parse_dnsbl(void *, const struct conf_line *, bool again);
void print_dnsbl(const void *target, struct buf *);
char *parse_reverse_dns(void *, const struct conf_line *, bool again);
void print_reverse_dns(const void *target, struct buf *);
char *parse_local_part_case(void *, const struct conf_line *, bool again);
void print_local_part_case(const void *target, struct buf *);
char *parse_senders(void *, const struct conf_line *, bool again);
void print_senders(const void *target, struct buf *);
void settings_mail_free(struct settings *);
void settings_net_free(struct settings *);

/* One of two words: *out says whether it is yes. */
char *settings_choose(const struct conf_line *, bool again, const char *no,
    const char *yes, bool *out);
/* Makes room for one more of that size behind n, zeroed; never NULL. */
void *settings_grow(void *list, unsigned n, size_t size);
/* A copy; never NULL. */
char *settings_string(const char *);
void settings_add_domain(struct settings *, const char *name);
#endif
