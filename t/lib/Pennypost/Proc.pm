package Pennypost::Proc;
# What the kernel says of a process.
use strict;
use warnings;

sub read_file {
	my $file = shift;
	open my $f, '<:raw', $file or return undef;
	local $/;
	return scalar <$f>;
}

# The fields of /proc/PID/stat behind the name: state, ppid, pgrp, session...
sub stat_fields {
	my $s = read_file("/proc/$_[0]/stat") // return;
	$s =~ s/^.*\) //s;
	return split ' ', $s;
}

sub title {
	my $c = read_file("/proc/$_[0]/cmdline") // return '';
	$c =~ s/\0+$//;
	$c =~ tr/\0/ /;
	return $c;
}

# The role that ps shows: "smtpd: worker 192.0.2.1 RCPT" is a worker.
sub role {
	my ($title, $daemon) = @_;
	return $title =~ /^\Q$daemon\E: (\w+)/ ? $1 : 'unknown';
}

# Everything in the session of that master and all its descendants:
# [pid, role, title, start time].  Zombies are not listed.
sub family {
	my ($master, $daemon) = @_;
	opendir my $d, '/proc' or die "/proc: $!";
	my (%of, @got);
	for my $pid (grep { /^\d+$/ } readdir $d) {
		my @f = stat_fields($pid) or next;
		next if ($f[0] // 'Z') =~ /[ZX]/;
		$of{$pid} = \@f;
	}
	my %in = ($master => 1);
	my $more = 1;
	while ($more) {
		$more = 0;
		for my $pid (keys %of) {
			next if $in{$pid};
			next unless $of{$pid}[3] == $master ||
			    $in{ $of{$pid}[1] };
			$in{$pid} = $more = 1;
		}
	}
	for my $pid (sort { $a <=> $b } keys %in) {
		next unless $of{$pid};
		my $t = title($pid);
		push @got, [ $pid, $pid == $master ? 'master' :
		    role($t, $daemon), $t, $of{$pid}[19] ];
	}
	return @got;
}

# Whether that entry of family() is still the same live process.
sub same {
	my $p = shift;
	my @f = stat_fields($p->[0]) or return '';
	return $f[0] !~ /[ZX]/ && $f[19] == $p->[3];
}

# /proc/PID/status as a hash.
sub status {
	my $s = read_file("/proc/$_[0]/status") // return {};
	return { map { /^(\w+):\s*(.*)$/ ? ($1 => $2) : () } split /\n/, $s };
}

# fd number => what it is.
# Descriptors above 2 that would survive an exec.
sub kept_at_exec {
	my $pid = shift;
	return grep { $_ > 2 && (read_file("/proc/$pid/fdinfo/$_") // '') =~
	    /^flags:\s+(\d+)/m && !(oct($1) & 02000000) }
	    sort { $a <=> $b } keys %{ fds($pid) || {} };
}

sub fds {
	my $pid = shift;
	opendir my $d, "/proc/$pid/fd" or return;
	return { map { $_ => readlink("/proc/$pid/fd/$_") // '?' }
	    grep { /^\d+$/ } readdir $d };
}

# Dumpable processes own their files in /proc; of the others root does.
sub dumpable {
	my $pid = shift;
	my $uid = (split ' ', status($pid)->{Uid} // '')[1] // return;
	return (stat "/proc/$pid/status")[4] == $uid;
}

sub switches {
	my $s = status($_[0]);
	return $s->{voluntary_ctxt_switches} // 0;
}

# Calls code(piece, address) for all readable memory, in overlapping pieces.
sub memory {
	my ($pid, $code) = @_;
	my $maps = read_file("/proc/$pid/maps") // return 0;
	open my $mem, '<:raw', "/proc/$pid/mem" or return 0;
	my $octets = 0;
	for (split /\n/, $maps) {
		my ($from, $to, $rights, $name) =
		    /^(\w+)-(\w+) (\S+) \S+ \S+ \S+\s*(.*)$/ or next;
		next if $rights !~ /^r/ || $name =~ /^\[v(?:var|syscall)/;
		no warnings 'portable'; # 64 bits
		($from, $to) = (hex $from, hex $to);
		for (my $at = $from; $at < $to; $at += 1 << 20) {
			sysseek $mem, $at, 0 or last;
			my $want = ($to - $at < (1 << 20) + 4096) ?
			    $to - $at : (1 << 20) + 4096;
			my $n = sysread $mem, my ($piece), $want;
			last unless $n;
			$octets += $n;
			$code->($piece, $at, $name);
		}
	}
	return $octets;
}

1;
