package Bench::Cpu;

# CPU time per request of each peer, and of the hash alone.

use strict;
use warnings;

use Bench::Counters;
use Bench::Event qw(event write_request);
use Bench::Report qw(median spread duration size_name table tsv progress);
use Bench::Server qw(start_upstream stop_upstream start_peer stop_peer
    client settle_memory cost enough pinned);

my %title = (memory => 'body in memory', file => 'client_body_buffer_size 16k');

sub run {
    my $o = shift;
    my @peers = map { start_peer($_) } @{ $o->{peers} };
    warm_up($o, @peers);
    my (%result, @tsv);
    for my $setting (qw(memory file)) {
        for my $size (@{ $o->{sizes} }) {
            $result{$setting}{$size} = one_case($o, $setting, $size, \@peers);
        }
    }
    my @by_connections = $o->{whole} ? by_connections($o, @peers) : ();
    stop_peer($_) for @peers;
    my $counters = counters_chosen($o) && Bench::Counters::compare($o);
    for my $setting (qw(memory file)) {
        print_setting($o, $setting, $result{$setting});
        push @tsv, tsv_rows($o, $setting, $result{$setting});
    }
    print_connections(@by_connections) if @by_connections;
    Bench::Counters::show($o, $counters) if $counters;
    tsv("$o->{dir}/cpu.tsv",
        ['setting', 'bytes', 'what', 'median_ns', 'q1_ns', 'q3_ns', 'rounds'], @tsv);
}

# Returns whether the module and 1 KB are among the chosen cases.
sub counters_chosen {
    my $o = shift;
    return grep({ $_ eq 'mspwh' } @{ $o->{peers} }) && grep({ $_ == 1024 } @{ $o->{sizes} });
}

# Node.js is slow before it has compiled its own code.
sub warm_up {
    my ($o, @peers) = @_;
    my $file = write_request("$o->{dir}/good", event(1024));
    client('-c', $o->{connections}, '-t', 2 * $o->{slice}, $_->{port}{memory}, $file) for @peers;
    settle_memory(@peers);
}

# 1 KB again. With one connection, a server sleeps between any two events; with an upstream of its own, the
# load sleeps, too, and a server pays for waking it.
sub by_connections {
    my ($o, @peers) = @_;
    @peers = grep { $_->{name} =~ /^(?:plain|mspwh|haproxy)$/ } @peers;
    my @cases;
    for my $sleeps (0, 1) {
        start_upstream() if $sleeps;
        for my $n (1, 4, 16) {
            my %less = (%$o, connections => $n, slice => $o->{slice} / 2);
            push @cases, [$n, $sleeps, one_case(\%less, 'memory', 1024, [@peers])];
        }
    }
    stop_upstream();
    return @cases;
}

sub print_connections {
    my @names = qw(plain mspwh haproxy);
    print "1 KB over so many connections, each with one request at a time; a server that writes to ",
        "a core\nthat sleeps pays for waking it up:\n\n";
    table(['connections', 'the other core', @names, 'module / plain', 'module - plain'],
        map { my ($n, $sleeps, $case) = @$_; [$n, $sleeps ? 'sleeps at times' : 'never sleeps',
            map({ cell($case->{$_}) } @names), relation($case, 'mspwh'),
            cell([paired($case, 'mspwh', sub { $_[0] - $_[1] })])] } @_);
}

# Returns { name => [ns of each round] or what happened instead; floor => [...] }.
sub one_case {
    my ($o, $setting, $size, $peers) = @_;
    my $good = write_request("$o->{dir}/good", event($size));
    my $bad = write_request("$o->{dir}/bad", event($size), signature => 'A' x 43 . '=');
    my (%case, %count, @able);
    for my $peer (@$peers) {
        my $why = refusal($peer, $setting, $good, $bad);
        $case{ $peer->{name} } = $why // [];
        next if defined $why;
        push @able, $peer;
        $count{ $peer->{name} } = enough($peer, $peer->{port}{$setting}, $good,
            $o->{slice}, $o->{connections});
    }
    for my $round (1 .. $o->{rounds}) {
        progress("cpu, $title{$setting}, " . size_name($size) . ", round $round/$o->{rounds}");
        for my $peer (@able) {
            my $name = $peer->{name};
            push @{ $case{$name} }, measure($o, $peer, $setting, $good, $count{$name});
        }
        push @{ $case{floor} }, floor_time($o, $size);
        push @able, shift @able;
    }
    progress();
    return \%case;
}

