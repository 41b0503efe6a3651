package MspwhTest;

# Starts a real nginx with the module, plus a small recording backend, in a
# temporary directory of its own; everything listens on 127.0.0.1 only.

use strict;
use warnings;

use Cwd qw(abs_path);
use Digest::SHA qw(hmac_sha256 hmac_sha256_base64 sha256_hex);
use Exporter qw(import);
use Fcntl qw(LOCK_EX LOCK_NB);
use File::Basename qw(dirname);
use File::Spec;
use File::Temp qw(tempdir);
use IO::Select;
use IO::Socket::INET;
use POSIX qw(WNOHANG _exit);
use Time::HiRes qw(sleep time);

use MspwhClient;

our @EXPORT = (@MspwhClient::EXPORT, qw(
    start start_http start_with reload reload_and_settle wait_until stop config_test write_file slurp
    dir port free_port url expand sign signed records clear_records error_log log_matches
    master_pid new_master alive workers run tls_files nginx lacks needs all_needs
    listen_http2 has_module installed inspect_program VARS SECRET
));

our $Workers = 2;

# Whether nginx runs as a daemon, which an upgrade of its binary requires.
our $Daemon = 0;

# Connections per worker; more also require more open files.
our $Connections = 256;

# Seconds that a worker may take to finish its requests when it has to exit.
our $Shutdown = 5;

# Set by a test that kills workers itself.
our $Kills = 0;

# How many times slower nginx is than usual, as under valgrind.
my $slow = $ENV{MSPWH_SLOW} || 1;

# The lines of nginx's error log that fail a test.
our $Alarms = qr/exited on signal|\[alert\]|\[emerg\]/;

use constant SECRET => 'correct horse battery staple';

# Response headers that show every variable of the module.
use constant VARS => join '', map { "add_header X-$_->[0] \$mspwh_$_->[1] always;\n" }
    [verdict => 'verdict'], [type => 'event_type'], [raw => 'event_type_raw'],
    [entity => 'entity'], [action => 'action'], [eid => 'entity_id'],
    [tid => 'ticket_id'], [key => 'key_id'], [delivery => 'delivery_id'],
    [anomaly => 'anomaly'];

my $repo   = abs_path(dirname(__FILE__) . '/../..');
my $nginx  = $ENV{MSPWH_NGINX}  || '/usr/sbin/nginx';
my $module = $ENV{MSPWH_MODULE} // "$repo/build/ngx_http_mspwh_module.so";
my $owner  = $$;
my $dir    = tempdir('mspwh-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my (%port, %backend_port, $master, $backend);

chmod 0755, $dir;
mkdir "$dir/html";
$SIG{PIPE} = 'IGNORE';

# Tests run in parallel: the name of a sanitizer's report tells which test it belongs to.
my ($test) = $0 =~ m{([^/]*?)(?:\.t)?$};
s{\blog_path=[^:]*/report\b}{$&.$test} for grep { defined } @ENV{qw(ASAN_OPTIONS UBSAN_OPTIONS)};

# make NGINX=... exports it, and nginx would take it for a list of inherited sockets.
delete $ENV{NGINX};

sub dir { $dir }

sub nginx { $nginx }

sub port {
    my $name = shift // 'main';
    return $port{$name} //= free_port();
}

# Returns a port below the range that the kernel gives to clients (ip_local_port_range), from a range that
# this test reserves as long as it runs: tests run in parallel, and nginx listens on the port only later.
my ($range, $next_port);

sub free_port {
    $next_port //= 10000 + 100 * take_range();
    while ($next_port % 100 < 99) {
        my $port = $next_port++;
        return $port if IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 1);
    }
    die 'no port';
}

sub take_range {
    for my $n (0 .. 199) {
        open $range, '>>', File::Spec->tmpdir . "/mspwh-ports-$>-$n" or next;
        return $n if flock $range, LOCK_EX | LOCK_NB;
    }
    die 'no range of ports';
}

