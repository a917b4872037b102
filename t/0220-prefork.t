#!/usr/bin/perl
# The pool: idle workers are kept, it grows fast, the dead are replaced, no
# client takes all.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep time);
use Pennypost;

my %big = (workers_max => 2500, workers_per_client => 100);
my $pp = Pennypost->start(smtpd => { %big, workers_idle => 20 },
    daemons => ['smtpd']);

sub workers { $pp->pids('smtpd', 'worker') }
sub many {
	my ($mode, $count) = @_;
	my ($st, $out) = run({ seconds => 100 }, 'sh', '-c',
	    'ulimit -n 8192 && exec "$@"', 'sh', $^X, 't/lib/many.pl',
	    $pp->addr, $pp->port('mx'), $count, $mode);
	chomp $out;
	return $out;
}
# Sessions that were served while something else happened, for so long, and until
# there were several: each sends a whole message and must get its 250.  Runs in a
# child; result() tells how it went.
sub load {
	my ($seconds) = @_;
	pipe my $r, my $w;
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		my ($good, $bad, $end) = (0, '', time + $seconds);
		while (time < $end || $good < 11 && time < $end + 60) {
			my $x = eval { $pp->send('bob@example.org',
			    message('load')) } // $@;
			$x =~ /^250/ ? $good++ : ($bad .= "[$x]");
		}
		syswrite $w, "$good\n$bad\n";
		POSIX::_exit(0);
	}
	close $w;
	return sub {
		my $good = <$r>;
		my $bad = <$r>;
		waitpid $pid, 0;
		chomp($good, $bad);
		return ($good, $bad);
	};
}

ok(wait_for(10, sub { workers() >= 20 }), '20 idle workers are kept');
cmp_ok(scalar workers(), '<=', 30, 'and not many more');
my ($a, $b) = map { $pp->smtp } 1, 2;
ok(wait_for(5, sub { workers() >= 22 }), 'two are busy: 20 are idle again');
$_->cmd('QUIT') for $a, $b;

# ps shows who is what.
$a = $pp->smtp(source => '127.9.9.7');
$a->cmd('EHLO c.test');
sub serving {
	my $from = shift;
	return grep { $_->[2] =~ /worker \Q$from\E\b/ } $pp->procs('smtpd');
}
my ($busy) = wait_for(10, sub { serving('127.9.9.7') });
ok($busy, 'ps shows the client a worker serves')
    or diag(join "\n", map { $_->[2] } $pp->procs('smtpd'));
$a->cmd('QUIT');

SKIP: {
	my $n = slow() > 1 ? 300 : 2000;
	my ($hard) = `sh -c 'ulimit -Hn'` =~ /^(\d+)$/;
	skip "fewer than 8,192 open files are allowed", 2
	    if defined $hard && $hard < 8192;
	like(my $o = many('quit', $n), qr/^served=$n refused=0 closed=0 error=0 bye=$n/,
	    "$n connections within a second are all served");
	note($o);
	like($o = many('hold', $n), qr/^served=$n refused=0 closed=0 error=0 bye=$n/,
	    "and all at the same time");
	note($o);
}
ok(wait_for(20, sub { workers() < 200 }), 'the pool shrinks again')
    or diag(scalar workers());

# A worker that dies is replaced, and it is in the log.
$a = $pp->smtp(source => '127.9.9.6');
ok(wait_for(10, sub { ($busy) = serving('127.9.9.6') }), 'a worker is busy');
kill 'KILL', $busy->[0];
ok($a->closed, 'its client is disconnected');
$pp->log_like('smtpd', qr/\b$busy->[0]\b.*\bkilled\b/,
    'a killed worker is logged');
ok(wait_for(10, sub { workers() >= 20 }), 'and replaced');
is($pp->smtp->{greeting} =~ /^220/, 1, 'and the others serve');
undef $a;

# A role that dies is started anew; nobody else dies of it.  Each in a server of
# its own: who dies again and again has to wait longer and longer.
for my $role (qw(key lookup auth deliver expand queue log pool)) {
	my $one = Pennypost->start(daemons => ['smtpd']);
	my ($old) = $one->pids('smtpd', $role);
	ok($old, "$role is there") or next;
	kill 'KILL', $old;
	my $new;
	ok(wait_for(60, sub {
		($new) = grep { $_ != $old } $one->pids('smtpd', $role);
	}), "$role is started anew after kill -9");
	my $r = '';
	ok(wait_for(120, sub {
		$r = eval { $one->send('bob@example.org', message("x")) } // '';
		$r =~ /^250/;
	}), "and mail is accepted after $role came back") or diag($r);
	$one->log_like('smtpd', qr/\b$role\b.*signal 9/, 'it is logged')
	    unless $role eq 'log';
	is($one->stop, 0, 'and it stops in order');
}

my @before = keys %{ Pennypost::Proc::fds($pp->master('smtpd')) };

