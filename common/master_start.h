#ifndef COMMON_MASTER_START_H
#define COMMON_MASTER_START_H
/* What the master does once, at its start or its end. */

void write_pid(const char *path); /* "": does nothing */
/* Makes 0, 1 and 2 /dev/null. */
void leave_terminal(void);
/* One line in the log about what this host cannot give. */
void say_missing_walls(void);
/* Blocks the signals that the master handles; they come on the descriptor. */
int open_signals(void);
/* A channel per worker needs a descriptor. */
void raise_file_limit(void);
#endif
