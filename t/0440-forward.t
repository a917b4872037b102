#!/usr/bin/perl
# ~/.forward of every kind: where the message goes, what runs it and as whom,
# what is not used, and what its end makes of the message.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

my $pp = Pennypost->start(shell => '/bin/sh', daemons => ['smtpd'],
    smtpd => { command_time => 8 * slow() . 's', retry_min => '1s', retry_max => '2s' });
my %home = map { $_ => $pp->make_home($_) } qw(alice bob carol);
my $out = "$pp->{dir}/out";
mkdir $out;
chmod 01777, $out;
my $tool = "$pp->{dir}/tool";
# Writes what it was given into files named by its first argument.
replace($tool, <<'END', 0755);
#!/usr/bin/perl
use strict;
my $base = shift;
open my $f, '>>', "$base.args" or exit 73;
print $f map { "[$_]" } @ARGV;
close $f;
local $/;
my $in = <STDIN>;
open $f, '>>', "$base.in" or exit 73;
print $f $in;
close $f;
open $f, '>>', "$base.env" or exit 73;
print $f map { "$_=$ENV{$_}\n" } sort keys %ENV;
print $f "uid=$< $> gid=$(|$)\ncwd=", readlink '/proc/self/cwd', "\n",
    'fds=', join(' ', grep { my $l = readlink "/proc/self/fd/$_";
	defined $l && $l !~ m{/tool$|\.env$|^/proc/} } 0 .. 99), "\n",
    grep /^NoNewPrivs/, split /^/m,
    do { open my $s, '<', '/proc/self/status'; <$s> };
close $f;
print STDERR "it has been told\nmore\n";
END

