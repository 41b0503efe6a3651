# Two edges append to a stream with a replica, replicas=1. Every event that was answered 202 is in it, byte
# for byte, after each kill of a worker, an edge, the primary or the replica, and after the loss of answers.
# EVENTS=n sets a number other than 6,000.

use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use MspwhEvents qw(event);
use MspwhFleet;
use MspwhLedger;
use MspwhStore;
use MspwhTest;
use POSIX qw(_exit);
use Test::More;
use Time::HiRes qw(sleep time);

all_need_store();

my $events = $ENV{EVENTS} // 6000;
my @edges = qw(edge1 edge2);
my ($clients, $rate) = (6, 60);
my $parent = $$;

srand 21;

sub edge {
    my $name = shift;
    define_instance($name, expand(<<"CONF"), port($name));
load_module modules/ngx_http_mspwh_module.so;
worker_processes 2;
error_log logs/error.log error;
worker_shutdown_timeout 5s;
events { worker_connections 512; }
http {
    client_max_body_size 64m;
    client_body_buffer_size 64k;
    upstream store {
        server 127.0.0.1:%%PORT_proxy_main%% max_fails=0;
        server 127.0.0.1:%%PORT_store_replica%% max_fails=0;
        keepalive 8;
    }
    mspwh_secret '%%SECRET%%';
    server {
        listen 127.0.0.1:@{[port($name)]};
        location / { mspwh on; mspwh_stream_pass store key=mspwh replicas=1 wait=10s; }
    }
}
CONF
}

# --- senders ----------------------------------------------------------------------------

sub size_of {
    my $dice = rand;
    return $dice < 0.9 ? 100 + int rand 5000 : $dice < 0.99 ? 50_000 + int rand 200_000
        : $dice < 0.9985 ? 3_000_000 : 30_000_000;
}

sub client {
    my ($number, $start) = @_;
    srand $number;
    my $write = open_ledger("sent$number");
    my $due = $start;
    for my $n (1 .. $events / $clients) {
        $due += $clients / $rate;
        my $early = $due - time;
        sleep $early if $early > 0;
        my $body = event('Ticket created', size_of()) =~ s/"entityId":5/"entityId":$number$n/r;
        my @headers = ('X-Webhook-Signature' => sign(SECRET, $body), Connection => 'close');
        my $bytes = request_bytes(path => '/', body => $body, headers => \@headers);
        for my $try (1 .. 200) {
            # each try of a large event may add it once more
            last if length $body > 1_000_000 and $try > 5;
            my $c = eval { connection($edges[rand @edges]) };
            my $status = $c && send_bytes($c, $bytes) ? read_response($c, timeout => 20)->{status} : 0;
            $write->($status, sha256_hex($body), length $body);
            last if $status == 202;
            sleep 0.1 * $try;
        }
    }
    _exit(0);
}

# --- faults -----------------------------------------------------------------------------

my ($primary, $replica) = qw(main replica);

sub some { return $_[rand @_] }

my @deeds = (
    ['a worker' => sub { kill KILL => some(MspwhFleet::instance_workers(some(@edges))) }],
    ['an edge' => sub { my $edge = some(@edges); kill_instance($edge); sleep 0.7; start_instance($edge) }],
    ['answers' => sub { write_file('drop', ''); sleep 2; unlink dir() . '/drop' }],
    ['the primary, whose replica lags' => sub {
        signal_store(STOP => $replica);
        sleep 0.4;
        stop_store($primary);
        signal_store(CONT => $replica);
        sleep 0.3;
        ask($replica, 'REPLICAOF', 'NO', 'ONE');
        ($primary, $replica) = ($replica, $primary);
        start_store($replica);
        follow($replica, $primary, 30);
    }],
    ['the replica' => sub {
        stop_store($replica);
        sleep 1;
        start_store($replica);
        follow($replica, $primary, 30);
    }],
    ['the primary, and it comes back' => sub {
        stop_store($primary);
        sleep 0.5;
        start_store($primary);
        follow($replica, $primary, 30);
    }],
);

# --- the run ----------------------------------------------------------------------------

my @aof = (appendonly => 'yes', appendfsync => 'always', 'repl-diskless-sync-delay' => 0);
start_store('main', @aof);
start_store('replica', @aof);
replica_of('replica', 'main') or die 'no replica';
# a proxy in front of one store, which sometimes drops answers
start_proxy('main', sub { -e dir() . '/drop' && rand() < 0.3 });
$MspwhTest::Kills = 1;
edge($_) for @edges;
start_instance($_) for @edges;

my $start = time + 0.5;
my @pids = map { my $n = $_; fork // die("fork: $!") || client($n, $start) } 1 .. $clients;
my ($turn, $end) = (0, $start + $events / $rate);
sleep 2;
while (time < $end - 8) {
    my ($what, $deed) = @{ $deeds[$turn++ % @deeds] };
    $deed->();
    note sprintf '%.0f s: %s', time - $start, $what;
    sleep 3;
}
is(scalar(grep { waitpid $_, 0; $? } @pids), 0, 'the senders have sent all they had');

# --- the stream -------------------------------------------------------------------------

my (%status, %sent, %there, $twice);
for (ledger('sent*')) {
    my ($status, $sha, $size) = @$_;
    $status{$status}++;
    $sent{$sha} = $size if $status == 202;
}
my $from = '-';
while (my @some = @{ ask($primary, 'XRANGE', 'mspwh', $from, '+', 'COUNT', 20) }) {
    for (@some) {
        my %entry = @{ $_->[1] };
        $twice++ if $there{ sha256_hex($entry{body}) }++;
    }
    $from = "($some[-1][0]";
}
note join ', ', map { "$_: $status{$_}" } sort keys %status;
note sprintf '%d entries, %d of them again, %.0f MB', scalar keys %there, $twice // 0,
    eval { my $sum = 0; $sum += $_ for values %sent; $sum / 1e6 };
cmp_ok(scalar keys %sent, '>', 0.98 * $clients * int($events / $clients),
    'nearly every event was answered 202 in the end');
is(scalar(grep { !$there{$_} } keys %sent), 0, '... and each of these is in the stream, byte for byte');
ok(quit_instance($_), "$_ quits in time") for @edges;
unlike(instance_log($_), qr/open socket/, '... and leaves nothing behind') for @edges;

done_testing();
