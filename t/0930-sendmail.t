#!/usr/bin/perl
# sendmail(8): its flags, what it does to a header, its exit codes.
use strict;
use warnings;
no warnings 'qw'; # commas
use lib 't/lib';
use IO::Socket::INET;
use IO::Socket::UNIX;
use IPC::Open2;
use Socket qw(SOL_SOCKET SO_LINGER);
use Test::More;
use Pennypost;
use Pennypost::Peer;

my $pp = Pennypost->new(daemons => ['smtpd']);
my $dir = $pp->dir;
mkdir "$dir/run" or die $!;
chmod 0755, "$dir/run";
my $sock = "$dir/run/smtp";
my $peer = Pennypost::Peer->new(dir => $dir, addr => $pp->addr,
    caps => [qw(CHUNKING SIZE)]);
$pp->write_config('smtpd', listen => "mx unix:$sock", workers_per_client => 30,
	recipients_max => 100,
	transport => "many.example smtp:" . $pp->addr . ':' . $peer->port);
my $sendmail = Pennypost::top() . "/$ENV{O}/spool/sendmail";
$sendmail = "$ENV{O}/spool/sendmail" unless -x $sendmail;
my %env = (PENNYPOST_SMTP => $sock);

# What the test's user is called; "uid1234" if it has no name.
my $me = getpwuid($>) // "uid$>";
sub sm {
	my ($args, $input, %o) = @_;
	return run({ input => $input, env => { %env, %{ $o{env} || {} } } },
	    @{ $o{before} || [] }, $sendmail, @$args);
}
# The messages of that mailbox, as text with LF.
sub all_of {
	return unless -e $pp->mailbox($_[0]);
	return split /^(?=From \S+ \w{3} \w{3} )/m, $pp->mbox($_[0]);
}
my $n = 0;
# The message with that subject, or the last one; what has several recipients
# comes by the queue, in a moment.
sub last_of {
	my ($user, $subject) = @_;
	my $m = '';
	wait_for(defined $subject ? 20 : 0, sub {
		my @m = all_of($user);
		@m = grep { /^Subject: \Q$subject\E$/m } @m if defined $subject;
		$m = $m[-1] // '';
	});
	return $m;
}
sub gets { ok(last_of($_[0], "s$n") ne '', $_[1]) }
# Where it does not come by the queue, or after what does.
sub ungets { unlike($pp->mbox($_[0]), qr/^Subject: s$n$/m, $_[1]) }
# Sends, and gives what arrived; the subject is unique.
sub sent {
	my ($args, $input, %o) = @_;
	my ($st, $out) = sm($args, $input, %o);
	is($st, $o{status} // 0, "exit status: @$args") or diag($out);
	my ($subject) = $input =~ /^Subject: (s\d+)\r?$/m;
	return last_of($o{to} || 'bob', $subject);
}
sub msg { "Subject: s" . ++$n . "\n" . join('', map "$_\n", @_) . "\nbody $n\n" }

# ---- nobody there ----
my ($st, $out) = sm(['bob@example.org'], msg());
is($st, 75, 'smtpd is away: EX_TEMPFAIL');
like($out, qr/^sendmail: smtpd is not running.*nothing was sent, try again later$/m,
    'with a clear sentence');
my $stale = IO::Socket::UNIX->new(Local => $sock, Listen => 1);
close $stale;
is((sm(['bob'], msg()))[0], 75, 'a socket that nobody serves, too');
unlink $sock;
is((sm(['bob'], msg(), env => { PENNYPOST_SMTP => '/' . 'x' x 200 }))[0], 78,
    'a socket with an impossible name: EX_CONFIG');
$pp->start;

# ---- a plain message ----
my $m = sent(['bob@example.org'], msg());
like($m, qr/^From \Q$me\E\@example\.org /, 'the sender is the caller');
like($m, qr/^From: .*\Q$me\E\@example\.org>?$/m, 'From is added');
like($m, qr/^Date: \w{3}, \d+ \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}/m, 'Date');
like($m, qr/^Message-ID: <[0-9a-f]+\.[0-9a-f]+\@example\.org>$/m, 'Message-ID');
like($m, qr/^Subject: s$n\n\nbody $n\n/m, 'header and body are what they were');
$pp->log_like('smtpd', qr/client=localhost\[local\], uid=$>$/, 'who it was');
$m = sent(['-i', 'bob'], "From: x\@y.test\nDate: Sat, 1 Jan 2000 00:00:00 +0000\n" .
    "Message-Id: <a\@b>\n" . msg());
