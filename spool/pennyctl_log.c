/*
 * pennyctl log: the lines of one message, of a log file, standard input, or
 * systemd's journal.  Runs in: pennyctl.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/msg.h"
#include "spool/envelope.h"
#include "spool/json.h"
#include "spool/pennyctl.h"

enum {
	LINE_ROOM = 16384, /* octets of a line; more is cut off */
	PAUSE_US = 200000,
	ID_MIN = 6
};

struct reader {
	const char *id;
	size_t id_n;
	bool json;
	size_t kept;
	bool overlong; /* the rest of a line that did not fit */
	uint64_t found;
	char text[LINE_ROOM];
};

/* The id as a word of its own, and not as a part of another. */
static bool
has_id(const struct reader *r, struct view line)
{
	const char *p = line.p, *end = line.p + line.n;

	while ((p = memmem(p, (size_t)(end - p), r->id, r->id_n)) != NULL) {
		const char *behind = p + r->id_n;
		if ((p == line.p || !ascii_alnum(p[-1])) &&
		    (behind == end || !ascii_alnum(*behind)))
			return true;
		p++;
	}
	return false;
}

/* What comes from a log is not to change the terminal. */
static void
show(struct reader *r, struct view line)
{
	if (!has_id(r, line))
		return;
	r->found++;
	if (r->json) {
		fputs("{\"id\":", stdout);
		json_text(view_of(r->id));
		fputs(",\"line\":", stdout);
		json_text(line);
		puts("}");
		return;
	}
	for (size_t i = 0; i < line.n; i++) {
		unsigned char c = (unsigned char)line.p[i];
		putchar((c < ' ' && c != '\t') || c >= 0x7f ? '?' : c);
	}
	putchar('\n');
}

/* Takes whole lines off what was read. */
static void
take(struct reader *r)
{
	struct view v = { r->text, r->kept };
	const char *lf;

	while ((lf = memchr(v.p, '\n', v.n)) != NULL) {
		size_t n = (size_t)(lf - v.p);
		if (!r->overlong)
			show(r, (struct view){ v.p, n });
		r->overlong = false;
		v = (struct view){ lf + 1, v.n - n - 1 };
	}
	if (v.n == sizeof(r->text)) {
		if (!r->overlong)
			show(r, v);
		r->overlong = true;
		v.n = 0;
	}
	memmove(r->text, v.p, v.n);
	r->kept = v.n;
}

/* All there is; false: reading failed. */
static bool
read_all(struct reader *r, int fd)
{
	for (;;) {
		ssize_t n =
		    read(fd, r->text + r->kept, sizeof(r->text) - r->kept);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0;
		r->kept += (size_t)n;
		take(r);
		if (fflush(stdout) == EOF)
			return false;
	}
}

/* Has another file taken the place of this one, or was it cut? */
static bool
has_gone(int fd, const char *path)
{
	struct stat held, there;
	off_t at = lseek(fd, 0, SEEK_CUR);

	return stat(path, &there) == 0 && fstat(fd, &held) == 0 &&
	       (held.st_dev != there.st_dev || held.st_ino != there.st_ino ||
		   there.st_size < at);
}

static int
from_file(struct reader *r, const char *path, bool follow)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	bool good = fd != -1 && read_all(r, fd);

	while (good && follow) {
		usleep(PAUSE_US);
		bool gone = has_gone(fd, path);
		good = read_all(r, fd); /* what came before it was put aside */
		int next =
		    gone ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY) : -1;
		if (good && next != -1) {
			close_fd(&fd);
			fd = next;
			r->kept = 0;
			r->overlong = false;
		}
	}
	if (!good)
		fprintf(stderr, "pennyctl: %s: %s\n", path, strerror(errno));
	if (good && r->kept > 0 && !r->overlong)
		show(r, (struct view){ r->text, r->kept });
	close_fd(&fd);
	return !good ? CTL_FAILED : r->found > 0 ? CTL_FINE : CTL_FOUND;
}

/* journalctl's lines are those of a log file. */
static int
from_journal(struct reader *r, bool follow)
{
	char follows[] = "-f", name[] = "journalctl", all[] = "-n", n[] = "all",
	     quiet[] = "-q", pager[] = "--no-pager", output[] = "-oshort";
	char *argv[] = { name, quiet, pager, output, all, n,
		follow ? follows : NULL, NULL };
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) == -1)
		return CTL_FAILED;
	pid_t pid = fork();
	if (pid == 0) {
		if (dup2(ends[1], STDOUT_FILENO) != -1)
			execvp(argv[0], argv);
		fprintf(stderr,
		    "pennyctl: journalctl: %s; name a log file (--file)\n",
		    strerror(errno));
		_exit(127);
	}
	close(ends[1]);
	bool good = pid != -1 && read_all(r, ends[0]);
	close(ends[0]);
	int status = ctl_wait(pid);
	return !good || status != 0 ? CTL_FAILED
	       : r->found > 0	    ? CTL_FINE
				    : CTL_FOUND;
}

static bool
is_id(const char *id)
{
	size_t n = strlen(id);

	for (size_t i = 0; i < n; i++)
		if (!ascii_alnum(id[i]))
			return false;
	return n >= ID_MIN && n <= ENVELOPE_ID_MAX;
}

int
ctl_log(const char *config, int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "follow", no_argument, NULL, 'f' },
		{ "file", required_argument, NULL, 'F' }, { NULL, 0, NULL, 0 }
	};
	static struct reader r;
	const char *path = NULL;
	bool follow = false;
	int opt;

	(void)config;
	optind = 0;
	while ((opt = getopt_long(argc, argv, "fF:", options, NULL)) != -1)
		if (opt == 'j')
			r.json = true;
		else if (opt == 'f')
			follow = true;
		else if (opt == 'F')
			path = optarg;
		else
			return -1;
	if (optind + 1 != argc)
		return -1;
	r.id = argv[optind];
	r.id_n = strlen(r.id);
	if (!is_id(r.id)) {
		fputs("pennyctl: that is no id of a message\n", stderr);
		return CTL_FAILED;
	}
	if (path == NULL)
		return from_journal(&r, follow);
	if (strcmp(path, "-") != 0)
		return from_file(&r, path, follow);
	return from_file(&r, "/dev/stdin", false);
}
