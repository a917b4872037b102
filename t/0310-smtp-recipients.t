#!/usr/bin/perl
# Who is let in: recipients, senders, relaying, and what people type.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

my $pp = Pennypost->new(daemons => ['smtpd'],
    smtpd => { errors_max => 1000, local_domains => 'example.org b.example ' .
	'[203.0.113.5] [IPv6:2001:db8:0:0::5]',
	virtual_domains => 'virtual.example', vrfy => 'all' });
my ($own, $proxied) = ($pp->addr, 2526);
$pp->write_config('smtpd', proxy_networks => '127.0.0.77/32',
    listen => [ $pp->config('smtpd') =~ /^listen (.*)$/mg,
	"mx $own:$proxied proxy" ]);
$pp->start;
sub transaction {
	my $s = $pp->smtp(@_);
	$s->cmd($_) for 'EHLO c.test', 'MAIL FROM:<a@client.test>';
	return $s;
}
my $s = transaction();
my $yes = qr/^250 2\.1\.5 /;
my $unknown = qr/^550 5\.1\.1 /;
my $relay = qr/^550 5\.7\.1 /;
my $syntax = qr/^(?:501 5\.1\.3|553 5\.1\.3|501 5\.5\.4) /;
for (
	[ '<bob@example.org>', $yes ],
	[ '<BOB@EXAMPLE.ORG>', $yes, 'in capitals' ],
	[ '<bob@b.example>', $yes, 'another local domain' ],
	[ '<bob>', $yes, 'no domain: ours' ],
	[ '<bob+tag@example.org>', $yes, 'a tag' ],
	[ '<"bob"@example.org>', $yes, 'a quoted local part' ],
	[ '<postmaster>', $yes, 'postmaster without a domain (4.5.1)' ],
	[ '<Postmaster@example.org>', $yes, 'postmaster' ],
	[ '<PostMaster@b.example>', $yes, 'postmaster of the other domain' ],
	[ '<@relay.example,@x.example:bob@example.org>', $yes,
		'a source route is ignored' ],
	[ ' <bob@example.org>', $yes, 'a blank before' ],
	[ 'bob@example.org', $yes, 'without angle brackets' ],
	[ ' bob@example.org', $yes, 'and a blank' ],
	[ 'bob', $yes, 'a bare name' ],
	[ '<nobody@example.org>', $unknown ],
	[ '<nobody>', $unknown ],
	[ '<+tag@example.org>', $unknown, 'only a tag' ],
	[ '<"../alice"@example.org>', $unknown, 'a path' ],
	[ '<"a/b"@example.org>', $unknown, 'a slash' ],
	[ '<root@example.org>', $unknown, 'root is nobody here' ],
	[ '<bob@elsewhere.test>', $relay, 'a foreign domain' ],
	[ '<bob%elsewhere.test@elsewhere.test>', $relay ],
	[ '<bob@example.org.evil.test>', $relay ],
	[ '<bob@xexample.org>', $relay ],
	[ '<>', qr/^(?:501|550|553) 5\./, 'the null path as a recipient' ],
	[ '<bob@>', $syntax ],
	[ '<@example.org>', $syntax ],
	[ '<bob@example.org', $syntax, 'no closing bracket' ],
	[ '<bob@@example.org>', $syntax ],
	[ '<bob@example..org>', $syntax ],
	[ '<bob smith@example.org>', $syntax ],
	[ "<bob\t\@example.org>", $syntax, 'a tab' ],
	[ "<bob\0\@example.org>", qr/^50[01] 5\.(?:5\.[24]|1\.3) /, 'a NUL' ],
	[ "<b\xc3\xb6b\@example.org>", qr/^(?:501|553|550) 5\.(?:1\.3|6\.7|5\.4) /,
		'UTF-8, without SMTPUTF8' ],
	[ '<bob@example.org> FROB=NEVER', qr/^555 5\.5\.4 /,
		'a parameter that is not offered' ],
	[ '<' . 'l' x 65 . '@example.org>',
		qr/^(?:$unknown|501 5\.1\.3|553 5\.1\.3) /, 'a long local part' ],
	[ '<bob@' . 'd' x 300 . '>', $syntax, 'a long domain' ],
    ) {
	my ($path, $re, $name) = @$_;
	$s->expect("RCPT TO:$path", $re, $name && "$name");
}
$s->expect('rcpt to: <bob@example.org>', $yes, 'rcpt to: in lower case');
$s->expect('RCPT TO <bob@example.org>', qr/^(?:250|501) /,
    'without a colon: one way or the other');
$s->expect('RCPT FROM:<bob@example.org>', qr/^501 5\.5\.4 /);

