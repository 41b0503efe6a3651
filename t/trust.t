# Every way into a location with "mspwh on", from every kind of location, by every kind of request: its
# backend, its mirror and its spool get what was signed for it, whole, and nothing else.
#
# A cell is a way, where it leads from and to, and a request. MSPWH_TRUST=all tries all of them, and not only
# what fits into a minute.

use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use Test::More;
use Http2 qw(:all);
use MspwhEvents qw(by_case spooled);
use MspwhTest;

use constant OTHER => 'the secret of another sender';

$MspwhTest::Connections = 1024;

my $all = ($ENV{MSPWH_TRUST} // '') eq 'all';
my $read_before = defined lacks(reading => 1);
my $name = 'X-Webhook-Signature';
my $own = 'mspwh_secret "%%SECRET%%" id=target;';

# --- where to, and where from -----------------------------------------------------------

# Backend B, itself or by a mirror, and the spool "target" are what is protected.
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

# What the check of the source does with a request.
sub is_refused {
    my ($from, $secret) = @_;
    return 0 if $secret eq 'signed' or !grep { $_ eq $from } qw(on others spool);
    return !($from eq 'others' && $secret eq 'other');
}

# What the content of the source answers.
sub answer_of {
    my ($from, $method) = @_;
    return $from eq 'spool' ? 202 : $from eq 'status' && $method ne 'GET' ? 405 : 200;
}

# --- the ways ---------------------------------------------------------------------------

# An error, as early as it can be after the check of the source.
sub error {
    my ($code, $to) = @_;
    return sub {
        my ($from, $target) = @_;
        my $raised = $from eq 'return' ? "return $code;" : "try_files /none =$code; $from{$from}{content}";
        return "error_page $code = $to$target; $raised";
    };
}

# A directive beside the content of the source.
sub beside { my $directive = shift; return sub { "$directive$_[1]; $from{$_[0]}{content}" } }

my @proxied = qw(on others monitor off);
my @answered = (@proxied, 'status', 'return');
my @later = (@proxied, 'status', 'spool');
my @every = (@later, 'return');

# A way leads the request itself to the target ("redirect"), or another one: with its body ("sub", or
# "script", whose answer is that of the other), without ("bodiless"), or once it is answered ("after").
my %way = (
    direct => { kind => 'redirect', before => 1, from => ['on'], lines => sub { $to{ $_[1] } } },
    # read before the location is chosen, for a server that is the source
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

# Why a way cannot be tried here.
sub missing {
    my ($way) = @_;
    return lacks(module => $way->{needs}) if $way->{needs};
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

# What a request leads to: the statuses that it may be answered with, and how often the target may get it, at
# least and at most. "secret" is what it was signed with, "body" how it was sent, or "none".
sub expected {
    my ($way, $from, $target, $r) = @_;
    my $kind = $way->{kind};
    my $verified = $r->{secret} eq 'signed';
    my $refused = is_refused($from, $r->{secret});
    my $answer = $refused ? 401 : answer_of($from, $r->{method});
    my $reached = $target eq 'spool' ? 202 : 200;

    if ($kind eq 'too_large') {
        return ([$answer], 0, 0) if $r->{body} eq 'none';
        # without a length it is too large once it is read
        return ([$answer], 0, 0) if $r->{unsized} and $from eq 'return' || $from eq 'status' && !$read_before;
        return ([401], 0, 0);
    }
    if ($kind eq 'redirect') {
        return ([401], 0, 0) if $refused && !$way->{before};
        return $verified ? ([$reached], 1, 1) : ([401], 0, 0);
    }
    # the source keeps or throws away the body of its own accord
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
        # nginx may have closed the file once the source had its answer
        return ([$answer], 0, 1) if $verified and $r->{body} eq 'file' and !$discarded and $from ne 'spool';
        return ([$answer], 1, 1) if $verified and !$discarded;
        return ([$answer], 0, $verified && ($r->{body} eq 'none' || $read_before) ? 1 : 0);
    }
    # script
    return ([401], 0, 0) if $refused or !$verified;
    return $r->{body} eq 'none' ? ([$reached, 401], 0, 1) : ([$reached], 1, 1);
}

# --- nginx ------------------------------------------------------------------------------

my (%tried, @places);
for my $way (sort keys %way) {
    $way{$way}{name} = $way;
    $tried{$way} = missing($way{$way});
    next if defined $tried{$way};
    for my $from (@{ $way{$way}{from} }) {
        push @places, map { [$way, $from, $_] } targets($way{$way});
    }
}

my ($locations, %early) = ('');
for (@places) {
    my ($way, $from, $target) = @$_;
    my $lines = $way{$way}{lines}->($from, $target);
    if ($way eq 'early') {
        $early{$from} .= "location /early/$from/$target { mspwh on; $lines }\n";
        next;
    }
    if ($way eq 'index') {
        my $path = dir() . '/html';
        mkdir $path .= "/$_", 0755 for 'index', $from, $target;
        write_file("$path/page", '', 0644);
        $locations .= "location = /index/$from/$target/page { $to{$target} }\n";
    }
    $locations .= "location /$way/$from/$target { $from{$from}{lines} $lines }\n";
}
my %load = map { $_ => 1 } map { defined $tried{$_} ? () : @{ $way{$_}{load} // [] } } keys %way;
delete @load{ split ' ', $ENV{MSPWH_LOAD} // '' };
$ENV{MSPWH_LOAD} = join ' ', sort({ $b =~ /ndk/ <=> $a =~ /ndk/ } keys %load), $ENV{MSPWH_LOAD} // ();
my $import = defined $tried{njs} ? '' : 'js_import trust from %%DIR%%/trust.js;';

my $servers = join '', map { <<"CONF" } sort keys %early;
server {
    @{[listen_http2("early_$_")]}
    $from{$_}{lines}
    client_body_early_read 1;
    location = /copy { internal; mspwh on; $own proxy_pass http://%%B%%; }
    $early{$_}
}
CONF
start_http(<<"CONF");
access_log off;
$import
mspwh_malformed pass;
default_type text/html;
proxy_set_header X-Verdict \$mspwh_verdict;
proxy_intercept_errors on;
server {
    listen 127.0.0.1:%%PORT%%;
    @{[listen_http2('h2')]}
    root html;
    mspwh on;
    $own
    @{[map { "location = /to/$_ { $to{$_} }\n location \@to_$_ { $to{$_} }\n" } sort keys %to]}
    location = /asked/proxy { internal; proxy_pass_request_body off; proxy_set_header Content-Length "";
        proxy_pass http://%%B%%; }
    location = /copy { internal; proxy_pass http://%%B%%; }
    $locations
}
$servers
CONF

# --- the requests -----------------------------------------------------------------------

# [how it is sent, method, bodies]
my @sent = (
    ['length', 'GET', 'none', 'memory'],
    ['length', 'POST', 'none', 'memory', 'file'],
    ['chunked', 'POST', 'none', 'memory', 'file'],
);
push @sent, ['HTTP/2', 'POST', 'none', 'memory', 'file'] if !defined lacks(module => 'http_v2_module');
my %size = (memory => 0, file => 20_000);
my ($case, $turn) = (0, 0);

# The requests of a way to a target; "nothing" has the signature of no body.
sub requests {
    my ($way, $target) = @_;
    my @requests;
    for my $sent (@sent) {
        my ($how, $method, @bodies) = @$sent;
        next if $way eq 'lua' and $how eq 'HTTP/2';
        for my $body (@bodies) {
            for my $secret ('unsigned', 'forged', 'other', 'nothing', 'signed') {
                next if $secret eq 'nothing' and $body eq 'none';
                # of each place, the plainest ones, and others in turn
                my $plain = $how eq 'length' && $method eq 'POST' && $body eq 'memory';
                next if !$all and !$plain and ++$turn % 4;
                push @requests, { how => $how, method => $method, body => $body, secret => $secret,
                    unsized => $how ne 'length' };
            }
        }
    }
    return @requests;
}

# Its bytes are of no other.
sub prepare {
    my ($r) = @_;
    $r->{case} = ++$case;
    my $size = $size{ $r->{body} };
    $r->{bytes} = defined $size
        ? qq({"eventType":"ticket.created","entityId":$case,"Details":"@{['d' x $size]}"}) : '';
    my %key = (forged => 'forged', other => OTHER, signed => SECRET, nothing => SECRET);
    my $key = $key{ $r->{secret} };
    my $signature = defined $key && sign($key, $r->{secret} eq 'nothing' ? '' : $r->{bytes});
    $r->{headers} = ['x-case', $case, 'content-type', "case/$case", $signature ? (lc $name, $signature) : ()];
}

sub answers_to {
    my ($path, $h1, $h2, @requests) = @_;
    prepare($_) for @requests;
    my @h1 = grep { $_->{how} ne 'HTTP/2' } @requests;
    for my $r (@h1) {
        my $body = $r->{body} eq 'none' && $r->{how} eq 'length' ? undef : $r->{bytes};
        $r->{connection} = connection($h1);
        send_bytes($r->{connection}, request_bytes(path => $path, method => $r->{method}, body => $body,
            headers => [@{ $r->{headers} }, Connection => 'close'],
            chunked => $r->{how} eq 'chunked' && 5000));
    }
    $_->{status} = read_response(delete $_->{connection})->{status} for @h1;
    if (my @h2 = grep { $_->{how} eq 'HTTP/2' } @requests) {
        my $c = h2_connection($h2);
        my @streams;
        for my $r (@h2) {
            my ($stream, $frames) = h2_post($c, path => $path, body => $r->{bytes}, headers => $r->{headers});
            push @streams, $stream;
            h2_send($c, $frames);
        }
        my $got = h2_wait($c, \@streams);
        $h2[$_]{status} = $got->{ $streams[$_] }{status} for 0 .. $#h2;
    }
}

my @cells;
for (@places) {
    my ($way, $from, $target) = @$_;
    my $slash = $way eq 'index' ? '/' : '';
    my @requests = requests($way, $target);
    my @ports = $way eq 'early' ? ("early_$from") x 2 : ('main', 'h2');
    answers_to("/$way/$from/$target$slash", @ports, @requests);
    push @cells, map { [$way, $from, $target, $_] } @requests;
}
ok(stop(), 'nginx stops in time');

# --- what came of them ------------------------------------------------------------------

my $got = by_case();
my %spooled;
for my $event (spooled('target')) {
    my ($n) = $event->{headers} =~ m{^content-type: case/(\d+)$}mi;
    my ($signature) = $event->{headers} =~ /^\Q$name\E: (.*)$/mi;
    push @{ $spooled{$n} }, { %$event, verified => $signature eq sign(SECRET, $event->{body}) };
}

# What is wrong with a cell.
sub wrong {
    my ($way, $from, $target, $r) = @_;
    my ($statuses, $least, $most) = expected($way{$way}, $from, $target, $r);
    my @wrong;
    push @wrong, "answered $r->{status}, not @$statuses" if !grep { $_ == $r->{status} } @$statuses;

    my @at_b = grep { $_->{backend} eq 'B' } @{ $got->{ $r->{case} } // [] };
    @at_b = grep { $_->{method} !~ /TRUNCATED/ } @at_b if $way eq 'post_action' and $r->{secret} eq 'signed';
    my @in_spool = @{ $spooled{ $r->{case} } // [] };
    my $times = $target eq 'spool' ? @in_spool : @at_b;
    push @wrong, "$times times at the target, not $least" . ($most > $least ? " to $most" : '')
        if $times < $least or $times > $most;
    push @wrong, 'backend B got it, too' if $target eq 'spool' and @at_b;
    push @wrong, 'the spool got it, too' if $target ne 'spool' and @in_spool;

    my $sent = $way{$way}{kind} eq 'bodiless' || $r->{secret} eq 'nothing' ? '' : $r->{bytes};
    for my $record (@at_b) {
        my $verdict = $record->{header}{'x-verdict'} // '';
        push @wrong, "backend B got $record->{length} other bytes" if $record->{sha256} ne sha256_hex($sent);
        my $verified = $sent eq '' ? 'malformed_payload' : 'verified';
        push @wrong, "backend B was told \"$verdict\""
            if $verdict ne $verified and $way{$way}{kind} ne 'bodiless';
    }
    for my $event (@in_spool) {
        push @wrong, 'the spool got other bytes' if $event->{body} ne $sent;
        push @wrong, 'the spool has it unverified' if !$event->{verified};
    }
    return @wrong;
}

my %count;
for my $way (sort keys %way) {
    if (defined $tried{$way}) {
        SKIP: { skip "$way: $tried{$way}", 1 }
        next;
    }
    for my $from (@{ $way{$way}{from} }) {
        my @of = grep { $_->[0] eq $way and $_->[1] eq $from } @cells;
        my @wrong = map {
            my (undef, undef, $target, $r) = @$_;
            my $why = join '; ', wrong(@$_);
            $why ? "to $target, $r->{method}, $r->{how}, body $r->{body}, $r->{secret}: $why" : ();
        } @of;
        is(scalar(@wrong), 0, "$way from $from: " . @of . ' cells') or diag map { "  $_\n" } @wrong;
    }
}
my @alarming = grep { /\[(?:alert|crit|emerg)\]/ && !m{pread\(\).* failed .* /post_action/} }
    split /\n/, error_log();
is_deeply(\@alarming, [], 'nothing alarming in the log');
note scalar(@cells), ' cells';

done_testing();
