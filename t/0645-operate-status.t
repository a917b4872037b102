#!/usr/bin/perl
# pennyctl status, sessions, kick, metrics, top: what they say is what happened.
use strict;
use warnings;
use lib 't/lib';
use Fcntl qw(O_RDWR O_NOCTTY O_NONBLOCK);
use IO::Socket::UNIX;
use JSON::PP ();
use POSIX ();
use Test::More;
use Pennypost;

my $pp = Pennypost->new(both => { workers_idle => 2,
    workers_per_client => 4 });
my $dir = $pp->dir;
mkdir "$dir/run" or die $!;
chmod 0755, "$dir/run";
for my $d (qw(smtpd pop3d)) {
	my @lines = $pp->config($d) =~ /^listen (.*)$/mg;
	push @lines, "queue unix:$dir/run/queue" if $d eq 'smtpd';
	# In front: workers do not know it, and places are theirs.
	$pp->write_config($d, listen => [ "control unix:$dir/run/$d.control",
	    @lines ]);
}
$ENV{PENNYPOST_CONTROL} = "$dir/run";
$ENV{PENNYPOST_QUEUE} = "$dir/run/queue";
my $bin = -x Pennypost::top() . "/$ENV{O}/spool/pennyctl" ?
    Pennypost::top() . "/$ENV{O}/spool" : "$ENV{O}/spool";
