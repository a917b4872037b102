/* Commands that get a message: their words, environment, input, and end. */
#define _GNU_SOURCE
#include "spool/command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/file.h"
#include "spool/command_env.h"
#include "t/unit/tap.h"

/* ---- calls that can be made to fail ---- */

static unsigned calls, fail_at;
static int fail_with;

static bool
fails(void)
{
	if (++calls != fail_at)
		return false;
	errno = fail_with;
	return true;
}

int faulty_pipe2(int p[2], int flags) __asm__("pipe2");
int
faulty_pipe2(int p[2], int flags)
{
	return fails() ? -1 : (int)syscall(SYS_pipe2, p, flags);
}

pid_t faulty_fork(void) __asm__("fork");
pid_t
faulty_fork(void)
{
	return fails() ? -1 : (pid_t)_Fork();
}

ssize_t faulty_pread(int fd, void *p, size_t n, off_t at) __asm__("pread");
ssize_t
faulty_pread(int fd, void *p, size_t n, off_t at)
{
	return fails() ? -1 : syscall(SYS_pread64, fd, p, n, at);
}

static struct order o;
static char code[RUN_CODE_MAX], text[DELIVER_TEXT_MAX];
static char dir[] = "/tmp/pennypost-unit.XXXXXX";
static char script[64], result[64];
static char all[300000];

static void
set_up(void)
{
	char name[] = "/tmp/pennypost-unit.XXXXXX";
	int fd = mkstemp(name);

	unlink(name);
	o = (struct order){ .user = { .name = "bob", .home = "/" },
		.time = 20000,
		.delivered_to = "bob@example.org",
		.run = { .kind = TARGET_COMMAND,
		    .id = "0123456789",
		    .sender = "alice@example.org",
		    .original = "bob",
		    .file = fd } };
	if (mkdtemp(dir) == NULL)
		abort();
	snprintf(script, sizeof(script), "%s/script", dir);
	snprintf(result, sizeof(result), "%s/out", dir);
}

/* Content of the message, behind four octets that are none of it. */
static void
content(const char *p, size_t n)
{
	(void)!ftruncate(o.run.file, 0);
	file_write_at(o.run.file, "skip", 4, 0);
	file_write_at(o.run.file, p, n, 4);
	o.run.offset = 4;
	o.run.length = n;
}

static enum run_outcome
run_script(const char *body)
{
	FILE *f = fopen(script, "w");

	fprintf(f, "#!/bin/sh\n%s\n", body);
	fclose(f);
	chmod(script, 0755);
	unlink(result);
	char command[200];
	snprintf(command, sizeof(command), "%s %s", script, result);
	o.run.text = command;
	code[0] = text[0] = '\0';
	enum run_outcome out = order_command(&o, NULL, code, text);
	o.run.text = NULL;
	return out;
}

static size_t
get_result(void)
{
	int fd = open(result, O_RDONLY);
	ssize_t n = fd == -1 ? 0 : read(fd, all, sizeof(all) - 1);

	all[n > 0 ? n : 0] = '\0';
	if (fd != -1)
		close(fd);
	return n > 0 ? (size_t)n : 0;
}

static void
test_input(void)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "a: b\r\n\r\nFrom x\r\n>From y\r\n",
		    "a: b\n\nFrom x\n>From y\n" },
		{ "no end", "no end\n" },
		{ "cr\rin it\r\n", "cr\rin it\n" },
		{ "Fro", "Fro\n" },
		{ "", "" },
	};

	for (size_t i = 0; i < NELEM(cases); i++) {
		content(cases[i].in, strlen(cases[i].in));
		ok(run_script("cat >$1") == RUN_DONE &&
			strcmp(code, "2.0.0") == 0,
		    "delivered");
		get_result();
		char *end = strstr(all, "Delivered-To: bob@example.org\n");
		ok(strncmp(all, "From alice@example.org ", 23) == 0 &&
			end != NULL && strcmp(end + 30, cases[i].out) == 0,
		    "what it reads is the message: case %zu", i);
	}
	o.run.sender = "";
	run_script("cat >$1");
	get_result();
	ok(strncmp(all, "From MAILER-DAEMON ", 19) == 0, "and from <>");
	o.run.sender = "alice@example.org";
}

static void
test_sizes(void)
{
	static char big[250000];

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = i % 80 == 79 ? '\n' : i % 80 == 78 ? '\r' : 'x';
	content(big, sizeof(big) - sizeof(big) % 80);
	ok(run_script("cat >$1") == RUN_DONE, "a large message");
	size_t lines = sizeof(big) / 80;
	size_t n = get_result();
	ok(n > lines * 79 && strstr(all, "xx\nxx") != NULL &&
		n - (size_t)(strchr(strstr(all, "Delivered"), '\n') + 1 -
			     all) ==
		    lines * 79,
	    "is there whole");
	ok(run_script("exit 0") == RUN_DONE, "one that reads nothing of it");
	ok(run_script("exec <&-; exit 75") == RUN_LATER, "nor says it is done");
	ok(run_script("cat >/dev/null; yes | head -c 3000000; exit 69") ==
		    RUN_FAILED &&
		strcmp(text, "service unavailable (it says: y)") == 0,
	    "3 MB of output end in one line: %s", text);
	o.run.length = 1000000;
	ok(run_script("cat >$1") == RUN_LATER, "content that is cut off");
}

