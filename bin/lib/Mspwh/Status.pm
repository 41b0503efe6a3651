package Mspwh::Status;

# The number of waiting events and the like: for --status, and for status.json, which nginx's status page
# shows.

use strict;
use warnings;

use Exporter qw(import);
use Time::HiRes qw(time);

use Mspwh::Spool qw(absent age_of count_events epoch names rfc3339 type_of write_file);

our @EXPORT_OK = qw(duration print_status write_status);

sub duration {
    my $s = int shift;
    return $s >= 86400 ? sprintf '%dd %dh', $s / 86400, $s % 86400 / 3600
        : $s >= 3600 ? sprintf '%dh %dm', $s / 3600, $s % 3600 / 60
        : sprintf '%dm %ds', $s / 60, $s % 60;
}

sub members {
    my ($waiting, $quarantined) = @_;
    my $oldest = defined $waiting->{oldest} ? epoch($waiting->{oldest}) : undef;
    return (waiting => $waiting->{events}, waiting_bytes => $waiting->{bytes},
        oldest => defined $oldest ? rfc3339($oldest) : undef, quarantined => $quarantined->{events});
}

sub json {
    require JSON::PP;
    return JSON::PP->new->canonical->pretty->encode({@_});
}

# Called after a run, or during one, with the numbers of events sent and kept so far. Returns false on
# failure, with $! set.
sub write_status {
    my ($sent, $kept) = @_;
    my @members = members(map { count_events($_) } '.', 'quarantine');
    return write_file('status.json',
        json(@members, last_run => rfc3339(time), sent => 0 + $sent, kept => 0 + $kept));
}

sub last_status {
    require JSON::PP;
    open my $handle, '<', 'status.json' or return {};
    my $status = eval { JSON::PP::decode_json(join '', readline $handle) };
    return ref $status eq 'HASH' ? $status : {};
}

sub numbers {
    my ($found, $path) = @_;
    my $events = $found->{events};
    my ($bytes, $bodiless) = (0, 0);
    for my $name (@$events) {
        my $size = (lstat "$path/$name.body")[7];
        $bytes += $size // 0;
        $bodiless++ if !defined $size and !absent("$path/$name.headers");
    }
    return { events => scalar @$events, bytes => $bytes, bodiless => $bodiless, oldest => $events->[0] };
}

sub print_line {
    my ($what, $n) = @_;
    my $age = defined $n->{oldest} ? age_of($n->{oldest}) : undef;
    $age = !defined $age ? '' : $age >= 0 ? ', the oldest ' . duration($age) . ' old'
        : ', the oldest of a time to come: the clock was set back';
    print "$what: $n->{events}", $n->{events} == 1 ? ' event' : ' events', ", $n->{bytes} bytes", $age,
        ($n->{bodiless} ? ", $n->{bodiless} without a body" : ''), "\n";
}

# Returns whether there are any events.
sub print_status {
    my $as_json = shift;
    my ($found, $aside) = map { names($_, 'all') } '.', 'quarantine';
    my ($waiting, $quarantined) = (numbers($found, '.'), numbers($aside, 'quarantine'));
    my $any = $waiting->{events} + $quarantined->{events} ? 1 : 0;
    my %of_type;
    $of_type{ (type_of($_))[1] }++ for @{ $found->{events} };
    if ($as_json) {
        my $last = last_status();
        print json(members($waiting, $quarantined), types => \%of_type,
            map { $_ => $last->{$_} } qw(last_run sent kept));
        return $any;
    }
    print_line('waiting', $waiting);
    print "  $_: $of_type{$_}\n" for sort keys %of_type;
    print_line('quarantined', $quarantined);
    my $leftovers = @{ $found->{temporary} } + @{ $found->{orphans} } + @{ $aside->{orphans} };
    print "unfinished or left-over files: $leftovers\n";
    return $any;
}

1;
