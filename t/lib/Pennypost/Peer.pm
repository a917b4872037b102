package Pennypost::Peer;
# A server that somebody else might run, well-behaved or not: SMTP or LMTP on
# loopback, each connection in a process of its own, every command and message
# in a file that the test reads.
#
#	my $p = Pennypost::Peer->new(addr => '127.0.0.1', caps => [...],
#	    reply => { 'RCPT TO:<b@x>' => "550 5.1.1 no\r\n", DATA => sub { } });
#	$p->port; $p->log; $p->messages;
#
# Options: caps; reply (the longest start of a command that fits; a string, or a
# function that gets the socket and the line, and gives a string or undef for:
# hang up); greeting; tls => [cert, key]; lmtp; path (a Unix socket); port.
use strict;
use warnings;
use IO::Socket::IP;
use IO::Socket::UNIX;
use POSIX qw(WNOHANG setpgid);
use Socket qw(SOCK_STREAM);
use Pennypost::Help qw(hold_port is_root);

my $n = 0;
my @pids;

sub new {
	my ($class, %o) = @_;
	my $self = bless { %o }, $class;
	my $dir = $o{dir} or die 'dir';
	$self->{file} = sprintf '%s/peer%d', $dir, ++$n;
	my $listen = $o{path} ? IO::Socket::UNIX->new(Type => SOCK_STREAM,
	    Local => $o{path}, Listen => 50) :
	    IO::Socket::IP->new(LocalHost => $o{addr},
	    LocalPort => $o{port} || 0, Listen => 50, ReuseAddr => 1);
	die "peer: $!" unless $listen;
	chmod 0666, $o{path} if $o{path};
	$self->{port} = $listen->sockport unless $o{path};
	$self->{pid} = fork // die;
	# With the children of its own in one group, which ends as one.
	setpgid($self->{pid}, $self->{pid});
	push @pids, $self->{pid};
	return $self if $self->{pid};
	# Pipes to others that the test has open would never end otherwise.
	close $_ for @Pennypost::Drive::open;
	$SIG{$_} = 'DEFAULT' for qw(TERM INT ALRM);
	$SIG{PIPE} = $SIG{CHLD} = 'IGNORE';
	alarm 600 * Pennypost::slow();
	while (1) {
		my $c = $listen->accept or next;
		my $pid = fork;
		if (!defined $pid || $pid) {
			close $c;
			next;
		}
		close $listen;
		alarm 300 * Pennypost::slow();
		# Or each connection would have the same chances.
		srand;
		$self->serve($c);
		POSIX::_exit(0);
	}
}

# Postfix's smtp-sink, which takes all there is and counts it in sink.log; undef
# where it is not installed.  Options: dir, addr.
sub sink {
	my ($class, %o) = @_;
	my $program = '/usr/sbin/smtp-sink';
	return undef unless -x $program;
	my $port = hold_port($o{addr}) // die "no port: $!";
	my $self = bless { port => $port }, $class;
	$self->{pid} = fork // die "fork: $!";
	setpgid($self->{pid}, $self->{pid});
	push @pids, $self->{pid};
	return $self if $self->{pid};
	open STDOUT, '>', "$o{dir}/sink.log";
	open STDERR, '>&', \*STDOUT;
	{ no warnings; exec $program, '-c', '-h', 'sink.example',
	    is_root() ? ('-u', 'nobody') : (), "$o{addr}:$port", 200; }
	POSIX::_exit(1);
}

END {
	local $?;
	kill 'KILL', -$_ for grep { $_ } @pids;
}
sub DESTROY { $_[0]->end }
sub end {
	my $self = shift;
	my $pid = delete $self->{pid} or return;
	local $?;
	kill 'KILL', -$pid;
	waitpid $pid, 0;
	@pids = grep { $_ != $pid } @pids;
}
sub port { $_[0]{port} }

sub note {
	my ($self, $what, $text) = @_;
	open my $f, '>>', $self->{file} or die;
	syswrite $f, "$what " . unpack('H*', $text) . "\n";
}
# [what, text]: connect, command, message, tls, end
sub all {
	my $self = shift;
	open my $f, '<', $self->{file} or return;
	# A line that has no end yet is being written.
	return map { /^(\w+) (\w*)\n\z/ ? [ $1, pack 'H*', $2 ] : () } <$f>;
}
sub commands { map { $_->[1] } grep { $_->[0] eq 'command' } $_[0]->all }
sub messages { map { $_->[1] } grep { $_->[0] eq 'message' } $_[0]->all }
sub connections { scalar grep { $_->[0] eq 'connect' } $_[0]->all }
sub forget { unlink $_[0]{file} }

