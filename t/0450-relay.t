#!/usr/bin/perl
# A sender and servers that keep to the rules: what it says to them, and what
# it makes of their answers.
use strict;
use warnings;
use lib 't/lib';
use MIME::QuotedPrint ();
use Test::More;
use File::Temp;
use Pennypost;
use Pennypost::Drive;
use Pennypost::Peer;

my $dir = File::Temp->newdir;
my $addr = network(1);
my $d = Pennypost::Drive->new($dir);
my $text = "Subject: a\r\n\r\n.dot\r\n..two\r\nend\r\n";
my @all = (qw(PIPELINING 8BITMIME SMTPUTF8 DSN CHUNKING), 'SIZE 100000');

sub peer { Pennypost::Peer->new(dir => "$dir", addr => $addr, @_) }
sub hop { 'smtp:' . $addr . ':' . $_[0]->port }
# Lines end in CRLF on both sides.
sub unquote {
	MIME::QuotedPrint::decode($_[0] =~ s/\r\n/\n/gr) =~ s/\n/\r\n/gr
}
sub is_rcpt {
	my ($r, $i, $outcome, $dsn, $re, $name) = @_;
	my $x = $r->{rcpt}[$i];
	is("$x->{outcome} $x->{dsn}", "$outcome $dsn", $name);
	like($x->{text}, $re, "$name: the text");
}

# ---- one message ----
my $p = peer(caps => ['SIZE']);
my $r = $d->send(hop($p), $text, 'b@x.example');
is_rcpt($r, 0, 'sent', '2.0.0', qr/^250 2\.0\.0 Ok: queued as 1234$/, 'sent');
is($r->{verdict}, 'works', 'the destination works');
is($r->{remote}, "${addr}[$addr]:" . $p->port, 'who took it');
is_deeply([ $p->commands ], [ 'EHLO mail.example.org',
	'MAIL FROM:<alice@example.org> SIZE=' . length $text,
	'RCPT TO:<b@x.example>', 'DATA' ], 'the commands');
is(($p->messages)[0], $text =~ s/^\./../mgr, 'the content, dots stuffed');
$r = $d->send(hop($p), $text, 'b@x.example', 'c@x.example');
is($p->connections, 1, 'the connection is used again');
ok($r->{bits} & 4, 'and that is told');
is_rcpt($r, 1, 'sent', '2.0.0', qr/queued/, 'the second of two');

# ---- everything offered ----
my $q = peer(caps => \@all);
$r = $d->send_as(hop($q), '', 'RET=HDRS ENVID=QQ1', $text,
    'b@x.example|NOTIFY=NEVER ORCPT=rfc822;b@x.example', 'c@x.example');
is_rcpt($r, 0, 'sent', '2.0.0', qr/queued/, 'by BDAT');
ok($r->{bits} & 1, 'the server has DSN');
is_deeply([ $q->commands ], [ 'EHLO mail.example.org',
	'MAIL FROM:<> SIZE=' . length($text) . ' RET=HDRS ENVID=QQ1',
	'RCPT TO:<b@x.example> NOTIFY=NEVER ORCPT=rfc822;b@x.example',
	'RCPT TO:<c@x.example>', 'BDAT ' . length($text) . ' LAST' ],
    'the commands, and DSN passed on');
is(($q->messages)[0], $text, 'octet for octet');
my ($quit) = Pennypost::wait_for(5, sub { grep { $_ eq 'QUIT' } $p->commands });
ok($quit, 'the connection before was ended with QUIT');

# ---- content that is not quite right ----
$q->forget;
$d->send(hop($q), "a\nb\r\nc\rd", 'b@x.example');
is(($q->messages)[0], "a\r\nb\r\nc d\r\n", 'LF and CR alone do not go out');
like(join(' ', $q->commands), qr/ DATA$/, 'nor by BDAT');
$q->forget;
my $big = join '', map { ".line $_ " . 'x' x 70 . "\r\n" } 1 .. 800;
$d->send(hop($q), $big, 'b@x.example');
is(($q->messages)[0], $big, 'a larger one');
$q = peer(caps => ['8BITMIME']);
$d->send(hop($q), $big, 'b@x.example');
is(($q->messages)[0], $big =~ s/^\./../mgr, 'by DATA, too');
$q->forget;
$d->send(hop($q), '', 'b@x.example');
is(($q->messages)[0], '', 'nothing at all');

