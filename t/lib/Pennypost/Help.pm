package Pennypost::Help;
# Little helpers of end-to-end tests, with or without daemons: files, programs,
# waiting, addresses, messages.  Pennypost gives them on.
use strict;
use warnings;
use Carp qw(croak);
use Exporter qw(import);
use File::Temp ();
use IO::Handle;
use IO::Socket::IP;
use POSIX qw(:sys_wait_h);
use Socket qw(SOCK_STREAM SOL_SOCKET SO_REUSEADDR);
use Test::More ();
use Time::HiRes qw(sleep time);

our @EXPORT = qw(have need wait_for quick slurp spew replace run is_root slow
    message sent_part network hold_port free_ports);
our @EXPORT_OK = qw(most);

sub is_root { $> == 0 }
# How much slower than usual things are: sanitizers.
sub slow { ($ENV{V} || '') eq 'asan' ? 4 : 1 }

sub slurp {
	my $file = shift;
	open my $f, '<:raw', $file or croak "$file: $!";
	local $/;
	return scalar(<$f>) // '';
}

sub spew {
	my ($file, $text, $mode) = @_;
	open my $f, '>:raw', $file or croak "$file: $!";
	print $f $text;
	close $f or croak "$file: $!";
	chmod $mode, $file if defined $mode;
}

# The same for a file that a server may look at, or run, at any moment: it finds
# the old one or the new one, whole and with its owner.
sub replace {
	my ($file, $text, $mode, @owner) = @_;
	spew("$file.new", $text, $mode);
	if (@owner && is_root()) {
		chown @owner, "$file.new" or croak "$file.new: $!";
	}
	rename "$file.new", $file or croak "$file: $!";
}

# Whether a program or a Perl module (with ::) is there.
sub have {
	my $what = shift;
	return eval "require $what; 1" if $what =~ /::/;
	return 1 if $what =~ m{/} && -x $what;
	for my $dir (split(/:/, $ENV{PATH}), '/usr/sbin', '/sbin') {
		return "$dir/$what" if -x "$dir/$what";
	}
	return '';
}

# How long something is waited for that shall come.
sub most { ($_[0] < 30 ? 30 : $_[0]) * slow() }

# Skips the whole test unless all of them are there.
sub need {
	for (@_) {
		if ($_ eq 'root') {
			Test::More::plan(skip_all => 'needs root')
			    unless is_root();
		} elsif (!have($_)) {
			Test::More::plan(skip_all => "$_ is not installed");
		}
	}
}

# Calls the code until it is true, at most so many seconds, or 30: a busy machine
# may do nothing for us for several, and who waits in vain has failed anyway.
sub wait_for {
	my ($seconds, $code) = @_;
	my $end = time + most($seconds);
	while (1) {
		my $r = $code->();
		return $r if $r;
		return '' if time > $end;
		sleep 0.01;
	}
}

# Whether the code is as quick as that, true, once of several times: where
# nobody has time for us, anything is slow now and then.
sub quick {
	my ($seconds, $code) = @_;
	return wait_for(60, sub {
		my $t = time;
		return $code->() && time - $t < $seconds * slow();
	});
}

# Of the 254 loopback addresses that this test process has for itself that one;
# those of the daemons lie elsewhere.
sub network {
	return sprintf '127.%d.%d.%d', 128 + ($$ >> 8 & 127), $$ & 255, shift;
}

# A port of that address that nobody has, nor gets while this test runs: a socket
# that does not listen holds it, beside which only who asks for SO_REUSEADDR may
# have it, as servers do.  undef: that one is taken, or there is no such address.
my @held;
sub hold_port {
	my ($addr, $port) = @_;
	my $s = IO::Socket::IP->new(LocalHost => $addr, LocalPort => $port // 0,
	    Proto => 'tcp', Type => SOCK_STREAM) or return undef;
	setsockopt $s, SOL_SOCKET, SO_REUSEADDR, 1;
	push @held, $s;
	return $s->sockport;
}

# For what listens at 127.0.0.1, which all tests share: so many ports that
# nobody has, in steps of 1,000, below those that clients get.
sub free_ports {
	my $n = shift;
	for (1 .. 1000) {
		my $base = 10000 + int rand 15000;
		my @port = map { $base + 1000 * $_ } 0 .. $n - 1;
		return @port unless grep { !hold_port('127.0.0.1', $_) } @port;
	}
	die "no free ports\n";
}

# Runs a command with a time limit and optional input.  Gives its exit status
# (or "signal N", "timeout") and all it wrote.
sub run {
	my %o = ref $_[0] ? %{ +shift } : ();
	my @cmd = @_;
	my $out = File::Temp->new(TEMPLATE => '/tmp/pennypost-run.XXXXXX');
	my $in = File::Temp->new(TEMPLATE => '/tmp/pennypost-run.XXXXXX');
	print $in $o{input} // '';
	$in->flush;
	my $pid = fork // croak "fork: $!";
	if ($pid == 0) {
		open STDIN, '<', $in->filename or POSIX::_exit(126);
		open STDOUT, '>&', $out or POSIX::_exit(126);
		open STDERR, '>&', $out or POSIX::_exit(126);
		%ENV = (%ENV, %{ $o{env} || {} });
		chdir $o{dir} if $o{dir};
		alarm 0;
		$SIG{$_} = 'DEFAULT' for qw(PIPE INT TERM);
		{ no warnings; exec { $cmd[0] } @cmd; }
		print STDERR "$cmd[0]: $!\n";
		POSIX::_exit(127);
	}
	my $done = wait_for($o{seconds} || 180,
	    sub { waitpid($pid, WNOHANG) == $pid });
	my $status = $? & 127 ? 'signal ' . ($? & 127) : $? >> 8;
	if (!$done) {
		kill 'KILL', $pid;
		waitpid $pid, 0;
		$status = 'timeout';
	}
	return ($status, slurp($out->filename));
}

# A small message with that subject.
sub message {
	my ($subject, @lines) = @_;
	return join '', map "$_\r\n", 'From: Alice <alice@example.org>',
	    'To: bob@example.org', "Subject: $subject", '',
	    @lines ? @lines : "This is $subject.";
}

# What RETR gave, split into the trace header that we put on top and the rest.
sub sent_part {
	my $retr = shift;
	my $trace = '';
	$trace .= $1 while $retr =~ s/\A((?:Return-Path|X-Original-To|
	    Delivered-To|Received):[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)//x;
	return ($trace, $retr);
}

1;
