/* What auth answers. */
#define _GNU_SOURCE
#include "t/unit/auth_role.h"

static void
test_yes(int w)
{
	static const struct {
		const char *user;
		uid_t uid;
	} cases[] = { { "alice", 1001 }, { "bob", 1002 }, { "carol", 1003 },
		{ "dave", 1004 }, { "erin", 1005 }, { "fritz", 1006 },
		{ "gert", 1007 }, { "ALICE", 1001 } };

	for (size_t i = 0; i < NELEM(cases); i++) {
		char name[USER_NAME_MAX], pass[64], lower[32], home[64];
		struct auth_client me = asker(w);
		struct intro in = { 0 };
		int right = -1, far = -1;
		bool good;
		size_t n = strlen(cases[i].user);

		for (size_t k = 0; k <= n; k++)
			lower[k] = (char)ascii_lower(cases[i].user[k]);
		(void)snprintf(pass, sizeof(pass), "%s-pass", lower);
		(void)snprintf(home, sizeof(home), "/home/%s", lower);
		good = ask_auth_password(&me, view_of(cases[i].user),
			   view_of(pass), "PLAIN", name, sizeof(name),
			   &right) == AUTH_YES &&
		       right != -1 && strcmp(name, lower) == 0;
		far = introduced(&in);
		good = good && far != -1 && in.kind == INTRO_USER &&
		       in.uid == cases[i].uid && in.gid == cases[i].uid &&
		       strcmp(in.user, lower) == 0 &&
		       strcmp(in.home, home) == 0;
		msg_start(&m, 7);
		good = good && msg_send(right, &m) == 0 &&
		       readable(far, 1000) && msg_recv(far, &m) == 1 &&
		       m.type == 7;
		ok(good, "%s gets in, and is introduced as such",
		    cases[i].user);
		close_fd(&right);
		close_fd(&far);
	}
}

/* Every refusal: the same answer, the same delay, one call of crypt(3), or two
 * where SASLprep changes the password. */
static void
test_no(int w)
{
	static char long_name[AUTH_USER_MAX + 1], long_pass[AUTH_PASS_MAX + 1];
	static const struct {
		const char *user, *pass, *what;
	} cases[] = {
		{ "alice", "wrong", "wrong password" },
		/* SASLprep: as it leaves it, then as it came. */
		{ "alice", "wr\xc2\xadong", "wrong in two ways" },
		{ "nobody-here", "wr\xc2\xadong", "the same, of nobody" },
		{ "locked", "wr\xc2\xadong", "the same, locked" },
		{ "alice", "alice-pass\xee\x80\x80",
		    "a password of which "
		    "nothing can be made" },
		{ "alice\xee\x80\x80", "x", "such a name" },
		{ "alice", "", "empty password" },
		{ "nobody-here", "alice-pass",
		    "no such user, with the "
		    "password of the model" },
		{ "locked", "locked-pass", "locked" },
		{ "locked", "!", "locked, its own hash" },
		{ "star", "star-pass", "'*0'" },
		{ "empty", "", "empty hash, empty password" },
		{ "empty", "x", "empty hash" },
		{ "root", "root-pass", "uid 0 with the right password" },
		{ "ROOT", "root-pass", "uid 0 in upper case" },
		{ "../alice", "alice-pass", "a path" },
		{ "", "x", "no name" },
		{ long_name, "x", "the longest name" },
		{ "alice", long_pass, "the longest password" },
		{ "nobody-here", long_pass, "the longest password, nobody" },
	};

	struct auth_client me = asker(w);

	memset(long_name, 'u', AUTH_USER_MAX);
	memset(long_pass, 'p', AUTH_PASS_MAX);
	for (size_t i = 0; i < NELEM(cases); i++) {
		unsigned long long before = calls_of(logged());
		static unsigned long long last;
		char name[USER_NAME_MAX] = "x";
		int right;
		bool twice = strstr(cases[i].pass, "\xc2\xad") != NULL;

		if (before != 0)
			last = before;
		int64_t start = now_ms();
		enum auth_result r = ask_auth_password(&me,
		    view_of(cases[i].user), view_of(cases[i].pass), "USER",
		    name, sizeof(name), &right);
		int64_t took = now_ms() - start;
		unsigned long long after = calls_of(logged());
		if (!ok(r == AUTH_NO && right == -1 && name[0] == '\0' &&
			    took >= DELAY - 1 && after == last + 1 + twice,
			"no: %s", cases[i].what))
			printf("# result %d after %d ms, calls %llu, %llu\n",
			    (int)r, (int)took, last, after);
		last = after;
	}
	ok(!readable(queue, 0), "nobody was introduced");
	char name[USER_NAME_MAX];
	int right;
	ok(ask_auth_password(&me, view_of("alice"), (struct view){ "a\0b", 3 },
	       "USER", name, sizeof(name), &right) == AUTH_NO &&
		ask_auth_password(&me, (struct view){ "a\0b", 3 }, view_of("x"),
		    "USER", name, sizeof(name), &right) == AUTH_NO &&
		check(w, "dave", "wrong") == AUTH_NO,
	    "a NUL is asked about by no honest worker");
}

static bool
dropped(int w)
{
	bool gone = answered(w, 60000) == -2;

	close(w);
	return gone;
}

