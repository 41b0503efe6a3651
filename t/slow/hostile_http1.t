# Hostile clients over HTTP/1: whatever they send, only signed bodies are passed on, byte for byte, and no
# memory or descriptor is leaked.

use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use Test::More;
use Time::HiRes qw(sleep time);
use MspwhHostile;
use MspwhTest;

$MspwhTest::Workers = 1;
$MspwhTest::Connections = 4096;
start_witness();
start_http(<<"CONF");
upstream witness { server 127.0.0.1:@{[witness_port()]}; keepalive 2; keepalive_timeout 300ms; }
access_log off;
# nginx may keep a connection that long after its client has left, as with "deny all"
keepalive_timeout 500ms;
mspwh on;
mspwh_secret "%%SECRET%%";
proxy_http_version 1.1;
proxy_set_header Connection "";
server {
    listen 127.0.0.1:%%PORT%% backlog=4096;
    location / { proxy_pass http://witness; }
    location /pass { mspwh_malformed pass; proxy_pass http://witness; }
    location /short/ { client_body_timeout 1s; proxy_pass http://witness; }
}
server {
    listen 127.0.0.1:%%PORT_open%%;
    underscores_in_headers on;
    ignore_invalid_headers off;
    location / { proxy_pass http://witness; }
}
server {
    listen 127.0.0.1:%%PORT_hasty%%;
    client_header_timeout 1s;
    client_body_timeout 1s;
    location / { proxy_pass http://witness; }
}
CONF

my $name = 'X-Webhook-Signature';
my $event = '{"eventType":"ticket.created","entityId":17,"Details":"' . 'x' x 60 . '"}';
my $good = sign(SECRET, $event);
my @workers = workers();
my $seed = time ^ $$;
srand $seed;
note "seed $seed";

sub head { join "\r\n", "POST $_[0] HTTP/1.1", 'Host: localhost', @_[1 .. $#_], '', '' }
sub whole { head('/', "$name: $good", 'Content-Length: ' . length $event) . $event }
sub seen { [map { $_->{hash} } witnessed()] }

# --- where a body ends: two readers must not read two bodies

{
    my $inner = head('/smuggled', 'Content-Length: 2') . '{}';
    my $text = chunks($event) . $inner;
    my $long = length $text;
    my $short = 4;
    # the lines, the correct reading ("" if there is none), and where Content-Length ends
    my @variants = (
        [['Transfer-Encoding: chunked'], 'te'],
        [['TRANSFER-encoding: CHUNKED'], 'te'],
        [['transfer-encoding:chunked  '], 'te'],
        map({ my $n = $_; (
            [["Content-Length: $n"], 'cl', $n],
            [["CONTENT-length:$n "], 'cl', $n],
            [["Content-Length: $n", 'Transfer-Encoding: chunked'], '', $n],
            [['Transfer-Encoding: chunked', "Content-Length: $n"], '', $n],
            [["Content-Length: $n", "Content-Length: $n", 'Transfer-Encoding: chunked'], '', $n],
            [["content-LENGTH: $n", 'tRANSFER-eNCODING: cHUNKED'], '', $n],
            [["Content-Length: $n", "A: b\nTransfer-Encoding: chunked"], '', $n],
            [["Content-Length: $n", "A: b\rTransfer-Encoding: chunked"], '', $n],
            [["Content-Length: $n", 'Transfer-Encoding : chunked'], '', $n],
            [["Content-Length: $n", ' Transfer-Encoding: chunked'], '', $n],
            [["Content-Length: $n", 'A: b', "\tTransfer-Encoding: chunked"], '', $n],
            [["Content-Length: $n", "Transfer-Encoding:\r\n chunked"], '', $n],
            [["Content-Length: $n", "Transfer-Encoding\r\n : chunked"], '', $n],
            [["Content-Length: $n", "Transfer-Encoding: chunked\0"], '', $n],
            [["Content-Length: $n", "Transfer\0-Encoding: chunked"], '', $n],
            [["Content-Length: $n", 'Transfer-Encoding: xchunked'], '', $n],
            [["Content-Length: $n", "Transfer-Encoding: \x0bchunked"], '', $n],
            [["Content-Length: $n", 'Transfer-Encoding: chunked, identity'], '', $n],
            [["Content-Length: $n", 'Transfer-Encoding: identity, chunked'], '', $n],
            [["Content-Length: $n", 'Transfer-Encoding: identity'], '', $n],
            [["Content-Length: $n", 'Transfer-Encoding:'], '', $n],
            [["Content-Length: $n", 'Transfer_Encoding: chunked'], 'cl', $n],
            [["Content-Length: $n", "Transfer-Enc\xf6ding: chunked"], 'cl', $n],
            [["Content-Length: $n", "Content-Length: $n"], '', $n],
            [["Content-Length: $n", 'Content-Length: ' . ($n + 1)], '', $n],
            [["Content-Length: $n, $n"], '', $n],
            [["Content-Length: +$n"], '', $n],
            [["Content-Length: -$n"], '', $n],
            [["Content-Length: ${n}x"], '', $n],
            [["Content-Length: 0x$n"], '', $n],
            [["Content-Length: $n.0"], '', $n],
            [["Content-Length: $n\0"], '', $n],
            [["Content-Length : $n"], '', $n],
            [["Content-Length:\r\n $n"], '', $n],
            [["Content_Length: $n"], 'none', $n],
        ) } $long, $short),
        [['Content-Length: 18446744073709551620'], '', $short],
        [['Content-Length: 9223372036854775812'], '', $short],
        [['Content-Length:'], '', $short],
        [['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], ''],
        [['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'], ''],
        [['Transfer-Encoding: gzip, chunked'], ''],
        [['Transfer-Encoding: "chunked"'], ''],
        [["Transfer-Encoding: chunked\x0c"], ''],
    );
    for (@variants) {
        my ($lines, $right, $n) = @$_;
        my %view = (te => $event, cl => substr($text, 0, $n // $long), none => '');
        for my $view (sort keys %view) {
            my $what = join(' | ', map { s/([^ -~])/sprintf '\x%02x', ord $1/ger } @$lines)
                . ", signed as $view";
            my @got = exchange(head('/pass', "$name: " . sign(SECRET, $view{$view}), @$lines) . $text);
            my $first = shift @got // 0;
            my ($expected, $reached) = $view eq $right ? (qr/^200$/, [sha256_hex($view{$view})])
                : $right ? (qr/^401$/, []) : (qr/^(?:400|501)$/, []);
            like($first, $expected, "$what: $first");
            is_deeply(seen(), $reached, "$what: upstream");
            is(scalar(grep { $_ < 400 } @got), 0, "$what: then nothing passes (@got)");
            alive_as($what, @workers) if @{ seen() };
        }
    }
    like((exchange("POST /pass HTTP/1.0\r\n$name: $good\r\nTransfer-Encoding: chunked\r\n\r\n$text"))[0],
        qr/^(?:400|501)$/,
        'chunked in HTTP/1.0 is refused');
    like((exchange("POST /pass\r\n$name: $good\r\n\r\n$event"))[0] // 0, qr/^(?:0|400)$/,
        'HTTP/0.9 cannot POST');
    alive_as('framing', @workers);
}

# --- chunks

{
    my $size = sprintf '%x', length $event;
    my $big = sprintf '%X', length $event;
    my $e = $event;
    # the bytes sent, and the body that they may be taken for
    my @chunked = (
        ['an extension', "$size;a=b\r\n$e\r\n0\r\n\r\n", $e],
        ['a quoted extension', "$size;a=\"0;\\\"\"\r\n$e\r\n0;b\r\n\r\n", $e],
        ['an extension of 8 KB', "$size;a=" . 'b' x 8192 . "\r\n$e\r\n0\r\n\r\n", $e],
        ['an extension after a blank', "$size ; a\r\n$e\r\n0\r\n\r\n", $e],
        ['extensions on each byte',
            join('', map { "1;$_=\"1\r\"\r\n" =~ s/\r"/"/r . "$_\r\n" } split //, $e) . "0\r\n\r\n", $e],
        ['capital digits', "$big\r\n$e\r\n0\r\n\r\n", $e],
        ['zeros in front', "00000$size\r\n$e\r\n000\r\n\r\n", $e],
        ['trailers', "$size\r\n$e\r\n0\r\nA: b\r\nContent-Length: 3\r\n\r\n", $e],
        ['line feeds only', "$size\n$e\n0\n\n", $e],
        ['a line feed after an extension', "$size;a\n$e\r\n0\r\n\r\n", $e],
        ['no last chunk in time', "$size\r\n$e\r\n"],
        ['0x', "0x$size\r\n$e\r\n0\r\n\r\n"],
        ['a plus', "+$size\r\n$e\r\n0\r\n\r\n"],
        ['a minus', "-$size\r\n$e\r\n0\r\n\r\n"],
        ['a blank in front', " $size\r\n$e\r\n0\r\n\r\n"],
        ['no size', "\r\n$e\r\n0\r\n\r\n"],
        ['no digit', "g\r\n$e\r\n0\r\n\r\n"],
        ['a digit too many', "${size}g\r\n$e\r\n0\r\n\r\n"],
        ['a NUL', "$size\0\r\n$e\r\n0\r\n\r\n"],
        ['a size that is too small', "5\r\n$e\r\n0\r\n\r\n"],
        ['no line end after the data', "$size\r\n${e}0\r\n\r\n"],
        ['a carriage return only', "$size\r$e\r\n0\r\n\r\n"],
        ['2**64 and more', "10000000000000000$size\r\n$e\r\n0\r\n\r\n"],
        ['2**64 - 1', "ffffffffffffffff\r\n$e\r\n0\r\n\r\n"],
        ['2**63', "8000000000000000\r\n$e\r\n0\r\n\r\n"],
        ['2**63 - 1', "7fffffffffffffff\r\n$e\r\n0\r\n\r\n"],
        ['1 GB', "40000000\r\n$e\r\n0\r\n\r\n"],
    );
    for (@chunked) {
        my ($what, $bytes, $body) = @$_;
        my ($status) = exchange(head('/short/', "$name: $good", 'Transfer-Encoding: chunked') . $bytes);
        my $seen = seen();
        if (defined $body and ($status // 0) == 200) {
            is_deeply($seen, [sha256_hex($body)], "$what in chunks: 200, the signed bytes");
        }
        else {
            like($status // 0, defined $body ? qr/^400$/ : qr/^(?:0|400|408|413)$/,
                "$what in chunks is refused");
            is_deeply($seen, [], '... and has not gone on');
        }
        forget_witnessed();
        next if !defined $body;
        ($status) = exchange(head('/short/', "$name: " . sign(SECRET, $bytes), 'Transfer-Encoding: chunked')
            . $bytes);
        like($status // 0, qr/^40[01]$/, "$what in chunks, signed as sent: $status");
    }
    my @plain = exchange(head('/', "$name: $good", 'Transfer-Encoding: chunked')
        . "$size;a=b\r\n$e\r\n0\r\nA: b\r\n\r\n");
    is($plain[0], 200, 'chunk extensions are no reason to refuse an event');
    forget_witnessed();
    my ($status) = exchange(head('/', 'Transfer-Encoding: chunked', "Trailer: $name")
        . "$size\r\n$e\r\n0\r\n$name: $good\r\n\r\n");
    is($status, 401, 'a signature in the trailer is none');
    ($status) = exchange(head('/', "$name: " . sign('x', $e), 'Transfer-Encoding: chunked')
        . "$size\r\n$e\r\n0\r\n$name: $good\r\n\r\n");
    is($status, 401, '... nor does it better the one in the head');
    alive_as('chunks', @workers);
}

# --- the signature header

{
    my ($bad, $half) = (sign('x', $event), substr $good, 0, 20);
    my $rest = substr $good, 20;
    (my $under = $name) =~ tr/-/_/;
    my @heads = (
        [200, "x-webHOOK-sIGNATURE: $good"],
        [200, "$name:$good"],
        [200, "$name:    $good    "],
        [200, "$name: \t$good"],
        [200, "$name:\t $good \t"],
        [401, "$name: $good", "$name: $good"],
        [401, "$name: $bad", "$name: $good"],
        [401, "$name: $good", "\L$name\E: $bad"],
        [401, "$name: $good", "$name:"],
        [401, "$name: $half$rest$rest"],
        [401, "$name: $good, $good"],
        [401, "$name: $half\xe9" . substr $rest, 1],
        [401, "$name: $half\x01" . substr $rest, 1],
        [401, "$name: \xa0$good"],
        [400, "$name: $half", " $rest"],
        [400, "$name: $half", "\t$rest"],
        [400, "$name:", " $good"],
        [400, "$name: $good\0"],
        [400, "$name: \0$good"],
        [400, "$name\0: $good"],
        [400, "$name : $good"],
        [400, "$name\t: $good"],
        [400, " $name: $good"],
        [400, "$name: $half\r$rest"],
        [401, ": $good"],
        [401, "$name-: $good"],
        [401, "X-Webhook-Signatur\xc3\xa9: $good"],
        [401, "X_Webhook_Signature: $good"],
        [401, "HTTP_$under: $good"],
        [200, "$under: $bad", "$name: $good"],
        [401, "$under: $good", "$name: $bad"],
        [401, "$name: $bad", "X-Webhook-Signature\xff: $good"],
    );
    for my $port ('main', 'open') {
        for (@heads) {
            my ($expected, @lines) = @$_;
            my $what = join(' | ', map { s/([^ -~])/sprintf '\x%02x', ord $1/ger =~ s/\Q$good/GOOD/gr
                =~ s/\Q$bad/BAD/gr } @lines);
            my ($status) = exchange(head('/', @lines, 'Content-Length: ' . length $event) . $event, $port);
            # nginx may reject a field without a name
            like($status // 0, $expected == 401 ? qr/^40[01]$/ : qr/^$expected$/,
                "$port: $what: " . ($status // 'closed'));
            is_deeply(seen(), $expected == 200 ? [sha256_hex($event)] : [], '... upstream');
            forget_witnessed();
        }
    }
    my ($status) = exchange(head('/', "$name: $good", map({ "B$_: " . 'c' x 50 } 1 .. 200), "$name: $good",
        'Content-Length: ' . length $event) . $event);
    like($status // 0, qr/^40[01]$/, 'the second of two signatures is found behind 200 headers');
    alive_as('signature header', @workers);
}

# --- bodies

{
    my $all = join '', map { chr } 0 .. 255;
    my $mark = "\xef\xbb\xbf";
    for ($all, "\0", "\0" x 5000, "\xff" x 5000, "$mark$mark$event", "$event\0", "$event$event", "\xc0\x80",
        'x', ' ', "\r\n\r\n", whole()) {
        for my $chunked (0, 1, 37) {
            my %o = (body => $_, chunked => $chunked, headers => [$name => sign(SECRET, $_)]);
            my $what = substr(s/([^ -~])/sprintf '\x%02x', ord $1/ger, 0, 30) . ", chunks of $chunked";
            is(request(path => '/', %o)->{status}, 400, "$what: signed, but no event");
            is_deeply(seen(), [], '... does not go on');
            is(request(path => '/pass', %o)->{status}, 200, '... unless that is asked for');
            is_deeply(seen(), [sha256_hex($_)], '... then byte for byte');
            forget_witnessed();
        }
    }

    my $type = '"eventType":"ticket.created","entityId":17';
    my $members = sub { join ',', map { sprintf $_[0], $_ } 1 .. $_[1] };
    # the status, and the body
    my @large = (
        [200, 'nesting as deep as it may be', "{$type,\"a\":" . '[' x 255 . ']' x 255 . '}'],
        [400, 'nesting one deeper', "{$type,\"a\":" . '[' x 256 . ']' x 256 . '}'],
        [400, 'a million arrays', "{$type,\"a\":" . '[' x 1_000_000 . ']' x 1_000_000 . '}'],
        [400, 'a million open arrays', '[' x 1_000_000],
        [400, 'objects without end', '{"a":' x 200_000],
        [200, 'objects as deep as they may be', '{"a":' x 255 . "{$type}" . '}' x 255],
        [400, 'objects one deeper', '{"a":' x 256 . "{$type}" . '}' x 256],
        [200, 'one name 100,000 times', "{$type," . $members->('"a":"%d"', 100_000) . '}'],
        [400, 'an id 5,000 times',
            '{"eventType":"ticket.created",' . $members->('"entityId":%d', 5_000) . '}'],
        [200, 'the same id 1,000 times',
            '{"eventType":"ticket.created",' . join(',', ('"entityId":17') x 1_000) . '}'],
        [200, 'the type 1,000 times', "{$type," . join(',', ('"eventType":"ticket.created"') x 1_000) . '}'],
        [400, 'two types in turn', "{$type,"
            . join(',', ('"eventType":"ticket.created"', '"eventType":"ticket.updated"') x 500) . '}'],
        [200, 'members of 10 MB',
            "{$type," . $members->('"member%07d":"' . 'v' x 90 . '"', 100_000) . '}'],
        [200, '200,000 objects', "{$type," . $members->('"o%d":{}', 200_000) . '}'],
        [200, 'empty names', "{$type," . join(',', ('"":{}') x 100_000) . '}'],
        [200, 'an array of 5 MB', "{$type,\"a\":[" . join(',', ('[{},"x",1e9]') x 400_000) . ']}'],
        [200, 'a string of 20 MB', "{$type,\"Details\":\"" . 'x' x 20_000_000 . '"}'],
        [200, 'escapes for 6 MB', "{$type,\"Details\":\"" . '\u0041' x 1_000_000 . '"}'],
        [200, 'a name of 5 MB', "{$type,\"" . 'n' x 5_000_000 . '":1}'],
        [200, 'a thousand names of 4 KB',
            "{$type," . $members->('"%01000d' . 'n' x 3000 . '":1', 1000) . '}'],
        [200, 'a number of 1 MB', "{$type,\"n\":" . '9' x 1_000_000 . '}'],
        [400, 'an id of 1 MB', '{"eventType":"ticket.created","entityId":' . '9' x 1_000_000 . '}'],
        [400, 'an id of 129 digits', '{"eventType":"ticket.created","entityId":' . '9' x 129 . '}'],
        [200, 'an id of 128 digits', '{"eventType":"ticket.created","entityId":' . '9' x 128 . '}'],
        [400, 'an id with an exponent', '{"eventType":"ticket.created","entityId":1e999999999}'],
        [200, 'exponents', "{$type,\"n\":[1e999999999,-1E-999999999,0.0e+0]}"],
        [200, 'fractions', "{$type,\"n\":0." . '0' x 5000 . '1}'],
        [400, 'white space and nothing else', ' ' x 5_000_000],
        [200, 'white space around each token', join("\r\n\t " x 20_000, '{', '"eventType"', ':',
            '"ticket.created"', ',', '"entityId"', ':', 1, '}')],
    );
    for (@large) {
        my ($expected, $what, $body) = @$_;
        my $began = worker_seconds();
        is(signed('/', $body)->{status}, $expected, "$what: $expected");
        cmp_ok(worker_seconds() - $began, '<', 3, '... in time');
        is_deeply(seen(), $expected == 200 ? [sha256_hex($body)] : [], '... upstream');
        forget_witnessed();
        is(post('/', $body, $name => $good)->{status}, 401, '... not signed: 401');
    }
    flat('bodies', 1, 2, sub { signed('/', $_->[2]) for @large });
    alive_as('bodies', @workers);
}

# --- what follows a signed request on the same connection

{
    my @junk = (
        'x', "\0" x 1000, "\xff" x 70_000, "\r\n" x 1000, 'A' x 70_000, '}' . $event,
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\n",
        "GET /\r\n", "POST / HTTP/1.1\r\n\r\n", "POST / HTTP/9.9\r\nHost: x\r\n\r\n",
            head('/', 'Content-Length: 2') . '{}',
        head('/', "$name: " . sign('x', $event), 'Content-Length: ' . length $event) . $event,
        head('/', "$name: $good", 'Content-Length: 2') . '{}',
        head('/', "$name: $good", 'Transfer-Encoding: chunked') . chunks('{}'),
        join('', map { chr rand 256 } 1 .. 20_000),
    );
    for my $n (0 .. $#junk) {
        my ($first, @others) = exchange(whole() . $junk[$n]);
        is($first, 200, "junk $n after a signed request: that one passes");
        is(scalar(grep { $_ < 400 } @others), 0, "... nothing else does (@others)");
        is_deeply(seen(), [sha256_hex($event)], '... upstream');
        forget_witnessed();
    }
    flat('junk', 1, 3, sub { exchange(whole() . $_) for @junk });
    alive_as('junk', @workers);
}

# --- forged, one after the other

{
    my $forged = whole() =~ s/\Q$good/sign('x', $event)/er;
    my $refused = 0;
    flat('forged', 2, 2, sub {
        for (1 .. 10) {
            my $c = connection();
            for (1 .. 10) {
                send_bytes($c, $forged x 50);
                $refused += grep { read_response($c)->{status} == 401 } 1 .. 50;
            }
        }
    });
    is($refused, 20_000, "$refused forged events on 40 connections are refused");
    is_deeply(seen(), [], '... upstream has seen none');
    alive_as('forged', @workers);
}

# --- requests with random changes: what goes on has been signed, whatever it was

{
    my @seeds = (whole(),
        head('/pass', "$name: $good", 'Transfer-Encoding: chunked') . chunks($event =~ /(.{1,20})/gs),
        head('/pass', "$name: $good", 'Content-Length: ' . length $event, 'Transfer-Encoding: chunked')
            . $event);
    my @bits = ("\r\n", "\n", "\r", "\0", ' ', "\t", ':', ';', ',', '0', '5', "\x0b", "\xff", "0\r\n\r\n",
        "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "$name: $good\r\n", 'chunked', whole());
    for (1 .. 40) {
        my @c = map {
            my $bytes = $seeds[rand @seeds];
            for (0 .. rand 3) {
                substr $bytes, int rand(rand() < 0.7 ? index $bytes, "\r\n\r\n" : length $bytes), int rand 4,
                    $bits[rand @bits];
            }
            my $c = connection();
            send_bytes($c, $bytes);
            $c;
        } 1 .. 50;
        sleep 0.03;
        hang_up($_) for @c;
    }
    my $passed = @{ seen() };
    cmp_ok($passed, '>', 20,
        "2,000 requests with random changes: $passed that still were right have gone on");
    my %hash = map { $_ => 1 } @{ seen() };
    is_deeply([keys %hash], [sha256_hex($event)], '... all with the one body that is signed');
    alive_as('random changes', @workers);
}

# --- slow, and broken off

{
    my ($n, $rounds) = (60, 0);
    my @turn = map {
        my $body = substr($event, 0, -2) . $_ % 10 . '"}';
        my $sign = sign($_ % 3 ? SECRET : 'x', $body);
        my $bytes = request_bytes(path => '/', body => $body, headers => [$name => $sign],
            chunked => $_ % 2 * 9);
        { c => connection(), bytes => $bytes, expected => $_ % 3 ? 200 : 401 };
    } 1 .. $n;
    while (my @left = grep { length $_->{bytes} } @turn) {
        send_bytes($_->{c}, substr $_->{bytes}, 0, 1, '') for @left;
        $rounds++;
    }
    is_deeply([map { read_response($_->{c})->{status} } @turn], [map { $_->{expected} } @turn],
        "$n requests side by side, byte by byte in $rounds turns");
    is(scalar @{ seen() }, 40, '... upstream');
    alive_as('slow', @workers);

    my %stall = (header => "POST / HTTP/1.1\r\nHost: x\r\n$name: $good\r\n", body => substr(whole(), 0, -1));
    for my $where (sort keys %stall) {
        my $began = time;
        my @c = map { my $c = connection('hasty'); send_bytes($c, $stall{$where}); $c } 1 .. 50;
        my @status = map { read_response($_, timeout => 5)->{status} } @c;
        is(scalar(grep { $_ and $_ != 408 } @status), 0, "a stalled $where is not answered, or 408");
        cmp_ok(time - $began, '<', 5, '... and the connection closed after client_' . $where . '_timeout');
    }
    is_deeply(seen(), [], '... upstream has seen nothing of them');

    my $large = request_bytes(path => '/',
        body => '{"eventType":"ticket.created","entityId":1,"Details":"' . 'x' x 60_000 . '"}',
        headers => [$name => $good], chunked => 7000);
    my $aborted = 0;
    flat('broken off', 2, 3, sub {
        for (1 .. 700) {
            my $bytes = $_ % 4 ? whole() : $large;
            my $c = connection();
            send_bytes($c, substr $bytes, 0, 1 + int rand length $bytes);
            $_ % 2 ? hang_up($c) : reset_connection($c);
            $aborted++;
        }
    });
    is($aborted, 3500, "$aborted requests broken off");
    alive_as('broken off', @workers);
}

# --- 2,000 connections held open

# Each process has 400, so that none exceeds its limit of open files.
sub hold {
    my ($held, $let_go) = @_;
    my $whole = whole();
    my $cut = index($whole, "\r\n\r\n") + 20;
    my @c = map { my $c = connection(); send_bytes($c, substr $whole, 0, $_ % 2 ? $cut : 30); $c } 0 .. 399;
    syswrite $held, 'x';
    sysread $let_go, my $byte, 1;
    my @finished = @c[grep { $_ % 2 } 0 .. 399];
    hang_up($c[$_]) for grep { !($_ % 2) } 0 .. 399;
    my $right = 0;
    for (@finished) {
        send_bytes($_, substr $whole, $cut);
        $right++ if read_response($_)->{status} == 200;
    }
    return $right;
}

SKIP: {
    my ($hard) = (run('sh', '-c', 'ulimit -Hn'))[1] =~ /(\d+|unlimited)/;
    skip "no more than $hard files may be open", 1 if $hard ne 'unlimited'
        and $hard < 2 * $MspwhTest::Connections;
    flat('held open', 2, 1, sub {
        pipe my $count, my $held or die;
        pipe my $let_go, my $go or die;
        my @pids = map {
            my $pid = fork // die "fork: $!";
            if (!$pid) {
                close $go;
                my $right = eval { hold($held, $let_go) } // 0;
                POSIX::_exit($right == 200 ? 0 : 1);
            }
            $pid;
        } 1 .. 5;
        close $held;
        my $ready = '';
        while (length $ready < 5) { sysread $count, $ready, 5, length $ready or last }
        is(length $ready, 5, '2,000 connections are open, half of them with part of a body');
        my $until = time + 5;
        sleep 0.05 while usage()->{files} < 2000 and time < $until;
        cmp_ok(usage()->{files}, '>', 2000, '... as the worker sees it, too');
        my @took = map {
            my $at = time;
            signed('/', $event)->{status} == 200 ? time - $at : 99;
        } 1 .. 20;
        my ($worst) = sort { $b <=> $a } @took;
        cmp_ok($worst, '<', 1, sprintf '... a signed event is answered in %.3f s at most', $worst);
        is(post('/', $event, $name => sign('x', $event))->{status}, 401, '... a forged one is refused');
        close $go;
        my @failed = grep { waitpid $_, 0; $? } @pids;
        $? = 0;
        is(scalar @failed, 0, '... the 1,000 bodies that were under way are verified to their end');
    });
    alive_as('held open', @workers);
}

ok(stop(), 'nginx stops in time');
unlike(error_log(), qr/\[(?:alert|crit|emerg)\]|exited on signal|open socket .* left/,
    'nothing alarming in the log');

done_testing();
