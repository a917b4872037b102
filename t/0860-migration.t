#!/usr/bin/perl
# MIGRATION.md: each command of it, typed in its order, in a directory that stands
# for /, on files as Postfix, Dovecot and popa3d leave them.  What has to do with
# the old servers and with systemd is noted down only.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Pennypost;

my $pp = Pennypost->new;
my $dir = $pp->dir;
my $built = File::Spec->rel2abs($ENV{O} || 'build/plain');
my $text = slurp('MIGRATION.md');
# Sections, and of each the blocks of commands, with the indent taken off.
my %section = $text =~ /^## ([^\n]+)\n(.*?)(?=^## |\z)/msg;
sub blocks {
	my $s = $section{ +shift } // die;
	my @b;
	for my $para (split /\n(?:[ \t]*\n)+/, $s) {
		my @l = split /\n/, $para;
		my ($indent) = $l[0] =~ /^(    +)/ or next;
		push @b, join '', map { s/^$indent//r . "\n" } @l;
	}
	return @b;
}

mkdir "$dir/$_" for qw(bin postfix dovecot);
# The installed programs, with the configuration of this test.
for (['smtpd', 'smtpd/smtpd', 'smtpd.conf'], ['pop3d', 'pop3d/pop3d',
	'pop3d.conf'], ['pennyctl', 'spool/pennyctl', 'pop3d.conf']) {
	my ($name, $program, $conf) = @$_;
	spew("$dir/bin/$name", "#!/bin/sh\nexec $built/$program -f $dir/$conf \"\$@\"\n",
	    0755);
}
my %as = (mailq => '-bp', newaliases => '-bi', sendmail => '');
spew("$dir/bin/$_", "#!/bin/sh\nexec $built/spool/sendmail -C $dir/smtpd.conf " .
    "$as{$_} \"\$@\"\n", 0755) for keys %as;
spew("$dir/bin/$_", "#!/bin/sh\necho \"$_ \$*\" >>$dir/others\n", 0755)
    for qw(systemctl postqueue certbot lego);
sub type {
	my ($block, $name) = @_;
	my $here = $block =~ s{/etc/(?:pennypost|letsencrypt)}{$dir}gr;
	$here =~ s{/etc/(postfix|dovecot)}{$dir/$1}g;
	$here =~ s{/var/mail}{$dir/mail}g;
	my ($st, $out) = run({ env => { PATH => "$dir/bin:$ENV{PATH}",
	    PENNYPOST_SMTP => "$dir/smtp", PENNYPOST_QUEUE => "$dir/q.sock" } },
	    'sh', '-ec', $here);
	is($st, 0, $name // $block =~ s/\n.*//sr) or diag($out);
	return $out;
}
sub mailbox {
	my ($user, @messages) = @_;
	my $box = $pp->mailbox($user);
	spew($box, join('', map { "From a\@x Mon Jan  5 10:00:00 2026\n$_\n\n" }
	    @messages), 0600);
	chown $pp->user_uid($user), $pp->user_gid($user), $box if is_root();
}
sub uidl {
	my $p = $pp->pop3_as(shift);
	$p->cmd('UIDL');
	my @u = map { / (\S+)/ ? $1 : () } split /\r\n/, $p->multi;
	$p->cmd('QUIT');
	return "@u";
}

# ---- Postfix and Dovecot ----
spew("$dir/postfix/virtual", <<'END');
# a map of Postfix
virtual.example	anything
info@virtual.example	alice, bob
@virtual.example	carol@example.org
nick	alice
END
spew("$dir/aliases", "root: alice\npostmaster: root\nstaff: alice, bob\n");
spew("$dir/dovecot/users", join '', map { s/:/:{SHA512-CRYPT}/r }
    split /^/, slurp("$dir/users"));
my $users = slurp("$dir/users");
spew("$dir/users", '', 0600);
$pp->write_config('smtpd', aliases => "$dir/aliases",
    virtual => "$dir/virtual", run_directory => $dir,
    listen => [ "mx $pp->{addr}:$pp->{port}{mx}", "queue unix:$dir/q.sock",
	"mx unix:$dir/smtp" ]);
mailbox('bob', "Subject: s1\nX-IMAPbase: 1795232627 0000000012\nX-UID: 10    \n" .
    "Status: RO\n\nbody 1", "Subject: s2\nX-UID: 12    \nStatus: O\n\nbody 2");
my @b = blocks('From Postfix and Dovecot');
is(scalar @b, 7, 'the commands were found');
type(shift @b);
is(slurp("$dir/virtual"), "# a map of Postfix\n" .
    "info\@virtual.example\talice, bob\n\@virtual.example\tcarol\@example.org\n",
    'a virtual map without its domains and names');
like(slurp("$dir/smtpd.conf"), qr/^virtual_domains virtual\.example$/m,
    'domains in the configuration');
type(shift @b);
is(slurp("$dir/users"), $users, 'a users file');
type(shift @b);
type($_) for splice @b, 0, 2;
type(shift @b);
$pp->start;
type(shift @b);
like($pp->send([ 'info@virtual.example', 'xyz@virtual.example',
    'staff@example.org' ], message('moved')), qr/^250/, 'mail comes in');
for my $who (qw(alice bob carol)) {
	ok(wait_for(20, sub { -e $pp->mailbox($who) &&
		slurp($pp->mailbox($who)) =~ /^Subject: moved$/m }),
	    "$who has it");
}
# Whoever has it twice, too.
ok(wait_for(20, sub { !grep { -f } glob "$dir/queue/*/*" }),
    'and the queue has no more of it');
like(uidl('bob'), qr/^0000000a6b011373 0000000c6b011373 /,
    'the unique-ids are those that Dovecot gave');
is($pp->stop($_), 0, "$_ ends") for qw(smtpd pop3d);

# ---- popa3d ----
mailbox('bob', "Subject: s1\nReceived: from y\n\tby z; 1\n" .
    "Received: from q\n\tby w; 9\nDelivered-To: later\n\nbody 1");
@b = blocks('From popa3d');
is(scalar @b, 4, 'the commands were found');
type($_) for @b;
$pp->start;
is(uidl('bob'), '9d755de0822f150b',
    'the unique-id is the one that popa3d gave');
is($pp->stop($_), 0, "$_ ends") for qw(smtpd pop3d);

type($_) for blocks('Certificates of an ACME client');
is(slurp("$dir/others"), <<'END', 'what others were told');
postqueue -f
postqueue -p
systemctl disable --now postfix dovecot
systemctl enable --now smtpd pop3d
systemctl disable --now popa3d
systemctl enable --now pop3d
certbot certonly --standalone -d mail.example.org
lego --accept-tos --email postmaster@example.org --path /etc/lego --domains mail.example.org --http run
END
done_testing;
