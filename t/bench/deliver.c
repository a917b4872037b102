/*
 * How fast and how dear local deliveries are, without SMTP around them:
 *   deliver [clients [mailboxes [messages [octets [processes [us]]]]]]
 * us: microseconds of CPU that an asker spends between two deliveries, as a
 * dialogue would.  All that the role does is real: users, privileges, sandbox,
 * locks, flushes.
 */
#define _GNU_SOURCE
#include "t/unit/chain.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

static struct shared {
	_Atomic unsigned long flushes, failed;
} * shared;

int
fdatasync(int fd)
{
	shared->flushes++;
	return (int)syscall(SYS_fdatasync, fd);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Seconds of CPU of a process. */
static double
cpu_of(pid_t pid)
{
	char path[64];
	double ns = 0;

	snprintf(path, sizeof(path), "/proc/%ld/schedstat", (long)pid);
	FILE *f = fopen(path, "r");
	if (f == NULL || fscanf(f, "%lf", &ns) != 1)
		ns = 0;
	if (f != NULL)
		fclose(f);
	return ns / 1e9;
}

static unsigned long
argument(int argc, char **argv, int i, unsigned long dflt)
{
	return i < argc ? strtoul(argv[i], NULL, 10) : dflt;
}

static unsigned long dialogue;

static void
talk(void)
{
	double until = now() + (double)dialogue / 1e6;

	while (dialogue > 0 && now() < until)
		continue;
}

static void
client(const struct chain *c, unsigned long first, unsigned long boxes,
    unsigned long n, const char *text)
{
	int asker = chain_asker(c, false);
	char user[16];

	for (unsigned long i = 0; i < n; i++) {
		/* Users 0 and 1 have names. */
		snprintf(user, sizeof(user), "u%lu", (first + i) % boxes + 2);
		talk();
		struct delivery d = chain_deliver(asker, user, text);
		if (d.status != OK && shared->failed++ == 0)
			printf("%s: %s\n", user, d.text);
	}
	exit(0);
}

int
main(int argc, char **argv)
{
	unsigned long clients = argument(argc, argv, 1, 20);
	unsigned long boxes = argument(argc, argv, 2, 100);
	unsigned long n = argument(argc, argv, 3, 20000);
	unsigned long octets = argument(argc, argv, 4, 4096);
	unsigned long processes = argument(argc, argv, 5, 16);
	dialogue = argument(argc, argv, 6, 0);
	struct chain c;
	char extra[64];
	struct rusage use;
	pid_t pid[128];
	double cpu[129] = { 0 };

	if (octets > 60000 || octets < 80 || clients == 0 || boxes == 0)
		return 2;
	char *text = malloc(octets + 1);
	for (unsigned long i = 0; i < octets; i++)
		text[i] = i % 78 == 76 ? '\r' : i % 78 == 77 ? '\n' : 'm';
	memcpy(text, "Subject: m\r\n\r\n", 14);
	text[octets] = '\0';
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	signal(SIGPIPE, SIG_IGN);
	snprintf(extra, sizeof(extra), "append_processes %lu\n", processes);
	chain_start(&c, (unsigned)boxes + 2, extra);
	unsigned k = chain_appenders(&c, pid, 128);
	for (unsigned i = 0; i < k; i++)
		cpu[i] = cpu_of(pid[i]);
	cpu[128] = cpu_of(c.opener);
	double t = now();
	for (unsigned long i = 0; i < clients; i++)
		if (fork() == 0)
			client(
			    &c, i * boxes / clients, boxes, n / clients, text);
	for (unsigned long i = 0; i < clients; i++)
		wait(NULL);
	t = now() - t;
	getrusage(RUSAGE_CHILDREN, &use);
	double append = 0, opener = cpu_of(c.opener) - cpu[128];
	for (unsigned i = 0; i < k; i++)
		append += cpu_of(pid[i]) - cpu[i];
	double askers = (double)use.ru_utime.tv_sec +
			(double)use.ru_stime.tv_sec +
			(double)use.ru_utime.tv_usec / 1e6 +
			(double)use.ru_stime.tv_usec / 1e6;
	double done = (double)(n / clients * clients);
	printf(
	    "%lu clients, %lu mailboxes, %lu octets, %lu processes: "
	    "%.0f deliveries/s; ms CPU each: opener %.3f, append %.3f, asker "
	    "%.3f; %.2f flushes each; %lu failed\n",
	    clients, boxes, octets, processes, done / t, opener / done * 1e3,
	    append / done * 1e3, askers / done * 1e3,
	    (double)shared->flushes / done, shared->failed);
	chain_stop(&c);
	free(text);
	return shared->failed > 0;
}
