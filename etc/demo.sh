#!/bin/sh
# Both daemons in the foreground on 127.0.0.1, with a throw-away certificate and
# the users alice, bob and carol of example.org, whose passwords are their names
# followed by "-pass".  `make demo` builds them and calls this.  Ctrl-C or
# SIGTERM stops both and leaves nothing running.  No account is made: as root
# the roles and the users get numeric uids; without root all is the caller's.
set -eu
umask 022
smtp=${SMTP_PORT:-2525}
submission=${SUBMISSION_PORT:-2587}
smtps=${SMTPS_PORT:-2465}
pop3=${POP3_PORT:-2110}
pop3s=${POP3S_PORT:-2995}
smtpd=$(realpath "${SMTPD:-build/plain/smtpd/smtpd}")
pop3d=$(realpath "${POP3D:-build/plain/pop3d/pop3d}")
tools=$(dirname "$(dirname "$smtpd")")/spool
root=
[ "$(id -u)" -ne 0 ] || root=1

die() {
	echo "demo: $*" >&2
	exit 1
}

# A directory that every user of the demo can reach.
reachable() {
	d=$1
	while [ "$d" != / ]; do
		case $(stat -c %A "$d") in
		*[xt]) ;;
		*) return 1 ;;
		esac
		d=$(dirname "$d")
	done
}
if [ -n "${DEMO_DIR-}" ]; then
	dir=$DEMO_DIR
elif [ -n "$root" ] && ! reachable "$PWD"; then
	dir=/tmp/pennypost-demo
else
	dir=$PWD/demo
fi
[ ! -L "$dir" ] || die "$dir is a symbolic link; set DEMO_DIR=/some/directory"
mkdir -p "$dir" || die "cannot make $dir; set DEMO_DIR=/some/directory"
dir=$(cd "$dir" && pwd -P)
[ -O "$dir" ] && [ -w "$dir" ] ||
	die "$dir belongs to somebody else; set DEMO_DIR=/some/directory"
if [ -n "$root" ] && ! reachable "$dir"; then
	die "users cannot reach $dir (chmod o+x all of its parents), or set" \
	    "DEMO_DIR=/some/directory"
fi
case $dir in
*[!A-Za-z0-9/._+-]*) die "DEMO_DIR: $dir has characters that need quoting" ;;
esac

if [ ! -s "$dir/cert.pem" ] || [ ! -s "$dir/key.pem" ]; then
	(umask 077 && openssl req -x509 -newkey ec -pkeyopt \
	    ec_paramgen_curve:prime256v1 -nodes -days 30 \
	    -subj /CN=mail.example.org \
	    -addext 'subjectAltName=DNS:mail.example.org,DNS:localhost,IP:127.0.0.1' \
	    -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>"$dir/openssl.log") ||
		die "openssl could not make a certificate: see $dir/openssl.log"
	rm -f "$dir/openssl.log"
fi

mkdir -p "$dir/mail" "$dir/empty" "$dir/queue" "$dir/home"
chmod 700 "$dir/queue"
uid=$(id -u) gid=$(id -g)
[ -z "$root" ] || uid=64001
(umask 077 && : >"$dir/users")
for user in alice bob carol; do
	[ -z "$root" ] || gid=$uid
	printf '%s:%s:%d:%d:%s:%s\n' $user \
	    "$(openssl passwd -6 $user-pass)" "$uid" "$gid" $user \
	    "$dir/home/$user" >>"$dir/users"
	[ -z "$root" ] || uid=$((uid + 1))
done
if [ -n "$root" ]; then
	chown root:mail "$dir/mail" 2>/dev/null || chown 0:8 "$dir/mail"
	chmod 2775 "$dir/mail"
	chown -R 64104:64104 "$dir/queue"
fi

