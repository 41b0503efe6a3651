package Mspwh::Spool;

# The directory that mspwh_spool writes. All paths are relative to it.
#
#   NAME.body, NAME.headers   an event; it is complete once its headers exist
#   NAME.state                the attempts to deliver it
#   quarantine/               events that are not tried any more, with the same three files
#   status.json               numbers, as of the last run
#   .lock                     held by the one mspwh-redeliver that delivers
#   .tmp-*                    being written
#
# NAME is "time,webhook,type,entity,ticket,hmac". Wherever a function here is killed, the next run can
# continue from the files that it leaves.

use strict;
use warnings;

use Errno qw(EINVAL ENOSPC);
use Exporter qw(import);
use Fcntl qw(O_CREAT O_EXCL O_NOFOLLOW O_NONBLOCK O_RDONLY O_WRONLY);
use Time::HiRes qw(time);
use Time::Local qw(timegm);

our @EXPORT_OK = qw(
    absent names clean_up is_name type_of ticket_of age_of count_events write_file
    open_event_file read_headers read_state write_state remove_event quarantine_event requeue_event
    rfc3339 epoch
);

use constant LEFTOVER_AGE => 3600;    # seconds after which .tmp-* and a body without headers are leftovers
use constant FEW => 10_000;           # leftovers are looked for only among so many events

# Returns whether a file does not exist; false if it cannot be accessed.
sub absent { !lstat $_[0] && $!{ENOENT} }

# --- names

