#ifndef SPOOL_COMMAND_H
#define SPOOL_COMMAND_H
/*
 * A message as the standard input of a command, by a process that is the user.
 *
 * The command gets the message with LF line ends, below a From_ line,
 * Return-Path, X-Original-To and Delivered-To; an environment of our making;
 * nothing else of ours.  No shell looks at it.  What it writes is thrown away
 * but for the first line, which goes into text.  The outcome is that of
 * sysexits(3): 0 done; 75 (and 71) later; others failed.  One that dies by a
 * signal, takes too long, or cannot be started is tried again.
 */
#include "spool/order.h"

/* started (or NULL) is called once when the command has a process, and before
 * an octet of the message is read: nothing is forked from then on.  code has
 * RUN_CODE_MAX octets, text DELIVER_TEXT_MAX. */
enum run_outcome order_command(const struct order *, void (*started)(void),
    char *code, char *text);
/* What an exit status means; public for its test.  *phrase: what to call it. */
enum run_outcome order_exit(
    int status, const char **code, const char **phrase);
#endif
