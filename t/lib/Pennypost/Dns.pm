package Pennypost::Dns;
# A DNS server for tests, by UDP and TCP.
#
#	my $dns = Pennypost::Dns->new($addr, zone => {
#		'x.example MX' => [ [10, 'mx.x.example'] ],
#		'mx.x.example A' => ['127.0.0.1'],
#		'y.example CNAME' => ['z.example'],	# not followed
#		'_25._tcp.mx.x.example TLSA' => ['3 1 1 HEX'],
#		'dead.example MX' => 'SERVFAIL', 'mute.example MX' => 'SILENCE',
#	}, ad => 1, big => { 'x.example MX' => 1 });
#
# ad: the bit AD is set (a number, or { name => 1 }); big: cut by UDP; mute: no
# answer by TCP.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use POSIX;
use Socket qw(inet_aton inet_pton AF_INET6);

my %number = (A => 1, CNAME => 5, PTR => 12, MX => 15, AAAA => 28, TLSA => 52);
my %of = reverse %number;
my @pids;
END {
	local $?;
	kill 'KILL', @pids if @pids;
}

sub name { join('', map { chr(length) . $_ } split /\./, $_[0]) . "\0" }
sub data {
	my ($type, $d) = @_;
	return inet_aton($d) if $type eq 'A';
	return inet_pton(AF_INET6, $d) if $type eq 'AAAA';
	return pack('n', $d->[0]) . name($d->[1]) if $type eq 'MX';
	if ($type eq 'TLSA') {
		my ($u, $s, $m, $hex) = split ' ', $d;
		return pack('CCC', $u, $s, $m) . pack 'H*', $hex;
	}
	return name($d);
}

sub new {
	my ($class, $addr, %o) = @_;
	my $self = bless { %o }, $class;
	my ($udp, $tcp);
	for (1 .. 50) {
		$udp = IO::Socket::INET->new(Proto => 'udp', LocalAddr => $addr,
		    LocalPort => 0) or die $!;
		$tcp = IO::Socket::INET->new(LocalAddr => $addr, ReuseAddr => 1,
		    LocalPort => $udp->sockport, Listen => 20) and last;
	}
	$self->{server} = "$addr:" . $udp->sockport;
	$self->{log} = $o{dir} . '/dns.log';
	my $pid = fork // die;
	if ($pid) {
		push @pids, $pid;
		$self->{pid} = $pid;
		return $self;
	}
	close $_ for @Pennypost::Drive::open;
	$SIG{$_} = 'DEFAULT' for qw(TERM INT ALRM);
	$SIG{PIPE} = 'IGNORE';
	alarm 600 * Pennypost::slow();
	my $sel = IO::Select->new($udp, $tcp);
	while (my @r = $sel->can_read) {
		for my $s (@r) {
			if ($s == $udp) {
				my $from = $udp->recv(my $q, 512) or next;
				my $a = $self->answer($q, 1);
				$udp->send($a, 0, $from) if defined $a;
			} else {
				my $c = $tcp->accept or next;
				read $c, my $len, 2;
				read $c, my $q, unpack 'n', $len;
				my $a = $self->answer($q, 0);
				if ($self->{hung}) { # never closed
					push @{ $self->{kept} }, $c;
					next;
				}
				print $c pack('n', length $a) . $a if defined $a;
				close $c;
			}
		}
	}
	POSIX::_exit(0);
}
sub server { $_[0]{server} }
sub end {
	my ($self) = @_;
	kill 'KILL', $self->{pid};
	waitpid $self->{pid}, 0;
}
sub asked {
	open my $f, '<', $_[0]{log} or return;
	return map { chomp; $_ } <$f>;
}

sub answer {
	my ($self, $q, $udp) = @_;
	my ($id, $at, @label) = (substr($q, 0, 2), 12);
	while (my $l = ord substr $q, $at, 1) {
		push @label, substr $q, $at + 1, $l;
		$at += 1 + $l;
	}
	my $type = $of{ unpack 'n', substr $q, $at + 1, 2 } // '?';
	my $question = substr $q, 12, $at + 5 - 12;
	my $name = lc join '.', @label;
	open my $f, '>>', $self->{log};
	syswrite $f, "$name $type " . ($udp ? 'udp' : 'tcp') . "\n";
	my $zone = $self->{zone};
	my $r = $zone->{"$name $type"};
	my $is = $type;
	if (!defined $r && ref $zone->{"$name CNAME"}) {
		($r, $is) = ($zone->{"$name CNAME"}, 'CNAME');
	}
	return if ($r // '') eq 'SILENCE';
	$self->{hung} = !$udp && $self->{mute}{"$name $type"};
	my $exists = grep { /^\Q$name\E / } keys %$zone;
	my $code = !defined $r ? ($exists ? 0 : 3) : ref $r ? 0 : 2;
	my @rr = ref $r ? @$r : ();
	my $ad = ref $self->{ad} ? $self->{ad}{$name} : $self->{ad};
	my $flags = 0x8180 | $code | ($ad ? 0x20 : 0);
	if ($udp && $self->{big}{"$name $type"}) {
		$flags |= 0x200;
		@rr = ();
	}
	return $id . pack('nnnnn', $flags, 1, scalar @rr, 0, 0) . $question .
	    join '', map {
		my $d = data($is, $_);
		"\xc0\x0c" . pack('nnNn', $number{$is}, 1, 60, length $d) . $d
	    } @rr;
}
1;
