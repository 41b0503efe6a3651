package MspwhEvents;

# An event of any type, and what has become of it.

use strict;
use warnings;

use Exporter qw(import);
use MspwhTest;
use Time::HiRes qw(sleep);

our @EXPORT_OK = qw(event seen settled shown by_case spooled);

# Of a type, with so many bytes of details.
sub event {
    my ($type, $size) = @_;
    my $details = 'd' x ($size // 1);
    return qq({"eventType":"$type","entityId":5,"TicketId":5,"AdditionalFields":[],"Details":"$details"});
}

# Which backends were asked for what since the last time.
sub seen {
    my @seen = map { "$_->{backend} $_->{uri}" } records();
    clear_records();
    return [sort @seen];
}

# ... once there are so many.
sub settled {
    my $n = shift;
    wait_until { records() >= $n };
    return seen();
}

# The status of an answer, and its headers X-... of these names.
sub shown {
    my ($r, @names) = @_;
    return [$r->{status}, map { $r->{header}{"x-$_"} // '' } @names];
}

# What the backends got, by the header X-Case of the request that led to it: nginx hands it on to its
# subrequests. Stop nginx before, as some of them may still be under way.
sub by_case {
    my %got;
    push @{ $got{ $_->{header}{'x-case'} // '' } }, $_ for records();
    return \%got;
}

# The events in a spool: the parts of the file's name, and the body.
sub spooled {
    my $spool = dir() . "/$_[0]";
    return map {
        my ($event) = m{([^/]*)\.headers\z};
        +{ parts => [split /,/, $event], body => slurp("$spool/$event.body"),
            headers => slurp("$spool/$event.headers") };
    } glob "$spool/*.headers";
}

1;
