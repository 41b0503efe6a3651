# mspwh_dedup: an event that has been delivered is not passed on again.

use strict;
use warnings;
use Digest::SHA qw(hmac_sha256_hex);
use Test::More;
use Time::HiRes qw(clock_gettime sleep time CLOCK_MONOTONIC);
use MspwhTest;
use MspwhMetrics;

my $name = 'X-Webhook-Signature';
my $dead = port('dead');

# --- configuration -----------------------------------------------------------

my $zone = 'mspwh_dedup_zone zone=events:1m;';
my $expected = '"zone=name" and "key=value", each once, or "off"';
my @bad = (
    ['mspwh_dedup_zone ttl=1h;', 'mspwh_dedup_zone', 'zone=name:size'],
    ['mspwh_dedup_zone zone=events;', 'mspwh_dedup_zone', '"zone=events"', 'zone=events:10m'],
    ['mspwh_dedup_zone zone=:1m;', 'mspwh_dedup_zone', '"zone=:1m"', 'name and a size'],
    ['mspwh_dedup_zone zone=events:;', 'mspwh_dedup_zone', '"zone=events:"', 'name and a size'],
    ['mspwh_dedup_zone zone=events:many;', 'mspwh_dedup_zone', '"zone=events:many"', 'name and a size'],
    ['mspwh_dedup_zone zone=events:16k;', 'mspwh_dedup_zone', '"zone=events:16k"', 'too small',
        '32768 bytes'],
    ['mspwh_dedup_zone zone=events:1m ttl=0;', 'mspwh_dedup_zone', '"ttl=0"', 'above 0', '24h'],
    ['mspwh_dedup_zone zone=events:1m ttl=;', 'mspwh_dedup_zone', '"ttl="'],
    ['mspwh_dedup_zone zone=events:1m ttl=soon;', 'mspwh_dedup_zone', '"ttl=soon"'],
    ['mspwh_dedup_zone zone=events:1m ttl=99y;', 'mspwh_dedup_zone', '"ttl=99y"'],
    ['mspwh_dedup_zone zone=events:1m pending=-1;', 'mspwh_dedup_zone', '"pending=-1"'],
    ['mspwh_dedup_zone zone=events:1m pending=1s pending=2s;', 'mspwh_dedup_zone', '"pending=2s"',
        'each once'],
    ['mspwh_dedup_zone zone=events:1m zone=others:1m;', 'mspwh_dedup_zone', '"zone=others:1m"', 'each once'],
    ['mspwh_dedup_zone zone=events:1m age=1h;', 'mspwh_dedup_zone', '"age=1h"', 'ttl=time'],
    ["$zone $zone", 'mspwh_dedup_zone', '"events"', 'defined twice'],
    ['limit_req_zone $uri zone=events:1m rate=1r/s; ' . $zone, '"events"', 'different use'],
    ['server { mspwh_dedup_zone zone=events:1m; }', 'mspwh_dedup_zone', 'not allowed here'],
    ['mspwh_dedup zone=events;', 'mspwh_dedup', 'unknown zone', '"events"', 'mspwh_dedup_zone'],
    ["$zone mspwh_dedup events;", 'mspwh_dedup', '"events"', $expected],
    ["$zone mspwh_dedup zone=;", 'mspwh_dedup', '"zone="', $expected],
    ["$zone mspwh_dedup on;", 'mspwh_dedup', '"on"', $expected],
    ["$zone mspwh_dedup zone=events off;", 'mspwh_dedup', '"off"', $expected],
    ["$zone mspwh_dedup off zone=events;", 'mspwh_dedup', '"off"', $expected],
    ["$zone mspwh_dedup zone=events zone=events;", 'mspwh_dedup', '"zone=events"', 'each once'],
    ["$zone mspwh_dedup key=\$uri key=\$host;", 'mspwh_dedup', '"key=$host"', 'each once'],
    ["$zone mspwh_dedup key=\$uri;", 'mspwh_dedup', '"key=$uri"', 'no "zone=name"'],
    ["$zone mspwh_dedup zone=events key=;", 'mspwh_dedup', '"key="', 'no variable'],
    ["$zone mspwh_dedup zone=events key=id;", 'mspwh_dedup', '"key=id"', 'no variable'],
    ["$zone mspwh_dedup off; mspwh_dedup zone=events;", 'mspwh_dedup', 'duplicate'],
);
for (@bad) {
    my ($lines, @patterns) = @$_;
    my ($rc, $text) = config_test($lines);
    isnt($rc, 0, "refused: $lines");
    like($text, qr/\[emerg\].*\Q$_\E.*test\.conf:\d+/, "names $_: $lines") for @patterns;
}
my $on = 'mspwh on; mspwh_secret x;';
for ($zone, "server { $on mspwh_dedup zone=events; } $zone", "$on mspwh_dedup off; server { }",
    "$zone $on mspwh_dedup zone=events; server { mspwh_dedup off; }",
    "$zone $on mspwh_dedup key=\$mspwh_entity_id zone=events; server { }",
    'mspwh_dedup_zone pending=1s ttl=30d zone=events:32k;')
{
    my ($rc, $text) = config_test($_);
    is_deeply([$rc, $text], [0, ''], "accepted silently: $_");
}