sub line {
	my ($self, $c) = @_;
	while ($self->{buf} !~ /\n/) {
		my $got = sysread $c, $self->{buf}, 65536, length $self->{buf};
		return unless $got;
	}
	$self->{buf} =~ s/^(.*?)\r?\n//s;
	return $1;
}
sub octets {
	my ($self, $c, $n) = @_;
	while (length $self->{buf} < $n) {
		my $got = sysread $c, $self->{buf}, 65536, length $self->{buf};
		return unless $got;
	}
	return substr $self->{buf}, 0, $n, '';
}
sub say_to {
	my ($c, $text) = @_;
	while (length $text) {
		my $w = syswrite $c, $text;
		POSIX::_exit(0) unless $w;
		substr $text, 0, $w, '';
	}
}

# Whether the test has a reply of its own to that command, and which.
sub own_reply {
	my ($self, $c, $l) = @_;
	my $r = $self->{reply} || {};
	my ($key) = sort { length $b <=> length $a }
	    grep { index(lc $l, lc $_) == 0 } keys %$r;
	return unless defined $key;
	my $own = $r->{$key};
	$own = $own->($c, $l, $self) if ref $own;
	return (1, $own);
}
# The connection with TLS.
sub handshake {
	my ($self, $c) = @_;
	say_to($c, "220 go\r\n");
	require IO::Socket::SSL;
	my $s = IO::Socket::SSL->start_SSL($c, SSL_server => 1,
	    SSL_cert_file => $self->{tls}[0], SSL_key_file => $self->{tls}[1]);
	if (!$s) {
		$self->note(end => 'no TLS');
		return;
	}
	$self->{in_tls} = 1;
	$self->note(tls => $s->get_servername // '');
	return $s;
}
# The text behind DATA.
sub text {
	my ($self, $c) = @_;
	my $text = $self->{buf};
	$self->{buf} = '';
	until ($text =~ /(?:^|\r\n)\.\r\n\z/) {
		next if sysread $c, $text, 65536, length $text;
		$self->note(end => 'in DATA');
		return;
	}
	return substr $text, 0, -3;
}

sub serve {
	my ($self, $c) = @_;
	$self->{buf} = '';
	my @rcpt;
	$self->note(connect => '');
	my $g = $self->{greeting} // "220 peer.example ESMTP\r\n";
	$g = $g->($c, $self) if ref $g;
	return unless defined $g;
	say_to($c, $g);
	while (defined(my $l = $self->line($c))) {
		$self->note(command => $l);
		my ($verb) = uc($l) =~ /^(\w*)/;
		my ($has_own, $own) = $self->own_reply($c, $l);
		return if $has_own && !defined $own;
		if ($has_own) {
			say_to($c, $own) if length $own;
			next unless $own =~ /^354/;
		}
		if ($verb =~ /^(?:EHLO|LHLO)$/) {
			my @caps = @{ $self->{caps} || [] };
			@caps = grep { $_ ne 'STARTTLS' } @caps if $self->{in_tls};
			say_to($c, join '', map({ "250-$_\r\n" } 'peer.example', @caps),
			    "250 HELP\r\n");
		} elsif ($verb eq 'STARTTLS') {
			$c = $self->handshake($c) or return;
		} elsif ($verb eq 'MAIL') {
			@rcpt = ();
			say_to($c, "250 2.1.0 Ok\r\n");
		} elsif ($verb eq 'RCPT') {
			push @rcpt, $l;
			say_to($c, "250 2.1.5 Ok\r\n");
		} elsif ($verb eq 'DATA') {
			say_to($c, "354 go\r\n") unless $has_own;
			my $text = $self->text($c) // return;
			$self->note(message => $text);
			$self->finish($c, \@rcpt) or return;
		} elsif ($verb eq 'BDAT') {
			my ($size, $last) = $l =~ /^BDAT (\d+)( LAST)?/i;
			my $text = $self->octets($c, $size) // return;
			$self->note(message => $text);
			$self->finish($c, \@rcpt) or return;
		} elsif ($verb eq 'QUIT') {
			say_to($c, "221 bye\r\n");
			return;
		} else {
			say_to($c, "250 2.0.0 Ok\r\n");
		}
	}
	$self->note(end => '');
}
# What is said to the end of a message; undef: nothing, and good bye.
sub finish {
	my ($self, $c, $rcpt) = @_;
	my $end = $self->{finish};
	$end = $end->($c, $rcpt, $self) if ref $end;
	return if exists $self->{finish} && !defined $end;
	$end //= $self->{lmtp} ? join '', map { "250 2.0.0 Ok\r\n" } @$rcpt :
	    "250 2.0.0 Ok: queued as 1234\r\n";
	say_to($c, $end);
	return 1;
}
1;
