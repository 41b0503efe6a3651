# The page of mspwh_status, in headless Chromium.

use strict;
use utf8;
use warnings;
use Digest::SHA qw(sha256_base64);
use POSIX qw(strftime);
use Test::More;
use Time::HiRes qw(sleep time);
use MspwhEvents qw(event);
use MspwhTest;
use MspwhMetrics;
use MspwhStore;
use Chromium;

# If set, the directory for screenshots.
my $shots = $ENV{MSPWH_SCREENSHOTS};

my $dead = port('dead');
my $long = 'a-name.' . 'x' x 57;

my $store = has_store();
my $mspwh_store = !$store ? '' : <<'CONF';
upstream store { server 127.0.0.1:%%PORT_store_main%% max_fails=0; }
mspwh_dedup_zone zone=events:1m store=store;
CONF
my $shared = !$store ? '' : <<'CONF';
location /shared { mspwh_dedup zone=events; proxy_pass http://%%A%%; }
location /stream { mspwh_stream_pass store key=mspwh; }
CONF

sub conf {
    my $n = shift;
    my $more = join "\n", map { "location = /w$_ { mspwh_webhook w$_; proxy_pass http://%%A%%; }" } 1 .. $n;
    return <<"CONF";
$mspwh_store
server {
    listen 127.0.0.1:%%PORT%%;
    mspwh on;
    mspwh_secret "%%SECRET%%" id=new.secret;
    mspwh_secret old id=old;
    location / { proxy_pass http://%%A%%; }
    location /dead { proxy_pass http://127.0.0.1:$dead; }
    location /safe { error_page 502 = \@spool; proxy_pass http://127.0.0.1:$dead; }
    location \@spool { mspwh_spool %%DIR%%/spool; }
    location /monitor { mspwh monitor; proxy_pass http://%%A%%; }
    location /acme { mspwh_webhook acme; proxy_pass http://%%A%%; }
    location /$long { mspwh_webhook $long; proxy_pass http://%%A%%; }
    location /denied { deny all; }
    location = /mspwh { mspwh_status html; }
    location = /auto { mspwh_status; }
    location = /status { mspwh_status; }
    $shared
    $more
}
CONF
}
start_store('main') if $store;
start_http(conf(0));

my ($rc, $text) = run('tools/status-page', '--check');
is_deeply([$rc, $text], [0, ''], 'the built page is that of its parts');

# --- what is sent ----------------------------------------------------------------

my $r = request(method => 'GET', path => '/mspwh', headers => [Accept => 'text/html']);
my $page = $r->{body};
my $policy = $r->{header}{'content-security-policy'};
like($policy, qr/^default-src 'none'; connect-src 'self'; img-src data:; /, 'policy: nothing from elsewhere');
unlike($policy, qr/unsafe/, 'policy: nothing unsafe');
for my $name (qw(style script)) {
    my ($inner) = $page =~ m{<$name>(.*)</$name>}s;
    like($policy, qr/$name-src 'sha256-\Q@{[sha256_base64($inner)]}\E='/, "policy: this very $name");
}
is_deeply([grep { $_ !~ m{^http://www\.w3\.org/2000/svg$} } $page =~ m{((?:https?:)?//[a-z][^\s"')]*)}gi], [],
    'no address of another host');
unlike($page, qr/innerHTML|outerHTML|insertAdjacent|document\.write|eval\(/, 'text is never taken for HTML');
like($page, qr{<noscript>.*\?format=json.*</noscript>}s, 'without scripts: a sentence, and the numbers');
cmp_ok(length $page, '<', 50_000, 'small');
for my $path ('/mspwh', '/auto') {
    for (['json', 'application/json'], ['prometheus', 'text/plain; version=0.0.4; charset=utf-8'],
        ['html', 'text/html; charset=utf-8'], ['x', 'text/html; charset=utf-8'])
    {
        my ($format, $type) = @$_;
        my $r = request(method => 'GET', path => "$path?format=$format", headers => [Accept => 'text/html']);
        is($r->{header}{'content-type'}, $type, "$path?format=$format: $type");
    }
}

sub luminance {
    my @c = map { my $v = hex() / 255; $v <= .03928 ? $v / 12.92 : (($v + .055) / 1.055)**2.4 }
        $_[0] =~ /../g;
    return .2126 * $c[0] + .7152 * $c[1] + .0722 * $c[2];
}
my ($light, $dark) = $page =~ /:root \{(.*?)\}/sg;
for (['light', $light], ['dark', $dark]) {
    my ($scheme, $rules) = @$_;
    my %colour = $rules =~ /--(\w+): #([0-9a-f]{3,6});/g;
    length == 3 and s/(.)/$1$1/g for values %colour;
    for my $ink (qw(text soft good disk warn bad ok)) {
        for my $paper (qw(card page)) {
            my ($a, $b) = sort { $b <=> $a } map { luminance($colour{$_}) } $ink, $paper;
            cmp_ok(($a + .05) / ($b + .05), '>=', 4.5, "$scheme: contrast of $ink on $paper");
        }
    }
}

if (!installed('chromium')) {
    SKIP: { skip 'there is no chromium', 1 }
    done_testing();
    exit;
}

# --- what is seen ----------------------------------------------------------------

sub old { post($_[0], $_[1], 'X-Webhook-Signature' => sign('old', $_[1])) }

my $browser = Chromium->start;
sub text { $browser->value("document.getElementById('$_[0]').textContent") }
sub row {
    my ($id, $name) = @_;
    return $browser->value(<<"JS");
[...document.querySelectorAll('#$id tbody tr')].filter(tr => tr.cells[0].textContent.trim() === '$name')
    .map(tr => (tr.querySelector('.n span') || tr.querySelector('.n')).textContent)[0] || ''
JS
}
sub becomes {
    my ($what, $expression) = @_;
    ok($browser->wait_for($expression), $what) or diag $browser->value('document.body.innerText');
}
sub text_becomes {
    my ($id, $text, $what) = @_;
    becomes($what, "document.getElementById('$id').textContent === '$text'");
}
sub cells {
    return $browser->value('[...document.querySelectorAll("#' . $_[0] . ' tbody tr")]'
        . '.map(tr => [...tr.cells].map(c => c.innerText.trim()).join("|"))');
}
sub choose {
    my ($id, $value, $event) = @_;
    $event //= 'change';
    $browser->value("(e => { e.value = '$value'; e.dispatchEvent(new Event('$event', { bubbles: true })); })"
        . "(document.getElementById('$id'))");
}
sub outcomes { return [map { (split /\|/)[1] } @{ cells('recent') }] }

$browser->open_page(url('/mspwh'));
text_becomes('state', 'All is well', 'it goes live');
is(text('host'), '127.0.0.1:' . port(), 'it says of which host');
is_deeply([map { text($_) } qw(delivered waiting waiting-more rejected last)], ['–', '–',
    'mspwh-redeliver has not run', '0', 'none'], 'nothing has happened yet');
like($browser->value('document.getElementById("no-recent").innerText'), qr/None yet/, '... and no delivery');
is($browser->value('document.querySelectorAll("#types tbody tr").length'), 11, 'eleven types');
is($browser->value('document.querySelectorAll("#verdicts tbody tr").length'), 8, 'eight verdicts');

signed('/', event('ticket.created'));
text_becomes('delivered', '100 %', 'an event arrives: all is delivered');
is(text('delivered-more'), '1 of 1 event in the last 10 min', '... in words');
is(row('types', 'ticket.created'), '1', '... by type');
is(row('verdicts', 'Verified verified'), '1', '... by verdict');
is(row('sizes', 'to 1 kB'), '1', '... by size');
like(text('last'), qr/^\d+ s ago$/, '... as the last one');
is(text('last-type'), 'ticket.created', '... of its type');
like(text('last-time'), qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[-+]\d\d:\d\d$/, '... with its time and zone');
like(cells('recent')->[0],
    qr/^\d\d:\d\d:\d\d\|Delivered\|ticket\.created\|5\|default\|200\|\d+ ms$/, '... as a delivery');
is($browser->value('document.querySelectorAll("#chart rect.good").length'), 1, '... as a bar');

signed('/', '{}');
post('/', '{}');
post('/', '{}', 'X-Webhook-Signature' => sign('forged', '{}'));
post('/monitor', '{}');
signed('/denied', event('ticket.created'));
becomes('rejected ones too',
    "document.getElementById('rejected-more').textContent.startsWith('3 in the last')");
is_deeply([map { row('verdicts', $_) } 'wrong secret or changed body mismatch', 'no event type no_event_type',
    'answered before the check unchecked'], [1, 1, 1], '... by reason, in words and as the code');
is(row('verdicts', 'no signature header header_missing'), '2', '... also those let through');
is_deeply([sort @{ outcomes() }], ['Delivered', 'Let through: no signature header',
    'Not checked: answered before the check', 'Rejected: no event type', 'Rejected: no signature header',
    'Rejected: wrong secret or changed body'], '... in words');
is(text('state'), 'All is well', 'scanners are no alarm');
is($browser->value('document.querySelectorAll(".bad.some, b.bad:not(:empty), .dot.bad, .big.bad").length'), 0,
    '... and nothing is red');

signed('/safe', event('ticket.note.added', 5000), 'X-Mspwh-Attempt' => 2);
becomes('an event is put on disk', 'document.querySelectorAll("#chart rect.disk").length === 1');
is(outcomes()->[0], 'On diskattempt 2', '... which is no failure');
is(text('state'), 'All is well', '... and no alarm');
is(text('waiting-more'), 'mspwh-redeliver has not run', '... what waits is not known');
sub spool_says {
    write_file(dir() . '/spool/status.json', sprintf '{"waiting":%d,"waiting_bytes":5000,"oldest":%s,'
        . '"quarantined":%d,"last_run":"2026-11-24T18:18:19Z","sent":4,"kept":1}', @_);
}
sub utc { return strftime('"%FT%T.5Z"', gmtime(time - $_[0])) }
spool_says(1, utc(180), 0);
text_becomes('waiting-more', 'the oldest for 3 min', 'mspwh-redeliver tells');
is_deeply([text('waiting'), text('state')], ['1', 'All is well'], '... how many, and that is no alarm');
spool_says(2, utc(1000), 0);
text_becomes('state', 'an event has waited on disk for 16 min', 'an old one is');
spool_says(0, 'null', 2);
text_becomes('state', '2 events in quarantine', 'so is the quarantine');
is($browser->value('document.title'), '(!) MSP Manager webhooks', '... which the title shows');
like($browser->value('document.querySelector("link[rel=icon]").href'), qr/d3303b/, '... and the icon');
spool_says(0, 'null', 0);
text_becomes('state', 'All is well', '... until it is empty');

old('/status/503', event('ticket.note.added', 5000));
text_becomes('state', '1 event failed in the last 10 min', 'a failed delivery is an alarm');
is(outcomes()->[0], 'Failed', '... named so');
is(text('failed'), '1 failed', '... counted');
is($browser->value('document.querySelectorAll("#chart rect.bad").length'), 1, '... drawn');
is($browser->value(q{[...document.querySelectorAll('#types tr')]
    .find(tr => /note.added/.test(tr.textContent)).title}), '0 taken at once, 1 put on disk, 1 failed',
    'what became of a type, in words');
is(row('anomalies', 'Details not expected unexpected_details'), '2', 'an anomaly');
is_deeply([map { s/\d+ s ago/n s ago/r } @{ cells('keys') }[0, 1]],
    ['new.secret|default|3|in use, last n s ago', 'old|default|1|in use, last n s ago'], 'the secrets');

# --- a delivery, and those of a kind -------------------------------------------------

$browser->value('document.querySelector("#recent button").focus()');
$browser->key('Enter');
becomes('a delivery opens by keyboard', 'document.querySelector("#recent .open")');
my $opened = $browser->value('document.querySelector("#recent .open").innerText');
like($opened, qr/$_/, "... and shows $_") for 'verdict\s+verified', 'secret\s+old', 'entity id\s+5',
    'its answer\s+503 after \d+ ms', 'The service answered 503', 'sender\s+127\.0\.0\.1',
    'delivery id begins\s+[0-9a-f]{16}\b';
is($browser->value('document.activeElement.getAttribute("aria-expanded")'), 'true', '... with its focus');
$browser->key('Enter');
becomes('... and closes', '!document.querySelector("#recent .open")');

choose('outcome', 'off');
becomes('only rejected ones', 'document.querySelectorAll("#recent .row").length === 4');
my ($forged) = grep { outcomes()->[$_] =~ /wrong secret/ } 0 .. 3;
$browser->value("document.querySelectorAll('#recent .row')[$forged].click()");
my $command = $browser->value('document.querySelector("#recent .open pre").textContent');
(undef, my $lines) = run('sh', '-c', $command);
like($lines, qr/mspwh: bad_signature: .*client: 127\.0\.0\.1/, 'the command shows its line in the log');
choose('outcome', '');
signed('/acme', event('ticket.updated') =~ s/"TicketId":5/"TicketId":"T-7"/r);
becomes('of another webhook',
    '[...document.querySelectorAll("#recent .hook")].some(e => e.innerText === "acme")');
choose('ticket', 'T-7', 'input');
becomes('of a ticket', 'document.querySelectorAll("#recent .row").length === 1');
like($browser->value('location.hash'), qr/ticket=T-7/, '... which the address has');
choose('ticket', 'T-8', 'input');
becomes('... none', '!document.getElementById("no-recent").hidden');
choose('ticket', '', 'input');
choose('webhook', 'acme');
text_becomes('delivered-more', '1 of 1 event in the last 10 min', 'of a webhook');
is_deeply(outcomes(), ['Delivered'], '... its deliveries');
choose('webhook', '');
becomes('... and all again', 'document.querySelectorAll("#recent .row").length > 5');

is_deeply([$browser->complaints], [], 'no error in the console');
my $own = url('/mspwh');
is_deeply([grep { !/^\Q$own\E|^data:/ } $browser->requests], [], 'nothing fetched from elsewhere');

# --- a thousand events, a reload, and many webhooks -----------------------------------------

my $c = connection();
for my $n (1 .. 1000) {
    my $body = event('ticket.created') =~ s/"TicketId":5/"TicketId":$n/r;
    request(connection => $c, path => '/', body => $body,
        headers => ['X-Webhook-Signature', sign(SECRET, $body)]);
}
# the last one ends the connection, on which nginx waits for the client
close $c->{socket};
signed("/$long", event('ticket.merged' . 'x' x 900));
wait_until { metrics('/status')->{'mspwh_requests_total{verdict="verified"}'} >= 1003 };
$browser->open_page(url('/mspwh'));
becomes('the first paint has them all', 'document.querySelectorAll("#recent .row").length === 12');
like(text('delivered-more'), qr/^1,003 of 1,005 events in the last 10 min, 1 put on disk, $/, '... counted');
like(text('peak'), qr/^peak (?:1,00[0-6]|[1-9]\d\d) in the last 10 min$/, '... with their peak');
is(text('shown'), '12 of 500', '... the last 500 of them listed');
$browser->value('(m => { while (!m.hidden) m.click(); })(document.getElementById("more"))');
is($browser->value('document.querySelectorAll("#recent .row").length'), 500, 'all 500 can be shown');
for my $span (60, 1440) {
    $browser->value("document.querySelector('[data-span=\"$span\"]').click()");
    like(text('delivered-more'), qr/^1,00\d of/, "... over $span minutes");
}

ok(reload(conf(62)), 'reload with 64 webhooks');
signed("/w$_", event('ticket.created')) for 1, 62;
becomes('they can be chosen', 'document.querySelectorAll("#webhook option").length === 66');
like(text('delivered-more'), qr/^1,00\d of/, '... and nothing is forgotten');

# --- in every window ------------------------------------------------------------------

my $axe;
for (map { "$_/axe-core/axe.min.js" } split(/:/, $ENV{NODE_PATH} // ''), 'build/node_modules',
    '/usr/local/lib/node_modules', '/usr/lib/node_modules')
{
    $axe = slurp($_) and last if -s;
}
my %paper;
$browser->value('document.querySelectorAll("#recent .row")[1].click()');
for my $width (360, 820, 1280, 1920) {
    for my $scheme (qw(light dark)) {
        my $name = "$width-$scheme";
        $browser->view(width => $width, height => 900, dark => $scheme eq 'dark');
        sleep 0.3;
        cmp_ok($browser->value('document.documentElement.scrollWidth'), '<=', $width,
            "$name: as wide as the window");
        is($browser->value(q{[...document.querySelectorAll('section, .tiles div, td, th, dd, button')]
            .filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 2
                && getComputedStyle(e).display !== "inline")
            .map(e => e.innerText).join("; ").slice(0, 300)}), '', "$name: nothing sticks out of its box");
        $paper{$scheme} = $browser->value('getComputedStyle(document.body).backgroundColor');
        $browser->screenshot("$shots/$name.png") if $shots;
        SKIP: {
            skip 'there is no axe-core', 1 if !$axe;
            $browser->value("$axe; 0");
            is_deeply($browser->value('axe.run().then(r => r.violations'
                . '.filter(v => ["serious", "critical"].includes(v.impact))'
                . '.map(v => v.id + ": " + v.nodes.map(n => n.html).slice(0, 3).join(" ")))'), [],
                "$name: axe finds nothing serious");
        }
    }
}
isnt($paper{light}, $paper{dark}, 'the dark scheme is another');

# --- a store ------------------------------------------------------------------------

SKIP: {
    skip 'there is no store', 1 if !$store;
    is_deeply(cells('claims'), [], 'a store: nothing yet');
    signed('/shared', event('ticket.deleted')) for 1, 2;
    signed('/stream', event('ticket.deleted'));
    stop_store('main', 'TERM');
    text_becomes('store-state', '0 connections', '... that is gone');
    signed('/shared', event('ticket.updated'));
    becomes('... and what it was for', 'document.querySelectorAll("#claims tbody tr").length === 2');
    is_deeply([map { row('claims', $_) } 'new events claimed', 'decided without the store alone'], [1, 1],
        '... claims by result');
    is(row('streamed', 'appended to a stream'), '1', '... an event in a stream');
    like(join(' ', @{ cells('store-errors') }), qr/^(?:connect|closed)/, '... and why it is gone');
    start_store('main');
    text_becomes('store-state', '2 connections', '... until it is back');
    # two workers may log in another order than they have answered
    is(scalar(grep { ($_ // '') eq 'In the stream' } @{ outcomes() }), 1, '... a delivery is in the stream');
}

# --- what it says without nginx ------------------------------------------------------

ok(stop(), 'nginx stops in time');
becomes('the connection is lost: it says so',
    "/^Connection lost, shown as of .*; retrying\$/.test(document.getElementById('state').textContent)");
is($browser->value('document.title'), '(!) MSP Manager webhooks', '... in the title, too');
$browser->screenshot("$shots/lost.png") if $shots;
like(text('delivered-more'), qr/^1,00\d of/, '... and shows the last numbers');
start_http(conf(0));
text_becomes('state', 'All is well', 'nginx is back: live again');
is(text('delivered'), '–', '... with new counters');
is(text('shown'), '', '... as the deliveries do');
$browser->stop;

done_testing();
