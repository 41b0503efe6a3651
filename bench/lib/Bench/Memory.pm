package Bench::Memory;

# Peak memory of a worker that takes 32 events of 10 MB at a time.

use strict;
use warnings;

use Bench::Event qw(event write_request);
use Bench::Report qw(median table tsv progress);
use Bench::Server qw(start_upstream stop_upstream start_peer stop_peer client
    peak_rss);

use constant CONNECTIONS => 32;
use constant RATE        => 5 << 20;

sub run {
    my $o = shift;
    start_upstream();
    my $file = write_request("$o->{dir}/large", event(10 << 20));
    my $rounds = $o->{quick} ? 1 : 5;
    my %got;
    for my $round (1 .. $rounds) {
        for my $name ($round & 1 ? qw(plain mspwh) : qw(mspwh plain)) {
            progress("memory, round $round/$rounds");
            my $peer = start_peer($name);
            push @{ $got{$name}{idle} }, peak_rss($peer);
            my $r = client('-c', CONNECTIONS, '-n', CONNECTIONS, '-r', RATE, '-t', 30,
                $peer->{port}{file}, $file);
            die "$name: not all events were taken\n" if ($r->{status_200} // 0) != CONNECTIONS;
            push @{ $got{$name}{peak} }, peak_rss($peer);
            stop_peer($peer);
        }
    }
    progress();
    stop_upstream();
    unlink $file;
    show($o, $rounds, \%got);
}

sub show {
    my ($o, $rounds, $got) = @_;
    my @rows;
    for my $what (qw(idle peak)) {
        my ($plain, $module) = map { $got->{$_}{$what} } qw(plain mspwh);
        my $more = median(@$module) - median(@$plain);
        push @rows, [$what, megabytes(@$plain), megabytes(@$module), sprintf('%.2f MB', $more / 1024),
            $what eq 'peak' ? ('at most 4 MB', $more <= 4096 ? 'reached' : 'NOT reached') : ('', '')];
    }
    print "### Memory of a worker, ", CONNECTIONS, " events of 10 MB at a time\n\n",
        "client_body_buffer_size 16k, a fresh nginx each time; median of $rounds (least-most).\n\n";
    table(['', 'plain', 'module', 'more', 'target', ''], @rows);
    tsv("$o->{dir}/memory.tsv", ['peer', 'what', 'median_kb'],
        map { my $n = $_; map { [$n, $_, median(@{ $got->{$n}{$_} })] } qw(idle peak) }
            qw(plain mspwh));
}

sub megabytes {
    my @sorted = sort { $a <=> $b } @_;
    return sprintf '%.2f MB (%.2f-%.2f)', map { $_ / 1024 } median(@_), @sorted[0, -1];
}

1;
