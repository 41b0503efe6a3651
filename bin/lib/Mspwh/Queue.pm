package Mspwh::Queue;

# Decides which event is next: the oldest one, but events of one ticket go one after another. While an event
# is being sent, or waits to be tried again, it holds its ticket, and later ones wait for it.
#
# Events of a type that has just failed come after all others, so that a backend that hangs does not hold up
# the events of another one.

use strict;
use warnings;

use Mspwh::Spool qw(ticket_of type_of);

sub new {
    my ($class, $ordered) = @_;
    return bless {
        ordered => $ordered,
        queue => [],      # names without their tickets, oldest first
        at => 0,          # index of the next one
        ready => [],      # names that hold their tickets
        behind => [],     # names that hold their tickets, of failing types
        held => {},       # ticket => 0, or the names that wait, oldest first
        due => {},        # names that retry() has added
        failing => {},    # types
        left => 0,        # number of names in all of these
    }, $class;
}

sub left { $_[0]{left} }

sub ticket { $_[0]{ordered} ? ticket_of($_[1]) : undef }

sub type { join ',', type_of($_[0]) }

# Takes all names that wait, oldest first; and the names that are being sent or wait to be tried again, which
# are not in the first list.
sub fill {
    my ($self, $names, @others) = @_;
    @$self{qw(queue at ready behind held due left)} = ($names, 0, [], [], {}, {}, scalar @$names);
    for (@others) {
        my $ticket = $self->ticket($_) // next;
        $self->{held}{$ticket} = 0;
    }
}

# Returns the next event to try, which holds its ticket from now on; or undef if there is none now.
sub next_name {
    my $self = shift;
    while (defined(my $name = shift @{ $self->{ready} } // $self->take_free)) {
        if ($self->{failing}{ type($name) }) {
            push @{ $self->{behind} }, $name;
            next;
        }
        $self->{left}--;
        return $name;
    }
    my $name = shift @{ $self->{behind} } // return;
    $self->{left}--;
    return $name;
}

# Returns the next event whose ticket is free. For speed with a million names, the list is not shifted.
sub take_free {
    my $self = shift;
    my ($queue, $held) = @$self{qw(queue held)};
    while ($self->{at} < @$queue) {
        my $name = $queue->[ $self->{at} ];
        undef $queue->[ $self->{at}++ ];
        my $ticket = $self->ticket($name) // return $name;
        if (!exists $held->{$ticket}) {
            $held->{$ticket} = 0;
            return $name;
        }
        $held->{$ticket} ||= [];
        push @{ $held->{$ticket} }, $name;
    }
    return;
}

# The event is gone: the next one of its ticket may go.
sub release {
    my ($self, $name) = @_;
    my $ticket = $self->ticket($name) // return;
    my $waiting = delete $self->{held}{$ticket} or return;
    push @{ $self->{ready} }, shift @$waiting;
    $self->{held}{$ticket} = @$waiting ? $waiting : 0;
}

# The event is due now; it has held its ticket in the meantime.
sub retry {
    my ($self, $name) = @_;
    push @{ $self->{ready} }, $name;
    $self->{due}{$name} = 1;
    $self->{left}++;
}

# Returns whether an event that was next had been added by retry().
sub was_due { delete $_[0]{due}{ $_[1] } }

sub succeeded { delete $_[0]{failing}{ type($_[1]) } }
sub failed { $_[0]{failing}{ type($_[1]) } = 1 }

1;
