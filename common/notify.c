/* sd_notify(3) without its library.  Runs in: the master. */
#define _GNU_SOURCE
#include "common/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/service.h"
#include "common/view.h"

void
notify_systemd(const char *fmt, ...)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	struct timeval patience = { .tv_sec = 1 };
	char text[256];
	va_list ap;

	if (path == NULL || (path[0] != '/' && path[0] != '@') ||
	    strlen(path) >= sizeof(a.sun_path))
		return;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	memcpy(a.sun_path, path, strlen(path));
	if (path[0] == '@') /* an abstract name */
		a.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return;
	/* It is there to be told, not to be waited for. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (n > 0 && (size_t)n < sizeof(text))
		(void)!sendto(fd, text, (size_t)n, MSG_NOSIGNAL,
		    (struct sockaddr *)&a,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				strlen(path)));
	close(fd);
}

static int64_t watchdog_ms;

static void
still_alive(void *arg)
{
	(void)arg;
	notify_systemd("WATCHDOG=1");
	timer_add(watchdog_ms, still_alive, NULL);
}

void
notify_watchdog(void)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	unsigned long long us, p;

	if (usec == NULL || !view_number(view_of(usec), INT64_MAX, &us) ||
	    us < 2000 ||
	    (pid != NULL && (!view_number(view_of(pid), INT32_MAX, &p) ||
				(pid_t)p != getpid())))
		return;
	watchdog_ms = (int64_t)(us / 2000);
	still_alive(NULL);
}
