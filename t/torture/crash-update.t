#!/bin/sh
# Every set of messages removed from a mailbox of seven, interrupted everywhere.
TORTURE=1 exec "${O:-build/plain}/t/unit/crash-update.t"
