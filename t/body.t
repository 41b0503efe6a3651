# A body is verified and forwarded byte for byte, however it arrives.

use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use Test::More;
use MspwhTest;

my ($cert, $key) = tls_files();
my $tls = defined lacks(module => 'http_ssl_module') ? '' : <<"CONF";
server {
    @{[listen_http2('tls', 'ssl')]}
    ssl_certificate $cert;
    ssl_certificate_key $key;
    @{[VARS]}
    mspwh on;
    mspwh_secret "%%SECRET%%";
    location / { proxy_pass http://%%A%%; }
}
CONF
start_http(<<"CONF");
server {
    listen 127.0.0.1:%%PORT%%;
    @{[VARS]}
    mspwh on;
    mspwh_secret "%%SECRET%%";
    location / { proxy_pass http://%%A%%; }
    location /memory { client_body_buffer_size 40m; proxy_pass http://%%A%%; }
    location /single { client_body_in_single_buffer on; proxy_pass http://%%A%%; }
    location /file { client_body_in_file_only clean; proxy_pass http://%%A%%; }
    location /tiny { client_body_buffer_size 1; proxy_pass http://%%A%%; }
    location /limit { client_max_body_size 10k; proxy_pass http://%%A%%; }
}
server {
    @{[listen_http2('h2')]}
    @{[VARS]}
    mspwh on;
    mspwh_secret "%%SECRET%%";
    location / { proxy_pass http://%%A%%; }
}
$tls
CONF

# Returns a ticket event of exactly that many bytes, with varied content.
sub body {
    my $size = shift;
    my ($head, $tail) =
        ('{"eventType":"ticket.created","entityId":17,"Details":"', '","AdditionalFields":[]}');
    my $fill = $size - length($head) - length($tail);
    my $text = join '', map { chr(65 + ($_ * 7 + int($_ / 26)) % 26) } 1 .. 997;
    return $head . substr($text x (1 + $fill / 997), 0, $fill) . $tail;
}

sub headers { ['X-Webhook-Signature' => sign(SECRET, $_[0])] }

sub arrived {
    my ($r, $body, $what) = @_;
    my @records = records();
    is($r->{status}, 200, "$what: 200");
    is($r->{header}{'x-eid'}, '17', "$what: entity id");
    is_deeply([map { "$_->{length} $_->{sha256}" } @records], [length($body) . ' ' . sha256_hex($body)],
        "$what: backend got the same bytes");
    clear_records();
}

# Smaller under valgrind, where one byte at a time takes minutes.
my $slow = ($ENV{MSPWH_SLOW} // 1) > 1;
my $big = ($slow ? 2 : 30) * 1024 * 1024;

my @sizes = (100, 1023, 4096, 16383, 16384, 16385, 65536);
for my $path ('/', '/memory', '/single', '/file', '/tiny') {
    # /tiny writes its file byte by byte
    for my $size (@sizes, $slow || $path eq '/tiny' ? () : 1_000_000) {
        my $body = body($size);
        arrived(request(path => $path, body => $body, headers => headers($body)), $body,
            "$path, $size bytes");
    }
    for my $chunk (1, 100, 16384, 70_000) {
        my $body = body($chunk == 1 ? 300 : 60_000);
        arrived(request(path => $path, body => $body, headers => headers($body), chunked => $chunk), $body,
            "$path, chunks of $chunk");
    }
    my $body = body(30_000);
    my $sha = sign(SECRET, $body);
    substr($body, -200, 1) = '#';
    for my $chunked (0, 5000) {
        my $r = request(path => $path, body => $body, headers => ['X-Webhook-Signature' => $sha],
            chunked => $chunked);
        is($r->{status}, 401, "$path, altered, chunked $chunked: 401");
        is(scalar(records()), 0, "$path, altered, chunked $chunked: nothing forwarded");
    }
}

{
    my $body = body(2000);
    arrived(request(path => '/', http => '1.0', body => $body, headers => headers($body)), $body, 'HTTP/1.0');
}

for my $path ('/', '/memory') {
    my $body = body($big);
    arrived(request(path => $path, body => $body, headers => headers($body)), $body, "$path, 30 MB");
    arrived(request(path => $path, body => $body, headers => headers($body), chunked => 1_000_000), $body,
        "$path, 30 MB chunked");
}

{
    my $c = connection();
    for my $turn (1 .. 5) {
        my $body = body(1000 * $turn * $turn);
        arrived(request(connection => $c, path => '/', body => $body, headers => headers($body)), $body,
            "keepalive, request $turn");
    }
    for my $chunked (0, 10) {
        my $bad = request(connection => $c, path => '/', body => '{}', chunked => $chunked,
            headers => headers('x'));
        is($bad->{status}, 401, "keepalive: 401 in between, chunked $chunked");
        my $body = body(500);
        arrived(request(connection => $c, path => '/', body => $body, headers => headers($body)), $body,
            'keepalive, after a 401');
        is(request(connection => $c, path => '/', body => $body, chunked => $chunked)->{status}, 401,
            'keepalive: 401 without a header');
        arrived(request(connection => $c, path => '/', body => $body, headers => headers($body)), $body,
            'keepalive, after an unread body');
    }
}

{
    my @bodies = map { body($_) } 200, 20_000, 300, 40_000;
    my $c = connection();
    send_bytes($c, join '', map { request_bytes(path => '/', body => $_, headers => headers($_)) } @bodies);
    for (@bodies) {
        is(read_response($c)->{status}, 200, 'pipelined: 200');
    }
    is_deeply([map { $_->{sha256} } records()], [map { sha256_hex($_) } @bodies],
        'pipelined: bodies in order');
    clear_records();
    $c = connection();
    my $body = $bodies[0];
    send_bytes($c, join '', map { request_bytes(path => '/', body => $body, headers => $_) }
        headers($body), headers('x'), [], headers($body));
    is_deeply([map { read_response($c)->{status} } 1 .. 4], [200, 401, 401, 200],
        'pipelined: each its own verdict');
    clear_records();
}

{
    my $body = body(30_000);
    my $c = connection();
    my $bytes = request_bytes(path => '/', body => $body,
        headers => [@{ headers($body) }, Expect => '100-continue']);
    my $at = index($bytes, "\r\n\r\n") + 4;
    send_bytes($c, substr $bytes, 0, $at);
    is(read_response($c)->{status}, 100, 'Expect: 100 Continue');
    send_bytes($c, substr $bytes, $at);
    arrived(read_response($c), $body, 'Expect');
}
SKIP: {
    needs(reading => 1);
    my $c = connection();
    send_bytes($c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 30000\r\nExpect: 100-continue\r\n\r\n");
    is(read_response($c)->{status}, 401, 'Expect: 401 instead of 100 without a signature');
}

for my $chunked (0, 7) {
    my $body = body(400);
    my $c = connection();
    send_slowly($c,
        request_bytes(path => '/', body => $body, headers => headers($body), chunked => $chunked));
    arrived(read_response($c), $body, "one byte per packet, chunked $chunked");
}

for ([undef, 0, 'no Content-Length'], ['', 0, 'Content-Length 0'], ['', 5, 'empty chunked']) {
    my ($body, $chunked, $what) = @$_;
    my $r = request(path => '/', body => $body, chunked => $chunked, headers => headers(''));
    is_deeply([$r->{status}, $r->{header}{'x-verdict'}], [400, 'malformed_payload'],
        "$what: signed, but no event");
    $r = request(path => '/', body => $body, chunked => $chunked, headers => headers('x'));
    is_deeply([$r->{status}, $r->{header}{'x-verdict'}], [401, 'bad_signature'], "$what: bad signature");
}
is(request(method => 'GET', path => '/')->{status}, 401, 'GET without a signature: 401');
is(request(method => 'HEAD', path => '/')->{status}, 401, 'HEAD without a signature: 401');

for my $chunked (0, 1000) {
    for ([10_240, 200], [10_241, 413]) {
        my ($size, $status) = @$_;
        my $body = body($size);
        my $r = request(path => '/limit', body => $body, headers => headers($body), chunked => $chunked);
        is($r->{status}, $status, "client_max_body_size 10k, $size bytes, chunked $chunked: $status");
        is($r->{header}{'x-verdict'}, $status == 413 ? undef : 'verified', '... verdict');
    }
}
clear_records();

for my $path ('/', '/memory', '/file') {
    for my $chunked (0, 4096) {
        my $body = body(100_000);
        my $c = connection();
        send_bytes($c, substr request_bytes(path => $path, body => $body, headers => headers($body),
            chunked => $chunked), 0, 50_000);
        close $c->{socket};
    }
}
{
    my $c = connection();
    send_bytes($c, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nX-Webhook-Signature: "
        . sign(SECRET, '{}') . "\r\n\r\nzz\r\n");
    is(read_response($c)->{status}, 400, 'broken chunk: 400 of nginx');
}
my $body = body(300);
is(request(path => '/', body => $body, headers => headers($body))->{status}, 200,
    'serves on after clients abort');
is(scalar(records()), 1, 'aborted requests were not forwarded');
clear_records();

my $has_h2 = !defined lacks(curl => 'HTTP2');
my @ways = (
    ['h2c', 'http://127.0.0.1:' . port('h2') . '/', '--http2-prior-knowledge'],
    ['h2 over TLS', 'https://127.0.0.1:' . port('tls') . '/', '--http2', '-k'],
    ['HTTP/1.1 over TLS', 'https://127.0.0.1:' . port('tls') . '/', '--http1.1', '-k'],
);
for (@ways) {
    my ($what, $url, @options) = @$_;
    SKIP: {
        needs(module => 'http_v2_module') if $what =~ /h2/;
        needs(module => 'http_ssl_module') if $what =~ /TLS/;
        skip 'curl without HTTP/2', 1 if $what =~ /h2/ && !$has_h2;
        my @curl = ('curl', '-s', '-m', 30, '-o', '/dev/null', '-w',
            '%{http_version} %{http_code} %header{x-eid}', @options);
        my $version = $what =~ /h2/ ? 2 : '1.1';
        for my $size (300, 16384, 65535, 200_000, $big) {
            my $body = body($size);
            my $file = write_file('body.json', $body);
            for my $extra ([], ['-H', 'Content-Length:'], ['-H', 'Transfer-Encoding: chunked']) {
                next if @$extra && ($version eq '2') == ($extra->[1] =~ /chunked/);
                my (undef, $text) =
                    run(@curl, '-H', 'Content-Type: application/json', '--data-binary', "\@$file",
                    '-H', 'X-Webhook-Signature: ' . sign(SECRET, $body), @$extra, $url);
                is($text, "$version 200 17", "$what, $size bytes @$extra");
                is_deeply([map { $_->{sha256} } records()], [sha256_hex($body)],
                    "$what, $size bytes @$extra: same bytes");
                clear_records();
            }
            for (['wrong signature', '-H', 'X-Webhook-Signature: ' . sign('x', $body)], ['no signature']) {
                my ($how, @headers) = @$_;
                my $logged = () = error_log() =~ /no_signature|bad_signature/g;
                my (undef, $text) = run(@curl, '--data-binary', "\@$file", @headers, $url);
                # Core nginx resets an h2 stream whose body it did not read; curl may then
                # miss the answer (the same with "deny all" and no module).
                my $lost = @headers || $version ne '2' ? '' : '|^0 000';
                like($text, qr{^$version 401$lost}, "$what, $size bytes, $how: 401");
                is(scalar(() = error_log() =~ /no_signature|bad_signature/g), $logged + 1,
                    "$what, $size bytes, $how: logged");
                is(scalar(records()), 0, "$what, $size bytes, $how: nothing forwarded");
            }
        }
    }
}

ok(stop(), 'nginx stops in time');
unlike(error_log(), qr/\[(alert|crit|emerg)\]|open socket .* left/, 'nothing alarming in the log');

done_testing();
