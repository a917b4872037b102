#!/usr/bin/perl
# pennyctl passwd, check, log.
use strict;
use warnings;
use lib 't/lib';
use Digest::MD5 'md5_hex';
use Fcntl qw(F_SETLK F_WRLCK SEEK_SET);
use Digest::SHA qw(hmac_sha256 sha256);
use JSON::PP ();
use MIME::Base64;
use POSIX ();
use Test::More;
use Pennypost;

my $pp = Pennypost->new(both => { apop => undef });
my $dir = $pp->dir;
spew("$dir/secrets", "# ours\nalice:{PLAIN}alice-secret\n" .
    "bob:{PLAIN}bob-secret\n", 0600);
$pp->{o}{both}{secrets} = "$dir/secrets";
delete $pp->{o}{both}{apop};
$pp->write_config('smtpd');
$pp->write_config('pop3d', apop => 'yes');
my $conf = $pp->conf_file('smtpd');
my $bin = -x Pennypost::top() . "/$ENV{O}/spool/pennyctl" ?
    Pennypost::top() . "/$ENV{O}/spool" : "$ENV{O}/spool";
sub passwd {
	my ($password, @args) = @_;
	return run({ input => $password }, "$bin/pennyctl", '-f', $conf,
	    'passwd', @args);
}
sub users { slurp("$dir/users") }
sub secrets { slurp("$dir/secrets") }
sub login {
	my ($user, $password) = @_;
	my $p = $pp->pop3_as($user, pass => $password);
	$p->cmd('QUIT');
	return $p->{login} =~ /^\+OK/;
}
$pp->start;

# ---- a change ----
my $before = users();
my ($st, $out) = passwd("new pass word\n", 'alice');
is("$st $out", "0 alice: changed\n", 'passwd: a password from a pipe');
my ($hash) = users() =~ /^alice:([^:]*):/m;
like($hash, qr/^\$y\$/, 'yescrypt');
is(crypt('new pass word', $hash), $hash, 'of that password');
(my $expected = $before) =~ s/^(alice:)[^:]*/$1$hash/m;
is(users(), $expected, 'and nothing else has changed');
is(secrets(), "# ours\nbob:{PLAIN}bob-secret\n" .
    "alice:{PLAIN}new pass word\n", 'her secret has changed, in its form');
is((stat "$dir/users")[2] & 07777, 0600, 'the mode has not');
ok(wait_for(30, sub { login('alice', 'new pass word') }), 'she logs in so');
ok(!login('alice', 'alice-pass'), 'and not as before');
my $c = $pp->pop3;
my ($stamp) = $c->{greeting} =~ /(<\S+>)/;
like($c->cmd('APOP alice ' . md5_hex("${stamp}new pass word")), qr/^\+OK/,
    'by APOP, too');
$c->cmd('QUIT');

# ---- owner, group and mode ----
SKIP: {
	skip 'needs root to give files away', 2 unless is_root();
	chown 0, 64001, "$dir/users";
	chmod 0640, "$dir/users";
	($st, $out) = passwd("third\n", 'alice');
	is($st, 0, 'a file of a group') or diag($out);
	my @st = stat "$dir/users";
	is(sprintf('%o %d', $st[2] & 07777, $st[5]), '640 64001', 'keeps group and mode');
}
# Through a link.
rename "$dir/users", "$dir/users.real" or die;
symlink 'users.real', "$dir/users" or die;
($st, $out) = passwd("fourth\n", 'ALICE');
is($st, 0, 'a link, and other case') or diag($out);
ok(-l "$dir/users", 'stays one');
($hash) = users() =~ /^alice:([^:]*):/m;
is(crypt('fourth', $hash), $hash, 'what it leads to has changed');
rename "$dir/users.real", "$dir/users" or die;

# ---- a new one ----
($st, $out) = passwd("dave-pass\n", 'dave');
is($st, 2, 'a new user without uid');
like($out, qr/--uid, --gid and --home/, 'is told what is needed');
my ($uid, $gid) = ($pp->user_uid('dave'), $pp->user_gid('dave'));
($st, $out) = passwd("dave-pass\n", '--uid', $uid, '--gid', $gid, '--home',
    "$dir/home/dave", '--gecos', 'Dave D.', '--scram', 'dave');
