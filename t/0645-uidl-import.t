#!/usr/bin/perl
# The unique-ids of other servers: what pennyctl imports is what they gave.
# popa3d's were given by popa3d 1.0.3 for these messages (Debian 12); Dovecot's
# come from Dovecot itself where it is installed, else from 2.3.19.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

my $pp = Pennypost->start;
my $ctl = "$ENV{O}/spool/pennyctl";
my $box = $pp->mailbox('bob');
my $from = "From a\@x Mon Jan  5 10:00:00 2026\n";

sub put {
	spew($box, join('', map { "$from$_" } @_), 0600);
	chown $pp->user_uid('bob'), $pp->user_gid('bob'), $box
	    if Pennypost::is_root();
}
sub import_from {
	my ($source, $want) = @_;
	my ($st, $out) = run($ctl, '-f', $pp->conf_file('pop3d'), 'mailbox',
	    'uidl-import', 'bob', $source);
	is($st, 0, "import from $source") or diag($out);
	my $p = $pp->pop3_as('bob');
	$p->cmd('UIDL');
	is_deeply([ map { / (\S+)/ ? $1 : () } split /\r\n/, $p->multi ],
	    $want, 'the unique-ids are those that it gave');
	$p->cmd('QUIT');
}

put("Subject: s1\nReceived: from y\n\tby z; 1\nReceived: from q\n\tby w; 9\n" .
    "Delivered-To: later\n\nbody 1\n\n",
    "Return-Path: <a\@x>\nX-Original-To: bob\@example.org\n" .
    "Delivered-To: bob\@example.org\nReceived: from y (localhost)\n\tby z; 2\n" .
    "Received: from q\n\tby w; 9\nDate: Mon, 5 Jan 2026 10:00:00 +0000\n" .
    "Message-ID: <2\@x>\nSubject: s2\n\nbody 2\n\n",
    "x-delivery-id: abc\nX-Delivery-ID: def\nreceived: lower\n" .
    "Date: Mon, 5 Jan 2026 10:00:00 +0000\nMessage-Id: <3\@x>\n" .
    "Subject: s3\n\nbody\n\n",
    "Subject: no received\nDate: Mon, 5 Jan 2026 10:00:00 +0000\n" .
    "Message-Id: <4\@x>\n\nbody\n\n",
    "Status: RO\nX-UIDL: foo\nReceived: from y\n\tby z;\n 5\nSubject: s5\n\n" .
    "body\n\n");
import_from('popa3d', [ qw(9d755de0822f150b 4dd841875fc779f2
    ce8c0a5f82c4197e 35a94b9d39fb343a b1e481d8dc8bbff0) ]);

# As Dovecot leaves a mailbox.
put("Subject: s1\nX-IMAPbase: 1795232627 0000000012\n" .
    "X-UID: 10                                                \nStatus: RO\n\n" .
    "body 1\n\n",
    "Subject: s2\nX-UID: 12                                                \n" .
    "Status: O\n\nbody 2\n\n");
my %given = (
	'dovecot' => [ '0000000a6b011373', '0000000c6b011373' ],
	'dovecot:%08Xu%08Xv' => [ '0000000a6b011373', '0000000c6b011373' ],
	'dovecot:%08Xv%08Xu' => [ '6b0113730000000a', '6b0113730000000c' ],
	'dovecot:%v.%u' => [ '1795232627.10', '1795232627.12' ],
	'dovecot:UID%u-%v' => [ 'UID10-1795232627', 'UID12-1795232627' ],
);
import_from($_, $given{$_}) for sort keys %given;
for my $bad ('dovecot:', 'dovecot:%g', 'dovecot:%', 'dovecot:%99999u',
    'dovecot:%v', 'dovecot:a b%u', 'dovecots') {
	my ($st, $out) = run($ctl, '-f', $pp->conf_file('pop3d'), 'mailbox',
	    'uidl-import', 'bob', $bad);
	is($st, 2, "refused: $bad") or diag($out);
}

SKIP: {
	skip 'dovecot-pop3d is not installed', 1
	    unless have('/usr/lib/dovecot/pop3');
	skip 'needs root', 1 unless Pennypost::is_root();
	put(map { "Subject: s$_\n\nbody $_\n\n" } 1 .. 12);
	chmod 01777, $pp->dir . '/mail';
	my $home = $pp->dir . '/dovecot';
	mkdir $home;
	my ($uid, $gid) = ($pp->user_uid('bob'), $pp->user_gid('bob'));
	chown $uid, $gid, $home;
	spew("$home/conf", "mail_location = mbox:$home/mail:INBOX=$box\n" .
	    "mbox_write_locks = fcntl\nfirst_valid_uid = 1\nssl = no\n" .
	    "mbox_lazy_writes = no\n", 0644);
	for my $format ('%08Xu%08Xv', '%v.%u', '%u.%04Xv', '%4v-%3Xv-%u') {
		# It wants a pipe.
		my ($st, $out) = run({ input => "UIDL\r\nRETR 3\r\nQUIT\r\n",
		    env => { HOME => $home, USER => 'bob' } },
		    'sh', '-c', 'cat | exec "$@"', 'sh', 'setpriv', '--reuid', $uid, '--regid', $gid,
		    '--clear-groups', '/usr/lib/dovecot/pop3', '-c',
		    "$home/conf", '-o', "pop3_uidl_format=$format");
		my @id = $out =~ /^(?:\d+) (\S+)\r$/mg;
		is(@id, 12, "Dovecot gives $format") or diag($out);
		import_from("dovecot:$format", \@id);
		import_from('dovecot', \@id) if $format eq '%08Xu%08Xv';
	}
}
is($pp->stop, 0, 'all ends in order');
done_testing;
