#!/usr/bin/perl
# Processes a stream that mspwh_stream_pass fills: consumer.pl STREAM GROUP NAME
#
# Needs the module Redis (Debian: libredis-perl). STORE is the address of the primary. Several consumers
# with different NAMEs share the work of a GROUP; each group gets every event.

use strict;
use warnings;
use Redis;

my ($stream, $group, $name) = @ARGV;
my $idle  = $ENV{IDLE} // 60_000;       # ms until another consumer's entry is taken over
my $known = 24 * 3600;                  # s for which a finished event is remembered
my $store = Redis->new(server => $ENV{STORE} // '127.0.0.1:6379', reconnect => 60);
my $stopping;

$SIG{TERM} = $SIG{INT} = sub { $stopping = 1 };
$| = 1;

# Put your own work here. After an exception, the event is tried again.
sub work {
    my $event = shift;
    print join(' ', $event->{type}, $event->{delivery_id}, length $event->{body}), "\n";
}

sub handle {
    my ($entry, $event) = @_;
    my $done = "mspwh:done:$group:$event->{delivery_id}";
    # the same event may be in the stream twice
    work($event) if !$store->exists($done);
    $store->multi;
    $store->set($done, 1, 'EX', $known);
    $store->xack($stream, $group, $entry);
    $store->exec;
}

# The entries of consumers that have died, and new ones.
sub entries {
    my (undef, $dead) = $store->xautoclaim($stream, $group, $name, $idle, '0-0', 'COUNT', 10);
    my ($fresh) = $store->xreadgroup('GROUP', $group, $name, 'COUNT', 10, 'BLOCK', 1000,
        'STREAMS', $stream, '>');
    # undef: it has been trimmed
    return map { [$_->[0], { @{ $_->[1] } }] } grep { $_ && $_->[1] } @{ $dead // [] },
        @{ $fresh ? $fresh->[1] : [] };
}

eval { $store->xgroup('CREATE', $stream, $group, '0', 'MKSTREAM'); 1 } or $@ =~ /BUSYGROUP/ or die $@;
until ($stopping) {
    for (entries()) {
        my ($entry, $event) = @$_;
        eval { handle($entry, $event); 1 } or warn "$entry: $@";
    }
}