# ---- what a server cannot take ----
$q = peer(caps => [ 'SIZE 10' ]);
$r = $d->send(hop($q), $text, 'b@x.example');
is_rcpt($r, 0, 'bounced', '5.3.4', qr/takes 10$/, 'too large: bounced here');
is($r->{rcpt}[0]{who}, 'own', 'these are our words');
is($r->{verdict}, 'works', 'which says nothing of the server');
$q = peer(caps => []);
my $signed = "MIME-Version: 1.0\r\n" .
    "Content-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n" .
    "\r\n\xc3\xa4\r\n--s--\r\n";
$r = $d->send(hop($q), $signed, 'b@x.example');
is_rcpt($r, 0, 'bounced', '5.6.3', qr/8BITMIME.*signed/,
    '8 bits that are signed, no 8BITMIME');
is(scalar(() = $q->messages), 0, 'nothing of it was sent');
$r = $d->send_as(hop($q), '', '', $signed, 'b@x.example');
is_rcpt($r, 0, 'sent', '2.0.0', qr/queued/, 'a report is not lost for that');
is(($q->messages)[-1], $signed =~ s/\xc3\xa4/??/r, 'it goes with 7 bits');
$r = $d->send_as(hop($q), '', 'SMTPUTF8', "A: \xc3\xa4\r\n\r\n.\xc3\xa4\r\n",
    'b@x.example');
is_rcpt($r, 0, 'sent', '2.0.0', qr/queued/, 'nor for an address');
my $qp = "MIME-Version: 1.0\r\n" .
    "Content-Type: text/plain; charset=unknown-8bit\r\n" .
    "Content-Transfer-Encoding: quoted-printable\r\n";
is(($q->messages)[-1],
    "A: =?utf-8?B?w6Q=?=\r\n$qp\r\n..=C3=A4\r\n", 'it is converted');

# ---- RFC 6152 3: 8 bits to a server without 8BITMIME ----
for my $caps ([], ['SIZE 0'], [qw(PIPELINING CHUNKING)]) {
	my $s = peer(caps => $caps);
	my $body = join '', map { "L\xc3\xa4nge $_\r\n." . "=\xff \t" x ($_ % 40) .
	    " \r\n" } 1 .. 3000;
	$r = $d->send(hop($s), "A: b\r\n\r\n$body", 'b@x.example');
	is_rcpt($r, 0, 'sent', '2.0.0', qr/queued/, "8-bit: @$caps");
	my $got = ($s->messages)[-1];
	unlike($got, qr/[^\x09\x0d\x0a -~]/, 'what goes is ASCII');
	ok(!(grep { length > 76 } split /\r\n/, $got), 'in short lines');
	(my $plain = $got) =~ s/^\.//mg;
	is_deeply([ grep { /^MAIL|SIZE=/ } $s->commands ],
	    [ 'MAIL FROM:<alice@example.org>' .
	    (@$caps && $caps->[0] =~ /SIZE/ ? ' SIZE=' . length $plain : '') ],
	    'it is announced as such');
	my ($h, $b) = split /\r\n\r\n/, $plain, 2;
	is("$h\r\n", "A: b\r\n$qp", 'with a header that says so');
	ok(unquote($b) eq $body, 'and decodes to the same octets');
	$r = $d->send(hop($s), $text, 'b@x.example');
	my $stuffed = grep({ /^DATA$/ } ($s->commands)[-1]) ?
	    $text =~ s/^\./../mgr : $text;
	is(($s->messages)[-1], $stuffed,
	    'the next one goes as it came');
}
$q = peer(caps => ['SIZE 200']);
$r = $d->send(hop($q), "A: b\r\n\r\n" . "\xc3\xa4" x 90 . "\r\n", 'b@x.example');
is_rcpt($r, 0, 'bounced', '5.3.4', qr/takes 200$/, 'too large when converted');
$q = peer(caps => ['8BITMIME']);
$r = $d->send_as(hop($q), '', 'SMTPUTF8', "A: \xc3\xa4\r\n\r\n\xc3\xa4\r\n",
    'b@x.example');
is_rcpt($r, 0, 'sent', '2.0.0', qr/queued/, 'nor for its header');
is(($q->messages)[-1], "A: \xc3\xa4\r\n\r\n\xc3\xa4\r\n",
    'which goes as it is where 8 bits may');
$q = peer(caps => []);
$r = $d->send_as(hop($q), "\xc3\xa4\@example.org", 'SMTPUTF8', $text,
    'b@x.example');
