package Bench::Report;

# Medians, Markdown tables and TSV files.

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT_OK = qw(median spread duration size_name table tsv progress);

sub quantile {
    my ($part, @v) = @_;
    @v = sort { $a <=> $b } @v;
    my $at = $part * $#v;
    my $low = int $at;
    my $high = $low < $#v ? $low + 1 : $low;
    return $v[$low] + ($v[$high] - $v[$low]) * ($at - $low);
}

sub median { quantile(0.5, @_) }

# Returns the median, the first and the third quartile.
sub spread { map { quantile($_, @_) } 0.5, 0.25, 0.75 }

# Formats nanoseconds with three digits and a unit; "unit" may be that of another value.
sub duration {
    my ($ns, $like) = @_;
    my ($unit, $by) = abs($like // $ns) < 1e6 ? ('us', 1e3) : ('ms', 1e6);
    my $v = $ns / $by;
    my $digits = abs($v) >= 100 ? 0 : abs($v) >= 10 ? 1 : 2;
    return defined $like ? sprintf('%.*f', $digits, $v) : sprintf('%.*f %s', $digits, $v, $unit);
}

sub size_name {
    my $size = shift;
    return $size >= 1 << 20 ? ($size >> 20) . ' MB' : ($size >> 10) . ' KB';
}

# Returns a Markdown table with aligned columns; the first row is the head.
sub table {
    my @rows = @_;
    my @width;
    for my $row (@rows) {
        for my $i (0 .. $#$row) {
            my $w = length $row->[$i];
            $width[$i] = $w if $w > ($width[$i] // 3);
        }
    }
    my $line = sub { '| ' . join(' | ', map { sprintf '%-*s', $width[$_], $_[0][$_] // '' }
        0 .. $#width) . " |\n" };
    my ($head, @rest) = @rows;
    print $line->($head), '| ', join(' | ', map { '-' x $_ } @width), " |\n",
        map({ $line->($_) } @rest), "\n";
}

sub tsv {
    my ($file, @rows) = @_;
    open my $fh, '>', $file or die "$file: $!\n";
    print $fh join("\t", @$_), "\n" for @rows;
    close $fh or die "$file: $!\n";
}

# Prints a line at the bottom of a terminal, or nothing.
sub progress {
    return if !-t STDERR;
    printf STDERR "\r%-78.78s", $_[0] // '';
    print STDERR "\r", ' ' x 78, "\r" if !defined $_[0];
}

1;
