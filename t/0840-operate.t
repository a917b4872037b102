#!/usr/bin/perl
# What an administrator does while it runs: check, reload and wait for the outcome, a
# new program without a lost connection, renewed certificates; and what systemd
# is told.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use IO::Socket::UNIX;
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep time);
use Pennypost;

# $ENV{NOTIFY_SOCKET} is a datagram socket of ours: what systemd would hear.
my $dir = File::Temp->newdir('pennypost-notify.XXXXXX', DIR => '/tmp');
my $notify = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => "$dir/n")
    or die "$dir/n: $!";
spew("$dir/heard", '');
my $reader = fork // die;
if ($reader == 0) {
	my $alive = 0;
	open my $out, '>>', "$dir/heard";
	$out->autoflush(1);
	while (defined $notify->recv(my $m, 4096)) {
		print $out "$m\n" if $m ne 'WATCHDOG=1' || $alive++ < 20;
	}
	POSIX::_exit(0);
}
close $notify;
sub hears {
	my ($re, $name) = @_;
	ok(wait_for(10, sub { slurp("$dir/heard") =~ $re }), $name)
	    or diag(slurp("$dir/heard"));
}
$ENV{NOTIFY_SOCKET} = "$dir/n";
$ENV{WATCHDOG_USEC} = 400000;
my $pp = Pennypost->new(both => { tls_check_interval => '100ms' });
$pp->start;
delete @ENV{qw(NOTIFY_SOCKET WATCHDOG_USEC)};

hears(qr/(?:READY=1\nSTATUS=serving.*){2}/s, 'both are ready');
hears(qr/(?:WATCHDOG=1\n.*){3}/s, 'they say that they live');

sub order {
	my ($d, @how) = @_;
	return run($pp->program($d), @how, '-f', $pp->conf_file($d));
}
sub state { slurp("$pp->{dir}/$_[0].state") }
# The master that serves now; processes not started by us are ended here.
my %master = map { $_ => $pp->master($_) } qw(smtpd pop3d);
my @successors;
sub master_now { (state($_[0]) =~ /^pid (\d+)$/m)[0] }
END {
	local $?;
	kill 'KILL', $reader if $reader;
	for my $pid (@successors) {
		kill 'KILL', map { $_->[0] } Pennypost::Proc::family($pid, 'x');
	}
}

# ---- -t while it runs ----
for my $d (qw(smtpd pop3d)) {
	my ($st, $out) = order($d, '-t');
	is($st, 0, "$d -t");
	unlike($out, qr/in use/, 'its own ports are no news');
	# Another one with the same ports.
	my $c = $pp->config($d);
	my ($cert) = $pp->certificate('ecdsa');
	$c =~ s/^run_directory .*$/run_directory $dir/m;
	$c =~ s/^hostname .*$/hostname other.invalid/m;
	spew("$dir/$d.conf", $c);
	($st, $out) = run($pp->program($d), '-t', '-f', "$dir/$d.conf");
	is($st, 0, "$d -t: doubts are no errors") or diag($out);
	my $port = $pp->port($d eq 'smtpd' ? 'mx' : 'pop3');
	like($out, qr/^$d: warning: listen on \S+ port $port: .*in use/m,
	    'a port that is taken');
	like($out, qr/^$d: warning: hostname other\.invalid: \w/m,
	    'a name that does not resolve');
	like($out, qr/^$d: warning: \Q$cert\E: is not for the name other/m,
	    'a certificate for another name');
}

