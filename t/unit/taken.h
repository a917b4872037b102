#ifndef T_UNIT_TAKEN_H
#define T_UNIT_TAKEN_H
/* Whether the other end of a channel has read all that was sent to it, which
 * is waited for, at most a minute.  What it does about that comes before
 * whatever it reads later. */
#include <linux/sockios.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/ioctl.h>

static bool
taken(int sock)
{
	int left = -1;

	for (int i = 0; i < 60000; i++) {
		if (ioctl(sock, SIOCOUTQ, &left) == -1 || left == 0)
			break;
		poll(NULL, 0, 1);
	}
	return left == 0;
}
#endif
