#ifndef COMMON_MSG_H
#define COMMON_MSG_H
/*
 * One message of a channel.  A channel is a SOCK_SEQPACKET socket pair between
 * two processes; one datagram is one message, so there is no framing to get
 * wrong.  A message is a type, fields, and at most one file descriptor.
 * Fields are 32- and 64-bit numbers in host order and length-prefixed octets;
 * each side must read exactly what the other wrote, and msg_done() says
 * whether it did.  Everything received is hostile until checked.
 */
#include <stdbool.h>
#include <stdint.h>

#include "common/view.h"

enum {
	MSG_DATA_MAX = 65536, /* octets of fields in one message */
	MSG_INLINE_MAX = 60000 /* content that a message may carry beside
				* its other fields */
};

struct msg {
	uint32_t type;
	int fd;       /* owned by the message; -1: none */
	uint32_t len; /* octets used in data */
	uint32_t at;  /* how far it was read */
	bool bad;     /* a field did not fit, or was not there */
	unsigned char data[MSG_DATA_MAX];
};

/* For code that fills a message, sends it, and reads the answer, and calls
 * nothing meanwhile that might do the same.  One for all of it: a process
 * touches two pages of it, and would of each other one.  Services have their
 * own for the request that they answer (service.c). */
extern struct msg scratch;

/* Empties m for writing.  m->fd is overwritten, not closed. */
void msg_start(struct msg *m, uint32_t type);
void msg_put_u32(struct msg *m, uint32_t u);
void msg_put_u64(struct msg *m, uint64_t u);
void msg_put_view(struct msg *m, struct view v);
void msg_put_str(struct msg *m, const char *cstr);

/* Reading.  After the end, or a field longer than max, they give 0 or the
 * empty view and set bad.  A view borrows from m. */
uint32_t msg_get_u32(struct msg *m);
uint64_t msg_get_u64(struct msg *m);
struct view msg_get_view(struct msg *m, size_t max);
/* As a string; a NUL inside is bad. */
bool msg_get_str(struct msg *m, char *dst, size_t size);
/* All was read and nothing was bad. */
bool msg_done(const struct msg *m);

/* Sends m, and a copy of m->fd if that is not -1, without waiting.  m->fd stays
 * open.  0, or -1 with errno: EAGAIN: the receiver does not read. */
int msg_send(int sock, const struct msg *m);
/* Receives without waiting.  1: a message; 0: the other end has gone;
 * -1: errno EAGAIN: nothing there; EBADMSG: not a message (too long, too
 * short, more than one fd: none of them leaks); other errno: the socket
 * failed. */
int msg_recv(int sock, struct msg *m);
/* Sends m and waits at most timeout_ms for the answer, which replaces it; on
 * any failure m is empty with fd -1.  An fd passed along is closed here.
 * True: an answer of the same type came.  False: the role has gone, did not
 * answer, or answered something else; the channel is useless from then on,
 * as a late answer would be taken for the answer to the next question. */
bool msg_call(int sock, struct msg *m, int timeout_ms);
/* The same, but an fd passed along is the caller's and stays open. */
bool msg_call_lent(int sock, struct msg *m, int timeout_ms);
/* Closes m->fd if there is one, and overwrites what the message held. */
void msg_wipe(struct msg *m);

/* A new channel: both ends CLOEXEC and non-blocking.  0 or -1 with errno. */
int channel_pair(int end[2]);
/* Closes *fd unless it is -1, and makes it -1. */
void close_fd(int *fd);
#endif