# --- what becomes of repeats ---------------------------------------------------

my $conf = <<"CONF";
mspwh_dedup_zone zone=events:1m pending=2s;
mspwh_dedup_zone zone=others:1m;
mspwh_dedup_zone zone=short:1m  ttl=2s;
mspwh_dedup_zone zone=tight:1m  pending=1s;
log_format verdict2 '\$uri \$status \$mspwh_verdict';
server {
    listen 127.0.0.1:%%PORT%%;
    @{[listen_http2('h2')]}
@{[VARS]}
    mspwh on;
    mspwh_secret "%%SECRET%%";
    mspwh_dedup zone=events;
    mspwh_set \$answer /answer;
    location /one { proxy_pass http://%%A%%; }
    location /same { proxy_pass http://%%A%%; }
    location /mapped { proxy_pass http://%%A%%/status/\$http_x_status; }
    location /off { mspwh_dedup off; proxy_pass http://%%A%%; }
    location /others { mspwh_dedup zone=others; proxy_pass http://%%A%%; }
    location /short { mspwh_dedup zone=short; proxy_pass http://%%A%%; }
    location /tight { mspwh_dedup zone=tight; proxy_pass http://%%A%%; }
    location /keys { mspwh_secret another; proxy_pass http://%%A%%; }
    location /list { mspwh_accept ticket.created; proxy_pass http://%%A%%; }
    location /monitor { mspwh monitor; proxy_pass http://%%A%%; }
    location /pass { mspwh_malformed pass; proxy_pass http://%%A%%; }
    location /dead { error_page 502 504 = \@fallback; proxy_pass http://127.0.0.1:$dead; }
    location \@fallback { proxy_pass http://%%B%%; }
    location /other_keys { error_page 502 = /fallback; proxy_pass http://127.0.0.1:$dead; }
    location = /fallback { mspwh_secret another; mspwh_secret "%%SECRET%%"; proxy_pass http://%%B%%; }
    location /page { error_page 409 = \@page; proxy_pass http://%%A%%; }
    location \@page { proxy_pass http://%%B%%; }
    location /local { return 204; }
    location /static { error_page 405 = \@static; }
    location \@static { return 204; }
    location /hidden { error_page 502 =200 /hidden.html; proxy_pass http://127.0.0.1:$dead; }
    location /later { mspwh_dedup off; error_page 502 /stored; proxy_pass http://127.0.0.1:$dead; }
    location = /stored { mspwh_dedup zone=others; mspwh_spool spool; }
    location = /hidden.html { mspwh off; return 200 hidden; }
    location /mirror { mspwh_dedup off; mirror /copy; proxy_pass http://%%A%%; }
    location = /copy { internal; proxy_pass http://%%B%%; }
    location = /status { mspwh_status; }
}
CONF
write_file('html/static', '');
$MspwhTest::Kills = 1;
start_http($conf);

my $n = 0;
sub event {
    return sprintf '{"eventType":"%s","entityId":%d,"answer":"%s"}', $_[0] // 'ticket.created', ++$n,
        $_[1] // '';
}
sub shown { return [@{$_[0]}{qw(status body)}, $_[0]{header}{'x-verdict'}] }
sub seen { my @seen = map { "$_->{backend} $_->{uri}" } records(); clear_records(); return \@seen }
my @repeat = (200, '', 'duplicate');

{
    my $body = event('NoteAdded');
    $body =~ s/}/,"TicketId":7}/;
    is_deeply(shown(signed('/one', $body)), [200, "backend A /one\n", 'verified'], 'an event is delivered');
    is_deeply(seen(), ['A /one'], '... to the upstream');
    my $r = signed('/one', $body);
    is_deeply(shown($r), [@repeat], 'its repeat is answered 200');
    is_deeply(seen(), [], '... and goes no further');
    is($r->{header}{'content-length'}, 0, '... with no body');
    is_deeply([@{ $r->{header} }{qw(x-type x-eid x-tid x-delivery)}],
        ['ticket.note.added', $n, 7, hmac_sha256_hex($body, SECRET)],
            '... its variables are there to be logged');
    is_deeply(shown(signed('/same', $body)), [@repeat], 'the zone is that of both locations');
    is_deeply(shown(signed('/one', "$body ")), [200, "backend A /one\n", 'verified'],
        'another byte, another event');
    is_deeply(shown(post('/one', $body, $name => sign('x', $body))),
        [401, shown($r = post('/one', '{}'))->[1], 'bad_signature'], 'a forged repeat is refused');
    seen();
    is(signed('/off', $body)->{status}, 200, 'mspwh_dedup off: delivered again');
    is(signed('/others', $body)->{status}, 200, 'another zone: delivered');
    is_deeply(shown(signed('/others', $body)), [@repeat], '... once');
    is(post('/keys', $body, $name => sign('another', $body))->{status}, 200,
        'signed with another secret, it is another event');
    is_deeply(shown(post('/keys', $body, $name => sign('another', $body))), [@repeat],
        '... with repeats of its own');
    is_deeply(seen(), ['A /off', 'A /others', 'A /keys'], 'the upstream has had each of them once');

    my $big = event();
    $big =~ s/}/',"Details":"' . 'x' x 300_000 . '"}'/e;
    my $c = connection();
    my @got;
    for my $try (0 .. 3) {
        my %how = $try % 2 ? (chunked => 10_000) : ();
        push @got, request(connection => $c, path => '/one', body => $big,
            headers => [$name => sign(SECRET, $big)], %how)->{header}{'x-verdict'};
    }
    is_deeply(\@got, ['verified', ('duplicate') x 3], 'on one connection, in a file, chunked');
    is_deeply([map { $_->{length} } records()], [length $big], '... once, and whole');
    is(request(connection => $c, path => '/one', body => $body, headers => [$name => sign(SECRET,
        $body)])->{header}{'x-verdict'}, 'duplicate', '... which stays usable');
    is(request(http => '1.0', path => '/one', body => $big,
        headers => [$name => sign(SECRET, $big)])->{status}, 200, 'HTTP/1.0');
    seen();
}
SKIP: {
    needs(module => 'http_v2_module');
    needs(curl => 'HTTP2');
    my $body = event();
    my @curl = ('curl', '-s', '-m', 10, '--http2-prior-knowledge', '-w', '%{http_version} %{http_code} ',
        '-o', '/dev/null', '-H', "$name: " . sign(SECRET, $body),
        '--data-binary', '@' . write_file('body.json', $body), 'http://127.0.0.1:' . port('h2') . '/one');
    is(join('', map { (run(@curl))[1] } 1, 2), '2 200 2 200 ', 'HTTP/2');
    is(scalar @{ seen() }, 1, '... delivered once');
}

# An event that was not answered 2xx may be repeated at once.
for my $status (201, 204, 299, 300, 302, 400, 404, 429, 500, 503) {
    my $body = event();
    my @get = ('/mapped', $body, 'X-Status' => $status);
    my $again = $status < 300 ? [@repeat] : [$status, shown(signed(@get))->[1], 'verified'];
    signed(@get) if $status < 300;
    is_deeply(shown(signed(@get)), $again,
        "after $status a repeat is " . ($status < 300 ? 'answered here' : 'delivered'));
    is(scalar @{ seen() }, $status < 300 ? 1 : 2, '... as the upstream sees');
}
{
    my $body = event();
    is(signed('/dead', $body)->{status}, 200, 'a dead upstream and a fallback: delivered');
    is_deeply(seen(), ['B /dead'], '... to the fallback, the event is not its own repeat');
    is_deeply(shown(signed('/dead', $body)), [@repeat], '... a repeat is one');

    $body = event();
    is(signed('/other_keys', $body)->{status}, 200, 'the same where the fallback verifies again');
    is_deeply(shown(signed('/other_keys', $body)), [@repeat], '... a repeat is one');
    is_deeply(seen(), ['B /fallback'], '... delivered once');

    $body = event();
    is_deeply([map { my $r = signed('/static', $body); "$r->{status} $r->{header}{'x-verdict'}" } 1, 2],
        ['204 verified', '200 duplicate'], 'what nginx itself has answered 2xx is delivered');
    $body = event();
    is_deeply([map { signed('/hidden', $body)->{body} } 1, 2], ['hidden', ''],
        'so is what error_page has made a 200');
}

# The method is not signed: if a captured event is sent with another method, that does not affect the real
# one.
for my $method ('GET', 'PUT', 'DELETE', 'HEAD', 'PATCH') {
    my $body = event();
    my @as = (path => '/one', method => $method, body => $body, headers => [$name => sign(SECRET, $body)]);
    is_deeply([map { request(@as)->{header}{'x-verdict'} } 1, 2], ['verified', 'duplicate'],
        "by $method it is an event of its own");
    is_deeply(shown(signed('/same', $body)), [200, "backend A /same\n", 'verified'],
        '... and the POST is delivered');
    is_deeply(shown(signed('/same', $body)), [@repeat], '... once');
    is_deeply([map { "$_->{method} $_->{uri}" } records()], ["$method /one", 'POST /same'],
        '... as the upstream sees');
    clear_records();
}

# Events that are not passed on are not remembered.
{
    my $body = event('ticket.updated');
    is_deeply([map { signed('/list', $body)->{status} } 1, 2], [204, 204], 'an event not in mspwh_accept');
    is(signed('/one', $body)->{header}{'x-verdict'}, 'verified', '... has not been delivered');
    is_deeply([map { signed('/pass', '{"x":1}')->{header}{'x-verdict'} } 1, 2],
        ['malformed_payload', 'malformed_payload'], 'what mspwh_malformed passes is no event');
    is(scalar @{ seen() }, 3, '... and is passed each time');
}

# Monitor
{
    my $body = event();
    my @tries = map { shown(signed('/monitor', $body)) } 1, 2;
    is_deeply(\@tries, [map { [200, "backend A /monitor\n", $_] } 'verified', 'duplicate'],
        'monitor: a repeat is passed on with its verdict');
    is_deeply(shown(signed('/one', $body)), [@repeat], '... elsewhere it does not');
    is_deeply([map { post('/monitor', $body)->{header}{'x-verdict'} } 1, 2], ['no_signature', 'no_signature'],
        '... an unverified event is not a repeat');
    seen();
}

# Subrequests do not claim events.
{
    my $body = event();
    signed('/mirror', $body) for 1, 2;
    wait_until { records() == 4 };
    is_deeply([sort @{ seen() }], ['A /mirror', 'A /mirror', 'B /copy', 'B /copy'], 'a mirror is no repeat');
}

# --- in flight -----------------------------------------------------------------

# Sends a request without waiting for the answer.
sub send_signed {
    my ($path, $body) = @_;
    my $c = connection();
    send_bytes($c, request_bytes(path => $path, body => $body, headers => [$name => sign(SECRET, $body)]));
    return $c;
}
sub when_seen { my $count = shift; return wait_until { records() >= $count } }
{
    my $body = event();
    my $log = length error_log();
    my $c = send_signed('/one/wait/4', $body);
    sleep 0.3;
    my $r = signed('/one', $body);
    is_deeply([@$r{qw(status)}, $r->{header}{'x-verdict'}], [409, 'in_flight'],
        'a repeat of an event in flight: 409');
    like($r->{header}{'retry-after'}, qr/^[23]$/, '... with Retry-After');
    like($r->{header}{'connection'} // '', qr/close/, '... and the connection is closed as requested');
    my $size = length $body;
    is(scalar(log_matches("mspwh: in_flight: the same event is still being delivered, body $size bytes, "
        . "client", $log)), 1, '... one log line');
    $r = signed('/page', $body);
    is_deeply([$r->{status}, ($r->{header}{'retry-after'} // '') =~ /^[23]$/], [409, 1],
        'error_page: the page is no way around it, and there is one Retry-After');
    is_deeply(shown(signed('/monitor', $body)), [200, "backend A /monitor\n", 'in_flight'],
        'monitor: it goes on');
    my $get = request(path => '/same', method => 'GET', body => $body,
        headers => [$name => sign(SECRET, $body)]);
    is_deeply(shown($get), [200, "backend A /same\n", 'verified'], 'another method: it is not in flight');
    my @later;
    for (1 .. 3) {
        sleep 1;
        push @later, signed('/one', $body)->{status};
    }
    is_deeply(\@later, [409, 409, 409], 'in flight longer than "pending", as long as the request takes');
    is(read_response($c)->{status}, 200, 'the first one is answered');
    is_deeply(shown(signed('/one', $body)), [@repeat], '... and has been delivered');
    seen();
}
{
    # at the end of a second of nginx's clock, which counts whole seconds
    my $body = event();
    my $now = clock_gettime(CLOCK_MONOTONIC);
    sleep 1.9 - ($now - int $now);
    my $c = send_signed('/tight/wait/1.5', $body);
    my %answers;
    my $until = time + 1.2;
    while (time < $until) {
        sleep 0.05;
        $answers{ signed('/tight', $body)->{status} }++;
    }
    is_deeply([keys %answers], [409], 'the shortest "pending" lasts until it is renewed');
    is(read_response($c)->{status}, 200, '... the first one is answered');
    seen();
}
{
    my $body = event();
    my $c = send_signed('/one/wait/2', $body);
    sleep 0.3;
    close $c->{socket};
    my $r;
    for (1 .. 20) { $r = signed('/one', $body); last if $r->{status} != 409; sleep 0.05 }
    is($r->{header}{'x-verdict'}, 'verified', 'the client has left, outcome unknown: a repeat is delivered');
    seen();
}
{
    my $body = event();
    my $c = send_signed('/one/wait/3', $body);
    sleep 0.3;
    ok(reload(), 'reload with a request in flight');
    is(signed('/one', $body)->{status}, 409, '... which is still in flight');
    is(read_response($c)->{status}, 200, '... and is answered');
    is_deeply(shown(signed('/one', $body)), [@repeat],
        '... the new workers know what an old one has delivered');
    seen();
}
{
    my $body = event();
    my $c = send_signed('/one/wait/5', $body);
    sleep 0.3;
    my $start = time;
    kill KILL => workers();
    wait_until { workers() == 2 };
    my ($status, @waits) = 0;
    while (time < $start + 10) {
        my $r = signed('/one', $body);
        $status = $r->{status};
        last if $status != 409;
        push @waits, $r->{header}{'retry-after'};
        sleep 0.2;
    }
    my $took = time - $start;
    is($status, 200, 'the worker was killed: the event can be delivered again');
    ok($took > 0.9 && $took < 7, sprintf '... after "pending" (%.1f s)', $took);
    cmp_ok(scalar @waits, '>', 1, '... until then it is in flight');
    seen();
}

# --- how long it is kept ---------------------------------------------------------
{
    my $body = event();
    signed('/short', $body);
    is_deeply(shown(signed('/short', $body)), [@repeat], 'before "ttl" is over');
    my $kept = event();
    signed('/one', $kept);
    sleep 4.1;
    is(signed('/short', $body)->{header}{'x-verdict'}, 'verified', 'after it, the event is new');
    is_deeply(shown(signed('/one', $kept)), [@repeat], 'a zone has a "ttl" of its own');
    (my $longer = $conf) =~ s/ttl=2s/ttl=1h/;
    my $old = event();
    signed('/short', $old);
    ok(reload($longer), 'reload with another "ttl"');
    sleep 2.2;
    is_deeply(shown(signed('/short', $old)), [@repeat], '... holds for what is there already');
    seen();
}
{
    # earlier requests may be counted late
    sleep 0.5;
    my $log = length error_log();
    my $counted = sub {
        my $m = metrics();
        return map { $m->{qq(mspwh_requests_total{verdict="$_"})} } qw(verified duplicate in_flight);
    };
    my @before = $counted->();
    my $body = event();
    signed('/one', $body) for 1 .. 3;
    my @counted;
    for (1 .. 40) {
        my @now = $counted->();
        @counted = map { $now[$_] - $before[$_] } 0 .. 2;
        last if $counted[0] + $counted[1] == 3;
        sleep 0.05;
    }
    is_deeply(\@counted, [1, 2, 0], 'counted as one verified and two duplicates');
    is(substr(error_log(), $log), '', 'a duplicate is no line at "warn"');
    seen();
}
{
    my $body = event();
    is(signed('/later', $body)->{status}, 202, 'stored at the target of an error_page without "="');
    my $r = signed('/later', $body);
    is_deeply([@$r{'status', 'body'}, $r->{header}{'mspwh-verdict'}], [200, '', 'duplicate'],
        '... its repeat is answered 200, not with the status of the error');
}
ok(stop(), 'nginx stops in time');
unlike(error_log(), qr/\[(?:crit|emerg)\]/, 'nothing alarming in the log');

done_testing();
