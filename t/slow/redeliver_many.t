# bin/mspwh-redeliver delivers 100,000 events of 5,000 tickets, and is killed with -9 in between: none is
# lost, each ticket is in order, and only events in hand at a kill are delivered twice. MSPWH_EVENTS sets the
# number of events.

use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep time);
use MspwhSpool;
use MspwhTest;

my $events = $ENV{MSPWH_EVENTS} || 100_000;
my $tickets = int $events / 20;
my ($jobs, $kills) = (4, 3);
my $dir = new_spool();
$MspwhSpool::Limit = 3600;

start_http(<<'CONF');
log_format event '$mspwh_ticket_id $mspwh_entity_id';
server {
    listen 127.0.0.1:%%PORT%%;
    access_log off;
    mspwh on;
    mspwh_secret '%%SECRET%%';
    keepalive_requests 1000000;
    location / { proxy_pass http://127.0.0.1:%%PORT_backend%%; access_log %%DIR%%/events.log event; }
}
server { listen 127.0.0.1:%%PORT_backend%%; access_log off; location / { return 200; } }
CONF
my $log = dir() . '/events.log';

my @types = ('ticket.updated', 'ticket.note.added', 'ticket.created');
my $began = time - 3600;
for my $n (1 .. $events) {
    my $time = MspwhSpool::time_of($began + $n / 1000);
    simple_event($dir, $types[$n % 3], $n, ticket => $n % $tickets, time => $time);
}

my $server = 'http://127.0.0.1:' . port();
sub begin_run { return begin_process('--quiet', '--now', "--jobs=$jobs", $dir, $server) }

my $process = begin_run();
for my $kill (1 .. $kills) {
    my $size = $events * $kill / ($kills + 1) * 10;
    ok((wait_until { -s $log > $size } 600), "kill $kill of $kills");
    kill KILL => $process->{pid}, workers_of($process);
    end_process($process);
    wait_until { unlocked($dir) } 60;
    $process = begin_run();
}
ok((wait_until { !unlocked($dir) or !names($dir) } 1200) && (wait_until { unlocked($dir) } 1200),
    'a last run ends');
is(end_process($process), 0, '... with nothing left');
is_deeply([names($dir)], [], '... no event');
redeliver_later(3700, '--quiet', $dir, $server);
is_deeply([files($dir)], [], '... and after an hour, no file that a kill has left');

my (%times, %last, @disorder);
for (split /\n/, slurp($log)) {
    my ($ticket, $id) = split;
    next if $times{$id}++;
    push @disorder, $id if $id < ($last{$ticket} // 0);
    $last{$ticket} = $id;
}
is(scalar keys %times, $events, "each of $events events is delivered");
is_deeply(\@disorder, [], '... each ticket in order');
my $twice = grep { $_ > 1 } values %times;
cmp_ok($twice, '<=', $kills * $jobs, "... $twice of them twice");

ok(stop(), 'nginx stops in time');

done_testing();
