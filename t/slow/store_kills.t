# Three edges share claims in a store with a replica. 10,000 events with 30 % repeats at random edges are
# compared with the promises, event by event, while workers, edges, the store and its replica are killed,
# stopped, promoted and demoted in turn. EVENTS=n sets another number.

use strict;
use warnings;
use JSON::PP qw(decode_json);
use MspwhEvents qw(event);
use MspwhFleet;
use MspwhLedger;
use MspwhStore;
use MspwhTest;
use POSIX qw(_exit);
use Test::More;
use Time::HiRes qw(sleep time);

all_need_store();

my $events = $ENV{EVENTS} // 10_000;
my $repeats = int $events * 0.3;
my @edges = qw(edge1 edge2 edge3);
my ($clients, $rate) = (8, 120);
my $parent = $$;

srand 18;

sub edge {
    my $name = shift;
    my $backend = '127.0.0.1:' . recorder_port();
    define_instance($name, expand(<<"CONF"), port($name));
load_module modules/ngx_http_mspwh_module.so;
worker_processes 2;
error_log logs/error.log warn;
worker_shutdown_timeout 5s;
events { worker_connections 512; }
http {
    client_max_body_size 64m;
    upstream store { server 127.0.0.1:%%PORT_store_main%%; server 127.0.0.1:%%PORT_store_replica%%; }
    upstream service { server $backend max_fails=0; keepalive 16; }
    mspwh_dedup_zone zone=events:8m pending=5s store=store;
    mspwh_secret '%%SECRET%%';
    server {
        listen 127.0.0.1:@{[port($name)]};
        location / {
            mspwh on;
            mspwh_dedup zone=events;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_pass http://service;
        }
        location = /status { mspwh_status json; }
    }
}
CONF
}

sub body { my $id = shift; return qq({"eventType":"Ticket created","entityId":"$id","TicketId":"$id"}) }

sub deliver {
    my ($edge, $id) = @_;
    my $body = body($id);
    my @headers = ('X-Webhook-Signature' => sign(SECRET, $body), Connection => 'close');
    my $c = eval { connection($edge) } // return 0;
    send_bytes($c, request_bytes(path => '/', body => $body, headers => \@headers)) or return 0;
    return read_response($c)->{status};
}

# Tries until it gets a 2xx, at another edge each time.
sub client {
    my ($number, $start, @plan) = @_;
    srand $number;
    my $write = open_ledger("sent$number");
    for (@plan) {
        my ($id, $due) = @$_;
        my $early = $start + $due - time;
        sleep $early if $early > 0;
        for (1 .. 400) {
            my ($began, $edge) = (time, $edges[rand @edges]);
            my $status = deliver($edge, $id);
            $write->($id, $status, sprintf '%.6f', $began);
            last if $status =~ /^2/;
            sleep 0.05 + rand 0.1;
        }
    }
    _exit(0);
}

# Each event in order, and repeats of some at any time later.
sub planned {
    my @plan = map { [$_, $_] } 1 .. $events;
    for (1 .. $repeats) {
        my $id = 1 + int rand $events;
        push @plan, [$id + (rand() < 0.5 ? rand 3 : rand($events - $id)), $id];
    }
    my $n = 0;
    return map { [$_->[1], $n++ / $rate] } sort { $a->[0] <=> $b->[0] } @plan;
}

# --- faults -----------------------------------------------------------------------------

my ($primary, $replica) = qw(main replica);
my @faults;     # [what, from, to]: after which an event may be delivered twice

sub status_of {
    my $edge = shift;
    return eval { decode_json(request(port => $edge, method => 'GET', path => '/status')->{body})->{store} };
}

# Returns whether every worker of every running edge has a session, and nothing waits.
sub all_well {
    return !grep { my $s = status_of($_); !$s || $s->{connected} != 2 || $s->{waiting} } @edges;
}

sub fault {
    my ($what, $code, $harmless) = @_;
    my $from = time;
    $code->();
    ok((wait_until { all_well() } 20),
        "$what: all edges share again, after " . sprintf('%.1f s', time - $from));
    push @faults, [$what, $from - 0.1, time + 0.1] if !$harmless;
}

sub some { return $_[rand @_] }