static void
put_check(const char *user, size_t user_n, size_t pass_n, const char *mech,
    size_t client_n)
{
	static char filler[4096];

	memset(filler, 'x', sizeof(filler));
	msg_start(&m, AUTH_PASSWORD);
	msg_put_view(&m, (struct view){ user == NULL ? filler : user, user_n });
	msg_put_view(&m, (struct view){ filler, pass_n });
	msg_put_str(&m, mech);
	msg_put_view(&m, (struct view){ filler, client_n });
	m.fd = client;
}

static void
test_hostile(int good)
{
	int w = new_worker();
	static char mech[33];

	memset(mech, 'M', 32);
	put_check(NULL, AUTH_USER_MAX + 1, 5, "PLAIN", 5);
	msg_send(w, &m);
	ok(dropped(w), "a user that is one octet too long");
	put_check(NULL, 5, AUTH_PASS_MAX + 1, "PLAIN", 5);
	msg_send(w = new_worker(), &m);
	ok(dropped(w), "a password that is one octet too long");
	put_check(NULL, 5, 5, mech, 5);
	msg_send(w = new_worker(), &m);
	ok(dropped(w), "a mechanism that is too long");
	put_check(NULL, 5, 5, "PLAIN", 64);
	msg_send(w = new_worker(), &m);
	ok(dropped(w), "a client that is too long");
	put_check("al\0ice", 6, 5, "PLAIN", 5);
	msg_send(w = new_worker(), &m);
	ok(dropped(w), "a NUL in a name");
	put_check("alice", 5, 5, "PLAIN", 5);
	msg_put_u32(&m, 0);
	msg_send(w = new_worker(), &m);
	ok(dropped(w), "something behind the last field");
	put_check("alice", 5, 5, "PLAIN", 5);
	m.len -= 1;
	msg_send(w = new_worker(), &m);
	ok(dropped(w), "something missing");
	put_check("alice", 5, 5, "PLAIN", 5);
	m.fd = -1;
	msg_send(w = new_worker(), &m);
	ok(dropped(w), "no socket of a client");
	put_check("alice", 5, 5, "PLAIN", 5);
	m.type = 9;
	msg_send(w = new_worker(), &m);
	ok(dropped(w), "an unknown request");
	msg_start(&m, AUTH_PASSWORD);
	msg_put_u32(&m, 0xffffffff);
	msg_put_u64(&m, ~0ULL);
	msg_put_u32(&m, 0xffffffff);
	m.fd = client;
	msg_send(w = new_worker(), &m);
	ok(dropped(w), "lengths of 4 GiB");
	w = new_worker();
	(void)!write(w, "x", 1);
	ok(dropped(w), "one octet");
	struct intro user = { .kind = INTRO_USER, .user = "alice" };
	w = introduce(pool, &user);
	ok(dropped(w), "an asker who is no worker");
	ok(check(good, "dave", "dave-pass") == AUTH_YES,
	    "and the others are served");
}

static void
test_users_change(int w)
{
	struct buf b;

	ok(check(w, "newcomer", "newcomer-pass") == AUTH_NO,
	    "nobody of that name yet");
	buf_init(&b, 4096);
	add_user(&b, "newcomer", 2000, "$5$");
	put_file(users_path, buf_cstr(&b));
	ok(check(w, "newcomer", "newcomer-pass") == AUTH_YES,
	    "a new user can log in at once");
	put_file(users_path, "nonsense\n");
	ok(check(w, "newcomer", "newcomer-pass") == AUTH_YES,
	    "a broken file changes nothing");
	ok(strstr(logged(), ":1: not name:hash") != NULL, "but it is logged");
	/* The model is then the very hash of the one who must not get in. */
	buf_clear(&b);
	add_user(&b, "root", 0, "$5$");
	put_file(users_path, buf_cstr(&b));
	ok(check(w, "root", "root-pass") == AUTH_NO,
	    "root alone in the file does not get in");
	put_file(users_path, "# nobody\n");
	(void)logged();
	ok(check(w, "newcomer", "x") == AUTH_NO &&
		strstr(logged(), "crypt calls") != NULL,
	    "an empty file: the work is done with libcrypt's default");
	buf_free(&b);
	write_users();
	ok(check(w, "newcomer", "newcomer-pass") == AUTH_NO &&
		check(w, "alice", "alice-pass") == AUTH_YES,
	    "and back");
}

static void
test_no_queue(int w)
{
	int end[2];

	close(queue);
	ok(check(w, "dave", "dave-pass") == AUTH_LATER,
	    "queue has gone: later");
	ok(check(w, "dave", "wrong") == AUTH_NO, "a wrong password is wrong");
	if (channel_pair(end) == -1)
		abort();
	msg_start(&m, CTL_PEER);
	msg_put_u32(&m, ROLE_QUEUE);
	msg_put_u32(&m, 0);
	m.fd = end[1];
	msg_send(ctl, &m);
	close_fd(&m.fd);
	queue = end[0];
	ok(check(w, "dave", "dave-pass") == AUTH_YES, "a new queue: yes");
}

int
main(void)
{
	if (begin()) {
		int w = new_worker();
		test_yes(w);
		test_no(w);
		test_hostile(w);
		test_users_change(w);
		test_no_queue(w);
		test_stop(w);
	}
	clean_up();
	return done_testing();
}
