package MspwhTrust;

# The ways into a location with "mspwh on", and a model of what each may lead to. A place is a way, with its
# source and its target; a cell is a request to a place.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use Exporter qw(import);
use Http2 qw(h2_connection h2_read h2_upload);
use MspwhEvents qw(by_case spooled);
use MspwhTest;
use Test::More;

our @EXPORT = qw(
    ways places start_places prepare send_cell answer_cell ask report_cells
);

use constant OTHER => 'the secret of another sender';

my $read_before = defined lacks(reading => 1);
my $name = 'X-Webhook-Signature';
my $own = 'mspwh_secret "%%SECRET%%" id=target;';

# --- where to, and where from -----------------------------------------------------------

# Protected are backend B, directly or through a mirror, and the spool "target".
my %to = (
    proxy  => 'proxy_pass http://%%B%%;',
    mirror => 'mirror /copy; proxy_pass http://%%A%%;',
    spool  => 'mspwh_spool target;',
);

my $proxy = 'proxy_pass http://%%A%%;';
my %from = (
    on      => { lines => "mspwh on; $own", content => $proxy },
    others  => { lines => qq(mspwh on; mspwh_secret "@{[OTHER]}" id=other; $own), content => $proxy },
    monitor => { lines => "mspwh monitor; $own", content => $proxy },
    off     => { lines => 'mspwh off;', content => $proxy },
    status  => { lines => '', content => 'mspwh_status html;' },
    return  => { lines => "mspwh on; $own", content => 'return 200 answered;' },
    spool   => { lines => "mspwh on; $own", content => 'mspwh_spool source;' },
);

# Whether the source's check rejects a request.
sub is_refused {
    my ($from, $secret) = @_;
    return 0 if $secret eq 'signed' or !grep { $_ eq $from } qw(on others spool);
    return !($from eq 'others' && $secret eq 'other');
}

# The status that the content of the source answers with.
sub answer_of {
    my ($from, $method) = @_;
    return $from eq 'spool' ? 202 : $from eq 'status' && $method ne 'GET' ? 405 : 200;
}

# --- the ways ---------------------------------------------------------------------------

# An error, raised as soon as possible after the source's check.
sub error {
    my ($code, $to) = @_;
    return sub {
        my ($from, $target) = @_;
        my $raised = $from eq 'return' ? "return $code;" : "try_files /none =$code; $from{$from}{content}";
        return "error_page $code = $to$target; $raised";
    };
}

# A directive in addition to the content of the source.
sub beside { my $directive = shift; return sub { "$directive$_[1]; $from{$_[0]}{content}" } }

my @proxied = qw(on others monitor off);
my @answered = (@proxied, 'status', 'return');
my @later = (@proxied, 'status', 'spool');
my @every = (@later, 'return');

