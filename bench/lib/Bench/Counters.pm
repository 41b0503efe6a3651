package Bench::Counters;

# The cost of the status: the module against the same one without counters, history and recent deliveries.

use strict;
use warnings;

use Bench::Event qw(event write_request);
use Bench::Report qw(median spread duration table tsv progress);
use Bench::Server qw(start_peer stop_peer cost enough);

# Returns { name => [ns of each round] }. Processes with the same module differ by
# more than the counters cost: each round has two new ones.
sub compare {
    my $o = shift;
    build($o);
    my $file = write_request("$o->{dir}/counted", event(1024));
    my ($rounds, $slice) = $o->{quick} ? (7, 0.1) : (11, 0.2);
    my @names = qw(mspwh uncounted);
    my %case;
    for my $round (1 .. $rounds) {
        progress("cpu, counters, round $round/$rounds");
        my @peers = map { start_peer($_, home => "counters-$_") } @names;
        push @{ $case{ $_->{name} } }, one_round($o, $_, $file, $slice) for @peers;
        stop_peer($_) for @peers;
        @names = reverse @names;
    }
    progress();
    unlink $file;
    return \%case;
}

sub one_round {
    my ($o, $peer, $file, $slice) = @_;
    my @where = ($peer, $peer->{port}{memory}, $file);
    my $n = enough(@where, $slice, $o->{connections});
    my $r = cost(@where, $n, $o->{connections});
    die "$peer->{name}: $n requests, but ", join(' ', map { "$_=$r->{$_}" } sort keys %$r), "\n"
        if ($r->{status_200} // 0) != $n or $r->{connects} != $o->{connections};
    return $r->{cpu};
}

# Uses the commands of the module's own build, with another file in place of the counters.
sub build {
    my $o = shift;
    my $tree = "$o->{root}/build/nginx";
    my $module = 'objs/ngx_http_mspwh_module.so';
    my $object = "$o->{dir}/no_counters.o";
    open my $out, '-|', 'make', '-C', $tree, '--no-print-directory', '-f', 'objs/Makefile', '-nB',
        $module or die "make: $!\n";
    my $text = do { local $/; <$out> } // '';
    close $out or die "make does not tell how the module is built\n";
    $text =~ s/\\\n\s*/ /g;
    my ($compile) = $text =~ /^(.* -c .*\/ngx_http_mspwh_counters\.c)\s*$/m;
    my ($link) = $text =~ /^(.* -o \Q$module\E .*)$/m;
    die "make does not tell how the module is built\n" if !$compile or !$link;

    my $changed = $compile =~ s/ -c / -c -Wmissing-prototypes /
        && $compile =~ s/\S+\/ngx_http_mspwh_counters\.o/'$object'/
        && $compile =~ s/\S+\/ngx_http_mspwh_counters\.c/'$o->{root}\/bench\/no_counters.c'/
        && $link =~ s/\S+\/ngx_http_mspwh_counters\.o/'$object'/
        && $link =~ s/-o \Q$module\E/-o '$o->{dir}\/no_counters.so'/;
    die "the module is not built as expected\n" if !$changed;
    system("cd '$tree' && $compile && $link") == 0
        or die "the module cannot be built without its counters\n";
}

sub cell {
    my ($m, $q1, $q3) = spread(@_);
    return duration($m) . ' (' . duration($q1, $m) . ' to ' . duration($q3, $m) . ')';
}

sub show {
    my ($o, $case) = @_;
    my ($with, $without) = map { $case->{$_} } qw(mspwh uncounted);
    my @added = map { $with->[$_] - $without->[$_] } 0 .. $#$with;
    print "### What counters, history and recent deliveries cost\n\n",
        "1 KB, body in memory: the module, and the same one linked ",
        "without all of them. Median of ", scalar @added, " rounds\n",
        "(first and third quartile), each with two nginx that have just been started.\n\n";
    table(['with', 'without', 'difference', 'target', ''],
        [cell(@$with), cell(@$without), cell(@added), 'at most 0.5 us',
            median(@added) <= 500 ? 'reached' : 'NOT reached']);
    tsv("$o->{dir}/counters.tsv", ['what', 'median_ns', 'q1_ns', 'q3_ns', 'rounds'],
        map { my ($what, @v) = @$_; [$what, map({ sprintf '%.0f', $_ } spread(@v)), scalar @v] }
            ['with', @$with], ['without', @$without], ['difference', @added]);
}

1;
