# Claims and settles when a store answers, but refuses or delays writes, when the worker itself was busy, and
# when the key does not stay the same.

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
start_store('main');
start_store('former', 'min-replicas-to-write' => 1);
start_proxy('main', sub { sleep 0.02; 0 });

# Each claim finds one in flight, whose key is then that of an event that has been settled.
start_liar('settled', sub {
    my ($word) = @_;
    return "*2\r\n\$4\r\nrole\r\n\$6\r\nmaster\r\n" if $word eq 'HELLO';
    return $word eq 'PTTL' ? ":86400000\r\n" : "\$3\r\npx1\r\n";
});

my $conf = <<'CONF';
upstream main    { server 127.0.0.1:%%PORT_store_main%%; }
upstream both    { server 127.0.0.1:%%PORT_store_former%%; server 127.0.0.1:%%PORT_store_main%%; }
upstream far     { server 127.0.0.1:%%PORT_proxy_main%%; }
upstream settled { server 127.0.0.1:%%PORT_liar_settled%%; }
mspwh_dedup_zone zone=main:1m pending=30s store=main;
mspwh_dedup_zone zone=both:1m pending=30s store=both;
mspwh_dedup_zone zone=far:1m pending=30s store=far;
mspwh_dedup_zone zone=settled:1m pending=30s store=settled;
mspwh_store_timeout 300ms;
mspwh_secret '%%SECRET%%';
server {
    listen 127.0.0.1:%%PORT%%;
    add_header X-Verdict $mspwh_verdict always;
    mspwh on;
    location / { mspwh_dedup zone=main; proxy_pass http://%%A%%; }
    location /both { mspwh_dedup zone=both; proxy_pass http://%%A%%; }
    location /settled { mspwh_dedup zone=settled; proxy_pass http://%%A%%; }
    location /changing { mspwh_dedup zone=far key=$mspwh_entity_id/$msec; proxy_pass http://%%A%%; }
    location = /status { mspwh off; mspwh_status json; }
    location = /busy { mspwh off; %%BUSY%% }
}
CONF

my $n = 0;
sub body { return event('Ticket created', ++$n) }
sub store { return decode_json(request(method => 'GET', path => '/status')->{body})->{store} }
sub headers { return ['X-Webhook-Signature' => sign(SECRET, $_[0])] }

# Returns the status and the verdict, or "0 " if there is no answer in time.
sub deliver {
    my ($path, $body) = (@_, body());
    my $c = connection();
    send_bytes($c, request_bytes(path => $path, body => $body, headers => headers($body)));
    my $r = read_response($c, timeout => 5 * ($ENV{MSPWH_SLOW} || 1));
    return wantarray ? ($r->{status}, $r->{header}) : "$r->{status} " . ($r->{header}{'x-verdict'} // '');
}
sub lines { return scalar(() = error_log() =~ /$_[0]/g) }
sub values_of { return grep { defined } map { ask('main', 'GET', $_) } @{ ask('main', 'KEYS', 'mspwh:*') } }

start_http($conf =~ s/%%BUSY%%/return 200;/r);
ok((wait_until { store()->{connected} == 4 } 10), 'connected to each store');

# --- a former primary -------------------------------------------------------------------------
is(deliver('/both'), '200 verified', 'the first server has too few replicas');
is_deeply([@{ store()->{claims} }{qw(claimed alone)}], [1, 0], '... the next one is asked at once');
ok((wait_until { "@{[values_of()]}" eq 'd' } 5), '... and has the event');
is(lines('is lost'), 0, '... nothing is lost');

# --- too few replicas, for a while ---------------------------------------------------------------
{
    ask('main', 'FLUSHALL');
    my $body = body();
    my $c = connection();
    send_bytes($c, request_bytes(path => '/wait/1', body => $body, headers => headers($body)));
    ok((wait_until { grep { /^p/ } values_of() } 5), 'an event under way');
    ask('main', 'CONFIG', 'SET', 'min-replicas-to-write', 1);
    is(read_response($c)->{status}, 200, '... is delivered when the store has too few replicas');
    ok((wait_until { my $s = store(); $s->{errors}{replicas} && $s->{waiting} == 1 } 5),
        '... its settle waits');
    ask('main', 'CONFIG', 'SET', 'min-replicas-to-write', 0);
    ok((wait_until { "@{[values_of()]}" eq 'd' } 10), '... and is sent once it has them');
    is_deeply([@{ store() }{qw(waiting lost)}], [0, 0], '... so nothing waits, or is lost');
}

# --- writes that wait ----------------------------------------------------------------------------
{
    my $began = time;
    ask('main', 'CLIENT', 'PAUSE', 4000, 'WRITE');
    my ($count, %status) = (0);
    while (time - $began < 3.5) {
        $status{ deliver('/') }++;
        $count++;
        sleep 0.02;
    }
    is_deeply(\%status, { '200 verified' => $count },
        "the store answers reads only: $count events are delivered");
    is(lines('is lost: no answer in time'), 1, '... it is lost, once');
    is(lines('is back'), 0, '... and not said to be back as long as it only reads');
    ok((wait_until { deliver('/'); lines('is back at') == 1 } 15), '... but when it writes again');
}

# --- the time of a claim ---------------------------------------------------------------------------
{
    my ($status, $header) = deliver('/settled');
    is($status, 409, 'an event that is settled between two questions: in flight');
    is($header->{'retry-after'}, 1, '... but not for as long as it is remembered');
}
{
    is(deliver('/changing'), '200 verified', 'a key that changes is asked for once');
    is(lines('exited on signal'), 0, '... and no worker ends');
}
ok(stop(), 'nginx stops in time');

# --- a worker that was busy ---------------------------------------------------------------------------
SKIP: {
    write_file('busy.js', <<'JS', 0644);
function wait(r) { const end = Date.now() + 900; while (Date.now() < end) { } r.return(200); }
export default { wait };
JS
    my $js = "js_import busy from %%DIR%%/busy.js;\n";
    start_with(['ngx_http_js_module.so'], $js . $conf =~ s/%%BUSY%%/js_content busy.wait;/r)
        or skip 'there is no njs', 4;
    ok((wait_until { store()->{connected} == 4 } 10), 'connected again');
    my ($event, $busy, $next) = map { connection() } 1 .. 3;
    for ($event, $busy, $next) {
        send_bytes($_, request_bytes(method => 'GET', path => '/status'));
        read_response($_);
    }
    my ($worker, $lost) = (workers(), lines('is lost'));
    my $body = body();
    kill STOP => $worker;
    sleep 0.1;
    send_bytes($event, request_bytes(path => '/', body => $body, headers => headers($body)));
    send_bytes($busy, request_bytes(method => 'GET', path => '/busy'));
    kill CONT => $worker;
    sleep 0.2;
    send_bytes($next, request_bytes(method => 'GET', path => '/status'));
    is(read_response($event)->{status}, 200, 'a worker was busy for longer than mspwh_store_timeout');
    is(store()->{claims}{alone}, 0, '... the store has the time to answer all the same');
    is(lines('is lost'), $lost, '... and is not lost');
    ok(stop(), 'nginx stops in time');
}

done_testing();
