package MspwhFaults;

# Makes calls fail in the worker of a test's nginx, one at a time, by means of t/lib/faults/; and finds out
# the consequences: the answer, what the backend got, what is in the spool, and what is still in use.

use strict;
use warnings;

use Cwd qw(abs_path);
use Digest::SHA qw(sha256_hex);
use Exporter qw(import);
use File::Basename qw(dirname);
use Test::More;
use Time::HiRes qw(sleep time);
use MspwhFaultsStore;
use MspwhLedger;
use MspwhStore;
use MspwhTest;

our @EXPORT = qw(
    build_faults start_with_faults with_faults arm disarm picked sites reset_sites
    kinds kind_config trial sweep none failing place where
    CLASS_OWN CLASS_MEMORY CLASS_FILES CLASS_SIZES MODE_ONCE MODE_FROM_THEN_ON MODE_SHORT
);

use constant { CLASS_OWN => 1, CLASS_MEMORY => 2, CLASS_FILES => 3, CLASS_SIZES => 4 };
use constant { MODE_ONCE => 0, MODE_FROM_THEN_ON => 1, MODE_SHORT => 2 };

# the layout of faults_t and faults_site_t
use constant { SITES => 1024, TRACE => 32768, HEAD => 24 + 48, SITE => 64 };
use constant SIZE => HEAD + 40 + SITES * SITE + TRACE * 2;

my $repo = abs_path(dirname(__FILE__) . '/../..');
our $Module = $ENV{MSPWH_MODULE} // "$repo/build/ngx_http_mspwh_module.so";
our $Name = 'X-Webhook-Signature';

my ($control, $worker, @certificate);

# Skips the test if the module is not a file of its own, or if the library with the faults cannot be
# preloaded.
sub build_faults {
    my $class = shift;
    plan skip_all => 'the module is no file of its own'
        if $ENV{MSPWH_NO_MODULE} or !-e $Module or MspwhTest::is_static();
    plan skip_all => 'this nginx has a memory allocator of its own'
        if $class =~ /^(?:${\CLASS_MEMORY}|${\CLASS_SIZES})$/ and slurp(nginx()) =~ /__asan_init/;
    my @sources = glob "$repo/t/lib/faults/*.c";
    my ($rc, $text) = run(qw(gcc -O1 -Wall -Wextra -shared -fPIC -o), dir() . '/faults.so', @sources);
    BAIL_OUT("t/lib/faults: $text") if $rc;
    diag($text) if $text;
    mkdir dir() . '/files';
    write_file('control', "\0" x SIZE);
    open $control, '+<:raw', dir() . '/control' or die "control: $!";
    # the calls that are made to fail are in the log, so only other lines are alarming
    $MspwhTest::Alarms = qr/exited on signal|\[alert\] (?!.*(?:close|unlink|read)\(\))/;
}

sub with_faults {
    my $code = shift;
    local @ENV{qw(LD_PRELOAD MSPWH_FAULTS MSPWH_FAULTS_FILES)}
        = map { dir() . "/$_" } qw(faults.so control files);
    return $code->();
}

sub start_with_faults {
    my $conf = shift;
    $MspwhTest::Workers = 1;
    start_recorder(200, 0);
    with_faults(sub { start_http($conf) });
    watch((workers())[0]);
}

sub watch {
    $worker = shift;
    syswrite_at(8, pack 'L', $worker);
}

sub syswrite_at { sysseek $control, $_[0], 0; syswrite $control, $_[1] }

sub sysread_at {
    my ($at, $n) = @_;
    sysseek $control, $at, 0;
    sysread $control, (my $bytes), $n;
    return $bytes;
}

