# An edge with a store that is restarted every 30 seconds, for SECONDS=1200: memory, descriptors and
# connections stay flat, and no event fails.

use strict;
use warnings;
use JSON::PP qw(decode_json);
use MspwhEvents qw(event);
use MspwhLedger;
use MspwhStore;
use MspwhTest;
use POSIX qw(_exit);
use Test::More;
use Time::HiRes qw(sleep time);

all_need_store();

my $seconds = $ENV{SECONDS} // 1200;
my ($clients, $rate) = (4, 100);
my $parent = $$;

start_store('main');
start_recorder(200, 0);
my $backend = '127.0.0.1:' . recorder_port();
start_http(<<"CONF");
upstream store { server 127.0.0.1:%%PORT_store_main%% max_fails=0; keepalive 8; }
upstream service { server $backend max_fails=0; keepalive 8; }
mspwh_dedup_zone zone=events:2m ttl=60s store=store;
mspwh_secret '%%SECRET%%';
server {
    listen 127.0.0.1:%%PORT%%;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    location / { mspwh on; mspwh_dedup zone=events; proxy_pass http://service; }
    location /stream {
        mspwh on; mspwh_dedup zone=events; mspwh_stream_pass store key=mspwh; error_page 502 504 = \@spool;
    }
    location \@spool { mspwh on; proxy_pass http://service; }
    location = /status { mspwh_status json; }
}
CONF

sub client {
    my ($number, $end) = @_;
    my $write = open_ledger("sent$number");
    my ($n, $due, %status) = (0, time);
    my $c = connection();
    while (time < $end) {
        $due += $clients / $rate;
        my $early = $due - time;
        sleep $early if $early > 0;
        my $body = event('Ticket created', 1 + $n % 2000) =~ s/"entityId":5/"entityId":$number@{[$n++]}/r;
        my @headers = ('X-Webhook-Signature' => sign(SECRET, $body));
        my $path = $n % 4 ? '/' : '/stream';
        my $bytes = request_bytes(path => $path, body => $body, headers => \@headers);
        my $status = send_bytes($c, $bytes) ? read_response($c)->{status} : 0;
        $status{$status}++;
        $c = connection() if !$status or $n % 1000 == 0;
    }
    $write->("$_=$status{$_}") for keys %status;
    _exit(0);
}

# Returns [KB of memory, descriptors] of all workers, and the store's number of connections.
sub usage {
    my ($memory, $files) = (0, 0);
    for my $pid (workers()) {
        $memory += slurp("/proc/$pid/status") =~ /^VmRSS:\s+(\d+)/m ? $1 : 0;
        $files += () = glob "/proc/$pid/fd/*";
    }
    my ($connections) = (eval { ask('main', 'INFO', 'clients') } // '') =~ /connected_clients:(\d+)/;
    return [$memory, $files, $connections // 0];
}

my $end = time + $seconds;
my @pids = map { my $n = $_; fork // die("fork: $!") || client($n, $end) } 1 .. $clients;
my ($restarts, @usage) = (0);
sleep 5;
while (time < $end - 5) {
    my $next = time + ($seconds < 600 ? 10 : 30);
    stop_store('main', $restarts % 2 ? 'TERM' : 'KILL');
    sleep 0.5 + rand 3;
    start_store('main');
    $restarts++;
    sleep 3;
    sleep 1 while time < $next and time < $end;
    push @usage, usage();
}
waitpid $_, 0 for @pids;
my %status;
for (ledger('sent*')) {
    my ($status, $n) = $_->[0] =~ /(\d+)=(\d+)/ or next;
    $status{$status} += $n;
}
note join ', ', map { "$_: $status{$_}" } sort keys %status;
note "$restarts restarts; KB, descriptors, connections: ",
    join '; ', map { "@$_" } @usage[0, $#usage / 2, -1];
is_deeply([grep { !/^2/ } keys %status], [], 'no event fails because of the store');
my $third = int @usage / 3;
for my $i (0, 1, 2) {
    my ($early, $late) = map { my @s = sort { $a <=> $b } map { $_->[$i] } @$_; $s[$#s / 2] }
        [@usage[$third .. 2 * $third - 1]], [@usage[-$third .. -1]];
    my $what = (qw(memory descriptors connections))[$i];
    cmp_ok($late, '<=', $early * 1.05 + 2, "$what: $early, and $late in the end");
}
ok((wait_until {
    my $s = decode_json(request(method => 'GET', path => '/status')->{body})->{store};
    $s->{connected} == 2 && !$s->{waiting};
} 10), 'all is well in the end');
stop_recorder();
ok(stop(), 'nginx stops in time');
unlike(error_log(), qr/open socket/, '... and leaves nothing behind');

done_testing();
