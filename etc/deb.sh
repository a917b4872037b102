#!/bin/sh
# make deb: a Debian package of what lies below $STAGE, which make install
# PREFIX=/usr has filled.  Prints the name of the file.
#
# It is a mail-transport-agent, with the commands and the conflicts of one.
set -eu
umask 022
stage=$STAGE
version=$(sed -n 's/^#define PENNYPOST_VERSION "\(.*\)"/\1/p' common/version.h)
maintainer=${DEBFULLNAME:-pennypost maintainers}
maintainer="$maintainer <${DEBEMAIL:-maintainers@pennypost.invalid}>"
arch=$(dpkg --print-architecture)
doc=$stage/usr/share/doc/pennypost
control=$stage/DEBIAN
date=$(git log -1 --format=%cD 2>/dev/null || date -R)

mkdir -p "$control" "$stage/usr/lib"
ln -sf ../sbin/sendmail "$stage/usr/lib/sendmail" # FHS 4.2
strip --strip-unneeded --remove-section=.comment --remove-section=.note \
    "$stage"/usr/sbin/*
gzip -9nf "$stage"/usr/share/man/man?/*
rm "$doc/LICENSE"
gzip -9nf "$doc/CHANGES.md"
{
	cat etc/debian/copyright
	sed -n '/^Copyright/{s/(c) *//;s/^Copyright/Copyright:/p;q}' LICENSE
	echo 'License: BSD-2-Clause'
	sed -n '/^Copyright/,$p' LICENSE | sed '1d;s/^$/./;s/^/ /' |
	    sed '1{/^ \.$/d}'
} >"$doc/copyright"
printf '%s\n\n  * %s\n\n -- %s  %s\n' "pennypost ($version) unstable; urgency=medium" \
    'See CHANGES.md.gz.' "$maintainer" "$date" |
    gzip -9n >"$doc/changelog.gz"

# Libraries with the versions that this machine's packages ask for.
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
mkdir "$work/debian"
printf 'Source: pennypost\n\nPackage: pennypost\nArchitecture: any\n' \
    >"$work/debian/control"
libs=$(stage=$(realpath "$stage") && cd "$work" &&
    dpkg-shlibdeps -O "$stage"/usr/sbin/* |
    sed -n 's/^shlibs:Depends=//p')

cat >"$control/control" <<END
Package: pennypost
Version: $version
Section: mail
Priority: optional
Architecture: $arch
Maintainer: $maintainer
Installed-Size: $(du -sk --exclude=DEBIAN "$stage" | cut -f1)
Depends: $libs, systemd | systemd-standalone-sysusers, systemd | systemd-standalone-tmpfiles
Provides: mail-transport-agent
Conflicts: mail-transport-agent, opensmtpd
Replaces: mail-transport-agent
Description: privilege-separated SMTP and POP3 servers over mbox files
 smtpd receives mail and pop3d hands it out; in between lies nothing but an
 ordinary mbox file per user.  Both are sets of small processes: whatever faces
 the network holds no private key, no password file and no path in the file
 system.
 .
 Programs of the host hand in mail by sendmail, which needs no privileges.
END
echo /etc/pennypost/smtpd.conf >"$control/conffiles"
echo /etc/pennypost/pop3d.conf >>"$control/conffiles"
for f in postinst prerm postrm; do
	install -m 755 "etc/debian/$f" "$control/$f"
done
(cd "$stage" && find . -type f ! -path './DEBIAN/*' -printf '%P\n' | sort |
    xargs md5sum) >"$control/md5sums"
deb=${stage%/*}/pennypost_${version}_$arch.deb
dpkg-deb --root-owner-group --build "$stage" "$deb" >/dev/null
echo "$deb"
