#ifndef COMMON_CTL_H
#define COMMON_CTL_H
/*
 * What the master and a role say to each other on the control channel.
 *
 * master -> role, before CTL_GO:
 *   CTL_SETTINGS  fd: the settings as text; u32 flags (CTL_F_*)
 *   CTL_PEER      fd: a channel; u32 role behind it; u32 0, or 1 for the pool's
 *                 question channel to the key role, 2 for its introductions to
 *                 the log role
 *   CTL_LISTEN    fd: a listening socket, in the order of the settings
 *   CTL_FILE      fd: a certificate or key file
 *   CTL_GO
 * role -> master:
 *   CTL_READY, or CTL_FAILED with str: one line that names file and remedy
 *   CTL_BREACH    (pool) u32 signal: a worker died by it
 *   CTL_IDLE      (pool) no client for settings->idle_exit
 *   CTL_RETIRED   (pool) told to stop: none of its workers takes a client now
 *   CTL_DRAINED   (queue) the answer to CTL_DRAIN
 * master -> role, later:
 *   CTL_PEER      a new generation's channel
 *   CTL_SETTINGS  new settings; the queue closes its listening socket, for
 *   CTL_LISTEN    (queue) fd: the one that it has now, if any
 *   CTL_DRAIN     (queue) to be told when nothing can be delivered soon
 *   CTL_STOP      u32 milliseconds of grace
 */
enum {
	CTL_SETTINGS = 1,
	CTL_PEER = 2,
	CTL_LISTEN = 3,
	CTL_FILE = 4,
	CTL_GO = 5,
	CTL_READY = 6,
	CTL_FAILED = 7,
	CTL_STOP = 8,
	CTL_BREACH = 9,
	CTL_IDLE = 10,
	CTL_RETIRED = 11,
	CTL_DRAIN = 12,
	CTL_DRAINED = 13
};
enum { CTL_F_POP3 = 1, CTL_F_ROOT = 2, CTL_F_INETD = 4, CTL_F_IDLE_EXIT = 8 };
#endif