# SIGHUP under load.
{
	my $at = length $pp->log('smtpd');
	my $result = load(6);
	for (1 .. 4) {
		sleep 1;
		$pp->write_config('smtpd', message_size_max => 1000000 + $_);
		$pp->reload('smtpd');
	}
	my ($good, $bad) = $result->();
	is($bad, '', 'SIGHUP under load: no session fails');
	cmp_ok($good, '>', 10, "of $good");
	$pp->log_like('smtpd', qr/reload/i, 'it is logged', after => $at);
	ok(wait_for(10, sub {
		$pp->smtp->cmd('EHLO x.test') =~ /SIZE 1000004/;
	}), 'the new settings are in force');
}
# A session that was begun before goes on.
{
	my $s = $pp->smtp;
	$s->cmd($_) for 'EHLO c.test', 'MAIL FROM:<a@b.test>';
	my $at = length $pp->log('smtpd');
	$pp->reload('smtpd');
	$pp->log_like('smtpd', qr/configuration reloaded/, 'reloaded',
	    after => $at);
	$s->expect('RCPT TO:<bob@example.org>', qr/^(?:250|421) /,
	    'a session that was open goes on, or is told 421');
}
# A wrong config is refused: file and line in the log, the old one stays.
{
	my $conf = $pp->conf_file('smtpd');
	my $good = slurp($conf);
	my $lines = () = $good =~ /\n/g;
	my $at = length $pp->log('smtpd');
	spew($conf, $good . "no_such_keyword 1\n");
	$pp->reload('smtpd');
	$pp->log_like('smtpd', qr/\Q$conf\E:${\ ($lines + 1)}: /,
	    'a wrong config is refused with file and line', after => $at);
	is($pp->smtp->{greeting} =~ /^220/, 1, 'the old one stays in force');
	spew($conf, $good);
	my ($cert) = $pp->certificate('ecdsa');
	my $pem = slurp($cert);
	spew($cert, "rubbish\n");
	$at = length $pp->log('smtpd');
	$pp->reload('smtpd');
	$pp->log_like('smtpd', qr/\Q$cert\E/,
	    'a wrong certificate is refused by its name', after => $at);
	my $s = $pp->smtp;
	ok($s->cmd('EHLO x.test') && $s->starttls,
	    'the old certificate stays in force');
	spew($cert, $pem);
}

# New certificate, new users.
{
	my ($cert, $key) = $pp->certificate('ecdsa');
	my $old = fingerprint();
	unlink $cert, $key;
	$pp->make_certificate('ecdsa');
	replace("$pp->{dir}/users", slurp("$pp->{dir}/users") .
	    $pp->user_line('dave'), 0600);
	$pp->reload('smtpd');
	ok(wait_for(10, sub { (fingerprint() || $old) ne $old }),
	    'SIGHUP brings the new certificate');
	ok(wait_for(10, sub {
		$pp->send('dave@example.org', message('d')) =~ /^250/;
	}), 'and the new user');
}
SKIP: {
	skip 'a process that is not dumpable shows its descriptors to root', 1
	    unless is_root();
	my $n;
	ok(wait_for(10, sub {
		$n = keys %{ Pennypost::Proc::fds($pp->master('smtpd')) };
		$n <= @before + 8;
	}), 'no reload leaves descriptors behind') or diag("$n, before: " . @before);
}
sub fingerprint {
	my $s = $pp->smtp;
	$s->cmd('EHLO x.test');
	$s->starttls or return '';
	return $s->{sock}->get_fingerprint;
}

# SIGTERM lets a session finish.
{
	my $s = $pp->smtp;
	$s->cmd($_) for 'EHLO c.test', 'MAIL FROM:<a@b.test>',
	    'RCPT TO:<carol@example.org>', 'DATA';
	$s->raw("Subject: last\r\n\r\n");
	kill 'TERM', $pp->master('smtpd');
	# Its pool has heard of it when nobody is served any more.
	ok(wait_for(10, sub { !eval { $pp->connect('mx') } }),
	    'new clients are turned away');
	$s->raw("text\r\n.\r\n");
	like($s->reply, qr/^250 /, 'a message under way is accepted');
	like($pp->mbox('carol'), qr/Subject: last/, 'and delivered');
	$s->expect('NOOP', qr/^(?:250|421) /, 'the session may go on');
	# Asked twice: no more grace.
	my $t = time;
	is($pp->stop('smtpd'), 0, 'a second SIGTERM ends it');
	cmp_ok(time - $t, '<', 20 * slow(), 'at once');
	like($s->reply, qr/^421 |^$/, 'the client is told');
	ok(!$pp->{left}{smtpd}, 'nobody is left');
}

# A grace time that is over.
{
	$pp->write_config('smtpd', grace_time => '1s');
	$pp->start;
	my $s = $pp->smtp;
	$s->cmd('EHLO c.test');
	my $t = time;
	is($pp->stop('smtpd'), 0, 'a client that stays does not hold it');
	cmp_ok(time - $t, '<', 20 * slow(), 'for longer than the grace time');
}

# One address cannot have all workers.
{
	$pp->write_config('smtpd', grace_time => undef,
	    workers_per_client => 5, workers_max => 50, workers_idle => 5);
	$pp->start;
	my @s = map { $pp->connect('mx', source => '127.9.9.9') } 1 .. 8;
	my @r = map { $_->reply } @s;
	is(scalar(grep { /^220/ } @r), 5, 'five sessions for one address');
	is(scalar(grep { /^421 4\.7\.0/ } @r), 3, 'the others get 421')
	    or diag(join "\n", @r);
	$pp->log_like('smtpd', qr/limit.*127\.9\.9\.9/, 'and it is logged');
	is($pp->smtp(source => '127.9.9.8')->{greeting} =~ /^220/, 1,
	    'another address is served');
}
done_testing;
