# Mistakes that nginx -t cannot see are logged at run time, once a minute and worker: a signed request that
# was answered without a check, and an event variable that was used before the body was read.

use strict;
use warnings;
use Test::More;
use MspwhTest;

my $name = 'X-Webhook-Signature';
my $body = '{"eventType":"Ticket created","entityId":"1"}';
my $http = <<'CONF';
map $mspwh_event_type $to { default %%A%%; ~^ticket %%B%%; }
map $to $twice { default a; %%B%% b; }
map $mspwh_event_type $fresh { volatile; default %%A%%; ~^ticket %%B%%; }
map $mspwh_event_type $logged { default rest; ~^ticket tickets; }
map $mspwh_event_type $page { default /page; ~^ticket /tickets; }
limit_req_zone $to zone=map:1m rate=100r/s;
limit_req_zone $mspwh_entity zone=entity:1m rate=100r/s;
limit_conn_zone "$mspwh_ticket_id$uri" zone=ticket:1m;
log_format late '$mspwh_verdict $logged';
CONF

$MspwhTest::Workers = 1;

# Restarts nginx with a server of these lines, since it logs each mistake only once.
sub fresh {
    my ($lines) = @_;
    stop();
    clear_records();
    return start_http(<<"CONF");
$http
server {
    listen 127.0.0.1:%%PORT%%;
    access_log %%DIR%%/late.log late;
    add_header X-Verdict \$mspwh_verdict always;
    add_header X-Logged \$logged always;
    mspwh on;
    mspwh_secret "%%SECRET%%";
    mspwh_set \$site /site;
    proxy_set_header X-Logged \$logged;
$lines
}
server {
    listen 127.0.0.1:%%PORT_last%%;
    mspwh on;
    mspwh_secret "%%SECRET%%";
}
CONF
}

