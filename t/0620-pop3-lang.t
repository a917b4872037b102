#!/usr/bin/perl
# LANG (RFC 6856 3): every text that pop3d sends is in the table of languages,
# and the languages as a client sees them.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

# ---- the table has what the code says ----

my $literal = qr/"(?:[^"\\]|\\.)*"/;
my $text = qr/(?:$literal|PRI[a-z]\d+)(?:\s*(?:$literal|PRI[a-z]\d+))*/;
sub joined { join '', map { /^"(.*)"$/s ? $1 : $_ } $_[0] =~ /($literal|PRI\w+)/g }

my $table = slurp('pop3d/lang_table.c');
my %row;
while ($table =~ /^\t\{ ($text),/mg) {
	$row{joined($1)} = 0;
}
cmp_ok(scalar keys %row, '>', 60, 'the table was found');

# Whatever stands in a call of one of these as a format, both sides of a choice.
my ($calls, %seen) = 0;
sub check_call {
	my ($file, $name, $args) = @_;
	return if $args =~ /struct session \*/; # its definition
	$calls++;
	# The response code is no text.
	$args =~ s/\A\(\s*s,\s*"[A-Z\/-]+",/(s, NULL,/ if $name eq 'reply_err';
	my @all = $args =~ /($text)/g;
	ok(@all || $args =~ /english\)/, "$file: $name has a text") or
	    diag($args);
	# Arguments that are literals come behind the format.
	my @formats = $args =~ /\?/ ? @all : @all ? $all[0] : ();
	for my $t (map { joined($_) } @formats) {
		(my $bare = $t) =~ s/%(?:PRI\w+|[-+ #0-9.*hlzjt]*\w)//g;
		next unless $bare =~ /[A-Za-z]/;
		ok(exists $row{$t}, "$file: in the table: $t");
		$seen{$t} = 1;
	}
}
for my $file (sort glob 'pop3d/*.c') {
	next if $file eq 'pop3d/lang_table.c';
	my $code = slurp($file);
	$code =~ s{/\*.*?\*/}{}gs;
	for my $what ('reply_(?:ok|err|bad)', 'LANG_TEXT') {
		check_call($file, $1, $2) while $code =~
		    /\b($what)(\((?:[^()"]|$literal|(?2))*\))/g;
	}
}
cmp_ok($calls, '>', 70, "$calls calls were found");
ok($seen{$_}, "said somewhere: $_") for sort keys %row;

# ---- as a client sees it ----

my $pp = Pennypost->start(pop3d => { language => 'fr' });
$pp->send('bob@example.org', message('one'));
my $p = $pp->pop3;
unlike($p->{greeting}, qr/[^\x00-\x7f]/, 'the greeting is ASCII');
like($p->cmd('LANG'), qr/^\+OK /, 'LANG');
my %name = map { /^(\S+) (.+)$/ } split /\r\n/, $p->multi;
is(join(' ', sort keys %name), 'de en es fr ru zh', 'six languages');
my (%bye, %retr);
for my $l (sort keys %name) {
	utf8::decode(my $n = $name{$l});
	like($n, qr{^\w+$}, "$l has a name");
	$p = $pp->pop3;
	$p->expect("LANG \U$l", qr/^\+OK $l \S/, "LANG $l");
	$p->expect('STAT', qr/^-ERR (?!\[)/);
	$p->expect('USER bob', qr/^\+OK /);
	$p->expect('PASS wrong', qr/^-ERR \[AUTH\] \S/, 'codes stay');
	$p->expect('USER bob', qr/^\+OK /);
	$p->expect('PASS bob-pass', qr/^\+OK .*\b1\b/);
	$p->expect('STAT', qr/^\+OK 1 \d+$/, 'numbers stay');
	$retr{$p->cmd('RETR 2')} = 1;
	# A second session: who holds the mailbox is told in the language.
	my $q = $pp->pop3;
	$q->cmd("LANG $l");
	$q->cmd('USER bob');
	my $busy = $q->cmd('PASS bob-pass');
	like($busy, qr/^-ERR \[IN-USE\] .*\b\d+\b.*20\d\d-\d\d-\d\d/,
	    "[IN-USE] in $l");
	my $quit = $p->cmd('QUIT');
	ok(utf8::decode($quit), 'in UTF-8');
	$bye{$quit} = 1;
}
is(scalar keys %bye, 6, 'six goodbyes');
is(scalar keys %retr, 6, 'six refusals');
$p = $pp->pop3;
$p->expect('LANG *', qr/^\+OK fr /, 'LANG * is the one of the configuration');
$p->expect('LANG tlh', qr/^-ERR Langue inconnue/, 'an unknown one');
$p->expect('LANG de-AT', qr/^\+OK de /, 'a range of more subtags');
$p->starttls or fail('STLS');
$p->expect('NOOP', qr/^-ERR NOOP comes after/, 'STLS forgets the language');
done_testing;
