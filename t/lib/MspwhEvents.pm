package MspwhEvents;

# Creates events of any type, and finds out what became of them.

use strict;
use warnings;

use Exporter qw(import);
use MspwhTest;
use Time::HiRes qw(sleep);

our @EXPORT_OK = qw(event seen settled shown by_case spooled);

# Returns an event of this type, with so many bytes of details.
sub event {
    my ($type, $size) = @_;
    my $details = 'd' x ($size // 1);
    return qq({"eventType":"$type","entityId":5,"TicketId":5,"AdditionalFields":[],"Details":"$details"});
}

# Returns which backends got which requests since the last call.
sub seen {
    my @seen = map { "$_->{backend} $_->{uri}" } records();
    clear_records();
    return [sort @seen];
}

# ... once there are so many of them.
sub settled {
    my $n = shift;
    wait_until { records() >= $n };
    return seen();
}

# Returns the status of an answer, and its headers X-... with these names.
sub shown {
    my ($r, @names) = @_;
    return [$r->{status}, map { $r->{header}{"x-$_"} // '' } @names];
}

# Returns what the backends got, by the header X-Case of the original request, which nginx passes on to its
# subrequests. Stop nginx first, since some of them may still be in progress.
sub by_case {
    my %got;
    push @{ $got{ $_->{header}{'x-case'} // '' } }, $_ for records();
    return \%got;
}

# Returns the events in a spool: the parts of the file's name, and the body.
sub spooled {
    my $spool = dir() . "/$_[0]";
    return map {
        my ($event) = m{([^/]*)\.headers\z};
        +{ parts => [split /,/, $event], body => slurp("$spool/$event.body"),
            headers => slurp("$spool/$event.headers") };
    } glob "$spool/*.headers";
}

1;