is(() = $m =~ /^(?:From|Date|Message-ID):/mig, 3, 'what is there is not added');
$m = sent(['bob'], "no header at all\nline 2\n");
like($m, qr/^Message-ID: .*\n\nno header at all\nline 2\n/m,
    'a message without header: it is the body');
$m = sent(['bob'], "From alice Mon Jan  5 10:00:00 2026\n" . msg());
unlike($m, qr/alice Mon/, 'a separator of a mailbox is left out');
$m = sent(['bob'], '');
like($m, qr/^Message-ID: .*\n(?:.*\n)*\n/m, 'an empty message');
$m = sent(['bob', 'carol@example.org'], msg());
gets('carol', 'two recipients');
sent(['bob, "Carol C." <carol@example.org> (at work)'], msg());
gets('carol', 'a list in one argument');

# ---- dots ----
$m = sent(['bob'], msg('') . ".\nbehind\n");
unlike($m, qr/behind/, 'a dot alone is the end');
for my $f (['-i'], ['-oi'], ['-o', 'i'], ['-O', 'IgnoreDots=true'], ['-it'],
    ['-ti']) {
	$m = sent([@$f, 'bob'], msg('To: bob') . ".\n..\n.x\nbehind\n");
	like($m, qr/\n\.\n\.\.\n\.x\nbehind\n/, "not with @$f");
}

# ---- line ends ----
(my $crlf = msg('X-A: 1') . "two\n") =~ s/\n/\r\n/g;
$m = sent(['-i', 'bob'], $crlf);
like($m, qr/^X-A: 1\n\nbody $n\ntwo\n/m, 'CRLF is one line end');
$m = sent(['-i', 'bob'], "Subject: mixed\r\nX-B: 2\n\r\na\r\nb\nc\rd\r\r\ne");
like($m, qr/^Subject: mixed\nX-B: 2\n\na\nb\nc\rd\r\ne\n/m,
    'both, mixed; a CR alone is text; a last line without end');
my $odd = join '', map chr, 1 .. 9, 11, 12, 14 .. 255;
$m = sent(['-i', 'bob'], msg() . "$odd\nnul\0here\n" . 'x' x 300_000 . "\n");
ok(index($m, "\n$odd\nnul\0here\n" . 'x' x 300_000 . "\n") > 0,
    '8-bit, NUL, a long line');

# ---- header fields ----
$m = sent(['-t'], "To: bob\@example.org,\n\tnobody here <carol\@example.org>\n" .
    "Bcc: alice\@example.org,\n  \"x, y\" <alice\@example.org>\nCc: (none)\n" .
    "bcc : alice\@example.org\n" . msg());
unlike($m, qr/^bcc|alice/mi, 'Bcc goes, folded lines and all');
like($m, qr/^To: bob\@example\.org,\n\tnobody here </m, 'To stays as it was');
gets($_, "$_ got it") for qw(alice carol);
unlike(last_of('alice', "s$n"), qr/^bcc/mi, 'nobody sees Bcc');
$m = sent(['-i', 'bob'], msg('Bcc: alice@example.org'));
unlike($m, qr/^bcc/mi, 'without -t, too');
ungets('alice', 'and it is no recipient then');
sent(['-t', 'carol@example.org'], msg('To: bob@example.org'));
gets($_, "-t with arguments: $_ too")
    for qw(bob carol);
$m = sent(['-t'], msg('Resent-To: bob@example.org', 'To: alice@example.org',
    'Resent-Bcc: carol@example.org'));
