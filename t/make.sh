#!/bin/sh
# make, for a machine that has a shell and apt and nothing else:
#
#	sh t/make.sh demo
#
# With make installed that is just "make demo".
set -eu
cd "$(dirname "$0")/.."
if ! command -v make >/dev/null 2>&1; then
	if [ "$(id -u)" -ne 0 ]; then
		echo "make is missing; as root: apt-get install make" >&2
		exit 1
	fi
	echo "installing make"
	apt-get update -qq -o Acquire::Retries=3
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
	    -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 \
	    --no-install-recommends make >/dev/null
fi
exec make "$@"
