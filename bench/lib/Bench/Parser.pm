package Bench::Parser;

# The parser alone: bytes per second, and instructions per byte.

use strict;
use warnings;

use Bench::Document qw(document);
use Bench::Report qw(spread table tsv progress);
use Bench::Server qw(pinned);

# document, what is reported of it, target in GB/s
my @cases = (
    ['base64', 'event', 5], ['dense, in an array', 'event', 1.2], ['dense, in objects', 'event', 0.6],
    ['dense, in objects', 'all', 0.6],
    ['base64 with \u002B', 'event'], ['all backslashes', 'event'], ['all \u escapes', 'event'],
    ['all non-ASCII', 'event'], ['a-umlaut after a', 'event'], ['short strings', 'event'],
    ['arrays in arrays', 'event'], ['objects in arrays', 'event'], ['white space', 'event'],
    ['one number', 'event'], ['one name', 'event'], ['small members', 'event'],
);

sub run {
    my $o = shift;
    compile($o);
    my (@files, @speeds);
    for my $i (0 .. $#cases) {
        my $text = document($cases[$i][0], 1 << 20);
        $files[$i] = "$o->{dir}/document$i";
        open my $fh, '>:raw', $files[$i] or die "$files[$i]: $!\n";
        print $fh $text;
        close $fh;
    }
    my $rounds = $o->{quick} ? 5 : 15;
    for my $round (1 .. $rounds) {
        progress("parser, round $round/$rounds");
        push @{ $speeds[$_] }, speed($o, $files[$_], $cases[$_]) for 0 .. $#cases;
    }
    my @instructions = map { instructions($o, $files[$_], $cases[$_]) } 0 .. $#cases;
    progress();
    show($o, $rounds, \@speeds, \@instructions);
    unlink @files;
}

# With the flags of the module's own build.
sub compile {
    my $o = shift;
    my $makefile = "$o->{root}/build/nginx/objs/Makefile";
    open my $fh, '<', $makefile or die "$makefile: $!\n";
    my ($flags) = map { /^CFLAGS\s*=\s*(.*)/ } <$fh>;
    my $source = "$o->{root}/ngx_http_mspwh_module/core";
    system("gcc $flags -I'$source' -o '$o->{dir}/parser' '$o->{root}/bench/parser.c' "
        . "'$source'/mspwh_[ejpt]*.c -lcjson") == 0 or die "parser.c does not compile\n";
}

# bytes per nanosecond
sub speed {
    my ($o, $file, $case) = @_;
    my ($ns) = scan($o, pinned(server => "$o->{dir}/parser", $file, 30, $case->[1]), $case);
    return (-s $file) / $ns;
}

sub scan {
    my ($o, @command) = @_;
    my $case = pop @command;
    open my $out, '-|', @command or die "parser: $!\n";
    my ($ns, $said) = split ' ', <$out> // '', 2;
    close $out or die "the parser failed\n";
    die "parser, $case->[0]: $said" if $said ne "ok\n";
    return $ns;
}

sub instructions {
    my ($o, $file, $case) = @_;
    progress("parser, callgrind, $case->[0]");
    my $log = "$o->{dir}/callgrind.log";
    scan($o, 'valgrind', '--tool=callgrind', '--toggle-collect=scan_*', "--log-file=$log",
        '--callgrind-out-file=/dev/null', "$o->{dir}/parser", $file, 1, $case->[1], $case);
    open my $fh, '<', $log or die "$log: $!\n";
    my ($count) = map { /Collected : (\d+)/ } <$fh>;
    return ($count // die "callgrind says nothing\n") / -s $file;
}

sub show {
    my ($o, $rounds, $speeds, $instructions) = @_;
    my (@rows, @tsv);
    for my $i (0 .. $#cases) {
        my ($name, $told, $target) = @{ $cases[$i] };
        $name .= ', all told' if $told eq 'all';
        my ($m, $q1, $q3) = spread(@{ $speeds->[$i] });
        push @tsv, [$name, $m, $q1, $q3, $instructions->[$i]];
        push @rows, [$name, sprintf('%.2f (%.2f-%.2f)', $m, $q1, $q3),
            sprintf('%.2f', $instructions->[$i]),
            $target ? ("at least $target GB/s", $m >= $target ? 'reached' : 'NOT reached')
                    : ('', '')];
    }
    print "### The parser alone\n\nDocuments of 1 MB in pieces of 16 KB; median of $rounds rounds ",
        "(first and third quartile).\n\n";
    table(['document', 'GB/s', 'instructions a byte', 'target', ''], @rows);
    tsv("$o->{dir}/parser.tsv", ['document', 'median_gb_s', 'q1', 'q3', 'instructions_byte'],
        @tsv);
}

1;
