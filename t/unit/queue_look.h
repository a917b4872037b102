#ifndef T_UNIT_QUEUE_LOOK_H
#define T_UNIT_QUEUE_LOOK_H
/*
 * What has become of messages in queue_role.h's test, which includes this: what
 * was delivered, what lies in the queue's directories, what the log says; and
 * waiting for it. */

__attribute__((unused)) static unsigned
delivered_to(const char *name)
{
	unsigned n = 0;

	for (unsigned i = 0; i < shared->n; i++)
		n += strcmp(shared->done[i].to, name) == 0;
	return n;
}

/* A busy machine may do nothing for us for several seconds. */
static int64_t
until(int64_t ms)
{
	return now_ms() + (ms < 30000 ? 30000 : ms);
}

/* Waits until n are delivered in all; true if that came within ms, or 30 s. */
__attribute__((unused)) static bool
wait_done(unsigned n, int64_t ms)
{
	for (int64_t end = until(ms); shared->n < n && now_ms() < end;)
		pause_ms(2);
	return shared->n >= n;
}

static DIR *
queue_subdir(const char *sub)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/queue/%s", top, sub);
	return opendir(path);
}

static unsigned
files_in(const char *sub)
{
	DIR *d = queue_subdir(sub);
	unsigned n = 0;

	if (d == NULL)
		return 0;
	for (struct dirent *e; (e = readdir(d)) != NULL;)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

/* Waits until there are so many. */
__attribute__((unused)) static bool
wait_files(const char *sub, unsigned n)
{
	for (int64_t end = until(0); files_in(sub) != n && now_ms() < end;)
		pause_ms(2);
	return files_in(sub) == n;
}

/* Waits until that recipient has it so often; true if it came so. */
__attribute__((unused)) static bool
wait_delivered(const char *name, unsigned n)
{
	for (int64_t end = until(60000);
	     delivered_to(name) < n && now_ms() < end;)
		pause_ms(2);
	return delivered_to(name) == n;
}

__attribute__((unused)) static bool
wait_empty(int64_t ms)
{
	for (int64_t end = until(ms); files_in("active") > 0 && now_ms() < end;)
		pause_ms(2);
	return files_in("active") == 0;
}

/* Something has been accepted, however long that takes: those who deposit tell
 * of it in that pipe. */
__attribute__((unused)) static void
await_told(int told)
{
	struct pollfd p = { .fd = told, .events = POLLIN };

	(void)!poll(&p, 1, 30000);
}

/* Removes what waits, behind the queue's back. */
__attribute__((unused)) static void
drop_waiting(void)
{
	DIR *d = queue_subdir("active");

	for (struct dirent *e; (e = readdir(d)) != NULL;)
		if (e->d_name[0] != '.')
			unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
}

/* The whole log so far. */
__attribute__((unused)) static const char *
log_text(void)
{
	static char text[1 << 20];
	char path[128];

	snprintf(path, sizeof(path), "%s/log", top);
	int fd = open(path, O_RDONLY);
	ssize_t n = fd == -1 ? 0 : read(fd, text, sizeof(text) - 1);
	close_fd(&fd);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* Waits until the log says so. */
__attribute__((unused)) static bool
logged(const char *text)
{
	for (int i = 0; i < 10000 && strstr(log_text(), text) == NULL; i++)
		pause_ms(3);
	return strstr(log_text(), text) != NULL;
}

__attribute__((unused)) static void
clear_log(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/log", top);
	(void)!truncate(path, 0);
}
#endif