is_rcpt($r, 0, 'bounced', '5.6.7', qr/SMTPUTF8/, 'a UTF-8 sender, no SMTPUTF8');
$r = $d->send_as(hop($q), 'a@example.org', 'SMTPUTF8', $text, 'b@x.example');
is_rcpt($r, 0, 'sent', '2.0.0', qr/queued/,
    'SMTPUTF8 that nothing needs holds up nothing');
$q = peer(caps => \@all);
$r = $d->send_as(hop($q), "\xc3\xa4\@example.org", 'SMTPUTF8',
    "A: \xc3\xa4\r\n\r\n", 'b@x.example');
is_rcpt($r, 0, 'sent', '2.0.0', qr/queued/, 'SMTPUTF8 where it is offered');
like(($q->commands)[1], qr/ BODY=8BITMIME SMTPUTF8$/, 'and it is said');

# ---- answers ----
for my $pipe (0, 1) {
	my $how = $pipe ? 'in a group' : 'one by one';
	$q = peer(caps => $pipe ? ['PIPELINING'] : [], reply => {
		'RCPT TO:<no@'    => "550-5.1.1 no such\r\n550 5.1.1 user\r\n",
		'RCPT TO:<later@' => "450 4.2.0 later\r\n",
		'RCPT TO:<many@'  => "552 too many\r\n" });
	$r = $d->send(hop($q), $text, 'no@x.example', 'yes@x.example',
	    'later@x.example', 'many@x.example');
	is_rcpt($r, 0, 'bounced', '5.1.1', qr/^550 5\.1\.1 no such 5\.1\.1 user$/,
	    "$how: 550");
	is_rcpt($r, 1, 'sent', '2.0.0', qr/queued/, "$how: 250");
	is_rcpt($r, 2, 'deferred', '4.2.0', qr/^450/, "$how: 450");
	is_rcpt($r, 3, 'deferred', '4.0.0', qr/^552/,
	    "$how: 552 there means too many");
	is($r->{rcpt}[0]{who}, 'remote', 'the server said so');
	is(scalar(() = $q->messages), 1, "$how: one message");
	$r = $d->send(hop($q), $text, 'no@x.example');
	is_rcpt($r, 0, 'bounced', '5.1.1', qr/^550/, "$how: nobody left");
	is($r->{verdict}, 'works', "$how: that is no fault of the destination");
	$r = $d->send(hop($q), $text, 'later@x.example', 'many@x.example');
	is_rcpt($r, 0, 'deferred', '4.2.0', qr/^450/, "$how: all are put off");
	is($r->{verdict}, 'works', "$how: nor is that");
	ok(wait_for(20, sub { ($q->commands)[-1] eq 'RSET' }),
	    'the transaction is ended');
	is($q->connections, 1, 'the connection is not');
	$r = $d->send(hop($q), $text, 'yes@x.example');
	is_rcpt($r, 0, 'sent', '2.0.0', qr/queued/, "$how: and goes on");
}
$q = peer(caps => ['PIPELINING'], reply => { MAIL => "553 5.1.8 not you\r\n",
	RCPT => "503 5.5.1 MAIL first\r\n" });
$r = $d->send(hop($q), $text, 'b@x.example', 'c@x.example');
is_rcpt($r, 1, 'bounced', '5.1.8', qr/not you/,
    'the answer to MAIL counts, not what follows from it');
$q = peer(finish => "554 5.7.1 spam\r\n");
$r = $d->send(hop($q), $text, 'b@x.example');
is_rcpt($r, 0, 'bounced', '5.7.1', qr/spam/, 'the content is refused');
$q = peer(finish => "451 4.7.1 greylisted\r\n");
$r = $d->send(hop($q), $text, 'b@x.example');
is_rcpt($r, 0, 'deferred', '4.7.1', qr/greylisted/, 'the content is put off');
is($r->{verdict}, 'works', 'by a server that works');
$q = peer(finish => undef);
$r = $d->send(hop($q), $text, 'b@x.example');
is_rcpt($r, 0, 'deferred', '4.4.2', qr/more than once/,
    'no answer to the content: again, and said so');
