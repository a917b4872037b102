#!/usr/bin/perl
# A worker whose pool was killed gets no channel any more that it has not got:
# its client hears that it shall try again later, never that something is wrong
# with its mail, and what was answered with 250 is there.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

my $pp = Pennypost->new(both => { workers_idle => 3 },
    smtpd => { submission_senders => 'own', vrfy => 'all' });
spew("$pp->{dir}/users", slurp("$pp->{dir}/users") =~
    s/:Bob:/:Bob Builder:/r, 0600);
$pp->start;
my $later = qr/^4\d\d[ -]4\.\d\.\d /;

# Sessions as far as they are when the pool dies.
my %at = (greeted => [], hello => [ 'EHLO c.test' ],
	mail => [ 'EHLO c.test', 'MAIL FROM:<a@b.test>' ],
	one => [ 'EHLO c.test', 'MAIL FROM:<a@b.test>',
	    'RCPT TO:<bob@example.org>' ],
	two => [ 'EHLO c.test', 'MAIL FROM:<a@b.test>',
	    'RCPT TO:<bob@example.org>', 'RCPT TO:<carol@example.org>' ],
	data => [ 'EHLO c.test', 'MAIL FROM:<a@b.test>',
	    'RCPT TO:<bob@example.org>', 'DATA' ],
	login => [ 'EHLO c.test', 'AUTH PLAIN AGFsaWNlAGFsaWNlLXBhc3M=',
	    'MAIL FROM:<alice@example.org>', 'RCPT TO:<bob@example.org>' ],
	sender => [ 'EHLO c.test', 'AUTH PLAIN AGFsaWNlAGFsaWNlLXBhc3M=' ]);
my %smtp;
for my $name (sort keys %at) {
	my $s = $pp->smtp(to => ($at{$name}[1] // '') =~ /^AUTH/ ? 'submission' : 'mx');
	for (@{ $at{$name} }) {
		like($s->cmd($_), qr/^[23]/, "$name: $_");
	}
	$smtp{$name} = $s;
}
$smtp{$_} = $pp->smtp(to => $_ eq 'auth' ? 'submission' : 'mx') for qw(auth starttls vrfy people foreign);
my $free = $pp->pop3;
my $begun = $pp->pop3;
$begun->cmd('USER bob');
my $stls = $pp->pop3;
$pp->send('alice@example.org', message('kept'));
my $in = $pp->pop3_as('alice');

for my $d (qw(smtpd pop3d)) {
	my ($pool) = $pp->pids($d, 'pool');
	kill 'KILL', $pool;
	ok(wait_for(60, sub {
		my @now = $pp->pids($d, 'pool');
		@now == 1 && $now[0] != $pool && (eval {
			$pp->connect($d eq 'smtpd' ? 'mx' : 'pop3')->reply
		} // '') =~ /^(?:220|\+OK)/;
	}), "$d: there is another pool");
}

# Goes on until something is refused; what is taken must be in a mailbox.
my $n = 0;
sub goes_on {
	my ($name, @rest) = @_;
	my $s = $smtp{$name};
	my $subject = 'gone ' . ++$n;
	my @said;
	for (@rest, $name eq 'data' ? () : 'DATA') {
		push @said, my $r = $s->cmd($_) // '(nothing)';
		if ($r !~ /^[23]/) {
			like($r, $later, "$name: $_: an honest 4xx");
			return done($name);
		}
	}
	my $r = $s->data(message($subject)) // '(nothing)';
	if ($r =~ /^250 /) {
		ok(wait_for(30, sub { $pp->mbox('bob') =~
		    /^Subject: \Q$subject\E$/m }), "$name: taken, and there");
	} else {
		like($r, $later, "$name: the message: an honest 4xx");
		unlike($pp->mbox('bob'), qr/^Subject: \Q$subject\E$/m,
		    'and nothing of it is there');
	}
	return done($name);
}
sub done {
	my $name = shift;
	like($smtp{$name}->cmd('QUIT') // '(nothing)', qr/^221 |^421 /,
	    "$name: QUIT");
	ok($smtp{$name}->closed, "$name: its end");
}
goes_on('greeted', 'EHLO c.test', 'MAIL FROM:<a@b.test>',
    'RCPT TO:<bob@example.org>');
goes_on('hello', 'MAIL FROM:<a@b.test>', 'RCPT TO:<bob@example.org>');
goes_on('mail', 'RCPT TO:<bob@example.org>');
goes_on($_) for qw(one two data login);
goes_on('sender', 'MAIL FROM:<alice@example.org>', 'RCPT TO:<bob@example.org>');
for ([ auth => 'AUTH PLAIN AGFsaWNlAGFsaWNlLXBhc3M=', qr/^235 /, $later ],
    [ vrfy => 'VRFY bob', qr/^250 /, $later ],
    [ people => 'VRFY Bob Builder', qr/^250 /, $later ],
    [ starttls => 'STARTTLS', qr/^220 /, $later ],
    [ foreign => 'RCPT TO:<x@elsewhere.test>', qr/^550 5\.7\.1 /, $later ]) {
	my ($name, $what, @may) = @$_;
	my $s = $smtp{$name};
	$s->cmd('EHLO c.test');
	$s->cmd('MAIL FROM:<a@b.test>') if $name eq 'foreign';
	my $r = $s->cmd($what);
	my ($fits) = grep { $r =~ $_ } @may;
	ok($fits, "$name: what is true, or an honest 4xx") or diag($r);
	note($r);
	$name eq 'starttls' ? $s->close : done($name);
}

# POP3: [SYS/TEMP] (RFC 3206 4), and who was in goes on.
$free->cmd('USER carol');
for ([ 'USER and PASS', $free, 'PASS carol-pass' ],
    [ 'PASS', $begun, 'PASS bob-pass' ]) {
	my ($name, $s, $what) = @$_;
	my $r = $s->cmd($what) // '(nothing)';
	like($r, qr/^\+OK |^-ERR \[SYS\/TEMP\] /,
	    "$name: what is true, or later");
	note($r);
	like($s->cmd('QUIT') // '(nothing)', qr/^\+OK/, "$name: QUIT");
}
like($in->cmd('RETR 1'), qr/^\+OK/, 'who was in reads on');
like($in->multi, qr/^Subject: kept\r$/m, 'the message');
like($in->cmd('QUIT'), qr/^\+OK/, 'and ends in peace');
# And all is well again for who comes now.
like($pp->send('bob@example.org', message('new')), qr/^250 /, 'a new client');
like(join('', $pp->fetch('bob')), qr/Subject: new/, 'and its mail');
done_testing;
