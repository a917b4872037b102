#!/usr/bin/perl
# VERB: the reply to the end of a message says what became of it for each
# recipient that was named, and what it says is true.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

my $pp = Pennypost->new(daemons => ['smtpd'],
    smtpd => { mailbox_lock_wait => '1s' });
spew("$pp->{dir}/aliases", "staff: bob, carol\nhelp: bob\n", 0644);
$pp->write_config('smtpd', aliases => "$pp->{dir}/aliases");
$pp->start;
my ($box, $queue) = ('delivered to the mailbox', 'in the queue, to be');

# The lines for the recipients of one message; the last line must be Ok.
sub told {
	my ($s, $name, @rcpt) = @_;
	$s->cmd('MAIL FROM:<bob@example.org>');
	like($s->cmd("RCPT TO:$_"), qr/^250 /, "$name: $_") for @rcpt;
	$s->cmd('DATA');
	my @line = split /\n/, $s->data(message($name)) // '';
	like(pop @line // '', qr/^250 2\.0\.0 Ok: queued as \w+$/,
	    "$name: one reply");
	is(scalar @line, scalar @rcpt, 'a line for each recipient');
	return map { s/^250-2\.1\.5 //r } @line;
}
my $s = $pp->smtp(to => 'submission');
$s->cmd($_) for 'EHLO c.test', 'AUTH PLAIN AGJvYgBib2ItcGFzcw==';
$s->cmd('MAIL FROM:<bob@example.org>');
$s->cmd($_) for 'RCPT TO:<bob@example.org>', 'DATA';
like($s->data(message('quiet')), qr/^250 2\.0\.0 Ok: queued as \w+$/,
    'who has not asked is told the end only');
$s->expect('VERB', qr/^250 2\.0\.0 /, 'VERB');

is_deeply([ told($s, 'one', '<bob@example.org>') ],
    [ "<bob\@example.org>: $box" ], 'one: it is there');
like($pp->mbox('bob'), qr/^Subject: one$/m, 'and it is');
is_deeply([ told($s, 'twice', '<bob>', '<BOB+x@example.org>') ],
    [ "<bob>: $box", "<bob>: $box" ], 'one that is named twice');
is(scalar(() = $pp->mbox('bob') =~ /^Subject: twice$/mg), 1, 'comes once');
is_deeply([ told($s, 'all', '<bob@example.org>', '<staff@example.org>',
    '<x@elsewhere.test>', '<carol@example.org>', '<bob>') ], [
	"<bob\@example.org>: $queue delivered to the mailbox now",
	"<staff\@example.org>: $queue sent now to those it stands for",
	"<x\@elsewhere.test>: $queue sent to another host now",
	"<carol\@example.org>: $queue delivered to the mailbox now",
	"<bob\@example.org>: $queue delivered to the mailbox now",
    ], 'several');
for my $user (qw(bob carol)) {
	ok(wait_for(30, sub { $pp->mbox($user) =~ /^Subject: all$/m }),
	    "and $user gets it");
}
is_deeply([ told($s, 'alias', '<staff@example.org>') ],
    [ "<staff\@example.org>: $queue sent now to those it stands for" ],
    'a list');
is_deeply([ told($s, 'away', '<x@elsewhere.test>') ],
    [ "<x\@elsewhere.test>: $queue sent to another host now" ],
    'another host');
is_deeply([ told($s, 'notice', '<carol@example.org> NOTIFY=SUCCESS') ],
    [ "<carol\@example.org>: $queue delivered to the mailbox now" ],
    'who wants to hear of it');
ok(wait_for(30, sub { $pp->mbox('carol') =~ /^Subject: notice$/m }), 'comes');
my $lock = $pp->mbox_lock('carol');
is_deeply([ told($s, 'busy', '<carol@example.org>') ],
    [ "<carol\@example.org>: in the queue, as the mailbox cannot be written " .
	'now: locked by another program' ], 'a mailbox that is locked');
unlike($pp->mbox('carol'), qr/^Subject: busy$/m, 'it is not there');
close $lock;
ok(wait_for(60, sub { $pp->mbox('carol') =~ /^Subject: busy$/m }),
    'until the lock goes');
done_testing;
