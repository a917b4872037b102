#!/bin/sh
# Records of the queue stopped everywhere, with 100,000s of power cuts.
TORTURE=1 exec "${O:-build/plain}/t/unit/crash-queue.t"
