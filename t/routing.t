# Verdicts are right in combination with nginx's own features.

use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use Test::More;
use MspwhEvents qw(event seen settled);
use MspwhTest;

my $dead = port('dead');
start_http(<<"CONF");
upstream notes { server %%B%%; }
upstream tickets { server %%A%%; }
map \$mspwh_event_type \$backend {
    default tickets;
    ~^ticket\\.note\\. notes;
}
server {
    listen 127.0.0.1:%%PORT%%;
    @{[VARS]}
    mspwh on;
    mspwh_secret "%%SECRET%%";

    location /map { proxy_pass http://\$backend; proxy_set_header X-Type \$mspwh_event_type; }
    location /named { error_page 401 400 = \@named; proxy_pass http://%%A%%; }
    location \@named { mspwh off; proxy_pass http://%%B%%; proxy_set_header X-Verdict \$mspwh_verdict; }
    location /renamed { error_page 401 = \@still_on; proxy_pass http://%%A%%; }
    location \@still_on { proxy_pass http://%%B%%; }
    location /page { error_page 401 /page401; proxy_pass http://%%A%%; }
    location = /page401 { internal; mspwh off; return 401 "own page\\n"; }
    location /dead { error_page 502 = \@fallback; proxy_pass http://127.0.0.1:$dead; }
    location \@fallback { proxy_pass http://%%B%%; }
    location /dead2 { error_page 502 = \@fallback2; proxy_pass http://127.0.0.1:$dead; }
    location \@fallback2 { mspwh off; proxy_set_header X-Type \$mspwh_event_type; proxy_pass http://%%B%%; }

    location /mirror { mirror /copy; proxy_pass http://%%A%%; }
    location /mirror_off { mirror /copy_off; proxy_pass http://%%A%%; }
    location = /copy { internal; proxy_pass http://%%B%%; proxy_set_header X-Type \$mspwh_event_type; }
    location = /copy_off { internal; mspwh off; proxy_pass http://%%B%%; }
    location /try { try_files \$uri.none \@tried; }
    location \@tried { proxy_pass http://%%B%%; }
    location /tryfile { try_files /secret.txt =404; }

    location /denied { deny all; proxy_pass http://%%A%%; }
    location /auth_no { auth_request /auth403; proxy_pass http://%%A%%; }
    location /auth_yes { auth_request /auth200; proxy_pass http://%%A%%; }
    location = /auth403 {
        internal; mspwh off; proxy_pass_request_body off; proxy_set_header Content-Length "";
        proxy_pass http://%%B%%/status/403;
    }
    location = /auth200 {
        internal; proxy_pass_request_body off; proxy_set_header Content-Length "";
        proxy_pass http://%%B%%/status/200;
    }
    location /stream { proxy_request_buffering off; proxy_http_version 1.1; proxy_pass http://%%A%%; }
    location /limited { limit_except POST { deny all; } proxy_pass http://%%A%%; }

    location /accel/ { proxy_pass http://%%A%%; }
    location /same/ { proxy_pass http://%%B%%/; }
    location /other/ { mspwh_secret other-secret; proxy_pass http://%%B%%/; }
    location /off/ { mspwh off; proxy_pass http://%%B%%/; }
    location /to_same { try_files /none /same/x; }
    location /to_other { try_files /none /other/x; }
    location /both_file {
        mspwh_secret first; mspwh_secret other-secret; client_body_buffer_size 16k; try_files /none /other/x;
    }
    location /both_memory {
        mspwh_secret first; mspwh_secret other-secret; client_body_buffer_size 1m; try_files /none /other/x;
    }
    location /from_off { mspwh off; try_files /none /same/x; }
    location /rewritten { rewrite ^ /other/x last; }
}
CONF
write_file('html/secret.txt', "static\n", 0644);

my $body = event('ticket.created');
my @wrong = ('X-Webhook-Signature' => sign('wrong', $body));


# map
for (['Ticket created', 'A', 'ticket.created'], ['Ticket note added', 'B', 'ticket.note.added'],
    ['NOTE_DELETED', 'B', 'ticket.note.deleted'], ['Ticket merged', 'A', 'ticket.merged']) {
    my ($type, $backend, $canonical) = @$_;
    is(signed('/map', event($type))->{status}, 200, "map: $type");
    my ($r) = records();
    is_deeply([$r->{backend}, $r->{header}{'x-type'}], [$backend, $canonical], "map: $type goes to $backend");
    is($r->{sha256}, sha256_hex(event($type)), "map: $type: same bytes");
    clear_records();
}
is(post('/map', $body, @wrong)->{status}, 401, 'map: wrong signature');
is_deeply(seen(), [], 'map: nothing forwarded');

# error_page
my @pages = (
    ['wrong signature', [@wrong], $body, 'bad_signature'],
    ['no signature', [], $body, 'no_signature'],
    ['malformed signature', ['X-Webhook-Signature' => 'abc'], $body, 'malformed_signature'],
    ['malformed payload', ['X-Webhook-Signature' => sign(SECRET, '{}')], '{}', 'malformed_payload'],
);
for (@pages) {
    my ($what, $headers, $bytes, $verdict) = @$_;
    my $r = post('/named', $bytes, @$headers);
    is($r->{status}, 200, "error_page = \@named, $what: served by mspwh off");
    my ($record) = records();
    is($record->{header}{'x-verdict'}, $verdict, "error_page = \@named, $what: verdict still shown");
    clear_records();
}
is(post('/renamed', $body, @wrong)->{status}, 401, 'error_page to a location with mspwh on: refused again');
is_deeply(seen(), [], 'error_page to a location with mspwh on: nothing forwarded');
my $r = post('/page', $body, @wrong);
is_deeply([$r->{status}, $r->{body}], [401, "own page\n"], 'error_page with a page of its own');
is($r->{header}{'x-verdict'}, 'bad_signature', 'error_page with a page of its own: verdict');

for my $size (1, 100_000) {
    my $bytes = event('Ticket updated', $size);
    for my $path ('/dead', '/dead2') {
        my $r = signed($path, $bytes);
        is_deeply([$r->{status}, $r->{header}{'x-verdict'}, $r->{header}{'x-type'}],
            [200, 'verified', 'ticket.updated'],
            "error_page 502, $path, $size: variables kept");
        my ($record) = records();
        is($record->{sha256}, sha256_hex($bytes), "error_page 502, $path, $size: fallback gets the body");
        clear_records();
    }
}

# mirror, try_files
for my $path ('/mirror', '/mirror_off') {
    (my $copy = $path) =~ s/mirror/copy/;
    is(signed($path, $body)->{status}, 200, "$path: verified passes");
    is_deeply(settled(2), ["A $path", "B $copy"], "$path: both see the verified");
    for (['wrong', @wrong], ['none'], ['malformed', 'X-Webhook-Signature' => 'x']) {
        my ($what, @headers) = @$_;
        is(post($path, $body, @headers)->{status}, 401, "$path: $what signature is refused");
    }
    is(signed($path, '{}')->{status}, 400, "$path: malformed body is refused");
    select undef, undef, undef, 0.1;
    is_deeply(seen(), [], "$path: neither saw the refused");
}
is(signed('/try', $body)->{status}, 200, 'try_files: verified passes');
is_deeply(seen(), ['B /try'], 'try_files: forwarded once');
is(post('/try', $body, @wrong)->{status}, 401, 'try_files: wrong is refused');
is_deeply(seen(), [], 'try_files: nothing forwarded');
is(request(method => 'GET', path => '/tryfile')->{status}, 401,
    'try_files: a static file is not shown to the unsigned');
isnt(post('/tryfile', $body, @wrong)->{body}, "static\n", 'try_files: nor to the wrongly signed');

# access rules come first
SKIP: for (['/denied', 403], ['/auth_no', 403]) {
    my ($path, $status) = @$_;
    needs(module => 'http_auth_request_module') if $path eq '/auth_no';
    my $at = length error_log();
    for (['right', 'X-Webhook-Signature' => sign(SECRET, $body)], ['wrong', @wrong], ['none']) {
        my ($what, @headers) = @$_;
        my $r = post($path, $body, @headers);
        is_deeply([$r->{status}, $r->{header}{'x-verdict'}], [$status, undef],
            "$path: $what signature: refused before any verdict");
    }
    unlike(substr(error_log(), $at), qr/_signature/, "$path: no verdict logged");
    my $c = connection();
    send_bytes($c,
        "POST $path HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n@{[join ': ', @wrong]}\r\n\r\n");
    is(read_response($c, timeout => 3)->{status}, $status, "$path: before the body is read");
}
clear_records();
SKIP: {
    needs(module => 'http_auth_request_module');
    $r = signed('/auth_yes', $body);
    is($r->{status}, 200, 'auth_request in a location that inherits mspwh on: passes');
    is($r->{header}{'x-verdict'}, 'verified', 'auth_request: main verdict');
    is_deeply(seen(), ['A /auth_yes', 'B /status/200'], 'auth_request: asked once, forwarded once');
    is(post('/auth_yes', $body, @wrong)->{status}, 401, 'auth_request passes, signature does not');
    is_deeply(seen(), ['B /status/200'], 'auth_request passes, signature does not: nothing forwarded');
}

# proxy_request_buffering off
for my $size (1, 100_000) {
    my $bytes = event('Ticket created', $size);
    for my $chunked (0, 5000) {
        my $r = request(path => '/stream', body => $bytes, chunked => $chunked,
            headers => ['X-Webhook-Signature' => sign(SECRET, $bytes)]);
        is($r->{status}, 200, "proxy_request_buffering off, $size, chunked $chunked: passes");
        is((records())[0]{sha256}, sha256_hex($bytes), '... same bytes');
        clear_records();
        $r = request(path => '/stream', body => $bytes, chunked => $chunked, headers => \@wrong);
        is($r->{status}, 401, "proxy_request_buffering off, $size, chunked $chunked: wrong is refused");
        is_deeply(seen(), [], '... nothing forwarded');
    }
}

is(signed('/limited', $body)->{status}, 200, 'limit_except: POST passes');
is(post('/limited', $body, @wrong)->{status}, 401, 'limit_except: POST is verified');
is(request(method => 'PUT', path => '/limited', body => $body,
    headers => ['X-Webhook-Signature' => sign(SECRET, $body)])->{status}, 403,
    'limit_except: PUT is denied first');
clear_records();

# internal redirects
my @other = ('X-Webhook-Signature' => sign('other-secret', $body));
my @redirects = (
    ['/accel/same/x', [], 200, ['A /accel/same/x', 'B /x'], 'X-Accel-Redirect, same secrets'],
    ['/accel/other/x', [], 401, ['A /accel/other/x'], 'X-Accel-Redirect, other secrets'],
    ['/accel/off/x', [], 200, ['A /accel/off/x', 'B /x'], 'X-Accel-Redirect, off'],
    ['/to_same', [], 200, ['B /x'], 'try_files, same secrets'],
    ['/to_other', [], 401, [], 'try_files, other secrets'],
    ['/from_off', [], 200, ['B /x'], 'from off to on'],
    ['/from_off', \@wrong, 401, [], 'from off to on, wrong signature'],
    ['/rewritten', \@other, 200, ['B /x'], 'rewrite: the secrets of the last location'],
    ['/rewritten', [], 401, [], 'rewrite: not those of the first'],
);
for (@redirects) {
    my ($path, $headers, $status, $seen, $what) = @$_;
    for my $size (1, 50_000) {
        my $bytes = @$headers ? $body : event('Ticket created', $size);
        my $r = @$headers ? post($path, $bytes, @$headers) : signed($path, $bytes);
        is($r->{status}, $status, "$what, $size: $status");
        is_deeply(seen(), $seen, "$what, $size: forwarded where it may");
    }
}
# the body is read once, and verified again under the secrets of the second location
for my $where (qw(file memory)) {
    for my $size (1, 100_000, 700_000) {
        my $bytes = event('Ticket created', $size);
        for (['other-secret', 200, ['B /x']], ['first', 401, []]) {
            my ($secret, $status, $seen) = @$_;
            my $r = post("/both_$where", $bytes, 'X-Webhook-Signature' => sign($secret, $bytes));
            is($r->{status}, $status, "a buffered body of $size in $where, signed with $secret: $status");
            my @got = records();
            is_deeply(seen(), $seen, '... forwarded where it may');
            is($got[0]{sha256}, sha256_hex($bytes), '... byte for byte') if @$seen;
        }
    }
}
is(signed('/accel/off/x', $body)->{header}{'x-verdict'}, 'verified', 'X-Accel-Redirect to off: verdict kept');

ok(stop(), 'nginx stops in time');
unlike(error_log(), qr/\[(alert|crit|emerg)\]/, 'nothing alarming in the log');

done_testing();
