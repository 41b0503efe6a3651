# Sentinel promotes a replica when the primary dies: the edges find it with only their list of servers.

use strict;
use warnings;
use MspwhEvents qw(event);
use MspwhFleet;
use MspwhStore;
use MspwhTest;
use Test::More;
use Time::HiRes qw(sleep time);

all_need_store();

my @edges = qw(edge1 edge2);
my $n = 0;

start_store('main', 'repl-diskless-sync-delay' => 0);
start_store('replica', 'repl-diskless-sync-delay' => 0);
ok(replica_of('replica', 'main'), 'a replica follows');
my $port = port('store_main');
write_file('store-sentinel.conf', <<"CONF");
sentinel monitor mspwh 127.0.0.1 $port 1
sentinel down-after-milliseconds mspwh 500
sentinel failover-timeout mspwh 3000
CONF
start_store('sentinel', 'file' => dir() . '/store-sentinel.conf', 'sentinel' => []);
MspwhTest::start_backend();
for my $edge (@edges) {
    define_instance($edge, expand(<<"CONF"), port($edge));
load_module modules/ngx_http_mspwh_module.so;
error_log logs/error.log info;
events { worker_connections 64; }
http {
    upstream store {
        server 127.0.0.1:%%PORT_store_main%% max_fails=0;
        server 127.0.0.1:%%PORT_store_replica%% max_fails=0;
    }
    mspwh_dedup_zone zone=events:1m store=store;
    mspwh_secret '%%SECRET%%';
    server {
        listen 127.0.0.1:@{[port($edge)]};
        add_header X-Verdict \$mspwh_verdict always;
        location / { mspwh on; mspwh_dedup zone=events; proxy_pass http://%%A%%; }
        location /stream { mspwh on; mspwh_stream_pass store key=mspwh; }
    }
}
CONF
    start_instance($edge);
}

sub deliver {
    my ($edge, $body, $path) = @_;
    my @headers = ('X-Webhook-Signature' => sign(SECRET, $body));
    my $r = request(port => $edge, path => $path // '/a', body => $body, headers => \@headers);
    return "$r->{status} " . ($r->{header}{'x-verdict'} // '');
}

# Returns whether an event of one edge is known at the other.
sub shared {
    my $body = event('Ticket created', ++$n);
    return deliver('edge1', $body) eq '200 verified' && deliver('edge2', $body) eq '200 duplicate';
}

ok((wait_until { ask('sentinel', 'SENTINEL', 'CKQUORUM', 'mspwh') =~ /^OK/
    && @{ ask('sentinel', 'SENTINEL', 'REPLICAS', 'mspwh') } == 1 } 10), 'Sentinel watches both');
ok((wait_until { shared() } 10), 'two edges share a store');

stop_store('main');
my (%status, $promoted, $again);
my $until = time + 40;
while (time < $until and !$again) {
    $status{ deliver('edge1', event('Ticket created', ++$n)) }++;
    # a promotion closes connections
    $promoted //= time if (eval { ask('replica', 'ROLE')->[0] } // '') eq 'master';
    $again = time if $promoted and shared();
    sleep 0.05;
}
is_deeply([keys %status], ['200 verified'], 'the primary dies: no event fails');
ok($promoted, '... Sentinel promotes the replica');
ok($again, '... which the edges find')
    and note sprintf 'shared again %.2f s after the promotion', $again - $promoted;
like(deliver('edge1', event('Ticket created', ++$n), '/stream'), qr/^202/, '... as does a stream');

start_store('main');
# a failover that has taken Sentinel too long ends with the old primary as the primary
sub roles { return join ' ', sort map { (eval { ask($_, 'ROLE')->[0] } // '') } qw(main replica) }
ok((wait_until { roles() eq 'master slave' } 60), 'the old primary comes back: one of the two is a replica');
ok((wait_until { shared() } 10), '... and the edges still share');
ok(quit_instance($_), "$_ quits in time") for @edges;
unlike(instance_log($_), qr/open socket|\[alert\]/, '... and leaves nothing behind') for @edges;

done_testing();
