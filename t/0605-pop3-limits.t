#!/usr/bin/perl
# Timeouts and errors of POP3 clients.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Time::HiRes qw(time);
use Pennypost;

my $pp = Pennypost->start(pop3d => { errors_max => 5, auth_failures_max => 3 });
$pp->send('bob@example.org', message('one'));

my $p = $pp->pop3;
my ($n, $r) = (0, '');
while ($n++ < 20) {
	$r = $p->cmd('NONSENSE');
	last if $r eq '' || $p->{why};
}
cmp_ok($n, '<=', 7, "nonsense ends the session after $n");
ok($p->closed, 'closed');

# Guessing passwords.
$p = $pp->pop3;
my @r;
for (1 .. 4) {
	$p->cmd('USER bob');
	push @r, $p->cmd("PASS wrong$_");
}
is(scalar(grep { /^-ERR \[AUTH\]/ } @r), 3, 'three wrong passwords');
ok($p->closed, 'then closed');
$pp->log_like('pop3d', qr/auth failed, 3 attempts/, 'logged');

# Idle, for longer than this test itself may have to wait for its turn.
my $idle = 5 * slow();
$pp->write_config('pop3d', command_timeout => "${idle}s",
    idle_timeout => $idle + 1 . 's');
$pp->reload_done('pop3d');
$p = $pp->pop3;
my $q = $pp->pop3_as('bob');
like($q->{login}, qr/^\+OK/, 'login');
$q->cmd('DELE 1');
my $t = time;
ok($p->closed(60), 'idle before login: closed');
cmp_ok(time - $t, '<', 60 * slow(), 'after command_timeout');
ok($q->closed(60), 'idle after login: closed');
cmp_ok(time - $t, '<', 60 * slow(), 'after idle_timeout');
like($pp->mbox('bob'), qr/Subject: one/, 'and nothing was deleted');
done_testing;