# Written for speed: a million names take one second.
sub is_name {
    my $name = shift;
    return ($name =~ tr/,//) == 5 && !($name =~ tr/!-.0-~//c) && substr($name, 0, 1) ne '.';
}

# Returns the webhook and the type: which backend gets the event may depend on both.
sub type_of { (split /,/, $_[0])[1, 2] }

# Returns the webhook and the ticket; undef if the event has no ticket, and so nothing to wait for.
sub ticket_of {
    my (undef, $webhook, undef, undef, $ticket) = split /,/, $_[0];
    return $ticket eq '-' ? undef : "$webhook,$ticket";
}

sub rfc3339 {
    my $time = shift;
    my ($second, $minute, $hour, $day, $month, $year) = gmtime $time;
    return sprintf '%04d-%02d-%02dT%02d:%02d:%02d.%03dZ', $year + 1900, $month + 1, $day, $hour, $minute,
        $second, 1000 * ($time - int $time);
}

# Returns the Unix time of an RFC 3339 time in UTC, or of a name; undef for anything else.
sub epoch {
    my ($year, $month, @rest) = ($_[0] // '')
        =~ /^(\d{4})-?(\d\d)-?(\d\d)T(\d\d):?(\d\d):?(\d\d(?:\.\d+)?)Z(?:,|\z)/ or return;
    my ($day, $hour, $minute, $second) = @rest;
    my $whole = eval { timegm(int $second, $minute, $hour, $day, $month - 1, $year) } // return;
    return $whole + $second - int $second;
}

# Returns the age in seconds; it is negative if the clock has been set back since.
sub age_of { my $then = epoch($_[0]) // (lstat "$_[0].headers")[9] // return; return time - $then }

# --- reading the directory

# Returns false if the directory does not exist.
sub open_directory {
    my $path = shift;
    return if absent($path);
    opendir my $handle, $path or die "cannot read the directory \"$path\": $!\n";
    return $handle;
}

# Returns how many of the sorted names are less than the limit.
sub below {
    my ($names, $limit) = @_;
    my ($low, $high) = (0, scalar @$names);
    while ($low < $high) {
        my $middle = int(($low + $high) / 2);
        $names->[$middle] lt $limit ? ($low = $middle + 1) : ($high = $middle);
    }
    return $low;
}

# Leaves out events that arrive while the directory is being read: the listing may contain a later one but
# not an earlier one. Events dated in the future stay: they are from before the clock was set back.
sub leave_out_new {
    my ($events, $began) = @_;
    my ($from, $to) = map { below($events, rfc3339($_) =~ tr/:-//dr) } $began - 0.001, time + 0.001;
    splice @$events, $from, $to - $from if $to > $from;
}

# Returns the names of the "events", oldest first, and the leftovers of crashes: "orphans" (bodies without
# headers), "stale" states and "temporary" files. To save memory, it looks for leftovers only if there are
# few events, or if $all is true.
sub names {
    my ($path, $all) = @_;
    my $began = time;
    my (@events, %others);
    my $handle = open_directory($path);
    while ($handle and defined(my $file = readdir $handle)) {
        if (substr($file, -8) eq '.headers') {
            my $name = substr $file, 0, -8;
            # is_name(), inlined: a million calls would be slow
            push @events, $name
                if ($name =~ tr/,//) == 5 and !($name =~ tr/!-.0-~//c) and substr($name, 0, 1) ne '.';
        } elsif (@events < FEW or $all) {
            my ($name, $kind) = $file =~ /^\.tmp-/ ? ($file, 'temporary') : $file =~ /^(.+)\.(body|state)\z/;
            push @{ $others{$kind} }, $name if $kind and $kind eq 'temporary' || is_name($name);
        }
    }
    %others = () if @events >= FEW and !$all;
    my %there = %others ? map { $_ => undef } @events : ();
    my ($orphans, $stale) = map { [sort grep { !exists $there{$_} } @{ $others{$_} // [] }] } 'body', 'state';
    @events = sort @events;
    leave_out_new(\@events, $began);
    my $temporary = $others{temporary} // [];
    return { events => \@events, orphans => $orphans, stale => $stale, temporary => $temporary };
}

# Returns the number of events, the bytes of their bodies and the name of the oldest one.
sub count_events {
    my $path = shift;
    my %n = (events => 0, bytes => 0);
    my $handle = open_directory($path);
    while ($handle and defined(my $file = readdir $handle)) {
        if (substr($file, -5) eq '.body') {
            $n{bytes} += (lstat "$path/$file")[7] // 0;
        } elsif (substr($file, -8) eq '.headers' and is_name(my $name = substr $file, 0, -8)) {
            $n{events}++;
            $n{oldest} = $name if !defined $n{oldest} or $name lt $n{oldest};
        }
    }
    return \%n;
}

# The inode's change time counts, too: nginx links files that it received long ago.
sub remove_if_old {
    my ($data, $name) = (lstat $_[0])[9, 10] or return 0;
    return time - ($data > $name ? $data : $name) > LEFTOVER_AGE && unlink $_[0];
}

# Removes the leftovers of crashes. If a body without headers is half of an interrupted requeue, moves the
# headers as well. Returns how many files were removed.
sub clean_up {
    my $found = shift;
    my ($removed, @restored) = 0;
    $removed += remove_if_old($_) for @{ $found->{temporary} };
    for my $name (@{ $found->{orphans} }) {
        # quarantine first: that is where a requeue moves the headers from
        if (!absent("quarantine/$name.headers")) {
            push @restored, $name if requeue_event($name);
        } elsif (absent("$name.headers") and remove_if_old("$name.body")) {
            $removed++;
            unlink "$name.state";
        }
    }
    @{ $found->{events} } = sort @{ $found->{events} }, @restored if @restored;
    absent("$_.headers") and absent("$_.body") and unlink "$_.state" for @{ $found->{stale} };
    return $removed;
}

# --- an event's files

# Does not follow symbolic links, which could lead out of the directory.
sub open_event_file {
    sysopen my $handle, $_[0], O_RDONLY | O_NOFOLLOW | O_NONBLOCK or return;
    return $handle if -f $handle;
    $! = EINVAL;
    return;
}

my %of_connection = map { $_ => 1 } qw(connection content-length expect keep-alive te trailer
    transfer-encoding upgrade);
my %known = map { $_ => 1 } 'host', map { "x-mspwh-$_" } qw(method uri received webhook delivery-id);

# Returns the known fields of the event, with the header lines to send in "lines"; or undef and an error,
# which never shows a value. The format is curl's: "Name:" is not sent, and "Name;" is sent empty.
sub read_headers {
    my $name = shift;
    my $handle = open_event_file("$name.headers") or return undef, "its .headers cannot be read: $!";
    my %event = (lines => []);
    my $n = 0;
    for (split /\n/, join '', readline $handle) {
        $n++;
        my ($field, $mark, $value) = /^([\w!#\$%&'*+.^`|~-]+)([:;])[ \t]*(.*?)[ \t]*\r?\z/a
            or return undef, "line $n of its .headers is not a header";
        return undef, "the value of \"$field\" in its .headers cannot be sent" if $value =~ /[\0\r]/;
        my $key = lc $field;
        if ($known{$key} and !exists $event{$key}) {
            $event{$key} = $value;
        } elsif (!$of_connection{$key} and $key ne 'host' and length $value || $mark eq ';') {
            push @{ $event{lines} }, "$field: $value";
        }
    }
    return undef, 'its .headers is empty' if !$n;
    return \%event;
}

# --- state

my @state = qw(attempts client-errors answer tried next);

sub read_state {
    my $name = shift;
    my %state = (attempts => 0, 'client-errors' => 0);
    open my $handle, '<', "$name.state" or return \%state;
    /^([a-z-]+): (\S+)$/ and $state{$1} = $2 for readline $handle;
    /^\d{1,9}\z/ or $_ = 0 for @state{qw(attempts client-errors)};
    return \%state;
}

# Replaces a file atomically. Returns false on failure, with $! set.
sub write_file {
    my ($path, $text) = @_;
    my $temporary = ".tmp-redeliver-$$";
    unlink $temporary;
    sysopen my $handle, $temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600 or return 0;
    my $written = syswrite $handle, $text;
    return 1 if defined $written and $written == length $text and close $handle
        and rename $temporary, $path;
    my $error = $!;
    unlink $temporary;
    $! = $error || ENOSPC;
    return 0;
}

sub write_state {
    my ($name, $state) = @_;
    my @known = grep { defined $state->{$_} } @state;
    return write_file("$name.state", join '', map { "$_: $state->{$_}\n" } @known);
}

# --- moving and removing

# The headers go first: without them, there is no event. The body goes last, so that leftovers are
# recognizable.
sub remove_event {
    my ($name, $path) = @_;
    my $prefix = defined $path ? "$path/$name" : $name;
    unlink "$prefix.headers" or $!{ENOENT} or return 0;
    unlink "$prefix.$_" for qw(state body);
    return 1;
}

# The body goes first and the headers last, so that the next run can recognize half a move, and finish it.
sub move_event {
    my ($name, $from, $to, $state) = @_;
    rename "$from/$name.body", "$to/$name.body" or $!{ENOENT} or return 0;
    $state->() if $state;
    return rename "$from/$name.headers", "$to/$name.headers";
}

sub quarantine_event {
    my $name = shift;
    mkdir 'quarantine', 0700 or $!{EEXIST} or return 0;
    return move_event($name, '.', 'quarantine', sub { rename "$name.state", "quarantine/$name.state" });
}

# The event starts again from the beginning, without a state.
sub requeue_event {
    my $name = shift;
    return move_event($name, 'quarantine', '.', sub { unlink "$name.state", "quarantine/$name.state" });
}

1;