# ---- reload, and wait ----
for my $d (qw(smtpd pop3d)) {
	my $greeting = sub {
		$d eq 'smtpd' ? $pp->smtp->{greeting} : $pp->pop3->{greeting};
	};
	is(master_now($d), $master{$d}, "$d: the state file has its pid");
	for my $n (1 .. 5) {
		$pp->write_config($d, hostname => "host$n.example.org");
		my ($st, $out) = order($d, '-r');
		is("$st$out", '0', "$d -r: in force");
		like($greeting->(), qr/host$n/, "and so it is ($n)");
	}
	$pp->write_config($d, hostname => 'host6.example.org',
	    grace_time => '7x');
	my ($st, $out) = order($d, '-r');
	is($st, 1, "$d -r: a wrong configuration");
	like($out, qr/\Q$d\E\.conf:\d+: .*grace_time/, 'is told with its line');
	$pp->write_config($d, grace_time => '2s',
	    tls_certificate => '/nonexistent.crt /nonexistent.key');
	($st, $out) = order($d, '-r');
	is($st, 1, "$d -r: a certificate that is not there");
	like($out, qr{/nonexistent\.crt: No such file}, 'is told');
	like($greeting->(), qr/host5/, 'what was before stays in force');
	# An editor that has not yet written what it wants to write.
	my $whole = slurp($pp->conf_file($d));
	spew($pp->conf_file($d), "run_directory $pp->{dir}\n");
	($st, $out) = order($d, '-r');
	is($st, 1, "$d -r: next to nothing");
	like($out, qr/no listen line/, 'is told');
	like($greeting->(), qr/host5/, 'and nobody goes away');
	spew($pp->conf_file($d), $whole);
	# Asked several times at once: the last word counts for everybody.
	$pp->write_config($d, tls_certificate =>
	    join(' ', $pp->certificate('ecdsa')), hostname => 'a.example.org');
	kill 'HUP', $master{$d} for 1 .. 3;
	$whole = slurp($pp->conf_file($d));
	$whole =~ s/^hostname .*/hostname b.example.org/m;
	spew("$pp->{dir}/conf.new", $whole);
	rename "$pp->{dir}/conf.new", $pp->conf_file($d);
	($st, $out) = order($d, '-r');
	is("$st$out", '0', "$d -r while it reloads");
	like($greeting->(), qr/\bb\.example/, 'the last configuration counts');
	# One that does not run.
	spew("$pp->{dir}/none.conf", $pp->config($d) .
	    "include none2.conf\n");
	spew("$pp->{dir}/none2.conf", "");
	my $c = $pp->config($d);
	$c =~ s/^run_directory .*$/run_directory $pp->{dir}\/home/m;
	spew("$pp->{dir}/none.conf", $c);
	($st, $out) = run($pp->program($d), '-r', '-f', "$pp->{dir}/none.conf");
	is($st, 1, "$d -r: nobody there");
	like($out, qr/does not run/, 'is told');
	# A file that a dead one left.
	spew("$pp->{dir}/home/$d.state",
	    "pid $$\nbegun 0\nended 0\nresult ok\nend 1\n");
	local $SIG{HUP} = sub { fail('a signal for somebody else') };
	($st, $out) = run($pp->program($d), '-r', '-f', "$pp->{dir}/none.conf");
	is($st, 1, "$d -r: nobody alive there");
}
hears(qr/RELOADING=1\nMONOTONIC_USEC=\d+\n/, 'systemd heard of the reloads');
hears(qr/READY=1\nSTATUS=reload refused: /, 'and of the refused ones');

# ---- certificates that are renewed ----
sub fingerprint {
	my $port = shift;
	my ($st, $out) = run({ input => '' }, 'sh', '-c', 'openssl s_client ' .
	    "-connect $pp->{addr}:" . $pp->port($port) . ' 2>/dev/null </dev/null |' .
	    'openssl x509 -noout -fingerprint');
	return $out;
}
my %old = map { $_ => fingerprint($_) } qw(smtps pop3s);
like($old{smtps}, qr/Fingerprint=/, 'a certificate is shown');
{
	my ($cert, $key) = $pp->certificate('ecdsa');
	my @from = map { length $pp->log($_) } qw(smtpd pop3d);
	# A renewal that stops half way: cert and key do not fit.  Both are
	# made elsewhere, so that no whole one is ever seen before.
	mkdir "$pp->{dir}/next";
	{
		local $pp->{dir} = "$pp->{dir}/next";
		$pp->make_certificate('ecdsa');
	}
	my ($next, $next_key) = map { s{([^/]+)\z}{next/$1}r } $cert, $key;
	rename $next, $cert;
	$pp->log_like('smtpd', qr/reload refused: .*not the one of the cert/,
	    'half a renewal is refused', after => $from[0], seconds => 10);
	is(fingerprint('smtps'), $old{smtps}, 'the old one stays');
	# The config is somebody's work in progress meanwhile.
	my $conf = slurp($pp->conf_file('smtpd'));
	spew($pp->conf_file('smtpd'), "${conf}nonsense\n");
	rename $next_key, $key;
	$pp->log_like('pop3d', qr/configuration reloaded/,
	    'a whole one is taken up by itself', after => $from[1],
	    seconds => 10);
	$pp->log_like('smtpd', qr/configuration reloaded/, 'by smtpd, too',
	    after => $from[0], seconds => 10);
	isnt(fingerprint($_), $old{$_}, "$_: the new one is shown")
	    for qw(smtps pop3s);
	spew($pp->conf_file('smtpd'), $conf);
}

