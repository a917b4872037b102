#ifndef SMTPD_CONTENT_H
#define SMTPD_CONTENT_H
/*
 * The content of a message on its way in: a small one stays in memory, a large
 * one goes, piece by piece, into a file that the queue opened for it.  After a
 * failure the rest is taken and thrown away.
 */
#include <stdint.h>

#include "common/buf.h"
#include "common/status.h"
#include "smtpd/binary.h"
#include "smtpd/header.h"

enum {
	CONTENT_FIELDS_MAX = 512, /* octets of ours that may be put in */
	CONTENT_PIECE = 65536,	  /* octets of one write to the file */
	CONTENT_MEM_MAX = 2 * CONTENT_PIECE
};

struct content {
	struct buf mem;	 /* what is not in the file */
	int file;	 /* owned; -1: all is in mem */
	int queue;	 /* borrowed: channel to ask for the file */
	uint64_t length; /* of all of it */
	uint64_t taken;	 /* octets from the client, after dot-unstuffing */
	uint64_t max;	 /* taken must not exceed it */
	size_t trace_n;	 /* octets of our trace header at the start */
	bool cr;	 /* the last octet was a CR */
	bool bare_lf;	 /* a line ended in LF alone */
	bool too_big;
	enum status status; /* the first failure */
	bool binary;	    /* binary MIME, made base64 on its way */
	struct binary convert;
	struct header_scan header;
	/* Header lines that are put in when the message has none such; "" for
	 * nothing. */
	char date[96];
	char message_id[320];
};

/* Before its first use: no file, no memory. */
#define CONTENT_EMPTY                                                          \
	{                                                                      \
		.mem = { .max = CONTENT_MEM_MAX }, .file = -1                  \
	}
/* Begins a message with our trace header.  Date and Message-ID are empty
 * after it. */
void content_begin(
    struct content *, uint64_t max, int queue, struct view trace);
/* The content is binary MIME (RFC 3030 3).  Behind content_begin. */
void content_binary(struct content *);
/* Adds content from the client.  A bare LF becomes CRLF (RFC 5321 2.3.8 allows
 * no other line end); bare CR and NUL stay. */
void content_add(struct content *, struct view piece);
/* Everything was added.  Then the content is mem or, if there is one, file, and
 * status and too_big say whether it may be used. */
void content_end(struct content *);
/* It cannot be used; the rest is thrown away. */
void content_fail(struct content *, enum status);
/* Drops it; the memory stays for the next one. */
void content_drop(struct content *);
/* Drops it and gives the memory back. */
void content_free(struct content *);
#endif
