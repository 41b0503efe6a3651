# t/slow/outage_storm.t with 20,000 events of 500 tickets.

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);

$ENV{MSPWH_EVENTS} //= 20_000;
my $storm = abs_path(dirname(__FILE__) . '/outage_storm.t');
do $storm or die $@ || "$storm: $!";
