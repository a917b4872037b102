#!/usr/bin/perl
# pennypost-tutorial(7): each line of it, with the programs that it names,
# against the demo.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use IO::Select;
use POSIX qw(WNOHANG);
use Pennypost;

plan skip_all => 'no telnet or openssl' unless have('telnet') && have('openssl');
my $dir = File::Temp->newdir('pennypost-tutorial.XXXXXX',
    DIR => $ENV{TMPDIR} || '/tmp');
chmod 0755, "$dir";
my %port;
@port{qw(SMTP_PORT SUBMISSION_PORT SMTPS_PORT POP3_PORT POP3S_PORT)} =
    free_ports(5);
my %real = (2525 => $port{SMTP_PORT}, 2587 => $port{SUBMISSION_PORT},
    2110 => $port{POP3_PORT}, 2995 => $port{POP3S_PORT});
my @all;
END {
	local $?;
	kill 'KILL', map { $_->[0] } grep { Pennypost::Proc::same($_) } @all;
}

# ---- the page ----
sub plain {
	my $t = shift;
	$t =~ s/\\&//g;
	$t =~ s/\\\[:o\]/\xc3\xb6/g;
	$t =~ s/\\e/\\/g;
	return $t;
}
my (@sessions, $in);
for (split /\n/, slurp('common/pennypost-tutorial.7')) {
	$in = 1, next if /^\.Bd/;
	$in = 0, next if /^\.Ed/;
	next unless $in;
	if (/^\.Ic \$ (.*)/) {
		push @sessions, { command => plain($1), turns => [ [ undef ] ] };
	} elsif (/^\.Ic (.*)/) {
		push @{ $sessions[-1]{turns} }, [ plain($1) ];
	} else {
		push @{ $sessions[-1]{turns}[-1] }, plain($_);
	}
}
cmp_ok(@sessions, '>', 5, 'the page has sessions');

# ---- the demo ----
my $log = "$dir/log";
spew($log, '');
my $demo = fork // die;
if ($demo == 0) {
	POSIX::setsid();
	open STDIN, '<', '/dev/null';
	open STDOUT, '>>', $log;
	open STDERR, '>>', $log;
	alarm 0;
	$SIG{$_} = 'DEFAULT' for qw(INT TERM);
	$ENV{SMTPD} = Pennypost->program('smtpd');
	$ENV{POP3D} = Pennypost->program('pop3d');
	$ENV{DEMO_DIR} = "$dir/demo";
	$ENV{$_} = $port{$_} for keys %port;
	exec 'sh', 'etc/demo.sh' or POSIX::_exit(127);
}
wait_for(60, sub {
	slurp($log) =~ /^ready$/m || waitpid($demo, WNOHANG) == $demo;
});
like(slurp($log), qr/^ready$/m, 'the demo runs') or do { done_testing; exit };
@all = Pennypost::Proc::family($demo, 'x');

# What differs from day to day.
sub same_for_all {
	my $t = shift;
	$t =~ s/\b[0-9A-F]{17}\b/ID/g;
	$t =~ s/\b[0-9a-f]{32}\b/UNIQUE/g;
	$t =~ s/\b[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d{4} [\d:]{8}/DATE/;
	$t =~ s/\b\d+ octets/N octets/;
	$t =~ s/^(\+OK \d+|\d+) \d+$/$1 N/;
	return $t;
}
# telnet says whom it tries, in the order that the host's names have; openssl
# says what it thinks of the certificate.
sub aside {
	$_[0] =~ /^(?:Trying |Connected to |Escape char|telnet: conn|depth=|verify |Can't use SSL)/;
}

for my $s (@sessions) {
	my $command = $s->{command};
	$command =~ s/\b(localhost[: ])(\d+)$/$1$real{$2}/;
	# Mail for several is delivered from the queue.
	wait_for(60, sub { !grep { -f } glob "$dir/demo/queue/*/*" });
	pipe my $in, my $to or die;
	pipe my $from, my $out or die;
	my $pid = fork // die;
	if ($pid == 0) {
		open STDIN, '<&', $in;
		open STDOUT, '>&', $out;
		open STDERR, '>&', $out;
		close $_ for $in, $to, $from, $out;
		exec 'sh', '-c', $command or POSIX::_exit(127);
	}
	close $_ for $in, $out;
	$to->autoflush(1);
	my ($got, $select) = ('', IO::Select->new($from));
	my $line = sub {
		my $n;
		while (($n = index $got, "\n") < 0) {
			return undef unless $select->can_read(60);
			return undef unless sysread $from, $got, 65536, length $got;
		}
		my $l = substr $got, 0, $n + 1, '';
		chop $l;
		$l =~ s/\r$//;
		return $l;
	};
	my @wrong;
	for my $turn (@{ $s->{turns} }) {
		my ($type, @want) = @$turn;
		local $SIG{PIPE} = 'IGNORE';
		print $to "$type\n" if defined $type;
		while (@want) {
			my $want = shift @want;
			next if aside($want);
			my $skip = $want eq '...';
			$want = shift @want if $skip;
			my $l;
			do { $l = $line->() } while (defined $l &&
			    (aside($l) ||
			    $skip && same_for_all($l) ne same_for_all($want)));
			next if defined $l && same_for_all($l) eq same_for_all($want);
			push @wrong, sprintf "after '%s': '%s', not '%s'",
			    $type // '', $l // 'nothing', $want;
			last;
		}
		last if @wrong;
	}
	is("@wrong", '', "\$ $command");
	close $to;
	kill 'TERM', $pid;
	waitpid $pid, 0;
}
kill 'TERM', $demo;
waitpid $demo, 0;
done_testing;
