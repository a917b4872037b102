#!/usr/bin/perl
# Completion knows the verbs and options that pennyctl has, and no others.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

my ($bash, $zsh) = map slurp("etc/pennyctl.$_"), qw(bash zsh);
sub complete {
	my @words = ('pennyctl', @_);
	my ($st, $out) = run('bash', '-c', 'source etc/pennyctl.bash;
	    pennyctl() { echo PID; [ "$*" != "-f x sessions" ] ||
		echo "7 pop3d pop3 127.0.0.1 bob"; }
	    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _pennyctl
	    printf "%s\n" "${COMPREPLY[@]}"', 'bash', @words);
	is($st, 0, "bash: @words") or diag($out);
	return join ' ', sort split ' ', $out;
}
my $main = slurp('spool/pennyctl.c');
my ($table) = $main =~ /^\} verbs\[\] = \{(.*?)^\};/ms;
my @verbs = sort 'mailbox', $table =~ /^\t\{ "(\w+)"/mg;
cmp_ok(scalar @verbs, '>', 8, 'the table was found');
is(complete(''), join(' ', sort @verbs, qw(-V -f)), 'bash: the verbs');
is(join(' ', sort $zsh =~ /^\t\t'(\w+):/mg), "@verbs", 'zsh: the verbs');
my $source = slurp('spool/pennyctl_queue.c');
my @queue = sort $source =~ /^\t\{ "([a-z]+)", "[a-z]+", QUEUE/mg;
is(complete('queue', ''), "@queue", 'bash: queue');
$source = slurp('spool/pennyctl_mailbox.c');
my @mailbox = sort $source =~ /^\t\{ "([a-z-]+)", +"/mg;
is(complete('mailbox', ''), "@mailbox", 'bash: mailbox');
is(join(' ', sort split ' ', $_), join(' ', sort /\bflush\b/ ? @queue :
    @mailbox), 'zsh: the same') for $zsh =~ /'1:verb:\(([^)]*)\)'/g;
for my $v (grep { !/^(?:mailbox|queue)$/ } @verbs) {
	my ($args) = $table =~ /^\t\{ "$v", \w+,\s*((?:"[^"]*"\s*)+),/m;
	my %has = map { $_ => 1 } $args =~ /(?<![\w-])(--?\w+)/g;
	my %said = map { $_ => 1 } split ' ', complete($v, '-');
	is(join(' ', sort keys %said), join(' ', sort keys %has),
	    "bash: options of $v");
	my ($there) = $zsh =~ /^\t\t\Q$v\E\)(.*?);;/ms;
	is(join(' ', sort $there =~ /'(--?\w+)/g),
	    join(' ', sort keys %has), "zsh: options of $v");
}
is(complete('kick', '-d', 's'), 'smtpd', 'bash: a daemon');
is(complete('-f', 'x', 'sta'), 'status', 'bash: behind -f');
is(complete('-f', 'x', 'kick', ''), '127.0.0.1 7 bob',
    'bash: the sessions of that server');
is(complete('kick', ''), '', 'bash: and not those of another');
is(complete('passwd', '--sc'), '--scram', 'bash: a beginning');
SKIP: {
	skip 'zsh is not installed', 1 unless have('zsh');
	my ($st, $out) = run('zsh', '-n', 'etc/pennyctl.zsh');
	is("$st$out", '0', 'zsh reads it');
}
done_testing();