sub forward {
	my ($user, $text, $mode) = @_;
	my $file = "$home{$user}/.forward";
	# At once: what waits in the queue is tried again at any moment.
	return unlink $file unless defined $text;
	replace($file, $text, $mode // 0644, $pp->user_uid($user),
	    $pp->user_gid($user));
}
# Sends, and gives the queue id.
sub send_to {
	my ($to, $subject, @lines) = @_;
	my $r = $pp->send($to, message($subject, @lines),
	    from => 'alice@example.org');
	like($r, qr/^250 /, "$subject: accepted") or return '';
	return $r =~ /([0-9A-F]{14,})/ ? $1 : '';
}
sub in_mbox {
	my ($user, $subject, $name) = @_;
	ok(wait_for(20, sub { -e $pp->mailbox($user) &&
	    $pp->mbox($user) =~ /^Subject: \Q$subject\E$/m }), $name) or
	    diag($pp->log('smtpd') =~ s/.*(?=(?:.*\n){12}\z)//sr);
}
sub file_has {
	my ($file, $re, $name) = @_;
	my $got = '';
	ok(wait_for(20, sub { $got = -e $file ? slurp($file) : '';
	    $got =~ $re }), $name) or diag("$file: $got");
	return $got;
}
sub drained {
	my $name = shift;
	ok(wait_for(30, sub { !(() = glob "$pp->{dir}/queue/active/*") }),
	    $name // 'the queue is empty again');
}

# ---- addresses ----

forward('bob', "alice\n");
send_to('bob@example.org', 'one address');
in_mbox('alice', 'one address', 'goes to the other user');
drained();
ok(!-e $pp->mailbox('bob'), 'and not to bob');
like($pp->mbox('alice'), qr/^Delivered-To: bob\@example\.org$/m,
    'the message says through whom it came');
$pp->log_like('smtpd', qr/status=sent \(forwarded as [0-9A-F]+\)/,
    'and the log under which id it went on');

forward('bob', "# to both\n\\bob, Alice <alice\@example.org> # me\n\n");
send_to('bob+tag@example.org', 'both');
in_mbox($_, 'both', "\\user and an address, with comments: $_")
    for qw(alice bob);
drained();

forward('bob', "bob\nalice\n");
send_to('bob@example.org', 'oneself');
in_mbox($_, 'oneself', "one's own name is one's mailbox: $_")
    for qw(alice bob);
drained();
is(() = $pp->mbox('bob') =~ /^Subject: oneself$/mg, 1, 'once');
my ($own) = grep /^Subject: oneself$/m, split /^(?=From )/m, $pp->mbox('bob');
is(() = $own =~ /^Delivered-To: bob\@/mg, 1, 'which is said once, too');

spew("$home{bob}/friends", "alice # the first\nCarol <carol>\n", 0644);
chown $pp->user_uid('bob'), $pp->user_gid('bob'), "$home{bob}/friends"
    if is_root();
forward('bob', "\\bob\n:include:$home{bob}/friends\n");
send_to('bob@example.org', 'a list');
in_mbox($_, 'a list', "a file with a list: $_") for qw(alice bob carol);
drained();
unlink "$home{bob}/friends";

# ---- files ----

forward('bob', "\"$home{bob}/saved mail\"\n/dev/null\n");
send_to('bob@example.org', 'a file', 'From here', 'to there.');
my $saved = file_has("$home{bob}/saved mail", qr/there\.\n\n\z/,
    'a file gets the message');
$pp->log_like('smtpd', qr/\Q(delivered to file: $home{bob}\E\/saved mail\)/,
    'and the log says so');
like($saved, qr/\AFrom alice\@example\.org .*\nReturn-Path: /, 'as an mbox');
like($saved, qr/^>From here$/m, 'quoted');
drained('/dev/null takes its own, too');
my @st = stat "$home{bob}/saved mail";
is($st[2] & 07777, 0600, 'the file is private');
is($st[4], $pp->user_uid('bob'), "and bob's");

# ---- commands ----

forward('bob', qq{"|$tool $out/a one 'two \$HOME' \\"th ree\\" \\\\* ;id"\n});
send_to('bob+lists@example.org', 'a command', 'From here', 'on.');
file_has("$out/a.env", qr/NoNewPrivs/, 'a command runs');
my $head = qr/to=<bob\@example\.org>, orig_to=<bob\+lists\@example\.org>, /;
$pp->log_like('smtpd', qr/$head.* status=sent \(delivered to command: \Q$tool/,
    'the log says whose command had it, as that of Postfix');
is(slurp("$out/a.args"), '[one][two $HOME][th ree][*][;id]',
    'no shell looks at its words');
my $in = slurp("$out/a.in");
like($in, qr/\AFrom alice\@example\.org .*\nReturn-Path: <alice\@exa/,
    'it gets what a mailbox would');
like($in, qr/\nX-Original-To: bob\+lists\@example\.org\nDelivered-To: bob\@/,
    'all of it');
like($in, qr/\nFrom here\non\.\n\z/, 'not quoted, nothing behind it');
is(() = $in =~ /^Delivered-To: bob\@/mg, 1, 'said once, from a file, too');
unlike($in, qr/\r/, 'lines end in LF');
my %env = map { split /=/, $_, 2 } grep /=/, split /\n/, slurp("$out/a.env");
is($env{HOME}, $home{bob}, 'HOME');
is($env{cwd}, $home{bob}, 'where it runs');
is($env{$_}, 'bob', $_) for qw(USER LOGNAME);
is($env{SENDER}, 'alice@example.org', 'SENDER');
is($env{RECIPIENT}, 'bob@example.org', 'RECIPIENT');
is($env{EXTENSION}, 'lists', 'EXTENSION');
is(join(' ', grep /^[A-Z_]+$/, sort keys %env), 'DOMAIN EXTENSION HOME LOCAL '
    . 'LOGNAME ORIGINAL_RECIPIENT PATH QUEUE_ID RECIPIENT SENDER SHELL USER',
    'and nothing else is in its environment');
my ($uid, $gid) = ($pp->user_uid('bob'), $pp->user_gid('bob'));
like($env{uid}, qr/^$uid $uid gid=$gid(?: $gid)?\|$gid(?: $gid)?$/, 'as bob, in no other group')
    if is_root();
is($env{fds}, '0 1 2', 'no descriptor of ours');
drained();

# What a message carries cannot be more than text there.
$pp->send('bob+$`id`@example.org', message('odd'),
    from => '"a`id`;b"@example.org');
file_has("$out/a.env", qr/^SENDER=_a_id__b_\@example\.org$/m,
    'what a shell could take for more is not in it');
drained();

my %exit = (
	75 => [ qr/dsn=4\.3\.0, status=deferred \(temporary failure/, 0 ],
	67 => [ qr/dsn=5\.1\.1, status=bounced \(user unknown/, 1 ],
	77 => [ qr/dsn=5\.7\.0, status=bounced \(permission denied/, 1 ],
	9  => [ qr/dsn=5\.3\.0, status=bounced \(command ended with status 9/,
	    1 ],
);
my $exits = "$pp->{dir}/exits";
replace($exits, "#!/bin/sh\necho \"I say \$1\" >&2\nexit \$1\n", 0755);
for my $code (sort keys %exit) {
	my ($re, $gone) = @{ $exit{$code} };
	forward('bob', "|$exits $code\n");
	my $at = length $pp->log('smtpd');
	send_to('bob@example.org', "exit $code");
	$pp->log_like('smtpd', $re, "exit status $code", after => $at,
	    seconds => 20);
	$pp->log_like('smtpd', qr/it says: I say $code/, 'and what it said',
	    after => $at);
	if ($gone) {
		drained('the sender is told and it is gone');
	} else {
		forward('bob', "|$exits 0\n|$exits 75\n");
		ok(scalar(() = glob "$pp->{dir}/queue/active/*"),
		    'it stays in the queue');
		forward('bob', undef);
		in_mbox('bob', "exit $code",
		    'what is not forwarded any more goes to the mailbox');
		drained();
	}
}

# One that must be tried again does not make the others come again.
forward('bob', "\\bob\n|$tool $out/b\n|$exits 75\n");
send_to('bob@example.org', 'partly');
file_has("$out/b.env", qr/NoNewPrivs/, 'one target works');
$pp->log_like('smtpd', qr/temporary failure/, 'another does not at once');
my $tries = 0;
ok(wait_for(30, sub { $tries = () = $pp->log('smtpd') =~
    /status=deferred .*: \S+exits 75\)/g; $tries >= 3 }),
    'it is tried again and again');
replace($exits, "#!/bin/sh\nexit 0\n", 0755);
drained('until it works');
is(() = $pp->mbox('bob') =~ /^Subject: partly$/mg, 1, 'the mailbox has it once');
is(() = slurp("$out/b.in") =~ /^Subject: partly$/mg, 1, 'so has the command');

# ---- commands that behave badly ----

my $big = join '', map { 'x' x 70 . "\r\n" } 1 .. 20000;
replace($exits, "#!/bin/sh\nexec <&-\nexit 0\n", 0755);
forward('bob', "|$exits\n");
like($pp->send('bob@example.org', message('unread') . $big,
    from => 'alice@example.org'), qr/^250/,
    'a large message to one that reads nothing');
drained('is delivered: its exit status says so');

replace($exits, "#!/bin/sh\ncat >/dev/null\nyes | head -c 20000000\n" .
    "echo \$\$ >$out/c.done\n", 0755);
send_to('bob@example.org', 'loud');
file_has("$out/c.done", qr/\d/, 'one that writes 20 MB ends');
drained();

replace($exits, "#!/bin/sh\necho \$\$ >$out/slow.pid\nsleep 1000 &\n" .
    "sleep 1000\n", 0755);
my $at = length $pp->log('smtpd');
send_to('bob@example.org', 'slow');
$pp->log_like('smtpd', qr/status=deferred \(command time limit exceeded/,
    'one that takes too long is ended', after => $at, seconds => 60);
replace($exits, "#!/bin/sh\nsleep 1000 &\necho \$! >$out/left.pid\nexit 0\n", 0755);
drained('one that leaves a child behind holds up nobody');
kill 'KILL', slurp("$out/left.pid") + 0;
my $pid = slurp("$out/slow.pid") + 0;
ok(wait_for(10, sub { Pennypost::Proc::title($pid) !~ /\Q$exits\E/ }),
    'and it has ended');

replace($exits, "#!/bin/sh\nkill -SEGV \$\$\n", 0755);
$at = length $pp->log('smtpd');
send_to('bob@example.org', 'crash');
$pp->log_like('smtpd', qr/status=deferred \(command died by signal 11/,
    'one that crashes is tried again', after => $at, seconds => 20);
unlink $exits;
$pp->log_like('smtpd', qr/status=deferred \(command cannot be started: No/,
    'so is one that is not there', after => $at, seconds => 20);
replace($exits, "#!/bin/sh\ncat >$out/late.in\n", 0755);
file_has("$out/late.in", qr/Subject: crash/, 'until it is');
drained();

# ---- a program nobody here wrote ----

SKIP: {
	my $procmail = have('procmail') or skip 'procmail is not installed', 9;
	spew("$home{bob}/.procmailrc", <<"END", 0600);
DEFAULT=$home{bob}/default
MAILDIR=$home{bob}
LOGFILE=$home{bob}/procmail.log
:0:
* ^Subject: to be filed
filed

:0
* ^Subject: no thanks
{
	EXITCODE=67
	HOST
}
END
	chown $pp->user_uid('bob'), $pp->user_gid('bob'),
	    "$home{bob}/.procmailrc" if is_root();
	forward('bob', "\"|$procmail -p -m HOME=$home{bob} " .
	    "$home{bob}/.procmailrc\"\n");
	send_to('bob@example.org', 'to be filed', 'From here', 'on.');
	my $filed = file_has("$home{bob}/filed", qr/^on\.\n\n/m,
	    'procmail files a message');
	like($filed, qr/\AFrom alice\@example\.org /, 'as an mbox');
	is(() = $filed =~ /^From /mg, 1, 'with one From_ line, quoted by it')
	    or diag($filed);
	send_to('bob@example.org', 'by default');
	file_has("$home{bob}/default", qr/^Subject: by default$/m,
	    'and another one elsewhere');
	my $from = length $pp->log('smtpd');
	send_to('bob@example.org', 'no thanks');
	$pp->log_like('smtpd', qr/dsn=5\.1\.1, status=bounced \(user unknown/,
	    'its EXITCODE decides', after => $from, seconds => 20);
	drained('procmail has had its mail');
}

# ---- loops ----

forward('alice', "carol\n");
forward('carol', "bob\n");
forward('bob', "alice\n");
$at = length $pp->log('smtpd');
send_to('bob@example.org', 'round');
$pp->log_like('smtpd', qr/dsn=5\.4\.6, status=bounced \(mail forwarding loop/,
    'a circle of users ends', after => $at, seconds => 20);
drained();
forward($_, undef) for qw(alice carol);
$at = length $pp->log('smtpd');
like($pp->send('bob@example.org', "Delivered-To: BOB\@example.org\r\n" .
    message('back'), from => 'alice@example.org'), qr/^250/, 'a message that was here before');
$pp->log_like('smtpd', qr/dsn=5\.4\.6, status=bounced/,
    'and came back from elsewhere', after => $at, seconds => 20);
drained();

# ---- what may not be used ----

forward('bob', "alice\n|\n");
$at = length $pp->log('smtpd');
send_to('bob@example.org', 'mistake');
in_mbox('bob', 'mistake', 'a file with a mistake is not used');
$pp->log_like('smtpd', qr{home/bob/\.forward:2: }, 'the log says where',
    after => $at);
forward('bob', "# nothing\n\n");
send_to('bob@example.org', 'empty');
in_mbox('bob', 'empty', 'one without a target neither');
drained();

done_testing;
