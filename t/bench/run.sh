#!/bin/sh
# `make bench`: both daemons on loopback, and what they get done on this machine
# and this disk.  SECONDS_EACH=3 for one figure; TMPDIR says on which disk.
exec perl -It/lib t/bench/run.pl
