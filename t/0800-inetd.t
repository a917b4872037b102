#!/usr/bin/perl
# smtpd -i and pop3d -i under somebody else's listener: nowait, wait, LISTEN_FDS.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use IO::Socket::INET;
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep time);
use Pennypost;

# Longer than its first client may have to wait for its turn; between two others
# it stays for a third one.
my $idle = 2 * (1 + slow()) . 's';
my $pp = Pennypost->new(both => { log_to => 'syslog', idle_exit => $idle });
my %port = (smtpd => 3025, pop3d => 3110);
my %kind = (smtpd => 'smtp', pop3d => 'pop3');
my @started;
END {
	local $?;
	for my $pid (@started) {
		kill 'KILL', map { $_->[0] } Pennypost::Proc::family($pid, 'x');
		waitpid $pid, 0;
	}
}

# The listener's ends of a session: what inetd does, in a few lines.
sub listener {
	my ($port) = @_;
	return IO::Socket::INET->new(LocalAddr => $pp->addr, LocalPort => $port,
	    Listen => 100, ReuseAddr => 1) || die "listen: $@";
}
sub daemon_on {
	my ($d, $fd, @more) = @_;
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		POSIX::setsid();
		POSIX::dup2(fileno $fd, $_) for 0 .. 2;
		alarm 0;
		{ no warnings; exec $pp->program($d), '-i', '-f', $pp->conf_file($d), @more; }
		POSIX::_exit(127);
	}
	push @started, $pid;
	return $pid;
}
sub talk_on {
	my ($d, $port, $tag) = @_;
	my $c = Pennypost::Talk->tcp($pp->addr, $port, kind => $kind{$d});
	if ($d eq 'smtpd') {
		like($c->reply, qr/^220 mail\.example\.org ESMTP/,
		    "$tag: greeting");
		$c->expect('EHLO c.test', qr/^250-/);
		$c->cmd($_) for 'MAIL FROM:<a@b.test>',
		    'RCPT TO:<bob@example.org>', 'DATA';
		like($c->data(message("by $tag")), qr/^250 /,
		    "$tag: a message");
		like($pp->mbox('bob'), qr/Subject: by \Q$tag\E/,
		    "$tag: delivered");
	} else {
		like($c->reply, qr/^\+OK/, "$tag: greeting");
		$c->cmd('USER bob');
		my $r = $c->cmd('PASS bob-pass');
		# A service on a port where no listen line allows it takes no
		# password in the clear.
		if ($r =~ /^-ERR/ && $c->starttls) {
			$c->cmd('USER bob');
			$r = $c->cmd('PASS bob-pass');
		}
		like($r, qr/^\+OK/, "$tag: login");
		like($c->cmd('STAT'), qr/^\+OK [1-9]/, "$tag: there is mail");
		like($c->cmd('RETR 1'), qr/^\+OK/, "$tag: RETR");
		ok(defined $c->multi, "$tag: a message");
	}
	$c->expect('QUIT', qr/^(?:221|\+OK)/);
	ok($c->closed, "$tag: closed");
}
sub ends {
	my ($pid, $tag, $seconds) = @_;
	my @all = Pennypost::Proc::family($pid, 'x');
	ok(wait_for($seconds, sub { waitpid($pid, WNOHANG) == $pid }),
	    "$tag: the process ends");
	ok(wait_for(3, sub { !grep { Pennypost::Proc::same($_) } @all }),
	    "$tag: and so do all of its roles")
	    or diag(map { "$_->[2]\n" } grep { Pennypost::Proc::same($_) } @all);
}

