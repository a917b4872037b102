#!/usr/bin/perl
# Log lines in the shapes that fail2ban, pflogsumm and logwatch read, one line a
# fact, and nobody else's text can make another line of it.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use MIME::Base64;
use Pennypost;

my $pp = Pennypost->start(smtpd => { errors_max => 6 });
my $cl = '\S+\[127\.0\.0\.7\]';
my @from = (source => '127.0.0.7');
sub plain { encode_base64("\0$_[0]\0$_[1]", '') }

# ---- a scripted run ----
my $s = $pp->smtp(@from);
$s->cmd($_) for 'EHLO client.test', 'MAIL FROM:<a@client.test>',
    'RCPT TO:<bob@example.org>', 'DATA';
my $r = $s->data("Message-ID: <x1\@client.test>\r\n" . message('one'));
my ($id) = $r =~ /queued as ([0-9A-F]+)/;
ok($id, '250 names the queue id') or diag($r);
$id //= 'none';
$s->cmd('QUIT');
$pp->send([ 'bob@example.org', 'carol@example.org' ], message('two'), @from);
$s = $pp->smtp(@from);
$s->cmd($_) for 'EHLO client.test', 'MAIL FROM:<a@client.test>',
    'RCPT TO:<x@elsewhere.test>', 'RCPT TO:<nobody@example.org>', 'QUIT';
$s = $pp->smtp(@from);
$s->cmd("NONSENSE $_") for 1 .. 8;
$s = $pp->smtp(@from);
$s->cmd('EHLO client.test');
$s->close;
$s = $pp->smtp(@from, to => 'submission');
$s->cmd($_) for 'EHLO client.test', 'AUTH PLAIN ' . plain('bob', 'wrong'),
    'AUTH PLAIN ' . plain('alice', 'alice-pass'),
    'MAIL FROM:<alice@example.org>', 'RCPT TO:<bob@example.org>', 'DATA';
$s->data(message('three'));
$s->cmd('QUIT');
my $p = $pp->pop3_as('bob', @from);
$p->cmd('RETR 1');
$p->multi;
$p->cmd($_) for 'DELE 1', 'QUIT';
$p = $pp->pop3_as('bob', @from, pass => 'wrong');
$p->cmd('QUIT');

