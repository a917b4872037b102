#!/usr/bin/perl
# Reports about mail to other hosts: refused there, taken there by a server with
# and without DSN (RFC 3461 5.2.1, 5.2.2).
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use IO::Socket::INET;
use Pennypost;

# The other server: takes whoever begins with "ok", refuses the others.  What it
# is told goes into a file.
my ($port, $dsn, $server, $said);
sub other_server {
	my ($sock, $file) = @_;
	my $pid = fork // die "fork: $!";
	return $pid if $pid;
	$SIG{ALRM} = 'DEFAULT';
	alarm 600 * Pennypost::slow();
	open my $log, '>>', $file or POSIX::_exit(1);
	$log->autoflush(1);
	while (my $c = $sock->accept) {
		$c->autoflush(1);
		print $c "220 other.test\r\n";
		while (my $l = <$c>) {
			print $log $l;
			if ($l =~ /^EHLO/) {
				print $c "250-other.test\r\n",
				    -e "$file.dsn" ? "250-DSN\r\n" : '',
				    "250 8BITMIME\r\n";
			} elsif ($l =~ /^RCPT TO:<(?!ok)/) {
				print $c "550-5.1.1 Nobody of that name\r\n",
				    "550 5.1.1 lives\there \xe4\r\n";
			} elsif ($l =~ /^DATA/) {
				print $c "354 go\r\n";
				1 while defined($l = <$c>) && $l ne ".\r\n";
				print $c "250 2.0.0 taken\r\n";
				last; # the next connection may have DSN
			} elsif ($l =~ /^QUIT/) {
				print $c "221 bye\r\n";
				last;
			} else {
				print $c "250 2.1.0 Ok\r\n";
			}
		}
	}
	POSIX::_exit(0);
}

my $pp = Pennypost->new(daemons => [qw(smtpd pop3d)]);
$port = $pp->port('mx') + 300;
my $sock = IO::Socket::INET->new(LocalAddr => $pp->addr, LocalPort => $port,
	Listen => 20, ReuseAddr => 1) or die "listen: $!";
$said = "$pp->{dir}/other";
$server = other_server($sock, $said);
close $sock;
END { kill 'KILL', $server if $server }
$pp->write_config('smtpd', relay => $pp->addr . ":$port", relay_tls => 'none',
	relay_networks => '127.0.0.0/8', retry_min => '300ms');
is($pp->launch($_), '', "$_ starts") for qw(smtpd pop3d);

sub mail {
	my ($mail, @rcpts) = @_;
	my $s = $pp->smtp;
	my $r = $s->cmd('EHLO client.test');
	for my $c ("MAIL FROM:$mail", (map "RCPT TO:$_", @rcpts), 'DATA') {
		$r = $s->cmd($c);
		diag("$c: $r") if $r !~ /^[23]/;
	}
	$r = $s->data(message('far'));
	$s->cmd('QUIT');
	return $r;
}
sub report {
	my ($pattern, $name) = @_;
	my ($raw) = wait_for(30, sub { $pp->mbox('alice') =~ $pattern }) ?
	    grep { $_ =~ $pattern } $pp->fetch('alice', delete => 1) : ();
	ok(defined $raw, $name);
	return $raw // '';
}

like(mail('<alice@example.org> ENVID=e1',
    '<ok@far.test> NOTIFY=SUCCESS,FAILURE', '<no@far.test> ORCPT=rfc822;n@x',
    '<ok2@far.test> NOTIFY=FAILURE', '<no2@far.test> NOTIFY=NEVER'),
    qr/^250 /, 'to a server without DSN');
my $r = report(qr/^Subject: Undelivered Mail/m, 'a report comes');
like($r, qr/^Original-Recipient:\ rfc822;n\@x\r\n
    Final-Recipient:\ rfc822;no\@far\.test\r\nAction:\ failed\r\n
    Status:\ 5\.1\.1\r\nRemote-MTA:\ dns;\ [^\r\n]+\r\n
    Diagnostic-Code:\ smtp;\ 550[^\r\n]*Nobody[^\r\n]*/mx,
    'of the one who was refused');
like($r, qr/^Final-Recipient: rfc822;ok\@far\.test\r\nAction: relayed\r/m,
    'RFC 3461 5.2.2 (b): and the one who was not');
unlike($r, qr/^Final-Recipient: rfc822;(?:ok2|no2)/m, '(d): not of the others');
unlike(slurp($said), qr/NOTIFY|ORCPT|ENVID|RET=/,
    '(a): no parameters to this server');
like($r, qr/^    The server \S+ said: 550/m, 'people read who said so');

spew("$said.dsn", '');
like(mail('<alice@example.org> ENVID=e2', '<ok3@far.test> NOTIFY=SUCCESS'),
    qr/^250 /, 'to one with DSN');
ok(wait_for(20, sub { slurp($said) =~ /RCPT TO:<ok3/ }), 'it goes there');
like(slurp($said), qr/RCPT TO:<ok3\@far\.test>.*NOTIFY=SUCCESS/,
    '5.2.1 (c): with NOTIFY');
like(slurp($said), qr/MAIL FROM:<alice\@example\.org>.*ENVID=e2/,
    '(a): and ENVID');
ok(wait_for(10, sub { !grep { !m{/\.} } glob "$pp->{dir}/queue/active/*" }),
    'and that is all');
is($pp->mbox('alice'), '', 'that server reports');
$pp->stop;
done_testing;
