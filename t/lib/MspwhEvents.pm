package MspwhEvents;

# An event of any type, and what has become of it.

use strict;
use warnings;

use Exporter qw(import);
use MspwhTest;
use Time::HiRes qw(sleep);

our @EXPORT_OK = qw(event seen settled shown);

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
    for (1 .. 40) {
        last if records() >= $n;
        sleep 0.05;
    }
    return seen();
}

# The status of an answer, and its headers X-... of these names.
sub shown {
    my ($r, @names) = @_;
    return [$r->{status}, map { $r->{header}{"x-$_"} // '' } @names];
}

1;