# ---- a new program ----
for my $d (qw(smtpd pop3d)) {
	my ($pid) = $pp->master($d);
	my $kind = $d eq 'smtpd' ? 'mx' : 'pop3';
	my $c = $d eq 'smtpd' ? $pp->smtp : $pp->pop3_as('bob');
	# Clients all the while, each of them answered.
	my $stop = "$dir/stop";
	unlink $stop;
	pipe my $r, my $w or die;
	my $load = fork // die;
	if ($load == 0) {
		my ($good, $bad) = (0, 0);
		my $late = time + 60;
		while (!-e $stop || $good < 6 && time < $late) {
			my $k = eval { $pp->connect($kind) };
			my $g = $k ? $k->reply : '';
			my $q = $k ? $k->cmd('QUIT') : '';
			$g =~ /^(?:220|\+OK)/ && $q =~ /^(?:221|\+OK)/ ?
			    $good++ : $bad++;
		}
		print $w "$good $bad\n";
		close $w;
		POSIX::_exit(0);
	}
	close $w;
	sleep 0.2;
	my ($st, $out) = order($d, '-u');
	is("$st$out", '0', "$d -u");
	my $new = master_now($d);
	push @successors, $new;
	isnt($new, $pid, "$d: another process serves");
	($st, $out) = order($d, '-r');
	is("$st$out", '0', "$d: and reloads");
	sleep 0.5;
	spew($stop, '');
	my ($good, $bad) = split ' ', scalar <$r>;
	waitpid $load, 0;
	is($bad, 0, "$d: no client was lost of " . ($good + $bad));
	cmp_ok($good, '>', 5, 'of several');
	like($c->cmd('NOOP'), qr/^(?:250|\+OK)/, 'the old session goes on');
	ok(!waitpid($pid, WNOHANG), 'as does its master');
	$c->cmd('QUIT');
	ok(wait_for(10, sub { waitpid($pid, WNOHANG) == $pid }),
	    'which ends behind it');
	is($?, 0, 'in peace');
	delete $pp->{pid}{$d};
	is(master_now($d), $new, 'and leaves the state file alone');
	is(slurp("$pp->{dir}/$d.pid"), "$new\n", 'the pid file is the new one\'s');
	# A program that does not come to serve.
	my $from = length $pp->log($d);
	$pp->write_config($d, empty_directory => '/nonexistent/empty');
	($st, $out) = order($d, '-u');
	if (is_root()) {
		is($st, 1, "$d -u: one that cannot serve");
		is(master_now($d), $new, 'does not take the place');
	} else {
		push @successors, master_now($d);
		$new = master_now($d);
	}
	$pp->write_config($d, empty_directory => "$pp->{dir}/empty");
	my $k = $pp->connect($kind);
	like($k->reply, qr/^(?:220|\+OK)/, "$d serves");
	$k->cmd('QUIT');
}
hears(qr/MAINPID=$successors[0]\nREADY=1/, 'systemd hears who it is now');
if ($successors[1]) {
	like($pp->send('bob@example.org', message('after')), qr/^250/,
	    'mail goes in');
	is(scalar $pp->fetch('bob'), 1, 'and comes out');
}
for my $d (qw(smtpd pop3d)) {
	my $pid = master_now($d);
	my @all = Pennypost::Proc::family($pid, $d);
	kill 'TERM', $pid;
	ok(wait_for(20, sub { !grep { Pennypost::Proc::same($_) &&
		Pennypost::Proc::title($_->[0]) !~ /perl/ } @all }),
	    "$d: the successor ends with all of its roles");
	ok(!-e "$pp->{dir}/$d.state", 'and takes its file along');
}
done_testing;
