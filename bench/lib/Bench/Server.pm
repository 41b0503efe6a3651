package Bench::Server;

# Starts the peers and the upstream, each pinned to its core, and ends them.

use strict;
use warnings;

use Exporter qw(import);
use IO::Socket::INET;
use MIME::Base64 qw(encode_base64);
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep);

use Bench::Event qw(SECRET event write_request);

our @EXPORT_OK = qw(setup pinned free_port start_upstream stop_upstream start_peer stop_peer client
    start_store stop_store
    start_client stop_client settle_memory cost enough peak_rss);

my ($root, $dir, $nginx, $module, $upstream_port, $upstream);
my ($server_core, $load_core) = cores();
my $owner = $$;
my (%pids, %taken);

# Returns the first two cores that this process may use; with only one, both are the same.
sub cores {
    open my $fh, '<', '/proc/self/status' or return (0, 0);
    my ($list) = map { /^Cpus_allowed_list:\s*(\S+)/ } <$fh>;
    my @cores = map { /(\d+)-(\d+)/ ? $1 .. $2 : $_ } split /,/, $list;
    return ($cores[0], $cores[1] // $cores[0]);
}

sub setup {
    my %o = @_;
    ($root, $dir, $nginx, $module) = @o{qw(root dir nginx module)};
    write_file("$dir/secret", SECRET);
    $upstream_port = free_port();
    return ($server_core, $load_core);
}

# Returns the command, pinned to the core of the "server" or of the "load".
sub pinned {
    my ($where, @command) = @_;
    return ('taskset', '-c', $where eq 'server' ? $server_core : $load_core, @command);
}

sub write_file {
    my ($file, $text) = @_;
    open my $fh, '>:raw', $file or die "$file: $!\n";
    print $fh $text;
    close $fh or die "$file: $!\n";
    chmod 0600, $file;
    return $file;
}

sub slurp {
    open my $fh, '<', $_[0] or return '';
    local $/;
    return scalar(<$fh>) // '';
}

sub free_port {
    while (1) {
        my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1)
            or die "no free port: $!\n";
        return $s->sockport if !$taken{$s->sockport}++;
    }
}

sub spawn {
    my ($log, @command) = @_;
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', $log;
        open STDERR, '>&', \*STDOUT;
        exec @command or POSIX::_exit(127);
    }
    $pids{$pid} = 1;
    return $pid;
}

sub wait_for_port {
    my ($pid, $port, $log) = @_;
    for (1 .. 200) {
        return if IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
        last if waitpid($pid, WNOHANG) == $pid and delete $pids{$pid};
        sleep 0.05;
    }
    die "a server did not start: " . slurp($log) . "\n";
}

# Without this upstream, client() is the upstream as well.
sub start_upstream {
    my $log = "$dir/upstream.log";
    $upstream = spawn($log, pinned(load => "$dir/load", '-b', $upstream_port));
    wait_for_port($upstream, $upstream_port, $log);
}

sub stop_upstream {
    end_process($upstream);
    undef $upstream;
}

sub configure {
    my ($peer, $home, $file, %words) = @_;
    my $text = slurp("$root/bench/peers/$file.in");
    $text =~ s/\@([A-Z][A-Z0-9_]*)\@/$words{$1} \/\/ die "$file: what is \@$1\@?\n"/ge;
    write_file("$home/$file", $text);
}

