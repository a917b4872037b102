#ifndef COMMON_STATUS_H
#define COMMON_STATUS_H
/*
 * What became of an operation.  0 or negative, so that nobody can mistake it
 * for data.  It crosses channels as a uint32_t (status_pack, status_unpack).
 */
#include <stdint.h>

enum status {
	OK = 0,
	ERR_IO = -1,      /* a read, write or flush failed */
	ERR_NOSPACE = -2, /* ENOSPC: the disk is full */
	ERR_QUOTA = -3,   /* EDQUOT, EFBIG: this user's share is full */
	ERR_BUSY = -4,    /* somebody else holds the lock; try again */
	ERR_LIMIT = -5,   /* a configured limit */
	ERR_PERM = -6,    /* not allowed */
	ERR_INVALID = -7, /* malformed or nonsense: the asker is wrong */
	ERR_NOMEM = -8,   /* memory or descriptors ran out */
	ERR_GONE = -9,    /* does not exist */
	ERR_UNSAFE = -10, /* a link, foreign owner, not a regular file */
	ERR_CHANGED = -11, /* another program changed it meanwhile */
	ERR_DAMAGED = -12, /* a file of ours that does not check */
	ERR_DOWN = -13,    /* the role that should answer has gone */
	ERR_FORWARD = -14  /* its owner has mail sent on (forward(5)) */
};

/* The status that says what errno value e means; never OK. */
enum status status_from_errno(int e);
/* A short English phrase, for logs. */
const char *status_text(enum status st);
uint32_t status_pack(enum status st);
/* An unknown number is ERR_INVALID. */
enum status status_unpack(uint32_t u);
#endif
