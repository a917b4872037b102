#!/bin/sh
# A minute in company; see t/0650-company.t.
TORTURE=1 exec perl t/0650-company.t
