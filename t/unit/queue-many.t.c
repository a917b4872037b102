/*
 * Many messages in the queue for many destinations, some of them dead: how long
 * it takes to start, how much memory, and whether the dead delay anybody.
 * QUEUE_MANY, QUEUE_PLACES, QUEUE_DEAD: how many messages, destinations, dead
 * ones.  QUEUE_START: only the start is looked at.
 */
#define _GNU_SOURCE
#include "t/unit/queue_role.h"

#ifdef __SANITIZE_ADDRESS__
enum { MEMORY = 512 * 1024 }; /* what is freed is kept for a while */
#else
enum { MEMORY = 32 * 1024 };
#endif

static struct running x;
static unsigned many, places, dead;

static unsigned
setting(const char *name, unsigned other)
{
	const char *text = getenv(name);
	unsigned long long n;

	return text != NULL && view_number(view_of(text), 2000000, &n)
		   ? (unsigned)n
		   : other;
}

/* Message i as the queue would have written it. */
static void
write_record(int dir, unsigned i)
{
	char name[24], text[600], to[64];

	snprintf(name, sizeof(name), "%012X", i + 1);
	snprintf(to, sizeof(to), "u%u@%s%u.test", i,
	    i % places < dead ? "dead" : "good", i % places);
	int n = snprintf(text, sizeof(text),
	    "pennypost-queue 1\nid: %s\narrived: %lld.000000\n"
	    "sender: alice@example.org\nclient: c[192.0.2.1]\nhelo: c\n"
	    "protocol: ESMTP\nuser: alice\nT %s\t%s\nrecipients: 1\n"
	    "content: 18\n\nSubject: x\r\n\r\nhi\r\n",
	    name, (long long)time(NULL), to, to);
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd == -1 || write(fd, text, (size_t)n) != n) {
		printf("Bail out! %s: %s\n", name, strerror(errno));
		exit(1);
	}
	close(fd);
}

static void
write_records(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/queue/active", top);
	mkdir(path, 0700);
	int dir = open(path, O_RDONLY | O_DIRECTORY);
	for (unsigned i = 0; i < many; i++)
		write_record(dir, i);
	close(dir);
}

/* KiB of a line of /proc/PID/status. */
static unsigned
memory(const char *what)
{
	char path[64], text[4096];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)x.queue);
	int fd = open(path, O_RDONLY);
	ssize_t n = fd == -1 ? 0 : read(fd, text, sizeof(text) - 1);
	close_fd(&fd);
	text[n > 0 ? n : 0] = '\0';
	const char *p = strstr(text, what);
	return p == NULL ? 0 : (unsigned)strtoul(p + strlen(what), NULL, 10);
}

int
main(void)
{
	unsigned good;

	many = setting("QUEUE_MANY", 3000);
	places = setting("QUEUE_PLACES", 100);
	dead = setting("QUEUE_DEAD", 5);
	test_begin();
	for (unsigned i = good = 0; i < many; i++)
		good += i % places >= dead;
	relay_shared->dead_ms = 3000;
	write_records();
	int64_t t = now_ms();
	x = start("relay_processes 100\nretry_min 5m\nretry_max 70m\n");
	printf("# %u messages: started in %lld ms, %u KiB\n", many,
	    (long long)(now_ms() - t), memory("VmRSS:"));
	int w = new_worker(&x);
	int64_t asked = now_ms();
	put_one(w, "bob@example.org", "x");
	for (int i = 0; i < 6000 && delivered_to("bob@example.org") == 0; i++)
		pause_ms(10);
	ok(delivered_to("bob@example.org") == 1, "a new message is delivered");
	printf("# after %lld ms\n", (long long)(now_ms() - asked));
	if (getenv("QUEUE_START") == NULL) {
		t = now_ms();
		ok(wait_done(good + 1, 240000),
		    "%u messages for places that work are sent", good);
		printf(
		    "# in %lld ms; %u attempts at dead ones by then, at most "
		    "%u at once\n",
		    (long long)(now_ms() - t), relay_shared->dead,
		    relay_shared->dead_most);
		ok(relay_shared->dead_most <= 75,
		    "dead ones never have all lanes");
	}
	unsigned peak = memory("VmHWM:");
	ok(peak > 0 && peak < MEMORY + many / 8,
	    "memory is bounded: %u KiB at most", peak);
	close(w);
	kill_both(&x);
	return test_end();
}
