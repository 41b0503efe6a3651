# Deliveries that a store has not confirmed: while it is down they wait, the latest 10,000 of them.

use strict;
use warnings;
use JSON::PP qw(decode_json);
use MspwhEvents qw(event);
use MspwhStore;
use MspwhTest;
use Test::More;

use constant { MOST => 10_000, MORE => 100, AT_ONCE => 100 };

all_need_store();

$MspwhTest::Workers = 1;
port('store_main');
my $conf = <<'CONF';
upstream store { server 127.0.0.1:%%PORT_store_main%%; }
mspwh_dedup_zone zone=events:4m store=store;
mspwh_secret '%%SECRET%%';
keepalive_requests 20000;
server {
    listen 127.0.0.1:%%PORT%%;
    add_header X-Verdict $mspwh_verdict always;
    location / { mspwh on; mspwh_dedup zone=events; proxy_pass http://127.0.0.1:%%PORT%%/done; }
    location = /done { return 204; }
    location = /status { mspwh_status json; }
}
CONF
start_http($conf);

my @bodies = map { event('Ticket created', $_) } 1 .. MOST + MORE;
sub store { return decode_json(request(method => 'GET', path => '/status')->{body})->{store} }
sub verdict { return signed('/', $bodies[$_[0]])->{header}{'x-verdict'} }

ok((wait_until { error_log() =~ /"store" is lost/ } 10), 'a store is down');

my ($c, $delivered) = (connection(), 0);
for (my $i = 0; $i < @bodies; $i += AT_ONCE) {
    send_bytes($c, join '', map { request_bytes(path => '/', body => $_,
        headers => ['X-Webhook-Signature' => sign(SECRET, $_)]) } @bodies[$i .. $i + AT_ONCE - 1]);
    for (1 .. AT_ONCE) {
        my $status = read_response($c)->{status} // 0;
        $delivered++ if $status == 204;
    }
}
is($delivered, MOST + MORE, 'events are delivered meanwhile');
is(store()->{waiting}, MOST, '... so many wait to be confirmed');
is(store()->{lost}, MORE, '... and the others are counted as lost');

start_store('main');
ok((wait_until { store()->{waiting} == 0 } 20), 'the store is back, and none waits');
is(store()->{lost}, MORE, '... no other is lost');
is(ask('main', 'DBSIZE'), MOST, '... it knows as many');

# the zone of the machine forgets
ok(stop(), 'nginx is started anew');
start_http($conf);
ok((wait_until { store()->{connected} } 10), '... and connected');
is(verdict(MORE - 1), 'verified', '... the last of the oldest is not known to be a repeat');
is(verdict(MORE), 'duplicate', '... the first that waited is one');
is(verdict(-1), 'duplicate', '... and so is the latest');

done_testing();
