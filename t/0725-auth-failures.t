#!/usr/bin/perl
# What happens to an address that fails to log in too often.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;
use Pennypost::Sasl;

need('IO::Socket::SSL', 'Net::SSLeay');

# Longer than all of this may take; then one that ends while we wait.
my $pp = Pennypost->new(both => { auth_failures_max => 50, errors_max => 1000,
	auth_address_failures => 3, auth_address_window => '1h',
	auth_address_exempt => 'none', auth_failure_delay => '50ms' });
spew("$pp->{dir}/secrets", "alice:{PLAIN}alice-secret\n", 0600);
$pp->write_config($_, secrets => "$pp->{dir}/secrets") for qw(smtpd pop3d);
$pp->start;
sub session { sasl_session($pp, @_) }
my ($bad, $good) = ('127.9.9.1', '127.9.9.2');
sub plain { 'AUTH PLAIN ' . b64("\0alice\0$_[0]") }
sub three_failures {
	my $s = session('smtp', source => $bad);
	ok(refused($s->cmd(plain('wrong'))), 'failure 1');
	ok(refused(scram($s, 'SHA-256', 'alice', 'wrong')), 'failure 2');
	ok(refused($s->cmd(plain('wrong'))), 'failure 3');
	return $s;
}
my $s = three_failures();
ok(refused($s->cmd(plain('alice-pass'))), 'then not even with the right password');
ok(refused(scram(session('smtp', source => $bad), 'SHA-256', 'alice',
	    'alice-secret')), 'from there, on another connection');
ok(yes(session('smtp', source => $good)->cmd(plain('alice-pass'))),
    'from elsewhere at once');
$pp->log_like('smtpd', qr/3 failed logins from 127\.9\.9\.1: no more tries/,
    'it is logged');
ok(yes(scram(session('pop3', source => $bad), 'SHA-1', 'alice',
	    'alice-secret')), 'the other daemon counts for itself');
$s->cmd('QUIT');
is($pp->stop('smtpd'), 0, 'smtpd ends');
$pp->write_config('smtpd', auth_address_window => '5s');
is($pp->launch('smtpd'), '', 'with a short window');
my $t0 = time;
three_failures();
my $again = wait_for(120, sub {
	yes(session('smtp', source => $bad)->cmd(plain('alice-pass'))) });
ok($again, 'after the window it is as before');
cmp_ok(time - $t0, '>=', 4, 'and not earlier');
done_testing;
