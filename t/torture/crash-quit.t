#!/bin/sh
# A QUIT killed 200 times.
TORTURE=1 TEST_SECONDS=1200 exec perl t/0615-pop3-quit-crash.t
