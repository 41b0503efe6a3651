package Bench::Latency;

# The latency of an event of 1 KB while four connections stream events of 10 MB.

use strict;
use warnings;

use Time::HiRes qw(sleep);

use Bench::Event qw(event write_request);
use Bench::Report qw(median spread duration table tsv progress);
use Bench::Server qw(start_upstream stop_upstream start_peer stop_peer client
    start_client stop_client);

use constant STREAMS  => 4;
use constant INTERVAL => 3000;

# bytes per second and stream: at a fixed rate, and as fast as possible
my @loads = ([paced => 40 << 20], [unpaced => 0]);
my %title = (memory => 'body in memory', file => '16k buffer');

sub run {
    my $o = shift;
    start_upstream();
    my @peers = map { start_peer($_) } qw(plain mspwh);
    my $small = write_request("$o->{dir}/small", event(1 << 10));
    my $large = write_request("$o->{dir}/large", event(10 << 20));
    my ($rounds, $seconds) = $o->{quick} ? (3, 0.6) : (7, 2.5);
    my (@rows, @tsv);
    for my $setting (qw(memory file)) {
        for my $load (@loads) {
            my %got;
            for my $round (1 .. $rounds) {
                progress("latency, $title{$setting}, $load->[0], round $round/$rounds");
                for my $peer (@peers) {
                    one_round(\%got, $peer, $setting, $load->[1], $small, $large, $seconds);
                }
                @peers = reverse @peers;
            }
            push @rows, rows("$title{$setting}, $load->[0]", \%got);
            push @tsv, tsv_rows("$setting $load->[0]", \%got);
        }
    }
    progress();
    stop_peer($_) for @peers;
    stop_upstream();
    unlink $small, $large;
    print "### Latency of a 1 KB event beside four streams of 10 MB events\n\nThe streams send ",
        $loads[0][1] >> 20, " MB/s each (paced), or as fast as they can (unpaced: the worker is ",
        "then busy\nall the time, and the loads are not the same). Median of $rounds rounds (first ",
        "and third quartile).\n\n";
    table(['load', '', 'plain', 'module', 'relation', 'target', ''], @rows);
    tsv("$o->{dir}/latency.tsv", ['load', 'peer', 'what', 'median', 'q1', 'q3'], @tsv);
}

sub one_round {
    my ($got, $peer, $setting, $rate, $small, $large, $seconds) = @_;
    my $port = $peer->{port}{$setting};
    my $streams = start_client('-c', STREAMS, '-r', $rate, '-t', $seconds + 20, $port, $large);
    sleep 0.3;
    my $r = client('-i', INTERVAL, '-t', $seconds, $port, $small);
    my $s = stop_client($streams);
    for ($r, $s) {
        die "$peer->{name}: ", join(' ', map { "$_=$_[0]{$_}" } sort keys %$_), "\n"
            if ($_->{status_200} // 0) != $_->{requests} or !$_->{requests};
    }
    my $mine = $got->{ $peer->{name} } //= {};
    push @{ $mine->{median} }, $r->{p50};
    push @{ $mine->{p99} }, $r->{p99};
    push @{ $mine->{load} }, $s->{sent} / ($s->{elapsed} / 1e9) / 1e6;
}

sub cell {
    my ($m, $q1, $q3) = spread(@_);
    return duration($m) . ' (' . duration($q1, $m) . '-' . duration($q3, $m) . ')';
}

sub rows {
    my ($name, $got) = @_;
    my ($plain, $module) = @$got{qw(plain mspwh)};
    my @rows;
    for my $what (qw(median p99)) {
        my $ratio = median(@{ $module->{$what} }) / median(@{ $plain->{$what} });
        push @rows, [$name, $what, cell(@{ $plain->{$what} }), cell(@{ $module->{$what} }),
            sprintf('%.2f', $ratio), $name =~ /unpaced/ ? ('', '')
                : ('at most 1.5', $ratio <= 1.5 ? 'reached' : 'NOT reached')];
    }
    return @rows, [$name, 'streams', map({ sprintf '%.0f MB/s', median(@{ $_->{load} }) }
        $plain, $module), '', '', ''];
}

sub tsv_rows {
    my ($name, $got) = @_;
    my @rows;
    for my $peer (qw(plain mspwh)) {
        push @rows, map { [$name, $peer, $_, spread(@{ $got->{$peer}{$_} })] } qw(median p99 load);
    }
    return @rows;
}

1;
