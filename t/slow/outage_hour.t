# t/outage_storm.t with 20,000 events of 500 tickets.

use strict;
use warnings;
use File::Basename qw(dirname);

$ENV{MSPWH_EVENTS} //= 20_000;
my $storm = dirname(__FILE__) . '/../outage_storm.t';
do $storm or die $@ || "$storm: $!";