for my $d (qw(smtpd pop3d)) {
	# nowait: fd 0 is the client.
	my $l = listener($port{$d});
	for my $n (1, 2) {
		my $c = fork // die;
		if ($c == 0) {
			my $s = $l->accept;
			POSIX::setsid();
			POSIX::dup2(fileno $s, $_) for 0 .. 2;
			close $l;
			alarm 0;
			{ no warnings; exec $pp->program($d), '-i', '-f', $pp->conf_file($d); }
			POSIX::_exit(127);
		}
		push @started, $c;
		talk_on($d, $port{$d}, "$d nowait $n");
		ends($c, "$d nowait $n", 10);
	}
	# wait: fd 0 listens; the server takes over, and leaves when idle.
	my $pid = daemon_on($d, $l);
	my $two = Pennypost::Talk->tcp($pp->addr, $port{$d},
	    kind => $kind{$d});
	talk_on($d, $port{$d}, "$d wait 1");
	talk_on($d, $port{$d}, "$d wait 2");
	like($two->reply, qr/^(?:220|\+OK)/, "$d wait: two at a time");
	$two->cmd('QUIT');
	ends($pid, "$d wait", 15);
	# And the next client finds a new one.
	$pid = daemon_on($d, $l);
	talk_on($d, $port{$d}, "$d wait again");
	kill 'TERM', $pid;
	ends($pid, "$d wait, SIGTERM", 15);
	close $l;
}
# What was taken is delivered before the server leaves, as there may be no other
# client for a long time: to several, and to a mailbox that was busy.
for my $way (qw(nowait wait)) {
	my $l = listener(3027);
	my $pid;
	if ($way eq 'nowait') {
		$pid = fork // die;
		if ($pid == 0) {
			my $s = $l->accept;
			POSIX::setsid();
			POSIX::dup2(fileno $s, $_) for 0 .. 2;
			close $l;
			alarm 0;
			{ no warnings; exec $pp->program('smtpd'), '-i', '-f', $pp->conf_file('smtpd'); }
			POSIX::_exit(127);
		}
		push @started, $pid;
	} else {
		$pid = daemon_on('smtpd', $l);
	}
	my $lock = $pp->mbox_lock('bob');
	my $c = Pennypost::Talk->tcp($pp->addr, 3027, kind => 'smtp');
	$c->reply;
	$c->cmd($_) for 'EHLO c.test', 'MAIL FROM:<a@b.test>',
	    (map "RCPT TO:<$_\@example.org>", qw(alice bob carol)), 'DATA';
	like($c->data(message("last $way")), qr/^250 /, "$way: for three");
	$c->cmd('QUIT');
	for my $user (qw(alice carol)) {
		ok(wait_for(30, sub { $pp->mbox($user) =~
			/^Subject: last $way$/m }), "$way: $user has it");
	}
	my @all = Pennypost::Proc::family($pid, 'x');
	# It could have left by now: the pool looks every five seconds.
	sleep $way eq 'wait' ? 2 * (1 + slow()) + 6 : 2;
	ok(scalar(grep { Pennypost::Proc::same($_) } @all),
	    "$way: the server stays until the other can be written");
	close $lock;
	ok(wait_for(60, sub { $pp->mbox('bob') =~ /^Subject: last $way$/m }),
	    "$way: bob has it, too");
	ends($pid, "$way, when all is delivered", 60);
	close $l;
}
# fd 2 may be the client: nothing is logged there.
{
	my $l = listener(3026);
	my $c = fork // die;
	if ($c == 0) {
		my $s = $l->accept;
		POSIX::setsid();
		POSIX::dup2(fileno $s, $_) for 0 .. 2;
		alarm 0;
		{ no warnings; exec $pp->program('smtpd'), '-i', '-f', '/nonexistent/conf'; }
		POSIX::_exit(127);
	}
	push @started, $c;
	my $k = Pennypost::Talk->tcp($pp->addr, 3026);
	my $r = $k->reply;
	like($r, qr/^(?:421 |$)/, 'a server that cannot start says 421 or nothing');
	unlike($r . ($k->closed ? $k->{rest} : ''), qr/nonexistent/,
	    'and tells the client nothing of the config');
}
# systemd-socket-activate: LISTEN_FDS, LISTEN_PID.
SKIP: {
	skip 'systemd-socket-activate is not installed', 1
	    unless have('systemd-socket-activate');
	for my $d (qw(smtpd pop3d)) {
		# A socket is taken for the listen line of its address.
		my $port = $pp->port($d eq 'smtpd' ? 'mx' : 'pop3');
		my $at = $pp->addr . ":$port";
		spew("$pp->{dir}/activate.log", '');
		my $pid = fork // die;
		if ($pid == 0) {
			POSIX::setsid();
			open STDIN, '<', '/dev/null';
			open STDOUT, '>>', "$pp->{dir}/activate.log";
			open STDERR, '>&', \*STDOUT;
			alarm 0;
			{ no warnings; exec 'systemd-socket-activate', '-l', $at,
			    $pp->program($d), '-e', '-f', $pp->conf_file($d); }
			POSIX::_exit(127);
		}
		push @started, $pid;
		wait_for(5, sub { slurp("$pp->{dir}/activate.log") =~
			/Listening/ });
		talk_on($d, $port, "$d LISTEN_FDS");
		talk_on($d, $port, "$d LISTEN_FDS again");
		kill 'TERM', $pid;
		ends($pid, "$d LISTEN_FDS", 15);
	}
}
# The real inetd.  It wants root: its services change to their user.
SKIP: {
	skip 'openbsd-inetd is not installed', 1 unless have('inetd');
	skip 'inetd needs root', 1 unless is_root();
	my $conf = '';
	for my $d (qw(smtpd pop3d)) {
		my ($nowait, $wait) = ($port{$d} + 200, $port{$d} + 201);
		my $cmd = $pp->program($d) . " $d -i -f " . $pp->conf_file($d);
		$conf .= "$pp->{addr}:$nowait stream tcp nowait root $cmd\n" .
		    "$pp->{addr}:$wait stream tcp wait root $cmd\n";
	}
	spew("$pp->{dir}/inetd.conf", $conf);
	my $pid = fork // die;
	if ($pid == 0) {
		POSIX::setsid();
		alarm 0;
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', "$pp->{dir}/inetd.log";
		open STDERR, '>&', \*STDOUT;
		{ no warnings; exec have('inetd'), '-i', "$pp->{dir}/inetd.conf"; }
		POSIX::_exit(127);
	}
	push @started, $pid;
	wait_for(30, sub { IO::Socket::INET->new(PeerAddr => $pp->addr,
		PeerPort => $port{pop3d} + 200) }) or diag('inetd is not there');
	for my $d (qw(smtpd pop3d)) {
		talk_on($d, $port{$d} + 200, "$d inetd nowait") for 1, 2;
		talk_on($d, $port{$d} + 201, "$d inetd wait") for 1, 2;
	}
	my @all = Pennypost::Proc::family($pid, 'x');
	kill 'TERM', $pid;
	waitpid $pid, 0;
	kill 'TERM', map { $_->[0] } grep { Pennypost::Proc::same($_) } @all;
}
# xinetd, with the file that is installed.
SKIP: {
	my ($xinetd) = grep { $_ && -x } 'build/tools/usr/sbin/xinetd',
	    have('xinetd');
	skip 'xinetd is not installed', 1 unless $xinetd;
	skip 'xinetd needs root', 1 unless is_root();
	my $conf = slurp('etc/xinetd.conf');
	is(scalar(() = $conf =~ /^\s*wait\s*= yes$/mg), 2, 'etc/xinetd.conf');
	my $all = '';
	for my $way ([ 'yes', 301 ], [ 'no', 300 ]) {
		my $c = $conf;
		$c =~ s/^\s*#.*\n//mg;
		$c =~ s/^(\s*wait\s*=) yes$/$1 $way->[0]/mg;
		for my $d (qw(smtpd pop3d)) {
			my $service = $d eq 'smtpd' ? 'smtp' : 'pop3';
			my ($server, $file) =
			    ($pp->program($d), $pp->conf_file($d));
			my $port = $port{$d} + $way->[1];
			my $extra = "type = UNLISTED\nport = $port\n" .
			    "bind = $pp->{addr}\n";
			$c =~ s/^service $service\n\{\n/service $service-$way->[0]\n{\n$extra/m
			    or die 'etc/xinetd.conf';
			$c =~ s/= \S*\/sbin\/$d\n(\s*server_args = -i)/= $server\n$1 -f $file/
			    or die 'etc/xinetd.conf';
		}
		$all .= $c;
	}
	spew("$pp->{dir}/xinetd.conf", $all);
	my $pid = fork // die;
	if ($pid == 0) {
		POSIX::setsid();
		alarm 0;
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', "$pp->{dir}/xinetd.log";
		open STDERR, '>&', \*STDOUT;
		{ no warnings; exec $xinetd, '-dontfork', '-f',
			"$pp->{dir}/xinetd.conf", '-filelog',
			"$pp->{dir}/xinetd.log", '-pidfile',
			"$pp->{dir}/xinetd.pid"; }
		POSIX::_exit(127);
	}
	push @started, $pid;
	wait_for(30, sub { IO::Socket::INET->new(PeerAddr => $pp->addr,
		PeerPort => $port{pop3d} + 300) })
	    or diag('xinetd is not there: ' . slurp("$pp->{dir}/xinetd.log"));
	for my $d (qw(smtpd pop3d)) {
		talk_on($d, $port{$d} + 300, "$d xinetd nowait") for 1, 2;
		talk_on($d, $port{$d} + 301, "$d xinetd wait") for 1, 2;
	}
	my @all = Pennypost::Proc::family($pid, 'x');
	kill 'TERM', $pid;
	waitpid $pid, 0;
	kill 'TERM', map { $_->[0] } grep { Pennypost::Proc::same($_) } @all;
}
done_testing;
