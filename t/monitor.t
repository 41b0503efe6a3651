# mspwh monitor: the same verdict as with "on", but every request is passed on.

use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use Test::More;
use MspwhEvents qw(event seen settled shown);
use MspwhTest;

my $dead = port('dead');
start_http(<<"CONF");
map \$mspwh_event_type \$backend {
    default %%A%%;
    ~^ticket\\.note\\. %%B%%;
}
limit_req_zone \$mspwh_event_type\$mspwh_verdict zone=early:1m rate=100r/s;
server {
    listen 127.0.0.1:%%PORT%%;
    @{[VARS]}
    mspwh monitor;
    proxy_set_header X-Verdict \$mspwh_verdict;
    proxy_set_header X-Type \$mspwh_event_type;

    location / { mspwh_secret "%%SECRET%%"; proxy_pass http://\$backend; }
    location /none/ { proxy_pass http://\$backend; }
    location /small { mspwh_secret "%%SECRET%%"; client_max_body_size 1k; proxy_pass http://%%A%%; }
    location /none/mirror { mirror /copy_on; proxy_pass http://\$backend; }
    location = /copy_on { internal; mspwh on; mspwh_secret "%%SECRET%%"; proxy_pass http://%%B%%; }
    location /mirror { mspwh_secret "%%SECRET%%"; mirror /copy_on; proxy_pass http://\$backend; }

    location /auth_monitor { auth_request /ask_monitor; mspwh_secret "%%SECRET%%"; proxy_pass http://%%A%%; }
    location /auth_on { auth_request /ask_on; mspwh_secret "%%SECRET%%"; proxy_pass http://%%A%%; }
    location /auth_of_on {
        auth_request /ask_monitor; mspwh on; mspwh_secret "%%SECRET%%"; proxy_pass http://%%A%%;
    }
    location = /ask_monitor {
        internal; proxy_pass_request_body off; proxy_set_header Content-Length "";
        proxy_pass http://%%B%%/status/200;
    }
    location = /ask_on {
        internal; mspwh on; mspwh_secret "%%SECRET%%"; proxy_pass_request_body off;
        proxy_set_header Content-Length ""; proxy_pass http://%%B%%/status/200;
    }

    # from one location to another, by every way
    location /accel/ { proxy_pass http://%%A%%; }
    location /keys/accel/ { mspwh_secret "%%SECRET%%"; proxy_pass http://%%A%%; }
    location /on/ { mspwh on; mspwh_secret "%%SECRET%%"; proxy_pass http://%%B%%/; }
    location /on_other/ { mspwh on; mspwh_secret other; proxy_pass http://%%B%%/; }
    location /on_pass/ {
        mspwh on; mspwh_malformed pass; mspwh_secret "%%SECRET%%"; proxy_pass http://%%B%%/;
    }
    location /off/ { mspwh off; proxy_pass http://%%B%%/; }
    location /quiet/ { proxy_pass http://%%B%%/; }
    location /quiet_other/ { mspwh_secret other; proxy_pass http://%%B%%/; }
    location /try_none { try_files /none /on/x; }
    location /try_keys { mspwh_secret "%%SECRET%%"; try_files /none /on/x; }
    location /try_other { mspwh_secret other; try_files /none /on/x; }
    location /try_pass { mspwh_secret "%%SECRET%%"; try_files /none /on_pass/x; }
    location /try_named { mspwh_secret "%%SECRET%%"; try_files /none \@on; }
    location \@on { mspwh on; mspwh_secret "%%SECRET%%"; error_page 401 = \@after; proxy_pass http://%%B%%; }
    location \@after { mspwh off; proxy_pass http://%%A%%; }
    location /try_plain { mspwh_secret "%%SECRET%%"; try_files /none \@plain; }
    location \@plain { mspwh on; mspwh_secret "%%SECRET%%"; proxy_pass http://%%B%%; }
    location /dead_none { error_page 502 = \@plain; proxy_pass http://127.0.0.1:$dead; }
    location /dead_keys {
        mspwh_secret "%%SECRET%%"; error_page 502 = \@plain; proxy_pass http://127.0.0.1:$dead;
    }
    location /page {
        mspwh_secret "%%SECRET%%"; error_page 413 /on/x; client_max_body_size 1k; proxy_pass http://%%A%%;
    }

    location /back {
        mspwh on; mspwh_secret "%%SECRET%%"; error_page 400 401 = \@quiet; proxy_pass http://%%A%%;
    }
    location \@quiet { mspwh_secret "%%SECRET%%"; proxy_pass http://%%B%%; }
    location /back_none {
        mspwh on; mspwh_secret "%%SECRET%%"; error_page 400 401 = \@quiet_none; proxy_pass http://%%A%%;
    }
    location \@quiet_none { proxy_pass http://%%B%%; }
    location /back_other {
        mspwh on; mspwh_secret "%%SECRET%%"; error_page 400 401 = \@quiet_other; proxy_pass http://%%A%%;
    }
    location \@quiet_other { mspwh_secret other; proxy_pass http://%%B%%; }
    location /verified_none { mspwh on; mspwh_secret "%%SECRET%%"; try_files /none /quiet/x; }
    location /verified_other { mspwh on; mspwh_secret "%%SECRET%%"; try_files /none /quiet_other/x; }
}
# no header uses a variable before the log does
server {
    listen 127.0.0.1:%%PORT_log%%;
    access_log %%DIR%%/final.log verdict;
    mspwh monitor;
    mspwh_secret "%%SECRET%%";
    proxy_set_header X-Type "\$mspwh_verdict \$mspwh_event_type";

    location / { proxy_pass http://%%A%%; }
    location /on { mspwh on; proxy_pass http://%%B%%; }
    location /on_other { mspwh on; mspwh_secret other; proxy_pass http://%%B%%; }
    location /early { limit_req zone=early; proxy_pass http://%%A%%; }
}
CONF

my $name = 'X-Webhook-Signature';

sub lines {
    my $at = shift;
    return map { /mspwh: (.*?), client: / ? $1 : $_ } log_matches(qr/mspwh: /, $at);
}

my $note = event('NoteAdded');
my $size = length $note;
my @cases = (
    # [what, path, body, headers, verdict, event type, key id, reason]
    ['right signature', '/', $note, [$name => sign(SECRET, $note)], 'verified', 'ticket.note.added', '1'],
    ['wrong signature', '/', $note, [$name => sign('x', $note)], 'bad_signature', 'ticket.note.added', '',
        "the signature is of another body or secret, body $size bytes, 1 secret(s)"],
    ['no signature', '/', $note, [], 'no_signature', 'ticket.note.added', '',
        "there is no signature header, body $size bytes, 1 secret(s)"],
    ['malformed signature', '/', $note, [$name => 'x'], 'malformed_signature', 'ticket.note.added', '',
        "the signature header is not canonical Base64 of 32 bytes, body $size bytes, 1 secret(s)"],
    ['repeated signature', '/', $note, [$name => 'x', $name => 'x'], 'malformed_signature',
        'ticket.note.added', '',
        "the signature header is repeated, body $size bytes, 1 secret(s)"],
    ['signed, malformed', '/', '{}', [$name => sign(SECRET, '{}')], 'malformed_payload', '', '1',
        'no event type, body 2 bytes, 1 secret(s)'],
    ['signed, not JSON', '/', '{x', [$name => sign(SECRET, '{x')], 'malformed_payload', '', '1',
        'unexpected character at byte 1 in line 1, body 2 bytes, 1 secret(s)'],
    ['wrong signature, malformed', '/', '{}', [$name => sign('x', '{}')], 'bad_signature', '', '',
        'the signature is of another body or secret, body 2 bytes, 1 secret(s)'],
    ['no signature, malformed', '/', '{x', [], 'no_signature', '', '',
        'there is no signature header, body 2 bytes, 1 secret(s)'],
    ['no secret, unsigned', '/none/', $note, [], 'no_signature', 'ticket.note.added', '',
        "there is no signature header, body $size bytes, 0 secret(s)"],
    ['no secret, signed', '/none/', $note, [$name => sign(SECRET, $note)], 'bad_signature',
        'ticket.note.added', '',
        "there is no secret to verify it with, body $size bytes, 0 secret(s)"],
    ['no secret, malformed signature', '/none/', $note, [$name => 'x'], 'malformed_signature',
        'ticket.note.added', '',
        "the signature header is not canonical Base64 of 32 bytes, body $size bytes, 0 secret(s)"],
    ['no body', '/none/', undef, [], 'no_signature', '', '',
        'there is no signature header, body 0 bytes, 0 secret(s)'],
);
for (@cases) {
    my ($what, $path, $body, $headers, $verdict, $type, $key, $reason) = @$_;
    my $at = length error_log();
    my $r = post($path, $body, @$headers);
    is_deeply(shown($r, qw(verdict type key)), [200, $verdict, $type, $key], "$what: let through, $verdict");
    my $delivery = $key ? unpack('H*', MspwhTest::hmac_raw(SECRET, $body)) : '';
    is($r->{header}{'x-delivery'} // '', $delivery, "$what: delivery id");
    is($r->{header}{'www-authenticate'}, undef, "$what: no challenge");
    my ($record) = records();
    is($record->{backend}, $type =~ /note/ ? 'B' : 'A', "$what: routed by the event");
    is($record->{sha256}, sha256_hex($body // ''), "$what: byte for byte");
    is($record->{header}{'x-verdict'}, $verdict, "$what: the upstream is told");
    is_deeply([lines($at)],
        $reason ? [qq($verdict: $reason, webhook "default", let through (monitor))] : [], "$what: log");
    clear_records();
}

for my $chunked (0, 5000) {
    my $big = event('NoteAdded', 200_000);
    my $r = request(path => '/none/', body => $big, chunked => $chunked);
    is_deeply(shown($r, qw(verdict type)), [200, 'no_signature', 'ticket.note.added'],
        "unsigned, 200 KB, chunked $chunked");
    is((records())[0]{sha256}, sha256_hex($big), '... byte for byte');
    clear_records();
    $r = request(path => '/small', body => $big, chunked => $chunked);
    is($r->{status}, 413, "client_max_body_size still applies, chunked $chunked");
}
seen();

my $c = connection();
for my $turn (1 .. 3) {
    my $r = request(connection => $c, path => '/', body => '{}', headers => []);
    is($r->{status}, 200, "keepalive, request $turn");
}
seen();

# Subrequests: auth_request before the body, mirror after it.
my @wrong = ($name => sign('x', $note));
my @right = ($name => sign(SECRET, $note));
SKIP: {
    needs(module => 'http_auth_request_module');
    is(post('/auth_monitor', $note, @wrong)->{status}, 200, 'auth_request, monitor in monitor');
    is_deeply(seen(), ['A /auth_monitor', 'B /status/200'], '... asked once, forwarded once');
    is(post('/auth_of_on', $note, @wrong)->{status}, 401, 'auth_request, monitor in on');
    is_deeply(seen(), ['B /status/200'], '... asked once, not forwarded');
    is(post('/auth_on', $note, @$_)->{status}, 401,
        'auth_request, on in monitor: nothing unverified gets there') for \@right, \@wrong;
    is_deeply(seen(), [], '... nor to the upstream');
}

for my $path ('/none/mirror', '/mirror') {
    my $r = post($path, $note, @wrong);
    is_deeply(shown($r, qw(verdict type)), [200, 'bad_signature', 'ticket.note.added'], "$path: let through");
    select undef, undef, undef, 0.2;
    is_deeply(seen(), ["B $path"], "$path: the mirror with mspwh on refuses it, the request keeps its event");
    is(post($path, $note, @right)->{status}, 200, "$path: signed");
    is_deeply(settled(2), ['B /copy_on', "B $path"], "$path: the mirror gets what is signed");
}

# Redirects. [path, headers, body, status, seen, verdict, type]
my $empty = '{}';
my @redirects;
for my $start ('/try_none', '/try_keys', '/accel/on/x', '/keys/accel/on/x', '/try_other') {
    my @first = $start =~ m{/accel} ? "A $start" : ();
    push @redirects,
        [$start, [@right], $note, 200, [@first, 'B /x'], 'verified', 'ticket.note.added'],
        [$start, [@wrong], $note, 401, [@first], 'bad_signature', ''],
        [$start, [], $note, 401, [@first], 'no_signature', ''],
        [$start, [$name => 'x'], $note, 401, [@first], 'malformed_signature', ''],
        [$start, [$name => sign(SECRET, '{}')], '{}', 400, [@first], 'malformed_payload', ''],
        [$start, [$name => sign('other', $note)], $note, 401, [@first], 'bad_signature', ''];
}
push @redirects, map { my $start = $_; (
    [$start, [@right], $note, 200, ["B $start"], 'verified', 'ticket.note.added'],
    [$start, [@wrong], $note, 401, [], 'bad_signature', ''],
    [$start, [], $note, 401, [], 'no_signature', ''],
) } qw(/dead_none /dead_keys /try_plain);
push @redirects,
    ['/accel/on_other/x', [$name => sign('other', $note)], $note, 200, ['A /accel/on_other/x', 'B /x'],
        'verified', 'ticket.note.added'],
    ['/accel/on_other/x', [@right], $note, 401, ['A /accel/on_other/x'], 'bad_signature', ''],
    ['/keys/accel/on_other/x', [@right], $note, 401, ['A /keys/accel/on_other/x'], 'bad_signature', ''],
    ['/accel/off/x', [@wrong], $note, 200, ['A /accel/off/x', 'B /x'], 'bad_signature', 'ticket.note.added'],
    ['/try_named', [@wrong], $note, 200, ["A /try_named"], 'bad_signature', ''],
    ['/try_named', [@right], $note, 200, ['B /try_named'], 'verified', 'ticket.note.added'],
    ['/try_pass', [$name => sign(SECRET, '{}')], '{}', 200, ['B /x'], 'malformed_payload', ''],
    ['/try_pass', [$name => sign('x', '{}')], '{}', 401, [], 'bad_signature', ''],
    ['/back', [@wrong], $note, 200, ['B /back'], 'bad_signature', ''],
    ['/back', [], $note, 200, ['B /back'], 'no_signature', ''],
    ['/back', [$name => sign(SECRET, '{}')], '{}', 200, ['B /back'], 'malformed_payload', ''],
    ['/back_none', [@wrong], $note, 200, ['B /back_none'], 'bad_signature', ''],
    ['/back_other', [@wrong], $note, 200, ['B /back_other'], 'bad_signature', 'ticket.note.added'],
    ['/back_other', [], $note, 200, ['B /back_other'], 'no_signature', 'ticket.note.added'],
    ['/back_other', [$name => sign('other', $note)], $note, 200, ['B /back_other'], 'verified',
        'ticket.note.added'],
    ['/verified_none', [@right], $note, 200, ['B /x'], 'verified', 'ticket.note.added'],
    ['/verified_other', [@right], $note, 200, ['B /x'], 'bad_signature', 'ticket.note.added'];
for (@redirects) {
    my ($path, $headers, $body, $status, $seen, $verdict, $type) = @$_;
    my $r = post($path, $body, @$headers);
    is_deeply(shown($r, qw(verdict type)), [$status, $verdict, $type], "$path, $verdict: $status");
    my @got = records();
    is($got[-1]{sha256}, sha256_hex($body), '... byte for byte') if @got;
    is_deeply(seen(), $seen, "$path, $verdict: forwarded where it may");
}

for my $chunked (0, 500) {
    my $big = event('NoteAdded', 3000);
    my $r = request(path => '/page', body => $big, chunked => $chunked,
        headers => [$name => sign(SECRET, $big)]);
    is_deeply(shown($r, 'verdict', 'type'), [401, 'bad_signature', ''],
        "error_page 413 to on, chunked $chunked: no body, no entry");
    is_deeply(seen(), [], '... nothing forwarded');
}

# Let through by one location, rejected by the next: one line from each.
my $at = length error_log();
post('/try_keys', $note, @wrong);
my $line = "bad_signature: the signature is of another body or secret, body $size bytes, 1 secret(s), "
    . 'webhook "default"';
is_deeply([lines($at)], ["$line, let through (monitor)", $line], 'log: let through, then rejected');

# A log line shows the final values, not those that were read earlier.
sub logged {
    my ($path, $body, @headers) = @_;
    my $at = -s dir() . '/final.log';
    request(port => 'log', path => $path, body => $body, headers => \@headers);
    wait_until { -s dir() . '/final.log' > $at };
    open my $fh, '<', dir() . '/final.log' or die;
    seek $fh, $at, 0;
    return scalar(<$fh>) =~ s/\n//r;
}
is(logged('/accel/quiet', $note, @wrong), 'GET /quiet 200 "bad_signature" "ticket.note.added"',
    'access log: let through');
is(logged('/accel/on', $note, @wrong), 'GET /on 401 "bad_signature" "-"',
    'access log: let through, then rejected');
is(logged('/accel/on', $note, @right), 'GET /on 200 "verified" "ticket.note.added"',
    'access log: verified twice over');
is(logged('/accel/on_other', $note, @right), 'GET /on_other 401 "bad_signature" "-"',
    'access log: verified, then not');
is(logged('/early', $note, @right), 'POST /early 200 "verified" "ticket.note.added"',
    'access log: read too early');

ok(stop(), 'nginx stops in time');
unlike(error_log(), qr/\[(alert|crit|emerg)\]/, 'nothing alarming in the log');

done_testing();