is("$st $out", "0 dave: added\n", 'with them');
like(users(), qr/^dave:\$y\$[^:]*:$uid:$gid:Dave D\.:\Q$dir\E\/home\/dave$/m,
    'a line');
my ($n, $salt, $stored) =
    secrets() =~ /^dave:\{SCRAM-SHA-256\}(\d+),([^,]+),([^,]+),/m;
my $u = hmac_sha256(decode_base64($salt) . pack('N', 1), 'dave-pass');
my $h = $u;
for (2 .. $n) {
	$u = hmac_sha256($u, 'dave-pass');
	$h ^= $u;
}
is(encode_base64(sha256(hmac_sha256('Client Key', $h)), ''), $stored,
    'SCRAM-SHA-256 keys (RFC 5802 3)');
like(secrets(), qr/^dave:\{SCRAM-SHA-1\}\d+,/m, 'and SCRAM-SHA-1');
unlike(secrets(), qr/^dave:\{PLAIN\}/m, 'and not in clear');
ok(wait_for(30, sub { login('dave', 'dave-pass') }), 'he logs in');
($st, $out) = passwd("dave-2\n", '--plain', 'dave');
is(scalar(() = secrets() =~ /^dave:\{(?:PLAIN|SCRAM-SHA-\d+)\}/mg), 3,
    'all his forms are made anew');
unlike(secrets(), qr/\Q$stored\E/, 'of the new password');
like(secrets(), qr/^dave:\{PLAIN\}dave-2$/m, 'with the one that was asked for');

($st, $out) = passwd("cafe\xcc\x81 \xc2\xb2\n", 'dave');
ok(wait_for(30, sub { login('dave', "caf\xc3\xa9 2") }),
    'as SASLprep leaves it') or diag($out);
ok(login('dave', "cafe\xcc\x81 \xc2\xb2"), 'and as it was typed');

# ---- nothing changes when ----
my $is = users() . secrets();
sub refused {
	my ($re, $password, @args) = @_;
	my ($s, $o) = passwd($password, @args);
	ok($s == 2 && $o =~ $re, "refused: $re") or diag("$s $o");
	is(users() . secrets(), $is, 'and nothing has changed');
}
refused(qr/not empty/, "\n", 'alice');
refused(qr/no password/, '', 'alice');
refused(qr/blank at/, " x\n", 'alice');
refused(qr/control/, "a\tb\n", 'alice');
refused(qr/RFC 4013/, "a\xee\x80\x80\n", 'alice');
refused(qr/RFC 4013/, "a\xe4\n", 'alice');
refused(qr/Unicode 3\.2/, "a\xf0\x9f\x98\x80\n", 'alice');
refused(qr/too long/, 'x' x 512 . "\n", 'alice');
refused(qr/no password/, 'x' x 2000 . "\n", 'alice');
refused(qr/no password/, "x\0y\n", 'alice');
refused(qr/no name/, "x\n", 'a:b');
refused(qr/no name/, "x\n", '../x');
refused(qr/^usage:/m, "x\n", 'alice', 'in-arguments');
refused(qr/^usage:/m, "x\n", '--uid', '0x1', 'eve');
refused(qr/^usage:/m, "x\n", '--home', "/a:0:0", 'eve');
chmod 0666, "$dir/users";
refused(qr/others can change/, "x\n", 'alice');
chmod 0600, "$dir/users";
spew("$dir/users", users() . "broken\n", 0600);
$is = users() . secrets();
refused(qr/users\.pennyctl-new:\d+:/, "x\n", 'alice');
is(join(' ', grep { /new/ } glob "$dir/*"), '', 'no file is left');
(my $good = users()) =~ s/^broken\n//m;
spew("$dir/users", $good, 0600);

# ---- from a terminal ----
SKIP: {
	skip 'script(1) is not installed', 4 unless have('script');
	my $cmd = "$bin/pennyctl -f $conf passwd carol";
	for (['once', 'twice', 2], ['ttypass', 'ttypass', 0]) {
		my ($one, $two, $want) = @$_;
		# Each answer is given when it is asked for.
		pipe my $r, my $w or die;
		my $log = "$dir/tty";
		spew($log, '');
		my $pid = fork // die;
		if ($pid == 0) {
			close $w;
			open STDIN, '<&', $r or die;
			open STDOUT, '>', $log or die;
			{ no warnings; exec 'script', '-qefc', $cmd, '/dev/null'; }
			POSIX::_exit(127);
		}
		close $r;
		$w->autoflush(1);
		wait_for(30, sub { slurp($log) =~ /New password: \z/ });
		print $w "$one\n";
		wait_for(30, sub { slurp($log) =~ /Once more: \z/ });
		print $w "$two\n";
		waitpid $pid, 0;
		is($? >> 8, $want, "terminal: $one, $two") or diag(slurp($log));
		unlike(slurp($log), qr/\Q$one\E/, 'without echo');
	}
}