# ---- golden lines ----
my $q = '[0-9A-F]{6,24}';
my $num = '\d+(?:\.\d+)?';
for (
	[ 'connect', qr{postfix/smtpd\[\d+\]: connect from $cl$} ],
	[ 'client', qr{postfix/smtpd\[\d+\]: $id: client=$cl$} ],
	[ 'message-id', qr{postfix/cleanup\[\d+\]: $id: message-id=<x1\@client\.test>$} ],
	[ 'from', qr{postfix/qmgr\[\d+\]: $id: from=<a\@client\.test>, size=\d+, nrcpt=1 \(queue active\)$} ],
	[ 'to', qr{postfix/local\[\d+\]: $id: to=<bob\@example\.org>, (?:orig_to=<[^>]*>, )?relay=local, delay=$num, delays=$num/$num/$num/$num, dsn=2\.0\.0, status=sent \(delivered to mailbox\)$} ],
	[ 'removed', qr{postfix/qmgr\[\d+\]: $id: removed$} ],
	[ 'disconnect', qr{postfix/smtpd\[\d+\]: disconnect from $cl ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5$} ],
	[ 'rejected commands', qr{disconnect from $cl ehlo=1 mail=1 rcpt=0/2 quit=1 commands=3/5$} ],
	[ 'nrcpt=2', qr{postfix/qmgr\[\d+\]: $q: from=<sender\@client\.test>, size=\d+, nrcpt=2 \(queue active\)$} ],
	[ 'relay denied', qr{postfix/smtpd\[\d+\]: NOQUEUE: reject: RCPT from $cl: 5\d\d 5\.7\.1 <x\@elsewhere\.test>: Relay access denied; from=<a\@client\.test> to=<x\@elsewhere\.test> proto=ESMTP helo=<client\.test>$} ],
	[ 'unknown user', qr{NOQUEUE: reject: RCPT from $cl: 550 5\.1\.1 <nobody\@example\.org>: Recipient address rejected: User unknown in local recipient table; from=<a\@client\.test> to=<nobody\@example\.org> proto=ESMTP helo=<client\.test>$} ],
	[ 'too many errors', qr{postfix/smtpd\[\d+\]: too many errors after \S+ from $cl$} ],
	[ 'lost connection', qr{postfix/smtpd\[\d+\]: lost connection after EHLO from $cl$} ],
	[ 'SASL failure', qr{postfix/smtpd\[\d+\]: warning: $cl: SASL PLAIN authentication failed: .*, sasl_username=bob$} ],
	[ 'sasl client', qr{postfix/smtpd\[\d+\]: $q: client=$cl, sasl_method=PLAIN, sasl_username=alice$} ],
    ) {
	my ($name, $re) = @$_;
	$pp->log_like('smtpd', $re, "smtpd: $name");
}
for (
	[ 'login', qr{dovecot: pop3-login: Login: user=<bob>, method=(?:PLAIN|USER), rip=127\.0\.0\.7, lip=\Q$pp->{addr}\E, mpid=\d+(?:, secured|, TLS)?, session=<[^>]+>$} ],
	[ 'logout', qr{dovecot: pop3\(bob\)<\d+><[^>]+>: Disconnected: Logged out top=0/0, retr=1/\d+, del=1/\d+, size=\d+$} ],
	[ 'failure', qr{dovecot: pop3-login: Disconnected(?:: [^(]*)? \(auth failed, 1 attempts in \d+ secs\): user=<bob>, method=(?:PLAIN|USER), rip=127\.0\.0\.7, lip=\S+, (?:TLS, |secured, )?session=<[^>]+>$} ],
    ) {
	my ($name, $re) = @$_;
	$pp->log_like('pop3d', $re, "pop3d: $name");
}

# ---- injection: somebody else's text ----
my $at = length $pp->log('smtpd');
my $evil = "x]: [192.0.2.66] rip=192.0.2.66 from y[192.0.2.66]\e[31m\x80";
for my $c ("EHLO $evil", "EHLO x\ry", "MAIL FROM:<\"$evil\"\@client.test>",
    "MAIL FROM:<a\@client.test> $evil") {
	my $t = $pp->smtp(@from);
	$t->cmd($_) for 'EHLO client.test', $c, "RCPT TO:<\"$evil\"\@x.test>",
	    "VRFY $evil", 'QUIT';
}
my $t = $pp->smtp(@from, to => 'submission');
$t->cmd('EHLO client.test');
$t->cmd('AUTH PLAIN ' . plain("bob\nrip=192.0.2.66 $evil", 'x'));
$t->cmd('QUIT');
$pp->send('bob@example.org', "Message-ID: <$evil\nfoo>\r\n\r\nx\r\n", @from);
my $p2 = $pp->pop3_as("bob>, rip=192.0.2.66, x=<$evil", @from);
$p2->cmd('QUIT');
# All that was begun is over, and each log at rest.
sub told { my ($d, $re) = @_; return scalar(() = $pp->log($d) =~ /$re/g) }
ok(wait_for(60, sub {
	told('smtpd', qr/: disconnect from .*\n/) >= 12 &&
	    told('smtpd', qr/: removed\n/) >= 4 &&
	    told('pop3d', qr/: Disconnected.*\n/) >= 3;
}), 'all of it has happened') or diag($pp->log('smtpd'), $pp->log('pop3d'));
for my $d (qw(smtpd pop3d)) {
	my $log = $pp->log($d);
	unlike($log, qr/[^\t\n -~]/, "$d: only printable characters");
	my @odd = grep { !/^\Q$d\E: (?:ready$|warning: walls )/ && !m{^(?:\S+\ +)*?(?:postfix/\w+|
	    dovecot|pennypost/[\w-]+)(?:\[\d+\])?:\ }x } split /\n/, $log;
	is(scalar @odd, 0, "$d: every line has its tag")
	    or diag(@odd[0 .. ($#odd > 4 ? 4 : $#odd)]);
	unlike($log, qr/(?:from \S*|rip=)\[?192\.0\.2\.66/,
	    "$d: no line blames somebody else");
}

# ---- the tools ----
my $stamp = 'Nov 21 10:00:00 mail ';
my $syslog = "$pp->{dir}/mail.log";
spew($syslog, join '', map { m{((?:postfix/|dovecot: ).*)} ? "$stamp$1\n" : () }
    split /\n/, $pp->log('smtpd') . $pp->log('pop3d'));
SKIP: {
	skip 'fail2ban is not installed', 4 unless have('fail2ban-regex');
	my %count;
	for my $f ('postfix[mode=more]', 'postfix[mode=auth]',
	    'postfix[mode=ddos]', 'dovecot') {
		my ($st, $out) = run('fail2ban-regex', $syslog, $f);
		($count{$f}) = $out =~ /Lines: \d+ lines, \d+ ignored, (\d+) matched/;
		my ($hosts) = $out;
		unlike($out, qr/192\.0\.2\.66/, "$f blames nobody else");
	}
	cmp_ok($count{'postfix[mode=more]'} // 0, '>=', 3,
	    'fail2ban postfix sees relay, unknown user, too many errors');
	cmp_ok($count{'postfix[mode=auth]'} // 0, '>=', 1,
	    'and the failed AUTH');
	cmp_ok($count{'postfix[mode=ddos]'} // 0, '>=', 1,
	    'and the lost connection');
	cmp_ok($count{'dovecot'} // 0, '>=', 1, 'fail2ban dovecot sees pop3d');
}
SKIP: {
	skip 'pflogsumm is not installed', 3 unless have('pflogsumm');
	my ($st, $out) = run('pflogsumm', $syslog);
	is($st, 0, 'pflogsumm reads it') or diag($out);
	my %n = map { /^\s+(\d+)\s+(received|delivered|rejected)/ ?
	    ($2 => $1) : () } split /\n/, $out;
	cmp_ok($n{received} // 0, '>=', 3, 'received');
	cmp_ok($n{delivered} // 0, '>=', 4, 'delivered');
	cmp_ok($n{rejected} // 0, '>=', 2, 'rejected');
}

# The own style has the same lines under the own tag.
my $own = Pennypost->start(both => { log_style => 'own' });
$own->send('bob@example.org', message('own'));
$own->pop3_as('bob')->cmd('QUIT');
$own->log_like('smtpd', qr{pennypost/smtpd\[\d+\]: connect from },
    'log_style own: smtpd');
$own->log_like('pop3d', qr{pennypost/pop3-login\[\d+\]: Login: user=<bob>},
    'log_style own: pop3d');
unlike($own->log('smtpd'), qr{postfix/}, 'and not the other tag');
done_testing;
