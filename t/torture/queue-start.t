#!/bin/sh
# A start with 1,000,000 queued messages; needs 5 GB in /tmp for a few minutes.
QUEUE_MANY=1000000 QUEUE_PLACES=1000 QUEUE_DEAD=50 QUEUE_START=1 \
    exec "${O:-build/plain}/t/unit/queue-many.t"
