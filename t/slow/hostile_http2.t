# Hostile clients over HTTP/2, frame by frame: whatever they send, only signed bodies are passed on, byte for
# byte, and no memory or descriptor is leaked.

use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use Test::More;
use Time::HiRes qw(sleep time);
use Http2 qw(:all);
use MspwhHostile;
use MspwhTest;

all_needs(module => 'http_v2_module');
$MspwhTest::Workers = 1;
$MspwhTest::Connections = 1024;
start_witness();
start_http(<<"CONF");
upstream witness { server 127.0.0.1:@{[witness_port()]}; keepalive 2; keepalive_timeout 300ms; }
access_log off;
limit_req_zone \$server_port zone=late:32k rate=40r/m;
keepalive_timeout 500ms;
mspwh on;
mspwh_secret "%%SECRET%%";
proxy_http_version 1.1;
proxy_set_header Connection "";
server { listen 127.0.0.1:%%PORT%%; location / { proxy_pass http://witness; } }
server {
    @{[listen_http2('h2', 'backlog=1024')]}
    location / { proxy_pass http://witness; }
    location /late { limit_req zone=late burst=5; proxy_pass http://witness; }
    location /pass { mspwh_malformed pass; proxy_pass http://witness; }
}
server {
    @{[listen_http2('hasty')]}
    client_header_timeout 1s;
    client_body_timeout 1s;
    send_timeout 1s;
    location / { proxy_pass http://witness; }
}
CONF

my $name = 'x-webhook-signature';
my $event = '{"eventType":"ticket.created","entityId":17,"Details":"' . 'x' x 60 . '"}';
my $good = sign(SECRET, $event);
my $bad = sign('x', $event);
my @workers = workers();
my $seed = time ^ $$;
srand $seed;
note "seed $seed";

sub seen { [map { $_->{hash} } witnessed()] }
sub start_of {
    fields(':method', 'POST', ':scheme', 'http', ':path', $_[0] // '/', ':authority', 'localhost');
}

# Sends these frames on a connection of their own. Returns the status of stream 1, 0 if there is none, and
# how many others were answered 2xx.
sub outcome {
    my ($frames, $timeout) = @_;
    my $c = h2_connection('h2');
    h2_send($c, $frames);
    my $got = h2_wait($c, [1], timeout => $timeout);
    my @others = grep { $_ > 1 and $got->{$_}{status} =~ /^2/ } keys %$got;
    return ($got->{1}{status}, scalar @others, $got);
}

# Only a 200 may have reached the upstream, and only with that one body.
sub judge {
    my ($what, $expected, $frames, $body) = @_;
    # if no answer is also correct, there is no need to wait for one for long
    my ($status, $others) = outcome($frames, '0' =~ $expected ? 0.5 : 5);
    like($status, $expected, "$what: $status");
    is_deeply(seen(), [(sha256_hex($body // $event)) x ($status == 200)], '... upstream');
    is($others, 0, '... and nothing else has passed');
    forget_witnessed();
}

# Sends a body as the windows allow. Returns the status.
sub deliver {
    my ($body, $signature, $piece) = @_;
    my $c = h2_connection('h2');
    h2_send($c, frame(HEADERS, END_HEADERS, 1, start_of() . fields($name => $signature)));
    # the connection's window is large from the start
    my ($window, $at) = (65_535, 0);
    while ($at < length $body) {
        my $n = length substr $body, $at, $piece < $window ? $piece : $window;
        if ($n) {
            h2_send($c, frame(DATA, $at + $n == length $body ? END_STREAM : 0, 1, substr $body, $at, $n));
            $at += $n;
            $window -= $n;
            next;
        }
        my ($type, undef, $on, $payload) = h2_read($c, 3) or return 0;
        $window += unpack 'N', $payload if $type == WINDOW_UPDATE and $on == 1;
        return 0 if $type == RST_STREAM or $type == GOAWAY;
    }
    return h2_wait($c, [1])->{1}{status};
}

# --- the body's frames

{
    my @sign = (headers => [$name => $good]);
    my $head = start_of() . fields($name => $good);
    my $opened = frame(HEADERS, END_HEADERS, 1, $head);
    my $ended = frame(DATA, END_STREAM, 1);
    my $c = { stream => 1 };
    for my $piece (1, 7, 16384) {
        judge("pieces of $piece", qr/^200$/,
            (h2_post({ stream => 1 }, @sign, body => $event, piece => $piece))[1]);
        judge("pieces of $piece, forged", qr/^401$/,
            (h2_post({ stream => 1 }, headers => [$name => $bad], body => $event, piece => $piece))[1]);
    }
    my $padded = sub { frame(DATA, PADDED | $_[2], 1, chr($_[1]) . $_[0] . "}" x $_[1]) };
    judge('padding', qr/^200$/, $opened . $padded->($event, 200, END_STREAM));
    judge('padding on each byte', qr/^200$/,
        $opened . join('', map { $padded->($_, 9, 0) } split //, $event) . $ended);
    judge('empty frames between', qr/^200$/,
        $opened . join('', map { frame(DATA, 0, 1, $_) . frame(DATA, 0, 1) x 5 } split //, $event) . $ended);
    judge('only padding', qr/^401$/, $opened . $padded->('', 255, END_STREAM));
    judge('padding longer than the frame', qr/^(?:0|400)$/,
        $opened . frame(DATA, PADDED | END_STREAM, 1, "\xff$event"));
    judge('no body', qr/^401$/, frame(HEADERS, END_HEADERS | END_STREAM, 1, $head));
    judge('an empty body', qr/^401$/, $opened . $ended);
    judge('a body that is no event', qr/^400$/,
        (h2_post({ stream => 1 }, headers => [$name => sign(SECRET, "\0\xff")], body => "\0\xff"))[1]);
    judge('such a body where it may pass', qr/^200$/,
        (h2_post({ stream => 1 }, path => '/pass', headers => [$name => sign(SECRET, "\0\xff")],
            body => "\0\xff"))[1], "\0\xff");
    judge('more after the end', qr/^(?:0|200)$/,
        $opened . frame(DATA, END_STREAM, 1, $event) . frame(DATA, END_STREAM, 1, $event));
    judge('a body that never ends', qr/^0$/, $opened . frame(DATA, 0, 1, $event));

    my $length = length $event;
    for ($length - 1, $length + 1, 0, "+$length", "-$length", "0x$length", "$length, $length",
        '18446744073709551733', '') {
        my ($status) = outcome((h2_post({ stream => 1 }, headers => [$name => $good, 'content-length' => $_],
            body => $event))[1], 0.5);
        like($status, qr/^(?:0|4\d\d)$/, "Content-Length \"$_\" of $length: $status");
    }
    judge('the right Content-Length', qr/^200$/, (h2_post({ stream => 1 },
        headers => [$name => $good, 'content-length' => $length], body => $event))[1]);
    judge('Content-Length twice', qr/^(?:0|400)$/,
        (h2_post({ stream => 1 }, headers => [$name => $good, ('content-length' => $length) x 2],
            body => $event))[1]);
    for (['transfer-encoding', 'chunked'], ['connection', 'x-webhook-signature'], ['upgrade', 'h2c'],
        ['te', 'trailers'], ['te', 'chunked']) {
        judge("@$_", qr/^(?:0|200|40\d|501)$/,
            (h2_post({ stream => 1 }, headers => [$name => $good, @$_], body => $event))[1]);
        judge("@$_, in chunks", qr/^(?:0|4\d\d|501)$/,
            (h2_post({ stream => 1 }, headers => [$name => $good, @$_], body => chunks($event)))[1]);
    }
    alive_as('bodies', @workers);
}

# --- the signature header, and the block it comes in

{
    my $rest = substr $good, 1;
    my @heads = (
        [200, $name => $good],
        [401, $name => $good, $name => $good],
        [401, $name => $bad, $name => $good],
        [401, $name => $good, $name => ''],
        [401, $name => "$good, $good"],
        [200, $name => " $good"],
        [200, $name => "$good "],
        [401, $name => "\x01$rest"],
        [401, $name => "\xff$rest"],
        [400, $name => "$good\0"],
        [400, $name => "$good\n"],
        [400, $name => "$good\r\n$name: $good"],
        [401, 'x_webhook_signature' => $good],
        [401, 'x-webhook-signatur\xe9' => $good],
        [400, 'X-Webhook-Signature' => $good],
        [400, "$name " => $good],
        [400, " $name" => $good],
        [400, "$name\0" => $good],
        [400, ":$name" => $good],
        [400, "$name:" => $good],
        [400, '' => $good],
        [400, "a: b\r\n$name" => $good],
        [400, ':path' => '/', $name => $good],
        [400, $name => $good, ':path' => '/'],
    );
    for (@heads) {
        my ($expected, @fields) = @$_;
        my $what = join ' ',
            map { s/([^ -~])/sprintf '\x%02x', ord $1/ger =~ s/\Q$good/GOOD/gr =~ s/\Q$bad/BAD/gr } @fields;
        judge($what, $expected == 200 ? qr/^200$/ : qr/^(?:0|40[01])$/,
            (h2_post({ stream => 1 }, headers => \@fields, body => $event))[1]);
    }
    my $block = start_of() . fields($name => $good);
    my @bytes = split //, $block;
    my $data = frame(DATA, END_STREAM, 1, $event);
    judge('a block in pieces of a byte', qr/^200$/, frame(HEADERS, 0, 1, shift @bytes)
        . join('', map { frame(CONTINUATION, $_ == $#bytes ? END_HEADERS : 0, 1, $bytes[$_]) } 0 .. $#bytes)
            . $data);
    judge('a signature in the trailer', qr/^(?:0|40[01])$/,
        frame(HEADERS, END_HEADERS, 1, start_of()) . frame(DATA, 0, 1, $event)
        . frame(HEADERS, END_HEADERS | END_STREAM, 1, fields($name => $good)));
    judge('another one in the trailer', qr/^(?:0|40[01])$/,
        frame(HEADERS, END_HEADERS, 1, start_of() . fields($name => $bad))
        . frame(DATA, 0, 1, $event) . frame(HEADERS, END_HEADERS | END_STREAM, 1, fields($name => $good)));
    judge('a frame of another stream in the block', qr/^0$/,
        frame(HEADERS, 0, 1, $block) . frame(DATA, END_STREAM, 3, $event)
        . frame(CONTINUATION, END_HEADERS, 1) . $data);
    judge('a block that is cut', qr/^(?:0|400)$/,
        frame(HEADERS, END_HEADERS, 1, substr $block, 0, -3) . $data);
    judge('a block of 1 MB', qr/^(?:0|4\d\d)$/, frame(HEADERS, 0, 1, $block)
        . frame(CONTINUATION, 0, 1, fields('a', 'b' x 16000)) x 64 . frame(CONTINUATION, END_HEADERS, 1)
            . $data);
    alive_as('signature header', @workers);
}

# --- frames that should not be

{
    my $opened = frame(HEADERS, END_HEADERS, 1, start_of() . fields($name => $good));
    my $data = frame(DATA, END_STREAM, 1, $event);
    my %wrong = (
        'DATA on stream 0' => frame(DATA, END_STREAM, 0, $event),
        'DATA on an idle stream' => frame(DATA, END_STREAM, 7, $event),
        'HEADERS on an even stream' => frame(HEADERS, END_HEADERS, 2, start_of()),
        'HEADERS on stream 0' => frame(HEADERS, END_HEADERS, 0, start_of()),
        'PUSH_PROMISE' => frame(PUSH_PROMISE, END_HEADERS, 1, pack('N', 2) . start_of()),
        'CONTINUATION of nothing' => frame(CONTINUATION, END_HEADERS, 1, fields($name => $good)),
        'a window of 0 more' => window_update(1, 0),
        'a connection window of 0 more' => window_update(0, 0),
        'a window that overflows' => window_update(1, 0x7fffffff) x 2,
        'a connection window that overflows' => window_update(0, 0x7fffffff) x 2,
        'an initial window that overflows' => frame(SETTINGS, 0, 0, pack 'nN', INITIAL_WINDOW_SIZE,
            0x80000000),
        'SETTINGS of 5 bytes' => frame(SETTINGS, 0, 0, 'xxxxx'),
        'SETTINGS on a stream' => frame(SETTINGS, 0, 1),
        'PING of 7 bytes' => frame(PING, 0, 0, 'xxxxxxx'),
        'RST_STREAM of an idle stream' => frame(RST_STREAM, 0, 9, pack 'N', 8),
        'RST_STREAM of 3 bytes' => frame(RST_STREAM, 0, 1, 'xxx'),
        'a stream that depends on itself' => frame(PRIORITY, 0, 1, pack 'NC', 1, 1),
        'a frame of 16 MB' => "\xff\xff\xff\0\0\0\0\0\1",
        'an unknown frame' => frame(200, 255, 1, 'x' x 100),
        'GOAWAY' => frame(GOAWAY, 0, 0, pack 'NN', 0, 0),
        'HTTP/1' => "POST / HTTP/1.1\r\nHost: x\r\n\r\n",
        'zeros' => "\0" x 10_000,
    );
    for my $what (sort keys %wrong) {
        judge("$what in front", qr/^(?:0|200|40[01])$/, $wrong{$what} . $opened . $data);
        judge("$what between", qr/^(?:0|200|40[01])$/, $opened . $wrong{$what} . $data);
        judge("$what between, forged", qr/^(?:0|40[01])$/,
            frame(HEADERS, END_HEADERS, 1, start_of() . fields($name => $bad)) . $wrong{$what} . $data);
    }
    alive_as('wrong frames', @workers);
}

# --- many streams at once

{
    my $c = h2_connection('h2');
    my (@streams, @expected, @turns);
    for my $n (1 .. 100) {
        my $body = substr($event, 0, -2) . $n % 10 . '"}';
        my ($stream, $frames) =
            h2_post($c, headers => [$name => sign($n % 2 ? SECRET : 'x', $body)], body => $body, piece => 1);
        push @streams, $stream;
        push @expected, $n % 2 ? 200 : 401;
        my $head = 9 + hex unpack 'H6', $frames;
        push @turns, [substr($frames, 0, $head, ''), unpack '(a10)*', $frames];
    }
    while (my @left = grep { @$_ } @turns) {
        h2_send($c, join '', map { shift @$_ } @left);
    }
    my $got = h2_wait($c, \@streams);
    is_deeply([map { $got->{$_}{status} } @streams], \@expected,
        '100 streams with their bytes in turn: each its own verdict');
    is(scalar @{ seen() }, 50, '... upstream');
    alive_as('many streams', @workers);
}

# --- rapid reset

# Sends so many streams, each of which is reset as soon as it is sent, over as many connections as necessary.
sub rapid_reset {
    my ($streams, $kind) = @_;
    my ($connections, $sent) = (0, 0);
    while ($sent < $streams and $connections < 200) {
        my $c = h2_connection('h2');
        $connections++;
        for (1 .. 500) {
            my ($stream, $frames) = h2_post($c, headers => [$name => $kind eq 'forged' ? $bad : $good],
                body => $kind eq 'half' ? substr $event, 0, 30 : $event, open => $kind eq 'half');
            h2_send($c, $frames . frame(RST_STREAM, 0, $stream, pack 'N', 8)) or last;
            last if ++$sent == $streams;
            my ($type) = h2_read($c, 0);
            last if defined $type and $type == GOAWAY;
        }
        hang_up($c);
    }
    return ($sent, $connections);
}

for my $kind ('whole', 'half', 'forged') {
    my ($sent, $connections);
    flat("rapid reset, $kind", 2, 2, sub { ($sent, $connections) = rapid_reset(2000, $kind) });
    is($sent, 2000, "rapid reset, $kind: $sent streams, $connections connections");
    is(scalar(grep { $_ ne sha256_hex($event) } @{ seen() }), 0, '... nothing but whole bodies upstream');
    is(scalar @{ seen() }, 0, '... none at all') if $kind ne 'whole';
    alive_as("rapid reset, $kind", @workers);
}

# --- windows

{
    my $large = '{"eventType":"ticket.created","entityId":17,"Details":"' . 'x' x 300_000 . '"}';
    for my $piece (1000, 16384) {
        is(deliver($large, sign(SECRET, $large), $piece), 200,
            "300 KB in pieces of $piece, as the windows allow");
        is_deeply(seen(), [sha256_hex($large)], '... upstream');
        forget_witnessed();
        is(deliver($large, $good, $piece), 401, '... not signed: 401');
    }
    # a request that limit_req delays has a window of 64 KB before its body is read
    for (['60 KB', 200], ['300 KB', 0]) {
        my ($size, $expected) = @$_;
        my $body = $expected ? substr($large, 0, 60_000) . '"}' : $large;
        my $first = h2_connection('h2');
        h2_send($first, (h2_post($first, path => '/late'))[1]);
        h2_wait($first, [1]);
        forget_witnessed();
        my $c = h2_connection('h2');
        h2_send($c, (h2_post($c, path => '/late', headers => [$name => sign(SECRET, $body)],
            body => $body))[1]);
        my $got = h2_wait($c, [1]);
        is($got->{1}{status}, $expected, "$size before the body is read: " . ($expected || 'not answered'));
        ok($got->{1}{reset} || $got->{0}{goaway} || $got->{0}{closed}, '... but ended') if !$expected;
        is_deeply(seen(), [(sha256_hex($body)) x !!$expected], '... upstream');
    }

    # the answer's window: none, then one byte at a time
    my $held = 0;
    flat('answers that cannot be sent', 5, 4, sub {
        my @c = map {
            my $c = h2_connection('h2', INITIAL_WINDOW_SIZE, 0);
            h2_send($c, join '', map { (h2_post($c, path => '/big/30000', headers => [$name => $good],
                body => $event))[1] } 1 .. 60);
            $c;
        } 1 .. 5;
        $held = 0;
        for my $c (@c) {
            my $waiting = 60;
            while ($waiting and my ($type) = h2_read($c, 3)) {
                $waiting-- if $type == HEADERS;
            }
            $held += 60 - $waiting;
        }
        my $at = time;
        is(signed('/', $event)->{status}, 200, '300 streams wait for a window: a signed event passes');
        cmp_ok(time - $at, '<', 1, '... at once');
        $_ % 2 ? hang_up($c[$_]) : reset_connection($c[$_]) for 0 .. $#c;
    });
    is($held, 300, '... all had been answered but for the body');
    forget_witnessed();

    my $c = h2_connection('h2', INITIAL_WINDOW_SIZE, 1);
    my ($stream, $frames) = h2_post($c, path => '/big/500', headers => [$name => $good], body => $event);
    h2_send($c, $frames);
    my ($bytes, $status2) = (0, 0);
    while (my ($type, $flags, $on, $payload) = h2_read($c, 3)) {
        next if $type != DATA;
        $bytes += length $payload;
        last if $flags & END_STREAM;
        h2_send($c, window_update(1, 1));
    }
    is($bytes, 500, 'an answer of 500 bytes through a window of one byte');
    forget_witnessed();

    $c = h2_connection('hasty', INITIAL_WINDOW_SIZE, 0);
    h2_send($c, (h2_post($c, path => '/big/30000', headers => [$name => $good], body => $event))[1]);
    my $got = h2_wait($c, [1], starve => 1, timeout => 5);
    ok(defined $got->{1}{reset} || $got->{0}{closed}, 'who opens no window is dropped after send_timeout');
    forget_witnessed();

    my @c = map {
        my $c = h2_connection('hasty');
        h2_send($c, frame(HEADERS, END_HEADERS, 1, start_of() . fields($name => $good))
            . frame(DATA, 0, 1, substr $event, 0, -1));
        $c;
    } 1 .. 30;
    my $at = time;
    my @answers = map { h2_wait($_, [1], timeout => 5)->{1}{status} } @c;
    is(scalar(grep { $_ != 0 and $_ != 408 } @answers), 0, 'bodies that stop are not answered, or 408');
    cmp_ok(time - $at, '<', 5, '... after client_body_timeout');
    is_deeply(seen(), [], '... and do not go on');
    alive_as('windows', @workers);
}

# --- floods

{
    my $block = start_of() . fields($name => $good);
    my %flood = (
        'empty CONTINUATIONs' => frame(HEADERS, 0, 1, $block) . frame(CONTINUATION, 0, 1) x 2000,
        'CONTINUATIONs of a byte' => frame(HEADERS, 0, 1, $block)
            . join('', map { frame(CONTINUATION, 0, 1, $_) } split //, fields('a', 'b' x 2000)),
        'CONTINUATIONs of 1 KB' => frame(HEADERS, 0, 1, $block)
            . frame(CONTINUATION, 0, 1, fields('a', 'b' x 1000)) x 300,
        'SETTINGS' => frame(SETTINGS, 0, 0, pack 'nN', INITIAL_WINDOW_SIZE, 65535) x 2000,
        'PINGs' => frame(PING, 0, 0, '01234567') x 2000,
        'PRIORITYs' => join('', map { frame(PRIORITY, 0, 2 * $_ + 1, pack 'NC', 0, 1) } 1 .. 2000),
        'window updates' => window_update(0, 1) x 2000,
        'empty DATA' => frame(HEADERS, END_HEADERS, 1, $block) . frame(DATA, 0, 1) x 2000,
        'resets of one stream' => frame(HEADERS, END_HEADERS, 1, $block)
            . frame(RST_STREAM, 0, 1, pack 'N', 8) x 2000,
        'unknown frames' => frame(100, 0, 1, 'x' x 20) x 2000,
        'table size updates' => frame(HEADERS, END_HEADERS, 1, "\x20" x 2000 . $block),
    );
    flat('floods', 2, 3, sub {
        for my $flood (values %flood) {
            for (1 .. 5) {
                my $c = h2_connection('h2');
                h2_send($c, $flood);
                1 while defined((h2_read($c, 0.01))[0]);
                hang_up($c);
            }
        }
    });
    is_deeply(seen(), [], scalar(keys %flood) . ' kinds of floods: nothing upstream');
    alive_as('floods', @workers);
}

# --- broken off, and random changes

{
    my ($passed, %hash) = (0);
    flat('broken off', 2, 2, sub {
        for (1 .. 400) {
            my $c = h2_connection('h2');
            my $frames = join '', map { (h2_post($c, headers => [$name => $_ == 2 ? $bad : $good],
                body => $event, piece => 50))[1] } 1 .. 3;
            if ($_ % 4) {
                substr $frames, int rand length $frames, 1, chr rand 256 for 0 .. rand 3;
            }
            else {
                substr $frames, int rand length $frames, length $frames, '';
            }
            h2_send($c, $frames);
            h2_read($c, 0.002);
            $_ % 2 ? hang_up($c) : reset_connection($c);
        }
    });
    $hash{$_}++ for @{ seen() };
    cmp_ok($hash{ sha256_hex($event) } // 0, '>', 20,
        '1,600 connections with random changes: what still was right has gone on');
    is(scalar keys %hash, 1, '... and nothing else');
    alive_as('broken off', @workers);
}

ok(stop(), 'nginx stops in time');
unlike(error_log(), qr/\[(?:alert|crit|emerg)\]|exited on signal|open socket .* left/,
    'nothing alarming in the log');

done_testing();
