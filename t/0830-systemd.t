#!/usr/bin/perl
# The units: what systemd-analyze says of them, and what a real systemd does
# with them: started, reloaded, crashed, upgraded, stopped, by sockets.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep time);
use Pennypost;
use Pennypost::Boot;

need('systemd-analyze');
my $variant = $ENV{V} || 'plain';
my $tmp = File::Temp->newdir('pennypost-systemd.XXXXXX', DIR => '/tmp');

sub install {
	my ($dest) = @_;
	my ($st, $out) = run({ seconds => 600 }, 'env', '-u', 'MAKEFLAGS', '-u',
	    'MAKELEVEL', '-u', 'O', 'make', '-s', "V=$variant", 'install',
	    "DESTDIR=$dest");
	is($st, 0, 'make install') or diag($out);
}

# ---- without a running systemd ----
install("$tmp/tree");
my $units = "$tmp/tree/usr/local/lib/systemd/system";
# It looks for the programs where the units say.
mkdir "$tmp/units";
for my $u (qw(smtpd.service smtpd.socket pop3d.service pop3d.socket)) {
	my $text = slurp("$units/$u");
	$text =~ s{=/usr/local/sbin}{=$tmp/tree/usr/local/sbin}g;
	spew("$tmp/units/$u", $text);
}
my ($st, $out) = run('systemd-analyze', 'verify', '--man=no',
    glob "$tmp/units/*");
# Its status is 0 even for keywords that do not exist.
is($out, '', 'systemd-analyze verify has nothing to say');
is($st, 0, 'and is content');
for my $d (qw(smtpd pop3d)) {
	($st, $out) = run('systemd-analyze', 'security', '--offline=true',
	    '--threshold=30', '--no-pager', "$tmp/units/$d.service");
	is($st, 0, "$d.service: an exposure of at most 3.0")
	    or diag(grep { /Overall/ } split /^/m, $out);
	# Each open point is explained.
	my $text = slurp("etc/systemd/$d.service");
	my %family = (DeviceAllow => 'ProtectClock', RootImage => 'RootDirectory',
	    DynamicUser => 'User');
	for ($out =~ /^\S*\xe2\x9c\x97\S* (\w+)=/mg) {
		my $name = $family{$_} || $_;
		like($text, qr/^#.*\b$name=|^#.*\bCAP_|^$name=/m,
		    "$d.service says why: $_");
	}
}

# ---- with one ----
SKIP: {
	skip 'booting a systemd needs root', 1 unless is_root();
	skip 'systemd-nspawn is not installed', 1 unless have('systemd-nspawn');
	skip 'the sanitizer wants another address space', 1
	    if $variant eq 'asan';
	my $m = Pennypost::Boot->overlay('/');
	skip "no $m", 1 unless ref $m;
	my $root = $m->root;
	install($root);
	prepare($root);
	my $why = $m->boot;
	skip "systemd-nspawn: $why", 1 if $why;
	with_systemd($m);
}
done_testing;

