#!/bin/sh
# make install, make uninstall.  The makefile says by the environment where:
#   DESTDIR PREFIX CONFIG_DIR QUEUE_DIR EMPTY_DIR RUN_DIR PROGRAMS PAGES
#
# Installing again is an upgrade: programs are replaced whole by rename, so that
# there is never a moment without them, and configuration and state stay.  As
# root without DESTDIR, users and directories are made, too; otherwise nothing
# outside of DESTDIR is touched.
set -eu
umask 022
prefix=${DESTDIR-}$PREFIX
doc=$prefix/share/doc/pennypost
units=$prefix/lib/systemd/system

# Whether this is the system that it will run on.
system() {
	[ -z "${DESTDIR-}" ] && [ "$(id -u)" -eq 0 ]
}

# Samples, units and pages name the directories of the makefile's defaults.
at_home() {
	sed -e "s|/usr/local|$PREFIX|g" \
	    -e "s|/etc/pennypost|$CONFIG_DIR|g" \
	    -e "s|/var/spool/pennypost|$QUEUE_DIR|g" \
	    -e "s|/run/pennypost|$RUN_DIR|g" "$1"
}

# Each file: how, from where, to where.
files() {
	for f in $PROGRAMS; do
		echo "program $f $prefix/sbin/${f##*/}"
	done
	for f in mailq newaliases; do
		echo "link ../sbin/sendmail $prefix/bin/$f"
	done
	for f in $PAGES; do
		echo "text $f $prefix/share/man/man${f##*.}/${f##*/}"
	done
	for f in etc/systemd/*; do
		echo "text $f $units/${f##*/}"
	done
	# For the package's postinst: a host may have no share/doc.
	echo "text etc/aliases $prefix/share/pennypost/aliases"
	echo "plain etc/pennyctl.bash" \
	    "$prefix/share/bash-completion/completions/pennyctl"
	echo "plain etc/pennyctl.zsh" \
	    "$prefix/share/zsh/site-functions/_pennyctl"
	echo "text etc/sysusers.conf $prefix/lib/sysusers.d/pennypost.conf"
	echo "text etc/tmpfiles.conf $prefix/lib/tmpfiles.d/pennypost.conf"
	for f in README.md MIGRATION.md SECURITY.md CHANGES.md LICENSE; do
		echo "plain $f $doc/$f"
	done
	for f in smtpd.conf pop3d.conf users aliases inetd.conf xinetd.conf; do
		echo "text etc/$f $doc/examples/$f"
	done
}

# put MODE TARGET <content
put() {
	mkdir -p "${2%/*}"
	cat >"$2.pennypost-new"
	chmod "$1" "$2.pennypost-new"
	mv -f "$2.pennypost-new" "$2"
}

install_files() {
	files | while read -r how from to; do
		case $how in
		program) put 755 "$to" <"$from" ;;
		text) at_home "$from" | put 644 "$to" ;;
		plain) put 644 "$to" <"$from" ;;
		link)
			mkdir -p "${to%/*}"
			ln -s "$from" "$to.pennypost-new"
			mv -f "$to.pennypost-new" "$to"
			;;
		esac
	done
	mkdir -p "$prefix/lib/pennypost" "${DESTDIR-}$EMPTY_DIR"
	chmod 755 "$prefix/lib/pennypost" "${DESTDIR-}$EMPTY_DIR"
}

# A configuration is never overwritten.  Where there is one, and the sample is
# not the one that the last installation brought, the new one goes beside it.
install_config() {
	dir=${DESTDIR-}$CONFIG_DIR
	mkdir -p "$dir"
	for f in smtpd.conf pop3d.conf; do
		at_home "etc/$f" >"$dir/.$f.pennypost-new"
		if [ ! -e "$dir/$f" ] && [ ! -L "$dir/$f" ]; then
			mv "$dir/.$f.pennypost-new" "$dir/$f"
		elif cmp -s "$dir/.$f.pennypost-new" "$doc/examples/$f" ||
		    cmp -s "$dir/.$f.pennypost-new" "$dir/$f"; then
			rm "$dir/.$f.pennypost-new"
		else
			mv "$dir/.$f.pennypost-new" "$dir/$f.new"
			echo "$dir/$f is yours and stays; the new sample is" \
			    "$dir/$f.new" >&2
		fi
	done
}

# The users of sysusers.conf by systemd-sysusers, and by useradd those that it
# did not make: its status is 0 even for lines that it does not like.
make_users() {
	if command -v systemd-sysusers >/dev/null; then
		systemd-sysusers "$prefix/lib/sysusers.d/pennypost.conf"
	fi
	nologin=/usr/sbin/nologin
	[ -x $nologin ] || nologin=/sbin/nologin
	sed -n 's/^u \([a-z0-9-]*\) - "\(.*\)"/\1 \2/p' etc/sysusers.conf |
	while read -r name gecos; do
		getent passwd "$name" >/dev/null ||
			useradd --system --user-group --no-create-home \
			    --home-dir / --shell $nologin \
			    --comment "$gecos" "$name"
	done
}

# The directories of tmpfiles.conf.
make_directories() {
	sed -n 's/^d //p' "$prefix/lib/tmpfiles.d/pennypost.conf" |
	while read -r path mode owner group _; do
		mkdir -p "$path"
		chown "$owner:$group" "$path"
		chmod "$mode" "$path"
	done
}

tell_systemd() {
	[ ! -d /run/systemd/system ] || systemctl daemon-reload
}

case ${1-} in
install)
	install_config # before the samples: it compares with the old ones
	install_files
	if system; then
		make_users
		make_directories
		[ -e /etc/aliases ] || [ -L /etc/aliases ] ||
			put 644 /etc/aliases <etc/aliases
		tell_systemd
	fi
	;;
uninstall)
	files | while read -r how from to; do
		rm -f "$to"
	done
	for f in smtpd.conf pop3d.conf; do
		rm -f "${DESTDIR-}$CONFIG_DIR/$f.new"
	done
	rmdir "${DESTDIR-}$EMPTY_DIR" "$prefix/lib/pennypost" \
	    "$prefix/share/pennypost" \
	    "$doc/examples" "$doc" 2>/dev/null || :
	if system; then
		tell_systemd
		echo "left: $CONFIG_DIR, $QUEUE_DIR, the mailboxes, and the" \
		    "users pennypost-*, who own the queue"
	fi
	;;
*)
	echo "usage: etc/install.sh install|uninstall (by the makefile)" >&2
	exit 2
	;;
esac
