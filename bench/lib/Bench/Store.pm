package Bench::Store;

# The cost of a store: claims in a pipeline, a store that is known to be down, and a large event into a
# stream.

use strict;
use warnings;

use Bench::Event qw(event write_request write_requests);
use Bench::Report qw(median spread duration table tsv progress);
use Bench::Server qw(free_port start_store stop_store start_peer stop_peer client cost peak_rss);

use constant {
    CPU     => 5_000,       # ns of additional CPU time of a worker that is busy
    FEW     => 16,          # connections: the worker sleeps while the store answers
    MANY    => 128,         # it does not
    LATENCY => 300_000,     # ns of additional latency, in the median
    LARGE   => 30 << 20,
    MEMORY  => 1024,        # additional KB
};

my @cases = (['memory', 'the zone alone'], ['shared', 'with a store'], ['lost', 'with a store that is down']);

sub run {
    my $o = shift;
    my %p = $o->{quick} ? (rounds => 5, count => 5_000) : (rounds => 15, count => 10_000);
    my $store = start_store();
    my %port = map { $_ => free_port() } qw(shared lost stream);
    my %words = (STORE => $store->{port}, NOBODY => free_port(), map { (uc($_) => $port{$_}) } keys %port);
    my $peer = start_peer('claims', words => \%words, port => \%port);
    my $all = $p{rounds} * $p{count} * 4;
    my $file = write_requests("$o->{dir}/store-events", $all, sub { $_[0] });
    my (%few, %many, %latency);
    for my $round (0 .. $p{rounds} - 1) {
        progress("store, round " . ($round + 1) . "/$p{rounds}");
        for my $case (@cases) {
            my $name = $case->[0];
            my $first = 4 * $round * $p{count};
            my @kind = map { ['-k', $all, '-o', $first + $_ * $p{count}] } 0, 2, 3;
            my @at = ($peer, $name, $file);
            push @{ $many{$name} }, measured(@at, 2 * $p{count}, MANY, @{ $kind[0] })->{cpu};
            push @{ $few{$name} }, measured(@at, $p{count}, FEW, @{ $kind[1] })->{cpu};
            push @{ $latency{$name} }, measured(@at, $p{count} / 4, 1, @{ $kind[2] })->{p50};
        }
        push @cases, shift @cases;
    }
    progress();
    unlink $file;
    my @memory = stream($o, $peer);
    stop_peer($peer);
    stop_store($store);
    show($o, \%p, \%few, \%many, \%latency, @memory);
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
    my ($o, $p, $few, $many, $latency, $before, $after) = @_;
    my @sorted = sort { ($b->[0] eq 'memory') - ($a->[0] eq 'memory') || $a->[1] cmp $b->[1] } @cases;
    print "### A store for mspwh_dedup\n\nEvents of 0.1 KB, all new: CPU time of the worker for each, over ",
        MANY, " connections, where it is busy,\nand over ", FEW, ", where it sleeps; and the time of an ",
        "event over one; median of $p->{rounds} rounds (first\nand third quartile).\n\n";
    table(['', map { $_, 'added' } MANY . ' connections', FEW . ' connections', 'an event takes'],
        map { my ($name, $title) = @$_;
            [$title, map { (cell(@{ $_->{$name} }), $name eq 'memory' ? '' : cell(more($_, $name))) }
                $many, $few, $latency] } @sorted);
    my ($c, $l) = map { median(more($_, 'shared')) } $many, $latency;
    print "A store adds ", duration($c), " of CPU time of a busy worker (at most ", duration(CPU), ": ",
        verdict($c, CPU), ")\nand ", duration($l), " (at most ", duration(LATENCY), ": ",
        verdict($l, LATENCY), ").\n\n";
    printf "An event of %d MB into a stream: %.2f MB more in the worker (at most 1 MB: %s).\n\n", LARGE >> 20,
        ($after - $before) / 1024, verdict($after - $before, MEMORY);
    tsv("$o->{dir}/store.tsv", ['what', 'busy_cpu_ns', 'cpu_ns', 'p50_ns'],
        map { my $name = $_->[0]; [$name, map { median(@{ $_->{$name} }) } $many, $few, $latency] } @cases);
}

1;