sub prepare {
	my $root = shift;
	for my $args ([ 'systemd-sysusers', "--root=$root" ],
	    [ 'useradd', '-R', $root, '-m', 'dora' ]) {
		my ($s, $o) = run(@$args);
		is($s, 0, "@$args") or diag($o);
	}
	my ($s, $o) = run({ input => "dora:dora-pass\n" }, 'chpasswd', '-R',
	    $root);
	is($s, 0, 'chpasswd') or diag($o);
	for my $line (grep { /^u / } split /\n/, slurp('etc/sysusers.conf')) {
		my ($name) = $line =~ /^u (\S+)/;
		like(slurp("$root/etc/passwd"), qr/^\Q$name\E:/m,
		    "systemd-sysusers made $name");
	}
	mkdir "$root/etc/ssl/pp", 0755;
	($s, $o) = run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
	    'ec_paramgen_curve:prime256v1', '-nodes', '-days', 30, '-subj',
	    '/CN=mail.example.org', '-keyout', "$root/etc/ssl/pp/key.pem",
	    '-out', "$root/etc/ssl/pp/cert.pem");
	is($s, 0, 'a certificate') or diag($o);
	configure($root, 'mail.example.org');
}
# The samples, with their certificate replaced.
sub configure {
	my ($root, $hostname, $more) = @_;
	for my $d (qw(smtpd pop3d)) {
		my $c = slurp("etc/$d.conf");
		$c =~ s{^tls_certificate .*}{tls_certificate /etc/ssl/pp/cert.pem /etc/ssl/pp/key.pem}m;
		$c =~ s{^hostname .*}{hostname $hostname}m;
		$c =~ s{^#?postmaster .*}{postmaster dora}m;
		# What has begun is over by then.
		$c .= "grace_time 20s\n" . ($more // '');
		spew("$root/etc/pennypost/$d.conf", $c);
	}
}

my $n = 0;
sub mail_passes {
	my ($m, $name) = @_;
	$n++;
	my ($s, $o) = $m->client('swaks', '--server', '127.0.0.1', '-tls', '-f',
	    'a@b.test', '-t', 'dora@example.org', '--header',
	    "Subject: number $n");
	is($s, 0, "$name: mail goes in") or diag($o);
	($s, $o) = $m->client('curl', '-sk', '--max-time', 90, '-u',
	    'dora:dora-pass', "pop3s://127.0.0.1/$n");
	like($o, qr/^Subject: number $n\r?$/m, "$name: and comes out")
	    or diag("curl: $s");
}
sub greeting {
	my ($m, $port) = @_;
	return ($m->client({ input => "QUIT\r\n" }, 'nc', '-w', 60,
	    '127.0.0.1', $port // 25))[1];
}
sub is_active {
	my ($m, $name) = @_;
	for my $d (qw(smtpd pop3d)) {
		ok(wait_for(15, sub {
			$m->property($d, 'ActiveState') eq 'active' &&
			    $m->property($d, 'SubState') eq 'running' &&
			    $m->property($d, 'StatusText') eq 'serving'
		}), "$d is active: $name") or diag($m->journal($d));
	}
}
sub restarts { $_[0]->property($_[1], 'NRestarts') }
# The processes of a unit, by role, as pids of this machine.
sub roles {
	my ($m, $d, $role) = @_;
	return map { $_->[0] } grep { $_->[2] =~ /^\Q$d: $role\E\b/ }
	    Pennypost::Proc::family($m->{nspawn}, $d);
}
sub master {
	my ($m, $d) = @_;
	my %parent = map { my @f = Pennypost::Proc::stat_fields($_);
		$f[1] => 1 } roles($m, $d, 'pool');
	return keys %parent;
}
sub gone {
	my ($m, $d) = @_;
	return wait_for(10, sub { !grep { $_->[2] =~ /^\Q$d\E:/ }
		Pennypost::Proc::family($m->{nspawn}, $d) });
}

sub with_systemd {
	my $m = shift;
	my ($s, $o) = $m->run(qw(systemctl start smtpd pop3d));
	is($s, 0, 'systemctl start') or
	    return diag($o, $m->journal('smtpd'), $m->journal('pop3d'));
	is_active($m, 'started');
	mail_passes($m, 'started');
	reloads($m);
	journal_fields($m);
	from_programs($m);
	crashes($m);
	takes_over($m);
	($s, $o) = $m->run(qw(systemctl stop smtpd pop3d));
	is($s, 0, 'systemctl stop') or diag($o);
	for my $d (qw(smtpd pop3d)) {
		is($m->property($d, 'ActiveState'), 'inactive', "$d is inactive");
		ok(gone($m, $d), 'no process is left');
	}
	by_socket($m);
}

sub reloads {
	my $m = shift;
	my %before = map { $_ => $m->property($_, 'MainPID') } qw(smtpd pop3d);
	for my $i (1 .. 3) {
		configure($m->root, "host$i.example.org");
		my ($s, $o) = $m->run(qw(systemctl reload smtpd pop3d));
		is($s, 0, 'systemctl reload') or diag($o);
		like(greeting($m), qr/host$i/, 'smtpd: in force');
		like(greeting($m, 110), qr/host$i/, 'pop3d: in force');
	}
	configure($m->root, 'host4.example.org', "nonsense 1\n");
	my ($s, $o) = $m->run(qw(systemctl reload smtpd));
	isnt($s, 0, 'systemctl reload of a wrong configuration fails');
	ok(wait_for(15, sub {
		$m->journal('smtpd') =~ /smtpd\.conf:\d+: .*nonsense/
	}), 'the journal says where it is wrong') or diag($m->journal('smtpd'));
	like(greeting($m), qr/host3/, 'the old one stays in force');
	configure($m->root, 'mail.example.org');
	($s, $o) = $m->run(qw(systemctl reload smtpd pop3d));
	is($s, 0, 'and a right one is taken up') or diag($o);
	is_active($m, 'reloaded');
	is($m->property($_, 'MainPID'), $before{$_}, "$_ is the same process")
	    for qw(smtpd pop3d);
}

# Entries with fields, by which a message is found.
sub journal_fields {
	my $m = shift;
	configure($m->root, 'mail.example.org', "log_to journal\n");
	my ($s, $o) = $m->run(qw(systemctl reload smtpd pop3d));
	is($s, 0, 'log_to journal is taken up') or diag($o);
	mail_passes($m, 'log_to journal');
	my @all;
	ok(wait_for(15, sub {
		my $j = ($m->run('journalctl', '-q', '-o', 'json',
		    'PENNYPOST_PROGRAM=qmgr', '+', 'PENNYPOST_PROGRAM=local', '+',
		    'PENNYPOST_PROGRAM=pop3-login'))[1];
		@all = split /\n/, $j;
		grep({ /"removed|: removed"/ } @all) &&
		    grep { /"PENNYPOST_PROGRAM":"pop3-login"/ } @all;
	}), 'the journal has both daemons') or diag(@all);
	my ($id) = map { /: removed"/ && /"PENNYPOST_QUEUE_ID":"(\w+)"/ ? $1 :
	    () } @all;
	my $lines = ($m->run('journalctl', '-q', '-o', 'short',
	    'PENNYPOST_QUEUE_ID=' . ($id // 'none')))[1];
	like($lines, qr{postfix/smtpd\[\d+\]: $id: client=}, 'a message is ' .
	    'found by its id, with the names that log readers know');
	like($lines, qr{postfix/local\[\d+\]: $id: to=<dora\@}, 'and all of it');
	configure($m->root, 'mail.example.org');
	$m->run(qw(systemctl reload smtpd pop3d));
}

# What cron does, and a user's .forward, inside of the unit's walls.
sub from_programs {
	my $m = shift;
	my $root = $m->root;
	my ($s, $o) = $m->run({ input => "From: root (Cron Daemon)\nTo: root\n" .
	    "Subject: Cron job\n\noutput\n" }, '/usr/local/sbin/sendmail', '-i',
	    '-FCronDaemon', '-B8BITMIME', '-oem', 'root');
	is($s, 0, 'sendmail, as cron calls it') or diag($o);
	ok(wait_for(20, sub { slurp("$root/var/mail/dora") =~ /^Subject: Cron job$/m }),
	    "root's mail is the postmaster's") or diag($m->journal('smtpd'));
	my ($uid, $gid, $home) = split ' ', ($m->run('sh', '-c',
	    'echo $(id -u dora) $(id -g dora) ~dora'))[1];
	spew("$root$home/.forward", "\\dora, $home/file, " .
	    qq("|/bin/cp /dev/stdin $home/command"\n), 0600);
	chown $uid, $gid, "$root$home/.forward";
	($s, $o) = $m->run({ input => "Subject: onward\n\nx\n" }, 'setpriv',
	    "--reuid=$uid", "--regid=$gid", '--clear-groups', '--no-new-privs',
	    '/usr/local/sbin/sendmail', 'dora@mail.example.org');
	is($s, 0, 'sendmail of a user, who gains no privileges') or diag($o);
	for my $f ("$root$home/file", "$root$home/command",
	    "$root/var/mail/dora") {
		ok(wait_for(20, sub { -e $f && slurp($f) =~ /^Subject: onward$/m }),
		    '.forward: ' . $f =~ s/^\Q$root//r)
		    or diag($m->journal('smtpd'));
	}
	is((stat "$root$home/command")[4], $uid, 'by the user');
	unlink "$root$home/.forward";
	$n += 2; # mailboxes have these, too
}

sub crashes {
	my $m = shift;
	for (['smtpd', 'key'], ['smtpd', 'queue'], ['pop3d', 'auth']) {
		my ($d, $role) = @$_;
		# With it come new workers, which take the place of the others.
		my %old = map { $_ => 1 } roles($m, $d, 'pool');
		my @it = roles($m, $d, $role);
		@old{@it} = ();
		kill 'KILL', @it;
		ok(wait_for(10, sub {
			my @new = roles($m, $d, $role);
			my @pool = roles($m, $d, 'pool');
			@new && @pool == 1 && !grep { exists $old{$_} } @new, @pool;
		}), "$d: $role is started anew by the master");
		is(restarts($m, $d), 0, 'and not by systemd');
	}
	ok(wait_for(15, sub { greeting($m) =~ /^220/ &&
		greeting($m, 110) =~ /^\+OK/ }), 'both serve');
	mail_passes($m, 'after roles died');
	for my $d (qw(smtpd pop3d)) {
		my @old = Pennypost::Proc::family((master($m, $d))[0], $d);
		kill 'KILL', master($m, $d);
		ok(wait_for(15, sub { restarts($m, $d) == 1 }),
		    "$d: the master is started anew by systemd");
		ok(wait_for(10, sub {
			!grep { Pennypost::Proc::same($_) } @old }),
		    'nobody of before is left');
	}
	is_active($m, 'after the masters died');
	mail_passes($m, 'after the masters died');
	# One that hangs.
	mkdir $m->root . '/etc/systemd/system/smtpd.service.d';
	spew($m->root . '/etc/systemd/system/smtpd.service.d/w.conf',
	    "[Service]\nWatchdogSec=10\n");
	$m->run(qw(systemctl daemon-reload));
	$m->run(qw(systemctl restart smtpd));
	my $before = restarts($m, 'smtpd');
	# Heard of, later than that after the start.
	my $heard = sub { $m->property('smtpd', 'WatchdogTimestampMonotonic') };
	my $first = $heard->();
	ok(wait_for(60, sub { $heard->() > $first + 10_000_000 }),
	    'the watchdog hears of it') or diag($m->journal('smtpd'));
	is(restarts($m, 'smtpd'), $before, 'and is content');
	kill 'STOP', master($m, 'smtpd');
	ok(wait_for(60, sub { restarts($m, 'smtpd') > $before }),
	    'a master that hangs is started anew');
	is_active($m, 'after one hung');
}

sub takes_over {
	my $m = shift;
	for my $d (qw(smtpd pop3d)) {
		my $before = $m->property($d, 'MainPID');
		my $restarts = restarts($m, $d);
		my ($s, $o) = $m->run("/usr/local/sbin/$d", '-u');
		is($s, 0, "$d -u") or diag($o);
		ok(wait_for(5, sub { $m->property($d, 'MainPID') != $before }),
		    'systemd knows the new process');
		is($m->property($d, 'ActiveState'), 'active', 'it is active');
		is(restarts($m, $d), $restarts, 'nothing was restarted');
		ok(wait_for(10, sub { 1 == master($m, $d) }),
		    'the old one has ended');
	}
	mail_passes($m, 'after an upgrade');
	# Systemd notices the end of one that it did not start.
	my $before = restarts($m, 'smtpd');
	kill 'KILL', master($m, 'smtpd');
	ok(wait_for(15, sub { restarts($m, 'smtpd') > $before }),
	    'the successor is started anew when it dies');
	is_active($m, 'after the successor died');
}

sub by_socket {
	my $m = shift;
	my ($s, $o) = $m->run(qw(systemctl start smtpd.socket pop3d.socket));
	is($s, 0, 'systemctl start of the sockets') or diag($o);
	is($m->property('smtpd', 'ActiveState'), 'inactive', 'nobody runs');
	like(greeting($m), qr/^220/, 'the first client starts smtpd');
	like(greeting($m, 110), qr/^\+OK/, 'the first client starts pop3d');
	mail_passes($m, 'by sockets');
	($s, $o) = $m->run(qw(systemctl stop smtpd));
	is($s, 0, 'stopped: its sockets stay') or diag($o);
	($s, $o) = $m->run({ input => "Subject: by socket\n\nx\n" },
	    '/usr/local/sbin/sendmail', 'dora@example.org');
	is($s, 0, 'sendmail starts it') or diag($o, $m->journal('smtpd'));
	ok(wait_for(20, sub { slurp($m->root . '/var/mail/dora') =~
		/^Subject: by socket$/m }), 'and its message is there');
	# A restart, with clients all the while.
	my $stop = "$tmp/stop";
	pipe my $r, my $w or die;
	my $load = fork // die;
	if ($load == 0) {
		my ($good, $bad) = (0, 0);
		my $late = time + 60;
		while (!-e $stop || $good < 3 && time < $late) {
			greeting($m) =~ /^220.*^221/ms ? $good++ : $bad++;
		}
		print $w "$good $bad\n";
		close $w;
		POSIX::_exit(0);
	}
	close $w;
	($s, $o) = $m->run(qw(systemctl restart smtpd));
	is($s, 0, 'systemctl restart') or diag($o);
	sleep 0.5;
	spew($stop, '');
	my ($good, $bad) = split ' ', scalar <$r>;
	waitpid $load, 0;
	is($bad, 0, 'no client was lost of ' . ($good + $bad));
	cmp_ok($good, '>', 2, 'of several');
}