# Returns { name, port => { memory, file }, pids => [...] }.  "words" may have
# more words for the configuration, "port" more ports.
sub start_peer {
    my ($name, %o) = @_;
    my $home = "$dir/" . ($o{home} // $name);
    mkdir $home;
    my $peer = { name => $name, home => $home, pids => [],
        port => { memory => free_port(), file => free_port(), %{ $o{port} // {} } } };
    my %words = (
        USER => $> == 0 ? 'user root;' : '', MODULE => $module, SECRET => "$dir/secret",
        SECRET_TEXT => SECRET, SECRET_BASE64 => encode_base64(SECRET, ''),
        UPSTREAM => $upstream_port, MEMORY => $peer->{port}{memory},
        FILE => $peer->{port}{file}, PEERS => "$root/bench/peers", HOME => $home, RECENT => 500,
        %{ $o{words} // {} },
    );
    my $start = __PACKAGE__->can("start_$name") // \&start_nginx;
    $start->($peer, \%words);
    return $peer;
}

sub start_nginx {
    my ($peer, $words, $conf) = @_;
    my ($name, $home) = @$peer{qw(name home)};
    $conf //= "$name.conf";
    configure($peer, $home, $_, %$words) for 'main.conf', 'http.conf', $conf;
    my $log = "$home/error.log";
    my $pid = spawn($log, pinned(server => $nginx, '-p', $home, '-e', $log,
        '-c', "$home/$conf"));
    $peer->{main} = $pid;
    wait_for_port($pid, $peer->{port}{memory}, $log);
    sleep 0.1;
    push @{ $peer->{pids} }, split ' ', slurp("/proc/$pid/task/$pid/children");
    die "$name: no worker process\n" if !@{ $peer->{pids} };
}

# Starts the module without its counters, history and recent deliveries, otherwise configured as with them.
sub start_uncounted {
    my ($peer, $words) = @_;
    start_nginx($peer, { %$words, MODULE => "$dir/no_counters.so", RECENT => 0 }, 'mspwh.conf');
}

sub start_haproxy {
    my ($peer, $words) = @_;
    my $home = $peer->{home};
    configure($peer, $home, 'haproxy.conf', %$words);
    my $log = "$home/error.log";
    my $pid = spawn($log, pinned(server => 'haproxy', '-db', '-f', "$home/haproxy.conf"));
    $peer->{main} = $pid;
    wait_for_port($pid, $peer->{port}{memory}, $log);
    $peer->{pids} = [$pid];
    delete $peer->{port}{file};
}

# Starts a receiver in Node.js, with plain nginx in front of it; both are counted.
sub start_node {
    my ($peer, $words) = @_;
    my $port = free_port();
    my $log = "$peer->{home}/receiver.log";
    my $pid = spawn($log, pinned(server => 'node', "$root/bench/peers/receiver.js", $port,
        "$dir/secret"));
    $peer->{receiver} = $pid;
    wait_for_port($pid, $port, $log);
    $peer->{pids} = [$pid];
    start_nginx($peer, { %$words, UPSTREAM => $port }, 'plain.conf');
}

sub stop_peer {
    my $peer = shift;
    end_process($_) for grep { $_ } @$peer{qw(main receiver)};
}

# Starts a Valkey or Redis server, on the core of the "server" or of the "load".
sub start_store {
    my $where = shift;
    my ($server) = grep { -x } map { my $d = $_; map { "$d/$_" } qw(valkey-server redis-server) }
        split /:/, $ENV{PATH};
    die "neither valkey-server nor redis-server is installed\n" if !$server;
    my ($port, $log) = (free_port(), "$dir/store-$where.log");
    my $pid = spawn($log, pinned($where, $server, '--port', $port, '--bind', '127.0.0.1', '--save', '',
        '--dir', $dir));
    wait_for_port($pid, $port, $log);
    return { pid => $pid, port => $port };
}

sub stop_store { end_process($_[0]{pid}) }

sub end_process {
    my $pid = shift;
    return if !delete $pids{$pid};
    kill TERM => $pid;
    for (1 .. 100) {
        return if waitpid($pid, WNOHANG) == $pid;
        sleep 0.02;
    }
    kill KILL => $pid;
    waitpid $pid, 0;
}

# Returns the CPU time of a peer so far, in ns: all its processes, all their threads.
sub cpu_time {
    my $peer = shift;
    my $sum = 0;
    for my $pid (@{ $peer->{pids} }) {
        my @files = glob "/proc/$pid/task/*/schedstat";
        die "$peer->{name}: process $pid is gone\n" if !@files;
        $sum += (split ' ', slurp($_))[0] // 0 for @files;
    }
    return $sum;
}

# Returns the peak resident memory of a peer so far, in KB.
sub peak_rss {
    my $peer = shift;
    my $sum = 0;
    $sum += slurp("/proc/$_/status") =~ /^VmHWM:\s+(\d+)/m ? $1 : 0 for @{ $peer->{pids} };
    return $sum;
}

# Runs the load generator until it ends; returns its report.
sub client {
    my @arguments = @_;
    unshift @arguments, '-b', $upstream_port if !$upstream;
    open my $out, '-|', pinned(load => "$dir/load", @arguments) or die "load: $!\n";
    my %report = map { split } <$out>;
    close $out or die "the load generator failed\n";
    return \%report;
}

# The same in the background, until it is stopped.
sub start_client {
    my @arguments = @_;
    my $file = "$dir/client.out";
    unlink $file;
    return { pid => spawn($file, pinned(load => 'nice', "$dir/load", @arguments)),
        file => $file };
}

sub stop_client {
    my $client = shift;
    end_process($client->{pid});
    return { map { split } split /\n/, slurp($client->{file}) };
}

# Depending on the largest block freed so far, glibc returns memory to the system
# after each body or keeps it: make this the same for all.
sub settle_memory {
    my @peers = @_;
    my $file = write_request("$dir/settle", event(24 << 20));
    client('-n', 2, '-t', 10, $_->{port}{memory}, $file) for @peers;
    unlink $file;
}

# Returns the cost of "count" requests: the load generator's report, with "cpu" in ns per request. Takes
# further options for the load generator.
sub cost {
    my ($peer, $port, $file, $count, $connections, @options) = @_;
    my $before = cpu_time($peer);
    my $r = client('-c', $connections, '-n', $count, @options, $port, $file);
    sleep 0.005;
    die "$peer->{name}: $r->{requests} of $count requests in time\n"
        if $r->{requests} != $count;
    $r->{cpu} = (cpu_time($peer) - $before) / $count;
    return $r;
}

# Returns how many requests take about this many seconds; checks that a proxy
# keeps its connections to the upstream.
sub enough {
    my ($peer, $port, $file, $seconds, $connections) = @_;
    my $r = client('-c', $connections, '-n', 1_000_000, '-t', $seconds / 2, $port, $file);
    die "$peer->{name}: no keepalive to the upstream: $r->{upstream_requests} requests came over ",
        "$r->{upstream_connections} connections\n"
        if !$upstream and $r->{upstream_connections} > 2 * $connections + $r->{upstream_requests} / 100;
    my $n = int $r->{requests} * $seconds * 1e9 / $r->{elapsed};
    return $n < 2 * $connections ? 2 * $connections : $n;
}

END {
    if ($$ == $owner) {
        my $status = $?;
        end_process($_) for keys %pids;
        $? = $status;
    }
}

1;
