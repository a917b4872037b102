/* The role expand itself, in a process of its own: the queue's questions, and
 * what a queue that was taken over might ask. */
#define _GNU_SOURCE
#include "spool/svc_expand.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/ctl.h"
#include "common/log.h"
#include "common/msg.h"
#include "spool/ask_expand.h"
#include "t/unit/tap.h"

enum { EXPAND_UID = 54323, MEMBERS = 3000 };

static char dir[] = "/tmp/expand.XXXXXX";
static char users_path[64], conf_path[64], alias_path[64], list_path[64];
static pid_t expand;
static int ctl, queue;
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
	if (geteuid() == 0 && fchown(fd, 0, EXPAND_UID) == -1)
		abort();
	close(fd);
	if (rename(tmp, path) == -1)
		abort();
}

static void
start_expand(void)
{
	static struct role r = { .id = ROLE_EXPAND, .key_ask = -1 };
	int c[2], q[2];
	char *err;

	if (channel_pair(c) == -1 || channel_pair(q) == -1)
		abort();
	expand = fork();
	if (expand == 0) {
		r.settings = settings_read(conf_path, false, &err);
		if (r.settings == NULL) {
			fprintf(stderr, "%s\n", err);
			_exit(2);
		}
		for (int i = 0; i < ROLE__N; i++)
			r.peer[i] = -1;
		r.root = geteuid() == 0;
		r.ctl = c[1];
		r.peer[ROLE_QUEUE] = q[1];
		log_open(-1, "expand");
		close(c[0]);
		close(q[0]);
		svc_expand_main(&r);
		_exit(3);
	}
	close(c[1]);
	close(q[1]);
	ctl = c[0];
	queue = q[0];
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
	int fd = introduce(queue, &in);

	if (fd == -1)
		abort();
	return fd;
}

static bool
dropped(int w)
{
	bool gone = readable(w, 60000) && msg_recv(w, &m) == 0;

	close(w);
	return gone;
}

static void
test_resolve(int w)
{
	static const char *const address[] = { "alice@example.org", "staff",
		"x@elsewhere.example", "zoe", "gone", "root" };
	struct expand_answer a[NELEM(address)];

	expand_put_resolve(&m, address, NELEM(address));
	if (!ok(msg_call(w, &m, 60000) &&
		    expand_got_resolve(&m, a, NELEM(address)),
		"a batch is answered"))
		return;
	ok(a[0].kind == EXPAND_LOCAL && strcmp(a[0].text, "alice") == 0 &&
		strcmp(a[0].more, "alice@example.org") == 0,
	    "a user");
	ok(a[1].kind == EXPAND_LIST &&
		strcmp(a[1].text, "staff@example.org") == 0,
	    "a list");
	ok(a[2].kind == EXPAND_FOREIGN, "another host's");
	ok(a[3].kind == EXPAND_UNKNOWN, "nobody");
	ok(a[4].kind == EXPAND_MOVED &&
		strcmp(a[4].text, "new@elsewhere.example") == 0,
	    "somebody who has moved");
	ok(a[5].kind == EXPAND_LIST, "root has an alias");
}

static bool
open_list(int w, const char *address, struct expand_list *l)
{
	expand_put_list(&m, address);
	return msg_call(w, &m, 60000) && expand_got_list(&m, l);
}

/* Reads the targets from first on; how many there were. */
static unsigned
read_pages(int w, unsigned first, struct alias_target *last)
{
	unsigned all = 0;
	uint32_t n = 1;

	while (n > 0) {
		expand_put_page(&m, first + all);
		if (!msg_call(w, &m, 60000) || !expand_got_page(&m, &n))
			return 0;
		for (uint32_t i = 0; i < n; i++)
			if (!expand_got_target(&m, last))
				return 0;
		if (!msg_done(&m))
			return 0;
		all += n;
	}
	return all;
}