# A way leads to the target the request itself ("redirect"), or another one: with its body ("sub", or
# "script", if its answer is the other's), without the body ("bodiless"), once it has been answered
# ("after"), or both at the same time ("race").
my %way = (
    direct => { kind => 'redirect', before => 1, from => ['on'], lines => sub { $to{ $_[1] } } },
    # the body is read before the location is chosen, so the source is a server
    early => { kind => 'redirect', version => '1.31.5', from => \@proxied,
        lines => sub { "$own $to{$_[1]}" } },
    rewrite => { kind => 'redirect', before => 1, from => \@later,
        lines => sub { "rewrite ^ /to/$_[1] last; $from{$_[0]}{content}" } },
    try_files => { kind => 'redirect', from => \@later,
        lines => sub { "try_files /none /to/$_[1]; $from{$_[0]}{content}" } },
    index => { kind => 'redirect', from => \@proxied, lines => sub { 'index page;' } },
    error_page_401 => { kind => 'redirect', before => 1, from => \@every, lines => error(401, '/to/') },
    error_page_404 => { kind => 'redirect', from => \@every, lines => error(404, '/to/') },
    error_page_502 => { kind => 'redirect', from => \@every, lines => error(502, '/to/') },
    error_page_named => { kind => 'redirect', from => \@every, lines => error(502, '@to_') },
    error_page_413 => { kind => 'too_large', from => \@every,
        lines => sub { "client_max_body_size 10; error_page 413 = /to/$_[1]; $from{$_[0]}{content}" } },
    accel => { kind => 'redirect', from => \@proxied,
        lines => sub { "proxy_pass http://%%A%%/accel/to/$_[1];" } },
    ssi => { kind => 'sub', from => [@proxied, 'return'],
        lines => sub {
            'ssi on; ' . ($_[0] eq 'return' ? qq(return 200 '<!--# include virtual="/to/$_[1]" -->';)
                : "proxy_pass http://%%A%%/ssi/to/$_[1];");
        } },
    add_before_body => { kind => 'sub', needs => 'http_addition_module', from => \@answered,
        lines => beside('add_before_body /to/') },
    add_after_body => { kind => 'sub', needs => 'http_addition_module', from => \@answered,
        lines => beside('add_after_body /to/') },
    mirror => { kind => 'sub', from => \@every, lines => beside('mirror /to/') },
    # while the request is on its way to the target, so is its mirror
    race => { kind => 'race', from => \@proxied,
        lines => sub {
            "mirror /late/$_[0]/$_[1]; proxy_pass http://127.0.0.1:%%PORT_dead%%; "
                . "error_page 502 = \@to_$_[1];";
        },
        more => sub {
            "location = /late/$_[0]/$_[1] { internal; $from{$_[0]}{lines} proxy_pass_request_body off; "
                . "proxy_set_header Content-Length 0; proxy_pass http://%%A%%/wait/0.005/status/503; "
                . "error_page 503 = \@to_$_[1]; }";
        } },
    auth_request => { kind => 'bodiless', needs => 'http_auth_request_module', from => \@every,
        to => ['proxy'], lines => beside('auth_request /asked/') },
    post_action => { kind => 'after', from => \@every, lines => beside('post_action /to/') },
    lua => { kind => 'script', load => [qw(ndk_http_module.so ngx_http_lua_module.so)], from => \@proxied,
        lines => sub {
            'content_by_lua_block { ngx.req.read_body() '
                . "local r = ngx.location.capture('/to/$_[1]', { method = ngx.HTTP_POST, "
                . 'always_forward_body = true }) ngx.status = r.status ngx.print(r.body) }';
        } },
    njs => { kind => 'script', load => ['ngx_http_js_module.so'], from => \@proxied,
        lines => sub { "set \$to /to/$_[1]; js_content trust.forward;" } },
);

write_file('trust.js', <<'JS', 0644);
function forward(r) {
    r.subrequest(r.variables.to, { method: 'POST' }, s => r.return(s.status, s.responseText));
}
export default { forward };
JS

