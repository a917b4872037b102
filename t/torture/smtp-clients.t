#!/usr/bin/perl
# Clients that are not on every machine: Postfix's smtp-source (only unpacked in
# build/tools), nodemailer, and smtplib with SMTPUTF8.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

my $user = "j\xc3\xb6rg";
my $pp = Pennypost->new(rsa => 1, users => { alice => undef, bob => undef,
	$user => undef }, both => { workers_per_client => 100 });
my $at = $pp->addr;
my %port = (lmtp => 2424, map { $_ => $pp->port($_) } qw(mx smtps));
$pp->write_config('smtpd', listen => [ map "$_ $at:$port{$_}", keys %port ]);
$pp->start;

SKIP: {
	my $source = 'build/tools/usr/sbin/smtp-source';
	skip 'smtp-source is not unpacked', 1 unless -x $source;
	my %env = (LD_LIBRARY_PATH => 'build/tools/usr/lib/postfix');
	for my $how ([ 200, '-s', 10 ], [ 50, '-s', 5, '-d' ],
	    [ 20, '-l', 300000 ], [ 20, '-L' ]) {
		my ($m, @arg) = @$how;
		my $to = "@arg" eq '-L' ? $port{lmtp} : $port{mx};
		my $before = () = $pp->mbox('bob') =~ /^From /mg;
		my ($st, $out) = run({ env => \%env, seconds => 60 }, $source,
		    @arg, '-m', $m, '-f', 'a@client.test', '-t',
		    'bob@example.org', '-M', 'c.test', "inet:$at:$to");
		is($st, 0, "smtp-source @arg -m $m") or diag($out);
		ok(wait_for(20, sub {
			my $n = () = $pp->mbox('bob') =~ /^From /mg;
			return $n == $before + $m;
		}), 'each message once');
	}
}

SKIP: {
	skip 'nodemailer is not there', 1 unless have('node') &&
	    -e '/usr/share/nodejs/nodemailer/package.json';
	for my $how (qw(plain starttls smtps utf8)) {
		my ($st, $out) = run({ env => { NODE_PATH => '/usr/share/nodejs' } },
		    'node', '-e', <<'END', $how, $at,
const [how, host, mx, smtps, user] = process.argv.slice(1);
const fs = require('fs');
const t = require('nodemailer').createTransport({
	host, port: how === 'smtps' ? smtps : mx, secure: how === 'smtps',
	ignoreTLS: how === 'plain', requireTLS: how === 'starttls',
	name: 'node.test', tls: { rejectUnauthorized: false },
	auth: how === 'plain' || how === 'utf8' ? undefined :
	    { user: 'alice', pass: 'alice-pass' } });
t.sendMail({ from: 'alice@example.org',
	to: how === 'utf8' ? user + '@example.org' : 'bob@example.org',
	subject: 'nodemailer ' + how, text: '.dot\nFrom x\n\u00e4\u00f6\u00fc',
	html: '<p>\u00e4', attachments: [{ filename: 'a.bin',
		content: Buffer.from([0, 255, 13, 10, 46, 13, 10]) }] })
.then(r => { console.log(r.response); process.exit(r.rejected.length); },
	e => { console.log(e); process.exit(1); });
END
		    $port{mx}, $port{smtps}, $user);
		is($st, 0, "nodemailer $how") or diag($out);
		my $to = $how eq 'utf8' ? $user : 'bob';
		ok(wait_for(10, sub {
			$pp->mbox($to) =~ /^Subject: nodemailer $how$/m }),
		    'and it is in the mailbox');
	}
}

my $python = have('/usr/bin/python3') ? '/usr/bin/python3' : have('python3');
SKIP: {
	skip 'python3 is not installed', 1 unless $python;
	my ($st, $out) = run($python, '-c', <<'END', $at, $port{mx});
import smtplib, ssl, sys
from email.message import EmailMessage
host, port = sys.argv[1:]
m = EmailMessage()
m['From'] = 'Zo\u00eb <zo\u00eb@b\u00fccher.test>'
m['To'] = 'j\u00f6rg@example.org'
m['Subject'] = 'smtplib \u2603'
m.set_content('\u00e4\n.dot\n', cte='8bit')
for tls in False, True:
    s = smtplib.SMTP(host, int(port), timeout=20)
    if tls:
        s.starttls(context=ssl._create_unverified_context())
    # Each way to write him.
    for to in 'j\u00f6rg', 'jo\u0308rg', 'J\u00d6RG':
        assert s.send_message(m, to_addrs=[to + '@example.org']) == {}
    s.ehlo_or_helo_if_needed()
    code, text = s.docmd('VRFY', 'bob SMTPUTF8')
    assert code == 252, (code, text)
    s.quit()
END
	is($st, 0, 'smtplib with SMTPUTF8') or diag($out);
	my $n = 0;
	ok(wait_for(10, sub {
		$n = () = $pp->mbox($user) =~ /^Subject: smtplib \xe2\x98\x83$/mg;
		return $n == 6;
	}), 'six messages in one mailbox') or diag($n);
	like($pp->mbox($user), qr/^Return-Path: <zo\xc3\xab\@b\xc3\xbccher\.test>$/m,
	    'the sender in UTF-8');
	like($pp->mbox($user), qr/with UTF8SMTPS/, 'and the trace says so');
}
is($pp->stop, 0, 'and both end in order');
done_testing;