# ---- two at the same time ----
my @pids;
for my $i (1 .. 8) {
	my $pid = fork // die;
	if ($pid == 0) {
		my ($s) = passwd("p$i\n", '--uid', $uid, '--gid', $gid, '--home',
		    "/h$i", "user$i");
		POSIX::_exit($s eq '0' ? 0 : 1);
	}
	push @pids, $pid;
}
my $bad = 0;
for (@pids) {
	waitpid $_, 0;
	$bad++ if $?;
}
is($bad, 0, 'eight at the same time');
is(scalar(() = users() =~ /^user\d:/mg), 8, 'none is lost');

# Who waits for the lock, and finds then that the file is another one by now,
# begins with that one.  A lock is a process's: it is held here.
{
	# Reading the file here would end the lock.
	spew("$dir/users.other", users() . "other:!:$uid:${gid}::/o\n", 0600);
	open my $held, '+<', "$dir/users" or die $!;
	my $inode = (stat $held)[1];
	my $lock = pack 's s x4 q q i x4', F_WRLCK, SEEK_SET, 0, 0, 0;
	fcntl $held, F_SETLK, $lock or die "lock: $!";
	my $pid = fork // die $!;
	if ($pid == 0) {
		my ($s) = passwd("late\n", '--uid', $uid, '--gid', $gid, '--home',
		    '/late', 'late');
		POSIX::_exit($s eq '0' ? 0 : 1);
	}
	ok(wait_for(30, sub {
		open my $l, '<', '/proc/locks' or return;
		grep { /-> .*:$inode / } <$l> }), 'one waits for the lock');
	rename "$dir/users.other", "$dir/users" or die $!;
	close $held;
	waitpid $pid, 0;
	is($?, 0, 'and is served');
	like(users(), qr/^other:/m, 'what somebody else put there stays');
	like(users(), qr/^late:/m, 'and its own is there');
}

# ---- check ----
mkdir "$dir/sbin";
symlink Pennypost::program($_), "$dir/sbin/$_" for qw(smtpd pop3d);
sub check {
	return run({ env => { PENNYPOST_PROGRAMS => "$dir/sbin" },
	    seconds => 120 }, "$bin/pennyctl", '-f', $conf, 'check', '--pop3d',
	    $pp->conf_file('pop3d'));
}
$pp->send('alice@example.org', message("c$_")) for 1 .. 2;
wait_for(20, sub { $pp->mbox('alice') =~ /Subject: c2/ });
$pp->stop;
($st, $out) = check();
like($out, qr/^alice: 2 messages, no fault$/m, 'check: a mailbox');
like($out, qr/^bob: no mailbox yet$/m, 'none');
like($out, qr/^queue: 0 messages, no fault$/m, 'the queue');
like($out, qr/^smtpd: \Q$conf\E: (?:no fault|see above)$/m, 'smtpd -t');
spew($pp->mailbox('carol'), "no mailbox at all\n", 0600);
chown $pp->user_uid('carol'), $pp->user_gid('carol'), $pp->mailbox('carol')
    if is_root();
spew($conf, slurp($conf) . "workers_mux 3\n", 0644);
($st, $out) = check();
is($st, $st >= 1 ? $st : 1, 'check: faults');
like($out, qr/workers_mux/, 'of the configuration');
like($out, qr/^smtpd: \S+: see above$/m, 'which is said');
like($out, qr/^(?:pennyctl: )?carol: (?!\d+ messages, no fault)/m,
    'of a mailbox') or diag($out);

