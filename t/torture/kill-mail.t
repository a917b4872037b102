#!/bin/sh
# Everything of smtpd killed 50 times while mail goes everywhere.
TORTURE=1 TEST_SECONDS=1200 exec perl t/0412-mail-crash.t
