#!/usr/bin/perl
# pennyctl -f FILE: status, top, sessions, kick and metrics ask the server whose
# configuration that is, and no other.
use strict;
use warnings;
use lib 't/lib';
use JSON::PP ();
use Test::More;
use Pennypost;

delete @ENV{qw(PENNYPOST_CONTROL PENNYPOST_QUEUE)};
my $bin = -x Pennypost::top() . "/$ENV{O}/spool/pennyctl" ?
    Pennypost::top() . "/$ENV{O}/spool" : "$ENV{O}/spool";
my ($a, $b) = map { Pennypost->new } 1, 2;
for my $pp ($a, $b) {
	my $run = "$pp->{dir}/sockets";
	mkdir $run or die $!;
	chmod 0755, $run;
	for my $d (qw(smtpd pop3d)) {
		$pp->write_config($d, listen => [ "control unix:$run/$d",
		    $d eq 'smtpd' ? "queue unix:$run/queue" : (),
		    $pp->config($d) =~ /^listen (.*)$/mg ]);
	}
}
sub ctl {
	my ($conf, @args) = @_;
	return run("$bin/pennyctl", '-f', $conf, @args);
}
my ($st, $out) = ctl($a->conf_file('smtpd'), 'status');
is($st, 1, 'status before they run');
is($out, "smtpd: not running\n", 'says so, of that one');
$_->start for $a, $b;

for my $pp ($a, $b) {
	my $which = $pp == $a ? 'one' : 'the other';
	($st, $out) = ctl($pp->conf_file('smtpd'), 'status');
	is($st, 0, "$which: status") or diag($out);
	like($out, qr/^smtpd: running, process @{[ $pp->master('smtpd') ]}, /m,
	    'is of its smtpd');
	like($out, qr/^queue: 0 active, 0 queued, 0 on hold, 0 octets$/m,
	    'and of its queue');
	unlike($out, qr/^pop3d/m, 'and of nothing else');
	($st, $out) = ctl($pp->conf_file('pop3d'), 'status');
	is($st, 0, "$which: status of pop3d") or diag($out);
	like($out, qr/\Apop3d: running, process @{[ $pp->master('pop3d') ]}, /,
	    'is of its pop3d');
	unlike($out, qr/^(?:smtpd|queue)/m, 'and of nothing else');
	($st, $out) = ctl($pp->conf_file('smtpd'), 'metrics');
	like($out, qr/^pennypost_up\{daemon="smtpd"\} 1$/m, 'metrics');
	like($out, qr/^pennypost_queue_octets /m, 'with its queue');
	($st, $out) = ctl($pp->conf_file('pop3d'), 'metrics');
	like($out, qr/^pennypost_up\{daemon="pop3d"\} 1$/m, 'metrics of pop3d');
	unlike($out, qr/smtpd|queue/, 'without one');
}
# A queue of its own: what waits in one is not in the other's.
$a->send([ 'bob@example.org', 'alice@example.org' ], message('both'));

# Sessions, and their end.
my @s = map { $_->pop3_as('bob') } $a, $b;
sub sessions {
	my $pp = shift;
	my ($st, $out) = ctl($pp->conf_file('pop3d'), 'sessions', '--json');
	my %pid = map { $_->{user} eq 'bob' ? ($_->{pid} => 1) : () }
	    map { JSON::PP->new->decode($_) } grep { /^\{/ } split /\n/, $out;
	return sort keys %pid;
}
my @pid;
ok(wait_for(30, sub { @pid = map { sessions($_) } $a, $b; @pid == 2 }),
    'each has its session');
isnt($pid[0], $pid[1], 'of a process of its own');
($st, $out) = ctl($b->conf_file('pop3d'), 'kick', $pid[0]);
is($out, "0 sessions ended\n", "the other's is not ended");
($st, $out) = ctl($a->conf_file('pop3d'), 'kick', 'bob');
is($out, "1 session ended\n", 'kick ends one');
like($s[0]->cmd('NOOP') // '', qr/^(?:-ERR|$)/, 'that of this server');
like($s[1]->cmd('NOOP'), qr/^\+OK/, 'and no other');
SKIP: {
	skip 'script is not installed', 2 unless have('script');
	($st, $out) = run({ env => { TERM => 'vt100' } }, 'script', '-qec',
	    "$bin/pennyctl -f " . $b->conf_file('pop3d') . ' top -n 1',
	    '/dev/null');
	like($out, qr/pop3d.* up |pop3d/, 'top');
	unlike($out, qr/smtpd/, 'of that one only');
}

# Which daemon it is.
($st, $out) = ctl($a->conf_file('smtpd'), 'status', '-d', 'smtpd');
is($st, 0, 'named twice') or diag($out);
($st, $out) = ctl($a->conf_file('pop3d'), 'status', '-d', 'smtpd');
is($st, 2, "pop3d's is not smtpd's");
like($out, qr{^pennyctl: \S+/pop3d\.conf: listen pop3 is the other daemon's$},
    'and why');
spew("$a->{dir}/other.conf", slurp($a->conf_file('pop3d')), 0644);
($st, $out) = ctl("$a->{dir}/other.conf", 'status');
like($out, qr/\Apop3d: running, process @{[ $a->master('pop3d') ]}, /,
    'by its lines, whatever its name');
# What cannot be asked.
for my $verb ([ 'status' ], [ 'sessions' ], [ 'kick', 'bob' ], [ 'metrics' ]) {
	spew("$a->{dir}/none.conf", slurp($a->conf_file('smtpd')) =~
	    s/^listen control.*\n//mr, 0644);
	($st, $out) = ctl("$a->{dir}/none.conf", @$verb);
	is($st, 2, "@$verb: no line listen control");
	is($out, "pennyctl: $a->{dir}/none.conf: there is no line listen " .
	    "control unix:/PATH\n", 'says so');
	($st, $out) = ctl("$a->{dir}/nowhere.conf", @$verb);
	is($st, 2, "@$verb: no such file");
	like($out, qr{^pennyctl: \Q$a->{dir}\E/nowhere\.conf: No such file},
	    'says so');
}
# The environment says where else they are.
($st, $out) = run({ env => { PENNYPOST_CONTROL => $a->{dir} } },
    "$bin/pennyctl", '-f', $b->conf_file('smtpd'), 'status', '-d', 'smtpd');
like($out, qr/^smtpd: not running/m, 'PENNYPOST_CONTROL goes before -f');
done_testing;
