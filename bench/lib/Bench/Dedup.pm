package Bench::Dedup;

# The cost of mspwh_dedup with few and with many events in its zone, and how many events a zone holds.

use strict;
use warnings;

use Bench::Event qw(event write_request write_requests);
use Bench::Report qw(median spread duration table tsv progress);
use Bench::Server qw(free_port start_peer stop_peer client cost);

use constant FEW    => 100;
use constant ROOM   => 20_000;
use constant STRIDE => 611_953;     # a prime, so that repeats come in a different order from the events
use constant TARGET => 5;           # per cent

# Each round of "new events, zone empty" has its own zone. "entries" plus "old" events certainly fill the
# zone that must be full.
sub plan {
    my $o = shift;
    my %p = $o->{quick} ? (entries => 100_000, rounds => 7, count => 5_000)
                        : (entries => 1_000_000, rounds => 15, count => 10_000);
    $p{new} = $p{rounds} * $p{count};
    $p{old} = $p{entries} / 20;
    $p{size} = {
        few => 1024, room => 1024, map({ ("empty$_" => 1024) } 1 .. $p{rounds}),
        many => int(($p{entries} + $p{new}) * 72 / 1024) + 64,
        full => int($p{entries} / 1e6 * 65_536),
    };
    return \%p;
}

sub run {
    my $o = shift;
    my $p = plan($o);
    my $peer = start($p);
    my $file = write_files($o, $p);
    check($peer, $_, $file) for 'off', sort keys %{ $p->{size} };
    fill($peer, $p, $file);
    my $room = room($peer, $file);
    my %case = measure_all($o, $peer, $p, $file);
    remembered($peer, $p, $file, 'many', 'in the end');
    stop_peer($peer);
    unlink values %$file;
    show($o, $p, \%case, $room);
}

