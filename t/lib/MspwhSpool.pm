package MspwhSpool;

# Spools with events in them, as mspwh_spool writes them, and bin/mspwh-redeliver to deliver them.

use strict;
use warnings;

use Cwd qw(abs_path);
use Digest::SHA qw(hmac_sha256_hex);
use Exporter qw(import);
use Fcntl qw(:flock);
use File::Basename qw(dirname);
use POSIX qw(WNOHANG _exit);
use Time::HiRes qw(sleep time);
use Time::Local qw(timegm);
use MspwhTest;

our @EXPORT = qw(
    event spool simple_event start_target new_spool files both names state_of epoch age redeliver
    redeliver_later begin_process end_process workers_of unlocked seen said
);

# Seconds after which a process of begin_process() is ended.
our $Limit = 300;

our $Tool = abs_path(dirname(__FILE__) . '/../..') . '/bin/mspwh-redeliver';

my $said = '';
my @children;

# Returns everything that was printed.
sub said { $said }

sub event {
    my ($type, $id, %o) = @_;
    my ($ticket, $more) = ($o{ticket} // 48213, $o{more} // 'x');
    return qq({"eventType":"$type","entityId":$id,"TicketId":$ticket,"Description":"$more"});
}

# The events are an hour old, and one second apart.
my $began = time - 3600;
my $clock = 0;

sub time_of {
    my $time = shift;
    return POSIX::strftime('%Y%m%dT%H%M%S', gmtime int $time) . sprintf '.%06dZ', 1e6 * ($time - int $time);
}

# Writes an event as nginx does. Options: at (seconds of its time), time, webhook, ticket, secret, header (of
# the signature), type (undef: none), host, uri, method, headers (instead of all but the signature).
sub spool {
    my ($dir, $type, $id, $body, %o) = @_;
    my $secret = $o{secret} // SECRET;
    my $time = $o{time} // time_of(int($began) + ($o{at} // $clock++));
    my $name = join ',', $time, $o{webhook} // 'default', $type, $id, $o{ticket} // 48213,
        substr hmac_sha256_hex($body, $secret), 0, 16;
    my $content_type = exists $o{type} ? $o{type} : 'application/json';
    my $headers = $o{headers} // join '', map { "$_\n" } 'X-Mspwh-Method: ' . ($o{method} // 'POST'),
        'X-Mspwh-Uri: ' . ($o{uri} // '/webhook'), 'X-Mspwh-Received: 2026-11-24T18:18:19.123Z',
        'X-Mspwh-Webhook: ' . ($o{webhook} // 'default'),
        'X-Mspwh-Delivery-Id: ' . hmac_sha256_hex($body, $secret), 'Host: ' . ($o{host} // 'localhost'),
        !defined $content_type ? 'Content-Type:' : $content_type eq '' ? 'Content-Type;'
            : "Content-Type: $content_type";
    write_file("$dir/$name.body", $body);
    # the event is complete once its headers have their name
    my $unfinished = write_file("$dir/.tmp-$name",
        $headers . ($o{header} // 'X-Webhook-Signature') . ': ' . sign($secret, $body) . "\n");
    rename $unfinished, "$dir/$name.headers" or die "$unfinished: $!";
    return $name;
}

sub simple_event {
    my ($dir, $type, $id, %o) = @_;
    return spool($dir, $type, $id, event($type, $id, %o), %o);
}

# Starts a server that verifies events and passes them to backend A. Returns its URL.
sub start_target {
    start_http(<<'CONF');
server {
    listen 127.0.0.1:%%PORT%%;
    mspwh on;
    mspwh_secret '%%SECRET%%';
    location / { proxy_pass http://%%A%%; }
}
CONF
    return 'http://127.0.0.1:' . port();
}

my $dirs = 0;
sub new_spool { my $dir = dir() . '/spool' . ++$dirs; mkdir $dir, 0700 or die "$dir: $!"; return $dir }

# Returns the files of events, including their state, and any files that should not be there.
sub files {
    my $dir = shift;
    opendir my $d, $dir or return;
    return grep { !/^(?:\.\.?|\.lock|quarantine|status\.json)$/ } sort readdir $d;
}
sub both { return map { ("$_.body", "$_.headers") } @_ }

# Returns the events, oldest first.
sub names { return map { /^([^.].*)\.headers$/ ? $1 : () } files(@_) }

sub state_of {
    my ($dir, $name) = @_;
    return { map { /^([a-z-]+): (.*)$/ ? ($1, $2) : () } split /\n/, slurp("$dir/$name.state") };
}

# Returns the Unix time of a time in a state, or in status.json.
sub epoch {
    my ($year, $month, $day, $hour, $minute, $second) = $_[0] =~ /^(\d+)-(\d+)-(\d+)T(\d+):(\d+):([\d.]+)Z\z/;
    return timegm(0, $minute, $hour, $day, $month - 1, $year) + $second;
}

# Ends all waits: the next attempt of each event is due.
sub age { unlink glob "$_[0]/*.state" }

# Returns the exit status and the output.
sub redeliver {
    my @result = run($Tool, @_);
    $said .= $result[1];
    return @result;
}

# A file's status change time cannot be set, but the clock can be.
sub redeliver_later {
    my ($seconds, @args) = @_;
    write_file('Later.pm', <<'PERL') if !-e dir() . '/Later.pm';
package Later;
use Time::HiRes ();
no warnings 'redefine';
my $now = \&Time::HiRes::time;
*Time::HiRes::time = sub () { $now->() + $ENV{LATER} };
1;
PERL
    local @ENV{qw(PERL5OPT LATER)} = ("-I${\dir()} -MLater", $seconds);
    return redeliver(@args);
}

sub begin_process {
    my @args = @_;
    my $out = dir() . '/out' . @children;
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        open STDOUT, '>', $out;
        open STDERR, '>&', \*STDOUT;
        alarm $Limit;
        exec $Tool, @args or _exit(127);
    }
    push @children, $pid;
    return { pid => $pid, out => $out };
}

# Returns the exit status, or undef if the process does not end in time.
sub end_process {
    my ($process, $signal) = @_;
    kill $signal => $process->{pid} if $signal;
    (wait_until { waitpid($process->{pid}, WNOHANG) == $process->{pid} } 60) or return;
    my $status = $?;
    $said .= slurp($process->{out});
    return $status >> 8 || $status;
}

# The first child writes status.json.
sub workers_of {
    my (undef, @workers) = split ' ', slurp("/proc/$_[0]{pid}/task/$_[0]{pid}/children");
    return @workers;
}
sub unlocked { open my $fh, '<', "$_[0]/.lock" or return 1; return flock $fh, LOCK_EX | LOCK_NB }
sub seen { my @r = records(); clear_records(); return @r }

my $owner = $$;
END { kill KILL => @children if @children and $$ == $owner }

1;
