# A body that could not be read: at an error_page's target, it is not an event, and an error of the server
# remains one.

use strict;
use warnings;
use Test::More;
use MspwhTest;

all_needs(reading => 1);

my $name = 'X-Webhook-Signature';

start(<<'CONF');
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
CONF

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

done_testing();