like($m, qr/^Resent-(?:From|Date|Message-ID): ./m, 'Resent- fields are added');
unlike($m, qr/Resent-Bcc/i, 'Resent-Bcc goes');
gets('carol', 'Resent-Bcc is a recipient');
ungets('alice', 'To is none where there is Resent-To');
$m = sent(['-t'], msg('To: friends: bob@example.org, carol@example.org;'));
gets('carol', 'a group');
($st, $out) = sm(['-t'], msg('Subject: none'));
is($st, 64, '-t and no recipient: EX_USAGE');
like($out, qr/the header names no recipient/, 'says so');
($st, $out) = sm(['-t'], msg('To: bob@example.org, <not an address>'));
is($st, 65, 'one that is no address: EX_DATAERR');
like($out, qr/this is no address: <not an address>/, 'which one');
gets('bob', 'the others get it');
is((sm(['-t'], 'X: ' . 'y' x 1_200_000 . "\n\nz\n"))[0], 65,
    'a header of more than a mebibyte: EX_DATAERR');

# ---- sender and name ----
$m = sent(['-f', 'alice@example.org', 'bob'], msg());
like($m, qr/^From alice\@example\.org /, '-f');
like($m, qr/^From: alice\@example\.org$/m, 'in From, too');
$m = sent(['-falice', '-F', 'A. "B" C', 'bob'], msg());
like($m, qr/^From alice\@example\.org /, '-f attached, without a domain');
like($m, qr/^From: "A\. \\"B\\" C" <alice\@example\.org>$/m, '-F, quoted');
$m = sent(['-r', 'alice@example.org', '-FJ\xc3\xb6rg' =~ s/\\x(..)/chr hex $1/egr,
    'bob'], msg());
like($m, qr/^From alice\@/, '-r');
like($m, qr/^From: =\?UTF-8\?B\?SsO2cmc=\?= </m, '-F, encoded');
for my $null ('', '<>') {
	$m = sent(['-f', $null, 'bob'], msg());
	like($m, qr/^From MAILER-DAEMON /, "-f '$null': no sender");
	like($m, qr/^From: .*MAILER-DAEMON\@example\.org/m, 'From says so');
}
$m = sent(['bob'], msg(), env => { NAME => 'Env Name' });
like($m, qr/^From: Env Name </m, 'NAME of the environment');
is((sm(['-f', 'a b', 'bob'], msg()))[0], 64, '-f with no address: EX_USAGE');
$m = sent(['-F', "x\r\nBcc: alice\@example.org", 'bob'], msg());
unlike($m, qr/Bcc/, '-F cannot add a line to the header');
is((sm(['-f', "a\@b.test>\r\nRCPT TO:<alice", 'bob'], msg()))[0], 64,
    'nor -f to the dialogue');

# ---- DSN ----
sent([qw(-N failure,delay -R hdrs -V id+1 -v), 'bob'], msg());
($st, $out) = sm([qw(-N failure,delay -R hdrs -V id+1 -v bob)], msg());
like($out, qr/^>>> MAIL FROM:<\S+> RET=HDRS ENVID=id\+2B1\r?$/m, '-R, -V');
like($out, qr/^>>> RCPT TO:<bob> NOTIFY=failure,delay\r?$/m, '-N');
like($out, qr/^250 .*\n>>> QUIT\n221 /m, '-v shows the replies');
($st, $out) = sm([qw(-Nnever -v bob)], msg());
like($out, qr/NOTIFY=never/, '-N never');
is((sm([@$_, 'bob'], msg()))[0], 64, "@$_: EX_USAGE")
    for ['-N', 'sometimes'], ['-R', 'half'], ['-V', 'a b'], ['-B', '9BIT'];
($st, $out) = sm([qw(-v bob)], msg());
unlike($out, qr/BODY=/, 'ASCII needs no BODY');
($st, $out) = sm([qw(-v bob)], msg("X: \xc3\xa4"));
like($out, qr/BODY=8BITMIME/, '8-bit does');
($st, $out) = sm([qw(-B7BIT -v bob)], msg("X: \xc3\xa4"));
unlike($out, qr/BODY=/, '-B7BIT: as the caller says');
($st, $out) = sm(['-v', 'bob', "j\xc3\xb6rg\@example.org"], msg());
like($out, qr/ SMTPUTF8/, 'an address outside ASCII: SMTPUTF8');