is(scalar(() = $q->messages), 1, 'but not in the same attempt');
$q = peer(reply => { DATA => "554 no valid recipients\r\n" });
$r = $d->send(hop($q), $text, 'b@x.example');
is_rcpt($r, 0, 'bounced', '5.0.0', qr/^554/, 'DATA is refused');
# What is said to QUIT, or comes after the message was taken, sends nothing
# twice.
for my $end ([ '500', "500 5.5.1 what?\r\n" ], [ '451', "451 4.3.0 not now\r\n" ],
    [ '554 to the message', "554 5.7.1 after all not\r\n" ],
    [ 'a line without end', 'x' x 100_000 ], [ 'NUL', "\0\0\r\n" ],
    [ 'hang up', undef ], [ 'nothing', '' ]) {
	$q = peer(reply => { QUIT => sub { $end->[1] } });
	$r = $d->send(hop($q), $text, 'b@x.example');
	is_rcpt($r, 0, 'sent', '2.0.0', qr/queued/, "sent; QUIT: $end->[0]");
	# Another destination: the connection is ended now.
	my $next = peer();
	$r = $d->send(hop($next), $text, 'b@x.example');
	is_rcpt($r, 0, 'sent', '2.0.0', qr/queued/, 'so is the next one');
	ok(Pennypost::wait_for(20, sub { grep { $_ eq 'QUIT' } $q->commands }),
	    'QUIT was said');
	is(scalar(() = $q->messages) . ' ' . $q->connections, '1 1',
	    'once, on one connection');
}
$q = peer(reply => { EHLO => "502 what\r\n" });
$r = $d->send(hop($q), $text, 'b@x.example');
is_rcpt($r, 0, 'sent', '2.0.0', qr/queued/, 'a server that knows HELO only');
is(($q->commands)[2], 'MAIL FROM:<alice@example.org>', 'gets no parameters');

# ---- greetings ----
$q = peer(greeting => "421 4.3.2 full\r\n");
$r = $d->send(hop($q), $text, 'b@x.example');
is_rcpt($r, 0, 'deferred', '4.3.2', qr/^421/, 'a greeting of 421');
is($r->{verdict}, 'busy', 'busy');
$q = peer(greeting => "554 go away\r\n");
$r = $d->send(hop($q), $text, 'b@x.example');
is_rcpt($r, 0, 'deferred', '4.0.0', qr/^554/, '554 to a connection is put off');
my $closed = hop(my $gone = peer());
$gone->end;
$r = $d->send($closed, $text, 'b@x.example');
is_rcpt($r, 0, 'deferred', '4.4.1', qr/^connect to .*refused$/, 'nobody there');
is("$r->{verdict} $r->{remote}", 'down none', 'down');

# ---- a kept connection that ended ----
$q = peer(reply => { MAIL => sub {
	my ($c, $l, $self) = @_;
	return $self->{used}++ ? undef : "250 ok\r\n";
} });
$d->send(hop($q), $text, 'b@x.example');
$r = $d->send(hop($q), $text, 'b@x.example');
is_rcpt($r, 0, 'sent', '2.0.0', qr/queued/,
    'a connection that is lost when it is used again is made anew');
is($q->connections, 2, 'once');
$q = peer(finish => sub { my ($c) = @_;
	syswrite $c, "250 Ok: queued as 1\r\n421 idle\r\n"; return });
$d->send(hop($q), $text, 'b@x.example');
$r = $d->send(hop($q), $text, 'b@x.example');
is_rcpt($r, 0, 'sent', '2.0.0', qr/queued/, 'one that said 421 is not used');

# ---- LMTP ----
my $path = "$dir/lmtp";
$q = Pennypost::Peer->new(dir => "$dir", path => $path, lmtp => 1,
    caps => ['PIPELINING'], finish => sub {
	my ($c, $rcpt) = @_;
	return join '', map { /no/ ? "550 5.1.1 no\r\n" :
	    /later/ ? "452 4.2.2 full\r\n" : "250 2.1.5 $_\r\n" } @$rcpt;
});
$r = $d->send("lmtp:unix:$path", $text, 'a@x.example', 'no@x.example',
    'later@x.example', 'z@x.example');
like(($q->commands)[0], qr/^LHLO /, 'LHLO');
is(join(' ', map { $_->{outcome} } @{ $r->{rcpt} }),
    'sent bounced deferred sent', 'each recipient has its own answer');
is(scalar(() = $q->messages), 1, 'to one message');
$r = $d->send("lmtp:unix:$dir/none", $text, 'a@x.example');
is_rcpt($r, 0, 'deferred', '4.4.1', qr/none/, 'no such socket');

is($d->end, 0, 'the sender ends in order');
done_testing;
