#!/usr/bin/perl
# The figures of `make bench`.
use strict;
use warnings;
use lib 't/lib';
use Pennypost;

alarm 0;
my $load = ($ENV{O} || 'build/plain') . '/t/bench/load';
my $seconds = $ENV{SECONDS_EACH} || 3;
my $pp = Pennypost->start(both => { workers_per_client => 1000,
	workers_idle => 16, log_verbose => 'no' });
my $failed = 0;
print "each for $seconds s, mailboxes and queue in $pp->{dir}\n";

sub figure {
	my ($text, $kind, $port, @args) = @_;
	my ($clients, $each, @rest) = @args;
	printf '%-52s', $text;
	STDOUT->flush;
	my ($st, $out) = run({ seconds => 60 + $seconds }, $load, $kind,
	    $pp->addr, $pp->port($port), $clients, $seconds, $each, @rest);
	print $out eq '' ? "status $st\n" : $out;
	$failed++ if $st ne '0' || $out !~ / 0 errors$/m;
}
sub empty { truncate $pp->mailbox($_), 0 for qw(alice bob carol) }

my @to = map { "$_\@example.org" } qw(alice bob carol);
figure('smtp: 1 client, 1 message a session, 4 KiB', 'smtp', 'mx', 1, 1, 4096,
    'bob@example.org');
figure('smtp: 20 clients, 1 message a session, 4 KiB', 'smtp', 'mx', 20, 1,
    4096, 'bob@example.org');
figure('smtp: 20 clients, 100 messages a session, 4 KiB', 'smtp', 'mx', 20, 100,
    4096, 'bob@example.org');
figure('smtp: 20 clients, three recipients (the queue)', 'smtp', 'mx', 20, 10,
    4096, @to);
figure('smtp: 4 clients, 1 MiB', 'smtp', 'mx', 4, 5, 1 << 20,
    'alice@example.org');
figure('smtp: 200 clients, no message', 'smtp', 'mx', 200, 0, 0,
    'bob@example.org');
empty();
$pp->send('carol@example.org', message('one'));
figure('pop3: 1 client, login, STAT, RETR, QUIT', 'pop3', 'pop3', 1, 1, 'carol',
    'carol-pass');
figure('pop3: 1 client, 200 RETR a session', 'pop3', 'pop3', 1, 200, 'carol',
    'carol-pass');
if ($pp->stop ne '0' || $failed) {
	print "bench: something failed; see above\n";
	exit 1;
}
