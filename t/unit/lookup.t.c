/* The lookup role itself, in a process of its own. */
#define _GNU_SOURCE
#include "smtpd/svc_lookup.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/ctl.h"
#include "common/log.h"
#include "common/msg.h"
#include "smtpd/ask_lookup.h"
#include "t/unit/tap.h"

enum { LOOKUP_UID = 54322 };

static char dir[] = "/tmp/lookup.XXXXXX";
static char users_path[64], conf_path[64];
static pid_t lookup;
static int ctl, pool;
static struct msg m;

static void
put_file(const char *path, const char *text, mode_t mode)
{
	char tmp[80];

	(void)snprintf(tmp, sizeof(tmp), "%s.new", path);
	int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd == -1 || write(fd, text, strlen(text)) == -1 ||
	    fchmod(fd, mode) == -1)
		abort();
	if (geteuid() == 0 && fchown(fd, 0, LOOKUP_UID) == -1)
		abort();
	close(fd);
	if (rename(tmp, path) == -1)
		abort();
}

static void
start_lookup(void)
{
	static struct role r = { .id = ROLE_LOOKUP, .key_ask = -1 };
	int c[2], p[2];
	char *err;

	if (channel_pair(c) == -1 || channel_pair(p) == -1)
		abort();
	lookup = fork();
	if (lookup == 0) {
		r.settings = settings_read(conf_path, false, &err);
		if (r.settings == NULL) {
			fprintf(stderr, "%s\n", err);
			_exit(2);
		}
		for (int i = 0; i < ROLE__N; i++)
			r.peer[i] = -1;
		r.root = geteuid() == 0;
		r.ctl = c[1];
		r.peer[ROLE_POOL] = p[1];
		log_open(-1, "lookup");
		close(c[0]);
		close(p[0]);
		svc_lookup_main(&r);
		_exit(3);
	}
	close(c[1]);
	close(p[1]);
	ctl = c[0];
	pool = p[0];
}

static bool
readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

static int
new_peer(enum introduce kind)
{
	struct intro in = { .kind = kind };
	int fd = introduce(pool, &in);

	if (fd == -1)
		abort();
	return fd;
}

static bool
says(int w, const char *address, enum rcpt_kind kind, const char *user,
    const char *to)
{
	struct rcpt_answer a;
	bool good = ask_lookup_rcpt(w, address, &a) && a.kind == kind &&
		    strcmp(a.user, user) == 0 &&
		    strcmp(a.delivered_to, to) == 0;

	if (!good)
		printf("# %d <%s> <%s>\n", (int)a.kind, a.user, a.delivered_to);
	return good;
}

static bool
dropped(int w)
{
	bool gone = readable(w, 60000) && msg_recv(w, &m) == 0;

	close(w);
	return gone;
}

static void
test_answers(int w)
{
	ok(says(w, "bob+x@example.org", RCPT_LOCAL, "bob", "bob@example.org"),
	    "a user");
	ok(says(w, "zoe@example.org", RCPT_UNKNOWN, "", ""), "nobody");
	ok(says(w, "bob@elsewhere.example", RCPT_FOREIGN, "", ""), "foreign");
	ok(says(w, "PostMaster", RCPT_LOCAL, "bob", "bob@example.org"),
	    "postmaster");
	ok(says(w, "daemon@example.org", RCPT_LOCAL, "daemon",
	       "daemon@example.org"),
	    "a system user, asked for after the privileges are gone");
	ok(says(w, "root@example.org", RCPT_LOCAL, "bob", "bob@example.org"),
	    "root's mail goes to postmaster's user");
	ok(says(w, "no such address", RCPT_UNKNOWN, "", ""), "no address");
}

static void
test_hostile(int good)
{
	char text[ADDR_MAX + 2];
	int w = new_peer(INTRO_WORKER);

	memset(text, 'x', sizeof(text));
	msg_start(&m, LOOKUP_RCPT);
	msg_put_view(&m, (struct view){ text, ADDR_MAX + 1 });
	msg_send(w, &m);
	ok(dropped(w), "an address that is one octet too long");
	msg_start(&m, LOOKUP_RCPT);
	msg_put_view(&m, (struct view){ "a\0b", 3 });
	msg_send(w = new_peer(INTRO_WORKER), &m);
	ok(dropped(w), "a NUL");
	msg_start(&m, LOOKUP_RCPT);
	msg_put_str(&m, "bob");
	msg_put_u32(&m, 1);
	msg_send(w = new_peer(INTRO_WORKER), &m);
	ok(dropped(w), "something behind it");
	msg_start(&m, LOOKUP_RCPT);
	msg_put_u32(&m, 0xffffffff);
	msg_send(w = new_peer(INTRO_WORKER), &m);
	ok(dropped(w), "a length of 4 GiB");
	msg_start(&m, LOOKUP_RCPT);
	msg_put_str(&m, "bob");
	m.fd = 0;
	msg_send(w = new_peer(INTRO_WORKER), &m);
	ok(dropped(w), "a descriptor");
	msg_start(&m, 3);
	msg_send(w = new_peer(INTRO_WORKER), &m);
	ok(dropped(w), "an unknown request");
	ok(dropped(new_peer(INTRO_USER)), "an asker who is no worker");
	ok(says(good, "bob", RCPT_LOCAL, "bob", "bob@example.org"),
	    "the others are served");
}

/* After the drop the file can be read again only if its group may. */
static void
test_change(int w)
{
	put_file(users_path, "bob:!:1002:1002::/\nnew:!:1003:1003::/\n", 0640);
	ok(says(w, "new", RCPT_LOCAL, "new", "new@example.org"),
	    "a new user in a file that the role's group may read");
	put_file(users_path, "bob:!:1002:1002::/\n", 0600);
	if (geteuid() == 0)
		ok(says(w, "new", RCPT_LOCAL, "new", "new@example.org"),
		    "unreadable: the users read before stay in force");
	else
		ok(says(w, "new", RCPT_UNKNOWN, "", ""), "a user went away");
}

int
main(void)
{
	char conf[400];
	int how;

	signal(SIGPIPE, SIG_IGN);
	if (mkdtemp(dir) == NULL || chmod(dir, 0755) == -1)
		return 1;
	(void)snprintf(users_path, sizeof(users_path), "%s/users", dir);
	(void)snprintf(conf_path, sizeof(conf_path), "%s/conf", dir);
	(void)snprintf(conf, sizeof(conf),
	    "users %s\nsystem_users yes\nrole_user lookup %d\n"
	    "hostname t.example\nlocal_domains example.org\npostmaster bob\n",
	    users_path, (int)LOOKUP_UID);
	put_file(conf_path, conf, 0600);
	put_file(users_path, "bob:!:1002:1002::/\n", 0640);
	start_lookup();
	if (ok(readable(ctl, 60000) && msg_recv(ctl, &m) == 1 &&
		    m.type == CTL_READY,
		"lookup is ready")) {
		int w = new_peer(INTRO_WORKER);
		test_answers(w);
		test_hostile(w);
		test_change(w);
		close(ctl);
		ok(waitpid(lookup, &how, 0) == lookup && WIFEXITED(how) &&
			WEXITSTATUS(how) == 0,
		    "without a master it ends");
		struct rcpt_answer a;
		ok(!ask_lookup_rcpt(w, "bob", &a) && a.kind == RCPT_LATER,
		    "and whoever asks is told so");
	}
	unlink(users_path);
	unlink(conf_path);
	rmdir(dir);
	return done_testing();
}