# ---- flags of others ----
$m = sent([qw(-FCronDaemon -i -odi -oem -oi -t -f alice)],
    "From: root (Cron Daemon)\nTo: bob\n" . msg());
like($m, qr/^From: root\@\S+ \(Cron Daemon\)$/m, 'as cron calls it');
$m = sent([qw(-bm -om -oee -em -odb -G -U -n -m -x -d0-99.1 -h 10 -p ESMTP
    -X /dev/null -L tag -Ac -O DeliveryMode=i --long-flag --other=1 -y -k -z), '--',
    'bob'], msg());
like($m, qr/^Subject: s$n$/m, 'flags that mean nothing here are passed over');
is((sm(['-bd']))[0], 64, '-bd: EX_USAGE');
like((sm(['-bd']))[1], qr/the daemon is smtpd\(8\)/, 'and what to do');
is((sm(['-bz']))[0], 64, 'another -b: EX_USAGE');
is((sm(['-f']))[0], 64, 'a flag without its value: EX_USAGE');
is((sm([], msg()))[0], 64, 'no recipient: EX_USAGE');

# ---- refusals ----
($st, $out) = sm(['nobody-here', 'bob'], msg());
is($st, 67, 'an unknown recipient: EX_NOUSER');
like($out, qr/^sendmail: nobody-here: 550 5\.1\.1/m, 'which, and why');
gets('bob', 'the other one gets it');
($st, $out) = sm(['-oeq', 'nobody-here'], msg());
ok($st == 67 && $out eq '', '-oeq: the exit status alone tells');
($st, $out) = sm(['-bv', 'bob', 'nobody-here'], '');
is($st, 67, '-bv: EX_NOUSER when there is one');
like($out, qr/^bob\.\.\. deliverable$/m, '-bv: one that is');
like($out, qr/^nobody-here\.\.\. not deliverable: 550 5\.1\.1/m, 'one that is not');
is((sm(['-bv', 'bob'], ''))[0], 0, '-bv: EX_OK');

# ---- -bs ----
{
	local $ENV{PENNYPOST_SMTP} = $sock;
	my $pid = open2(my $r, my $w, $sendmail, '-bs');
	my @said;
	my $say = sub {
		print $w map "$_\r\n", @_;
		$w->flush;
		do { push @said, scalar(<$r>) // 'end' }
		    while $said[-1] =~ /^\d+-/;
	};
	push @said, scalar <$r>;
	$say->($_) for 'EHLO me', 'MAIL FROM:<alice@example.org>',
	    'RCPT TO:<bob@example.org>', 'DATA';
	$say->('Subject: by hand', '', 'x', '.');
	$say->('QUIT');
	my $said = join '', @said;
	like($said, qr/\A220 .*^354 .*^250 .*^221 /ms,
	    '-bs: the server speaks on standard output');
	waitpid $pid, 0;
	is($? >> 8, 0, 'and it ends when the server does');
}
like(last_of('bob'), qr/^Subject: by hand$/m, 'and the message is there');
is((sm(['-bs'], "NOOP\n"))[0], 0, '-bs: an end without QUIT');

# ---- too many recipients ----
# They get it in several transactions, in which smtpd says who is unknown.
my $many = msg() . join '', map { "line $_ " . 'x' x 70 . "\n.\n" } 1 .. 900;
($st, $out) = sm([ '-i', (map "m$_\@many.example", 1 .. 130), 'nobody',
    (map "m$_\@many.example", 131 .. 250) ], $many);
is($st, 67, 'more than recipients_max, one of them unknown: EX_NOUSER');
like($out, qr/\A\S+ nobody: 550 [^\n]*\n\z/, 'which is all there is to say');
my (@to, @got);
ok(wait_for(60, sub {
	my @c = $peer->commands;
	@to = map { /^RCPT TO:<m(\d+)\@many/ ? $1 : () } @c;
	@got = $peer->messages;
	@to >= 250 && @got >= 3 && @got == grep { /^MAIL / } @c }),
    'all others get it');
is(join(' ', sort { $a <=> $b } @to), join(' ', 1 .. 250), 'once each');
my $whole = $many =~ s/\A.*?\n\n//sr =~ s/\n/\r\n/gr;
is(scalar(grep { index($_, $whole) > 0 } @got), scalar @got,
    'and as a whole');
like($got[-1] =~ /^Message-ID: (\S+)\r$/mi ? $1 : '', qr/@/,
    'of one Message-ID');
is(scalar(keys %{{ map { /^(Message-ID: \S+)\r$/mi => 1 } @got }}), 1,
    'in all');

# ---- input that fails ----
($st, $out) = run({ env => \%env }, 'sh', '-c', "exec $sendmail bob </");
is($st, 74, 'a directory as standard input: EX_IOERR');
{
	my $l = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1);
	my $pid = fork // die $!;
	if ($pid == 0) {
		my $c = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
		    PeerPort => $l->sockport);
		open STDIN, '<&', $c or die $!;
		open STDERR, '>', '/dev/null';
		$ENV{PENNYPOST_SMTP} = $sock;
		exec $sendmail, '-i', 'bob' or POSIX::_exit(127);
	}
	my $c = $l->accept;
	print $c "Subject: torn\n\n", 'z' x 79 . "\n" for 1 .. 4000;
	$c->flush;
	setsockopt $c, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0);
	close $c;
	wait_for(20, sub { waitpid($pid, POSIX::WNOHANG()) == $pid })
	    or kill 'KILL', $pid;
	is($? >> 8, 74, 'one that breaks in the middle: EX_IOERR');
	unlike($pp->mbox('bob'), qr/^Subject: torn$/m, 'half a message is none');
}

