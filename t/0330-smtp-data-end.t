#!/usr/bin/perl
# Only CRLF.CRLF ends the content; nothing else does, however the octets are
# cut into packets (SMTP smuggling).
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

my $pp = Pennypost->start(daemons => ['smtpd']);
my %no_end = (
	'LF.LF'       => "\n.\n",
	'LF.CRLF'     => "\n.\r\n",
	'CRLF.LF'     => "\r\n.\n",
	'CR.CR'       => "\r.\r",
	'CR.CRLF'     => "\r.\r\n",
	'CRLF.CR'     => "\r\n.\r",
	'LF.CR'       => "\n.\r",
	'CR.LF'       => "\r.\n",
	'CRLF NUL.CRLF' => "\r\n\0.\r\n",
	'CRLF.NUL CRLF' => "\r\n.\0\r\n",
	'CRLF. CRLF'  => "\r\n. \r\n",
	'CRCRLF.CRLF' => "\r\r\n.\r\n",
	'CRLF.CRCRLF' => "\r\n.\r\r\n",
);
delete $no_end{'CRCRLF.CRLF'}; # ends: there is a CRLF before the dot
my $smuggled = "MAIL FROM:<evil\@evil.test>\r\nRCPT TO:<carol\@example.org>" .
    "\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n";
my $n = 0;
for my $name (sort keys %no_end) {
	for my $how (qw(raw drip)) {
		$n++;
		my $s = $pp->smtp;
		$s->cmd($_) for 'EHLO c.test', 'MAIL FROM:<a@client.test>',
		    'RCPT TO:<bob@example.org>', 'DATA';
		$s->$how("Subject: n$n\r\n\r\ntext$no_end{$name}$smuggled");
		$s->raw(".\r\n");
		my $r = $s->reply;
		like($r, qr/^(?:250|5\d\d) /, "$name ($how): one reply");
		# Whatever it was, no second message came of it.
		my $more = $s->cmd('QUIT');
		like($more, qr/^(?:221 |$)/, "$name ($how): and only one");
		is($pp->mbox('carol'), '', "$name ($how): nothing smuggled");
	}
}

# And what is an end ends it, in any packets.
for my $cut (1 .. 5) {
	my $s = $pp->smtp;
	$s->cmd($_) for 'EHLO c.test', 'MAIL FROM:<a@client.test>',
	    'RCPT TO:<alice@example.org>', 'DATA';
	my $c = "Subject: cut $cut\r\n\r\ntext\r\n.\r\n";
	$s->raw(substr $c, 0, -$cut);
	select undef, undef, undef, 0.05;
	$s->raw(substr $c, -$cut);
	like($s->reply, qr/^250 /, "cut $cut octets before the end");
}
like($pp->mbox('alice'), qr/(?:Subject: cut \d\n\ntext\n.*?){5}/s, 'all five');
unlike($pp->mbox('alice'), qr/^\.$/m, 'the dot is not content');
done_testing;