# Usage: arm(class, target, mode, errno, skipped, any). Target 0 only counts; "any" means any process.
sub arm {
    my ($class, $target, %o) = @_;
    syswrite_at(0, pack 'L', 0);
    syswrite_at(HEAD, pack 'Q2', 0, 0);
    syswrite_at(4, pack 'L L l Q a48', $o{mode} // MODE_ONCE, $o{any} ? 0 : $worker, $o{errno} // 5,
        $target, $o{skipped} // '');
    syswrite_at(0, pack 'L', $class);
}

# Returns the number of calls, and the site of the last one that failed.
sub disarm {
    syswrite_at(0, pack 'L', 0);
    my ($count, $failed, $site) = unpack 'Q3', sysread_at(HEAD, 24);
    return { count => $count, failed => $failed, site => $failed ? $site : undef };
}

sub has_failed { return unpack('Q', sysread_at(HEAD + 8, 8)) > 0 }

sub sites {
    my $n = unpack 'Q', sysread_at(HEAD + 32, 8);
    my $bytes = sysread_at(HEAD + 40, $n * SITE);
    return map {
        my ($offset, $calls, $failed, $name) = unpack 'Q L L Z48', substr $bytes, $_ * SITE, SITE;
        { offset => $offset, calls => $calls, failed => $failed, name => $name };
    } 0 .. $n - 1;
}

sub reset_sites { syswrite_at(HEAD + 32, "\0" x (8 + SITES * SITE)) }

# Returns which of so many calls are to fail: all, or the first few and the last one of each site.
sub picked {
    my ($count, $few) = @_;
    $count = TRACE if $count > TRACE;
    return 1 .. $count if !$few;
    my @site = unpack 'S*', sysread_at(HEAD + 40 + SITES * SITE, 2 * $count);
    my (%seen, %last, %pick);
    for my $n (1 .. $count) {
        $last{ $site[$n - 1] } = $n;
        $pick{$n} = 1 if $seen{ $site[$n - 1] }++ < $few;
    }
    $pick{$_} = 1 for values %last;
    return sort { $a <=> $b } keys %pick;
}

# Returns the blocks of memory in use, once the number no longer changes.
sub in_use {
    my $wanted = shift;
    my ($last, $same) = (-1, 0);
    for (1 .. 1600) {
        my $blocks = unpack 'q', sysread_at(HEAD + 24, 8);
        $same = $blocks == $last ? $same + 1 : 0;
        $last = $blocks;
        last if defined $wanted ? $blocks <= $wanted : $same == 3;
        sleep 0.0025;
    }
    return $last;
}

sub fds { opendir my $d, "/proc/$worker/fd" or return -1; return scalar grep { !/^\./ } readdir $d }

sub quiet {
    my ($blocks, $fds) = @_;
    my $found = in_use($blocks);
    for (1 .. 400) { last if fds() <= $fds; sleep 0.01 }
    return ($found, fds());
}

# --- requests of each kind ---------------------------------------------------

my $sequence = 0;

sub event {
    my ($id, %o) = @_;
    my $type = $o{type} // 'Ticket Note-added!';
    my $more = join '', map { qq{"member$_":"} . 'v' x 100 . '",' } 1 .. $o{members} // 0;
    return qq|{"eventType":"$type","entityId":"$id","ticketId":"t-1","Details":"| . 'd' x ($o{size} // 20)
        . qq|",$more"a":{"b":["x","yes",{"c":"z"}]},"additionalFields":[null,false,true,7,[],{},"\\u0000"]}|;
}

sub kinds {
    my $large = { size => 50_000 };
    my $unknown = { type => "Snow\xe2\x98\x83" };
    my $huge = { size => 150_000 };
    my $many = { members => 20 };
    # the status first: it has to cope without the objects that do not exist yet
    my @kinds = (
        { name => 'status as JSON', path => '/status/json', status => 200, method => 'GET' },
        { name => 'status for Prometheus', path => '/status/prometheus', status => 200, method => 'GET' },
        { name => 'status in the format asked for', path => '/status/any?format=json', status => 200,
            method => 'GET' },
        { name => 'status as HTML', path => '/status/html', status => 200, method => 'GET' },
        { name => 'in memory', path => '/memory', status => 200 },
        { name => 'of an unknown type', path => '/memory', status => 200, event => $unknown },
        { name => 'in a file', path => '/file', status => 200, event => $large },
        { name => 'chunked', path => '/memory', status => 200, chunked => 100 },
        { name => 'chunked, in a file', path => '/file', status => 200, event => $large, chunked => 5000 },
        { name => 'read before', path => '/before', status => 200 },
        { name => 'read before, in a file', path => '/before/file', status => 200, event => $huge },
        { name => 'mspwh_set', path => '/set', status => 200, event => $many },
        { name => 'mspwh_set of each type', path => '/types', status => 200 },
        { name => 'mspwh_field', path => '/field', status => 200, event => $many },
        { name => 'forged', path => '/memory', status => 401, sign => 'another' },
        { name => 'forged, in a file', path => '/file', status => 401, sign => 'another', event => $large },
        { name => 'forged, read before', path => '/before', status => 401, sign => 'another' },
        { name => 'unsigned', path => '/memory', status => 401, sign => undef },
        { name => 'signed twice', path => '/memory', status => 401, twice => 1 },
        { name => 'malformed', path => '/memory', status => 400, suffix => '}' },
        { name => 'malformed, passed', path => '/pass', status => 200, suffix => '}' },
        { name => 'unsigned, monitored', path => '/monitor', status => 200, sign => undef, monitor => 1 },
        { name => 'forged, monitored', path => '/monitor', status => 200, sign => 'another', monitor => 1 },
        { name => 'not accepted', path => '/accept', status => 204 },
        { name => 'remembered', path => '/dedup', status => 200 },
        { name => 'remembered and spooled', path => '/dedup/spool', status => 202, then => 200 },
        { name => 'duplicate', path => '/dedup', status => 200, first => 1 },
        { name => 'in flight', path => '/flight', status => 409, held => 1 },
        { name => 'spooled', path => '/spool', status => 202 },
        { name => 'spooled, in a file', path => '/spool/file', status => 202, event => $large },
        { name => 'spooled by a copy', path => '/spool/copied', status => 202, event => $large },
        { name => 'spooled as the backend is down', path => '/down', status => 202 },
        { name => 'spooled as the backend is down, in a file', path => '/down/file', status => 202,
            event => $large },
        { name => 'HTTP/2', path => '/memory', status => 200, curl => 'h2', event => $many },
        { name => 'HTTP/2, in a file', path => '/file', status => 200, curl => 'h2', event => $large },
        { name => 'TLS', path => '/memory', status => 200, curl => 'tls' },
        { name => 'status as JSON, all of it', path => '/status/json?recent=500&history=5&webhook=default',
            status => 200, method => 'GET' },
    );
    push @kinds, store_kinds() if has_store();
    for my $kind (@kinds) {
        $kind->{passes} = $kind->{status} == 200 && !grep { $_ } @$kind{qw(first method elsewhere)};
    }
    return @kinds;
}

sub kind_config {
    my ($cert, $key) = @certificate = @certificate ? @certificate : tls_files();
    my ($store, $shared) = store_config($cert, $key);
    mkdir dir() . "/$_" for 'files', 'files/spool';
    write_file('files/spool/status.json', '{"waiting":1,"waiting_bytes":2,"oldest":"2026-11-24T18:18:19Z",'
        . '"quarantined":0,"last_run":"2026-11-24T18:18:19Z","sent":3,"kept":1}', 0644);
    my $recorder = '127.0.0.1:' . recorder_port();
    my $dead = port('dead');
    my $proxy = "proxy_pass http://$recorder;";
    my $types = join ' ', map { "mspwh_set \$t$_ /additionalFields/$_;" } 0 .. 6;
    write_file('a.secret', "the secret in a file\n");
    mkdir dir() . '/files';
    my $log = join ' ', map { "\$mspwh_$_" } qw(verdict event_type event_type_raw entity action
        entity_id ticket_id key_id delivery_id anomaly);
    return <<"CONF";
mspwh_dedup_zone zone=events:1m ttl=1h pending=1h;
$store
log_format all '$log "\$x" "\$y" "\$z" \$status';
access_log %%DIR%%/all.log all;
server {
    listen 127.0.0.1:%%PORT%%;
    listen 127.0.0.1:%%PORT_h2%% http2;
    listen 127.0.0.1:%%PORT_tls%% ssl;
    ssl_certificate $cert;
    ssl_certificate_key $key;
    ssl_session_cache off;
    client_body_temp_path %%DIR%%/files/body;
    request_pool_size 1k;
    mspwh_secret "%%SECRET%%";
    mspwh_secret_file a.secret id=file;
@{[VARS]}
    proxy_set_header X-Delivery \$mspwh_delivery_id;
    proxy_set_header X-Raw \$mspwh_event_type_raw;
    proxy_set_header X-Anomaly \$mspwh_anomaly;
    location = /plain { return 204; }
    location /memory { mspwh on; $proxy }
    location /file { mspwh on; client_body_buffer_size 1k; $proxy }
    location /before { mspwh on; try_files /none /other; }
    location /before/file { mspwh on; client_body_buffer_size 1k; try_files /none /other; }
    location /other { mspwh on; mspwh_secret other; mspwh_secret "%%SECRET%%"; $proxy }
    location /set { mspwh on; mspwh_set \$x /a/b/1; mspwh_set \$y /a/b/2/c; mspwh_set \$z /member5; $proxy }
    location /types { mspwh on; $types $proxy }
    location /field { mspwh on; mspwh_field event_type /x /eventType; mspwh_field ticket_id /a/b/0; $proxy }
    location /pass { mspwh on; mspwh_malformed pass; $proxy }
    location /monitor { mspwh monitor; $proxy }
    location /accept { mspwh on; mspwh_accept ticket.created ticket.response.*; $proxy }
    location /dedup { mspwh on; mspwh_dedup zone=events; $proxy }
    location /dedup/spool { mspwh on; mspwh_dedup zone=events; mspwh_spool files/spool; }
    location /flight { mspwh on; mspwh_dedup zone=events; proxy_pass http://%%A%%/wait/3; }
    location /spool { mspwh on; mspwh_spool files/spool; }
    location /spool/file { mspwh on; client_body_buffer_size 1k; mspwh_spool files/spool; }
    location /spool/copied {
        mspwh on;
        client_body_buffer_size 1k;
        client_body_in_file_only clean;
        mspwh_spool files/spool;
    }
    location /down {
        mspwh on;
        error_page 500 502 503 504 = \@spool;
        proxy_pass http://127.0.0.1:$dead;
        location /down/file { client_body_buffer_size 1k; proxy_pass http://127.0.0.1:$dead; }
    }
    location \@spool { mspwh on; mspwh_spool files/spool; }
$shared
    location = /status/json { mspwh_status json; }
    location = /status/prometheus { mspwh_status prometheus; }
    location = /status/any { mspwh_status; }
    location = /status/html { mspwh_status html; }
}
CONF
}

# Returns a request that is different from all others.
sub prepare {
    my $kind = shift;
    my $id = 'e' . ++$sequence;
    my @close = (Connection => 'close');
    if ($kind->{method}) {
        my $bytes = request_bytes(method => 'GET', path => $kind->{path}, headers => \@close);
        return { kind => $kind, id => $id, bytes => $bytes };
    }
    my $body = event($id, %{ $kind->{event} // {} }) . ($kind->{suffix} // '');
    my $secret = exists $kind->{sign} ? $kind->{sign} : SECRET;
    my @headers = defined $secret ? ($Name => sign($secret, $body)) : ();
    @headers = (@headers, @headers) if $kind->{twice};
    my $bytes = request_bytes(path => $kind->{path}, headers => [@headers, @close], body => $body,
        chunked => $kind->{chunked});
    return { kind => $kind, id => $id, body => $body, headers => \@headers, bytes => $bytes };
}

# Sends a request while a call fails, if one is armed, and waits until nginx is done with it, which may be
# after the answer. "status" is 0 if the connection was closed without an answer, and -1 if it was not closed
# in time.
sub exchange {
    my ($request, @fault) = @_;
    my $open = fds();
    my $r = $request->{kind}{curl} ? by_curl($request, @fault) : by_socket($request, @fault);
    for (1 .. 1000) { last if fds() <= $open; sleep 0.001 }
    return { %$r, @fault ? %{ disarm() } : () };
}

sub by_socket {
    my ($request, @fault) = @_;
    my $c = connection();
    send_bytes($c, request_bytes(method => 'GET', path => '/plain'));
    my $plain = read_response($c)->{status};
    arm(@fault) if @fault;
    lose_store { has_failed() } if $request->{kind}{lost};
    send_bytes($c, $request->{bytes});
    my $r = read_response($c);
    $r->{status} = -1 if !at_eof($c);
    close $c->{socket};
    return { %$r, plain => $plain };
}

sub by_curl {
    my ($request, @fault) = @_;
    my $port = port($request->{kind}{curl});
    my $tls = $request->{kind}{curl} eq 'tls';
    write_file('body', $request->{body});
    my @headers = @{ $request->{headers} };
    my @options = map { $_ % 2 ? () : (-H => "$headers[$_]: $headers[$_ + 1]") } 0 .. $#headers;
    arm(@fault) if @fault;
    my $url = ($tls ? 'https' : 'http') . "://127.0.0.1:$port$request->{kind}{path}";
    my ($rc, $text) = run('curl', '-sk', $tls ? () : '--http2-prior-knowledge', '-m', 20,
        '-w', '\n%{http_code}', @options, '--data-binary', '@' . dir() . '/body', $url);
    my ($status) = $text =~ /(\d+)\z/;
    $status = -1 if $rc == 28 or !defined $status;
    return { status => $status + 0, header => {}, plain => 204 };
}

# --- what it led to ---------------------------------------------------------------

my $ledger_at = 0;
my %got;

# Returns how often the backend got an event, and how often it got it with another body.
sub got {
    my $request = shift;
    if (open(my $fh, '<', dir() . '/recorded')) {
        seek $fh, $ledger_at, 0;
        while (my $line = <$fh>) {
            last if $line !~ /\n\z/;
            $ledger_at += length $line;
            my ($id, $hash) = split / /, $line;
            $got{$id}{$hash}++;
        }
    }
    my %hashes = %{ $got{ $request->{id} } // {} };
    my $right = delete $hashes{ sha256_hex($request->{body} // '') };
    return ($right // 0, scalar keys %hashes);
}

# Sends one request of a kind, and whatever has to precede it, while a call fails; then the same once more,
# without a failure. Finds what is wrong whichever call failed; the test judges the rest.
sub trial {
    my ($kind, @fault) = @_;
    my $request = prepare($kind);
    my $held;
    exchange($request) if $kind->{first};
    if ($kind->{held}) {
        $held = connection();
        send_bytes($held, $request->{bytes});
        sleep 0.03;
    }
    if ($kind->{store}) {
        store_ready();
        ask('main', 'DEL', 'mspwh');
        elsewhere($request, $kind->{elsewhere}) if $kind->{elsewhere};
    }
    my ($had) = got($request);
    my $r = exchange($request, @fault);
    my $spool = spool_state();
    my ($got, $changed) = got($request);
    $r->{got} = $got - $had;
    $r->{spooled} = grep { $_ eq $request->{id} } @{ $spool->{ids} };
    $r->{site} = (sites())[ $r->{site} ] if defined $r->{site};

    my @wrong = map { "in the spool: $_" } @{ $spool->{broken} };
    if ($kind->{streamed}) {
        ($r->{streamed}, my $others) = streamed($request);
        push @wrong, 'not in the stream' if $r->{status} == 202 and !$r->{streamed};
        push @wrong, 'something else is in the stream' if $others;
    }
    push @wrong, 'the backend got another body' if $changed;
    push @wrong, 'the request before it' if $r->{plain} != 204;
    push @wrong, 'no end' if $r->{status} == -1;
    push @wrong, 'said to be verified'
        if ($r->{header}{'x-verdict'} // '') eq 'verified' and exists $kind->{sign} || $kind->{twice};
    push @wrong, 'passed' if $kind->{status} >= 400 and !$kind->{elsewhere}
        and $r->{got} || $r->{spooled} || $r->{status} =~ /\A2/;
    push @wrong, "the backend got it $r->{got} times" if $r->{got} > 1;
    store_ready() if $kind->{store};
    my $again = exchange($request);
    # an event that was answered in spite of the failure may be a duplicate now
    my $then = $r->{status} =~ /\A2/ && ($kind->{then} || $kind->{elsewhere} && 200) || $kind->{status};
    push @wrong, "once more: $again->{status}"
        if $again->{status} != $then and $r->{status} || $again->{status} != ($kind->{then} // 0);
    if ((workers())[0] != $worker) {
        push @wrong, 'another worker';
        watch((workers())[0]);
    }
    close $held->{socket} if $held;
    spool_state();
    $r->{wrong} = \@wrong;
    return $r;
}

my $found_in_all = 0;

# Lets each of the calls that pick() chooses fail, during requests of one kind. Returns what is wrong,
# according to judge() and to the resources that stay in use.
sub sweep {
    my ($kind, $class, $pick, $judge, %o) = @_;
    trial($kind) for 1, 2;
    # so that objects that are kept for later commands exist already
    lose_store { 0 } if $kind->{store};
    trial($kind) if $kind->{store};
    my $count = trial($kind, $class, 0)->{count};
    my @picked = $pick->($count);
    store_ready() if $kind->{store};
    my ($blocks, $fds) = (in_use(), fds());
    my @found;
    for my $n (@picked) {
        my $r = trial($kind, $class, $n, %o);
        store_ready() if $kind->{store};
        my ($left, $open) = quiet($blocks, $fds);
        # the worker keeps commands for later use, and reconnects to the store: sometimes, but not each time,
        # that takes more than before
        for (1 .. 4) {
            last if !has_store() or $left <= $blocks and $open <= $fds;
            ($blocks, $fds) = ($left, $open);
            trial($kind, $class, $n, %o);
            store_ready();
            ($left, $open) = quiet($blocks, $fds);
        }
        my @wrong = (@{ $r->{wrong} }, $judge->($r));
        push @wrong, sprintf '%+d blocks, %+d descriptors', $left - $blocks, $open - $fds
            if $left > $blocks or $open > $fds;
        push @found, "$n" . ($r->{site} ? ", $r->{site}{name}" . where($r->{site}) : '') . ": $_" for @wrong;
        ($blocks, $fds) = ($left, $open);
        die map { "$kind->{name}: $_\n" } @found, 'too much is wrong' if ($found_in_all += @wrong) > 40;
    }
    return ($count, scalar @picked, @found);
}

sub none {
    my ($found, $name) = @_;
    is(scalar @$found, 0, $name) or diag(map { "  $_\n" } @$found);
}

# Returns the functions whose calls from the module can be made to fail.
sub failing { slurp("$repo/t/lib/faults/own.c") =~ /^\s+FAULTS_[A-Z]+\([^,]+, (\w+)/gm }

# Returns where a call is in the module's source, not in a header: the function, file and line.
my %place;

sub place {
    # after a tail call, the caller's caller is seen, which may be in nginx
    my @offsets = grep { $_ && $_ < 1 << 31 && !$place{$_} } map { $_->{offset} } @_;
    if (@offsets) {
        my ($rc, $text) = run(qw(addr2line -a -i -f -s -e), $Module, map { sprintf '0x%x', $_ - 1 } @offsets);
        for (split /^(?=0x)/m, $text) {
            my ($address, @frames) = split / \(discriminator \d+\)\n|\n/;
            my @pairs = map { [@frames[2 * $_, 2 * $_ + 1]] } 0 .. @frames / 2 - 1;
            my ($in_module) = grep { $_->[1] =~ /mspwh/ } @pairs;
            my ($function, $line) = @{ $in_module // $pairs[0] };
            $place{ 1 + hex $address } = [function_at($line) // $function, $line];
        }
    }
    return map { $place{ $_->{offset} } // ['', ''] } @_;
}

# Finds the function in the source, since compilers name inlined functions differently.
my %functions;

sub function_at {
    my ($file, $line) = ($_[0] // '') =~ /^((?:ngx_http_)?mspwh_.*):(\d+)/ or return;
    $functions{$file} //= do {
        my $n = 0;
        my $path = "$repo/ngx_http_mspwh_module/" . ($file =~ /^mspwh/ ? 'core/' : '') . $file;
        [map { $n++; /^(\w+)\(/ ? [$n, $1] : () } split /\n/, slurp($path)];
    };
    my @before = grep { $_->[0] <= $line } @{ $functions{$file} };
    return @before ? $before[-1][1] : undef;
}

sub where {
    my ($place) = place(shift);
    return $place->[0] ? " in $place->[0], $place->[1]" : '';
}

# Returns the ids of the events in the spool, and the broken files, which are those that are not part of a
# complete event. Empties the spool.
sub spool_state {
    my $spool = dir() . '/files/spool';
    my (@ids, @broken);
    opendir my $d, $spool or return { ids => [], broken => ["$spool: $!"] };
    my %name = map { $_ => 1 } grep { !/^\.\.?\z/ } readdir $d;
    for my $headers (grep { /^[^.].*\.headers\z/ } keys %name) {
        my $event = $headers =~ s/\.headers\z//r;
        my ($body, $fields) = map { slurp("$spool/$event.$_") } qw(body headers);
        my ($signature) = ($fields // '') =~ /^$Name: (\S+)$/m;
        next if ($signature // '') ne sign(SECRET, $body // '');
        push @ids, $body =~ /"entityId":"(\w+)"/;
        delete @name{ "$event.headers", "$event.body" };
        unlink map { "$spool/$event.$_" } qw(body headers);
    }
    @broken = sort keys %name;
    unlink map { "$spool/$_" } @broken;
    return { ids => \@ids, broken => \@broken };
}

1;
