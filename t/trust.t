# Every way into a location with "mspwh on", from every kind of location, by every kind of request: its
# backend, its mirror and its spool get what was signed for it, whole, and nothing else.
#
# Large bodies, and clients that leave, are in t/slow/trust_large.t.

use strict;
use warnings;
use Test::More;
use MspwhTest;
use MspwhTrust;

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

my @places = places(ways());
start_places(@places);
my @cells;
for my $place (@places) {
    # Lua has no subrequests under HTTP/2
    my @tried = grep { $place->[0] ne 'lua' || $_->{how} ne 'HTTP/2' } @requests;
    push @cells, ask(map { prepare($place, %$_) } @tried);
}
report_cells(@cells);
note scalar(@cells), ' cells';

done_testing();
