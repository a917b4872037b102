#ifndef COMMON_LOG_JOURNAL_H
#define COMMON_LOG_JOURNAL_H
/*
 * A line of the log as an entry of systemd's journal, in its native protocol:
 * one datagram of "FIELD=value" lines to /run/systemd/journal/socket.
 *
 * MESSAGE, PRIORITY, SYSLOG_FACILITY, SYSLOG_IDENTIFIER and SYSLOG_PID are what
 * the journal would have made of the same line from syslog, so that readers
 * see no difference.  PENNYPOST_PROGRAM is the tag ("qmgr", "pop3-login"),
 * PENNYPOST_QUEUE_ID the message that the line is about, where it is about one.
 */
#include <stdbool.h>
#include <stddef.h>

#define LOG_JOURNAL_SOCKET "/run/systemd/journal/socket"

/* line: as svc_log_line made it, one printable line; priority: that of syslog,
 * 0 to 7.  The octets of the entry; 0: it does not fit into size. */
size_t log_journal_entry(
    const char *line, int priority, char *out, size_t size);
#endif