# Returns the module's lines at "warn" for these requests, [path, headers], once nginx is done with them.
sub told {
    my @requests = @_;
    my $at = length error_log();
    for (@requests) {
        my ($path, @headers) = @$_;
        request(path => $path, body => $body, headers => \@headers);
    }
    request(path => '/last', port => 'last', body => $body, headers => [$name => 'malformed']);
    log_matches(qr{"POST /last}, $at);
    return grep { /\[warn\].*\bmspwh\b/ && !/mspwh: \w+_signature: / } split /\n/, substr error_log(), $at;
}

my @signed = ($name => sign(SECRET, $body));
my @forged = ($name => sign('forged', $body));
write_file('users', '');
my $proxy = 'proxy_pass http://%%A%%;';

# --- answered without a check -----------------------------------------------------------

# [what, lines of the server, path, headers]; only the first request is logged
for (
    ['return 200', 'location /a { return 200; }', '/a', @signed],
    ['return 204, forged', 'location /a { return 204; }', '/a', @forged],
    ['return 301', 'location /a { return 301 http://localhost/; }', '/a', @signed],
    ['return of the server', 'return 200 ok;', '/a', @signed],
    ['return under a condition', 'location /a { if ($arg_x) { return 200; } }', '/a?x=1', @signed],
    ['rewrite', 'location /a { rewrite ^ /b permanent; }', '/a', @signed],
    ['an error page',
        'location /a { deny all; error_page 403 =200 /ok; } location = /ok { return 200; }', '/a', @signed],
    ['rewrite last', 'location /a { rewrite ^ /b last; } location /b { return 200; }', '/a', @signed],
    ['a header of another name', 'mspwh_signature_header X-Other; location /a { return 200; }', '/a',
        'X-Other' => sign(SECRET, $body)],
    ['a malformed signature', 'location /a { return 200; }', '/a', $name => 'x'],
) {
    my ($what, $lines, $path, @headers) = @$_;
    fresh($lines);
    my @lines = told([$path, @headers]);
    is(scalar(@lines), 1, "$what: one line") or diag join "\n", @lines;
    like($lines[0] // '', qr{"POST \Q$path\E }, '... with the request');
    is(scalar(told(([$path, @headers]) x 3)), 0, '... in a minute');
}

my $auth = defined lacks(module => 'http_auth_request_module') ? ''
    : "location /auth { auth_request /ask; $proxy }";
fresh(<<"CONF");
    error_page 401 =200 /refused;
    location /checked { $proxy }
    location /missing { return 404; }
    location /method { if (\$request_method = POST) { return 405; } }
    location /forbidden { deny all; }
    location /health { return 200 ok; }
    location /off { mspwh off; return 200; }
    location /other { mspwh_signature_header X-Other; return 200; }
    location /status { mspwh_status; }
    location /dead { error_page 502 = \@dead; proxy_pass http://127.0.0.1:@{[port('dead')]}; }
    location \@dead { return 200; }
    location /ask { internal; return 204; }
    $auth
    location = /refused { return 200; }
    location / { $proxy }
CONF
for ('/checked', '/missing', '/method', '/forbidden', '/off', '/other', '/status', '/dead', '/auth') {
    is_deeply([told([$_, @signed])], [], "no line: $_, signed");
}
is_deeply([told([$_, @forged])], [], "no line: $_, forged") for '/checked', '/dead', '/auth', '/missing';
is_deeply([told(['/health'])], [], 'no line: a probe by POST with no signature');
request(path => '/health', method => 'GET');
request(path => '/health', method => 'HEAD');
is_deeply([told(['/checked', @signed])], [], 'no line: a probe by GET');

# --- used before the body was read ------------------------------------------------------

my $ask = 'internal; proxy_pass_request_body off; proxy_set_header Content-Length "";';

# [what, lines of the server, the variable that the line names, the backend that gets the event]
my @early = (
    ['set', "location /a { set \$x \$mspwh_event_type; $proxy }", 'mspwh_event_type'],
    ['set of a map', 'location /a { set $x $to; proxy_pass http://$to; }', 'mspwh_event_type', 'A'],
    ['set of a map on a map', "location /a { set \$x \$twice; $proxy }", 'mspwh_event_type'],
    ['set of a volatile map', 'location /a { set $x $fresh; proxy_pass http://$fresh; }', 'mspwh_event_type',
        'B'],
    ['set at the server', "set \$x \$mspwh_verdict; location / { $proxy }", 'mspwh_verdict'],
    ['a variable of mspwh_set', "location /a { set \$x \$site; $proxy }", 'site'],
    ['if', "location /a { if (\$mspwh_entity = ticket) { set \$x 1; } $proxy }", 'mspwh_entity'],
    ['rewrite', "location /a { rewrite ^ /a/\$mspwh_action break; $proxy }", 'mspwh_action'],
    ['limit_req', "location /a { limit_req zone=entity; $proxy }", 'mspwh_entity'],
    ['limit_req with a map', 'location /a { limit_req zone=map; proxy_pass http://$to; }', 'mspwh_event_type',
        'A'],
    ['limit_conn', "location /a { limit_conn ticket 100; $proxy }", 'mspwh_ticket_id'],
    ['auth_basic', "location /a { auth_basic \$mspwh_delivery_id; auth_basic_user_file users; $proxy }",
        'mspwh_delivery_id'],
);
push @early,
    ['auth_request', "location /a { auth_request /ask; proxy_pass http://\$to; } "
        . "location = /ask { $ask proxy_pass http://\$to/status/200; }", 'mspwh_event_type', 'A'],
    ['auth_request, a header', "location /a { auth_request /ask; $proxy } "
        . "location = /ask { $ask proxy_set_header X \$mspwh_key_id; $proxy }", 'mspwh_key_id'],
    ['auth_request, if', "location /a { auth_request /ask; $proxy } "
        . "location = /ask { internal; if (\$logged = tickets) { return 403; } return 204; }",
        'mspwh_event_type'],
    ['auth_request with "mspwh off"', "location /a { auth_request /ask; $proxy } "
        . 'location = /ask { internal; mspwh off; if ($mspwh_entity = ticket) { return 403; } return 204; }',
        'mspwh_entity']
    if $auth;
for (@early) {
    my ($what, $lines, $variable, $backend) = @$_;
    fresh($lines);
    my @lines = told(['/a', @signed]);
    is(scalar(@lines), 1, "$what: one line") or diag join "\n", @lines;
    like($lines[0] // '', qr{"\$$variable".*"POST /a }, "... names \$$variable and the request");
    is_deeply([map { $_->{backend} } grep { $_->{length} } records()], [$backend],
        "... as the event is at $backend") if $backend;
    is(scalar(told((['/a', @signed]) x 3)), 0, '... in a minute');
}

fresh(<<"CONF");
    error_page 403 /denied;
    error_page 405 = /denied;
    error_page 401 /refused;
    location / { proxy_pass http://\$to; }
    location /health { return 404 ok; }
    location /moved { rewrite ^ http://localhost/ permanent; }
    location /forbidden { deny all; }
    location /method { if (\$request_method = POST) { return 405; } }
    location = /denied { root html; }
    location = /refused { return 401 \$mspwh_verdict; }
    location /off { mspwh off; if (\$mspwh_entity = ticket) { return 403; } return 204; }
    location /dead { error_page 502 = \@dead; proxy_pass http://127.0.0.1:@{[port('dead')]}; }
    location \@dead { if (\$mspwh_entity = ticket) { return 404; } proxy_pass http://%%A%%; }
    location /try { try_files /none \$page; }
    location /tickets { proxy_pass http://%%B%%; }
CONF
for ('/', '/health', '/forbidden', '/method', '/off', '/dead', '/try') {
    is_deeply([told([$_, @signed])], [], "no line: $_, signed");
    is_deeply([told([$_])], [], "... nor unsigned");
}
is_deeply([told(['/moved'])], [], 'no line: /moved');
is((grep { $_->{uri} eq '/tickets' } records())[0]{backend}, 'B', 'try_files chooses by the event');
send_bytes(my $c = connection(), "BROKEN\r\n\r\n");
read_response($c);
close $c->{socket};
is_deeply([told(['/', @signed])], [], 'no line: an invalid request');

stop();

done_testing();
