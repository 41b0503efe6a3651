# mspwh_dedup under load: 10,000 events of which 3,000 are repeats, four workers, three
# reloads, two workers killed.

use strict;
use warnings;
use POSIX qw(_exit);
use Test::More;
use Time::HiRes qw(sleep time);
use MspwhLedger;
use MspwhTest;

my $name = 'X-Webhook-Signature';
my ($distinct, $repeats, $clients) = (7000, 3000, 6);
my $seed = time ^ $$;
srand $seed;
note "seed $seed";

$MspwhTest::Workers = 4;
$MspwhTest::Kills = 1;
start_recorder(200, 0.005);
start_http(<<"CONF");
mspwh_dedup_zone zone=events:4m pending=2s;
upstream recorder { server 127.0.0.1:@{[recorder_port()]}; }
server {
    listen 127.0.0.1:%%PORT%% backlog=1024;
    access_log off;
    mspwh on;
    mspwh_secret "%%SECRET%%";
    mspwh_dedup zone=events;
    location / { proxy_pass http://recorder; }
}
CONF

# Every event once, and repeats: some at the same time, some soon after, some much later.
my @plan = map { [] } 1 .. $clients;
push @{ $plan[$_ % $clients] }, [$_, $_ <= $distinct / 10 * 3 && $_ % 3 == 0 ? 2 : 1] for 1 .. $distinct;
$repeats -= grep { $_->[1] == 2 } map { @$_ } @plan;
for (1 .. $repeats) {
    my $id = 1 + int rand $distinct;
    my $where = $plan[int rand $clients];
    my $at = int rand @$where;
    if (rand() < 0.7) {
        ($at) = grep { $where->[$_][0] >= $id } 0 .. $#$where;
        $at //= $#$where;
    }
    splice @$where, $at + 1, 0, [$id, 1];
}

sub begin {
    my ($c, $body) = @_;
    my $bytes = request_bytes(path => '/', body => $body, headers => [$name => sign(SECRET, $body)]);
    return eval { $$c //= connection(); send_bytes($$c, $bytes) };
}

# Returns the status, or 0 if there was no answer.
sub finish {
    my $c = shift;
    my $r = eval { $$c && read_response($$c) } || { status => 0, header => {} };
    undef $$c if !$r->{status} or ($r->{header}{connection} // 'close') eq 'close';
    return $r->{status};
}

# Sends like a sender: until it is answered 2xx.
sub client {
    my ($number, @events) = @_;
    my $write = open_ledger("sent$number");
    my @c;
    for (@events) {
        my ($id, $copies) = @$_;
        my $body = qq({"eventType":"ticket.created","entityId":"$id"});
        for my $try (1 .. 100) {
            my @copies = 0 .. $copies - 1;
            begin(\$c[$_], $body) for @copies;
            for (@copies) {
                my $status = finish(\$c[$_]);
                $write->($id, $status);
                $copies-- if $status =~ /^2/;
            }
            last if !$copies;
            sleep 0.05;
        }
    }
    _exit(0);
}

my $start = time;
my @pids = map { my $n = $_; fork // die "fork: $!" or client($n, @{ $plan[$n] }) } 0 .. $clients - 1;
my @killed;
my $done = sub { my $n = 0; $n += -s $_ for glob dir() . '/sent*'; return $n / 22 };
for my $step (1 .. 5) {
    sleep 0.02 while $done->() < $step * 1700 and time < $start + 60;
    if ($step % 2) {
        ok(reload(), "reload $step");
        next;
    }
    my ($worker) = (workers())[rand 4];
    kill KILL => $worker;
    push @killed, time;
}
waitpid $_, 0 for @pids;
note sprintf '%.1f s', time - $start;

# --- the ledgers

my (%delivered, %accepted, %broken, %status);
for (ledger('recorded')) {
    my ($id, undef, $at) = @$_;
    push @{ $delivered{$id} }, $at;
}
for (ledger('sent*')) {
    my ($id, $status, $at) = @$_;
    $status{$status}++;
    $broken{$id}++ if $status !~ /^(?:2|409)/;
    push @{ $accepted{$id} }, $at if $status =~ /^2/;
}
note join ', ', map { "$_: $status{$_}" } sort keys %status;

my $accepted = 0;
$accepted += @$_ for values %accepted;
is($accepted, 10_000, 'every event and every repeat was answered 2xx in the end');
is(scalar keys %delivered, $distinct, 'every distinct event has reached the backend');

my @twice = grep { @{ $delivered{$_} } > 1 } keys %delivered;
is(scalar(grep { @{ $delivered{$_} } > 1 + ($broken{$_} // 0) } @twice), 0,
    'none more often than its answers were lost');
my @late = grep {
    my $first = (sort { $a <=> $b } @{ $accepted{$_} })[0];
    !$broken{$_} and grep { $_ > $first } @{ $delivered{$_} };
} keys %delivered;
is(scalar @late, 0, 'none that had been answered 2xx was delivered again');
cmp_ok(scalar @twice, '<=', 20, scalar(@twice) . ' were delivered twice, their worker was killed');
cmp_ok($status{409} // 0, '>', 100, ($status{409} // 0) . ' repeats came while the event was in flight');
is(scalar @killed, 2, 'two workers were killed');
ok(stop(), 'nginx stops in time');

done_testing();