# An address literal stands for this host if it is the address that the client
# came to, or is configured (RFC 1123 5.2.17, RFC 5321 4.1.3), and then for its
# local users and nobody else.
my ($hex) = map { sprintf '%02x%02x:%02x%02x', split /\./ } $own;
for (
	[ "<bob\@[$own]>", $yes, 'the address that the client came to' ],
	[ "<BOB+tag\@[$own]>", $yes, 'with a tag' ],
	[ "<postmaster\@[$own]>", $yes, 'its postmaster' ],
	[ "<\@relay.example:bob\@[$own]>", $yes, 'behind a route' ],
	[ "bob\@[$own]", $yes, 'without angle brackets' ],
	[ "<bob\@[IPv6:::ffff:$own]>", $yes, 'as IPv6 has it' ],
	[ "<bob\@[ipv6:::FFFF:$hex]>", $yes, 'written in another way' ],
	[ '<bob@[203.0.113.5]>', $yes, 'one that is configured' ],
	[ '<bob@[IPv6:2001:DB8::5]>', $yes, 'and IPv6, written otherwise' ],
	[ "<nobody\@[$own]>", $unknown ],
	[ "<root\@[$own]>", $unknown ],
	[ "<\"../alice\"\@[$own]>", $unknown, 'a path' ],
	[ "<bob%elsewhere.test\@[$own]>", $unknown, 'a percent hack' ],
	[ "<elsewhere.test!bob\@[$own]>", $unknown, 'a bang path' ],
	[ "<\"bob\@elsewhere.test\"\@[$own]>", $unknown,
		'an address in quotes' ],
	[ "<\"\@elsewhere.test:bob\"\@[$own]>", $unknown,
		'a route in quotes' ],
	[ "<bob\@elsewhere.test\@[$own]>", $syntax ],
	[ "<bob\@[$own]\@elsewhere.test>", $syntax ],
	[ "<\@[$own]:bob\@elsewhere.test>", $relay, 'a route over it' ],
	[ "<bob\@[$own].elsewhere.test>", $syntax ],
	[ "<bob\@$own>", $relay, 'without brackets it is a name' ],
	[ '<bob@[127.0.0.1]>', $relay, 'another of our addresses' ],
	[ '<bob@[203.0.113.6]>', $relay, 'one that is not configured' ],
	[ '<bob@[192.0.2.1]>', $relay ],
	[ '<bob@[IPv6:2001:db8::6]>', $relay ],
	[ '<bob@[IPv6:::]>', $relay ],
	[ '<bob@[0.0.0.0]>', $relay ],
	[ "<bob\@[IPv6:$own]>", $syntax, 'IPv4 said to be IPv6' ],
	[ "<bob\@[0$own]>", $syntax, 'an octal number' ],
	[ "<bob\@[$own >", $syntax ],
	[ "<bob\@[ $own]>", $syntax ],
	[ "<bob\@[$own%lo]>", $syntax, 'with an interface' ],
	[ '<bob@[local]>', $syntax ],
	[ '<bob@[unknown]>', $syntax ],
	[ '<bob@[]>', $syntax ],
	[ '<bob@[IPv6:]>', $syntax ],
	[ '<bob@[' . '1' x 200 . ']>', $syntax ],
    ) {
	my ($path, $re, $name) = @$_;
	$s->expect("RCPT TO:$path", $re, $name);
}
$s->expect("VRFY bob\@[$own]", qr/^250 .*<bob\@example\.org>/, 'VRFY');
$s->expect('VRFY bob@[192.0.2.1]', qr/^551 /, 'VRFY of another');
like($pp->send("carol\@[$own]", message('for a literal')), qr/^250 /,
    'it is delivered');
like($pp->mbox('carol'), qr/^Delivered-To: carol\@example\.org$/m,
    'to the user of the first local domain');
like($pp->send([ "carol\@[$own]", 'carol', 'carol@example.org' ],
    message('for one')), qr/^250 /, 'written in three ways');
is(scalar(() = $pp->mbox('carol') =~ /^Subject: for one$/mg), 1,
    'it is one recipient');
# Behind a proxy it is where the client came to there.
for ([ 'TCP6 2001:db8::1 2001:db8::25', '[IPv6:2001:db8:0::25]' ],
    [ 'TCP4 192.0.2.1 192.0.2.25', '[192.0.2.25]' ]) {
	my $p = Pennypost::Talk->tcp($own, $proxied, source => '127.0.0.77');
	$p->raw("PROXY $_->[0] 1234 25\r\n");
	$p->reply;
	$p->cmd($_) for 'EHLO c.test', 'MAIL FROM:<a@client.test>';
	$p->expect("RCPT TO:<bob\@$_->[1]>", $yes, "proxied: $_->[1]");
	$p->expect("RCPT TO:<bob\@[$own]>", $relay, 'and not the proxy\'s');
}

