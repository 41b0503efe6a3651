# Stores that answer, and refuse writes: what that costs, which server is asked next, and what is logged.

use strict;
use warnings;
use JSON::PP qw(decode_json);
use MspwhEvents qw(event);
use MspwhStore;
use MspwhTest;
use Test::More;
use Time::HiRes qw(sleep time);

all_need_store();

$MspwhTest::Workers = 1;
my @few = ('min-replicas-to-write' => 1);
start_store($_, @few) for qw(former cut_off);
start_store('hung');
start_store('lone');
port('store_main');

start_http(<<'CONF');
upstream main   { server 127.0.0.1:%%PORT_store_main%%; }
upstream second { server 127.0.0.1:%%PORT_store_main%%; server 127.0.0.1:%%PORT_store_former%%; }
upstream two    { server 127.0.0.1:%%PORT_store_former%%; server 127.0.0.1:%%PORT_store_hung%%; }
upstream three {
    server 127.0.0.1:%%PORT_store_former%%;
    server 127.0.0.1:%%PORT_store_cut_off%%;
    server 127.0.0.1:%%PORT_store_hung%%;
}
upstream pair   { server 127.0.0.1:%%PORT_store_lone%%; server 127.0.0.1:%%PORT_store_main%%; }
upstream none   { server 127.0.0.1:%%PORT_dead%%; server 127.0.0.1:%%PORT_store_former%%; }
upstream lone   { server 127.0.0.1:%%PORT_store_lone%%; }
mspwh_dedup_zone zone=main:1m pending=30s store=main;
mspwh_dedup_zone zone=second:1m pending=30s store=second fallback=reject;
mspwh_dedup_zone zone=two:1m pending=30s store=two fallback=reject;
mspwh_dedup_zone zone=three:1m pending=30s store=three;
mspwh_dedup_zone zone=pair:1m pending=30s store=pair fallback=reject;
mspwh_dedup_zone zone=none:1m pending=30s store=none fallback=reject;
mspwh_dedup_zone zone=lone:1m pending=30s store=lone;
mspwh_store_timeout 1s;
mspwh_secret '%%SECRET%%';
server {
    listen 127.0.0.1:%%PORT%%;
    mspwh on;
    location / { mspwh_dedup zone=main; proxy_pass http://%%A%%; }
    location /second { mspwh_dedup zone=second; proxy_pass http://%%A%%; }
    location /two { mspwh_dedup zone=two; proxy_pass http://%%A%%; }
    location /three { mspwh_dedup zone=three; proxy_pass http://%%A%%; }
    location /pair { mspwh_dedup zone=pair; proxy_pass http://%%A%%; }
    location /none { mspwh_dedup zone=none; proxy_pass http://%%A%%; }
    location /lone { mspwh_dedup zone=lone; proxy_pass http://%%A%%; }
    location = /status { mspwh off; mspwh_status json; }
}
CONF

my $n = 0;
sub deliver { return signed($_[0], event('Ticket created', ++$n))->{status} }

# Sends an event that the backend answers after a second. Returns the connection once the store has the claim.
sub claimed {
    my ($path, $store) = @_;
    my $body = event('Ticket created', ++$n);
    my $c = connection();
    send_bytes($c, request_bytes(path => "$path/wait/1", body => $body,
        headers => ['X-Webhook-Signature' => sign(SECRET, $body)]));
    ok((wait_until { @{ ask($store, 'KEYS', '*') } } 5), 'an event under way');
    return $c;
}

sub store { return decode_json(request(method => 'GET', path => '/status')->{body})->{store} }
sub lines { return scalar(() = error_log() =~ /$_[0]/g) }

ok((wait_until { store()->{connected} == 6 } 10), 'connected to the stores that are there');

# --- a primary that comes before the one that refuses --------------------------------------------
start_store('main', 'enable-protected-configs' => 'yes');
sleep 1.5;
is(deliver('/second'), 200, 'the last server refuses: the first one is asked at once');
is(lines('"second" is lost'), 0, '... and nothing is lost');

# --- one that begins to refuse: at first, this may pass ------------------------------------------
is(deliver('/pair'), 200, 'a store takes an event');
ask('lone', 'CONFIG', 'SET', 'min-replicas-to-write', 1);
is(deliver('/pair'), 503, '... and then refuses');
my $refused = time;

# --- no other server is there --------------------------------------------------------------------
{
    signal_store('STOP', 'hung');
    my ($began, $next, %slow, %count, %none) = (time, 0);
    while (time - $began < 6) {
        for my $path ('/two', '/three') {
            my $t = time;
            $count{$path . ' ' . deliver($path)}++;
            $slow{$path}++ if time - $t > 0.9;
        }
        if (time > $next) {
            $none{ deliver('/none') }++;
            $next = time + 1.6;
        }
        sleep 0.05;
    }
    is_deeply([sort keys %count], ['/three 200', '/two 503'], 'stores refuse, and another one hangs');
    is_deeply([grep { $slow{$_} > 1 } keys %slow], [], '... for which only the first event has waited');
    is_deeply([keys %none], [503], 'a store refuses, and no other is there');
    is(lines('"none" is lost: NOREPLICAS'), 1, '... it is lost, once');
    is(lines('"none" is back'), 0, '... and never said to be back');
    signal_store('CONT', 'hung');
}

# --- it still refuses -----------------------------------------------------------------------------
ok((wait_until { time - $refused > 5.5 } 10), 'a store refuses, and it has been used for a while');
is(deliver('/pair'), 200, '... the other one is asked at once');
ask('lone', @$_) for ['CONFIG', 'SET', 'min-replicas-to-write', 0], ['FLUSHALL'];

# --- one that refuses from its restart on ----------------------------------------------------------
{
    my $c = claimed('/lone', 'lone');
    stop_store('lone');
    is(read_response($c)->{status}, 200, '... is delivered while its store is gone');
    start_store('lone', @few);
    ok((wait_until { lines('"lone": NOREPLICAS') } 10), '... which comes back, and refuses');
    sleep 2;
    is(lines('"lone" is back'), 0, '... so it is not said to be back');
    ask('lone', 'CONFIG', 'SET', 'min-replicas-to-write', 0);
    ok((wait_until { lines('"lone" is back') } 10), '... until it takes a write');
}

# --- one that cannot save ----------------------------------------------------------------------------
{
    ask('main', 'FLUSHALL');
    my $c = claimed('', 'main');
    mkdir dir() . "/store-main/$_" for 'gone.rdb', 'gone.rdb/x';
    ask('main', 'CONFIG', 'SET', 'dbfilename', 'gone.rdb');
    ask('main', 'CONFIG', 'SET', 'save', '3600 1');
    ask('main', 'BGSAVE');
    ok((wait_until { (ask('main', 'SET', 'x', 1) // '') =~ /MISCONF/ } 5), '... whose store cannot save');
    is(read_response($c)->{status}, 200, '... is delivered');
    ok((wait_until { store()->{errors}{refused} } 5), '... and its settle is refused');
    is(store()->{lost}, 0, '... but not lost');
    ask('main', 'CONFIG', 'SET', 'save', '');
    my ($key) = @{ ask('main', 'KEYS', 'mspwh:*') };
    ok((wait_until { ask('main', 'GET', $key) eq 'd' } 10), '... until the store takes writes again');
}

ok(stop(), 'nginx stops in time');

done_testing();
