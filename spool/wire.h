#ifndef SPOOL_WIRE_H
#define SPOOL_WIRE_H
/*
 * Message content between the wire (CRLF, dot-stuffed) and the mbox (LF, From_
 * lines quoted).  Pure: octets in, octets out, in pieces of any size.
 *
 *   DATA octets --dot_read--> content (CRLF) --wire_to_mbox--> mbox
 *   mbox --mbox_to_wire--> RETR octets (CRLF, dot-stuffed)
 *
 * RETR gives back exactly the octets that DATA brought, for content whose lines
 * end in CRLF; bare LF becomes CRLF, bare CR and NUL stay octets, a missing
 * last CRLF is added.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/view.h"

/* The end of DATA and dot-unstuffing (RFC 5321 4.5.2): only CRLF.CRLF ends.
 * Bare LF and bare CR are kept as octets; wire_to_mbox normalises.
 *
 * With lf_only, which the caller sets after dot_reader_init, LF.LF ends as well
 * and a dot behind an LF is taken off: that is for people who type into a
 * program that sends LF alone.  It may be set only when the client has sent no
 * CR whatever; the first CR in the content clears it, and from there on nothing
 * but CRLF.CRLF ends.  So nothing that a host relays, whose own commands end in
 * CRLF, can end here and not there. */
struct dot_reader {
	int state;
	bool lf_only;
	bool bare_lf, bare_cr; /* such a thing was seen */
};
void dot_reader_init(struct dot_reader *);
/* Reads from in, appends content to out: at most in.n + 1 octets.  Returns how
 * many octets of in were used; *end is set when the end-of-data was among them
 * (what is behind it is not used), else cleared.  When out is full, out->bad is
 * set and reading goes on, so that the end of a message that is too large is
 * still found. */
size_t dot_read(struct dot_reader *, struct view in, struct buf *out,
    bool *end);

/* content -> mbox.  Every line is quoted that needs it, in the header too:
 * mboxrd: ^>*From gets one more '>'; mboxo: only ^From. */
struct mbox_writer {
	bool mboxrd;
	bool bare; /* to be set after mbox_writer_init: nothing is quoted, for
		    * programs that read one message */
	int state;
	size_t quoted; /* '>' seen at the start of the current line */
};
void mbox_writer_init(struct mbox_writer *, bool mboxrd);
/* False: out is full or there is no memory.  The result is exact: it fails only
 * if the output itself does not fit. */
bool wire_to_mbox(struct mbox_writer *, struct view in, struct buf *out);
/* Ends the last line if it has no LF, and adds the blank line. */
bool wire_to_mbox_end(struct mbox_writer *, struct buf *out);

/* mbox -> RETR octets: LF to CRLF, From_ unquoting, dot-stuffing.  Give it what
 * mbox_content() of spool/mbox.h says: neither the From_ line nor the blank
 * line behind the message.  mboxrd takes one '>' off ^>+From; mboxo takes
 * nothing off, because nobody can know whose the '>' is.  The line "." that
 * ends the response is the caller's.  body_lines, for TOP: -1 = all; the
 * header, and the blank line behind it, are always given whole. */
struct mbox_reader {
	bool mboxrd;
	bool in_body;
	int64_t lines_left;
	bool done; /* TOP has given all it should; further input is ignored */
	int state;
	size_t quoted;
};
void mbox_reader_init(struct mbox_reader *, bool mboxrd, int64_t body_lines);
bool mbox_to_wire(struct mbox_reader *, struct view in, struct buf *out);
/* Ends the last line if it has no LF. */
bool mbox_to_wire_end(struct mbox_reader *, struct buf *out);
#endif