# Two servers for each zone: one passes events on; the other one, which fills the zone, answers a new event
# with 204, unlike a repeat. The one of "many" also fills "full".
sub start {
    my $p = shift;
    my (%port, $zones);
    for my $zone (sort keys %{ $p->{size} }) {
        my ($pass, $take) = @port{$zone, "$zone take"} = (free_port(), free_port());
        my $also = $zone eq 'many' ? 'full' : $zone;
        $zones .= <<"CONF";
    mspwh_dedup_zone zone=$zone:$p->{size}{$zone}k;
    server {
        listen 127.0.0.1:$pass;
        mspwh_dedup zone=$zone;
        location / { proxy_pass http://\$pool; }
    }
    server {
        listen 127.0.0.1:$take;
        mspwh_dedup zone=$zone;
        recursive_error_pages on;
        location / { empty_gif; error_page 405 = \@also; }
        location \@also { mspwh_dedup zone=$also; empty_gif; error_page 405 = \@take; }
        location \@take { return 204; }
    }
CONF
    }
    my $peer = start_peer('dedup', words => { ZONES => $zones }, port => \%port);
    $peer->{port}{off} = $peer->{port}{memory};
    return $peer;
}

sub write_files {
    my ($o, $p) = @_;
    my ($entries, $count) = @$p{qw(entries count)};
    my %number = (
        fill => [$entries + $p->{old}, sub { $_[0] }],
        new => [$p->{new}, sub { 2 * $entries + $_[0] }],
        few => [$count, sub { $_[0] % FEW }],
        many => [$p->{new}, sub { $_[0] * STRIDE % $entries }],
        back => [ROOM, sub { ROOM - 1 - $_[0] }],
    );
    my %file = map {
        progress("dedup, signing events: $_");
        ($_ => write_requests("$o->{dir}/dedup-$_", @{ $number{$_} }))
    } sort keys %number;
    progress();
    $file{good} = write_request("$o->{dir}/dedup-good", event(1024));
    $file{bad} = write_request("$o->{dir}/dedup-bad", event(1024), signature => 'A' x 43 . '=');
    return \%file;
}

sub expect {
    my ($what, $r, %expected) = @_;
    for my $key (sort keys %expected) {
        die "dedup, $what: $key is ", $r->{$key} // 0, ", not $expected{$key}: ",
            join(' ', map { "$_=$r->{$_}" } sort keys %$r), "\n"
            if ($r->{$key} // 0) != $expected{$key};
    }
}

# Checks that a genuine event is accepted, only once if there is a zone; and a forged one is not.
sub check {
    my ($peer, $name, $file) = @_;
    for my $passes (1, $name eq 'off' ? 1 : 0) {
        expect("genuine event, $name", client('-n', 1, '-t', 20, $peer->{port}{$name}, $file->{good}),
            status_200 => 1, upstream_requests => $passes);
    }
    for my $port (grep { $_ } @{ $peer->{port} }{$name, "$name take"}) {
        expect("forged event, $name", client('-n', 1, '-t', 20, $port, $file->{bad}),
            status_401 => 1, upstream_requests => 0);
    }
}

# Sends events to the server that answers them itself: "new" or "repeats" only.
sub take {
    my ($peer, $zone, $what, $file, %o) = @_;
    my $kinds = $o{kinds} // $o{count};
    my $r = client('-c', $o{connections} // 16, '-n', $o{count}, '-t', 300, '-k', $kinds,
        '-o', $o{first} // 0, $peer->{port}{"$zone take"}, $file);
    return expect("$what to zone $zone", $r, requests => $o{count},
        ($what eq 'new' ? 'status_204' : 'status_200') => $o{count});
}

# In the full zone, the newest events are those of the other zone, and the oldest one is forgotten.
sub fill {
    my ($peer, $p, $file) = @_;
    my $all = $p->{entries} + $p->{old};
    my @fill = ([few => 0, FEW], [full => $p->{entries}, $p->{old}], [many => 0, $p->{entries}],
        [room => 0, ROOM, 1]);
    for my $fill (@fill) {
        my ($zone, $first, $count, $connections) = @$fill;
        progress("dedup, filling zone $zone");
        take($peer, $zone, 'new', $file->{fill}, kinds => $all, first => $first, count => $count,
            connections => $connections);
    }
    progress();
    remembered($peer, $p, $file, $_, 'once filled') for qw(many full);
    take($peer, 'full', 'new', $file->{fill}, kinds => $all, first => $p->{entries}, count => 1);
    unlink $file->{fill};
}

# Checks the first event, the oldest possible one, and others.
sub remembered {
    my ($peer, $p, $file, $zone, $when) = @_;
    take($peer, $zone, "repeats, $when,", $file->{many}, count => $p->{new});
}

# Returns how many of the events in a zone of 1m are remembered: backwards from the last, they are repeats up
# to the first that is not. That one replaces the oldest, which has already been checked, so all others are
# new, too.
sub room {
    my ($peer, $file) = @_;
    my $r = client('-n', ROOM, '-k', ROOM, $peer->{port}{'room take'}, $file->{back});
    expect('room', $r, requests => ROOM, status_204 => ROOM - ($r->{status_200} // 0));
    return $r->{status_200};
}

# Returns { name => [ns of each round] }.
sub measure_all {
    my ($o, $peer, $p, $file) = @_;
    my @cases = (['off', 'off', 'new'], ['new, empty', 'empty', 'new'], ['new, many', 'many', 'new'],
        ['new, full', 'full', 'new'], ['repeat, few', 'few', 'few'],
        ['repeat, many', 'many', 'many']);
    my %case;
    for my $round (1 .. $p->{rounds}) {
        progress("dedup, round $round/$p->{rounds}");
        for my $case (@cases) {
            my ($name, $zone, $requests) = @$case;
            $zone .= $round if $zone eq 'empty';
            push @{ $case{$name} }, measure($o, $peer, $p, $round - 1, $zone, $file->{$requests},
                $name =~ /^repeat/ ? 0 : 1);
        }
        push @cases, shift @cases;
    }
    progress();
    return %case;
}

sub measure {
    my ($o, $peer, $p, $round, $zone, $file, $passes) = @_;
    my $count = $p->{count};
    my $kinds = $zone eq 'few' ? $count : $p->{new};
    my $r = cost($peer, $peer->{port}{$zone}, $file, $count, $o->{connections},
        '-k', $kinds, '-o', $round * $count);
    expect("zone $zone", $r, status_200 => $count, connects => $o->{connections},
        upstream_requests => $passes * $count);
    die "dedup: no keepalive to the upstream\n" if $r->{upstream_connections} > 2 * $o->{connections};
    return $r->{cpu};
}

sub cell {
    my ($m, $q1, $q3) = spread(@_);
    return duration($m) . ' (' . duration($q1, $m) . ' to ' . duration($q3, $m) . ')';
}

# Returns the results of the code for each round.
sub paired {
    my ($case, $name, $other, $code) = @_;
    return map { $code->($case->{$name}[$_], $case->{$other}[$_]) } 0 .. $#{ $case->{$name} };
}

sub digits { scalar reverse reverse(scalar $_[0]) =~ s/(\d{3})(?=\d)/$1,/gr }

sub show {
    my ($o, $p, $case, $room) = @_;
    my $many = digits($p->{entries});
    my @names = (['off', 'without mspwh_dedup'], ['new, empty', 'new events, zone empty'],
        ['new, many', "new events, $many in the zone"],
        ['new, full', "new events, zone full with $many"],
        ['repeat, few', 'repeats, ' . FEW . ' events in the zone'],
        ['repeat, many', "repeats, $many in the zone"]);
    print "### Repeats: mspwh_dedup\n\nEvents of 0.1 KB, ", digits($p->{count}),
        " in each of $p->{rounds} rounds; median (first and third quartile). ",
        "\"Zone empty\" has\na new zone in each round. Repeats do not go to the upstream.\n\n";
    table(['', 'CPU time per request', 'without mspwh_dedup = 1', 'added'],
        map { my ($name, $title) = @$_; [$title, cell(@{ $case->{$name} }), relation($case, $name)] }
            @names);
    print "With $many events in the zone, against few:\n\n";
    table(['', 'slower by', '', 'target', ''],
        map { target_row($case, @$_) } ['new events', 'new, many', 'new, empty'],
            ['new events, zone full', 'new, full', 'new, empty'],
            ['repeats', 'repeat, many', 'repeat, few']);
    show_room($p, $room);
    tsv("$o->{dir}/dedup.tsv", ['what', 'median_ns', 'q1_ns', 'q3_ns', 'rounds'],
        map({ [$_->[0], map({ sprintf '%.0f', $_ } spread(@{ $case->{ $_->[0] } })), $p->{rounds}] }
            @names), ['events in 1m', $room, '', '', '']);
}

sub relation {
    my ($case, $name) = @_;
    return '' if $name eq 'off';
    return sprintf('%.2f (%.2f to %.2f)', spread(paired($case, $name, 'off', sub { $_[0] / $_[1] }))),
        cell(paired($case, $name, 'off', sub { $_[0] - $_[1] }));
}

sub target_row {
    my ($case, $title, $many, $few) = @_;
    my @percent = paired($case, $many, $few, sub { 100 * ($_[0] / $_[1] - 1) });
    return [$title, cell(paired($case, $many, $few, sub { $_[0] - $_[1] })),
        sprintf('%.1f %% (%.1f to %.1f)', spread(@percent)), 'at most ' . TARGET . ' %',
        median(@percent) <= TARGET ? 'reached' : 'NOT reached'];
}

sub show_room {
    my ($p, $room) = @_;
    my $size = $p->{size}{full};
    print "What a zone holds, as found by repeats of the last events to come:\n\n";
    table(['zone', 'events', 'bytes of the zone for one'],
        ['1m', digits($room), sprintf('%.1f', (1 << 20) / $room)],
        [$size % 1024 ? "${size}k" : $size / 1024 . 'm', 'at least ' . digits($p->{entries}),
            sprintf 'at most %.1f', $size * 1024 / $p->{entries}]);
}

1;
