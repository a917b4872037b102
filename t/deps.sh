#!/bin/sh
# Sees to it that what a target needs is there.  As root, what is missing is
# installed with apt-get; else the exact command is printed, and the target
# stops.
#
#   t/deps.sh build    compiler, libraries, openssl(1): make, make demo
#   t/deps.sh check    and what the tests use
#   t/deps.sh torture  and what make torture does
#   t/deps.sh lint     and clang, the formatter and the linters
set -eu

# package, and how to see that it is there: a command, or FILE:path, or
# PERL:module.
build='
gcc                   gcc
make                  make
libssl-dev            FILE:/usr/include/openssl/ssl.h
libcrypt-dev          FILE:/usr/include/crypt.h
openssl               openssl
'
# Programs nobody here wrote, and what drives them.
check='
perl                  prove
procps                ps
libio-socket-ssl-perl PERL:IO::Socket::SSL
libauthen-sasl-perl   PERL:Authen::SASL
python3               python3
swaks                 swaks
zsh                   zsh
procmail              procmail
mutt                  mutt
s-nail                s-nail
git-email             FILE:/usr/lib/git-core/git-send-email
libmailtools-perl     PERL:Mail::Address
php-cli               php
gsasl                 gsasl
fetchmail             fetchmail
libnet-ssleay-perl    PERL:Net::SSLeay
curl                  curl
msmtp                 msmtp
mpop                  mpop
netcat-openbsd        nc
telnet                telnet
openbsd-inetd         inetd
libtirpc3             FILE:/usr/share/doc/libtirpc3
systemd               systemd-socket-activate
systemd-container     systemd-nspawn
fail2ban              fail2ban-regex
pflogsumm             pflogsumm
logwatch              logwatch
mount                 mount
e2fsprogs             mkfs.ext4
util-linux            setpriv
mailutils             mail.mailutils
getmail6              getmail
dpkg-dev              dpkg-shlibdeps
lintian               lintian
'
torture='
debootstrap           debootstrap
buildah               buildah
iproute2              ip
nmap                  nmap
sslscan               sslscan
testssl.sh            testssl
nodejs                node
node-nodemailer       FILE:/usr/share/nodejs/nodemailer/package.json
'
lint='
clang                 clang
clang-format          clang-format
cppcheck              cppcheck
mandoc                mandoc
git                   git
python3               python3
'

PATH=$PATH:/usr/sbin:/sbin
here() {
	case $1 in
	FILE:*) [ -e "${1#FILE:}" ] ;;
	PERL:*) perl -M"${1#PERL:}" -e 1 2>/dev/null ;;
	*) command -v "$1" >/dev/null 2>&1 ;;
	esac
}
# $1: a table.  Prints the packages that are missing.
missing() {
	echo "$1" | while read -r package sign; do
		[ -n "$package" ] || continue
		here "$sign" || echo "$package"
	done
}

case ${1-} in
build) want=$build ;;
check) want=$build$check ;;
torture) want=$build$check$torture ;;
lint) want=$build$lint ;;
*)
	echo "usage: t/deps.sh build|check|torture|lint" >&2
	exit 2
	;;
esac
# apt-get with what stands behind it; a mirror may be busy for a while, and
# somebody else's apt at work.
patient() {
	tries=1
	until "$@" -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 >&2; do
		[ $tries -lt 5 ] || return 1
		sleep $((tries * 10))
		tries=$((tries + 1))
	done
}
# What would be in the way of something else, or bring a mail server of its own,
# is only unpacked.  $1: package, $2: its program.
unpack() {
	[ ! -x "build/tools/$2" ] && [ "$(id -u)" -eq 0 ] &&
		command -v apt-get >/dev/null || return 0
	echo "deps: unpacking $1 in build/tools" >&2
	tmp=$(mktemp -d)
	chmod 755 "$tmp"
	(cd "$tmp" && apt-get download -qq "$1" >/dev/null 2>&1) || {
		patient apt-get update
		(cd "$tmp" && patient apt-get download "$1")
	}
	mkdir -p build/tools
	dpkg -x "$tmp/$1"_*.deb build/tools
	rm -r "$tmp"
}

case $1 in
check | torture)
	unpack xinetd usr/sbin/xinetd # beside openbsd-inetd
	unpack exim4-daemon-light usr/sbin/exim4
	[ -d /usr/lib/postfix/sbin ] || unpack postfix usr/sbin/postfix
	;;
esac
case $1 in
torture) unpack postfix usr/sbin/smtp-source ;;
esac
need=$(missing "$want" | tr '\n' ' ')
[ -n "$need" ] || exit 0

# logwatch wants some mail server beside it; where there is none, a client's
# link does instead of Exim and cron, which that would bring.
case " $need " in
*' logwatch '*) [ -e /usr/sbin/sendmail ] || need="$need msmtp-mta" ;;
esac
get="apt-get install -y --no-install-recommends $need"
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
	# Without these nothing can be built; without the others some tests
	# are skipped, and say so.
	if [ "$1" = check ] && [ -z "$(missing "$build
perl prove")" ]; then
		echo "Some tests will be skipped; to have them all:" >&2
		echo "    sudo $get" >&2
		exit 0
	fi
	echo "Missing: $need" >&2
	echo "Please run:" >&2
	echo "    sudo $get" >&2
	exit 1
fi
echo "deps: installing $need" >&2
# openbsd-inetd and fail2ban would start a service; nothing here wants one.
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
policy=/usr/sbin/policy-rc.d
made=
if [ ! -e $policy ]; then
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod 755 $policy
	made=1
	trap 'rm -f $policy' EXIT
fi
[ -n "$(ls /var/lib/apt/lists/*Packages* 2>/dev/null)" ] ||
	patient apt-get update
# What the unpacked Exim is linked with, where it has this name.
case $1 in
check | torture)
	for lib in libgnutls-dane0 libidn12 libnsl2 libdb5.3; do
		[ -e /usr/share/doc/$lib ] ||
			! apt-cache show $lib >/dev/null 2>&1 || get="$get $lib"
	done
	;;
esac
# shellcheck disable=SC2086
if ! $get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 >&2; then
	patient apt-get update
	patient $get
fi
still=$(missing "$want" | tr '\n' ' ')
if [ -n "$still" ]; then
	echo "deps: still missing: $still" >&2
	exit 1
fi
