/* Asking the maildrop role.  Runs in: worker (pop3d). */
#include "pop3d/ask_maildrop.h"

#include <stdbool.h>
#include <unistd.h>

#include "common/msg.h"

enum {
	ASK_MS = 60000,	    /* an interrupted update may have to be finished */
	COMMIT_MS = 900000, /* more than the role gives its children */
	DEL_OCTETS = 8 + 8 + 4 + UNIQUE_ID_OCTETS,
	DELS_MAX = 1600 /* in one message */
};

/* 64 KiB, and a worker asks one question at a time. */

/* Sends the request that was begun in m. */
static int
ask_fd(int right, int ms, enum status *st, char *text, size_t size)
{
	int fd = -1;

	*st = ERR_DOWN;
	text[0] = '\0';
	if (!msg_call(right, &scratch, ms))
		return -1;
	enum status got = status_unpack(msg_get_u32(&scratch));
	if (!msg_get_str(&scratch, text, size) || !msg_done(&scratch) ||
	    (got == OK) != (scratch.fd != -1)) {
		msg_wipe(&scratch);
		text[0] = '\0';
		return -1;
	}
	fd = scratch.fd;
	scratch.fd = -1;
	*st = got;
	return fd;
}

int
ask_maildrop_lock(int right, enum status *st, char *text, size_t size)
{
	msg_start(&scratch, MAILDROP_LOCK);
	msg_put_u32(&scratch, (uint32_t)getpid());
	return ask_fd(right, ASK_MS, st, text, size);
}

int
ask_maildrop_open(int right, enum status *st, char *text, size_t size)
{
	msg_start(&scratch, MAILDROP_OPEN);
	return ask_fd(right, ASK_MS, st, text, size);
}

int
ask_maildrop_file(int right, enum maildrop_file what, enum status *st)
{
	char text[MAILDROP_TEXT_MAX];

	msg_start(&scratch, MAILDROP_FILE);
	msg_put_u32(&scratch, what);
	return ask_fd(right, COMMIT_MS, st, text, sizeof(text));
}

/* One MAILDROP_DELETE. */
static enum status
ask_delete(int right, const struct maildrop_seen *seen,
    const struct maildrop_del *del, unsigned n)
{
	msg_start(&scratch, MAILDROP_DELETE);
	msg_put_u64(&scratch, seen->dev);
	msg_put_u64(&scratch, seen->ino);
	msg_put_u64(&scratch, seen->size);
	msg_put_u32(&scratch, n);
	for (unsigned i = 0; i < n; i++) {
		msg_put_u64(&scratch, del[i].offset);
		msg_put_u64(&scratch, del[i].length);
		msg_put_view(&scratch, (struct view){ (const char *)del[i].uid,
					   UNIQUE_ID_OCTETS });
	}
	if (!msg_call(right, &scratch, ASK_MS))
		return ERR_DOWN;
	enum status st = status_unpack(msg_get_u32(&scratch));
	return msg_done(&scratch) ? st : ERR_DOWN;
}

enum status
ask_maildrop_commit(int right, const struct maildrop_seen *seen,
    const struct maildrop_del *del, unsigned n, char *text, size_t text_size)
{
	_Static_assert(DELS_MAX * DEL_OCTETS + 28 <= MSG_DATA_MAX, "fits");
	enum status st = OK;

	text[0] = '\0';
	for (unsigned i = 0; i < n && st == OK; i += DELS_MAX)
		st = ask_delete(
		    right, seen, del + i, n - i < DELS_MAX ? n - i : DELS_MAX);
	if (st != OK)
		return st;
	msg_start(&scratch, MAILDROP_COMMIT);
	msg_put_u32(&scratch, n);
	msg_put_u64(&scratch, (uint64_t)seen->ctime_ns);
	if (!msg_call(right, &scratch, COMMIT_MS))
		return ERR_DOWN;
	st = status_unpack(msg_get_u32(&scratch));
	unsigned removed = msg_get_u32(&scratch);
	if (!msg_get_str(&scratch, text, text_size) || !msg_done(&scratch) ||
	    (st == OK && removed != n)) {
		text[0] = '\0';
		return ERR_DOWN;
	}
	return st;
}