# Returns why a way cannot be tried here.
sub missing {
    my ($way) = @_;
    return lacks(module => $way->{needs}) if $way->{needs};
    return lacks(post_action => 1) if $way->{kind} eq 'after';
    return lacks(version => $way->{version}) if $way->{version};
    my @modules = grep { !has_module($_) } @{ $way->{load} // [] };
    return @modules ? "nginx has no @modules" : undef;
}

sub targets {
    my ($way) = @_;
    return @{ $way->{to} } if $way->{to};
    # nginx does not mirror subrequests
    return $way->{kind} =~ /^(?:sub|script)$/ ? qw(proxy spool) : qw(proxy mirror spool);
}

# --- the model --------------------------------------------------------------------------

# Returns the expected results of a request: the possible statuses of its answer, and how often the target
# gets it, at least and at most. "secret" is what it was signed with, "body" how it was sent, or "none".
sub expected {
    my ($way, $from, $target, $r) = @_;
    my $kind = $way->{kind};
    my $verified = $r->{secret} eq 'signed';
    my $refused = is_refused($from, $r->{secret});
    my $answer = $refused ? 401 : answer_of($from, $r->{method});
    my $reached = $target eq 'spool' ? 202 : 200;

    if ($kind eq 'too_large') {
        return ([$answer], 0, 0) if $r->{body} eq 'none';
        # without a length, nginx notices only while reading that it is too large
        return ([$answer], 0, 0) if $r->{unsized} and $from eq 'return' || $from eq 'status' && !$read_before;
        return ([401], 0, 0);
    }
    if ($kind eq 'redirect') {
        return ([401], 0, 0) if $refused && !$way->{before};
        return $verified ? ([$reached], 1, 1) : ([401], 0, 0);
    }
    if ($kind eq 'race') {
        # nginx does not mirror a subrequest's target
        my $times = $target eq 'mirror' ? 1 : 2;
        return $verified ? ([$reached], $times, $times) : ([401], 0, 0);
    }
    # the source itself decides whether to keep or discard the body
    my $discarded = $from eq 'return' || $from eq 'status';
    if ($kind eq 'sub') {
        my $fires = !$refused && ($way->{name} eq 'mirror' ? $from ne 'return' : $answer == 200);
        return ([$answer], 0, 0) if !$fires or !$verified;
        return ([$answer], 1, 1) if !$discarded or $way->{name} eq 'mirror';
        return ([$answer], 0, $r->{body} eq 'none' || $read_before ? 1 : 0);
    }
    if ($kind eq 'bodiless') {
        return ([200], 0, 0) if $from eq 'return';
        return ([$answer], 1, 1) if $from eq 'on' or $from eq 'spool';
        return ([$answer, 401], 0, 1) if $from eq 'others' or $verified && $r->{body} eq 'none';
        return ([401], 0, 0);
    }
    if ($kind eq 'after') {
        # nginx may have closed the file after the source's answer
        return ([$answer], 0, 1) if $verified and $r->{body} eq 'file' and !$discarded and $from ne 'spool';
        return ([$answer], 1, 1) if $verified and !$discarded;
        return ([$answer], 0, $verified && ($r->{body} eq 'none' || $read_before) ? 1 : 0);
    }
    # script
    return ([401], 0, 0) if $refused or !$verified;
    return $r->{body} eq 'none' ? ([$reached, 401], 0, 1) : ([$reached], 1, 1);
}

# --- nginx ------------------------------------------------------------------------------

$way{$_}{name} = $_ for keys %way;

# Returns the ways that are possible here, and skips a test for each of the others.
sub ways {
    my @possible;
    for my $way (sort keys %way) {
        my $why = missing($way{$way});
        SKIP: { skip "$way: $why", 1 if defined $why }
        push @possible, $way if !defined $why;
    }
    return @possible;
}

sub places {
    my @ways = @_;
    return map {
        my $way = $_;
        map { my $from = $_; map { [$way, $from, $_] } targets($way{$way}) } @{ $way{$way}{from} };
    } @ways;
}

# Returns the lines of a place; the target of an index has a location of its own.
sub location {
    my ($way, $from, $target) = @_;
    my $lines = $way{$way}{lines}->($from, $target);
    return "location /early/$from/$target { mspwh on; $lines }\n" if $way eq 'early';
    my $more = $way{$way}{more} ? $way{$way}{more}->($from, $target) . "\n" : '';
    if ($way eq 'index') {
        my $path = dir() . '/html';
        mkdir $path .= "/$_", 0755 for 'index', $from, $target;
        write_file("$path/page", '', 0644);
        $more = "location = /index/$from/$target/page { $to{$target} }\n";
    }
    return "${more}location /$way/$from/$target { $from{$from}{lines} $lines }\n";
}

# Loads the third-party modules that the ways need, before those that are loaded anyway.
sub load_others {
    my %used = map { $_->[0] => 1 } @_;
    my @loaded = split ' ', $ENV{MSPWH_LOAD} // '';
    my %missing = map { $_ => 1 } map { @{ $way{$_}{load} // [] } } keys %used;
    delete @missing{@loaded};
    $ENV{MSPWH_LOAD} = join ' ', sort({ ($b =~ /^ndk/) <=> ($a =~ /^ndk/) } keys %missing), @loaded;
    return $used{njs} ? 'js_import trust from %%DIR%%/trust.js;' : '';
}

# The offset in the log at which this start begins.
my $log = 0;

# A server listens on the ports "main" and "h2", and one whose bodies stay in memory on "main_memory" and
# "h2_memory"; for an early read, each source has a server of its own.
sub start_places {
    my @places = @_;
    my $locations = join '', map { location(@$_) } grep { $_->[0] ne 'early' } @places;
    $locations .= "location = /to/$_ { $to{$_} }\nlocation \@to_$_ { $to{$_} }\n" for sort keys %to;
    my $servers = join '', map { <<"CONF" } ['', '16k'], ['_memory', '64m'];
server {
    listen 127.0.0.1:%%PORT_main$_->[0]%%;
    @{[listen_http2("h2$_->[0]")]}
    client_body_buffer_size $_->[1];
    mspwh on;
    $own
    location = /asked/proxy { internal; proxy_pass_request_body off; proxy_set_header Content-Length "";
        proxy_pass http://%%B%%; }
    location = /copy { internal; proxy_pass http://%%B%%; }
    $locations
}
CONF
    my %early;
    $early{ $_->[1] } .= location(@$_) for grep { $_->[0] eq 'early' } @places;
    $servers .= join '', map { <<"CONF" } sort keys %early;
server {
    @{[listen_http2("early_$_")]}
    $from{$_}{lines}
    client_body_early_read 1;
    location = /copy { internal; mspwh on; $own proxy_pass http://%%B%%; }
    $early{$_}
}
CONF
    my $import = load_others(@places);
    $MspwhTest::Connections = 1024;
    $log = length error_log();
    return start_http(<<"CONF");
access_log off;
$import
mspwh_malformed pass;
default_type text/html;
proxy_set_header X-Verdict \$mspwh_verdict;
proxy_intercept_errors on;
$servers
CONF
}

# --- the cells --------------------------------------------------------------------------

my $case = 0;

# Returns a cell: a place, and a request with its framing ("length", "chunked" or "HTTP/2"), its method, its
# body ("none", "memory" or "file", with "size" bytes of details), and the secret that signed it, or
# "unsigned", or "nothing" for the signature of an empty body. A client that leaves ("aborted") may hold back
# some bytes ("missing"). No other cell has the same bytes.
sub prepare {
    my ($place, %r) = @_;
    my %key = (forged => 'forged', other => OTHER, signed => SECRET, nothing => SECRET);
    my $key = $key{ $r{secret} };
    $case++;
    $r{bytes} = $r{body} eq 'none' ? ''
        : qq({"eventType":"ticket.created","entityId":$case,"Details":") . 'd' x $r{size} . '"}';
    my $signature = defined $key && sign($key, $r{secret} eq 'nothing' ? '' : $r{bytes});
    my ($way, $from, $target) = @$place;
    my $ports = $r{in_memory} ? '_memory' : '';
    my $early = $way eq 'early' && "early_$from";
    return {
        %r, place => $place, case => $case, unsized => $r{how} ne 'length',
        path => "/$way/$from/$target" . ($way eq 'index' ? '/' : ''),
        port => $early || ($r{how} eq 'HTTP/2' ? 'h2' : 'main') . $ports,
        headers => ['x-case', $case, 'content-type', "case/$case", $signature ? (lc $name, $signature) : ()],
    };
}

# HTTP/2 connections are kept open: closing one would also end a mirror that is still in progress.
my @open;

# Sends a cell over a connection of its own, without waiting for the answer, except with HTTP/2.
sub send_cell {
    my ($cell) = @_;
    if ($cell->{how} eq 'HTTP/2') {
        push @open, h2_connection($cell->{port});
        $cell->{status} = h2_upload($open[-1], path => $cell->{path}, headers => $cell->{headers},
            body => $cell->{bytes});
        shift @open if @open > 50;
        return;
    }
    my $body = $cell->{body} eq 'none' && $cell->{how} eq 'length' ? undef : $cell->{bytes};
    $cell->{connection} = connection($cell->{port});
    my $bytes = request_bytes(path => $cell->{path}, method => $cell->{method},
        headers => [@{ $cell->{headers} }, Connection => 'close'], body => $body,
        chunked => $cell->{how} eq 'chunked' && 5000);
    return send_bytes($cell->{connection}, substr $bytes, 0, length($bytes) - ($cell->{missing} // 0));
}

sub answer_cell {
    my ($cell) = @_;
    my $c = delete $cell->{connection} // return;
    $cell->{status} = read_response($c)->{status};
}

# Sends a few at a time, which the backend of a slow machine can answer in time.
sub ask {
    my @cells = my @left = @_;
    while (my @few = splice @left, 0, 10) {
        send_cell($_) for @few;
        answer_cell($_) for @few;
    }
    return @cells;
}

# --- what came of them ------------------------------------------------------------------

# Returns what is wrong with a cell according to the model, from what is on record once nginx has stopped.
sub mishaps {
    my ($cell, $records, $events) = @_;
    my ($way, $from, $target) = @{ $cell->{place} };
    my ($statuses, $least, $most) = expected($way{$way}, $from, $target, $cell);
    my @wrong;
    if ($cell->{aborted}) {
        $least = 0;
    }
    elsif (!grep { $_ == $cell->{status} } @$statuses) {
        push @wrong, "answered $cell->{status}, not @$statuses";
    }

    # nginx itself may have closed a post_action's file, and a client that leaves takes its body away
    my @at_b = grep { $_->{backend} eq 'B' } @{ $records->{ $cell->{case} } // [] };
    @at_b = grep { $_->{method} !~ /TRUNCATED/ } @at_b
        if $cell->{secret} eq 'signed' and $way eq 'post_action' || $cell->{aborted};
    my @in_spool = @{ $events->{ $cell->{case} } // [] };
    my $times = $target eq 'spool' ? @in_spool : @at_b;
    push @wrong, "$times times at the target, not $least" . ($most > $least ? " to $most" : '')
        if $times < $least or $times > $most;
    push @wrong, 'backend B got it, too' if $target eq 'spool' and @at_b;
    push @wrong, 'the spool got it, too' if $target ne 'spool' and @in_spool;

    my $sent = $way{$way}{kind} eq 'bodiless' || $cell->{secret} eq 'nothing' ? '' : $cell->{bytes};
    for my $record (@at_b) {
        my $verdict = $record->{header}{'x-verdict'} // '';
        push @wrong, "backend B got $record->{length} other bytes" if $record->{sha256} ne sha256_hex($sent);
        my $verified = $sent eq '' ? 'malformed_payload' : 'verified';
        push @wrong, "backend B was told \"$verdict\""
            if $verdict ne $verified and $way{$way}{kind} ne 'bodiless';
    }
    for my $event (@in_spool) {
        push @wrong, 'the spool got other bytes' if $event->{body} ne $sent;
        push @wrong, 'the spool has it unverified'
            if $event->{headers} !~ /^\Q$name\E: \Q${\sign(SECRET, $event->{body})}\E$/mi;
    }
    return @wrong;
}

# Stops nginx, and reports what is wrong, by way and source.
sub report_cells {
    my @cells = @_;
    # nginx also waits until its clients have closed their connections
    kill QUIT => master_pid();
    for (@open) {
        1 while my @frame = h2_read($_, TIMEOUT);
    }
    @open = ();
    ok(stop(), 'nginx stops in time');
    my ($records, %events, %of) = by_case();
    for my $event (spooled('target')) {
        push @{ $events{$1} }, $event if $event->{headers} =~ m{^content-type: case/(\d+)$}mi;
    }
    push @{ $of{"$_->{place}[0] from $_->{place}[1]"} }, $_ for @cells;
    for my $what (sort keys %of) {
        my @wrong;
        for my $cell (@{ $of{$what} }) {
            my $why = join '; ', mishaps($cell, $records, \%events) or next;
            push @wrong, "to $cell->{place}[2], $cell->{method}, $cell->{how}, body $cell->{body}, "
                . "$cell->{secret}: $why";
        }
        is(scalar(@wrong), 0, "$what: " . @{ $of{$what} } . ' cells') or diag map { "  $_\n" } @wrong;
    }
    my @alarming = grep { /\[(?:alert|crit|emerg)\]/ && !m{Bad file descriptor.* /post_action/} }
        split /\n/, substr error_log(), $log;
    is_deeply(\@alarming, [], 'nothing alarming in the log');
    clear_records();
    unlink glob dir() . '/{source,target}/*';
}

1;
