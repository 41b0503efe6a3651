# A body that could not be read, or that something else has taken: at an error_page's target, it is not an
# event, and an error of the server remains one. And what follows a body is not part of it.

use strict;
use warnings;
use IO::Socket::INET;
use POSIX ();
use Test::More;
use Http2 qw(:all);
use MspwhTest;

all_needs(reading => 1);

my $name = 'X-Webhook-Signature';

my ($http2, $reset) = map { listen_http2($_) } qw(h2 h2r);
start_http(<<"RESET" . "server { listen 127.0.0.1:%%PORT%%; $http2" . <<'CONF');
server {
    listen 127.0.0.1:%%PORT_reset%%; $reset
    mspwh_secret "%%SECRET%%";
    error_page 400 = /slow;
    location /slow { post_action /empty; proxy_pass http://%%A%%/wait/1; }
    location /empty { mspwh on; mspwh_malformed pass; proxy_pass http://%%B%%; }
}
RESET
    mspwh_secret "%%SECRET%%";
    client_body_temp_path %%DIR%%/bodies;
    client_body_buffer_size 1k;
    client_max_body_size 100k;
    location /same { mspwh on; error_page 400 413 500 = /shown; proxy_pass http://%%A%%; }
    location /shown { mspwh on; proxy_pass http://%%B%%; }
    location /others { mspwh on; error_page 400 413 500 = /their; proxy_pass http://%%A%%; }
    location /their { mspwh on; mspwh_secret other; mspwh_secret "%%SECRET%%"; proxy_pass http://%%B%%; }
    location /unchecked { error_page 400 413 = /shown; proxy_pass http://%%A%%; }
    location /watched { mspwh monitor; error_page 500 = /watch; proxy_pass http://%%A%%; }
    location /watch { mspwh monitor; proxy_pass http://%%B%%; }
    location /wait/ {
        error_page 400 504 = /empty;
        proxy_read_timeout 300ms; proxy_request_buffering off; proxy_http_version 1.1;
        proxy_pass http://%%A%%;
    }
    location /empty { mspwh on; mspwh_malformed pass; proxy_pass http://%%B%%; }
    error_page 400 501 = /empty;
    error_page 494 = /wanted/status/404;
    location /wanted/ { error_page 404 = /empty; proxy_intercept_errors on; proxy_pass http://%%A%%; }
    location /broken { error_page 502 = /empty; proxy_pass http://127.0.0.1:%%PORT_broken%%; }
    recursive_error_pages on;
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection upgrade;
    location /upgrade { mspwh on; proxy_pass http://127.0.0.1:%%PORT_upgrades%%; }
    location /asked {
        mspwh on;
        if ($http_upgrade = none) { return 403; }
        proxy_pass http://%%A%%;
    }
    location /elsewhere { mspwh on; error_page 401 = @page; proxy_pass http://%%B%%; }
    location @page { mspwh off; proxy_pass http://%%A%%; }
    location /upgraded { mspwh monitor; proxy_pass http://%%A%%; }
    location /asks { auth_request /allows; proxy_pass http://%%A%%; }
    location = /allows {
        mspwh monitor; proxy_pass http://%%B%%;
        proxy_pass_request_body off; proxy_set_header Content-Length '';
    }
}
server {
    listen 127.0.0.1:%%PORT_mirrored%%;
    mspwh_secret "%%SECRET%%";
    error_page 400 = /large;
    location /large { mirror /copy; root %%DIR%%; }
    location /copy { mspwh on; mspwh_malformed pass; proxy_pass http://%%B%%; }
}
CONF

# Answers the first request to this port.
sub serve {
    my ($port, $answer) = @_;
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => port($port), Listen => 8,
        ReuseAddr => 1) or die "$port: $!";
    my $pid = fork // die "fork: $!";
    return $pid if $pid;
    alarm 60;
    my ($s, $got) = (scalar $listen->accept, '');
    sysread $s, $got, 65536, length $got while $got !~ /\}\z|\AGET .*\r\n\r\n\z/s;
    $answer->($s, $got);
    POSIX::_exit(0);
}

sub end_server { waitpid $_[0], 0; $? = 0 }

my $n = 0;
sub event { return '{"eventType":"ticket.created","entityId":' . ++$n . ',"Details":"' . 'x' x $_[0] . '"}' }

for my $path (qw(/same /others /unchecked)) {
    my $body = event(10);
    my $c = connection();
    # a complete signed event, and something after it
    my $head = "POST $path HTTP/1.1\r\nHost: x\r\n$name: " . sign(SECRET, $body)
        . "\r\nTransfer-Encoding: chunked\r\n";
    send_bytes($c, sprintf "%s\r\n%x\r\n%s\r\n?\r\n", $head, length $body, $body);
    is(read_response($c)->{status}, 401, "$path: a chunk is broken: 401");
    for my $next ('?', sprintf "%x\r\n%s", 200_000, 'x' x 200_000) {
        $c = connection();
        send_bytes($c, sprintf "%s\r\n%x\r\n%s\r\n", $head, length $body, $body);
        select undef, undef, undef, 0.05;
        send_bytes($c, "$next\r\n");
        is(read_response($c)->{status}, 401, "$path: ... later, or all is too large: 401");
    }
    $body = event(200_000);
    is(request(path => $path, body => $body, chunked => 50_000,
        headers => [$name => sign(SECRET, $body)])->{status}, 401,
        "$path: it is too large: 401");
}

is(scalar(grep { $_->{backend} eq 'B' } records()), 0,
    'nothing has reached a backend by way of an error_page');

is(signed('/same', event(50_000))->{status}, 200, 'a body in a file');
clear_records();
rename dir() . '/bodies', dir() . '/hidden' or die "bodies: $!";
for my $path (qw(/same /others /watched)) {
    is(signed($path, event(50_000))->{status}, 500, "$path: it cannot be written to a file: 500");
    my $body = event(50_000);
    is(request(path => $path, body => $body, chunked => 10_000,
        headers => [$name => sign(SECRET, $body)])->{status}, 500,
        "$path: ... chunked");
    my $c = connection();
    send_bytes($c, request_bytes(path => $path,
        headers => [$name => sign(SECRET, $body), 'Content-Length' => length $body]));
    select undef, undef, undef, 0.05;
    send_bytes($c, $body);
    is(read_response($c)->{status}, 500, "$path: ... that comes later");
    is(signed($path, event(10))->{status}, 200, "$path: one in memory passes");
}
is(scalar(grep { $_->{backend} eq 'B' } records()), 0,
    'nothing has reached a backend by way of an error_page');
rename dir() . '/hidden', dir() . '/bodies' or die "bodies: $!";
is(signed('/same', event(50_000))->{status}, 200, 'a body in a file passes again');
clear_records();

# --- a body that is gone is not the empty one, whose signature may be known --------------------

my $empty = sign(SECRET, '');
for my $in_chunks (0, 1) {
    my $c = connection();
    my $bytes = request_bytes(path => '/wait/2', body => event(5000), headers => [$name => $empty],
        chunked => $in_chunks && 2000);
    send_bytes($c, substr $bytes, 0, 1000);
    select undef, undef, undef, 0.05;
    send_bytes($c, substr $bytes, 1000);
    is(read_response($c)->{status}, 401, 'a body that went to another upstream, unbuffered: 401')
        or diag $bytes;
}
my ($length, $chunked) = ("Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n");
for (['no Host', $length], ['a strange length', "Host: x\r\nContent-Length: 5x\r\n"],
    ['no Host, chunked', $chunked], ['an unknown coding', "Host: x\r\nTransfer-Encoding: gzip\r\n"],
    ['two lengths', "Host: x\r\nContent-Length: 0\r\n$chunked"],
    (map { ["a bad line, $_->[0]", "Host: x\r\n$_->[1]: x\r\n$length"] } ['in its name', "Bad\0"],
        ['no name', ''], ['a blank', ' x'], ['a NUL', "\0"], ['a DEL', "\x7f"]),
    ['a bad Host', "Host: a/b\r\n$length"], ['two Hosts', "Host: a\r\nHost: b\r\n$length"],
    ['too long a line', "Host: x\r\nX: " . 'x' x 40_000 . "\r\n$length"]) {
    my ($what, $lines) = @$_;
    my $c = connection();
    send_bytes($c, "POST /empty HTTP/1.1\r\n$name: $empty\r\n$lines\r\nhello");
    is(read_response($c)->{status}, 401, "a header that nginx rejects, $what: 401");
}
SKIP: {
    needs(module => 'http_v2_module');
    for (['no authority'], ['two authorities', ':authority', 'a', ':authority', 'b']) {
        my ($what, @more) = @$_;
        my $c = h2_connection('h2');
        send_bytes($c, frame(HEADERS, END_HEADERS, 1, fields(':method', 'POST', ':scheme', 'http',
            ':path', '/empty', lc $name, $empty, @more)) . frame(DATA, END_STREAM, 1, 'hello'));
        is(h2_wait($c, [1])->{1}{status}, 401, "HTTP/2, a header that nginx rejects, $what: 401");
    }
    my $c = h2_connection('h2');
    my ($stream, $frames) = h2_post($c, path => '/wait/2', body => event(5000), piece => 2000,
        headers => [lc $name, $empty]);
    send_bytes($c, $frames);
    is(h2_wait($c, [$stream])->{$stream}{status}, 401, 'HTTP/2, a body that went to another upstream: 401');
}
{
    write_file('large', 'x' x 20_000_000);
    my ($c, $seen) = (connection('mirrored'), length error_log());
    send_bytes($c, "POST / HTTP/1.1\r\n$name: $empty\r\nHost: x\r\nBad\0: x\r\n$length\r\nhello");
    ok(scalar(log_matches('the body is no longer there', $seen)),
        '... or by a mirror, while the answer waits');
}
SKIP: {
    needs(module => 'http_v2_module');
    my ($c, $seen) = (h2_connection('h2r'), length error_log());
    send_bytes($c, frame(HEADERS, END_HEADERS, 1, fields(':method', 'POST', ':scheme', 'http', ':path', '/',
        lc $name, $empty)) . frame(DATA, 0, 1, 'hello'));
    ok((wait_until { grep { $_->{uri} eq '/wait/1' } records() } 10), 'HTTP/2, a header that nginx rejects');
    send_bytes($c, frame(RST_STREAM, 0, 1, pack 'N', 8));
    ok(scalar(log_matches('the body is no longer there', $seen)), '... whose stream the client resets');
}
is(scalar(grep { $_->{backend} eq 'B' } records()), 0, '... and nothing reaches the backend');
ok(scalar(log_matches('the body is no longer there to be verified')), '... and the log says why');
is(request(path => '/empty', body => '', headers => [$name => $empty])->{status}, 200,
    'one that is empty is what was signed');
clear_records();
{
    # the answer is not read: the mirror is judged while it waits
    my @c = map { connection('mirrored') } 1020 .. 1030;
    for my $size (1020 .. 1030) {
        my $head = "GET /large HTTP/1.1\r\n$name: $empty\r\nHost: x\r\nX: ";
        send_bytes($c[$size - 1020], $head . 'x' x ($size - 4 - length $head) . "\r\n\r\n");
    }
    ok((wait_until { grep({ $_->{backend} eq 'B' } records()) == @c } 10),
        '... by a mirror, too, wherever its header begins another buffer');
    clear_records();
}
my $broken = serve('broken', sub { syswrite $_[0], "HTTP/1.1 200 OK\r\nBad\0: x\r\n\r\n" });
is(request(path => '/broken', method => 'GET', headers => [$name => $empty])->{status}, 200,
    '... also after an upstream whose header nginx rejects');
end_server($broken);
clear_records();

# --- after the body ----------------------------------------------------------------------------

{
    my $pid = serve('upgrades', sub {
        my ($s, $got) = @_;
        syswrite $s, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n";
        1 while sysread $s, $got, 65536, length $got;
        write_file('upgraded', $got);
    });
    my $body = event(10);
    my $c = connection();
    send_bytes($c, request_bytes(path => '/upgrade', body => $body,
        headers => [$name => sign(SECRET, $body), Upgrade => 'x', Connection => 'upgrade']) . 'UNSIGNED');
    read_response($c, timeout => 0.5);
    send_bytes($c, 'UNSIGNED');
    close $c->{socket};
    ok((wait_until { -s dir() . '/upgraded' } 10), 'an event, and more behind it');
    like(slurp(dir() . '/upgraded'), qr/\Q$body\E\z/, '... an upgraded connection has the event only');
    unlike(slurp(dir() . '/upgraded'), qr/^Upgrade:/m, '... and its backend is not asked to upgrade');
    end_server($pid);
}
clear_records();
for (['/asked', undef, 'x'], ['/asked', undef, 'x', 'y'], ['/upgraded', 'x', 'x'], ['/asks', 'x', 'x']) {
    my ($path, $asked, @upgrades) = @$_;
    my $body = event(10);
    is(request(path => $path, body => $body, headers => [$name => sign(SECRET, $body),
        map { (Upgrade => $_) } @upgrades])->{status}, 200, "$path with Upgrade: @upgrades");
    my ($at) = grep { $_->{backend} eq 'A' } records();
    is($at->{header}{upgrade}, $asked, $asked ? '... is passed on' : '... is not passed on');
    clear_records();
}
is(request(path => '/elsewhere', method => 'GET', headers => [Upgrade => 'x'])->{status}, 200,
    'a page without a check, for what is not an event');
is((records())[0]{header}{upgrade}, 'x', '... may be asked to upgrade');

done_testing();