static void
test_ends(void)
{
	content("x\r\n", 3);
	ok(run_script("exit 3") == RUN_FAILED && strcmp(code, "5.3.0") == 0 &&
		strcmp(text, "command ended with status 3") == 0,
	    "an odd status: %s", text);
	ok(run_script("echo; echo ' no '; echo more; exit 77") == RUN_FAILED &&
		strcmp(code, "5.7.0") == 0 &&
		strcmp(text, "permission denied (it says: no)") == 0,
	    "what it says: %s", text);
	ok(run_script("kill -9 $$") == RUN_LATER && strcmp(code, "4.3.0") == 0,
	    "a signal: %s", text);
	o.run.text = "/nonexistent/command";
	ok(order_command(&o, NULL, code, text) == RUN_LATER &&
		strcmp(code, "4.3.5") == 0,
	    "one that is not there: %s", text);
	o.run.text = "relative";
	ok(order_command(&o, NULL, code, text) == RUN_FAILED,
	    "no absolute path: %s", text);
	o.time = 300;
	ok(run_script("sleep 100") == RUN_LATER &&
		strcmp(text, "command time limit exceeded") == 0,
	    "one that takes too long");
	o.time = 20000;
	ok(run_script("sleep 100 & exit 0") == RUN_DONE,
	    "one whose child goes on");
}

static void
test_exits(void)
{
	const char *c, *phrase;
	bool good = true;

	for (int s = 0; s < 256; s++) {
		enum run_outcome out = order_exit(s, &c, &phrase);
		enum run_outcome want = s == 0		     ? RUN_DONE
					: s == 75 || s == 71 ? RUN_LATER
							     : RUN_FAILED;
		good &= out == want && c[0] == (out == RUN_DONE	      ? '2'
						   : out == RUN_LATER ? '4'
								      : '5');
	}
	ok(good, "0 is done, 75 and 71 are later, the rest has failed");
}

static const char *
value(const struct command_env *e, const char *name)
{
	size_t n = strlen(name);

	for (unsigned i = 0; e->envp[i] != NULL; i++)
		if (strncmp(e->envp[i], name, n) == 0 && e->envp[i][n] == '=')
			return e->envp[i] + n + 1;
	return "";
}

static void
test_env(void)
{
	struct command_env e;

	o.run.sender = "\"a;b`c\n\"$(x)@example.org";
	snprintf(o.extension, sizeof(o.extension), "a b|c");
	ok(command_env(&e, &o), "an environment");
	ok(strcmp(value(&e, "SENDER"), "_a_b_c____x_@example.org") == 0,
	    "nothing for a shell in SENDER: %s", value(&e, "SENDER"));
	ok(strcmp(value(&e, "EXTENSION"), "a_b_c") == 0, "nor in EXTENSION");
	ok(strcmp(value(&e, "LOCAL"), "bob") == 0 &&
		strcmp(value(&e, "DOMAIN"), "example.org") == 0 &&
		strcmp(value(&e, "SHELL"), "/bin/sh") == 0,
	    "LOCAL, DOMAIN, SHELL");
}

static unsigned
descriptors(void)
{
	unsigned open = 0;

	for (int fd = 0; fd < 64; fd++)
		open += fcntl(fd, F_GETFD) != -1;
	return open;
}

/* A message that did not get to its command whole is tried again, whatever the
 * command said of it. */
static void
test_faults(void)
{
	static const int errors[] = { EMFILE, EAGAIN, ENOMEM, EIO };
	unsigned before = descriptors(), n;

	content("a: b\r\n\r\nx\r\n", 11);
	calls = fail_at = 0;
	ok(run_script("cat >$1") == RUN_DONE, "without a fault");
	n = calls;
	ok(n >= 5, "three pipes, a process, the message: %u calls", n);
	for (size_t i = 0; i < NELEM(errors); i++) {
		bool good = true;
		fail_with = errors[i];
		for (fail_at = 1; fail_at <= n; fail_at++) {
			calls = 0;
			good &= run_script("cat >$1") == RUN_LATER &&
				code[0] == '4' && text[0] != '\0';
		}
		ok(good, "%s, at each of %u calls: later", strerror(errors[i]),
		    n);
	}
	fail_at = 0;
	ok(descriptors() == before, "nothing is left open");
}

int
main(void)
{
	set_up();
	test_exits();
	test_env();
	o.run.sender = "alice@example.org";
	test_input();
	test_sizes();
	test_ends();
	test_faults();
	unlink(script);
	unlink(result);
	rmdir(dir);
	return done_testing();
}