static void
test_lists(int w)
{
	struct expand_list l;
	struct alias_target t;
	int other = new_peer(INTRO_QUEUE);

	ok(open_list(w, "staff+x@example.org", &l) && l.a.kind == EXPAND_LIST &&
		l.n == 3 && strcmp(l.owner, "owner-staff@example.org") == 0 &&
		strcmp(l.key, "staff") == 0,
	    "a list with an owner");
	ok(read_pages(w, 0, &t) == 3 && t.kind == TARGET_COMMAND &&
		strcmp(t.text, "/bin/x y") == 0,
	    "its targets");
	ok(open_list(other, "many", &l) && l.n == MEMBERS && l.owner[0] == '\0',
	    "a long list, for somebody else");
	ok(read_pages(w, 1, &t) == 2, "the first one goes on");
	ok(read_pages(other, 0, &t) == MEMBERS &&
		strcmp(t.text, "m2999@elsewhere.example") == 0,
	    "and all pages of the other");
	ok(read_pages(other, MEMBERS, &t) == 0 &&
		read_pages(other, UINT32_MAX, &t) == 0,
	    "nothing is behind the end");
	ok(open_list(w, "loop", &l) && l.a.kind == EXPAND_ERROR && l.n == 0 &&
		strcmp(l.a.more, "5.4.6") == 0 &&
		strncmp(l.a.text, "alias loop", 10) == 0,
	    "a loop");
	ok(open_list(w, "alice", &l) && l.a.kind == EXPAND_LOCAL && l.n == 0,
	    "no list at all");
	put_file(alias_path, "staff: bob\n", 0644);
	ok(open_list(w, "staff", &l) && l.n == 1, "the file has changed");
	put_file(alias_path, "staff: b o b\n", 0644);
	ok(open_list(w, "staff", &l) && l.n == 1,
	    "for the worse: what was read before stays in force");
	close(other);
}

static void
test_hostile(int good)
{
	static const char *const bob[] = { "bob" };
	struct expand_answer a;
	char text[ADDR_MAX + 2];
	int w = new_peer(INTRO_QUEUE);

	expand_put_page(&m, 0);
	msg_send(w, &m);
	ok(dropped(w), "a page of no list");
	memset(text, 'x', sizeof(text));
	msg_start(&m, EXPAND_LIST_OPEN);
	msg_put_view(&m, (struct view){ text, ADDR_MAX + 1 });
	msg_send(w = new_peer(INTRO_QUEUE), &m);
	ok(dropped(w), "an address that is one octet too long");
	msg_start(&m, EXPAND_RESOLVE);
	msg_put_u32(&m, EXPAND_BATCH + 1);
	for (int i = 0; i <= EXPAND_BATCH; i++)
		msg_put_str(&m, "bob");
	msg_send(w = new_peer(INTRO_QUEUE), &m);
	ok(dropped(w), "one address too many");
	msg_start(&m, EXPAND_RESOLVE);
	msg_put_u32(&m, 2);
	msg_put_str(&m, "bob");
	msg_send(w = new_peer(INTRO_QUEUE), &m);
	ok(dropped(w), "fewer than it says");
	msg_start(&m, EXPAND_RESOLVE);
	msg_put_u32(&m, 0);
	msg_put_str(&m, "bob");
	msg_send(w = new_peer(INTRO_QUEUE), &m);
	ok(dropped(w), "none");
	msg_start(&m, EXPAND_RESOLVE);
	msg_put_u32(&m, 1);
	msg_put_view(&m, (struct view){ "a\0b", 3 });
	msg_send(w = new_peer(INTRO_QUEUE), &m);
	ok(dropped(w), "a NUL");
	expand_put_list(&m, "staff");
	m.fd = 0;
	msg_send(w = new_peer(INTRO_QUEUE), &m);
	ok(dropped(w), "a descriptor");
	ok(dropped(new_peer(INTRO_WORKER)), "an asker who is not the queue");
	ok(dropped(new_peer(INTRO_USER)), "nor a user");
	expand_put_resolve(&m, bob, 1);
	ok(msg_call(good, &m, 60000) && expand_got_resolve(&m, &a, 1) &&
		a.kind == EXPAND_LOCAL,
	    "the others are served");
}

