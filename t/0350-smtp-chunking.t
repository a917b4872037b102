#!/usr/bin/perl
# BDAT (RFC 3030): counted chunks, and binary MIME that comes back octet by
# octet through the mailbox and POP3.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use MIME::Base64;
use Pennypost;

my $pp = Pennypost->start;

# Retrieves the only message of a user, as it was sent.
sub fetch {
	my $user = shift;
	my @m = $pp->fetch($user);
	is(scalar @m, 1, 'one message');
	unlink $pp->mailbox($user);
	return (sent_part($m[0]))[1];
}

# Dots need no stuffing, and no end of data is looked for.
my $body = "Subject: dots\r\n\r\n.\r\n..\r\nQUIT\r\n";
for my $step (1, 7, 1000) {
	my $s = $pp->smtp;
	$s->cmd($_) for 'EHLO c.test', 'MAIL FROM:<a@c.test>',
	    'RCPT TO:<bob@example.org>';
	my @piece = unpack "(a$step)*", $body;
	for my $i (0 .. $#piece) {
		my $last = $i == $#piece;
		$s->raw('BDAT ' . length($piece[$i]) . ($last ? ' LAST' : '') .
		    "\r\n$piece[$i]");
		like($s->reply, $last ? qr/^250 2\.0\.0 Ok: queued/ :
		    qr/^250 2\.0\.0 \d+ octets/, "chunk $i") if $step > 1;
		$s->reply if $step == 1;
	}
	is(fetch('bob'), $body, "in chunks of $step");
}

# A group of everything, and a large message for two.
my $large = "Subject: large\r\n\r\n" . ("x" x 70 . "\r\n") x 3000;
my $s = $pp->smtp;
$s->cmd('EHLO c.test');
$s->raw("MAIL FROM:<a\@c.test> BODY=8BITMIME\r\nRCPT TO:<bob\@example.org>\r\n" .
    "RCPT TO:<carol\@example.org>\r\nBDAT 100000\r\n" .
    substr($large, 0, 100000) . 'BDAT ' . (length($large) - 100000) .
    " LAST\r\n" . substr($large, 100000) . "NOOP\r\n");
like($s->reply, qr/^250 /, "a group: reply $_") for 1 .. 6;
wait_for(20, sub { -s $pp->mailbox($_) }) for qw(bob carol);
is(fetch($_), $large, "$_ has it") for qw(bob carol);

# Binary MIME.
my $octets = join '', map { chr } 0 .. 255;
$octets = $octets x 40 . "\r\n.\r\n\n\r--x\n";
my $type = 'Content-Type: multipart/mixed; boundary=x';
my $m = "Subject: binary\r\n$type\r\nContent-Transfer-Encoding: binary\r\n\r\n" .
    "--x\r\nContent-Type: text/plain\r\n\r\nFrom here.\r\n" .
    "--x\r\nContent-Type: application/octet-stream\r\n" .
    "Content-Transfer-Encoding: binary\r\n\r\n$octets\r\n--x--\r\n";
$s->expect('MAIL FROM:<a@c.test> BODY=BINARYMIME', qr/^250 /);
$s->expect('RCPT TO:<bob@example.org>', qr/^250 /);
$s->expect('DATA', qr/^503 5\.5\.1 /, 'no DATA for it');
$s->raw('BDAT ' . length($m) . " LAST\r\n$m");
like($s->reply, qr/^250 2\.0\.0 Ok: queued/, 'binary MIME is taken');
my $got = fetch('bob');
like($got, qr/^Content-Transfer-Encoding: 8bit\r\n\r\n--x\r\n/m, 'the whole');
like($got, qr/\r\n\r\nFrom here\.\r\n--x\r\n/, 'the text');
my ($coded) = $got =~
    /octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n(.*?)--x--\r\n\z/s;
ok(defined $coded && decode_base64($coded) eq $octets,
    'the octets come back');
ok($got !~ /[^\r\n]{79}/, 'in lines that are not too long');
SKIP: {
	skip 'python3 is not installed', 1 unless have('python3');
	my $code = 'import sys, email; m = email.message_from_binary_file(' .
	    'sys.stdin.buffer); p = m.get_payload(); ' .
	    'sys.stdout.buffer.write(p[1].get_payload(decode=True))';
	my ($st, $out) = run({ input => $got }, 'python3', '-c', $code);
	is(length($out), length($octets), 'another reader finds them');
}

# Net::SMTP speaks it.
SKIP: {
	skip 'Net::SMTP is not installed', 2 unless have('Net::SMTP');
	my $c = Net::SMTP->new($pp->addr, Port => $pp->port('mx'),
	    Hello => 'c.test', Timeout => 90) or die $@;
	ok(defined $c->supports('CHUNKING'), 'Net::SMTP sees CHUNKING');
	$c->mail('a@c.test', Bits => 'binary'); # no BDAT without that
	$c->to('bob@example.org');
	$c->bdat("Subject: net\r\n\r\n") && $c->bdatlast(".\r\nx\r\n");
	$c->quit;
	is(fetch('bob'), "Subject: net\r\n\r\n.\r\nx\r\n", 'and uses it');
}
done_testing;