# Returns what the peer does wrong in this case, or undef.
sub refusal {
    my ($peer, $setting, $good, $bad) = @_;
    my $port = $peer->{port}{$setting} // return '';
    my $r = client('-n', 2, '-t', 20, $port, $good);
    if (($r->{status_200} // 0) != 2) {
        my ($status) = map { /^status_(\d+)/ } sort keys %$r;
        return $status ? "$status to a genuine event" : 'no answer to a genuine event';
    }
    return if $peer->{name} eq 'plain';
    $r = client('-n', 1, '-t', 20, $port, $bad);
    return 'accepts a forged event' if !$r->{status_401};
    return;
}

sub measure {
    my ($o, $peer, $setting, $file, $n) = @_;
    my $r = cost($peer, $peer->{port}{$setting}, $file, $n, $o->{connections});
    die "$peer->{name}: $n requests, but ", join(' ', map { "$_=$r->{$_}" } sort keys %$r), "\n"
        if ($r->{status_200} // 0) != $n or $r->{connects} != $o->{connections};
    return $r->{cpu};
}

# Measures HMAC-SHA256 over as many bytes, on the same core.
sub floor_time {
    my ($o, $size) = @_;
    my $n = int 1e8 / ($size * 0.6 + 500) + 1;
    open my $out, '-|', pinned(server => "$o->{dir}/hmac", $size, $n) or die "hmac: $!\n";
    my $ns = <$out> // '';
    close $out or die "hmac failed\n";
    return $ns + 0;
}

sub cell {
    my $v = shift // return '';
    return $v if !ref $v;
    my ($median, $q1, $q3) = spread(@$v);
    return duration($median) . ' (' . duration($q1, $median) . '-' . duration($q3, $median) . ')';
}

sub print_setting {
    my ($o, $setting, $result) = @_;
    my @sizes = sort { $a <=> $b } keys %$result;
    my @names = grep { $result->{ $sizes[0] }{$_} ne '' } @{ $o->{peers} };
    print "### CPU time per request, $title{$setting}\n\n",
        "Median of $o->{rounds} rounds (first and third quartile).\n\n";
    table(['body', @names, 'HMAC alone'],
        map { my $c = $result->{$_}; [size_name($_), map { cell($c->{$_}) } @names, 'floor'] }
            @sizes);
    if (@names > 1) {
        print "In relation to plain nginx, median of the ratios in each round:\n\n";
        table(['body', @names],
            map { my $c = $result->{$_}; [size_name($_), map { relation($c, $_) } @names] } @sizes);
    }
    return if !grep { $_ eq 'mspwh' } @names;
    print "What the module adds to plain nginx:\n\n";
    table(['body', 'module - plain', 'HMAC alone', 'ratio', 'target', ''],
        map { target_row($_, $result->{$_}) } @sizes);
}

sub paired {
    my ($case, $name, $code) = @_;
    return map { $code->($case->{$name}[$_], $case->{plain}[$_], $case->{floor}[$_]) }
        0 .. $#{ $case->{$name} };
}

sub relation {
    my ($case, $name) = @_;
    return '-' if !ref $case->{$name} or !ref $case->{plain};
    return sprintf '%.2f', median(paired($case, $name, sub { $_[0] / $_[1] }));
}

sub target_row {
    my ($size, $case) = @_;
    return [size_name($size), 'no figure'] if !ref $case->{mspwh} or !ref $case->{plain};
    my @added = paired($case, 'mspwh', sub { $_[0] - $_[1] });
    my @cells = (size_name($size), cell(\@added), cell($case->{floor}));
    if ($size <= 1024) {
        my ($m, $q1, $q3) = spread(paired($case, 'mspwh', sub { $_[0] / $_[1] }));
        my $haproxy = $case->{haproxy};
        my $below = !ref $haproxy || median(@{ $case->{mspwh} }) < median(@$haproxy);
        my $ok = $m <= 1.2 && $below;
        return [@cells, sprintf('%.2f of plain (%.2f-%.2f)', $m, $q1, $q3),
            'at most 1.20 of plain' . (ref $haproxy ? ', below haproxy' : ''),
            $ok ? 'reached' : 'NOT reached'];
    }
    my ($m, $q1, $q3) = spread(paired($case, 'mspwh', sub { ($_[0] - $_[1]) / $_[2] }));
    return [@cells, sprintf('%.2f of HMAC (%.2f-%.2f)', $m, $q1, $q3),
        'at most 1.20 of HMAC', $m <= 1.2 ? 'reached' : 'NOT reached'];
}

sub tsv_rows {
    my ($o, $setting, $result) = @_;
    my @rows;
    for my $size (sort { $a <=> $b } keys %$result) {
        for my $name (@{ $o->{peers} }, 'floor') {
            my $v = $result->{$size}{$name};
            next if $v eq '';
            push @rows, [$setting, $size, $name,
                ref $v ? (map({ sprintf '%.0f', $_ } spread(@$v)), scalar @$v)
                       : ('NaN', 'NaN', 'NaN', $v)];
        }
    }
    return @rows;
}

1;
