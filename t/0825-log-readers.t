#!/usr/bin/perl
# What log readers that nobody here wrote make of a real run's log - mail in,
# out, late, returned, refused, fetched - is what happened, to the message.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use MIME::Base64;
use Pennypost;
use Pennypost::Peer;

my $pp = Pennypost->new;
my ($dir, $addr) = ($pp->dir, $pp->addr);
my $good = Pennypost::Peer->new(dir => $dir, addr => $addr,
    caps => [qw(PIPELINING 8BITMIME)]);
my $late = Pennypost::Peer->new(dir => $dir, addr => $addr,
    reply => { 'RCPT TO:' => "450 4.2.0 later\r\n" });
my $never = Pennypost::Peer->new(dir => $dir, addr => $addr,
    reply => { 'RCPT TO:' => "550 5.1.1 no such user\r\n" });
spew("$dir/aliases", "staff: bob, carol\n");
$pp->write_config('smtpd', relay_networks => '127.0.0.9/32',
    retry_min => '1h', retry_max => '1h', aliases => "$dir/aliases",
    transport => [ map { "$_->[0].example smtp:$addr:" . $_->[1]->port }
	[ good => $good ], [ late => $late ], [ never => $never ] ]);
$pp->start;

# ---- what happens ----
my $sent = 0;
sub sends {
	my ($to, %o) = @_;
	my $r = $pp->send($to, message('number ' . ++$sent),
	    source => '127.0.0.9', %o);
	like($r, qr/^250/, 'sent to ' . (ref $to ? "@$to" : $to));
}
sends('bob@example.org') for 1 .. 3;              # 3 delivered
sends([ 'alice@example.org', 'carol@example.org' ]); # 2 delivered
sends('staff@example.org');                       # 2 delivered
sends('x@good.example', from => 'alice@example.org') for 1, 2; # 2 by relay
sends('y@late.example', from => 'alice@example.org'); # deferred
sends('z@never.example', from => 'alice@example.org'); # bounced: 1 to alice
my $s = $pp->smtp(source => '127.0.0.7');
$s->cmd($_) for 'EHLO client.test', 'MAIL FROM:<a@client.test>',
    'RCPT TO:<x@elsewhere.test>', 'RCPT TO:<nobody@example.org>',
    'RCPT TO:<no1@example.org>', 'QUIT';
$s = $pp->smtp(source => '127.0.0.7', to => 'submission');
$s->cmd($_) for 'EHLO client.test',
    'AUTH PLAIN ' . encode_base64("\0bob\0wrong", ''), 'QUIT';
$pp->pop3_as($_)->cmd('QUIT') for qw(bob bob carol);
$pp->pop3_as('bob', pass => 'wrong', source => '127.0.0.7')->cmd('QUIT');

my %times = (sent => 10, deferred => 1, bounced => 1);
ok(wait_for(40, sub {
	my %n;
	$n{$_}++ for $pp->log('smtpd') =~ / status=(\w+) \(/g;
	!grep { ($n{$_} // 0) < $times{$_} } keys %times;
}), 'all of it has happened') or diag($pp->log('smtpd'));
# What follows is told before the stop, too.
my @last = ([ 'smtpd', qr/: removed$/m, 10 ],
    [ 'smtpd', qr/: disconnect from /, 11 ],
    [ 'pop3d', qr/: Disconnected: Logged out/, 3 ],
    [ 'pop3d', qr/\(auth failed, 1 attempts/, 1 ]);
ok(wait_for(20, sub {
	!grep { my ($d, $re, $n) = @$_;
		$n > (() = $pp->log($d) =~ /$re/g) } @last;
}), 'and all of the sessions') or diag($pp->log('smtpd'), $pp->log('pop3d'));
is($pp->stop($_), 0, "$_ ends") for qw(smtpd pop3d);

# ---- as a day's file ----
mkdir "$dir/log";
my $syslog = "$dir/log/mail.log";
spew($syslog, join '', map { m{^(\w{3} [ \d]\d [\d:]{8}) \S+ ((?:postfix/|dovecot: ).*)} ?
    "$1 mail $2\n" : () } split /\n/, $pp->log('smtpd') . $pp->log('pop3d'));

# What stands under a name in a table of numbers and names.
sub same {
	my ($reader, $out, %want) = @_;
	for my $name (sort keys %want) {
		my ($n) = $out =~ /^\s*(\d+)\s+\Q$name\E(?:\s|$)/m;
		is($n // 0, $want{$name}, "$reader: $name") or diag($out);
	}
}
SKIP: {
	skip 'pflogsumm is not installed', 1 unless have('pflogsumm');
	my ($st, $out) = run('pflogsumm', $syslog);
	is($st, 0, 'pflogsumm reads it');
	same('pflogsumm', $out, received => 9, delivered => 10, forwarded => 1,
	    deferred => 1, bounced => 1, rejected => 3, senders => 2,
	    recipients => 4, 'bob@example.org' => 4, 'x@good.example' => 2,
	    'sender@client.test' => 5, '4.2.0 later' => 1,
	    '5.1.1 no such user' => 1, 'nobody@example.org' => 1);
	like($out, qr/^Fatal Errors: none$/m, 'and nothing to worry about');
}
SKIP: {
	skip 'logwatch is not installed', 1 unless have('logwatch');
	skip 'logwatch needs root', 1 unless is_root();
	my ($st, $out) = run('logwatch', map({ ('--service', $_) }
	    qw(postfix dovecot)), '--range', 'all', '--logdir', "$dir/log",
	    '--detail', 'High', '--output', 'stdout', '--format', 'text',
	    '--encode', 'none');
	is($st, 0, 'logwatch reads it');
	same('logwatch', $out, 'SASL authentication failed' => 1,
	    Accepted => 9, Rejected => 3, '5xx Reject relay denied' => 1,
	    '5xx Reject unknown user' => 2, Connections => 11,
	    Disconnections => 11, 'Removed from queue' => 10, Delivered => 8,
	    'Sent via SMTP' => 2, Forwarded => 1, Deferred => 1,
	    'Bounced (remote)' => 1, 'Notifications sent' => 1,
	    'bob (2 POP3)' => 2, 'carol (1 POP3)' => 1, 'Logged out' => 3,
	    'auth failed, 1 attempts' => 1);
	like($out, qr/ Successful Logins: 3$/m, 'logwatch: logins');
	# Of our own lines only those about our own start and end are new to it.
	my @odd = grep { !m{postfix/master\[\d+\]: (?:\w+ is ready|\w+: stopping)} &&
	    /\S/ && !/^ -+ (?:Dovecot|Postfix) End -+ $/ } map { split /\n/ }
	    $out =~ /\*\*Unmatched Entries\*\*\n(.*?End -+ $)/msg;
	is("@odd", '', 'logwatch knows all other lines');
}
SKIP: {
	skip 'fail2ban is not installed', 1 unless have('fail2ban-regex');
	my %want = ('postfix[mode=more]' => 3, 'postfix[mode=auth]' => 1,
		dovecot => 1);
	for my $f (sort keys %want) {
		my $out = (run('fail2ban-regex', $syslog, $f))[1];
		like($out, qr/, $want{$f} matched,/, "fail2ban $f: $want{$f}")
		    or diag($out);
	}
}
done_testing;
