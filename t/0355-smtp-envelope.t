#!/usr/bin/perl
# What MAIL and RCPT say beside the addresses: kept in the queue's records
# (RFC 3461), written into the trace header (RFC 3865), and addresses outside
# ASCII (RFC 6531) on all the way into the mailbox and back.
use strict;
use warnings;
use utf8;
use lib 't/lib';
use Test::More;
use Pennypost;

my $joerg = "j\xc3\xb6rg"; # octets
my $pp = Pennypost->start(users => { map { $_ => undef }
	qw(alice bob), $joerg });

# A mailbox that cannot be written keeps its message in the queue.
mkdir $pp->mailbox('bob') or die;
my $s = $pp->smtp;
$s->cmd('EHLO c.test');
$s->expect('MAIL FROM:<a@c.test> RET=HDRS ENVID=QQ+2B1', qr/^250 /);
$s->expect('RCPT TO:<bob@example.org> NOTIFY=SUCCESS,DELAY ' .
    'ORCPT=rfc822;Bob+2Bx@old.test', qr/^250 /);
$s->expect('RCPT TO:<alice@example.org> NOTIFY=NEVER', qr/^250 /);
$s->cmd('DATA');
my ($id) = $s->data(message('kept')) =~ /queued as (\w+)/;
ok($id, 'queued');
my ($file) = wait_for(5, sub { (glob($pp->dir . "/queue/*/$id"),
	glob($pp->dir . "/queue/*/*/$id"))[0] });
ok($file, 'its record is there') or diag(`find @{[$pp->dir]}/queue`);
my $record = $file ? slurp($file) : '';
like($record, qr/^params: RET=HDRS ENVID=QQ\+2B1$/m, "MAIL's parameters");
like($record, qr/^. bob\@example\.org\tbob\@example\.org\tNOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob\+2Bx\@old\.test$/m,
    "RCPT's parameters");
like($record, qr/^. alice\@example\.org\talice\@example\.org\tNOTIFY=NEVER$/m,
    'of each recipient');
wait_for(10, sub { $pp->mbox('alice') =~ /Subject: kept/ });
like($pp->mbox('alice'), qr/Subject: kept/, 'the other one has it');
rmdir $pp->mailbox('bob');
wait_for(20, sub { $pp->mbox('bob') =~ /Subject: kept/ });
like($pp->mbox('bob'), qr/Subject: kept/, 'and this one, later');

# Addresses outside ASCII.
$s->expect("MAIL FROM:<$joerg\@c.test>", qr/^553 5\.6\.7 /, 'not without SMTPUTF8');
$s->expect("MAIL FROM:<$joerg\@c.test> SMTPUTF8 BODY=8BITMIME", qr/^250 /);
$s->expect("RCPT TO:<\xf6\@example.org>", qr/^501 5\.1\.3 /, 'no UTF-8');
$s->expect("RCPT TO:<J\xc3\xb6RG+x\@Example.org>", qr/^250 2\.1\.5 /);
$s->cmd('DATA');
like($s->data("Subject: \xc3\xb6\r\n\r\nx\r\n"), qr/^250 /, 'delivered');
my $mbox = $pp->mbox($joerg);
like($mbox, qr/^Return-Path: <$joerg\@c\.test>$/m, 'Return-Path');
like($mbox, qr/^Delivered-To: $joerg\@example\.org$/m, 'Delivered-To');
like($mbox, qr/with UTF8SMTP id/, 'RFC 6531 4.3: the protocol');
for my $to ($joerg, 'alice') { # two: through the queue
	$s->cmd("MAIL FROM:<$joerg\@c.test> SMTPUTF8") if $to eq $joerg;
	$s->expect("RCPT TO:<$to\@example.org>", qr/^250 /);
}
$s->cmd('DATA');
like($s->data("Subject: both\r\n\r\nx\r\n"), qr/^250 /, 'queued');
wait_for(10, sub { $pp->mbox($_) =~ /Subject: both/ }) for $joerg, 'alice';
like($pp->mbox($_), qr/Subject: both/, "$_ has it") for $joerg, 'alice';

# Solicitation in the trace header.
$s->expect('MAIL FROM:<a@c.test> SOLICIT=net.example:ADV', qr/^250 /);
$s->cmd('RCPT TO:<alice@example.org>');
$s->cmd('DATA');
like($s->data(message('adv')), qr/^250 /);
like($pp->mbox('alice'), qr/with ESMTP \(SOLICIT=net\.example:ADV\) id/, 'RFC 3865 2.6');

SKIP: {
	skip 'python3 is not installed', 2 unless have('python3');
	my $code = 'import smtplib, sys; from email.message import ' .
	    "EmailMessage; m = EmailMessage(); m['From'] = 'j\\u00f6rg\@c.test'; " .
	    "m['To'] = 'j\\u00f6rg\@example.org'; m['Subject'] = 'py'; " .
	    "m.set_content('x'); s = smtplib.SMTP(sys.argv[1], " .
	    "int(sys.argv[2])); s.send_message(m); s.quit()";
	my ($st, $out) = run('python3', '-c', $code, $pp->addr,
	    $pp->port('mx'));
	is($st, 0, "Python's smtplib with SMTPUTF8") or diag($out);
	like($pp->mbox($joerg), qr/Subject: py/, 'and it is there');
}
SKIP: {
	skip 'Net::SMTP is not installed', 1 unless have('Net::SMTP');
	my $c = Net::SMTP->new($pp->addr, Port => $pp->port('mx'),
	    Hello => 'c.test', Timeout => 90) or die $@;
	$c->mail('a@c.test', Return => 'HDRS', Envelope => 'x');
	ok($c->recipient('bob@example.org', { Notify => ['FAILURE', 'DELAY'],
		ORcpt => 'rfc822;bob@old.test' }), 'Net::SMTP with DSN');
	$c->quit;
}
done_testing;
