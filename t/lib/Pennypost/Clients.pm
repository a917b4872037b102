package Pennypost::Clients;
# What a test does with daemons that run, as their clients do it and beside
# them: connections, a message sent, messages fetched, mailboxes.  Methods of
# Pennypost.
use strict;
use warnings;
use Carp qw(croak);
use Fcntl qw(F_GETLK F_RDLCK F_SETLKW F_UNLCK SEEK_SET);
use Pennypost::Help;
use Pennypost::Talk;

sub connect {
	my ($self, $what, %o) = @_;
	return Pennypost::Talk->tcp($self->{addr}, $self->{port}{$what},
	    kind => $what =~ /pop/ ? 'pop3' : 'smtp', %o);
}
# Connected, greeting read.
sub smtp {
	my ($self, %o) = @_;
	my $s = $self->connect($o{to} || 'mx', %o);
	$s->{greeting} = $s->reply;
	return $s;
}
sub pop3 {
	my ($self, %o) = @_;
	my $p = $self->connect($o{to} || 'pop3', %o);
	$p->{greeting} = $p->reply;
	return $p;
}
# Logged in.
sub pop3_as {
	my ($self, $user, %o) = @_;
	my $p = $self->pop3(%o);
	$p->cmd("USER $user");
	my $r = $p->cmd('PASS ' . ($o{pass} // "$user-pass"));
	$p->{login} = $r;
	return $p;
}

# Sends one message; gives the reply to the last command that was answered.
sub send {
	my ($self, $to, $content, %o) = @_;
	my $s = $self->smtp(%o);
	my $r = $s->{greeting};
	if ($o{starttls}) {
		$s->cmd('EHLO client.test');
		return $r unless $s->starttls;
	}
	for my $c ('EHLO client.test', 'MAIL FROM:<' .
	    ($o{from} // 'sender@client.test') . '>',
	    (map "RCPT TO:<$_>", ref $to ? @$to : $to), 'DATA') {
		return $r if $r !~ /^[23]/;
		$r = $s->cmd($c);
	}
	$r = $s->data($content) if $r =~ /^354/;
	$s->cmd('QUIT');
	return $r;
}
# Waits until no session has that maildrop: one that ended without QUIT, or with
# a program that did not wait for the answer, ends a little later.
sub pop3_free {
	my ($self, $user) = @_;
	return wait_for(30, sub {
		my $p = $self->pop3_as($user);
		$p->cmd('QUIT');
		return $p->{login} =~ /^\+OK/;
	});
}
# All messages of a user as RETR gives them.  delete => 1: they go; or a pattern:
# those go, and are all that is given.
sub fetch {
	my ($self, $user, %o) = @_;
	my $p;
	wait_for(30, sub {
		$p = $self->pop3_as($user, %o);
		return $p->{login} !~ /^-ERR \[IN-USE\]/;
	});
	my ($n) = $p->cmd('STAT') =~ /^\+OK (\d+)/ or return;
	my @m = map { $p->cmd("RETR $_") =~ /^\+OK/ ? $p->multi : undef }
	    1 .. $n;
	my @which = 1 .. $n;
	@which = grep { $m[$_ - 1] =~ $o{delete} } @which if ref $o{delete};
	if ($o{delete}) {
		$p->cmd("DELE $_") for @which;
	}
	$p->cmd('QUIT');
	@m = @m[map { $_ - 1 } @which];
	return @m;
}
# The mailbox file, '' if there is none.  What is just being written is waited
# for, as half a message is none; nobody has to wait for us.
sub mbox {
	my ($self, $user) = @_;
	my $path = $self->mailbox($user);
	my $text = '';
	wait_for(30, sub {
		my $f;
		if (!open $f, '<:raw', $path) {
			croak "$path: $!" unless $!{ENOENT};
			$text = '';
			return 1;
		}
		return '' if being_written($f);
		my $size = -s $f;
		local $/;
		$text = <$f> // '';
		return !being_written($f) && -s $f == $size;
	}) or croak "$path is being written for too long";
	return $text;
}
# struct flock of 64-bit Linux
sub flock_of { pack 's s x4 q q i x4', shift, SEEK_SET, 0, 0, 0 }
sub being_written {
	my $l = flock_of(F_RDLCK);
	fcntl $_[0], F_GETLK, $l or die "fcntl: $!";
	return unpack('s', $l) != F_UNLCK;
}

# Nobody writes to the mailbox (the queue does, on its own) until the handle that
# comes back is closed, or another one of the same file.
sub mbox_lock {
	my ($self, $user) = @_;
	my $path = $self->mailbox($user);
	open my $f, '<', $path or die "$path: $!";
	my $l = flock_of(F_RDLCK);
	local $SIG{ALRM} = sub { die "$path stays locked\n" };
	my $left = alarm 60 * slow();
	fcntl $f, F_SETLKW, $l or die "$path: $!";
	alarm $left;
	return $f;
}

1;
