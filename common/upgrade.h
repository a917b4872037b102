#ifndef COMMON_UPGRADE_H
#define COMMON_UPGRADE_H
/*
 * A new program takes the place of the running one without losing a connection:
 * the old master starts it beside itself and hands it the listening sockets.
 * When the new one serves, the old one lets its sessions end in peace and goes.
 * If it does not get that far, all stays as it was.  Runs in: the master.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* ---- the old one ---- */

/* Remembers what was started, by which name and with which arguments; once, at
 * the start. */
void upgrade_init(char **argv);
/* Starts the program that lies now where this one lay, with these listening
 * sockets and the state file (running_fd).  Gives the descriptor on which the
 * new one says "\n" when it serves, or one line why not, or nothing at all;
 * -1: err is one line. */
int upgrade_start(const int *listen_fd, unsigned n, int state_fd, pid_t *pid,
    char *err, size_t size);

/* ---- the new one ---- */

/* Whether this process was started by upgrade_start; then where to say that it
 * serves, and the state file (-1: none).  Once. */
bool upgrade_successor(int *ready_fd, int *state_fd);
#endif
