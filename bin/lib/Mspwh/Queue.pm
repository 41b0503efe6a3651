package Mspwh::Queue;

# Which event is next: the oldest first, but those of one ticket one after another. While one is being sent,
# or waits to be tried again, it holds its ticket, and the later ones wait for it.
#
# Events of a type that has just failed come after all others, so that a backend that hangs does not hold up
# those of another.

use strict;
use warnings;

use Mspwh::Spool qw(ticket_of type_of);

sub new {
    my ($class, $ordered) = @_;
    return bless {
        ordered => $ordered,
        queue => [],      # names, oldest first, that hold no ticket
        at => 0,          # of the next one
        ready => [],      # names that hold theirs
        behind => [],     # names that hold theirs, of failing types
        held => {},       # ticket => 0, or the names that wait, oldest first
        due => {},        # names of retry()
        failing => {},    # types
        left => 0,        # names in any of these
    }, $class;
}

sub left { $_[0]{left} }

sub ticket { $_[0]{ordered} ? ticket_of($_[1]) : undef }

sub type { join ',', type_of($_[0]) }

# All names that wait, oldest first; and those that are being sent, or wait to be tried again, which are not
# among them.
sub fill {
    my ($self, $names, @others) = @_;
    @$self{qw(queue at ready behind held due left)} = ($names, 0, [], [], {}, {}, scalar @$names);
    for (@others) {
        my $ticket = $self->ticket($_) // next;
        $self->{held}{$ticket} = 0;
    }
}

# The next event to be tried, which holds its ticket from now on; undef if there is none now.
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

# The next one whose ticket is free. A million names are not moved for it.
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

# It is no longer there: the next one of its ticket may go.
sub release {
    my ($self, $name) = @_;
    my $ticket = $self->ticket($name) // return;
    my $waiting = delete $self->{held}{$ticket} or return;
    push @{ $self->{ready} }, shift @$waiting;
    $self->{held}{$ticket} = @$waiting ? $waiting : 0;
}

# It is due now; it has held its ticket all the while.
sub retry {
    my ($self, $name) = @_;
    push @{ $self->{ready} }, $name;
    $self->{due}{$name} = 1;
    $self->{left}++;
}

# Whether an event that was next is one of those.
sub was_due { delete $_[0]{due}{ $_[1] } }

sub succeeded { delete $_[0]{failing}{ type($_[1]) } }
sub failed { $_[0]{failing}{ type($_[1]) } = 1 }

1;
