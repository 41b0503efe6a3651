package MspwhMetrics;

# Reads mspwh_status.

use strict;
use warnings;

use Exporter qw(import);
use JSON::PP ();
use Time::HiRes qw(sleep);
use MspwhTest;

our @EXPORT = qw(status_text metrics metrics_when status_json);

sub status_text {
    my ($accept, $path) = @_;
    my $r = request(method => 'GET', path => $path // '/status', headers => [Accept => $accept]);
    die "status: $r->{status}\n" if $r->{status} != 200;
    return $r->{body};
}

# Returns the values by name and labels, as written, but without the label of the default webhook.
sub metrics {
    my %value;
    for (grep { !/^#/ } split /\n/, status_text('text/plain', @_)) {
        my ($name, $value) = /^(mspwh_\S+) ([\d.]+)$/ or die "not a sample: $_\n";
        $name =~ s/\{webhook="default"\}$|webhook="default",//;
        $value{$name} = $value;
    }
    return \%value;
}

# A request is counted after its answer: waits until the sum of all is right.
sub metrics_when {
    my ($total, @path) = @_;
    my $m;
    for (1 .. 200) {
        $m = metrics(@path);
        my $sum = 0;
        $sum += $m->{$_} for grep { /^mspwh_requests_(?:without_verdict_)?total/ } keys %$m;
        last if $sum >= $total;
        sleep 0.05;
    }
    return $m;
}

sub status_json { JSON::PP->new->decode(status_text('application/json', @_)) }

1;
