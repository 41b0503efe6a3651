# Verifying a large body a second time does not block other requests.

use strict;
use warnings;
use IO::Select;
use Test::More;
use MspwhTest;

$MspwhTest::Workers = 1;
start_http(<<'CONF');
server {
    listen 127.0.0.1:%%PORT%%;
    mspwh on;
    mspwh_secret first;
    client_max_body_size 64m;

    location /memory {
        client_body_buffer_size 64m;
        try_files /none /other/x;
    }
    location /file {
        client_body_buffer_size 16k;
        try_files /none /other/x;
    }
    location /other/ { mspwh_secret other; proxy_pass http://%%A%%/; }
    location /small { mspwh off; return 204; }
}
CONF

my @workers = workers();
is(scalar(@workers), 1, 'one worker');

# Less under valgrind.
my $megabytes = ($ENV{MSPWH_SLOW} // 1) > 1 ? 4 : 48;
my $large = '{"EventType":"Ticket created","EntityId":1,"Details":"' . 'A' x ($megabytes << 20)
    . '","AdditionalFields":[]}';
my @signature = ('X-Webhook-Signature' => sign('first', $large));
my $small = request_bytes(method => 'GET', path => '/small');

# If this answer is ready before the small request's, that one had to wait.
sub answered {
    my $c = shift;
    return IO::Select->new($c->{socket})->can_read(0) ? 1 : 0;
}

for my $where (qw(memory file)) {
    my $one = connection();
    my $two = connection();
    send_bytes($two, $small);
    is(read_response($two)->{status}, 204, "$where: the other connection is open");

    send_bytes($one, request_bytes(path => "/$where", headers => [@signature], body => $large));
    send_bytes($two, $small);
    my $r = read_response($two);
    my $first = answered($one);
    is($r->{status}, 204, "$where: a small request at the same time");
    is($first, 0, "$where: answered while the large body is verified again");
    is(read_response($one)->{status}, 401, "$where: refused under the secrets of the second location");

    # the client leaves in the meantime
    my $gone = connection();
    send_bytes($gone, request_bytes(path => "/$where", headers => [@signature], body => $large));
    close $gone->{socket};
    send_bytes($two, $small);
    is(read_response($two)->{status}, 204, "$where: the worker goes on after a client has gone");
}

ok(stop(), 'nginx stops in time');
my @lines = error_log() =~ /bad_signature: .* body ${\ length $large} bytes/g;
is(scalar(@lines), 4, 'each body was verified whole, though nginx was told to quit');
unlike(error_log(), qr/\[(alert|crit|emerg)\]/, 'nothing alarming in the log');

done_testing();
