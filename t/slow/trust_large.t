# Ways into a location with "mspwh on" for bodies that are verified again in steps, in memory or from a file,
# while the client leaves, and while nginx is reloaded or told to quit.

use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep);
use MspwhTest;
use MspwhTrust;

# The ways by which a body that was already read is fed once more.
my @sources = qw(on others monitor off spool);
my @places = grep { my $from = $_->[1]; $_->[0] ne 'index' and grep { $_ eq $from } @sources } places(ways());

# Returns every so many of a list, others each time.
my $turn = 0;
sub some { my $n = shift; return grep { !($turn++ % $n) } @_ }

my %large = (method => 'POST', body => 'file', how => 'length', secret => 'signed');
my @hows = ('length', 'chunked', defined lacks(module => 'http_v2_module') ? () : 'HTTP/2');

sub large {
    my ($place, %o) = @_;
    my $how = $o{how} // $hows[ $turn++ % @hows ];
    $how = 'length' if $how eq 'HTTP/2' and $place->[0] eq 'lua';
    # more than one step of 64 KB
    my $size = 100_000 + int rand 900_000;
    return prepare($place, %large, size => $size, in_memory => $turn % 2, %o, how => $how);
}

# Once more with the usual size: the tests before have left nothing behind.
sub usual { return ask(map { large($_, size => 1, how => 'length') } some(5, @places)) }

srand 14;
$MspwhTest::Shutdown = 60;

# --- each place, with bodies of 100 KB to 1 MB, and some larger ---------------------------

start_places(@places);
my @cells;
for my $place (@places) {
    push @cells, ask(map { large($place, secret => $_) } 'signed', 'other', 'forged');
}
for my $place (some(4, @places)) {
    push @cells, ask(large($place, size => 8_000_000, in_memory => 0), large($place, size => 8_000_000,
        in_memory => 1, secret => 'forged'));
}
for my $way (qw(error_page_named accel mirror race ssi lua njs)) {
    my ($place) = grep { "@$_" eq "$way others proxy" } @places;
    push @cells, ask(large($place, size => 60_000_000, how => 'length', in_memory => 0)) if $place;
}
report_cells(@cells);

# --- clients that leave ---------------------------------------------------------------------

start_places(@places);
my @workers = workers();
@cells = ();
for my $place (some(2, @places)) {
    # the client has sent all of the body, or some of it
    my @left = map { large($place, how => 'length', aborted => 1, size => 1_000_000, in_memory => $_,
        missing => int(rand 2) * int rand 500_000) } 0, 1;
    send_cell($_) for @left;
    sleep rand 0.02;
    delete $_->{connection} for @left;
    push @cells, @left;
}
push @cells, usual();
is_deeply([workers()], \@workers, 'no worker has gone');
report_cells(@cells);

# --- a reload, and the end of nginx -----------------------------------------------------------

for my $how ('reload', 'quit') {
    start_places(@places);
    @cells = ();
    for my $round (1 .. ($how eq 'reload' ? 6 : 1)) {
        my @sent = map { large($_, how => 'length', size => 4_000_000, in_memory => 0) } some(30, @places);
        send_cell($_) for @sent;
        # the bodies have arrived, and are being fed, passed on, or waited for
        sleep 0.01 * $round;
        ok(reload(), 'reloaded') if $how eq 'reload';
        kill QUIT => master_pid() if $how eq 'quit';
        answer_cell($_) for @sent;
        push @cells, @sent;
    }
    push @cells, usual() if $how eq 'reload';
    report_cells(@cells);
}

done_testing();