sub url { 'http://127.0.0.1:' . port() . ($_[0] // '/') }

sub write_file {
    my ($name, $bytes, $mode) = @_;
    my $path = $name =~ m{^/} ? $name : "$dir/$name";
    open my $fh, '>:raw', $path or die "$path: $!";
    print $fh $bytes;
    close $fh;
    chmod $mode // 0600, $path;
    return $path;
}

sub slurp {
    open my $fh, '<:raw', $_[0] or return '';
    local $/;
    return scalar(<$fh>) // '';
}

# Replaces %%PORT%%, %%PORT_name%%, %%A%% and %%B%% (the backends), %%DIR%%, %%SECRET%%.
sub expand {
    my $text = shift;
    $text =~ s/%%PORT%%/port()/ge;
    $text =~ s/%%PORT_(\w+)%%/port($1)/ge;
    $text =~ s/%%([AB])%%/"127.0.0.1:" . backend_port($1)/ge;
    $text =~ s/%%DIR%%/$dir/g;
    $text =~ s/%%SECRET%%/SECRET/ge;
    return $text;
}

sub write_conf {
    my ($name, $http) = @_;
    my $user = $> == 0 ? 'user root;' : '';
    my $daemon = $Daemon ? 'on' : 'off';
    my $temp = join "\n    ", map { "${_}_temp_path $dir/$_;" }
        qw(client_body proxy fastcgi uwsgi scgi);
    my $files = $Connections > 256 ? 'worker_rlimit_nofile ' . 2 * $Connections . ';' : '';
    my $load = load_module();
    my $shown = $ENV{MSPWH_NO_MODULE} ? '-' : '"$mspwh_verdict" "$mspwh_event_type"';
    my $env = join '', map { "env $_;\n" } grep { defined $ENV{$_} }
        qw(ASAN_OPTIONS LSAN_OPTIONS UBSAN_OPTIONS FAKETIME_TIMESTAMP_FILE);
    $http = join "\n", grep { !defined lacks(conf => $_) } split /\n/, $http;
    return write_file($name, expand(<<"CONF"));
$user
$env
$load
daemon $daemon;
worker_processes $Workers;
$files
pid $dir/nginx.pid;
error_log $dir/error.log warn;
worker_shutdown_timeout @{[$Shutdown * $slow]}s;
events { worker_connections $Connections; }
http {
    $temp
    log_format verdict '\$request_method \$uri \$status $shown';
    access_log $dir/access.log verdict;
    client_max_body_size 64m;
    client_body_buffer_size 16k;
    root $dir/html;
    @{[$ENV{MSPWH_HTTP} // '']}
$http
}
CONF
}

# Returns the load_module lines; nothing for this module if it is linked into nginx. MSPWH_LOAD may name
# further modules, "a.so b.so", in nginx's own module directory; this one comes after them, or in the place
# of the word "mspwh".
sub load_module {
    my @names = split ' ', $ENV{MSPWH_LOAD} // '';
    push @names, 'mspwh' if !grep { $_ eq 'mspwh' } @names;
    @names = grep { $_ ne 'mspwh' } @names if $ENV{MSPWH_NO_MODULE} || $module eq '' || is_static();
    return join "\n",
        map { 'load_module ' . ($_ eq 'mspwh' ? $module : modules_path() . "/$_") . ';' } @names;
}

sub config_test {
    my $conf = write_conf('test.conf', shift);
    return run($nginx, '-t', '-q', '-p', $dir, '-e', "$dir/test.log", '-c', $conf);
}

# Returns the exit status of a command, or 128 plus the signal's number, and both output streams.
sub run {
    my @command = @_;
    my $pid = open(my $out, '-|') // die "fork: $!";
    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        alarm 300;
        exec @command or _exit(127);
    }
    binmode $out;
    local $/;
    my $text = <$out> // '';
    close $out;
    return ($? >> 8 || $? & 127 && 128 + ($? & 127), $text);
}

sub installed { my $command = shift; return scalar grep { -x "$_/$command" } split /:/, $ENV{PATH} }

# Returns the path of mspwh-inspect, which is built if necessary.
sub inspect_program {
    my $program = $ENV{MSPWH_INSPECT} // "$repo/build/mspwh-inspect";
    my ($rc, $text) = $ENV{MSPWH_INSPECT} ? 0 : run('make', '-s', '-C', $repo, 'build/mspwh-inspect');
    die "mspwh-inspect cannot be built: $text" if $rc;
    return $program;
}

sub start {
    my $server = shift;
    return start_http("server {\n    listen 127.0.0.1:%%PORT%%;\n" . VARS . "$server\n}\n");
}

sub start_http {
    my $conf = write_conf('nginx.conf', shift);
    start_backend();
    $master = fork // die "fork: $!";
    if (!$master) {
        open STDERR, '>', "$dir/stderr.log";
        exec $nginx, '-p', $dir, '-e', "$dir/error.log", '-c', $conf or _exit(127);
    }
    if ($Daemon) {
        waitpid $master, 0;
        undef $master;
        return 1 if !$? and new_master();
    }
    for (1 .. 100 * $slow) {
        last if !$master;
        my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => port());
        return 1 if $s and workers() >= $Workers;
        last if waitpid($master, WNOHANG) == $master and !($master = undef);
        sleep 0.05;
    }
    die "nginx did not start:\n" . slurp("$dir/stderr.log") . error_log();
}

# Restarts nginx with these third-party modules loaded as well. Returns false, and skips a test, if one of
# them is missing.
sub start_with {
    my ($modules, $http) = @_;
    if (my @missing = grep { !has_module($_) } @$modules) {
        require Test::More;
        SKIP: { Test::More::skip("nginx has no @missing", 1) }
        return 0;
    }
    stop();
    local $ENV{MSPWH_LOAD} = "@$modules";
    local $ENV{MSPWH_HTTP};
    clear_records();
    return start_http($http);
}

sub master_pid { $master }

# From now on, the master is the one that wrote its pid last.
sub new_master {
    for (1 .. 100) {
        ($master) = slurp("$dir/nginx.pid") =~ /(\d+)/;
        return $master if $master and alive($master);
        sleep 0.02;
    }
    return undef $master;
}

# A zombie is not alive, either.
sub alive { return slurp("/proc/$_[0]/stat") =~ /\) [^ZX]/ }

sub workers { split ' ', slurp("/proc/$master/task/$master/children") }

# Sends HUP, and waits until the new workers have started and no old one accepts connections.
sub reload {
    my $http = shift;
    write_conf('nginx.conf', $http) if defined $http;
    my %old = map { $_ => 1 } workers();
    kill HUP => $master;
    for (1 .. 400 * $slow) {
        return 1 if grep({ !$old{$_} } workers()) >= $Workers;
        sleep 0.025;
    }
    return 0;
}

# Runs the block until it returns a true value, for 10 seconds or the given time. Returns its last value.
sub wait_until(&;$) {
    my ($code, $seconds) = @_;
    my $until = time + ($seconds // 10) * $slow;
    while (1) {
        my $result = $code->();
        return $result if $result or time > $until;
        sleep 0.02;
    }
}

# ... and until the old ones have exited, which answer according to their configuration for a while.
sub reload_and_settle {
    my $done = reload(@_);
    wait_until { workers() == $Workers };
    return $done;
}

sub stop {
    return 1 if !$master;
    my $pid = $master;
    undef $master;
    kill QUIT => $pid;
    for (1 .. 160 * $slow) {
        return 1 if $Daemon ? !alive($pid) : waitpid($pid, WNOHANG) == $pid;
        kill TERM => $pid if $_ == 100 * $slow;
        sleep 0.05;
    }
    kill KILL => $pid;
    waitpid $pid, 0;
    return 0;
}

END {
    if ($$ == $owner) {
        my $status = $?;
        my @crashed = grep { /$Alarms/ } split /\n/, error_log();
        @crashed = grep { !/exited on signal 9$/ } @crashed if $Kills;
        print STDERR "# nginx error log:\n", map { "# $_\n" } @crashed if @crashed;
        stop();
        my @reports = reports();
        if ($backend) {
            kill KILL => $backend;
            waitpid $backend, 0;
        }
        $? = $status || (@crashed || @reports ? 1 : 0);
    }
}

# Returns what a sanitizer or valgrind has reported about a process of this test, which then fails. The files
# are kept, with the name of the test in theirs.
sub reports {
    my $where = $ENV{MSPWH_REPORTS} or return;
    my @found = grep { -s } glob "$where/report.$test.* $where/report.[0-9]*";
    for my $file (@found) {
        (my $kept = $file) =~ s{/report\.(?:\Q$test\E\.)?}{/$test.};
        rename $file, $kept or die "$file: $!";
        print STDERR "# $kept:\n", map { "# $_\n" } split /\n/, slurp($kept);
    }
    return @found;
}

# --- what this nginx is ------------------------------------------------------

# Modules that nginx is built with only on request, and the directives that need them.
my %optional = (
    http_auth_request_module => qr/\bauth_request(?:_set)?\s/,
    http_flv_module          => qr/\bflv\s*;/,
    http_mp4_module          => qr/\bmp4\s*;/,
    http_realip_module       => qr/\b(?:set_real_ip_from|real_ip_header)\s/,
    http_ssl_module          => qr/\b(?:ssl_\w+|proxy_ssl_\w+)\s|\blisten\s[^;]*\bssl\b/,
    http_stub_status_module  => qr/\bstub_status\b/,
    http_v2_module           => qr/\bhttp2\b/,
    http_v3_module           => qr/\b(?:http3|quic)\b/,
    threads                  => qr/\b(?:thread_pool|aio\s+threads)\b/,
);

my ($version, $arguments);

sub ask_version {
    return if defined $version;
    my (undef, $text) = run($nginx, '-V');
    ($version) = $text =~ m{^nginx version: \S+/([\d.]+)}m or die "$nginx -V: $text";
    ($arguments) = $text =~ /^configure arguments:(.*)/m;
}

# Whether nginx knows the directives without loading a module.
my $static;

sub is_static {
    ask_version();
    return $static //= $arguments =~ /--add-module=/ && do {
        my $conf = write_file('static.conf', "events { }\nhttp { mspwh off; }\n");
        (run($nginx, '-t', '-q', '-p', $dir, '-e', "$dir/static.log", '-c', $conf,
            '-g', "pid $dir/static.pid; error_log $dir/static.log;"))[1] !~ /unknown directive "mspwh"/;
    };
}

sub modules_path {
    ask_version();
    return $arguments =~ /--modules-path=(\S+)/ ? $1 : '';
}

# Returns whether a third-party module is installed.
sub has_module { return -e modules_path() . "/$_[0]" }

sub number { return sprintf '%03d' x 3, (split(/\./, $_[0]), 0, 0)[0 .. 2] }

# Returns why the nginx under test, or curl, cannot do something, or undef:
#   lacks(version => '1.25.1')          it is older
#   lacks(reading => 1)                 another module reads all bodies first (see tools/beside)
#   lacks(post_action => 1)             Lua's phases, here and without this module, end it at once
#   lacks(curl => 'HTTP3')              curl was built without this feature or library
#   lacks(module => 'http_v2_module')   it was built without this module
#   lacks(conf => $text)                it was built without a module that these directives need
sub lacks {
    my ($what, $value) = @_;
    return $ENV{MSPWH_READ_BEFORE} ? 'another module reads the bodies' : undef if $what eq 'reading';
    return ($ENV{MSPWH_HTTP} // '') =~ /(?:rewrite|access)_by_lua/ ? 'Lua ends a post_action' : undef
        if $what eq 'post_action';
    if ($what eq 'curl') {
        my (undef, $text) = run('curl', '--version');
        return $text =~ /^(?:curl|Features:) .*\b\Q$value\E\b/m ? undef : "curl was built without $value";
    }
    ask_version();
    if ($what eq 'version') {
        return number($version) lt number($value) ? "needs nginx $value, this is $version" : undef;
    }
    my @modules = $what eq 'module' ? $value : grep { $value =~ $optional{$_} } sort keys %optional;
    for my $name (@modules) {
        my $there = $optional{$name} ? $arguments =~ /--with-$name(?=\s|$)/
            : $arguments !~ /--without-$name(?=\s|$)/;
        return "nginx was built without $name" if !$there;
    }
    return undef;
}

# Skips the rest of a SKIP block; all_needs() skips the whole test.
sub needs {
    my $why = lacks(@_) // return;
    require Test::More;
    Test::More::skip($why, 1);
}

sub all_needs {
    my $why = lacks(@_) // return;
    require Test::More;
    Test::More::plan(skip_all => $why);
}

# Returns lines for a server that also listens for HTTP/2, if this nginx supports it.
sub listen_http2 {
    my ($name, $more) = @_;
    my $listen = join ' ', "listen 127.0.0.1:%%PORT_$name%%", $more // ();
    return "$listen;\n" if defined lacks(module => 'http_v2_module');
    return defined lacks(version => '1.25.1') ? "$listen http2;\n" : "$listen;\nhttp2 on;\n";
}

# --- the recording backend -------------------------------------------------

my %listener;

sub backend_port {
    my $name = shift;
    $listener{$name} //= IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 128)
        or die "backend: $!";
    return $listener{$name}->sockport;
}

sub start_backend {
    return if $backend;
    backend_port($_) for qw(A B);
    my $log = write_file('backend.log', '', 0666);
    $backend = fork // die "fork: $!";
    return if $backend;

    $SIG{CHLD} = 'IGNORE';
    my %name = map { $listener{$_} => $_ } keys %listener;
    my $select = IO::Select->new(values %listener);
    my %open;
    while (getppid() == $owner) {
        for my $ready ($select->can_read(1)) {
            if ($name{$ready}) {
                my $client = $ready->accept or next;
                $select->add($client);
                $open{$client} = { socket => $client, buffer => '', name => $name{$ready} };
                next;
            }
            my $c = $open{$ready};
            my $n = sysread $ready, $c->{buffer}, 65536, length $c->{buffer};
            next if $n and index($c->{buffer}, "\r\n\r\n") < 0;
            $select->remove($ready);
            delete $open{$ready};
            serve($c, $log) if $n;
        }
    }
    _exit(0);
}

# Serves a request whose header is there: in a process of its own if that may take time.
sub serve {
    my ($c, $log) = @_;
    my ($head, $body) = split /\r\n\r\n/, $c->{buffer}, 2;
    my ($length) = $head =~ /^content-length:\s*(\d+)/im;
    my $at_once = $head !~ m{\A\S+ \S*/wait/|^transfer-encoding:}im && length $body >= ($length // 0);
    return if !$at_once and fork // 1;
    alarm 60 if !$at_once;
    $c->{deadline} = time + 40;
    eval { answer($c, $log) };
    _exit(0) if !$at_once;
}

sub answer {
    my ($c, $log) = @_;
    my $name = $c->{name};
    my ($request, @lines) = split /\r\n/, take_head($c);
    my ($method, $uri) = split / /, $request;
    my %header;
    for (@lines) {
        my ($n, $v) = split /:\s*/, $_, 2;
        $n = lc $n;
        $header{$n} = defined $header{$n} ? "$header{$n}, $v" : $v;
    }
    my $body = take_body($c, \%header, 0);
    $body = undef, $method .= '-TRUNCATED' if !defined $body;
    my $line = join "\t", $name, $method, $uri, length($body // ''), sha256_hex($body // ''),
        map { "$_=" . unpack('H*', $header{$_}) } sort keys %header;
    open my $fh, '>>', $log or return;
    syswrite $fh, "$line\n";
    sleep $1 if $uri =~ m{/wait/([\d.]+)};
    my $status = $uri =~ m{/status/(\d+)} ? $1 : 200;
    my $extra = $uri =~ m{/accel(/[^?]*)} ? "X-Accel-Redirect: $1\r\n" : '';
    my $text = $uri =~ m{/ssi(/[^?]*)} ? qq(<!--# include virtual="$1" -->) : "backend $name $uri\n";
    syswrite $c->{socket}, "HTTP/1.1 $status X\r\nContent-Type: text/html\r\nContent-Length: "
        . length($text) . "\r\n${extra}Connection: close\r\n\r\n$text";
    # another process may have a copy of the socket
    shutdown $c->{socket}, 1;
}

sub records {
    return map {
        my ($backend, $method, $uri, $length, $sha256, @headers) = split /\t/;
        +{
            backend => $backend, method => $method, uri => $uri,
            length => $length, sha256 => $sha256,
            header => { map { /^(.*?)=(.*)$/ ? ($1 => pack 'H*', $2) : () } @headers },
        };
    } split /\n/, slurp("$dir/backend.log");
}

sub clear_records { truncate "$dir/backend.log", 0 }

sub error_log { slurp("$dir/error.log") }

# The log is written after the answer: keeps looking for a while.
sub log_matches {
    my ($pattern, $offset) = @_;
    for (1 .. 12 * $slow) {
        my @found = grep { /$pattern/ } split /\n/, substr error_log(), $offset // 0;
        return @found if @found;
        sleep 0.05;
    }
    return;
}

# --- events -------------------------------------------------------------

sub sign {
    my ($secret, $body) = @_;
    my $mac = hmac_sha256_base64($body, $secret);
    $mac .= '=' while length($mac) % 4;
    return $mac;
}

sub hmac_raw { hmac_sha256($_[1], $_[0]) }

# Sends a POST, signed with the usual secret.
sub signed {
    my ($path, $body, @headers) = @_;
    return post($path, $body, 'X-Webhook-Signature' => sign(SECRET, $body), @headers);
}

sub tls_files {
    my ($rc, $text) = run(qw(openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost),
        '-keyout', "$dir/key.pem", '-out', "$dir/cert.pem");
    die "openssl: $text" if $rc;
    return ("$dir/cert.pem", "$dir/key.pem");
}

1;
