package MspwhFleet;

# Further instances of nginx, each with a complete nginx.conf, a directory, a pid file and an error log of
# its own, and in a process group of its own, which can be killed like a machine that loses power.

use strict;
use warnings;

use Exporter qw(import);
use File::Path qw(make_path);
use IO::Socket::INET;
use POSIX qw(WNOHANG _exit);
use Time::HiRes qw(sleep time);
use MspwhTest;

our @EXPORT = qw(
    at replaced define_instance instance_file instance_text instance_log
    start_instance reload_instance quit_instance kill_instance
);

my $nginx = nginx();
my $owner = $$;
my $slow  = $ENV{MSPWH_SLOW} || 1;
my (%pid, %port);

sub at { '127.0.0.1:' . port($_[0]) }

# Returns the text with addresses and the like replaced; each of them has to occur.
sub replaced {
    my ($text, @pairs) = @_;
    while (my ($from, $to) = splice @pairs, 0, 2) {
        $text =~ s/\Q$from\E(?!\d)/$to/g or die "there is no \"$from\"";
    }
    return $text;
}

sub instance_file { my ($name, $file) = @_; return dir() . "/$name/$file" }
sub instance_log { slurp(instance_file($_[0], 'logs/error.log')) }

# Returns the text with absolute paths changed to the directory's.
sub instance_text {
    my ($name, $text) = @_;
    my $dir = instance_file($name, '');
    return $text =~ s{(?<= )/(?=(?:etc|run|tmp|var)/)}{$dir}gr;
}

# Writes the configuration, with its paths changed as above, and with the processes and files that it does
# not set itself. $port is the name of a port that the instance listens at.
sub define_instance {
    my ($name, $conf, $port) = @_;
    my $dir = instance_file($name, '');
    my $main = join "\n", 'daemon off;', $conf =~ /^user\s/m || $> != 0 ? () : 'user root;',
        $conf =~ /^pid\s/m ? () : "pid ${dir}nginx.pid;";
    my $http = join "\n", $conf =~ /^\s*access_log\s/m ? () : 'access_log off;',
        map { "${_}_temp_path $dir$_;" } grep { $conf !~ /^\s*${_}_temp_path/m }
            qw(client_body proxy fastcgi uwsgi scgi);
    for ($conf = instance_text($name, $conf)) {
        s{load_module\s+modules/ngx_http_mspwh_module\.so;}{MspwhTest::load_module()}e;
        s{^http \{\n}{$main\nhttp \{\n$http\n}m or die "$name: no http";
    }
    make_path("${dir}logs", map { "$dir$_" } qw(etc run tmp var/spool var/log/nginx));
    write_file("${dir}nginx.conf", $conf);
    $port{$name} = $port;
}

sub start_instance {
    my $name = shift;
    my $dir = instance_file($name, '');
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        setpgrp;
        open STDOUT, '>>', "${dir}stdout.log";
        open STDERR, '>>', "${dir}stderr.log";
        exec $nginx, '-p', $dir, '-e', 'logs/error.log', '-c', "${dir}nginx.conf" or _exit(127);
    }
    $pid{$name} = $pid;
    for (1 .. 100 * $slow) {
        return 1 if IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port{$name});
        last if waitpid($pid, WNOHANG) == $pid and delete $pid{$name};
        sleep 0.05;
    }
    die "$name did not start:\n" . slurp("${dir}stderr.log") . instance_log($name);
}

sub instance_workers {
    my $pid = $pid{ $_[0] };
    return split ' ', slurp("/proc/$pid/task/$pid/children");
}

# Sends HUP, and waits until all workers are new ones.
sub reload_instance {
    my $name = shift;
    my %old = map { $_ => 1 } instance_workers($name);
    kill HUP => $pid{$name};
    for (1 .. 400 * $slow) {
        my @workers = instance_workers($name);
        return 1 if @workers and !grep { $old{$_} } @workers;
        sleep 0.025;
    }
    return 0;
}

sub quit_instance {
    my $name = shift;
    my $pid = delete $pid{$name} // return 1;
    kill QUIT => $pid;
    for (1 .. 200 * $slow) {
        return 1 if waitpid($pid, WNOHANG) == $pid;
        sleep 0.05;
    }
    kill KILL => -$pid;
    waitpid $pid, 0;
    return 0;
}

# Kills the master and its workers at the same time.
sub kill_instance {
    my $pid = delete $pid{ $_[0] } // return;
    kill KILL => -$pid;
    waitpid $pid, 0;
}

# The instances are not in the terminal's process group: an interrupted test has to end them itself.
$SIG{$_} = sub { exit 1 } for qw(INT TERM);

END {
    if ($$ == $owner) {
        my $status = $?;
        for my $name (sort keys %port) {
            quit_instance($name) or $status ||= 1;
            my @bad = grep { /exited on signal|\[alert\]|\[emerg\]/ } split /\n/, instance_log($name);
            @bad = grep { !/exited on signal 9$/ } @bad if $MspwhTest::Kills;
            print "# error log of $name:\n", map { "# $_\n" } @bad if @bad;
            $status ||= 1 if @bad;
        }
        $? = $status;
    }
}

1;
