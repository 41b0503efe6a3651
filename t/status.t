# mspwh_status: which client gets which format, and every request is counted once.

use strict;
use warnings;
use POSIX qw(_exit);
use Test::More;
use Time::HiRes qw(sleep time);
use MspwhTest;
use MspwhMetrics;

use constant SIGNATURE => 'X-Webhook-Signature';

my $dead = port('dead');
my $secrets = 'mspwh_secret "%%SECRET%%" id=current; mspwh_secret previous id=previous;';

sub conf {
    my $secrets = shift;
    return <<"CONF";
upstream answers { server 127.0.0.1:%%PORT_answers%%; }
server {
    listen 127.0.0.1:%%PORT_answers%%;

    # an idle connection may be closed by the reload just as it is used
    keepalive_timeout 0;
    location ~ 200\$ { return 200; }
    location ~ 302\$ { return 302 /; }
    location ~ 404\$ { return 404; }
    location ~ 503\$ { return 503; }
}
server {
    listen 127.0.0.1:%%PORT%%;
    client_max_body_size 1m;
    access_log off;
    mspwh on;
    $secrets
    location / { proxy_pass http://answers; }
    location /dead { proxy_pass http://127.0.0.1:$dead; }
    location /fallback { error_page 502 = \@fallback; proxy_pass http://127.0.0.1:$dead; }
    location \@fallback { rewrite ^ /200 break; proxy_pass http://answers; }
    location /hidden { error_page 502 = \@hidden; proxy_pass http://127.0.0.1:$dead; }
    location \@hidden { mspwh off; return 200; }
    location /local { error_page 405 = \@hidden; try_files /file.txt =404; }
    location /nofile { try_files /none =404; }
    location /denied { deny all; }
    location /returned { return 204; }
    location /page { error_page 401 = /page.html; proxy_pass http://answers; }
    location = /page.html { mspwh off; return 200; }
    location /dropped { error_page 401 = \@drop; proxy_pass http://answers; }
    location \@drop { mspwh off; return 444; }
    location /pass { mspwh_malformed pass; proxy_pass http://answers/200; }
    location /monitor { mspwh monitor; proxy_pass http://answers/200; }
    location /off { mspwh off; return 200; }
    log_subrequest on;
    location /mirrored { mirror /copy; proxy_pass http://answers/200; }
    location = /copy { internal; proxy_pass http://answers/200; }

    location /status { mspwh_status; location /status/under { proxy_pass http://answers; }
        location = /status/json { mspwh_status json; }
        location = /status/prometheus { mspwh_status prometheus; }
        location = /status/html { mspwh_status html; } }
    location = /status/if { mspwh_status json; if (\$arg_x) { set \$y 1; } }
    location = /status/limited { mspwh_status json; limit_except POST { allow all; } }
    location = /status/guarded { mspwh_status json; limit_except GET { deny all; } }
    location = /status/200 { mspwh_status json; if (\$arg_x) { proxy_pass http://answers; } }
}
CONF
}

# --- configuration -----------------------------------------------------------

my @bad = (
    ['location /s { mspwh_status xml; }', '"mspwh_status"', '"xml"', '"json", "prometheus" or "html"'],
    ['location /s { mspwh_status ""; }', '"mspwh_status"', '"json", "prometheus" or "html"'],
    ['location /s { mspwh_status json html; }', 'mspwh_status', 'number of arguments'],
    ['location /s { mspwh_status json; mspwh_status html; }', 'mspwh_status', 'duplicate'],
    ['mspwh_status;', 'mspwh_status', 'not allowed here'],
    ['location /s { mspwh on; mspwh_secret x; mspwh_status; }', '"mspwh"', '"mspwh_status"', '"/s"'],
);
for (@bad) {
    my ($lines, @patterns) = @$_;
    my ($rc, $text) = config_test("server { listen 127.0.0.1:%%PORT%%; $lines }");
    isnt($rc, 0, "refused: $lines");
    like($text, qr/\[emerg\].*$_.*test\.conf:\d+/, "names $_: $lines") for @patterns;
}
for ('location /s { mspwh_status; }', 'location /s { mspwh off; mspwh_status html; }',
    'mspwh on; mspwh_secret x; location /s { mspwh_status; }') {
    my ($rc, $text) = config_test("server { listen 127.0.0.1:%%PORT%%; $_ }");
    is_deeply([$rc, $text], [0, ''], "accepted silently: $_");
}

# --- what a client gets --------------------------------------------------------

$MspwhTest::Workers = 4;
write_file('html/file.txt', "static\n", 0644);
start_http(conf($secrets));

my %type = (
    json => 'application/json', html => 'text/html; charset=utf-8',
    prometheus => 'text/plain; version=0.0.4; charset=utf-8',
);
my $browser = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8';
my $scraper =
    'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;'
        . 'version=0.0.4;q=0.5,*/*;q=0.1';
my @accept = (
    [undef, 'prometheus'], ['*/*', 'prometheus'], ['', 'prometheus'], ['image/png', 'prometheus'],
    [$scraper, 'prometheus'], ['text/plain', 'prometheus'], ['text/*', 'prometheus'],
    [$browser, 'html'], ['text/html', 'html'], ['TEXT/HTML', 'html'], ['text/html;charset=utf-8', 'html'],
    ['application/json', 'json'], ['application/json, text/plain, */*', 'json'],
    ['text/html;q=0.5, application/json', 'json'], ['application/json;q=0.5,text/html', 'html'],
    ['text/html; q=0, */*', 'prometheus'], ['text/html ; Q=0.9 , application/json;q=0.95', 'json'],
    ['text/html;q=x', 'prometheus'], ['application/jsonp', 'prometheus'], [',,;q=1,', 'prometheus'],
);
for (@accept) {
    my ($accept, $format) = @$_;
    my $what = defined $accept ? "\"$accept\"" : 'none';
    my %want = ('' => $format, '/json' => 'json', '/prometheus' => 'prometheus',
        '/html' => $format eq 'json' ? 'json' : 'html');
    for my $path (sort keys %want) {
        my $r = request(method => 'GET', path => "/status$path", headers => [Accept => $accept]);
        is_deeply([$r->{status}, $r->{header}{'content-type'}], [200, $type{$want{$path}}],
            "/status$path, Accept: $what: $want{$path}");
    }
}
{
    my $r = request(method => 'GET', path => '/status',
        headers => [Accept => 'text/html;q=0.1', Accept => 'application/json']);
    is($r->{header}{'content-type'}, $type{json}, 'two Accept headers are one');
}
for my $format (sort keys %type) {
    my $get = request(method => 'GET', path => "/status/$format");
    my $head = request(method => 'HEAD', path => "/status/$format");
    is_deeply([@$head{qw(status body)}, @{ $head->{header} }{qw(content-type content-length)}],
        [200, '', $type{$format}, length $get->{body}], "HEAD, $format");
    for (qw(POST PUT DELETE OPTIONS)) {
        is(request(method => $_, path => "/status/$format", body => 'x')->{status}, 405, "$_, $format: 405");
    }
    is($get->{header}{'cache-control'}, 'no-store', "$format: not to be stored");
    is($get->{header}{'x-content-type-options'}, 'nosniff', "$format: not to be sniffed");
}
is(request(method => 'GET', path => '/status/under')->{status}, 401,
    'a location in that of mspwh_status is verified');

for ('/status/if', '/status/if?x=1', '/status/limited', '/status/guarded', '/status/200') {
    my $r = request(path => $_, method => 'GET');
    is_deeply([$r->{status}, $r->{header}{'content-type'}], [200, 'application/json'], "$_: the counters");
}
is(request(path => '/status/guarded', method => 'PUT')->{status}, 403, 'limit_except still limits');
is(request(path => '/status/200?x=1', method => 'GET')->{status}, 401,
    'proxy_pass inside "if" is not the status: it is verified');

# --- one by one ------------------------------------------------------------------

sub event {
    my ($type, $more) = @_;
    return qq({"eventType":"$type","entityId":5,"TicketId":5,"AdditionalFields":[]) . ($more // '') . '}';
}
sub counted {
    my ($what, $send, %want) = @_;
    my $before = metrics_when(0);
    my $sum = 0;
    $sum += $before->{$_} for grep { /^mspwh_requests_/ } keys %$before;
    my $status = $send->();
    my $after = metrics_when($sum + ($want{requests} // 1));
    delete $want{requests};
    my %change = map { ($_ => $after->{$_} - ($before->{$_} // 0)) }
        grep { !/seconds/ && $after->{$_} != ($before->{$_} // 0) } keys %$after;
    my $told = qr/requests_without_verdict|rejections|requests|events|upstream_responses|key_matches/;
    my %verdict = map { /^mspwh_(?:$told)_total/ ? ($_ => $change{$_}) : () } keys %change;
    is_deeply(\%verdict, { map { ("mspwh_$_" => $want{$_}) } keys %want }, $what) or diag explain \%verdict;
    return $after;
}
my $created = event('ticket.created', ',"Details":"x"');
my %created = ('requests_total{verdict="verified"}' => 1, 'events_total{type="ticket.created"}' => 1,
    'key_matches_total{key="current"}' => 1);
sub answered { ("upstream_responses_total{type=\"ticket.created\",class=\"$_[0]\"}" => 1) }
sub rejected {
    ("requests_total{verdict=\"$_[0]\"}" => 1, "rejections_total{verdict=\"$_[0]\",reason=\"$_[1]\"}" => 1);
}
sub none { ("requests_without_verdict_total{cause=\"$_[0]\"}" => 1) }

for (['/200', '2xx'], ['/302', '3xx'], ['/404', '4xx'], ['/503', '5xx'], ['/dead', 'none'],
    ['/fallback', '2xx'], ['/hidden', 'none'],
    ['/local', 'local'], ['/nofile', 'none'], ['/mirrored', '2xx'], ['/page/200', '2xx'])
{
    my ($path, $class) = @$_;
    counted("verified, $path: $class", sub { signed($path, $created) }, %created, answered($class));
}
my $malformed = '{}';
counted('unsigned', sub { post('/200', $created) }, rejected('no_signature', 'header_missing'));
counted('malformed signature', sub { post('/200', $created, SIGNATURE, 'x') },
    rejected('malformed_signature', 'header_malformed'));
counted('repeated signature', sub { post('/200', $created, (SIGNATURE, sign(SECRET, $created)) x 2) },
    rejected('malformed_signature', 'header_repeated'));
counted('forged', sub { post('/200', $created, SIGNATURE, sign('x', $created)) },
    rejected('bad_signature', 'mismatch'));
counted('forged, with a page of its own', sub { post('/page', $created, SIGNATURE, sign('x', $created)) },
    rejected('bad_signature', 'mismatch'));
counted('forged, and closed with no answer', sub { post('/dropped', $created, SIGNATURE,
    sign('x', $created)) }, rejected('bad_signature', 'mismatch'));
counted('malformed', sub { signed('/200', $malformed) }, rejected('malformed_payload', 'no_event_type'),
    'key_matches_total{key="current"}' => 1);
counted('malformed, passed on', sub { signed('/pass', $malformed) },
    rejected('malformed_payload', 'no_event_type'), 'key_matches_total{key="current"}' => 1);
counted('the other secret', sub { post('/200', $created, SIGNATURE, sign('previous', $created)) },
    (map { $_ => 1 } grep { !/current/ } keys %created), 'key_matches_total{key="previous"}' => 1,
        answered('2xx'));
counted('access denied', sub { signed('/denied', $created) }, none('unchecked'));
counted('answered by return', sub { signed('/returned', $created) }, none('unchecked'));
counted('too large', sub { request(path => '/200', body => 'x' x 1_100_000,
    headers => [SIGNATURE, sign(SECRET, 'x')]) }, none('too_large'));
counted('too large, chunked', sub { request(path => '/200', body => 'x' x 1_100_000, chunked => 100_000,
    headers => [SIGNATURE, sign(SECRET, 'x')]) }, none('too_large'));
counted('gone before the end of the body', sub { abort_one() }, none('client'));
counted('monitored, verified', sub { signed('/monitor', $created) }, %created, answered('2xx'));
counted('monitored, forged', sub { post('/monitor', $created, SIGNATURE, sign('x', $created)) },
    rejected('bad_signature', 'mismatch'));
counted('monitored, unsigned', sub { post('/monitor', $created) },
    rejected('no_signature', 'header_missing'));
counted('monitored, gone before the end of the body', sub { abort_one('/monitor') }, none('client'));
counted('mspwh off', sub { signed('/off', $created) }, requests => 0);

SKIP: {
    needs(reading => 1);
    my $c = half_of_one();
    counted('cut off by worker_shutdown_timeout: not the client\'s doing', sub { reload() }, none('error'));
    ok(at_eof($c), '... while the client is still there');
}

sub half_of_one {
    my $path = shift // '/200';
    my $c = connection();
    send_bytes($c, substr request_bytes(path => $path, body => 'x' x 1000,
        headers => [SIGNATURE, sign(SECRET, 'x')]), 0, -500);
    return $c;
}
sub abort_one { my $c = half_of_one(@_); close $c->{socket}; return 0 }

# --- ten thousand, over four workers and two reloads ---------------------------

use constant EACH    => 2500;
use constant CLIENTS => 4;

my @types = map { "ticket.$_" } qw(created updated deleted),
    map({ ("note.$_", "response.$_") } qw(added updated deleted)),
    qw(attachment.added attachment.deleted);
my @malformed = (['', 'json_unfinished'], ['[]', 'not_object'], ['{"eventType":"x"', 'json_unfinished'],
    ['nonsense', 'json_unexpected'],
    ["{\"a\":\"\xff\"}", 'json_utf8'], ['{"a":"\q"}', 'json_escape'], ['{"a":1}', 'no_event_type'],
    ['{"eventType":"ticket.created"}', 'no_entity_id'],
        ['{"eventType":"note.added","entityId":1}', 'no_ticket_id'],
    ['{"eventType":"note.added","entityId":"a b"}', 'bad_entity_id'],
        ['{"a":{"entityId":1},"b":{"entityId":2},"event":"x"}', 'ambiguous_field']);
my @bounds = map { 1024 * 4**$_ } 0 .. 8;

# Returns one request: its bytes, the expected status, and what it adds to the metrics.
sub draw {
    my $kind = int rand 100;
    my $pick = sub { $_[int rand @_] };
    my @anomaly;
    my $sized = int rand 40 ? int rand 2000 : $pick->(5_000, 20_000, 70_000, 300_000);
    my $type = $pick->(@types, 'ticket.merged');
    my $group = $type =~ /(note|response|attachment)/ ? $1 : 'ticket';
    my $known = $type ne 'ticket.merged';
    my $text = $group eq 'ticket' ? 'Details' : $group ne 'attachment' ? 'Description' : undef;
    my $more = $text ? qq(,"$text":"@{['x' x $sized]}") : '';
    $more = '', push @anomaly, "missing_\L$text" if $text && $known && !int rand 10;
    @anomaly = ('unknown_event_type') if !$known;
    my $body = event($type, $more);
    my ($key, $secret) = int rand 3 ? ('current', SECRET) : ('previous', 'previous');
    my @add = ("key_matches_total{key=\"$key\"}");
    if ($kind < 75) {
        my ($path, $status, $class) =
            @{ $pick->((['/200', 200, '2xx']) x 6, ['/302', 302, '3xx'], ['/404', 404, '4xx'], ['/503', 503,
                '5xx'], ['/dead', 502, 'none'], ['/local', 200, 'local'], ['/nofile', 404, 'none']) };
        my $label = $known ? $type : 'unknown';
        push @add, 'requests_total{verdict="verified"}', "events_total{type=\"$label\"}",
            "upstream_responses_total{type=\"$label\",class=\"$class\"}",
                map({ "anomalies_total{anomaly=\"$_\"}" } @anomaly),
            map({ "body_size_bytes_bucket{le=\"$_\"}" } grep { $_ eq '+Inf' || length $body <= $_ } @bounds,
                '+Inf'),
            'body_size_bytes_count';
        my $n = length $body;
        return [$path, $body, $status, [SIGNATURE, sign($secret, $body)],
            { body_bytes_total => $n, body_size_bytes_sum => $n, map { $_ => 1 } @add }];
    }
    if ($kind < 80) {
        my ($bytes, $reason) = @{ $pick->(@malformed) };
        return ['/200', $bytes, 400, [SIGNATURE, sign($secret, $bytes)],
            { rejected('malformed_payload', $reason), $add[0] => 1 }];
    }
    return ['/200', $body, 401, [SIGNATURE, sign('forged', $body)], { rejected('bad_signature', 'mismatch') }]
        if $kind < 86;
    return ['/200', $body, 401, [], { rejected('no_signature', 'header_missing') }] if $kind < 92;
    return ['/200', $body, 401, [SIGNATURE, 'nonsense'],
        { rejected('malformed_signature', 'header_malformed') }] if $kind < 95;
    return ['/denied', $body, 403, [], { none('unchecked') }] if $kind < 98;
    return [undef, undef, 0, [], { none('client') }];
}

sub client {
    my ($n, $go) = @_;
    srand 1000 + $n;
    my (%sum, %wrong, $c);
    for (1 .. EACH) {
        my ($path, $body, $status, $headers, $add) = @{ draw() };
        $sum{"mspwh_$_"} += $add->{$_} for keys %$add;
        abort_one(), next if !$path;
        for my $try (1 .. 3) {
            $c //= connection();
            my $r = request(connection => $c, path => $path, body => $body, headers => $headers);
            undef $c if $r->{status} == 0 or ($r->{header}{connection} // '') eq 'close';

            # a worker that is shutting down closes idle connections, sometimes just as one is used
            next if $r->{status} == 0;
            $wrong{"$path $status $r->{status}"}++ if $r->{status} != $status;
            last;
        }
    }
    write_file("client$n", JSON::PP->new->encode([\%sum, \%wrong]));
    _exit(0);
}

my $base = metrics();
my $began = time;
my @clients = map { my $n = $_; fork // die "fork: $!" or client($n) } 1 .. CLIENTS;
sub verdicts {
    my $m = metrics();
    my $n = 0;
    $n += $m->{$_} - $base->{$_} for grep { /^mspwh_requests_/ } keys %$m;
    return $n;
}
my @reloads;
for my $at (CLIENTS * EACH * 0.3, CLIENTS * EACH * 0.6) {
    sleep 0.05 until (my $n = verdicts()) >= $at or time > $began + 60;
    push @reloads, verdicts();
    ok(reload(conf("$secrets mspwh_secret added$at id=added$at;")), "reload after $reloads[-1] requests");
}
cmp_ok($reloads[-1], '<', CLIENTS * EACH, 'both while requests were coming');
waitpid $_, 0 for @clients;
diag sprintf '%d requests in %.1f s', CLIENTS * EACH, time - $began;

my %want = %$base;
for my $n (1 .. CLIENTS) {
    open my $fh, '<', dir() . "/client$n" or die "client$n: $!";
    my ($sum, $wrong) = @{ JSON::PP->new->decode(<$fh>) };
    is_deeply($wrong, {}, "client $n: every answer as expected");
    $want{$_} += $sum->{$_} for keys %$sum;
}
my $want_sum = 0;
$want_sum += $want{$_} for grep { /^mspwh_requests_/ } keys %want;
my $got = metrics_when($want_sum);
for my $m ($got, \%want) {
    delete @$m{grep { /seconds|key="added/ } keys %$m};
}
my @differ = grep { ($got->{$_} // -1) != ($want{$_} // -1) } sort keys %{ { %$got, %want } };
is_deeply([map { "$_ $got->{$_}" } @differ], [map { "$_ $want{$_}" } @differ], 'every counter is exact');

# --- the same as JSON --------------------------------------------------------------

sub flat {
    my ($json, $bucket) = (shift, 0);
    my %flat = (body_bytes_total => $json->{body_bytes}, body_size_bytes_sum => $json->{body_bytes},
        start_time_seconds => $json->{start}, last_verified_timestamp_seconds => $json->{last_verified} // 0);
    $flat{"requests_total{verdict=\"$_\"}"} = $json->{requests}{$_} for keys %{ $json->{requests} };
    $flat{"requests_without_verdict_total{cause=\"$_\"}"} = $json->{without_verdict}{$_}
        for keys %{ $json->{without_verdict} };
    $flat{"rejections_total{verdict=\"$_->{verdict}\",reason=\"$_->{reason}\"}"} = $_->{requests}
        for @{ $json->{rejections} };
    $flat{"anomalies_total{anomaly=\"$_\"}"} = $json->{anomalies}{$_} for keys %{ $json->{anomalies} };
    for my $event (@{ $json->{events} }) {
        $flat{"events_total{type=\"$event->{type}\"}"} = $event->{events};
        $flat{"event_last_timestamp_seconds{type=\"$event->{type}\"}"} = $event->{last} // 0;
        $flat{"upstream_responses_total{type=\"$event->{type}\",class=\"$_\"}"} = $event->{upstream}{$_}
            for keys %{ $event->{upstream} };
    }
    $flat{'body_size_bytes_bucket{le="' . ($_->{up_to} // '+Inf') . '"}'} = $bucket += $_->{events}
        for @{ $json->{body_sizes} };
    $flat{body_size_bytes_count} = $bucket;
    $flat{"spooled_${_}_total"} = $json->{spooled}{$_} for 'events', 'bytes';
    $flat{spool_failures_total} = $json->{spooled}{failures};
    $flat{delivery_duration_seconds_sum} = sprintf '%.3f', $json->{delivery_ms} / 1000;
    $bucket = 0;
    for (@{ $json->{delivery_times} }) {
        my $bound = $_->{up_to_ms} ? sprintf '%.3f', $_->{up_to_ms} / 1000 : '+Inf';
        $flat{"delivery_duration_seconds_bucket{le=\"$bound\"}"} = $bucket += $_->{events};
    }
    $flat{delivery_duration_seconds_count} = $bucket;
    for my $key (@{ $json->{keys} }) {
        $flat{"key_matches_total{key=\"$key->{id}\"}"} = $key->{matches};
        $flat{"key_last_match_timestamp_seconds{key=\"$key->{id}\"}"} = $key->{last} // 0;
        $flat{"key_configured{key=\"$key->{id}\"}"} = $key->{configured} ? 1 : 0;
    }
    return { map { ("mspwh_$_" => $flat{$_}) } keys %flat };
}
is_deeply(flat(status_json()), metrics(), 'the JSON has the same numbers');
{
    my $json = status_json();
    cmp_ok(abs($json->{time} - time), '<', 5, 'time is now');
    cmp_ok($json->{start}, '<=', $json->{last_verified},
        'the last event is after the start, over all reloads');
    cmp_ok($json->{last_verified}, '<=', $json->{time}, '... and not ahead of now');
}

# --- secrets that come and go ---------------------------------------------------------

my $key = sub {
    my $m = metrics();
    return map { $m->{"mspwh_key_${_}{key=\"$_[0]\"}"} } qw(configured matches_total);
};
my ($configured, $matches) = $key->('previous');
is($configured, 1, 'the previous secret is configured');
ok(reload_and_settle(conf('mspwh_secret "%%SECRET%%" id=current;')), 'reload without it');
is_deeply([$key->('previous')], [0, $matches], 'it is shown still, as not configured');
is(($key->('current'))[0], 1, 'the current one is configured');

my $many = join '', map { my $n = $_; "location /many$n { " . join('',
    map { "mspwh_secret secret$n-$_ id=id$n-$_;" } 1 .. 8) . " proxy_pass http://answers/200; }\n" } 1 .. 8;
(my $with_many = conf($secrets)) =~ s/(?=    log_subrequest)/$many/;
ok(reload_and_settle($with_many), 'reload with more ids than there are places');
is_deeply([grep { /key_configured/ && /_other/ } keys %{ metrics() }], ['mspwh_key_configured{key="_other"}'],
    'they share one');
is(scalar(grep { /key_matches/ } keys %{ metrics() }), 65, '64 ids and the others');
counted('a secret with no place of its own',
    sub { post('/many8', $created, SIGNATURE, sign('secret8-8', $created)) },
    (map { $_ => 1 } grep { !/current/ } keys %created), 'key_matches_total{key="_other"}' => 1,
        answered('2xx'));
counted('one with', sub { post('/many1', $created, SIGNATURE, sign('secret1-1', $created)) },
    (map { $_ => 1 } grep { !/current/ } keys %created), 'key_matches_total{key="id1-1"}' => 1,
        answered('2xx'));

ok(stop(), 'nginx stops in time');
unlike(error_log(), qr/\[(alert|crit|emerg)\]/, 'nothing alarming in the log');

done_testing();
