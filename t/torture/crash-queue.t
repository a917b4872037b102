#!/bin/sh
# Everything of smtpd killed 60 times under load.
TORTURE=1 TEST_SECONDS=1200 exec perl t/0410-queue-crash.t
