package Pennypost::Sasl;
# A client's side of SASL, through either daemon; SCRAM is written from RFC 5802.
#
#	my $s = sasl_session($pp, 'smtp');
#	ok(yes(scram($s, 'SHA-256', 'alice', 'secret', cb => 'tls-exporter')));
use strict;
use warnings;
use Digest::SHA qw(sha1 sha256 hmac_sha1 hmac_sha256);
use Exporter qw(import);
use MIME::Base64;

our @EXPORT = qw(sasl_session b64 decoded yes refused file_line scram %last);

# A new session under TLS, unless plain => 1, and behind EHLO; the one before
# lets go of its mailbox.
my $before;
sub sasl_session {
	my ($pp, $kind, %o) = @_;
	$before->cmd('QUIT') if $before && $before->{kind} eq 'pop3';
	my $s = $kind eq 'smtp' ? $pp->smtp(to => $o{plain} ? 'mx' : 'smtps',
	    tls => $o{plain} ? 0 : $o{tls} || 1, source => $o{source}) :
	    $pp->pop3(to => $o{plain} ? 'pop3' : 'pop3s',
	    tls => $o{plain} ? 0 : $o{tls} || 1, source => $o{source});
	$s->cmd('EHLO c.test') if $kind eq 'smtp';
	return $before = $s;
}

sub b64 { encode_base64($_[0], '') }
sub hi {
	my ($hmac, $text, $salt, $i) = @_;
	my $u = $hmac->($salt . pack('N', 1), $text);
	my $out = $u;
	for (2 .. $i) {
		$u = $hmac->($u, $text);
		$out ^= $u;
	}
	return $out;
}
my %hash = ('SHA-1' => [ \&hmac_sha1, \&sha1 ],
    'SHA-256' => [ \&hmac_sha256, \&sha256 ]);
sub keys_of {
	my ($h, $pass, $salt, $i) = @_;
	my ($hmac, $sum) = @{ $hash{$h} };
	my $salted = hi($hmac, $pass, $salt, $i);
	my $client = $hmac->('Client Key', $salted);
	return ($client, $sum->($client), $hmac->('Server Key', $salted));
}
# A line of the secrets file.
sub file_line {
	my ($user, $h, $pass) = @_;
	my $salt = "salt of $user here";
	my (undef, $stored, $server) = keys_of($h, $pass, $salt, 4096);
	return "$user:{SCRAM-$h}4096," . join(',', map { b64($_) } $salt,
	    $stored, $server) . "\n";
}
sub decoded {
	my $r = shift;
	return $r =~ /^(?:334|\+) ?(\S*)/ ? decode_base64($1) : undef;
}
sub yes { $_[0] =~ /^(?:235 2\.7\.0 |\+OK )/ }
sub refused { $_[0] =~ /^(?:535 5\.7\.8 |-ERR \[AUTH\] )/ }

# The data for each kind of binding.
sub binding {
	my ($s, $type) = @_;
	my $ssl = $s->{sock}->_get_ssl_object;
	if ($type eq 'tls-exporter') {
		return Net::SSLeay::export_keying_material($ssl, 32,
		    'EXPORTER-Channel-Binding', '');
	}
	my $pem = Net::SSLeay::PEM_get_string_X509($s->{sock}->peer_certificate);
	$pem =~ s/-----[^-]+-----//g;
	return sha256(decode_base64($pem));
}

# Logs in.  Options: cb => type, flag, authzid, ir => 0, and what to spoil:
# nonce, gs2, proof, data.  Gives the last reply; $last{server} is whether the
# server's signature was right, {salt} and {iterations} are what it said.
our %last;
sub scram {
	my ($s, $h, $user, $pass, %o) = @_;
	my ($hmac, $sum) = @{ $hash{$h} };
	my $plus = $o{plus} // ($o{cb} ? '-PLUS' : '');
	my $gs2 = ($o{flag} // ($o{cb} ? "p=$o{cb}" : 'n')) . ',' .
	    ($o{authzid} ? "a=$o{authzid}" : '') . ',';
	(my $name = $user) =~ s/=/=3D/g;
	$name =~ s/,/=2C/g;
	my $nonce = 'n' . int(rand 1e9) . 'x';
	my $bare = "n=$name,r=$nonce";
	my $r;
	%last = ();
	if (exists $o{ir} && !$o{ir}) {
		$r = $s->cmd("AUTH SCRAM-$h$plus");
		return $r unless defined decoded($r) && decoded($r) eq '';
		$r = $s->cmd(b64("$gs2$bare"));
	} else {
		$r = $s->cmd("AUTH SCRAM-$h$plus " . b64("$gs2$bare"));
	}
	my $first = decoded($r) // return $r;
	my ($full, $salt, $i) = $first =~ /^r=(.*?),s=(.*?),i=(\d+)$/
	    or return "bad server-first $first";
	return 'not our nonce' unless index($full, $nonce) == 0 &&
	    length $full >= length($nonce) + 18;
	@last{qw(salt iterations)} = ($salt, $i);
	my $data = $o{cb} ? $o{data} // binding($s, $o{cb}) : '';
	my $final = 'c=' . b64(($o{gs2} // $gs2) . $data) . ',r=' .
	    ($o{nonce} // $full);
	my ($client, $stored, $server) = keys_of($h, $pass,
	    decode_base64($salt), $i);
	my $text = "$bare,$first,$final";
	my $proof = $client ^ $hmac->($text, $stored);
	$r = $s->cmd(b64("$final,p=" . ($o{proof} // b64($proof))));
	my $v = decoded($r) // return $r;
	$last{server} = $v eq 'v=' . b64($hmac->($text, $server));
	return $s->cmd($o{last} // '');
}

1;
