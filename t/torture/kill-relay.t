#!/bin/sh
# The queue, deliver and the relay killed 240 times, with three recipients each.
KILLS=30 exec "${O:-build/plain}/t/unit/svc-queue-relay.t"
