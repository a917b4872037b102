/*
 * Running one command.  Runs in: a child of deliver's runner, as the user; in
 * order_exec(), its child, up to the exec.
 */
#define _GNU_SOURCE
#include "spool/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/file.h"
#include "common/service.h"
#include "spool/append.h"
#include "spool/command_env.h"
#include "spool/wire.h"

enum {
	PIECE = 16384,
	OUT_MAX = 4 * PIECE,
	SAID_MAX = 400, /* octets of its output that are kept */
	LOOK_MS = 20,	/* how often a command that has closed its output, or
			 * whose children hold it, is looked after */
	FILES_MAX = 1024
};

struct running {
	const struct order *o;
	pid_t pid;
	int in, out, failed; /* pipes; -1: closed */
	int64_t deadline;
	struct mbox_writer writer;
	struct buf gathered; /* not yet written */
	size_t written;	     /* of it */
	uint64_t at;	     /* offset of what is read next */
	uint64_t left;
	bool ended; /* everything is gathered */
	char said[SAID_MAX];
	size_t said_n;
	bool gone;
	int status;
};

/* ---- what an exit status means ---- */

static const struct {
	int status;
	enum run_outcome outcome;
	const char *code, *phrase;
} exits[] = {
	{ 0, RUN_DONE, "2.0.0", "delivered to command" },
	{ 64, RUN_FAILED, "5.3.0", "command line usage error" },
	{ 65, RUN_FAILED, "5.6.0", "data format error" },
	{ 66, RUN_FAILED, "5.3.0", "cannot open input" },
	{ 67, RUN_FAILED, "5.1.1", "user unknown" },
	{ 68, RUN_FAILED, "5.1.2", "host name unknown" },
	{ 69, RUN_FAILED, "5.3.0", "service unavailable" },
	{ 70, RUN_FAILED, "5.3.0", "internal software error" },
	{ 71, RUN_LATER, "4.3.0", "system resource problem" },
	{ 72, RUN_FAILED, "5.3.0", "critical system file missing" },
	{ 73, RUN_FAILED, "5.2.0", "can't create user output file" },
	{ 74, RUN_FAILED, "5.3.0", "input/output error" },
	{ 75, RUN_LATER, "4.3.0", "temporary failure" },
	{ 76, RUN_FAILED, "5.5.0", "remote error in protocol" },
	{ 77, RUN_FAILED, "5.7.0", "permission denied" },
	{ 78, RUN_FAILED, "5.3.5", "local configuration error" },
};

enum run_outcome
order_exit(int status, const char **code, const char **phrase)
{
	for (size_t i = 0; i < NELEM(exits); i++) {
		if (exits[i].status != status)
			continue;
		*code = exits[i].code;
		*phrase = exits[i].phrase;
		return exits[i].outcome;
	}
	*code = "5.3.0";
	*phrase = NULL;
	return RUN_FAILED;
}

/* ---- the command's process ---- */

static void
limit(int what, rlim_t most)
{
	struct rlimit l;

	if (getrlimit((__rlimit_resource_t)what, &l) == -1)
		_exit(71);
	if (l.rlim_max > most)
		l.rlim_max = most;
	l.rlim_cur = l.rlim_max;
	if (setrlimit((__rlimit_resource_t)what, &l) == -1)
		_exit(71);
}

/* Says why to `failed`, which an exec closes. */
static noreturn void
order_exec(const struct order *o, char **argv, char **envp, int in, int out,
    int failed)
{
	sigset_t none;

	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	limit(RLIMIT_CPU, (rlim_t)(o->time / 1000 + 1));
	limit(RLIMIT_NOFILE, FILES_MAX);
	umask(077);
	if (chdir(o->user.home) == -1 && chdir("/") == -1)
		_exit(71);
	if (dup2(in, 0) == -1 || dup2(out, 1) == -1 || dup2(out, 2) == -1)
		_exit(71);
	/* All else is closed at exec; what forgot that is closed here. */
	if (failed != 3 && dup3(failed, 3, O_CLOEXEC) == -1)
		_exit(71);
	if (close_range(4, ~0u, 0) == -1)
		_exit(71);
	execve(argv[0], argv, envp);
	int e = errno;
	(void)!write(3, &e, sizeof(e));
	_exit(71);
}

/* ---- its parent ---- */

