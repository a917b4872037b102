#!/usr/bin/perl
# Limits go by addresses that the kernel tells: a captured worker (t/hostile)
# that says it serves somebody else's gets nobody refused, and a proxy that may
# say so is believed.
use strict;
use warnings;
use lib 't/lib';
use Test::More;

my $bin;
BEGIN {
	$bin = ($ENV{O} || 'build/plain') . '/t/hostile';
	$ENV{ uc $_ } = "$bin/$_" for qw(smtpd pop3d);
}
use Pennypost;

# What becomes of a worker that was told to misbehave.  It looks for our line for
# a moment only: on a busy machine it has taken us for an honest client then.
sub captured {
	my ($pp, $proto, $source, $line) = @_;
	my $said;
	for (1 .. 8) {
		my $s = $pp->connect($proto, source => $source);
		$s->raw("HOSTILE $line\r\n");
		$said = $s->line(40) // return $s->{why};
		last if $said !~ /^(?:220 |\+OK )/;
	}
	return "it said $said";
}

for my $d (qw(smtpd pop3d)) {
	my $proto = $d eq 'smtpd' ? 'mx' : 'pop3';
	my $pp = Pennypost->new(daemons => [$d]);
	my ($at, $port) = ($pp->addr, 2526);
	$pp->write_config($d, workers_per_client => 3,
	    grace_time => '1s',
	    $d eq 'smtpd' ? (client_connection_rate => '10/1h') : (),
	    listen => [ "$proto $at:" . $pp->port($proto),
		"$proto $at:$port proxy" ],
	    proxy_networks => '127.0.0.77/32');
	$pp->start;
	my $hello = $d eq 'smtpd' ? qr/^220 / : qr/^\+OK /;
	for my $n (1 .. 3) {
		is captured($pp, $proto, "127.0.1.$n",
		    'pool claim 0 127.0.0.99'), 'closed',
		    "$d: a worker that claims is ended at once";
	}
	for (1 .. 3) {
		like $pp->connect($proto, source => '127.0.0.99')->reply, $hello,
		    'whom it named is served';
	}
	for my $n (0 .. 6) {
		is captured($pp, $proto, "127.0.2.$n", "pool greed $n"),
		    'closed', "$d: one that wants too much is ended ($n)";
	}
	# A proxy says whom it speaks for, and that one is limited.
	my @kept;
	for (1 .. 3) {
		my $s = Pennypost::Talk->tcp($at, $port, source => '127.0.0.77',
		    kind => $d eq 'smtpd' ? 'smtp' : 'pop3');
		$s->raw("PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n");
		like $s->reply, $hello, 'through a proxy';
		push @kept, $s;
	}
	my $s = Pennypost::Talk->tcp($at, $port, source => '127.0.0.77',
	    kind => $d eq 'smtpd' ? 'smtp' : 'pop3');
	$s->raw("PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n");
	unlike $s->reply, $hello, 'one too many of that client';
	$s = Pennypost::Talk->tcp($at, $port, source => '127.0.0.77',
	    kind => $d eq 'smtpd' ? 'smtp' : 'pop3');
	$s->raw("\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24" . "\x20\x01\x0d\xb8" .
	    "\0" x 11 . "\1" . "\x20\x01\x0d\xb8" . "\0" x 11 . "\2" .
	    pack('nn', 4711, 110));
	like $s->reply, $hello, 'another one, over IPv6, version 2';
	$_->cmd('QUIT') for @kept, $s;
	$pp->log_like($d, qr/proxy \[127\.0\.0\.77\] announces \[2001:db8::1\]/,
	    'and it is logged by the name of its address');
	is $pp->stop($d), 0, "$d ends in order";
}
done_testing;
