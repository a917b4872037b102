#!/usr/bin/perl
# In company of mailutils: see t/0650-company.t.
use strict;
use warnings;
$ENV{COMPANY} = 'mailutils';
exec $^X, '-It/lib', 't/0650-company.t' or die "exec: $!";
