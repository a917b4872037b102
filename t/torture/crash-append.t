#!/bin/sh
# Deliveries interrupted everywhere, with 80000 power cuts.
TORTURE=1 exec "${O:-build/plain}/t/unit/crash-append.t"
