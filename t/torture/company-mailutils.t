#!/bin/sh
# A minute in company of mailutils; see t/0650-company.t.
TORTURE=1 exec perl t/0651-company-mailutils.t
