# mspwh_spool: while one event is synced to a slow disk, other requests are answered.

use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep time);
use MspwhTest;

my $name = 'X-Webhook-Signature';

all_needs(module => 'threads');

# fsync() takes a second.
write_file('slow.c', <<'C');
#include <unistd.h>
int fsync(int fd) { (void) fd; sleep(1); return 0; }
C
my ($rc, $text) = run('gcc', '-shared', '-fPIC', '-o', dir() . '/slow.so', dir() . '/slow.c');
is($rc, 0, 'a library with a slow fsync()') or BAIL_OUT($text);

$MspwhTest::Workers = 1;
{
    local $ENV{LD_PRELOAD} = dir() . '/slow.so';
    start_http(<<"CONF");
server {
    listen 127.0.0.1:%%PORT%%;
    mspwh_secret "%%SECRET%%";
    location /spool { mspwh on; mspwh_spool spool; }
    location /other { mspwh on; proxy_pass http://%%A%%; }
}
CONF
}

my $n = 0;
sub event { return '{"eventType":"ticket.created","entityId":' . ++$n . ',"Details":"' . 'x' x $_[0] . '"}' }
sub send_signed {
    my $c = connection();
    my $body = event($_[0]);
    send_bytes($c, request_bytes(path => '/spool', body => $body, headers => [$name => sign(SECRET, $body)]));
    return $c;
}
sub events {
    return scalar glob(dir() . '/spool/*.headers') ? scalar(my @files = glob dir() . '/spool/*.headers') : 0;
}

my $start = time;
my @waiting = map { send_signed($_) } (10, 50_000) x 4;
my ($longest, $answered) = (0, 0);
while (time < $start + 1.5) {
    my $at = time;
    $answered++ if signed('/other', event(10))->{status} == 200;
    $longest = time - $at if time - $at > $longest;
    sleep 0.01;
}
cmp_ok($answered, '>', 5, "$answered other requests are answered by the same worker");
cmp_ok($longest, '<', 2.5, sprintf '... none waits for the disk: %.0f ms at most', $longest * 1000);
is(events(), 0, '... nothing is there before it is synced');
is_deeply([map { read_response($_)->{status} } @waiting], [(202) x 8], 'the events are accepted');
ok(time - $start > 2.5, '... not before body, headers and directory are synced');
ok(time - $start < 8, '... at the same time, not one after another');
is(events(), 8, '... all of them are there');

# Clients that leave in the meantime, and a worker that has to quit.
@waiting = map { send_signed(10) } 1 .. 4;
sleep 0.3;
close $_->{socket} for @waiting[0, 1];
kill QUIT => workers();
is_deeply([map { read_response($_)->{status} } @waiting[2, 3]], [202, 202],
    'a worker that is to quit answers first');
wait_until { events() == 12 };
is(events(), 12, '... what clients did not wait for is there, too');
ok(stop(), 'nginx stops in time');

done_testing();
