package Pennypost::Drive;
# One sender, driven by t/relay/drive.
use strict;
use warnings;
use IPC::Open2;

our @open; # for children of the test, which must not keep these

sub new {
	my ($class, $dir, %conf) = @_;
	my $file = "$dir/drive" . ++our $n . '.conf';
	my %c = (hostname => 'mail.example.org', relay_connect_timeout => '5s',
	    relay_reply_timeout => '10s', local_domains => 'example.org', %conf);
	open my $f, '>', $file or die;
	for my $k (sort keys %c) {
		print $f "$k $_\n" for ref $c{$k} ? @{ $c{$k} } : $c{$k};
	}
	close $f;
	(my $exe = $ENV{SMTPD} || 'build/plain/smtpd/smtpd') =~
	    s{smtpd/smtpd$}{t/relay/drive};
	my $pid = open2(my $out, my $in, $exe, $file);
	$in->autoflush(1);
	push @open, $in, $out;
	return bless { in => $in, out => $out, pid => $pid, dir => $dir };
}
sub end {
	my $self = shift;
	close $self->{in};
	close $self->{out};
	waitpid $self->{pid}, 0;
	return $?;
}
# rcpt: "address" or "address|parameters".  Gives { verdict, bits, remote,
# rcpt => [ { outcome, dsn, remote, text } ] }.
sub send {
	my ($self, $hop, $content, @rcpt) = @_;
	return $self->send_as($hop, 'alice@example.org', '', $content, @rcpt);
}
sub send_as {
	my ($self, $hop, $sender, $params, $content, @rcpt) = @_;
	my $file = "$self->{dir}/content";
	open my $f, '>:raw', $file or die;
	print $f $content;
	close $f;
	print { $self->{in} } join("\t", $hop, $sender, $params, $file, @rcpt),
	    "\n";
	my $out = $self->{out};
	local $SIG{ALRM} = sub { die "no answer in time\n" };
	my $left = alarm 240 * Pennypost::slow();
	my $head = <$out> // '';
	alarm $left;
	my %a;
	@a{qw(verdict bits remote)} = $head =~ /^(\w+) (\d+) (.*)$/;
	while (defined(my $l = <$out>)) {
		chomp $l;
		last if $l eq '.';
		my %r;
		@r{qw(outcome dsn who text)} =
		    $l =~ /^(\w+) (\S+) (\w+) (.*)$/;
		push @{ $a{rcpt} }, \%r;
	}
	return \%a;
}
sub pause {
	my ($self, $ms) = @_;
	print { $self->{in} } "wait $ms\n";
}
1;
