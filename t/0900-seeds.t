#!/usr/bin/perl
# Every dialogue in t/seeds, typed line by line through the programs that people
# use for it: nc, telnet, and openssl s_client.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use MIME::Base64;
use Pennypost;

# As the demo has it: passwords in the clear are allowed on loopback.
my $pp = Pennypost->new;
my $at = $pp->addr;
$pp->write_config('smtpd', listen => [ "mx $at:" . $pp->port('mx') .
	' plaintext_auth' ], auth_failures_max => 10);
$pp->write_config('pop3d', listen => [ "pop3 $at:" . $pp->port('pop3') .
	' plaintext_auth' ], auth_failures_max => 10);
$pp->start;

my %by = (
	nc       => sub { 'nc', '-C', $at, $_[0] },
	telnet   => sub { 'telnet', $at, $_[0] },
	s_client => sub { 'openssl', 's_client', '-starttls', $_[1], '-crlf',
		'-quiet', '-connect', "$at:$_[0]" },
	# As people type it: every line ends in LF alone.
	's_client LF' => sub { 'openssl', 's_client', '-starttls', $_[1],
		'-quiet', '-connect', "$at:$_[0]" },
);
my %program = (nc => 'nc', telnet => 'telnet', s_client => 'openssl',
	's_client LF' => 'openssl');

for my $file (sort glob 't/seeds/*.txt') {
	(my $name = $file) =~ s{.*/|\.txt$}{}g;
	for my $how (sort keys %by) {
		SKIP: {
			skip "$program{$how} is not installed", 1
			    unless have($program{$how});
			play($file, $name, $how);
		}
	}
}
done_testing;

sub play {
	my ($file, $name, $how) = @_;
	my $tag = "$name by $how";
	# The last one may have gone without QUIT.
	$pp->pop3_free($_) for qw(alice bob carol);
	unlink map { $pp->mailbox($_) } qw(alice bob carol);
	my ($t, $kind, $typed);
	my $talk = sub {
		return $t if $t;
		my $port = $pp->port($kind eq 'smtp' ? 'mx' : 'pop3');
		$t = Pennypost::Talk->program($kind, $by{$how}->($port, $kind));
		# s_client has read the greeting itself; it shows the last line
		# of its own EHLO.
		$t->{greeted} = $how !~ /^s_client/;
		$t->reply if $how =~ /^s_client/ && $kind eq 'smtp';
		return $t;
	};
	my $good = 1;
	for (split /\n/, slurp($file)) {
		next if /^#|^\s*$/;
		last unless $good;
		if (/^on (\w+)/) {
			$kind = $1;
		} elsif (/^fill (\w+) (\d+)/) {
			for my $n (1 .. $2) {
				$pp->send("$1\@example.org",
				    "Subject: filled $n\r\n\r\nText $n.\r\n");
			}
		} elsif (/^([CB]): ?(.*)/) {
			$typed = $2;
			my $line = $1 eq 'B' ? encode_base64($2, '') : $2;
			$talk->()->raw("$line\n");
		} elsif (/^S: (.*)/) {
			my $re = qr/$1/s;
			my $p = $talk->();
			if (!defined $typed && !$p->{greeted}) {
				$p->{greeted} = 1;
				next;
			}
			my $r = $p->reply;
			$good = like($r, $re, "$tag: " . ($typed // 'greeting'))
			    or diag('why: ' . ($p->{why} // ''));
		} elsif (/^M: (.*)/) {
			my $re = qr/$1/ms;
			my $m = body($t);
			$good = like($m, $re, "$tag: $typed, the list");
		} elsif (/^closed/) {
			# nc stays until its own input ends.
			close $t->{out} if $how eq 'nc';
			ok($t->closed, "$tag: closed");
		} elsif (/^mailbox (\w+): (.*)/) {
			my $re = qr/$2/ms;
			my $u = $1;
			wait_for(5, sub { $pp->mbox($u) =~ $re });
			like($pp->mbox($u), $re, "$tag: ${u}'s mailbox");
		} elsif (/^gone (\w+)/) {
			my $u = $1;
			wait_for(5, sub { $pp->mbox($u) eq '' });
			is($pp->mbox($u), '', "$tag: ${u}'s mailbox is empty");
		} else {
			die "$file: $_\n";
		}
	}
	fail("$tag: to its end") unless $good;
}
# Lines up to the dot, as such a program shows them.
sub body {
	my $t = shift;
	my $text = '';
	while (defined(my $l = $t->line)) {
		return $text if $l eq '.';
		$text .= "$l\n";
	}
	return "$text(no dot)";
}