# ---- newaliases ----
symlink $sendmail, "$dir/newaliases";
spew("$dir/aliases", "root: alice\npostmaster: alice\nteam: bob, carol\n");
$pp->write_config('smtpd', aliases => "$dir/aliases");
($st, $out) = run("$dir/newaliases", '-C', $pp->conf_file('smtpd'));
is($st, 0, 'newaliases: no mistake') or diag($out);
spew("$dir/aliases", "root: alice\nteam bob\n");
($st, $out) = run($sendmail, '-bi', '-C', $pp->conf_file('smtpd'));
is($st, 65, 'a mistake: EX_DATAERR');
like($out, qr/^sendmail: .*aliases:2: /m, 'with file and line') or diag($out);
is((run($sendmail, '-I', '-C', "$dir/none"))[0], 78,
    'no configuration: EX_CONFIG');
spew("$dir/aliases", "root: alice\npostmaster: alice\n");

# ---- as somebody else, without privileges ----
SKIP: {
	skip 'needs root', 4 unless is_root() && have('setpriv');
	for my $more ([], ['--no-new-privs', '--bounding-set=-all']) {
		my $m = sent(['bob'], msg(), before => ['setpriv',
		    '--reuid=64001', '--regid=64001', '--clear-groups', @$more]);
		like($m, qr/^Subject: s$n$/m,
		    'as an ordinary user' . ($#$more < 0 ? '' : ', NoNewPrivileges'));
	}
}
($st, $out) = run('stat', '-c', '%a', $sendmail);
like($out, qr/^[0-7]?755$/, 'neither set-uid nor set-gid');

# ---- any size in bounded memory ----
my $big = "$dir/big";
open my $f, '>', $big or die $!;
print $f "Subject: big\n\n";
print $f 'y' x 79, "\n" for 1 .. 400_000; # 32 MB
close $f;
my $kib = $ENV{V} eq 'asan' ? '' : 'ulimit -v 40000; ';
($st) = run({ env => \%env }, 'sh', '-c', "${kib}exec $sendmail -i bob <$big");
is($st, 0, '32 MB through 40 MB of address space');
cmp_ok(-s $pp->mailbox('bob'), '>', 32_000_000, 'all of it');
($st, $out) = run({ env => \%env }, 'sh', '-c',
    "(cat $big; cat $big) | $sendmail -i bob");
is($st, 69, 'more than message_size_max: EX_UNAVAILABLE');
like($out, qr/552 5\.3\.4/, 'with the reason');

# ---- many at once: it waits until there is room ----
$pp->write_config('smtpd', workers_per_client => 2);
kill 'HUP', $pp->master('smtpd');
$pp->log_like('smtpd', qr/configuration reloaded/, 'reloaded');
my @kids = map { my $i = $_;
	my $p = fork // die $!;
	if ($p == 0) {
		open STDIN, '<', '/dev/null';
		$ENV{PENNYPOST_SMTP} = $sock;
		alarm 0;
		exec $sendmail, 'carol' or POSIX::_exit(127);
	}
	$p } 1 .. 8;
my @status = map { waitpid $_, 0; $? >> 8 } @kids;
is("@status", join(' ', (0) x 8), 'eight at once where two have room');

# ---- what one user may have in the queue ----
$peer->end;
my $dead = $pp->addr . ':' . $peer->port;
$pp->write_config('smtpd', queue_user_max => 2, recipients_max => 100,
	transport => "many.example smtp:$dead");
my $lines = () = $pp->log('smtpd') =~ /configuration reloaded/g;
kill 'HUP', $pp->master('smtpd');
ok(wait_for(30, sub {
	$lines < (() = $pp->log('smtpd') =~ /configuration reloaded/g) }),
    'reloaded');
my @other = is_root() && have('setpriv') ?
    qw(setpriv --reuid=64002 --regid=64002 --clear-groups) : ();
SKIP: {
	skip 'root is not bound, and needs setpriv', 10 if is_root() && !@other;
	my @they = (before => \@other);
	is((sm(['a@many.example'], msg(), @they))[0], 0, 'one that waits');
	($st, $out) = sm([ map "b$_\@many.example", 1 .. 101 ], msg(), @they);
	is($st, 69, 'some recipients have it, some not: EX_UNAVAILABLE');
	like($out, qr/: 100 recipients get the message, the others do not/,
	    'which is said');
	($st, $out) = sm(['c@many.example'], msg(), @they);
	is($st, 75, 'queue_user_max: EX_TEMPFAIL');
	like($out, qr/452 4\.3\.1 Too many of your messages wait in the queue/,
	    'and why');
	is((sm(['bob'], msg(), @they))[0], 0, 'a mailbox needs no queue');
	SKIP: {
		skip 'needs root', 1 unless is_root();
		is((sm(['d@many.example'], msg()))[0], 0, 'root is not bound');
	}
	# Those that are found at the start count, too.
	$pp->stop;
	my $active = () = $pp->log('smtpd') =~ /\(queue active\)/g;
	$pp->start;
	ok(wait_for(30, sub {
		(() = $pp->log('smtpd') =~ /\(queue active\)/g) >=
		    $active + (is_root() ? 3 : 2) }), 'all are found');
	is((sm(['e@many.example'], msg(), @they))[0], 75,
	    'and count after a restart, too');
}

$pp->stop;

# ---- the socket waits for the server, as with systemd ----
SKIP: {
	skip 'systemd-socket-activate is not installed', 2
	    unless have('systemd-socket-activate');
	unlink $sock;
	my $pid = fork // die $!;
	if ($pid == 0) {
		POSIX::setsid();
		open STDOUT, '>>', "$dir/activate.log";
		open STDERR, '>&', \*STDOUT;
		alarm 0;
		exec 'systemd-socket-activate', '-l', $sock,
		    Pennypost::program('smtpd'), '-e', '-f',
		    $pp->conf_file('smtpd') or POSIX::_exit(127);
	}
	# It is there before it listens: the flags in /proc tell.
	ok(wait_for(30, sub {
		open my $u, '<', '/proc/net/unix' or return;
		grep { / 00010000 .* \Q$sock\E$/ } <$u> }),
	    'a socket, and nobody behind it');
	chmod 0666, $sock;
	sent(['bob'], msg());
	kill 'TERM', $pid;
	wait_for(30, sub { waitpid($pid, POSIX::WNOHANG()) == $pid })
	    or kill 'KILL', $pid;
}
done_testing();