# Senders.
for (
	[ '<a@b.test>', qr/^250 2\.1\.0 / ],
	[ '<>', qr/^250 2\.1\.0 / ],
	[ '<frol>', qr/^250 2\.1\.0 /, 'without a domain, as in the notes' ],
	[ ' a@b.org', qr/^250 2\.1\.0 /, 'a blank and no brackets' ],
	[ ' <a@b.org>', qr/^250 2\.1\.0 /, 'a blank' ],
	[ 'a@b.org', qr/^250 2\.1\.0 /, 'no brackets' ],
	[ '<a@b.test> SIZE=1000', qr/^250 2\.1\.0 / ],
	[ '<a@b.test> BODY=8BITMIME', qr/^250 2\.1\.0 / ],
	[ '<a@b.test> body=7bit size=5', qr/^250 2\.1\.0 /, 'lower case' ],
	[ '<a@[192.0.2.1]>', qr/^250 2\.1\.0 /, 'an address literal' ],
	[ '<a@b.test> SIZE=99999999', qr/^552 5\.3\.4 /, 'too large' ],
	[ '<a@b.test> SIZE=99999999999999999999999', qr/^55[25] 5\./ ],
	[ '<a@b.test> SIZE=x', qr/^501 5\.5\.4 / ],
	[ '<a@b.test> SIZE', qr/^501 5\.5\.4 / ],
	[ '<a@b.test> BODY=BINARYMIME', qr/^250 2\.1\.0 / ],
	[ '<a@b.test> BODY=9BIT', qr/^501 5\.5\.4 / ],
	[ '<a@b.test> SMTPUTF8', qr/^250 2\.1\.0 / ],
	[ '<a@b.test> RET=HDRS', qr/^250 2\.1\.0 / ],
	[ '<a@b.test> RET=ALL', qr/^501 5\.5\.4 / ],
	[ '<a@b.test> NONSENSE=1', qr/^555 5\.5\.4 / ],
	[ '<a@b.test> SIZE=5 SIZE=6', qr/^501 5\.5\.4 /, 'twice' ],
	[ '<a@b.test', qr/^501 5\.1\.7 /, 'no closing bracket' ],
	[ '<a b@c.test>', qr/^501 5\.1\.7 / ],
    ) {
	my ($path, $re, $name) = @$_;
	$s->cmd('RSET');
	$s->expect("MAIL FROM:$path", $re, $name);
}
$s->cmd('RSET');
$s->expect('mail from: a@b.org', qr/^250 2\.1\.0 /, 'mail from: a@b.org');
for my $h ('195.161.101.33', 'localhost', 'a_b', '[195.161.101.33]') {
	my $t = $pp->smtp;
	$t->expect("HELO $h", qr/^250 /, "HELO $h is accepted from people");
}

# Where it goes: postmaster's user, tags, domainless.
for (
	[ 'postmaster@example.org', 'alice' ],
	[ 'carol+lists@example.org', 'carol' ],
	[ 'BOB@b.example', 'bob' ],
    ) {
	my ($to, $user) = @$_;
	like($pp->send($to, message("for $to")), qr/^250 /, "to $to");
	like($pp->mbox($user), qr/^X-Original-To: \Q$to\E$/m,
	    "is in ${user}'s mailbox");
}
like($pp->mbox('carol'), qr/^Delivered-To: carol\@example\.org$/m,
    'Delivered-To');

# An authenticated user may send elsewhere.
use MIME::Base64;
my $t = $pp->smtp(to => 'submission');
$t->cmd('EHLO c.test');
$t->expect('AUTH PLAIN ' . encode_base64("\0alice\0alice-pass", ''),
    qr/^235 2\.7\.0 /, 'alice logs in');
$t->expect('MAIL FROM:<alice@example.org>', qr/^250 /);
$t->expect('RCPT TO:<x@elsewhere.test>', qr/^250 2\.1\.5 /,
    'a foreign recipient of a user is taken');
$t->expect('RSET', qr/^250 /);
$t->expect('MAIL FROM:<alice@example.org>', qr/^250 /);
$t->expect('RCPT TO:<bob@example.org>', qr/^250 /);
$t->cmd('DATA');
like($t->data(message('from alice')), qr/^250 /, 'a local one is delivered');
like($pp->mbox('bob'), qr/with ESMTPA/, 'and says ESMTPA (RFC 3848)');

# Nobody may submit without being somebody, but to us.
$t = $pp->smtp(to => 'submission');
$t->cmd('EHLO c.test');
$t->expect('MAIL FROM:<alice@example.org>', qr/^530 5\.7\.0 /,
    'submission without AUTH');
unlike($t->cmd('RCPT TO:<x@elsewhere.test>'), qr/^2/, 'relays for nobody');
done_testing;
