package Pennypost::Must;
# Tables of what RFCs demand, t/musts/rfcN.txt: a row for each MUST, and the
# dialogue that shows it.
#
#	[3.3] RCPT without MAIL is 503
#	E
#	RCPT TO:<bob@example.org> => 503 5\.5\.1
#	[5.1] A client sorts MX records
#	-- why that cannot be seen in a dialogue with this server
#
# A line is a command and, behind " => ", what the reply begins with (a regular
# expression; "!" in front: does not match it anywhere), or one of these:
#	E M R D T      EHLO; MAIL; RCPT to bob; DATA; a message, accepted
#	@to LISTENER   another connection, there (at first: mx)
#	@from ADDRESS  another connection, from there
#	@tls           STARTTLS and handshake
#	@login         that, EHLO, and AUTH as alice
#	@raw TEXT      octets, without CRLF
#	@reply RE      one more reply
#	@replies N RE  N more replies
#	@closed        the server closes, without another octet
#	@close         we do
#	@has RE        bob's mailbox has that of this row, soon
#	@hasnt RE      it has not, now
#	@b64 TEXT => RE   TEXT in base64; %{nonce}: of the last challenge
#	@proof EXT => RE  SCRAM-SHA-256's last message, with those extensions
# In all of them \r \n \t \0 \xNN \\ are octets, and %{c*n} is n times c.
use strict;
use warnings;
use Digest::SHA qw(sha256 hmac_sha256);
use MIME::Base64;
use Test::More ();
use Pennypost ();

my %short = (
	E => "EHLO c.test => 250", M => 'MAIL FROM:<a@client.test> => 250 2\.1\.0',
	R => 'RCPT TO:<bob@example.org> => 250 2\.1\.5', D => 'DATA => 354',
	T => '@raw Subject: must\r\n\r\ntext\r\n.\r\n',
);

sub octets {
	my $t = shift;
	$t =~ s/%\{([^*}]+)\*(\d+)\}/$1 x $2/ge;
	my %c = (r => "\r", n => "\n", t => "\t", 0 => "\0", '\\' => '\\');
	$t =~ s/\\(?:x([0-9a-f]{2})|([rnt0\\]))/defined $1 ? chr hex $1 : $c{$2}/ge;
	return $t;
}