/* What the queue believes of an answer. */
static void
test_answers(void)
{
	struct expand_answer a[2];
	struct expand_list l;
	struct alias_target t;
	uint32_t n;

	m.fd = -1;
	msg_start(&m, EXPAND_RESOLVE);
	msg_put_u32(&m, 1);
	msg_put_u32(&m, EXPAND__N);
	msg_put_str(&m, "");
	msg_put_str(&m, "");
	ok(!expand_got_resolve(&m, a, 1), "a kind that there is not");
	msg_start(&m, EXPAND_RESOLVE);
	msg_put_u32(&m, 2);
	ok(!expand_got_resolve(&m, a, 1), "more answers than questions");
	msg_start(&m, EXPAND_LIST_OPEN);
	msg_put_u32(&m, EXPAND_LIST);
	for (int i = 0; i < 4; i++)
		msg_put_str(&m, "");
	msg_put_u32(&m, 0);
	ok(!expand_got_list(&m, &l), "a list of nobody");
	msg_start(&m, EXPAND_LIST_OPEN);
	msg_put_u32(&m, EXPAND_LOCAL);
	for (int i = 0; i < 4; i++)
		msg_put_str(&m, "");
	msg_put_u32(&m, 1);
	ok(!expand_got_list(&m, &l), "a user with members");
	msg_start(&m, EXPAND_LIST_PAGE);
	msg_put_u32(&m, EXPAND_PAGE_MAX + 1);
	ok(!expand_got_page(&m, &n) && n == 0, "a page that is too long");
	msg_start(&m, EXPAND_LIST_PAGE);
	msg_put_u32(&m, 1);
	msg_put_u32(&m, TARGET_INCLUDE);
	msg_put_str(&m, "/x");
	ok(expand_got_page(&m, &n) && !expand_got_target(&m, &t),
	    "a target that is none any more");
}

int
main(void)
{
	char text[400];
	int how;

	signal(SIGPIPE, SIG_IGN);
	if (mkdtemp(dir) == NULL || chmod(dir, 0755) == -1)
		return 1;
	(void)snprintf(users_path, sizeof(users_path), "%s/users", dir);
	(void)snprintf(conf_path, sizeof(conf_path), "%s/conf", dir);
	(void)snprintf(alias_path, sizeof(alias_path), "%s/aliases", dir);
	(void)snprintf(list_path, sizeof(list_path), "%s/list", dir);
	(void)snprintf(text, sizeof(text),
	    "users %s\nsystem_users no\nrole_user lookup %d\naliases %s\n"
	    "hostname t.example\nlocal_domains example.org\npostmaster bob\n",
	    users_path, (int)EXPAND_UID, alias_path);
	put_file(conf_path, text, 0600);
	put_file(
	    users_path, "bob:!:1002:1002::/\nalice:!:1003:1003::/\n", 0600);
	(void)snprintf(text, sizeof(text),
	    "staff: alice, bob, \"|/bin/x y\"\nowner-staff: bob\nloop: pool\n"
	    "pool: loop\ngone: :moved: new@elsewhere.example\nroot: alice\n"
	    "many: :include:%s\n",
	    list_path);
	put_file(alias_path, text, 0644);
	char *list = NULL;
	size_t size;
	FILE *f = open_memstream(&list, &size);
	for (int i = 0; i < MEMBERS; i++)
		fprintf(f, "m%d@elsewhere.example\n", i);
	fclose(f);
	put_file(list_path, list, 0644);
	free(list);
	start_expand();
	if (ok(readable(ctl, 60000) && msg_recv(ctl, &m) == 1 &&
		    m.type == CTL_READY,
		"expand is ready")) {
		int w = new_peer(INTRO_QUEUE);
		test_resolve(w);
		test_hostile(w);
		test_lists(w);
		test_answers();
		close(ctl);
		ok(waitpid(expand, &how, 0) == expand && WIFEXITED(how) &&
			WEXITSTATUS(how) == 0,
		    "without a master it ends");
	}
	unlink(users_path);
	unlink(conf_path);
	unlink(alias_path);
	unlink(list_path);
	rmdir(dir);
	return done_testing();
}
