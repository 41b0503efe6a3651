package Bench::Shape;

# The module's cost on top of plain nginx, by the size of the body, the number of secrets, the place of the
# event type, and hostile shapes.

use strict;
use warnings;

use Bench::Document qw(document);
use Bench::Event qw(write_request);
use Bench::Report qw(median spread duration size_name table tsv progress);
use Bench::Server qw(start_peer stop_peer settle_memory cost enough);

use constant CONNECTIONS => 4;

my @sizes = map { $_ << 10 } 1, 16, 64, 256, 1024, 4096, 10240, 32768, 102400;
my @shapes = (
    ['small members', 1_100_000], ['small members', 40_000], ['dense, in objects', 60_000],
    map { [$_, 1 << 20] } 'dense, in an array', 'arrays in arrays', 'objects in arrays',
    'too deep', 'all backslashes', 'all \u escapes', 'all non-ASCII', 'a-umlaut after a',
    'base64 with \u002B', 'short strings', 'white space', 'one number', 'one name',
);
my $benign = 'base64';

sub run {
    my $o = shift;
    my %peer = map { $_ => start_peer($_) } qw(plain mspwh);
    settle_memory(values %peer);
    my @cases = cases($o);
    prepare($o, \%peer, $_) for @cases;
    my $rounds = $o->{quick} ? 3 : 7;
    for my $round (1 .. $rounds) {
        progress("shape, round $round/$rounds");
        measure(\%peer, $_) for @cases;
        push @cases, splice @cases, 0, @cases / $rounds;
    }
    progress();
    stop_peer($_) for values %peer;
    unlink map { $_->{file} } @cases;
    report($o, $rounds, { map { $_->{id} => $_ } @cases });
}

# "id" names a case: document, size, and what else is special
sub new_case {
    my ($peer, $document, $size, %more) = @_;
    return { peer => $peer, document => $document, size => $size, %more,
        id => join ' ', $peer, $document, $size, map { "$_=$more{$_}" } sort keys %more };
}

sub cases {
    my $o = shift;
    my @linear = grep { !$o->{quick} || $_ <= 10 << 20 } @sizes;
    my @cases = map { new_case('plain', $benign, $_), new_case('mspwh', $benign, $_) } @linear;
    for my $size (1 << 16, 1 << 20) {
        push @cases, map { new_case('mspwh', $benign, $size, path => "/secrets/$_") } 2, 4, 8;
    }
    push @cases, map { new_case('mspwh', $_, 1 << 20) } 'type in the middle', 'type at the end';
    push @cases, map { new_case($_, $benign, 40_000), new_case($_, $benign, 60_000) }
        qw(plain mspwh);
    push @cases, map { new_case('mspwh', @$_) } @shapes;
    push @cases, map { new_case($_, $benign, 1 << 16, chunk => 1) } qw(plain mspwh);
    return @cases;
}

sub prepare {
    my ($o, $peer, $case) = @_;
    progress("shape, $case->{id}");
    my $body = document($case->{document}, $case->{size});
    $case->{file} = "$o->{dir}/shape-" . $case->{id} =~ s/\W+/-/gr;
    write_request($case->{file}, $body, path => $case->{path}, chunk => $case->{chunk});
    $case->{bytes} = length $body;
    $case->{count} = enough($peer->{ $case->{peer} }, $peer->{ $case->{peer} }{port}{memory},
        $case->{file}, $o->{quick} ? 0.08 : 0.25, CONNECTIONS);
}

sub measure {
    my ($peer, $case) = @_;
    my $p = $peer->{ $case->{peer} };
    my $r = cost($p, $p->{port}{memory}, @$case{qw(file count)}, CONNECTIONS);
    my @status = map { /^status_(\d+)/ } sort keys %$r;
    $case->{status} = "@status" || 'no answer';
    push @{ $case->{cpu} }, $r->{cpu};
}

# Returns the module's additional cost in each round; "plain" may be of a similar size.
sub added {
    my ($case, $plain) = @_;
    my $scale = $case->{bytes} / $plain->{bytes};
    return map { $case->{cpu}[$_] - $plain->{cpu}[$_] * $scale } 0 .. $#{ $case->{cpu} };
}

sub cell {
    my ($m, $q1, $q3) = spread(@_);
    return duration($m) . ' (' . duration($q1, $m) . '-' . duration($q3, $m) . ')';
}