# [section, what, [steps], reason or undef, line]
sub rows {
	my ($file) = @_;
	my (@rows, $n);
	for (split /\n/, Pennypost::slurp($file)) {
		$n++;
		next if /^(?:#|\s*$)/;
		if (/^\[(\S+)\] (\S.*)$/) {
			push @rows, [ $1, $2, [], undef, $n ];
		} elsif (/^-- (\S.*)$/ && @rows && !@{ $rows[-1][2] }) {
			$rows[-1][3] = $1;
		} elsif (@rows && !defined $rows[-1][3]) {
			push @{ $rows[-1][2] }, $_;
		} else {
			die "$file:$n: what is that?\n";
		}
	}
	for (@rows) {
		die "$file:$_->[4]: neither dialogue nor reason\n"
		    unless @{ $_->[2] } || defined $_->[3];
	}
	return @rows;
}

# Runs one row on a fresh connection.  '' or what went wrong.
sub run {
	my ($pp, $steps) = @_;
	my $t = bless { pp => $pp, from => length $pp->mbox('bob') }, __PACKAGE__;
	my $why = $t->meet(to => 'mx');
	for my $s (@$steps) {
		return $why if $why;
		my $step = $short{$s} // $s;
		$why = $t->step($step);
		$why = $t->step('@reply 250 2\.0\.0') if !$why && $s eq 'T';
		$why = "$s: $why" if $why;
	}
	return $why;
}
sub meet {
	my ($t, %o) = @_;
	my $to = delete $o{to};
	$t->{s} = $t->{pp}->connect($to, %o, $to eq 'smtps' ? (tls => 1) : ());
	$t->{greeting} = $t->{s}->reply;
	return $t->{greeting} =~ /^(?:220|554|421)/ ? '' : "no greeting";
}

# '' or why the reply is not what was wanted.
sub like {
	my ($t, $re, $r) = @_;
	$r //= $t->{s}->reply;
	$t->{last} = $r;
	my $good = $re =~ /^!(.*)/s ? $r ne '' && $r !~ /$1/m : $r =~ /\A$re/;
	return $good ? '' : "want $re, got " . ($r eq '' ?
	    'nothing: ' . ($t->{s}{why} // '') : $r);
}
sub step {
	my ($t, $step) = @_;
	my ($what, $re) = $step =~ /^(.*?) => (.*)$/ ? ($1, $2) : ($step, undef);
	if (my ($name, $arg) = $what =~ /^\@(\w+) ?(.*)$/) {
		my $do = $t->can("do_$name") or die "unknown: $step\n";
		$arg = octets($arg) unless $name =~ /^(?:repl|has)/;
		return $do->($t, $arg, $re);
	}
	die "no reply is given: $step\n" unless defined $re;
	$t->{s}->say(octets($what)) or return 'cannot be sent';
	return $t->like($re);
}

sub do_to { my ($t, $to) = @_; return $t->meet(to => $to) }
sub do_from { my ($t, $a) = @_; return $t->meet(to => 'mx', source => $a) }
sub do_greeting { my ($t, undef, $re) = @_; return $t->like($re, $t->{greeting}) }
sub do_tls {
	my $t = shift;
	return $t->{s}->starttls ? '' : 'no TLS: ' . ($t->{s}{tls_error} // '');
}
sub do_login {
	my $t = shift;
	if (!$t->{s}{tls}) {
		my $why = $t->do_tls || $t->step($short{E});
		return $why if $why;
	}
	return $t->like('235', $t->{s}->cmd('AUTH PLAIN ' .
	    encode_base64("\0alice\0alice-pass", '')));
}
sub do_raw { my ($t, $text) = @_; return $t->{s}->raw($text) ? '' : 'closed' }
sub do_reply { my ($t, $re) = @_; return $t->like($re) }
sub do_replies {
	my ($t, $what) = @_;
	my ($n, $re) = split / /, $what, 2;
	for (1 .. $n) {
		my $why = $t->like($re);
		return "reply $_: $why" if $why;
	}
	return '';
}
sub do_closed {
	my $t = shift;
	return 'still open' unless $t->{s}->closed(20);
	return $t->{s}{rest} eq '' ? '' : "it said $t->{s}{rest}";
}
sub do_close { my $t = shift; $t->{s}->close; return '' }
sub news { my $t = shift; return substr $t->{pp}->mbox('bob'), $t->{from} }
sub do_has {
	my ($t, $re) = @_;
	return Pennypost::wait_for(10, sub { $t->news =~ /$re/m }) ? '' :
	    'the mailbox has ' . $t->news;
}
sub do_hasnt {
	my ($t, $re) = @_;
	return $t->news =~ /$re/m ? 'the mailbox has ' . $t->news : '';
}

# ---- SASL ----

sub challenge {
	my $t = shift;
	return $t->{last} =~ /^334 (\S*)/ ? decode_base64($1) : '';
}
sub do_b64 {
	my ($t, $text, $re) = @_;
	my ($nonce) = $t->challenge =~ /r=([^,]*)/;
	$text =~ s/%\{nonce\}/$nonce/g if defined $nonce;
	$t->{said} = $text;
	return $t->like($re, $t->{s}->cmd(encode_base64($text, '')));
}
# After "n,,n=carol,r=...": her secret is "carol's secret".
sub do_proof {
	my ($t, $ext, $re) = @_;
	my $first = $t->challenge;
	my ($nonce, $salt, $count) = $first =~ /r=([^,]*),s=([^,]*),i=(\d+)/
	    or return "no challenge: $t->{last}";
	my $u = hmac_sha256(decode_base64($salt) . pack('N', 1),
	    "carol's secret");
	my $salted = $u;
	for (2 .. $count) {
		$u = hmac_sha256($u, "carol's secret");
		$salted ^= $u;
	}
	my $key = hmac_sha256('Client Key', $salted);
	(my $bare = $t->{said}) =~ s/^n,[^,]*,//;
	my $last = 'c=' . encode_base64('n,,', '') . ",r=$nonce$ext";
	my $proof = $key ^ hmac_sha256("$bare,$first,$last", sha256($key));
	return $t->like($re, $t->{s}->cmd(encode_base64(
	    "$last,p=" . encode_base64($proof, ''), '')));
}

1;