sub ctl { run("$bin/pennyctl", @_) }
sub objects {
	my ($st, $out) = ctl(@_, '--json');
	my @o = eval { map { JSON::PP->new->utf8->decode($_) }
	    grep { /^\{/ } split /\n/, $out };
	diag("@_: $@: $out") if $@;
	return @o;
}
# The object of that daemon.
sub status {
	my $d = shift;
	my ($o) = grep { ($_->{daemon} || '') eq $d } objects('status');
	return $o || {};
}
# The counts are told without an answer: they arrive.
sub comes {
	my ($d, $name, $n) = @_;
	my $is;
	wait_for(30, sub { ($is = status($d)->{$name}{all}) == $n });
	is($is, $n, "$d: $name is $n");
}

# ---- nobody there ----
my ($st, $out) = ctl('status');
is($st, 1, 'status without daemons');
like($out, qr/^smtpd: not running/m, 'says so');
is(status('pop3d')->{running}, JSON::PP::false(), 'and in JSON');
($st, $out) = ctl('sessions');
is($st, 2, 'sessions without daemons');
($st, $out) = ctl('metrics');
is($st, 0, 'metrics without daemons');
like($out, qr/^pennypost_up\{daemon="smtpd"\} 0$/m, 'are that they are down');

$pp->start;
is((stat "$dir/run/smtpd.control")[2] & 07777, 0600,
    'the socket is for root, or for who started it');
($st, $out) = ctl('status');
is($st, 0, 'status') or diag($out);
like($out, qr/^smtpd: running, process @{[ $pp->master('smtpd') ]}, /m,
    'smtpd runs');
like($out, qr/^queue: 0 active, 0 queued, 0 on hold, 0 octets$/m, 'the queue');
is(scalar(objects('sessions')), 0, 'no sessions');

# ---- counts ----
like($pp->send('bob@example.org', message("m$_")), qr/^250 /, "message $_")
    for 1 .. 3;
like($pp->send([ 'bob@example.org', 'alice@example.org' ], message('two')),
    qr/^250 /, 'one for two');
comes('smtpd', 'messages', 4);
comes('smtpd', 'accepted', 4);
comes('smtpd', 'logins', 0);
my $c = $pp->pop3;
$c->cmd('USER alice');
like($c->cmd('PASS wrong'), qr/^-ERR/, 'a wrong password');
comes('pop3d', 'auth_failures', 1);
$c->cmd('USER alice');
like($c->cmd('PASS alice-pass'), qr/^\+OK/, 'the right one');
comes('pop3d', 'logins', 1);
comes('pop3d', 'accepted', 1);

# ---- sessions ----
# Those that have said QUIT are sessions until the pool has heard of it.
sub only {
	my ($n, @args) = @_;
	my @is;
	wait_for(30, sub { (@is = objects('sessions', @args)) == $n });
	return @is;
}
my @s = only(1);
is(scalar @s, 1, 'one session');
is_deeply([ @{ $s[0] }{qw(daemon listener client user state former)} ],
    [ 'pop3d', 'pop3', '127.0.0.1', 'alice', 'TRANSACTION',
	JSON::PP::false() ], 'who, where, what') or diag(explain(\@s));
ok(kill(0, $s[0]{pid}), 'its process is there');
cmp_ok(abs($s[0]{since} - time), '<', 120, 'since');
my $m = $pp->smtp;
$m->cmd('EHLO client.test');
$m->cmd('MAIL FROM:<x@client.test>');
ok(wait_for(20, sub {
	my ($o) = grep { $_->{daemon} eq 'smtpd' } objects('sessions');
	$o && $o->{state} eq 'MAIL' && $o->{listener} eq 'mx'
	    && $o->{user} eq '';
}), 'the verb that was last');
is_deeply(status('smtpd')->{states}, { MAIL => 1 }, 'states are counted');
is(status('smtpd')->{clients}, 1, 'clients, too');
is(scalar(objects('sessions', '-d', 'smtpd')), 1, '-d: one daemon');
($st, $out) = ctl('sessions');
like($out, qr/^ *$s[0]{pid} pop3d  pop3 +127\.0\.0\.1 +alice +TRANSACTION +\d+m\d\ds$/m,
    'as a table');

# ---- limits ----
my @many = map { $pp->smtp } 1 .. 3;
my $refused = $pp->connect('mx');
like($refused->reply, qr/^421 /, 'one too many');
comes('smtpd', 'refused_too_many', 1);
is(status('smtpd')->{workers}{busy} >= 4, 1, 'busy workers');
$_->cmd('QUIT') for @many;
undef $refused;
is(scalar(only(1, '-d', 'smtpd')), 1, 'one is left');

# ---- kick ----
($st, $out) = ctl('kick', '192.0.2.1');
is("$st $out", "1 0 sessions ended\n", 'kick: nobody');
($st, $out) = ctl('kick', 'alice');
is("$st $out", "0 1 session ended\n", 'kick: by user');
like($c->reply // '', qr/^(?:-ERR .*)?\s*\z/, 'the connection ends');
ok(wait_for(20, sub { !grep { $_->{daemon} eq 'pop3d' } objects('sessions') }),
    'she has gone');
my ($mine) = grep { $_->{daemon} eq 'smtpd' && $_->{state} eq 'MAIL' }
    objects('sessions');
($st, $out) = ctl('kick', $mine->{pid});
is("$st $out", "0 1 session ended\n", 'kick: by process');
ok(wait_for(20, sub { !grep { $_->{pid} == $mine->{pid} }
    objects('sessions') }), 'it has gone');
my $k = $pp->smtp;
is(scalar(only(1, '-d', 'smtpd')), 1, 'and another one is there');
($st, $out) = ctl('kick', '-d', 'smtpd', '127.0.0.1');
is("$st $out", "0 1 session ended\n", 'kick: by address');
like($k->reply // 'nothing', qr/^421 /, 'who is told why');
is(status('smtpd')->{workers_died}{all}, 0, 'and no worker failed');

# ---- a former pool ----
my $old = $pp->pop3;
$old->cmd('USER bob');
like($old->cmd('PASS bob-pass'), qr/^\+OK/, 'a session before a reload');
my $was = status('pop3d')->{since};
my ($before) = objects('sessions', '-d', 'pop3d');
$pp->reload('pop3d');
ok(wait_for(30, sub {
	my ($o) = objects('sessions', '-d', 'pop3d');
	$o && $o->{former} && $o->{pid} == $before->{pid} && $o->{user} eq 'bob'
	    && $o->{client} eq '127.0.0.1';
}), 'is shown after it');
($st, $out) = ctl('kick', 'bob');
is("$st $out", "0 1 session ended\n", 'and can be ended');
ok(wait_for(20, sub { !objects('sessions', '-d', 'pop3d') }), 'it has');

# ---- metrics ----
# An independent reader of the text format; gives { 'name{labels}' => value }.
sub metrics {
	my (%type, %help, %v, $family, %done, @bad);
	for (split /\n/, $_[0], -1) {
		next if $_ eq '';
		if (/^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (\S.*)$/) {
			push @bad, "HELP twice: $_" if $help{$1}++;
		} elsif (/^# TYPE (\S+) (counter|gauge)$/) {
			push @bad, "TYPE twice, or late: $_"
			    if $type{$1} || $done{$1} || !$help{$1};
			$type{$1} = $2;
			$done{$family // ''} = 1;
			$family = $1;
		} elsif (/^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-z_]+="[^"\\\n]*",?)*\})? (-?\d+(?:\.\d+)?)$/) {
			my ($name, $key, $value) = ($1, $1 . ($2 // ''), $3);
			push @bad, "not in its family: $_"
			    if $name ne ($family // '');
			push @bad, "twice: $_" if exists $v{$key};
			push @bad, "a counter without _total: $_"
			    if $type{$name} eq 'counter' && $name !~ /_total$/;
			$v{$key} = $value;
		} else {
			push @bad, "no line of the format: $_";
		}
	}
	push @bad, 'no line end' if $_[0] !~ /\n\z/;
	return (\%v, @bad);
}
($st, $out) = ctl('metrics');
my ($v, @bad) = metrics($out);
is("@bad", '', 'metrics: the format');
is($v->{'pennypost_up{daemon="smtpd"}'}, 1, 'up');
is($v->{'pennypost_messages_total{daemon="smtpd"}'}, 4, 'messages');
is($v->{'pennypost_refused_clients_total{daemon="smtpd"}'}, 1, 'refused');
is($v->{'pennypost_queue_messages{state="hold"}'}, 0, 'queue');
is($v->{'pennypost_start_time_seconds{daemon="smtpd"}'},
    status('smtpd')->{since}, 'since');
cmp_ok($v->{'pennypost_start_time_seconds{daemon="pop3d"}'}, '>=', $was,
    'a reload begins anew');
spew("$dir/x.prom", 'old', 0600);
($st, $out) = ctl('metrics', '-o', "$dir/x.prom");
is("$st$out", '0', 'metrics -o');
($v, @bad) = metrics(slurp("$dir/x.prom"));
is("@bad", '', 'the same in a file');
is($v->{'pennypost_up{daemon="pop3d"}'}, 1, 'with what is');
is((stat "$dir/x.prom")[2] & 0777, 0644, 'for all to read');
is(join(' ', glob "$dir/x.prom*"), "$dir/x.prom", 'nothing beside it');
($st, $out) = ctl('metrics', '-o', "$dir/nowhere/x.prom");
is($st, 2, 'metrics -o to nowhere');
like($out, qr/nowhere/, 'names it');

# ---- top, on a terminal ----
SKIP: {
	skip 'script(1) is not installed', 5 unless have('script');
	my $l = $pp->pop3;
	$l->cmd('USER carol');
	$l->cmd('PASS carol-pass');
	($st, $out) = run({ input => 'q' }, 'script', '-qec',
	    "stty rows 9 cols 60; $bin/pennyctl top -n 1", '/dev/null');
	is($st, 0, 'top') or diag($out);
	like($out, qr/smtpd: \d+ busy, \d+ idle/, 'figures');
	like($out, qr/pop3d +pop3 /, 'sessions');
	like($out, qr/\e\[\?25h\e\[\?1049l/, 'the screen is given back');
	my @long = grep { length > 60 } map { s/\e\[[?0-9]*[A-Za-z]//gr }
	    split /\r?\n/, $out;
	is("@long", '', 'no line is longer than the screen');
}
# A window that becomes smaller while it looks.
SKIP: {
	sysopen my $pty, '/dev/ptmx', O_RDWR | O_NOCTTY | O_NONBLOCK
	    or skip 'there is no /dev/ptmx', 3;
	my ($n, $unlock) = (pack('i', 0), pack 'i', 0);
	ioctl $pty, 0x80045430, $n or die "TIOCGPTN: $!";
	ioctl $pty, 0x40045431, $unlock or die "TIOCSPTLCK: $!";
	my $size = sub {
		my $w = pack 'S4', @_, 0, 0;
		ioctl $pty, 0x5414, $w or die "TIOCSWINSZ: $!";
	};
	$size->(24, 100);
	my $tty = '/dev/pts/' . unpack 'i', $n;
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		POSIX::setsid();
		open STDIN, '+<', $tty or POSIX::_exit(1);
		ioctl STDIN, 0x540e, 0; # TIOCSCTTY
		open STDOUT, '>', $tty;
		open STDERR, '>', $tty;
		{ no warnings; exec "$bin/pennyctl", 'top'; }
		POSIX::_exit(127);
	}
	my $seen = '';
	# The longest line of the last whole screen.
	my $width = sub {
		1 while sysread $pty, $seen, 65536, length $seen;
		my @screens = split /\e\[H/, $seen;
		return 0 if @screens < 3;
		my ($max) = sort { $b <=> $a } map { length }
		    map { s/\e\[[?0-9;]*[A-Za-z]//gr } split /\r?\n/, $screens[-2];
		return $max // 0;
	};
	ok(wait_for(60, sub { $width->() > 40 }), 'top on a wide terminal');
	$size->(10, 30);
	ok(wait_for(60, sub { my $w = $width->(); $w > 0 && $w <= 30 }),
	    'follows when it becomes small');
	syswrite $pty, 'q';
	ok(wait_for(30, sub {
		1 while sysread $pty, $seen, 65536;
		waitpid($pid, POSIX::WNOHANG()) == $pid }), 'and ends with q');
}
($st, $out) = ctl('top');
is($st, 2, 'top without a terminal');
like($out, qr/needs a terminal/, 'says so');

# ---- bad questions ----
sub ask {
	my ($d, $question) = @_;
	my $s = IO::Socket::UNIX->new(Peer => "$dir/run/$d.control") or return;
	print $s $question;
	$s->flush;
	local $/;
	return scalar <$s>;
}
like(ask('smtpd', "status\n"), qr/\AD\tsmtpd\t.*^=\t\d+\n\z/ms, 'by hand');
like(ask('smtpd', "$_\n"), qr/\AE\t/, "no question: $_")
    for '', 'sing', 'status now', 'kick', 'kick 1', 'kick x 1',
    'kick 1 99999999999', "status\0";
is(ask('smtpd', 'x' x 64) // '', '', 'too long');
is(ask('smtpd', "kick 1 1\n") =~ /^=\t0$/m, 1, 'kick of what is no worker');
my $one = $pp->smtp;
is(scalar(only(1, '-d', 'smtpd')), 1, 'one session');
my ($pid, $number) = ask('smtpd', "sessions\n") =~ /^C\t(\d+)\t(\d+)\t/m;
like(ask('smtpd', 'kick ' . ($pid + 1) . " $number\n"), qr/^=\t0$/m,
    'kick of another process with that number');
like(ask('smtpd', "kick $pid " . ($number + 1) . "\n"), qr/^=\t0$/m,
    'of another number of that process');
like($one->cmd('NOOP'), qr/^250/, 'ends nothing');
undef $one;
# Sessions that ask and do not read do not keep others out for long.
my @deaf = map { IO::Socket::UNIX->new(Peer => "$dir/run/smtpd.control") }
    1 .. 8;
like(ask('smtpd', "status\n"), qr/\AE\ttoo many/, 'not more than some at once');
ok(wait_for(60, sub { (ask('smtpd', "status\n") // '') =~ /^=/m }),
    'who says nothing is cut off');
SKIP: {
	skip 'needs root to be somebody else', 1 unless is_root();
	chmod 0666, "$dir/run/smtpd.control";
	my %answer;
	for my $who (64107, 64001) { # the workers, alice
		pipe my $r, my $w;
		my $pid = fork // die;
		if ($pid == 0) {
			POSIX::setgid($who);
			POSIX::setuid($who);
			print $w ask('smtpd', "status\n") // 'none';
			close $w;
			POSIX::_exit(0);
		}
		close $w;
		$answer{$who} = join '', <$r>;
		waitpid $pid, 0;
	}
	is_deeply([ @answer{64107, 64001} ], [ ("E\tonly root may ask\n") x 2 ],
	    'others are refused, the workers\' own user among them');
}
for (['status', 'x'], ['status', '-d', 'x'], ['status', '-n', '0'], ['kick'],
	['kick', 'a', 'b'], ['sessions', '-q'], ['metrics', 'x'], ['sing']) {
	($st, $out) = ctl(@$_);
	ok($st == 2 && $out =~ /^usage:/m, "usage: @$_");
}
($st, $out) = ctl('status', '-w', '-n', '2');
is(scalar(() = $out =~ /^smtpd: running/mg), 2, 'status -w');
like($pp->send('bob@example.org', message('last')), qr/^250 /,
    'it serves as before');
$pp->stop;

# ---- bad lines ----
for (["control $pp->{addr}:1", qr/listen control needs unix:/],
	["control unix:relative", qr/path that begins with/],
	["control unix:/a/b 0999", qr/unknown option "0999"/]) {
	for my $d (qw(smtpd pop3d)) {
		my $conf = $pp->config($d);
		spew("$dir/bad.conf", "$conf\nlisten $_->[0]\n", 0644);
		($st, $out) = run(Pennypost::program($d), '-t', '-f',
		    "$dir/bad.conf");
		ok($st ne '0' && $out =~ $_->[1], "$d: listen $_->[0]")
		    or diag("$st $out");
	}
}
spew("$dir/bad.conf", $pp->config('smtpd') .
    "\nlisten control unix:$dir/run/second\n", 0644);
($st, $out) = run(Pennypost::program('smtpd'), '-t', '-f', "$dir/bad.conf");
like($out, qr/one line listen control will do/, 'two of them');
done_testing();
