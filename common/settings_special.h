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

void settings_add_domain(struct settings *, const char *name);
const char *listen_type_name(enum listen_type); /* "mx" */
#endif
