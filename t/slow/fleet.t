# Several machines: the front and the edges of docs/scaling.md, with 10,000 requests of which 3,000 are
# repeats, while one edge is killed and started again, and then the other one quits. What the service has
# received is compared with the page's promises, event by event.

use strict;
use warnings;
use Compress::Zlib qw(crc32);
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use POSIX qw(_exit);
use Test::More;
use Time::HiRes qw(sleep time);
use MspwhDocs;
use MspwhFleet;
use MspwhLedger;
use MspwhTest;

my $tool = abs_path(dirname(__FILE__) . '/../..') . '/bin/mspwh-redeliver';
my $name = 'X-Webhook-Signature';
my ($distinct, $repeats, $clients, $rate) = (7000, 3000, 6, 600);
my $seed = time ^ $$;
srand $seed;
note "seed $seed";

# --- the machines, as the page has them ----------------------------------------

my @edges = qw(edge1 edge2);
my %address = (edge1 => '192.0.2.11:8080', edge2 => '192.0.2.12:8080');
my $path = '/webhook';

define_instance('front', replaced(recipe('docs/scaling.md', 'The front'),
    'listen 8080' => 'listen ' . at('front'), map { $address{$_} => at($_) } @edges), port('front'));

for my $edge (@edges) {
    define_instance($edge, replaced(recipe('docs/scaling.md', 'The edges'),
        'listen 8080' => 'listen ' . at($edge), '127.0.0.1:8090' => at("$edge-redelivery"),
        '192.0.2.20:8081' => '127.0.0.1:' . recorder_port($edge),
        '192.0.2.10' => '127.0.0.1', '192.0.2.30' => '127.0.0.1'), port($edge));
    write_file(instance_file($edge, 'webhook.secret'), SECRET . "\n");
}
start_recorder(200, 0.005);
start_instance($_) for @edges, 'front';

# Returns the edge that an event belongs to: the ring of nginx's consistent hash.
my @ring;
for my $edge (@edges) {
    my $base = crc32(join "\0", split /:/, at($edge));
    my $hash = 0;
    push @ring, [$hash = crc32(pack('V', $hash), $base), $edge] for 1 .. 160;
}
@ring = sort { $a->[0] <=> $b->[0] } @ring;

sub body { return qq({"eventType":"ticket.created","entityId":"$_[0]"}) }

sub home {
    my $hash = crc32(sign(SECRET, body($_[0])));
    my ($low, $high) = (0, scalar @ring);
    while ($low < $high) {
        my $middle = int(($low + $high) / 2);
        if ($ring[$middle][0] < $hash) { $low = $middle + 1 } else { $high = $middle }
    }
    return $ring[$low % @ring][1];
}

# --- what senders do -------------------------------------------------------------

# Opens a connection for each request, so that none is idle when the front is reloaded.
sub begin {
    my $body = shift;
    my @headers = ($name => sign(SECRET, $body), Connection => 'close');
    my $bytes = request_bytes(path => $path, body => $body, headers => \@headers);
    my $c = eval { connection('front') } // return;
    send_bytes($c, $bytes);
    return $c;
}