/* The next piece of the message into the empty gathering. */
static enum status
gather(struct running *r)
{
	static char piece[PIECE];
	size_t n = r->left < sizeof(piece) ? (size_t)r->left : sizeof(piece);

	buf_clear(&r->gathered);
	r->written = 0;
	if (n == 0) {
		/* Only the last line is ended: what follows a message in a
		 * mailbox is no part of it. */
		r->ended = true;
		if (!wire_to_mbox_end(&r->writer, &r->gathered))
			return ERR_NOMEM;
		r->gathered.n--;
		return OK;
	}
	enum status st = file_read_at(r->o->run.file, piece, n, r->at);
	r->at += n;
	r->left -= n;
	if (st == OK &&
	    !wire_to_mbox(&r->writer, (struct view){ piece, n }, &r->gathered))
		st = ERR_NOMEM;
	return st;
}

/* Writes what the pipe takes.  A command need not read what it does not want:
 * its exit status alone says what became of the message. */
static enum status
feed(struct running *r)
{
	while (r->in != -1) {
		if (r->written == r->gathered.n) {
			if (r->ended) {
				close_fd(&r->in);
				break;
			}
			enum status st = gather(r);
			if (st != OK)
				return st;
			continue;
		}
		ssize_t n = write(r->in, r->gathered.p + r->written,
		    r->gathered.n - r->written);
		if (n > 0)
			r->written += (size_t)n;
		else if (n == -1 && errno == EAGAIN)
			break;
		else if (n == -1 && errno != EINTR)
			close_fd(&r->in);
	}
	return OK;
}

static void
listen_to(struct running *r)
{
	char piece[PIECE];
	ssize_t n = read(r->out, piece, sizeof(piece));

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		close_fd(&r->out);
		return;
	}
	size_t room = sizeof(r->said) - r->said_n;
	size_t take = (size_t)n < room ? (size_t)n : room;
	memcpy(r->said + r->said_n, piece, take);
	r->said_n += take;
}

static void
look_after(struct running *r)
{
	pid_t pid = waitpid(r->pid, &r->status, WNOHANG);

	if (pid == r->pid || (pid == -1 && errno == ECHILD))
		r->gone = true;
}

/* Until it has ended.  ERR_BUSY: it was ended, as it took too long. */
static enum status
attend(struct running *r)
{
	enum status st = OK;

	while (!r->gone && st == OK) {
		struct pollfd p[] = { { .fd = r->out, .events = POLLIN },
			{ .fd = r->in, .events = POLLOUT } };
		/* With its output closed only its end is waited for. */
		int ms = r->out == -1 ? 2 : LOOK_MS;
		int rc = poll(p, 2, ms);
		if (rc > 0 && p[0].revents != 0)
			listen_to(r);
		if (rc > 0 && p[1].revents != 0)
			st = feed(r);
		look_after(r);
		if (!r->gone && st == OK && now_ms() > r->deadline)
			st = ERR_BUSY;
	}
	/* What it wrote last, but not what its children still write. */
	for (int i = 0; r->gone && r->out != -1 && i < OUT_MAX / PIECE; i++) {
		struct pollfd p = { .fd = r->out, .events = POLLIN };
		if (poll(&p, 1, 0) != 1)
			break;
		listen_to(r);
	}
	return st;
}

static void
end_it(struct running *r)
{
	kill(-r->pid, SIGKILL);
	kill(r->pid, SIGKILL);
	while (!r->gone) {
		pid_t pid = waitpid(r->pid, &r->status, 0);
		r->gone = pid == r->pid || errno == ECHILD;
	}
}

/* Everything up to the running command. */
static enum status
start(struct running *r, char **argv, char **envp)
{
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, failed[2] = { -1, -1 };
	enum status st = ERR_NOMEM;

	if (pipe2(in, O_CLOEXEC) == -1 || pipe2(out, O_CLOEXEC) == -1 ||
	    pipe2(failed, O_CLOEXEC) == -1 ||
	    fcntl(in[1], F_SETFL, O_NONBLOCK) == -1 ||
	    fcntl(out[0], F_SETFL, O_NONBLOCK) == -1)
		goto out;
	r->pid = fork();
	if (r->pid == -1)
		goto out;
	if (r->pid == 0)
		order_exec(r->o, argv, envp, in[0], out[1], failed[1]);
	r->in = in[1];
	r->out = out[0];
	r->failed = failed[0];
	in[1] = out[0] = failed[0] = -1;
	st = OK;
out:
	for (int i = 0; i < 2; i++) {
		close_fd(&in[i]);
		close_fd(&out[i]);
		close_fd(&failed[i]);
	}
	return st;
}

