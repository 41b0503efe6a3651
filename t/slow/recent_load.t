# t/recent_load.t with more requests than recent deliveries have room for.

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);

$ENV{MSPWH_REQUESTS} //= 20_000;
do(abs_path(dirname(__FILE__) . '/../recent_load.t'));
die $@ if $@;