sub report {
    my ($o, $rounds, $all) = @_;
    print "### Cost against work\n\nBodies in memory; median of $rounds rounds (first and third ",
        "quartile).\n\n";
    report_sizes($o, $all);
    report_secrets($all);
    report_places($all);
    report_shapes($all);
    report_chunks($all);
    tsv("$o->{dir}/shape.tsv", ['case', 'bytes', 'status', 'median_ns', 'q1_ns', 'q3_ns'],
        map { my $c = $all->{$_}; [$_, @$c{qw(bytes status)}, spread(@{ $c->{cpu} })] }
            sort keys %$all);
}

sub report_sizes {
    my ($o, $all) = @_;
    my @rows;
    for my $size (@sizes) {
        my ($plain, $module) = map { $all->{"$_ $benign $size"} } qw(plain mspwh);
        next if !$module;
        my @added = added($module, $plain);
        push @rows, [size_name($size), cell(@{ $plain->{cpu} }), cell(@{ $module->{cpu} }),
            cell(@added), sprintf('%.3f', median(@added) / $size)];
    }
    table(['body', 'plain', 'module', 'added', 'ns a byte'], @rows);
}

sub report_secrets {
    my $all = shift;
    my @rows;
    for my $size (1 << 16, 1 << 20) {
        my $plain = $all->{"plain $benign $size"};
        my $one = median(added($all->{"mspwh $benign $size"}, $plain));
        push @rows, [size_name($size), duration($one)];
        for my $n (2, 4, 8) {
            my $added = median(added($all->{"mspwh $benign $size path=/secrets/$n"}, $plain));
            push @{ $rows[-1] }, sprintf '%s (%s each more)', duration($added),
                duration(($added - $one) / ($n - 1));
        }
    }
    print "Added with more secrets:\n\n";
    table(['body', '1 secret', '2', '4', '8'], @rows);
}

sub report_places {
    my $all = shift;
    my $plain = $all->{ 'plain ' . $benign . ' ' . (1 << 20) };
    print "Added to 1 MB, by the place of the event type:\n\n";
    table(['start', 'middle', 'end'],
        [map { cell(added($all->{ "mspwh $_ " . (1 << 20) }, $plain)) }
            $benign, 'type in the middle', 'type at the end']);
}

sub report_shapes {
    my $all = shift;
    my @rows;
    for my $shape (@shapes) {
        my ($name, $size) = @$shape;
        my $like = $size < 1 << 20 ? $size : 1 << 20;
        my ($plain, $benign_case) = map { $all->{"$_ $benign $like"} } qw(plain mspwh);
        my $case = $all->{"mspwh $name $size"};
        my $refused = $case->{status} ne '200';
        my @added = added($case, $plain);
        my $ratio = median(@added) / $case->{bytes}
            / (median(added($benign_case, $plain)) / $benign_case->{bytes});
        push @rows, [$name, sprintf('%.0f KB', $case->{bytes} / 1024), $case->{status},
            cell(@{ $case->{cpu} }), $refused ? '-' : cell(@added),
            $refused ? '-' : sprintf('%.2f', $ratio),
            $refused ? 'refused' : $ratio <= 3 ? 'reached' : 'NOT reached'];
    }
    print "Hostile shapes, in relation to base64 of the same size; target: 3, or refused early.\n\n";
    table(['shape', 'body', 'answer', 'module', 'added', 'relation', ''], @rows);
}

# nginx itself works hard for each chunk: both parts are shown.
sub report_chunks {
    my $all = shift;
    my $size = 1 << 16;
    my ($plain, $module, $plain1, $module1) = map { $all->{$_} } "plain $benign $size",
        "mspwh $benign $size", "plain $benign $size chunk=1", "mspwh $benign $size chunk=1";
    my $in_all = median(@{ $module1->{cpu} }) / median(@{ $plain1->{cpu} });
    my $added = median(added($module1, $plain1));
    my $usual = median(added($module, $plain));
    print "A body of 64 KB, whole and in chunks of one byte:\n\n";
    table(['', 'plain', 'module', 'added', 'module / plain'],
        ['whole', cell(@{ $plain->{cpu} }), cell(@{ $module->{cpu} }), cell(added($module, $plain)),
            sprintf '%.2f', median(@{ $module->{cpu} }) / median(@{ $plain->{cpu} })],
        ['one byte a chunk', cell(@{ $plain1->{cpu} }), cell(@{ $module1->{cpu} }),
            cell(added($module1, $plain1)), sprintf '%.2f', $in_all],
        ['relation', '', '', sprintf('%.2f %s', $added / $usual,
            $added / $usual <= 3 ? 'reached' : 'NOT reached'), '']);
}

1;
