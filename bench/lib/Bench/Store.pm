package Bench::Store;

# The cost of a store: claims in a pipeline, a store that is known to be down, and a large event into a
# stream.

use strict;
use warnings;

use HTTP::Tiny;
use JSON::PP qw(decode_json);

use Bench::Event qw(event write_request write_requests);
use Bench::Report qw(median spread duration table tsv progress);
use Bench::Server qw(free_port start_store stop_store start_peer stop_peer client cost peak_rss);

use constant {
    CPU     => 5_000,       # ns of additional CPU time of the worker
    LATENCY => 300_000,     # ns of additional latency, in the median
    LARGE   => 30 << 20,
    MEMORY  => 1024,        # additional KB
};

my @rows = (['memory', 'the zone alone'], ['near', q(with a store on the worker's core)],
    ['far', 'with a store on the other core'], ['lost', 'with a store that is down']);

sub run {
    my $o = shift;
    my %p = $o->{quick} ? (rounds => 5, count => 5_000) : (rounds => 15, count => 10_000);
    my %store = (near => start_store('server'), far => start_store('load'));
    my %port = map { $_ => free_port() } qw(near far lost stream);
    my %words = (NEAR_STORE => $store{near}{port}, FAR_STORE => $store{far}{port}, NOBODY => free_port(),
        map { (uc($_) => $port{$_}) } keys %port);
    my $connections = $o->{store_connections};
    my $peer = start_peer('claims', words => \%words, port => \%port);
    my $all = $p{rounds} * $p{count} * 2;
    my $file = write_requests("$o->{dir}/store-events", $all, sub { $_[0] });
    my @cases = map { $_->[0] } @rows;
    my (%cpu, %latency, %waiting);
    for my $round (0 .. $p{rounds} - 1) {
        progress("store, round " . ($round + 1) . "/$p{rounds}");
        my @kinds = map { ['-k', $all, '-o', $_ * $p{count}] } 2 * $round, 2 * $round + 1;
        for my $name (@cases) {
            my @at = ($peer, $name, $file);
            my $before = claim_time($peer);
            my $r = measured(@at, $p{count}, $connections, @{ $kinds[0] });
            push @{ $cpu{$name} }, $r->{cpu};
            push @{ $waiting{$name} }, (claim_time($peer) - $before) / $r->{elapsed};
            push @{ $latency{$name} }, measured(@at, $p{count} / 4, 1, @{ $kinds[1] })->{p50};
        }
        push @cases, shift @cases;
    }
    progress();
    unlink $file;
    my @memory = stream($o, $peer);
    stop_peer($peer);
    stop_store($_) for values %store;
    show($o, $connections, $p{rounds}, \%cpu, \%waiting, \%latency, @memory);
}

# Returns the time that all claims so far have taken, in ns.
sub claim_time {
    my $peer = shift;
    my $r = HTTP::Tiny->new->get("http://127.0.0.1:$peer->{port}{memory}/status");
    die "the status: $r->{status} $r->{content}\n" if !$r->{success};
    return 1000 * decode_json($r->{content})->{store}{claim_us};
}

# All events are new, and pass.
sub measured {
    my ($peer, $name, $file, $count, $connections, @options) = @_;
    my $r = cost($peer, $peer->{port}{$name}, $file, $count, $connections, @options);
    die "store, $name: ", join(' ', map { "$_=$r->{$_}" } sort keys %$r), "\n"
        if ($r->{status_200} // 0) != $count or $r->{upstream_requests} != $count;
    return $r;
}

# Peak memory of the worker before and after a large event.
sub stream {
    my ($o, $peer) = @_;
    my $small = write_request("$o->{dir}/small", event(1 << 10));
    my $large = write_request("$o->{dir}/large", event(LARGE));
    my @peak;
    for my $file ($small, $large) {
        my $r = client('-n', 3, '-t', 60, $peer->{port}{stream}, $file);
        die "stream: ", join(' ', map { "$_=$r->{$_}" } sort keys %$r), "\n" if ($r->{status_202} // 0) != 3;
        push @peak, peak_rss($peer);
    }
    unlink $small, $large;
    return @peak;
}

sub cell {
    my ($m, $q1, $q3) = spread(@_);
    return duration($m) . ' (' . duration($q1, $m) . ' to ' . duration($q3, $m) . ')';
}

sub more {
    my ($of, $name) = @_;
    return map { $of->{$name}[$_] - $of->{memory}[$_] } 0 .. $#{ $of->{$name} };
}

sub verdict { my ($value, $target) = @_; return $value <= $target ? 'reached' : 'NOT reached' }

sub show {
    my ($o, $connections, $rounds, $cpu, $waiting, $latency, $before, $after) = @_;
    print "### A store for mspwh_dedup\n\nEvents of 0.1 KB, all new: how many claims are with the store at ",
        "a time, and the CPU time of the\nworker for each event, over $connections connections; the time of ",
        "an event over one; median of\n$rounds rounds (first and third quartile).\n\n";
    table(['', 'claims at a time', 'CPU time', 'added', 'an event takes', 'added'],
        map { my ($name, $title) = @$_;
            [$title, sprintf('%.1f', median(@{ $waiting->{$name} })),
                map { (cell(@{ $_->{$name} }), $name eq 'memory' ? '' : cell(more($_, $name))) }
                    $cpu, $latency] } @rows);
    my ($c, $l) = map { median(more($_, 'near')) } $cpu, $latency;
    print "A store on the worker's core adds ", duration($c), " of its CPU time (at most ", duration(CPU),
        ": ", verdict($c, CPU), ")\nand ", duration($l), " (at most ", duration(LATENCY), ": ",
        verdict($l, LATENCY), ").\n\n";
    printf "An event of %d MB into a stream: %.2f MB more in the worker (at most 1 MB: %s).\n\n", LARGE >> 20,
        ($after - $before) / 1024, verdict($after - $before, MEMORY);
    tsv("$o->{dir}/store.tsv", ['what', 'cpu_ns', 'p50_ns'],
        map { my $name = $_->[0]; [$name, map { median(@{ $_->{$name} }) } $cpu, $latency] } @rows);
}

1;
