#!/bin/sh
# 100,000 queued messages to 1,000 destinations, 50 of them dead.
QUEUE_MANY=100000 QUEUE_PLACES=1000 QUEUE_DEAD=50 \
    exec "${O:-build/plain}/t/unit/queue-many.t"
