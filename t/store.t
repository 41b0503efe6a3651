# Claims that several machines share: three edges with a real store, one event after the other.

use strict;
use warnings;
use JSON::PP qw(decode_json);
use MspwhEvents qw(event);
use MspwhFleet;
use MspwhStore;
use MspwhTest;
use Test::More;
use Time::HiRes qw(sleep time);

all_need_store();

my @edges = qw(edge1 edge2 edge3);
my $n = 0;

# Returns the configuration of an edge, with a zone of its own, whose store is one of %%STORE%%.
sub edge {
    my ($name, $zone, $more) = @_;
    my $module = 'load_module modules/ngx_http_mspwh_module.so;';
    define_instance($name, expand(<<"CONF"), port($name));
$module
worker_processes 2;
error_log logs/error.log info;
worker_shutdown_timeout 5s;
events { worker_connections 256; }
http {
    client_max_body_size 64m;
    upstream store { server 127.0.0.1:%%PORT_store_main%%; keepalive 4; }
    upstream both { server 127.0.0.1:%%PORT_store_main%%; server 127.0.0.1:%%PORT_store_replica%%; }
    mspwh_dedup_zone zone=events:1m pending=3s $zone;
    @{[$more // '']}
    mspwh_secret '%%SECRET%%';
    server {
        listen 127.0.0.1:@{[port($name)]};
        add_header X-Verdict \$mspwh_verdict always;
        location / { mspwh on; mspwh_dedup zone=events; proxy_pass http://%%A%%; }
        location /monitor/ { mspwh monitor; mspwh_dedup zone=events; proxy_pass http://%%A%%/; }
        location /spooled {
            mspwh on; mspwh_dedup zone=events; error_page 503 = \@spool; proxy_pass http://%%A%%;
        }
        location = /status { mspwh off; mspwh_status json; }
        location = /metrics { mspwh off; mspwh_status prometheus; }
        location \@spool { mspwh on; mspwh_spool $name-spool; }
    }
}
CONF
}

sub body { return event('Ticket created', ++$n) }

# Returns the status of an event at an edge, and the verdict.
sub deliver {
    my ($edge, $body, $path) = @_;
    my @headers = ('X-Webhook-Signature' => sign(SECRET, $body));
    my $r = request(port => $edge, path => $path // '/a', body => $body, headers => \@headers);
    return wantarray ? ($r->{status}, $r->{header}{'x-verdict'}, $r->{header}) : $r->{status};
}

# Waits until both workers of an edge have logged something.
sub log_of {
    my ($edge, $pattern) = @_;
    return wait_until { 2 <= (() = instance_log($edge) =~ /$pattern/g) } 5;
}
sub is_claimed { return (ask('main', 'GET', $_[0]) // '') =~ /^p/ }
sub keys_of { my $list = ask($_[0] // 'main', 'KEYS', 'mspwh:*'); return @$list }

# Ends edges, and their logs.
sub quit_all {
    for my $edge (@_ ? @_ : @edges) {
        ok(quit_instance($edge), "$edge quits in time");
        unlike(instance_log($edge), qr/open socket|\[alert\]|\[emerg\]/, '... and has left nothing behind');
        truncate instance_file($edge, 'logs/error.log'), 0;
    }
}

start_store('main');
start_store('replica');
MspwhTest::start_backend();
edge($_, "store=store") for @edges;
start_instance($_) for @edges;
ok((wait_until { ask('main', 'CLIENT', 'LIST', 'TYPE', 'normal') =~ /(.*\n){7}/ } 5),
    'each worker of three edges has a connection');

# --- one event after the other -----------------------------------------------------------------
{
    my $body = body();
    is(deliver('edge1', $body), 200, 'an event at one edge');
    is(scalar(my @seen = records()), 1, '... is delivered');
    my ($key, @more) = keys_of();
    is(scalar @more, 0, '... and has one key in the store');
    like($key, qr/^mspwh:events:[\w-]{43}$/, '... with the zone in its name');
    is(ask('main', 'GET', $key), 'd', '... which says that it was delivered');
    cmp_ok(ask('main', 'PTTL', $key), '>', 86_000_000, '... for a day');
    for (@edges) {
        is_deeply([(deliver($_, $body))[0, 1]], [200, 'duplicate'], "... its repeat at $_ is a duplicate");
    }
    is(scalar(@seen = records()), 1, '... and goes no further');
    is_deeply([(deliver('edge2', $body, '/monitor/a'))[0, 1]], [200, 'duplicate'], '... but in monitor mode');
    is(scalar(@seen = records()), 2, '... where it does');
}
{
    my $body = body();
    is(deliver('edge1', $body, '/status/500'), 500, 'an event that is not delivered');
    is_deeply([grep { ask('main', 'GET', $_) ne 'd' } keys_of()], [], '... is forgotten');
    is(deliver('edge2', $body), 200, '... and delivered at another edge');
    is_deeply([(deliver('edge1', $body))[0, 1]], [200, 'duplicate'], '... once');
}

# --- in flight ------------------------------------------------------------------------------------
{
    my $body = body();
    my @headers = ('X-Webhook-Signature' => sign(SECRET, $body));
    my $c = connection('edge1');
    send_bytes($c, request_bytes(path => '/wait/4.5', body => $body, headers => \@headers));
    ok((wait_until { grep { ask('main', 'GET', $_) =~ /^p[0-9a-f]{32}\.\d+$/ } keys_of() } 5),
        'a claim has a token');
    my ($status, $verdict, $header) = deliver('edge2', $body);
    is_deeply([$status, $verdict], [409, 'in_flight'], '... at another edge: in flight');
    like($header->{'retry-after'}, qr/^[1-3]$/, '... for as long as the store says');
    sleep 3.5;
    is((deliver('edge3', $body))[0], 409, '... renewed, when "pending" has passed');
    is(read_response($c)->{status}, 200, '... until it is delivered');
    is((deliver('edge3', $body))[1], 'duplicate', '... and settled');
    is((deliver('edge2', $body))[1], 'duplicate', '... also where it was in flight');
}
{
    my $body = body();
    my @headers = ('X-Webhook-Signature' => sign(SECRET, $body));
    my $c = connection('edge1');
    send_bytes($c, request_bytes(path => '/wait/2', body => $body, headers => \@headers));
    ok((wait_until { grep { is_claimed($_) } keys_of() } 5), 'a sender hangs up');
    close $c->{socket};
    ok((wait_until { !grep { is_claimed($_) } keys_of() } 5),
        '... its claim is forgotten');
    is(deliver('edge2', $body), 200, '... and the event delivered when it comes again');
}

# --- a store that refuses -------------------------------------------------------------------------
{

    ask('main', 'CONFIG', 'SET', 'maxmemory', '1mb');
    is(deliver('edge1', body()), 200, 'a full store: the zone decides alone');
    like(instance_log('edge1'), qr/store "store": OOM/, '... and the log says so');
    ask('main', 'CONFIG', 'SET', 'maxmemory', '0');
    my $body = body();
    is(deliver('edge1', $body), 200, '... and when there is room again');
    is((deliver('edge2', $body))[1], 'duplicate', '... the edges share');
}

# --- a store that goes and comes back ----------------------------------------------------------------
{
    stop_store('main');
    ok(log_of($_, qr/store "store" is lost: .*onnect/), "$_ has lost the store") for @edges;
    my @alone = map { body() } 1 .. 10;
    is_deeply([map { scalar deliver('edge1', $_) } @alone], [(200) x 10], '... and delivers without it');
    unlike(instance_log('edge1'), qr/no answer in time/, '... waiting for nothing');
    is((deliver('edge1', $alone[0]))[1], 'duplicate', '... remembering its own');
    start_store('main');
    ok(log_of($_, qr/store "store" is back at /), "$_ is back") for @edges;
    is(scalar(() = instance_log($_) =~ /"store" is (?:lost|back)/g), 4, '... in a line each of each worker')
        for @edges;
    like(instance_log('edge1'), qr/is back at \S+: [1-9]\d* events were decided without it/,
        '... and says how many events were decided meanwhile');
    ok((wait_until { keys_of() == 10 } 5), '... the store knows of them then');
    is((deliver('edge2', $alone[5]))[1], 'duplicate', '... and so do the others');
}
{
    sleep 1.2;
    my $errors = () = instance_log('edge1') =~ /\[error\]/g;
    ask('main', 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    my $body = body();
    is(deliver('edge1', $body), 200, 'the store closes the connections');
    is((deliver('edge2', $body))[1], 'duplicate', '... and events are not affected');
    is(scalar(() = instance_log('edge1') =~ /\[error\]/g), $errors, '... nor the log');
}
{
    signal_store(STOP => 'main');
    my %status;
    $status{ deliver('edge1', body()) }++ for 1 .. 10;
    is_deeply(\%status, { 200 => 10 }, 'a store that hangs');
    my $lost = () = instance_log('edge1') =~ /is lost: no answer in time/g;
    ok($lost == 1 || $lost == 2, '... is lost, to each worker once');
    signal_store(CONT => 'main');
    my $body = body();
    ok((wait_until {
        my $b = body();
        deliver('edge1', $b) == 200 && (deliver('edge2', $b))[1] eq 'duplicate';
    } 5), '... and back, when it goes on');
}

# --- counters --------------------------------------------------------------------------------------
{
    my ($store, $metrics);
    ok((wait_until {
        (my $status, $metrics) = map { request(port => 'edge1', method => 'GET', path => $_)->{body} }
            qw(/status /metrics);
        $store = decode_json($status)->{store};
        $store->{connected} == 2 && !$store->{waiting};
    } 8), 'the status: two workers are connected, and no settle waits');
    my $claims = $store->{claims};
    cmp_ok($store->{connects}, '>=', 6, '... have connected several times');
    is($store->{lost}, 1, '... the settle of the event that the store had no room for is lost');
    cmp_ok($claims->{claimed}, '>=', 3, "... $claims->{claimed} events were claimed");
    cmp_ok($claims->{alone}, '>=', 11, "... $claims->{alone} decided alone");
    is_deeply([map { $claims->{$_} > 0 } qw(delivered)], [1], '... and repeats found');
    cmp_ok($store->{errors}{$_}, '>', 0, "... there were errors: $_") for qw(connect timeout full);
    is($store->{errors}{protocol}, 0, '... and none of the protocol');
    my $times = 0;
    $times += $_->{claims} for @{ $store->{claim_times} };
    cmp_ok($times, '>=', $claims->{claimed} + $claims->{delivered}, '... and answers took their time');
    like($metrics, qr/^mspwh_store_claims_total\{result="claimed"\} $claims->{claimed}$/m,
        '... Prometheus gets the same');
    like($metrics, qr/^mspwh_store_claim_seconds_bucket\{le="0\.00005"\} \d+$/m, '... and a histogram');
    like($metrics, qr/^mspwh_store_connections 2$/m, '... and a gauge');
}

# --- reload and quit ---------------------------------------------------------------------------------
{
    my $body = body();
    is(deliver('edge1', $body), 200, 'an event, and a reload');
    ok(reload_instance('edge1'), '... is done');
    is((deliver('edge1', $body))[1], 'duplicate', '... and the event is known');
    my @headers = ('X-Webhook-Signature' => sign(SECRET, $body = body()));
    my $c = connection('edge1');
    send_bytes($c, request_bytes(path => '/wait/1.5', body => $body, headers => \@headers));
    sleep 0.3;
    kill HUP => slurp(instance_file('edge1', 'nginx.pid'));
    sleep 0.5;
    is((deliver('edge1', $body))[0], 409, 'a reload with a claim under way: it is in flight');
    is(read_response($c)->{status}, 200, '... is delivered by the old worker');
    is((deliver('edge2', $body))[1], 'duplicate', '... and settled');
}
quit_all();

# --- replicas ---------------------------------------------------------------------------------------
ok(replica_of('replica', 'main'), 'a replica follows');
edge($_, 'store=both') for @edges;
start_instance($_) for @edges;
{
    my $body = body();
    is(deliver('edge1', $body), 200, 'two servers: an event');
    is((deliver('edge2', $body))[1], 'duplicate', '... is known to all');
    stop_store('main');
    is((deliver('edge1', $body))[1], 'duplicate', 'the primary dies: the zone still knows it');
    is(deliver('edge1', body()), 200, '... and decides alone');
    sleep 4;
    my $promoted = time;
    ask('replica', 'REPLICAOF', 'NO', 'ONE');
    ok(log_of($_, qr/is back at /), "$_ is back when a replica is promoted") for @edges;
    my $took = time - $promoted;
    note sprintf 'found %.2f s after the promotion', $took;
    is((deliver('edge3', $body))[1], 'duplicate', '... it knows the event');
    is(deliver('edge1', $body = body()), 200, '... a new event');
    is((deliver('edge2', $body))[1], 'duplicate', '... is shared again');

    start_store('main');
    ok(replica_of('main', 'replica'), 'the old primary comes back as a replica');
    ask('replica', 'REPLICAOF', '127.0.0.1', port('store_main'));
    ask('main', 'REPLICAOF', 'NO', 'ONE');
    my %status;
    $status{ deliver($edges[$_ % 3], body()) }++ for 1 .. 30;
    is_deeply(\%status, { 200 => 30 }, '... and is promoted: demotion under live connections');
    ok((wait_until {
        my $b = body();
        deliver('edge1', $b) == 200 && (deliver('edge2', $b))[1] eq 'duplicate';
    } 8), '... all edges are at the new primary');
    ok(log_of('edge1', qr/store "both" is (?:at|back at) \S+/), '... and the log says so');
}

# --- fallback=reject ---------------------------------------------------------------------------------
quit_all();
edge('edge1', 'store=store fallback=reject');
start_instance('edge1');
{
    my $body = body();
    is(deliver('edge1', $body), 200, 'fallback=reject, with a store');
    stop_store('main');
    ok(log_of('edge1', qr/is lost: /), '... and without');
    is(deliver('edge1', body()), 503, '... 503');
    is(deliver('edge1', body(), '/spooled'), 202, '... which error_page can take');
    is((deliver('edge1', $body))[1], 'duplicate', '... but what the zone knows is answered');
}
quit_all('edge1');

done_testing();
