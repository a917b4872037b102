#ifndef POP3D_COMMAND_H
#define POP3D_COMMAND_H
/*
 * The commands: one table per state (RFC 1939 4, 5), which drives dispatch and
 * what HELP says.
 */
#include "common/buf.h"
#include "common/status.h"
#include "common/view.h"
#include "pop3d/session.h"

enum {
	COMMAND_MAX = 4096 /* octets with line end.  RFC 2449 4 asks for 255;
			    * AUTH PLAIN with the longest user and password
			    * has some 2,060 */
};

/* Runs one line.  Exactly one reply is written. */
enum next dispatch(struct session *, struct view line);

enum next cmd_user(struct session *, struct view arg);
enum next cmd_pass(struct session *, struct view arg);
enum next cmd_apop(struct session *, struct view arg);
enum next cmd_auth(struct session *, struct view arg);
enum next cmd_stls(struct session *, struct view arg);
enum next cmd_capa(struct session *, struct view arg);
enum next cmd_lang(struct session *, struct view arg);
enum next cmd_utf8(struct session *, struct view arg);
enum next cmd_help(struct session *, struct view arg);
enum next cmd_quit(struct session *, struct view arg); /* AUTHORIZATION */

enum next cmd_stat(struct session *, struct view arg);
enum next cmd_list(struct session *, struct view arg);
enum next cmd_uidl(struct session *, struct view arg);
enum next cmd_retr(struct session *, struct view arg);
enum next cmd_top(struct session *, struct view arg);
enum next cmd_dele(struct session *, struct view arg);
enum next cmd_noop(struct session *, struct view arg);
enum next cmd_last(struct session *, struct view arg);
enum next cmd_rset(struct session *, struct view arg);
enum next cmd_update(struct session *, struct view arg); /* QUIT, TRANSACTION */

/* Takes a message number off *arg.  *i is its index in the list.  False: a
 * reply was written, *next is what to do. */
bool command_message(
    struct session *, struct view *arg, size_t *i, enum next *next);
/* The reply when the maildrop could not be read. */
enum next command_drop_failed(struct session *, enum status);
/* The reply when the maildrop could not be opened; text: maildrop_open()'s. */
enum next command_not_opened(
    struct session *, enum status, const char *text);
/* The names of the commands of this state, for HELP. */
void command_names(const struct session *, struct buf *out);
#endif
