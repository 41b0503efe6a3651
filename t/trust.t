# Every way into a location with "mspwh on", from every kind of location, by every kind of request: its
# backend, its mirror and its spool get what was signed for it, whole, and nothing else.
#
# MSPWH_TRUST=all tries all cells, rather than only as many as fit into a minute. Large bodies, and clients
# that leave, are in t/slow/trust_large.t.

use strict;
use warnings;
use Test::More;
use MspwhTest;
use MspwhTrust;

my $all = ($ENV{MSPWH_TRUST} // '') eq 'all';

# [how it is sent, method, bodies]
my @sent = (
    ['length', 'GET', 'none', 'memory'],
    ['length', 'POST', 'none', 'memory', 'file'],
    ['chunked', 'POST', 'none', 'memory', 'file'],
);
push @sent, ['HTTP/2', 'POST', 'none', 'memory', 'file'] if !defined lacks(module => 'http_v2_module');

my @requests;
for (@sent) {
    my ($how, $method, @bodies) = @$_;
    for my $body (@bodies) {
        my $size = $body eq 'file' ? 20_000 : 0;
        my @of = (how => $how, method => $method, body => $body, size => $size);
        push @requests, map { +{ @of, secret => $_ } } 'unsigned', 'forged', 'other', 'signed',
            $body eq 'none' ? () : 'nothing';
    }
}

# At each place, the simplest ones, and the others in turn.
my $turn = 0;
sub is_tried {
    my ($way, $r) = @_;
    return 0 if $way eq 'lua' and $r->{how} eq 'HTTP/2';
    my $plain = $r->{how} eq 'length' && $r->{method} eq 'POST' && $r->{body} eq 'memory';
    return $all || $plain || !(++$turn % 4);
}

my @places = places(ways());
start_places(@places);
my @cells;
for my $place (@places) {
    push @cells, ask(map { prepare($place, %$_) } grep { is_tried($place->[0], $_) } @requests);
}
report_cells(@cells);
note scalar(@cells), ' cells';

done_testing();
