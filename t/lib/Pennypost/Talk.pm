package Pennypost::Talk;
# One dialogue with a server: over a socket, TLS, or the pipes of a program such
# as openssl s_client, telnet or nc.  Every wait has an end.
use strict;
use warnings;
use Carp qw(croak);
use IO::Handle;
use IO::Select;
use IO::Socket::INET;
use POSIX qw(WNOHANG);
use Socket qw(IPPROTO_TCP TCP_NODELAY SOL_SOCKET SO_LINGER);
use Test::More ();
use Time::HiRes qw(sleep time);
use Pennypost::Help qw(most);

# Options: kind => smtp|pop3, seconds => for one wait, source => local address,
# tls => 1 or { SSL options }.
sub tcp {
	my ($class, $addr, $port, %o) = @_;
	my $sock = IO::Socket::INET->new(PeerAddr => $addr, PeerPort => $port,
	    $o{source} ? (LocalAddr => $o{source}) : (), Timeout => most(30))
	    or croak "connect to $addr:$port: $@";
	setsockopt $sock, IPPROTO_TCP, TCP_NODELAY, 1;
	my $self = bless {
		in   => $sock, out => $sock, sock => $sock,
		buf  => '', kind => $o{kind} || 'smtp',
		seconds => $o{seconds} || most(20),
	}, $class;
	$self->handshake(ref $o{tls} ? %{ $o{tls} } : ()) if $o{tls};
	return $self;
}

# A program that talks to a server on our behalf.
sub program {
	my ($class, $kind, @cmd) = @_;
	pipe my $r, my $child_out or croak "pipe: $!";
	pipe my $child_in, my $w or croak "pipe: $!";
	my $pid = fork // croak "fork: $!";
	if ($pid == 0) {
		open STDIN, '<&', $child_in;
		open STDOUT, '>&', $child_out;
		open STDERR, '>&', $child_out;
		alarm 0;
		$SIG{$_} = 'DEFAULT' for qw(PIPE INT TERM ALRM);
		close $_ for $r, $w;
		{ no warnings; exec { $cmd[0] } @cmd; }
		print STDERR "$cmd[0]: $!\n";
		POSIX::_exit(127);
	}
	close $_ for $child_in, $child_out;
	$w->autoflush(1);
	return bless {
		in => $r, out => $w, pid => $pid, buf => '', kind => $kind,
		seconds => most(20),
	}, $class;
}

sub DESTROY {
	my $self = shift;
	return unless $self->{pid};
	local $?;
	close $self->{$_} for qw(in out);
	kill 'KILL', $self->{pid};
	waitpid $self->{pid}, 0;
}

# ---- TLS ----

# Starts TLS on the connected socket.  False: why is in {tls_error}.
sub handshake {
	my ($self, %ssl) = @_;
	require IO::Socket::SSL;
	my $s = IO::Socket::SSL->start_SSL($self->{sock}, SSL_verify_mode => 0,
	    SSL_hostname => 'mail.example.org', Timeout => $self->{seconds},
	    %ssl);
	if (!$s) {
		$self->{tls_error} = IO::Socket::SSL::errstr();
		return '';
	}
	$self->{in} = $self->{out} = $self->{sock} = $s;
	$self->{tls} = 1;
	return 1;
}
# The verb, and then the handshake.
sub starttls {
	my ($self, %ssl) = @_;
	my $r = $self->cmd($self->{kind} eq 'pop3' ? 'STLS' : 'STARTTLS');
	return '' unless $r =~ /^(?:220|\+OK)/;
	return $self->handshake(%ssl);
}

# ---- octets ----

sub raw {
	my ($self, $bytes) = @_;
	my ($at, $end) = (0, time + $self->{seconds});
	while ($at < length $bytes) {
		my $n = syswrite $self->{out}, $bytes, 65536, $at;
		if (defined $n) {
			$at += $n;
		} elsif ($!{EAGAIN} || $!{EINTR}) {
			return '' if time > $end;
			IO::Select->new($self->{out})->can_write(1);
		} else {
			return '';
		}
	}
	return 1;
}
# One octet a write.
sub drip {
	my ($self, $bytes) = @_;
	for (split //, $bytes) {
		$self->raw($_) or return '';
	}
	return 1;
}
# Whole, or octet by octet, and one reply.
sub say {
	my ($self, $line) = @_;
	return $self->raw("$line\r\n");
}