# Returns 0 if there was no answer.
sub status { my $c = shift // return 0; return read_response($c)->{status} }

sub deliver { return status(begin(body($_[0]))) }

# Sends each event when it is due, and again if it is not answered 2xx, as a sender does.
sub client {
    my ($number, $start, @events) = @_;
    my $write = open_ledger("sent$number");
    for (@events) {
        my ($id, $copies, $due) = @$_;
        my $early = $start + $due - time;
        sleep $early if $early > 0;
        for my $try (1 .. 100) {
            my $began = time;
            for my $c (map { begin(body($id)) } 1 .. $copies) {
                my $status = status($c);
                $write->($id, $status, sprintf '%.6f', $began);
                $copies-- if $status =~ /^2/;
            }
            last if !$copies;
            sleep 0.03;
        }
    }
    _exit(0);
}

# Events in their order, some twice at the same time; further repeats at any time later.
sub planned {
    my @plan = map { [$_, $_, $_ % 10 < 1 ? 2 : 1] } 1 .. $distinct;
    my $later = $repeats - grep { $_->[2] == 2 } @plan;
    for (1 .. $later) {
        my $id = 1 + int rand $distinct;
        push @plan, [$id + 0.5 + rand($distinct - $id), $id, 1];
    }
    my $n = 0;
    return map { [@$_[1, 2], $n++ / $rate] } sort { $a->[0] <=> $b->[0] } @plan;
}

# --- with all edges up ---------------------------------------------------------------

sub recorded { my %at; push @{ $at{$_->[0]} }, [@$_[2, 3]] for ledger('recorded'); return \%at }

{
    my @ids = map { "gone$_" } 1 .. 200;
    my %status;
    begin(body($_)) for @ids;
    for my $id (@ids) {
        my $status;
        wait_until { $status = deliver($id); $status != 409 } 2;
        $status{$status}++;
    }
    is_deeply(\%status, { 200 => 200 }, 'senders that hang up and come again: all answered 200');
    my $at = recorded();
    is_deeply([map { scalar @{ $at->{$_} // [] } } @ids], [(1) x @ids], '... each event delivered once');
}
{
    my %status;
    for (1 .. 8) {
        my @headers = ($name => $_ % 2 ? undef : sign("x$_", 'x'));
        my $r = request(port => 'front', path => $path, body => 'x' x 6_000_000, headers => \@headers);
        $status{ $r->{status} }++;
    }
    is_deeply(\%status, { 401 => 8 }, 'large requests with no signature, or a wrong one: 401');
    is(instance_log('front'), '', '... and the front has no word against the edges');
}

# --- while they go and come back -------------------------------------------------------

my @plan = planned();
my $start = time;
my @pids;
for my $n (0 .. $clients - 1) {
    my @mine = grep { $_ % $clients == $n } 0 .. $#plan;
    push @pids, fork // die("fork: $!") || client($n, $start, @plan[@mine]);
}
my %gone;
sub sent { my $n = 0; $n += -s $_ for glob dir() . '/sent*'; return $n / 45 }

# Takes an edge down. Records the period of that, and of its return, as the front sees it.
sub take_away {
    my ($edge, $how) = @_;
    my $began = time;
    $how->($edge);
    my $gone = time;
    sleep 1;
    start_instance($edge);
    my $back;
    wait_until {
        ($back) = map { $_->[3] } grep { $_->[2] eq $edge && $_->[3] > $gone + 0.9 } ledger('recorded')
    } or die "the front has not found that $edge is back";
    $gone{$edge} = [$began, $gone, $back - 0.05, $back + 0.5];
    sleep 0.6;
}

wait_until { sent() > 600 } 30;
ok(reload_instance('edge1'), 'an edge is reloaded');
ok(reload_instance('front'), 'the front is reloaded');
wait_until { sent() > 1800 } 30;
take_away('edge1', \&kill_instance);
take_away('edge2', sub { ok(quit_instance($_[0]), 'the other one quits in time') });
my $back = time;
is(scalar(grep { waitpid $_, 0; $? } @pids), 0, 'the senders have sent all they had');
note sprintf '%.1f s; edge1 was away for %.1f s, edge2 for %.1f s', time - $start,
    map { $gone{$_}[2] - $gone{$_}[1] } @edges;

# --- the ledgers ---------------------------------------------------------------------

my $at = recorded();
delete $at->{$_} for grep { /^gone/ } keys %$at;
my (%attempts, %status, $late);
for (ledger('sent*')) {
    my ($id, $status, $began, $ended) = @$_;
    $status{$status}++;
    push @{ $attempts{$id} }, [$began, $ended, $status];
    $late++ if $began > $back;
}
note join ', ', map { "$_: $status{$_}" } sort keys %status;
cmp_ok($late // 0, '>', 300, 'both edges have been away and back while events were sent');
is($status{200}, $distinct + $repeats, 'every event and every repeat was answered 200 in the end');
is_deeply([sort keys %status], [200, 409], '... no sender has seen more of it than a 409');
cmp_ok($status{409}, '>', 100, "... of which there were $status{409}");
is(scalar(grep { $at->{$_} } 1 .. $distinct), $distinct, 'every distinct event has reached the service');
$at->{$_} //= [] for 1 .. $distinct;

my %home = map { $_ => home($_) } 1 .. $distinct;
my %share;
$share{$_}++ for values %home;
for (@edges) {
    cmp_ok($share{$_} // 0, ">", $distinct / 4, "the hash gives $_ a share, $share{$_} of $distinct events");
}

# Until the first edge went down.
my @early = grep { !grep { $_->[1] > $gone{edge1}[0] } @{ $attempts{$_} } } 1 .. $distinct;
my $repeated = grep { grep({ $_->[2] == 200 } @{ $attempts{$_} }) > 1 } @early;
cmp_ok($repeated, '>', 100, scalar(@early) . " events, $repeated of them repeated, while all edges were up");
is(scalar(grep { @{ $at->{$_} } != 1 } @early), 0, '... each was delivered exactly once');
is(scalar(grep { $at->{$_}[0][0] ne $home{$_} } @early), 0, '... by the edge that its signature belongs to');

# An event's edge is up, down, or up again: the times of an attempt tell which.
sub times_of {
    my $id = shift;
    my ($began, $gone, $seen, $back) = @{ $gone{ $home{$id} } };
    my (%touched, $unsure);
    for (@{ $attempts{$id} }) {
        my ($from, $to) = @$_;
        my @in = ($from < $gone, $to > $began && $from < $back, $to > $seen);
        $touched{$_} = 1 for grep { $in[$_] } 0 .. 2;
        $unsure ||= grep({ $_ } @in) > 1;
    }
    return (scalar keys %touched, $unsure);
}
my (%count, @more, @wrong);
for my $id (1 .. $distinct) {
    my $n = @{ $at->{$id} };
    my ($times, $unsure) = times_of($id);
    push @more, $id if $n > $times;
    $count{$n}++;
    next if $unsure;
    $count{sure}++;
    push @wrong, $id if $n != $times;
}
note join ', ', map { "delivered $_: $count{$_}" } sort keys %count;
is(scalar @more, 0,
    'no event more often than once while its edge was there, once while it was away, once when it was back');
is(scalar @wrong, 0, "... and exactly so, where the ledger can tell ($count{sure} of $distinct)");
cmp_ok($count{sure}, '>', $distinct * 0.9, '... as it nearly always can');
cmp_ok($count{2} // 0, '>', 50, '... some twice, as the page says');

# From an edge's start to its end.
my %run;
for my $id (1 .. $distinct) {
    for (@{ $at->{$id} }) {
        my ($edge, $when) = @$_;
        $run{"$edge " . ($when > $gone{$edge}[1] + 0.5 ? 'again' : 'first') . " $id"}++;
    }
}
is(scalar(grep { $_ > 1 } values %run), 0,
    'no edge has delivered an event twice between its start and its end');
is_deeply([map { glob instance_file($_, 'var/spool/mspwh/*') } @edges], [], 'nothing had to be spooled');

# --- the spools ------------------------------------------------------------------------

stop_recorder();
my @kept = map { "kept$_" } 1 .. 40;
my %answer;
$answer{ deliver($_) }++ for @kept;
is_deeply(\%answer, { 202 => 40 }, 'the service is down: all are answered 202');
for my $edge (@edges) {
    my @on_disk = map { /(kept\d+)/ } glob instance_file($edge, 'var/spool/mspwh/*.headers');
    my @belong = grep { home($_) eq $edge } @kept;
    is_deeply([sort @on_disk], [sort @belong], "... those of $edge are on its disk");
    my ($counted) = request(port => $edge, method => 'GET', path => '/mspwh')->{body}
        =~ /^mspwh_spooled_events_total(?:\{[^}]*\})? (\d+)/m;
    is($counted, scalar @belong, '... and in its status');
}

kill_instance('edge1');
start_recorder(200, 0.005);
my $url = 'http://' . at('edge2-redelivery') . $path;
my @emptied = map { (run($tool, '--quiet', instance_file($_, 'var/spool/mspwh'), $url))[0] } @edges;
is_deeply(\@emptied, [0, 0], 'edge1 is lost but for its disk: edge2 delivers what is on it');
my %delivered = map { $_ => 1 } map { $_->[0] } grep { $_->[0] =~ /^kept/ } ledger('recorded');
is_deeply([sort keys %delivered], [sort @kept], '... all that was answered 202');
is(scalar(grep { $_->[0] =~ /^kept/ } ledger('recorded')), 40, '... once');

kill_instance('edge2');
is(deliver('last'), 502, 'no edge is left: 502, nothing is accepted');

done_testing();