my @deeds = (
    ['a worker is killed' => sub {
        my @workers = MspwhFleet::instance_workers(some(@edges));
        kill KILL => some(@workers);
        sleep 0.5;
    }],
    ['an edge is killed' => sub {
        my $edge = some(@edges);
        kill_instance($edge);
        sleep 1;
        start_instance($edge);
    }],
    ['the store is killed, and started again' => sub {
        stop_store($primary);
        sleep 0.7;
        start_store($primary);
        sleep 0.3;
    }],
    ['the store hangs' => sub { signal_store(STOP => $primary); sleep 1.5; signal_store(CONT => $primary) }],
    ['an edge is reloaded' => sub { reload_instance(some(@edges)) }, 'harmless'],
    ['the replica is killed' => sub {
        stop_store($replica);
        sleep 0.5;
        start_store($replica);
        follow($replica, $primary);
    }, 'harmless'],
    ['the primary is killed, its replica promoted' => sub {
        stop_store($primary);
        sleep 0.5;
        ask($replica, 'REPLICAOF', 'NO', 'ONE');
        ($primary, $replica) = ($replica, $primary);
        start_store($replica);
        follow($replica, $primary);
    }],
    ['the primary is demoted under live connections' => sub {
        ask($replica, 'REPLICAOF', 'NO', 'ONE');
        follow($primary, $replica);
        ($primary, $replica) = ($replica, $primary);
    }],
    ['the edges lose their connections' => sub {
        sleep 1.2;
        ask($primary, 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    }, 'harmless'],
);

# --- the run ----------------------------------------------------------------------------

my @aof = (appendonly => 'yes', appendfsync => 'always', 'repl-diskless-sync-delay' => 0);
start_store('main', @aof);
start_store('replica', @aof);
replica_of('replica', 'main') or die 'no replica';
start_recorder(200, 0.005);
$MspwhTest::Kills = 1;
edge($_) for @edges;
start_instance($_) for @edges;
ok((wait_until { all_well() } 10), 'three edges and a store with a replica');

my @plan = planned();
my $start = time + 0.5;
my @pids;
for my $n (0 .. $clients - 1) {
    my @mine = grep { $_ % $clients == $n } 0 .. $#plan;
    push @pids, fork // die("fork: $!") || client($n, $start, @plan[@mine]);
}

my $end = $start + @plan / $rate;
my $turn = 0;
sleep 3;
while (time < $end - 6) {
    fault(@{ $deeds[$turn++ % @deeds] });
    sleep 2;
}
is(scalar(grep { waitpid $_, 0; $? } @pids), 0, 'the senders have sent all they had');
note sprintf '%d faults in %.0f s', $turn, time - $start;

# --- the ledgers ------------------------------------------------------------------------

my (%delivered, %attempts, %status);
push @{ $delivered{$_->[0]} }, $_->[2] for ledger('recorded');
for (ledger('sent*')) {
    my ($id, $status, $began, $ended) = @$_;
    $status{$status}++;
    push @{ $attempts{$id} }, [$began, $ended];
}
note join ', ', map { "$_: $status{$_}" } sort keys %status;
is($status{200}, @plan, 'every event and every repeat was answered 200 in the end');
is(scalar(grep { !$delivered{$_} } 1 .. $events), 0, 'every event was delivered');

# An event may be delivered twice only if a fault came between its first attempt and its last.
my ($sure, @twice, %why) = (0);
for my $id (1 .. $events) {
    my ($from) = sort { $a <=> $b } map { $_->[0] } @{ $attempts{$id} };
    my ($to) = sort { $b <=> $a } map { $_->[1] } @{ $attempts{$id} };
    my @between = grep { $_->[1] < $to && $_->[2] > $from } @faults;
    my $times = @{ $delivered{$id} // [] };
    $sure++ if !@between;
    push @twice, "$id: $times" if !@between and $times > 1;
    $why{ $between[0][0] }++ if @between and $times > 1;
    # each edge may have decided alone
    push @twice, "$id: $times in spite of all" if $times > 1 + @edges * @between;
}
note join ', ', "no fault: $sure of $events", map { "$why{$_} twice: $_" } sort keys %why;
is_deeply(\@twice, [], 'an event is delivered twice only if a fault came between');
cmp_ok($sure, '>', $events * 0.3, '... as for many it did not');
stop_recorder();
ok(quit_instance($_), "$_ quits in time") for @edges;
unlike(instance_log($_), qr/open socket/, '... and leaves nothing behind') for @edges;

done_testing();
