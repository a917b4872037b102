#ifndef SMTPD_FOREIGN_H
#define SMTPD_FOREIGN_H
/*
 * Lines of other protocols: whoever sends them was led here, perhaps with a
 * message for us further down (a browser's form, ALPACA), and is not talked to.
 * Pure.  Runs in: worker.
 *
 * verb is a line's first word, which is no command of ours, and rest what is
 * behind it.
 */
#include <stdbool.h>

#include "common/view.h"

/* A request of HTTP or of what is like it (RTSP, SIP, ICAP), at any time. */
bool foreign_anywhere(struct view verb, struct view rest);
/* The first line of some other protocol, while nothing of SMTP was said. */
bool foreign_first(struct view verb, struct view rest);
/* The same for what is no text at all. */
bool foreign_binary(struct view line);
#endif
