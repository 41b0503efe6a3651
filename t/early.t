# client_body_early_read: an event is verified before a location is chosen, and can choose it.

use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use Test::More;
use MspwhTest;

my $name = 'X-Webhook-Signature';

all_needs(version => '1.31.5');

my $both = 'mspwh_secret other; mspwh_secret "%%SECRET%%" id=both;';
my $servers = <<"CONF";
map \$http_x_late \$early { default 1; yes ""; }
map \$mspwh_event_type \$place { ~^ticket\\.note\\. /notes; default ""; }
mspwh_dedup_zone zone=events:1m;
server {
    listen 127.0.0.1:%%PORT%%;
    @{[listen_http2('h2')]}
@{[VARS]}
    client_body_early_read \$early;
    mspwh on;
    mspwh_secret "%%SECRET%%" id=server;
    mspwh_set \$site /site;
    if (\$mspwh_event_type = ticket.created) { rewrite ^ /created last; }
    if (\$place) { rewrite ^ \$place last; }
    if (\$site = north) { rewrite ^ /north last; }
    location / { proxy_pass http://%%A%%; }
    location /created { proxy_pass http://%%B%%; }
    location /notes { proxy_pass http://%%B%%; }
    location /north { proxy_pass http://%%B%%; }
    location /off { mspwh off; proxy_pass http://%%A%%; }
    location /monitor { mspwh monitor; proxy_pass http://%%A%%; }
    location /both { $both proxy_pass http://%%A%%; }
    location /other { mspwh_secret other; proxy_pass http://%%A%%; }
    location /pass { mspwh_malformed pass; proxy_pass http://%%A%%; }
    location /list { mspwh_accept ticket.deleted; proxy_pass http://%%A%%; }
    location /once { mspwh_dedup zone=events; proxy_pass http://%%A%%; }
    location /spool { mspwh_spool spool; }
    location /return { return 200 "\$mspwh_verdict \$mspwh_event_type"; }
    location /status { mspwh_status; }
}
server {
    listen 127.0.0.1:%%PORT_answer%%;
    client_body_early_read 1;
    mspwh on;
    mspwh_secret "%%SECRET%%";
    return 200 "\$mspwh_verdict \$mspwh_event_type \$mspwh_entity_id";
}
server {
    listen 127.0.0.1:%%PORT_monitor%%;
    client_body_early_read 1;
    mspwh monitor;
    mspwh_secret "%%SECRET%%";
    mspwh_malformed pass;
@{[VARS]}
    if (\$mspwh_event_type = ticket.created) { rewrite ^ /created last; }
    location / { proxy_pass http://%%A%%; }
    location /strict { mspwh on; proxy_pass http://%%A%%; }
}
server {
    listen 127.0.0.1:%%PORT_location%%;
    client_body_early_read 1;
@{[VARS]}
    location / { mspwh on; mspwh_secret "%%SECRET%%"; proxy_pass http://%%A%%; }
    location /off { proxy_pass http://%%A%%; }
}
CONF

{
    my ($rc, $text) = config_test($servers);
    is_deeply([$rc, $text], [0, ''], 'accepted silently: the variables are known where they are used');
    (my $late = $servers) =~ s/client_body_early_read .*//g;
    ($rc, $text) = config_test($late);
    is_deeply([$rc, $text], [0, ''], 'without early reading it is accepted, too: a request will tell');
}
start_http($servers);

my $n = 0;
sub event { return sprintf '{"eventType":"%s","entityId":%d,"TicketId":7%s}', $_[0], ++$n, $_[1] // '' }
sub seen { my @seen = map { "$_->{backend} $_->{uri}" } records(); clear_records(); return \@seen }
sub shown { return [$_[0]{status}, @{ $_[0]{header} }{qw(x-verdict x-key)}] }

# The event chooses the location.
for (['ticket.created', 'B /created'], ['NoteAdded', 'B /notes'], ['ticket.updated', 'A /hook'],
    ['Ticket merged', 'A /hook']) {
    my ($type, $place) = @$_;
    for my $size (0, 20_000, 3_000_000) {
        for my $chunked (0, 7000) {
            my $body = event($type, ',"Details":"' . 'x' x $size . '"');
            my $r = request(path => '/hook', body => $body, chunked => $chunked,
                headers => [$name => sign(SECRET, $body)]);
            is_deeply(shown($r), [200, 'verified', 'server'],
                "$type, $size bytes, chunked $chunked: verified");
            is_deeply([map { $_->{sha256} } records()], [sha256_hex($body)], '... byte for byte');
            is_deeply(seen(), [$place], "... goes to $place");
        }
    }
}
is(signed('/hook', event('ticket.updated', ',"site":"north"'))->{status}, 200, 'a variable of mspwh_set');
is_deeply(seen(), ['B /north'], '... chooses, too');

# A failure is answered whatever location the event would have reached.
my $body = event('ticket.updated');
for my $path ('/hook', '/off', '/monitor', '/both', '/return', '/spool', '/status', '/nowhere') {
    is_deeply(shown(post($path, $body, $name => sign('x', $body))), [401, 'bad_signature', undef],
        "$path: forged: 401");
    is(post($path, $body)->{status}, 401, '... unsigned: 401');
    is(post($path, $body, $name => 'x')->{status}, 401, '... a malformed signature: 401');
    is_deeply(shown(signed($path, '{}')), [400, 'malformed_payload', 'server'], '... no event: 400');
}
like(post('/off', $body)->{header}{'www-authenticate'}, qr/^HMAC-SHA256/, '401 with its header');
is(signed('/pass', '{}')->{status}, 400, 'mspwh_malformed is that of the server');
is(post('/created', event('ticket.created'), $name => sign('x', $body))->{status}, 401,
    'a forged event chooses nothing');
is_deeply(seen(), [], 'nothing of this was forwarded');
is(scalar(() = error_log() =~ /mspwh: bad_signature: /g), 9, 'one log line for each forged one');

# Locations
is_deeply(shown(signed('/off', $body)), [200, 'verified', 'server'], 'mspwh off: the verdict is there');
is_deeply(shown(signed('/both', $body)), [200, 'verified', 'both'], 'other secrets: verified again');
is_deeply(shown(signed('/other', $body)), [401, 'bad_signature', undef],
    '... and refused, if it fails there');
is_deeply(shown(post('/other', $body, $name => sign('other', $body))), [401, 'bad_signature', undef],
    '... where only what the server lets through comes');
my $big = event('ticket.updated', ',"Details":"' . 'x' x 500_000 . '"');
is_deeply(shown(signed('/both', $big)), [200, 'verified', 'both'], '... from a file, too');
is(signed('/list', $body)->{status}, 204, 'mspwh_accept of a location');
is(signed('/list', event('ticket.deleted'))->{status}, 200, '... lets through what it lists');
$body = event('ticket.updated');
is_deeply([map { signed('/once', $body)->{header}{'x-verdict'} } 1, 2], ['verified', 'duplicate'],
    'mspwh_dedup of a location');
is(signed('/spool', $body)->{status}, 202, 'mspwh_spool');
is(signed('/return', $body)->{body}, 'verified ticket.updated', 'return in a location comes after the check');
is(request(method => 'GET', path => '/status')->{status}, 200,
    'a request with no body is left to its location: the status');
is(request(method => 'GET', path => '/hook')->{status}, 401, '... or one that verifies');
seen();

# If the predicate is false, nothing changes.
is_deeply(shown(signed('/hook', event('ticket.created'), 'X-Late' => 'yes')), [200, 'verified', 'server'],
    'read late: verified in its location');
is_deeply(seen(), ['A /hook'], '... which no event has chosen');
is(post('/off', $body, 'X-Late' => 'yes')->{status}, 200, '... and with mspwh off, not at all');
seen();

# Other servers
is(request(port => 'answer', path => '/', body => $body, headers => [$name => sign(SECRET, $body)])->{body},
    'verified ticket.updated ' . ($body =~ /"entityId":(\d+)/)[0],
        'return in the server comes after the check');
is(request(port => 'answer', path => '/', body => $body, headers => [$name => sign('x', $body)])->{status},
    401, '... not for a forged event');
for (['/x', 200], ['/strict', 401]) {
    my ($path, $status) = @$_;
    my $created = event('ticket.updated');
    my $r = request(port => 'monitor', path => $path, body => $created,
        headers => [$name => sign('x', $created)]);
    is_deeply(shown($r), [$status, 'bad_signature', undef], "monitor in the server, $path: $status");
}
is(request(port => 'monitor', path => '/x', body => event('ticket.created'))->{status}, 200,
    'monitor: an unsigned event');
is_deeply([grep { /created/ } @{ seen() }], ['A /created'], '... chooses the location');
is_deeply(shown(request(port => 'location', path => '/', body => $body, headers => [$name => sign(SECRET,
    $body)])), [200, 'verified', 1], 'mspwh in the location only: verified there');
is(request(port => 'location', path => '/off', body => $body)->{status}, 200, '... nowhere else');
seen();

# The connection
my $c = connection();
for (1 .. 3) {
    for my $case ([SECRET, $big, 200], ['x', $big, 401], [SECRET, '{}', 400]) {
        my ($secret, $bytes, $status) = @$case;
        is(request(connection => $c, path => '/hook', body => $bytes,
            headers => [$name => sign($secret, $bytes)])->{status}, $status, "keepalive: $status");
    }
}
send_bytes($c, request_bytes(path => '/hook', body => $body, headers => [$name => sign(SECRET, $body)]) x 4);
is_deeply([map { read_response($c)->{status} } 1 .. 4], [(200) x 4], 'pipelined');
SKIP: {
    needs(module => 'http_v2_module');
    needs(curl => 'HTTP2');
    for my $bytes ($body, $big) {
        my $file = write_file('body.json', $bytes);
        my (undef, $text) = run('curl', '-s', '-m', 10, '--http2-prior-knowledge', '-o', '/dev/null', '-w',
            '%{http_version} %{http_code}',
            '-H', "$name: " . sign(SECRET, $bytes), '--data-binary', "\@$file",
                'http://127.0.0.1:' . port('h2') . '/hook');
        is($text, '2 200', 'HTTP/2, ' . length($bytes) . ' bytes');
    }
}

ok(stop(), 'nginx stops in time');

done_testing();