# More input: 1, 0 at the end, undef when it takes too long.
sub fill {
	my ($self, $seconds) = @_;
	my $end = time + ($seconds // $self->{seconds});
	while (1) {
		if (!($self->{tls} && $self->{sock}->pending)) {
			my $left = $end - time;
			$left = 0 if $left < 0;
			IO::Select->new($self->{in})->can_read($left) or
			    return undef;
		}
		my $n = sysread $self->{in}, $self->{buf}, 65536,
		    length $self->{buf};
		return 1 if $n;
		return 0 if defined $n;
		return 0 unless $!{EAGAIN} || $!{EINTR};
	}
}

# One line without its end; undef at the end or after too long a wait, and
# {why} says which.
sub line {
	my ($self, $seconds) = @_;
	my $at;
	while (($at = index $self->{buf}, "\n") < 0) {
		my $r = $self->fill(defined $seconds ?
		    most($seconds) : undef);
		next if $r;
		$self->{why} = defined $r ? 'closed' : 'timeout';
		return undef;
	}
	my $line = substr $self->{buf}, 0, $at + 1, '';
	# A program in between may have taken the CR away.
	$line =~ s/\r\n\z// || $self->{pid} && $line =~ s/\n\z// ||
	    $line =~ s/\n\z/ <bare LF>/;
	return $line;
}

# A whole reply; lines are joined by "\n".  '' with {why} when there is none.
sub reply {
	my ($self, $seconds) = @_;
	my @lines;
	while (1) {
		my $l = $self->line($seconds) // return join "\n", @lines;
		# What telnet and s_client say themselves.
		next if !@lines && $self->{pid} && $l !~ /^(?:\d\d\d[ -]|[+-])/;
		push @lines, $l;
		last if $self->{kind} eq 'pop3' || $l !~ /^\d\d\d-/;
	}
	return join "\n", @lines;
}

sub cmd {
	my ($self, $line) = @_;
	$self->say($line);
	return $self->reply;
}

# One test: the reply to that line looks like this.
sub expect {
	my ($self, $line, $re, $name) = @_;
	my $r = $self->cmd($line);
	$name ||= length $line > 60 ? substr($line, 0, 60) . '...' : $line;
	$name =~ s/[^ -~]/?/g;
	Test::More::like($r, $re, $name)
	    or Test::More::diag('connection: ' . ($self->{why} // 'open'));
	return $r;
}

# Message content, dot-stuffed, and the end of data; the reply to it.
sub data {
	my ($self, $content) = @_;
	$self->raw(stuff($content) . ".\r\n");
	return $self->reply;
}
sub stuff {
	my $c = shift;
	$c =~ s/(\A|\r\n)\./$1../g;
	$c .= "\r\n" if $c ne '' && $c !~ /\r\n\z/;
	return $c;
}

# The rest of a multi-line answer of POP3, exactly as sent but for the dots.
sub multi {
	my $self = shift;
	my $from = 0;
	while ($self->{buf} !~ /\A\.\r\n/) {
		my $at = index $self->{buf}, "\r\n.\r\n", $from;
		if ($at >= 0) {
			my $c = substr $self->{buf}, 0, $at + 5, '';
			substr($c, -3) = '';
			$c =~ s/(\A|\r\n)\./$1/g;
			return $c;
		}
		$from = length($self->{buf}) - 4;
		$from = 0 if $from < 0;
		$self->fill or return undef;
	}
	substr($self->{buf}, 0, 3) = '';
	return '';
}

# Whether the server closes within that time; what it still sent is in {rest}.
sub closed {
	my ($self, $seconds) = @_;
	my $end = time + most($seconds // 5);
	while (1) {
		my $r = $self->fill($end - time > 0 ? $end - time : 0);
		next if $r && time < $end;
		$self->{rest} = $self->{buf};
		return defined $r && $r == 0;
	}
}

sub close {
	my $self = shift;
	CORE::close($self->{out});
	CORE::close($self->{in}) unless $self->{in} == $self->{out};
}
# Ends the connection by RST.
sub abort {
	my $self = shift;
	setsockopt $self->{sock}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0);
	CORE::close($self->{sock});
}

1;
