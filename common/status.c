/* What became of an operation.  Runs in: every role. */
#include "common/status.h"

#include <errno.h>

#include "common/view.h"

static const char *const texts[] = {
	"ok",
	"input/output error",
	"no space left on the disk",
	"quota exceeded",
	"locked by another program",
	"over a configured limit",
	"permission denied",
	"malformed",
	"out of memory or descriptors",
	"does not exist",
	"refused as unsafe (link, foreign owner, or not a regular file)",
	"changed by another program",
	"damaged",
	"service not running",
	"to be forwarded first",
};

enum status
status_from_errno(int e)
{
	switch (e) {
	case ENOSPC:
		return ERR_NOSPACE;
	case EDQUOT:
	case EFBIG:
		return ERR_QUOTA;
	case EAGAIN:
	case EINTR:
	case EDEADLK:
	case ETIMEDOUT:
		return ERR_BUSY;
	case EACCES:
	case EPERM:
	case EROFS:
		return ERR_PERM;
	case ENOMEM:
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOLCK:
		return ERR_NOMEM;
	case ENOENT:
	case ENOTDIR:
		return ERR_GONE;
	case ELOOP:
	case EISDIR:
	case ENXIO:
		return ERR_UNSAFE;
	case EPIPE:
	case ECONNRESET:
	case ENOTCONN:
		return ERR_DOWN;
	default:
		return ERR_IO;
	}
}

const char *
status_text(enum status st)
{
	unsigned i = (unsigned)-(int)st;

	return i < NELEM(texts) ? texts[i] : "unknown";
}

uint32_t
status_pack(enum status st)
{
	return (uint32_t) - (int)st;
}

enum status
status_unpack(uint32_t u)
{
	return u < NELEM(texts) ? (enum status) - (int)u : ERR_INVALID;
}