# ---- log ----
spew("$dir/log", join('', map "$_\n",
    'Nov 21 04:00:00 h postfix/smtpd[1]: 4F00AA0011: client=x[192.0.2.1]',
    'Nov 21 04:00:00 h postfix/smtpd[1]: 4F00AA00112: client=y[192.0.2.1]',
    'Nov 21 04:00:01 h postfix/qmgr[2]: 4F00AA0011: from=<a>',
    "Nov 21 04:00:01 h postfix/qmgr[2]: 4F00AA0011: \e[2Jodd",
    'Nov 21 04:00:01 h x: ' . '4F00AA0011 ' . 'y' x 40000,
    'Nov 21 04:00:02 h postfix/local[2]: 4F00AA0012: to=<b>, queued as 4F00AA0011)'));
sub lines {
	my ($s, $o) = run("$bin/pennyctl", 'log', @_);
	return ($s, split /\n/, $o);
}
my ($s, @l) = lines('-F', "$dir/log", '4F00AA0011');
is("$s " . @l, '0 5', 'log: the lines of that id, and no others');
is(scalar(grep { /\e/ } @l), 0, 'printable');
is(length($l[3]) < 20000, 1, 'a long one is cut');
($s, @l) = lines('-F', "$dir/log", '--json', '4F00AA0012');
is(JSON::PP->new->decode($l[0])->{id}, '4F00AA0012', 'log --json');
($s, @l) = lines('-F', "$dir/log", 'FFFFFFFFFF');
is("$s @l", '1 ', 'none');
($s, @l) = lines('-F', "$dir/nolog", 'FFFFFFFFFF');
ok($s == 2 && "@l" =~ /nolog/, 'no such file');
($s, @l) = lines('-F', "$dir/log", 'x y');
is($s, 2, 'no id');
my ($t, $o) = run({ input => slurp("$dir/log") }, "$bin/pennyctl", 'log', '-F',
    '-', '4F00AA0012');
is("$t $o", '0 ' . (slurp("$dir/log") =~ /^(.*0012: to.*\n)/m)[0],
    'from standard input');
# Without a file it is the journal's lines.
mkdir "$dir/fake";
spew("$dir/fake/journalctl", "#!/bin/sh\necho \"\$*\" >$dir/asked\n" .
    "cat $dir/log\nexit \$(cat $dir/code)\n", 0755);
spew("$dir/code", "0\n", 0644);
{
	local $ENV{PATH} = "$dir/fake:$ENV{PATH}";
	($s, @l) = lines('4F00AA0011');
	is("$s " . @l, '0 5', 'log: from the journal');
	is(slurp("$dir/asked"), "-q --no-pager -oshort -n all\n", 'all of it');
	($s, @l) = lines('FFFFFFFFFF');
	is("$s @l", '1 ', 'nothing there');
	($s, @l) = lines('-f', '4F00AA0012');
	is("$s " . @l, '0 1', 'following it');
	is(slurp("$dir/asked"), "-q --no-pager -oshort -n all -f\n",
	    'is what journalctl is told');
	spew("$dir/code", "1\n", 0644);
	($s, @l) = lines('4F00AA0012');
	is($s, 2, 'journalctl fails');
	local $ENV{PATH} = "$dir/none";
	($s, @l) = lines('4F00AA0012');
	ok($s == 2 && "@l" =~ /journalctl: No such file/, 'or is not there');
}
# Following, across a rotation.
my $pid = fork // die;
if ($pid == 0) {
	open STDOUT, '>', "$dir/followed" or POSIX::_exit(1);
	{ no warnings; exec "$bin/pennyctl", 'log', '-f', '-F', "$dir/log",
	    '4F00AA0011'; }
	POSIX::_exit(127);
}
ok(wait_for(30, sub { -e "$dir/followed"
    && (() = slurp("$dir/followed") =~ /\n/g) == 5 }), 'log -f: what is there');
open my $f, '>>', "$dir/log" or die;
print $f "x: 4F00AA0011: half";
close $f;
rename "$dir/log", "$dir/log.1" or die;
open $f, '>>', "$dir/log.1" or die;
print $f " and half\n";
close $f;
spew("$dir/log", "x: 4F00AA0011: in the new one\n");
ok(wait_for(30, sub { slurp("$dir/followed") =~ /in the new one$/m }),
    'a new file of that name');
like(slurp("$dir/followed"), qr/half and half\nx: .*new one$/m,
    'behind the end of the old one');
kill 'TERM', $pid;
waitpid $pid, 0;
done_testing();