# What both have in common.  $1: where this daemon's role uids begin.
common() {
	cat <<-END
	hostname mail.example.org
	tls_certificate $dir/cert.pem $dir/key.pem
	users $dir/users
	system_users no
	mailbox $dir/mail/%u
	empty_directory $dir/empty
	run_directory $dir
	END
	[ -n "$root" ] || return 0
	n=$1
	shift
	for role; do
		echo "role_user $role $n"
		n=$((n + 1))
	done
}
{
	echo "# Written by etc/demo.sh at each start."
	common 64101 log key lookup queue append crypt worker relay
	cat <<-END
	listen mx 127.0.0.1:$smtp plaintext_auth
	listen submission 127.0.0.1:$submission plaintext_auth
	listen smtps 127.0.0.1:$smtps
	listen mx unix:$dir/smtp
	listen queue unix:$dir/queue.sock
	listen control unix:$dir/smtpd.control
	local_domains example.org
	postmaster alice
	queue_directory $dir/queue
	END
} >"$dir/smtpd.conf"
{
	echo "# Written by etc/demo.sh at each start."
	common 64121 log key crypt worker
	cat <<-END
	listen pop3 127.0.0.1:$pop3 plaintext_auth
	listen pop3s 127.0.0.1:$pop3s
	listen control unix:$dir/pop3d.control
	END
} >"$dir/pop3d.conf"

try_this() {
	cat <<-END
	ready

	Users alice, bob, carol; the password is the name followed by -pass.
	Mailboxes are ordinary mbox files: $dir/mail/bob
	Try this in another terminal (Ctrl-C here ends the demo):

	  nc -C 127.0.0.1 $smtp
	  openssl s_client -quiet -crlf -starttls smtp -connect 127.0.0.1:$smtp
	      helo localhost
	      mail from: alice@example.org
	      rcpt to: bob@example.org
	      data
	      subject: hello

	      Greetings
	      .
	      quit
	  openssl s_client -quiet -crlf -starttls pop3 -connect 127.0.0.1:$pop3
	      user bob
	      pass bob-pass
	      stat
	      retr 1
	      quit
	  swaks --server 127.0.0.1:$submission -tls -au alice -ap alice-pass -f alice@example.org -t bob@example.org
	  curl -k --ssl-reqd --url smtp://127.0.0.1:$smtp --mail-from alice@example.org --mail-rcpt bob@example.org -T README.md
	  curl -k -u bob:bob-pass pop3s://127.0.0.1:$pop3s/1
	  mpop --host=127.0.0.1 --port=$pop3 --tls=off --auth=user --user=bob --passwordeval='echo bob-pass' --keep=on --delivery=mbox,/tmp/bob.mbox
	  env PENNYPOST_SMTP=$dir/smtp $tools/sendmail bob <README.md
	  $tools/pennyctl -f $dir/smtpd.conf status
	  $tools/pennyctl -f $dir/smtpd.conf queue list
	  cat $dir/mail/bob

	END
}

# The log of both goes through here to the terminal, so that it is seen when
# both are ready.
fifo=$dir/log.fifo
rm -f "$fifo"
mkfifo -m 600 "$fifo"
(
	trap '' INT TERM # ends when both daemons have ended
	left=2
	while IFS= read -r line; do
		case $line in
		'smtpd: ready' | 'pop3d: ready')
			printf '%s\n' "$line"
			left=$((left - 1))
			[ $left -ne 0 ] || try_this
			;;
		*) printf '%s\n' "$line" ;;
		esac
	done <"$fifo"
) &
reader=$!
exec 3>"$fifo"
rm -f "$fifo"
"$smtpd" -e -f "$dir/smtpd.conf" 2>&3 3>&- &
smtpd_pid=$!
"$pop3d" -e -f "$dir/pop3d.conf" 2>&3 3>&- &
pop3d_pid=$!
exec 3>&-

stopped=
stop() {
	stopped=1
	kill -TERM "$smtpd_pid" "$pop3d_pid" 2>/dev/null || :
}
trap stop INT TERM HUP
# wait ends early at a signal; a daemon that ends by itself ends the demo.
status=0
while kill -0 "$smtpd_pid" 2>/dev/null && kill -0 "$pop3d_pid" 2>/dev/null; do
	sleep 0.2 &
	wait $! || :
done
trap '' INT TERM HUP
if [ -z "$stopped" ]; then
	status=1
	stop
	stopped=
fi
wait "$smtpd_pid" || [ -n "$stopped" ] || status=1
wait "$pop3d_pid" || [ -n "$stopped" ] || status=1
wait "$reader" || :
if [ $status -eq 0 ]; then
	echo "demo: stopped"
else
	echo "demo: a daemon ended by itself; its last lines above say why" >&2
fi
exit $status