/* ---- what to say of it ---- */

static enum run_outcome
later(char *code, char *text, const char *dsn, const char *why)
{
	snprintf(code, RUN_CODE_MAX, "%s", dsn);
	snprintf(text, DELIVER_TEXT_MAX, "%s", why);
	return RUN_LATER;
}

/* Its first line that is not empty. */
static struct view
first_line(const struct running *r)
{
	struct view v = { r->said, r->said_n }, line = { NULL, 0 };

	while (line.n == 0 && v.n > 0) {
		line = view_trim(view_split(&v, '\n', NULL));
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
	}
	return line;
}

static enum run_outcome
exited(const struct running *r, char *code, char *text)
{
	const char *dsn, *phrase;
	char number[64];
	int status = WEXITSTATUS(r->status);
	enum run_outcome o = order_exit(status, &dsn, &phrase);
	struct view said = first_line(r);

	if (phrase == NULL)
		snprintf(number, sizeof(number), "command ended with status %d",
		    status);
	snprintf(code, RUN_CODE_MAX, "%s", dsn);
	snprintf(text, DELIVER_TEXT_MAX, "%s%s%.*s%s",
	    phrase == NULL ? number : phrase,
	    said.n > 0 && o != RUN_DONE ? " (it says: " : "",
	    o != RUN_DONE ? (int)(said.n < 120 ? said.n : 120) : 0,
	    said.n > 0 ? said.p : "", said.n > 0 && o != RUN_DONE ? ")" : "");
	return o;
}

static enum run_outcome
judge(const struct running *r, enum status st, char *code, char *text)
{
	char why[DELIVER_TEXT_MAX];
	int e = 0;

	if (r->failed != -1 && read(r->failed, &e, sizeof(e)) == sizeof(e)) {
		snprintf(why, sizeof(why), "command cannot be started: %s",
		    strerror(e));
		return later(code, text, "4.3.5", why);
	}
	if (st == ERR_BUSY)
		return later(
		    code, text, "4.3.0", "command time limit exceeded");
	if (st != OK)
		return later(code, text, "4.3.0", status_text(st));
	if (WIFEXITED(r->status))
		return exited(r, code, text);
	snprintf(
	    why, sizeof(why), "command died by signal %d", WTERMSIG(r->status));
	return later(code, text, "4.3.0", why);
}

enum run_outcome
order_command(
    const struct order *o, void (*started)(void), char *code, char *text)
{
	struct append_msg head = { .sender = o->run.sender,
		.original_to = o->run.original,
		.delivered_to = o->delivered_to,
		.file = o->run.file,
		.offset = o->run.offset,
		.length = o->run.length };
	char space[TARGET_TEXT_MAX + 1], *argv[TARGET_ARGS_MAX + 1];
	struct command_env env;
	struct running r = { .o = o,
		.in = -1,
		.out = -1,
		.failed = -1,
		.deadline = now_ms() + o->time };
	const char *why;

	if (!append_fields_ok(&head)) {
		later(code, text, "5.6.0", "an address is not printable");
		return RUN_FAILED;
	}
	if (!target_argv(o->run.text, space, argv, &why)) {
		later(code, text, "5.3.5", why);
		return RUN_FAILED;
	}
	if (!command_env(&env, o))
		return later(code, text, "4.3.0", "out of memory");
	signal(SIGPIPE, SIG_IGN);
	buf_init(&r.gathered, OUT_MAX);
	mbox_writer_init(&r.writer, o->mboxrd);
	r.writer.bare = true;
	append_put_head(&r.gathered, &head, time(NULL));
	enum status st = start(&r, argv, env.envp);
	if (st == OK) {
		if (started != NULL)
			started();
		st = append_skip(&head);
		r.at = head.offset;
		r.left = head.length;
		if (st == OK)
			st = attend(&r);
		if (!r.gone)
			end_it(&r);
	}
	close_fd(&r.in);
	enum run_outcome out = judge(&r, st, code, text);
	close_fd(&r.out);
	close_fd(&r.failed);
	buf_free(&r.gathered);
	return out;
}
