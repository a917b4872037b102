#!/usr/bin/perl
# The sequences of t/unit/smtp-model.t, said to the server itself: plain and
# with TLS, whole and cut into arbitrary pieces, the octets of TLS records too.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use IO::Select;
use IO::Socket::UNIX;
use Socket qw(AF_UNIX SOCK_STREAM PF_UNSPEC);
use Pennypost;

need('IO::Socket::SSL');
my $model = ($ENV{O} || 'build/plain') . '/t/unit/smtp-model.t';
plan(skip_all => "$model is not built") unless -x $model;

my $n = $ENV{SMTP_MODEL_RUNS} || 120;
# The same ones each time, so that what is red is red for the next one, too;
# others in torture.
my $seed = $ENV{SMTP_MODEL_SEED} || ($ENV{TORTURE} ? int rand 1e9 : 821);
note("SMTP_MODEL_SEED=$seed");
my ($st, $all) = run({ env => { SMTP_MODEL_SEED => $seed } }, $model, $n);
is($st, 0, 'the model has sequences');

my $pp = Pennypost->new(daemons => ['smtpd']);
$pp->write_config('smtpd', errors_max => 1000, auth_failure_delay => '0ms',
	listen => 'mx ' . $pp->addr . ':' . $pp->port('mx') . ' plaintext_auth');
$pp->start;

# A process that passes octets on in pieces of one to nine towards the server.
# Gives our end, and its pid.
sub chopper {
	my ($server) = @_;
	socketpair(my $ours, my $its, AF_UNIX, SOCK_STREAM, PF_UNSPEC)
	    or die "socketpair: $!";
	my $pid = fork // die "fork: $!";
	if ($pid) {
		$ours->blocking(1);
		return ($ours, $pid);
	}
	alarm 300 * Pennypost::slow();
	$SIG{ALRM} = 'DEFAULT';
	close $ours;
	my $sel = IO::Select->new($its, $server);
	OVER: while (my @ready = $sel->can_read) {
		for my $from (@ready) {
			my $got = sysread $from, my $buf, 16384;
			last OVER unless $got;
			my $to = $from == $its ? $server : $its;
			while (length $buf) {
				my $piece = substr $buf, 0, $from == $its ?
				    1 + int rand 9 : 16384, '';
				while (length $piece) {
					my $w = syswrite $to, $piece or last OVER;
					substr($piece, 0, $w) = '';
				}
			}
		}
	}
	POSIX::_exit(0);
}

# One sequence.  '' or what went wrong.
sub play {
	my ($line, $cut) = @_;
	my $s = $pp->connect('mx');
	my $pid;
	if ($cut) {
		(my $ours, $pid) = chopper($s->{sock});
		close $s->{sock};
		$s->{in} = $s->{out} = $s->{sock} = $ours;
	}
	my $why = '';
	for my $part (split / /, $line) {
		my ($hex, @codes) = split /,/, $part;
		$hex //= ''; # two marks in a row
		my $text = pack 'H*', $hex;
		while ($text ne '' && !$why) {
			my $piece = substr $text, 0, $cut ? 1 + int rand 40 :
			    length $text, '';
			$s->raw($piece) or $why = 'it closed';
		}
		my $r = '';
		for my $code (@codes) {
			$r = $s->reply;
			next if $r =~ /^$code /m && $r !~ /^(?!$code[ -])/m;
			$why = "want $code, got " . ($r || $s->{why} || '') .
			    ' after ' . pack('H*', $hex);
			last;
		}
		last if $why;
		$s->handshake or $why = "no TLS: $s->{tls_error}"
		    if $r =~ /^220 2\.0\.0/;
		last if $why;
	}
	$s->close;
	waitpid $pid, 0 if $pid;
	return $why;
}

my %count;
for my $line (split /\n/, $all) {
	my $tls = $line =~ /^(?:\S+ )?(?:\S+ )?5354415254544c53/ ? 'TLS' : 'plain';
	my $cut = $count{$tls}++ % 2;
	my $why = eval { play($line, $cut) } // $@;
	$why =~ s/\r//g;
	is($why, '', "$tls " . $count{$tls} . ($cut ? ', cut' : ''))
	    or diag("SMTP_MODEL_SEED=$seed");
}
cmp_ok($count{TLS}, '>', 0, 'some with TLS');
unlike($pp->log('smtpd'), qr/died by signal/, 'nobody died');
is($pp->stop('smtpd'), 0, 'and it ends in order');
done_testing;
