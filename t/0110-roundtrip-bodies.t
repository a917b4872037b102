#!/usr/bin/perl
# RETR gives back exactly the octets that DATA brought, whatever they are.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

my $head = "From: a\@client.test\r\nSubject: x\r\n";
srand 1;
my $noise = join '', map { chr(1 + int rand 255) } 1 .. 60000;
$noise =~ s/[\r\n]/x/g;
$noise =~ s/(.{1,900})/$1\r\n/gs;
my %content = (
	'a plain one'           => "$head\r\nText.\r\n",
	'8-bit'                 => "$head\r\n" . join('', map chr, 128 .. 255) .
	    "\r\n\xff\xfe\r\n",
	'leading dots'          => "$head\r\n.\r\n..\r\n.x\r\n...\r\n. \r\n",
	'a dot first'           => ".first line\r\n",
	'From_ lines'           => "$head\r\nFrom \r\nFrom x Sat Jan  3 " .
	    "01:05:34 1996\r\n\r\nFrom a\@b Sat Jan  3 01:05:34 1996\r\nx\r\n",
	'quoted From_ lines'    => "$head\r\n>From x\r\n>>From y\r\n" .
	    ">>>>>From z\r\n> From\r\n>Fromage\r\n From\r\n",
	'a From_ line in the header' => "From x Sat Jan  3 01:05:34 1996\r\n" .
	    "$head\r\nText.\r\n",
	'no blank line'         => $head,
	'no header'             => "\r\nText only.\r\n",
	'text without header'   => "just text\r\nand more\r\n",
	'one empty line'        => "\r\n",
	'many empty lines'      => "$head\r\n\r\n\r\n\r\n",
	'only blank lines at the end' => "${head}\r\nText.\r\n\r\n\r\n\r\n",
	'empty'                 => '',
	'lines of 1,000 octets' => "$head\r\n" . ('y' x 998 . "\r\n") x 20,
	'lines of 5,000 octets' => "$head\r\n" . ('z' x 4998 . "\r\n") x 3,
	'tabs and blanks'       => "$head\r\n \t \r\n\t\r\n  \r\n",
	'NUL octets'            => "$head\r\na\0b\0\r\n\0\r\n",
	'a lone CR in a line'   => "$head\r\na\rb\r\n",
	'noise'                 => "$head\r\n" . $noise,
	'as long as a message in one piece may be' =>
	    "$head\r\n" . ('q' x 58 . "\r\n") x 999,
	'just longer than that' => "$head\r\n" . ('q' x 58 . "\r\n") x 1003,
	'Content-Length that lies' =>
	    "Content-Length: 3\r\nLines: 99\r\n$head\r\nText.\r\n",
);
my $pp = Pennypost->start;
my $n = 0;
my @names = sort keys %content;
for my $name (@names) {
	my $how = $n++ % 2 ? 'drip' : 'raw';
	my $s = $pp->smtp;
	$s->cmd($_) for 'EHLO c.test', 'MAIL FROM:<a@client.test> BODY=8BITMIME',
	    'RCPT TO:<bob@example.org>', 'DATA';
	$how = 'raw' if length $content{$name} > 5000;
	$s->$how(Pennypost::Talk::stuff($content{$name}) . ".\r\n");
	like($s->reply, qr/^250 /, "$name: accepted ($how)");
}
my $p = $pp->pop3_as('bob');
like($p->cmd('STAT'), qr/^\+OK ${\ scalar @names} /, 'all are there');
for my $i (0 .. $#names) {
	my ($size) = $p->cmd('LIST ' . ($i + 1)) =~ /^\+OK \d+ (\d+)$/;
	$p->cmd('RETR ' . ($i + 1));
	my $got = $p->multi // '';
	is(length $got, $size, "$names[$i]: size as told");
	my $want = $content{ $names[$i] };
	my ($trace) = sent_part(substr $got, 0, length($got) - length($want));
	ok($trace ne '' && $got eq $trace . $want, "$names[$i]: the same octets")
	    or diag("sent: " . show($want) . "\ngot:  " . show($got));
}
$p->cmd("DELE $_") for grep { $_ % 3 == 0 } 1 .. @names;
like($p->cmd('QUIT'), qr/^\+OK/, 'every third deleted');
my @left = @content{ @names[ grep { ($_ + 1) % 3 } 0 .. $#names ] };
my @got = $pp->fetch('bob');
is(scalar @got, scalar @left, 'the others are left');
my $same = grep { substr($got[$_], -length($left[$_]) || length $got[$_]) eq
    $left[$_] } 0 .. $#left;
is($same, scalar @left, 'and are what they were');

# What is not a line of content: bare LF becomes CRLF; a missing last CRLF
# cannot be sent at all.
my $s = $pp->smtp;
$s->cmd($_) for 'EHLO c.test', 'MAIL FROM:<a@client.test>',
    'RCPT TO:<carol@example.org>', 'DATA';
$s->raw("Subject: lf\r\n\r\none\ntwo\r\n.\nthree\n.\r\nfour\n.\n\r\n.\r\n");
my $r = $s->reply;
if ($r =~ /^250/) {
	is((sent_part($pp->fetch('carol')))[1],
	    "Subject: lf\r\n\r\none\r\ntwo\r\n\r\nthree\r\n.\r\nfour\r\n" .
	    ".\r\n\r\n", 'bare LF becomes CRLF, LF.CRLF and CRLF.LF end nothing')
	    or diag(show($pp->mbox('carol')));
} else {
	like($r, qr/^5\d\d /, 'bare LF is refused as a whole');
	is($pp->mbox('carol'), '', 'and nothing of it is kept');
}

# 10 MiB.
my $line = join('', map { chr(33 + $_ % 90) } 1 .. 74) . "\r\n";
my $big = "Subject: big\r\n\r\n" . $line x (10 * 1024 * 1024 / 76);
like($pp->send('bob@example.org', $big), qr/^250 /, '10 MiB: accepted');
my ($got) = ($pp->fetch('bob'))[-1];
ok(substr($got, -length $big) eq $big, '10 MiB: the same octets');
done_testing;

sub show {
	my $t = shift;
	$t = substr($t, 0, 300) . '...' . substr($t, -100) if length $t > 450;
	$t =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ge;
	return $t;
}
