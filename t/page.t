# The page of mspwh_status, in headless Chromium.

use strict;
use warnings;
use Digest::SHA qw(sha256_base64);
use Test::More;
use Time::HiRes qw(sleep time);
use MspwhEvents qw(event);
use MspwhTest;
use MspwhMetrics;
use Chromium;

# Screenshots are kept where this is set to a directory.
my $shots = $ENV{MSPWH_SCREENSHOTS};

my $conf = <<'CONF';
server {
    listen 127.0.0.1:%%PORT%%;
    mspwh on;
    mspwh_secret "%%SECRET%%" id=new.secret;
    mspwh_secret old id=old;
    location / { proxy_pass http://%%A%%; }
    location = /mspwh { mspwh_status html; }
}
CONF
start_http($conf);

my ($rc, $text) = run('tools/status-page', '--check');
is_deeply([$rc, $text], [0, ''], 'the built page is that of status.html');

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
is_deeply([grep { $_ ne 'http://www.w3.org/2000/svg' } $page =~ m{((?:https?:)?//[a-z][^\s"')]*)}gi], [],
    'no address of another host');
unlike($page, qr/innerHTML|outerHTML|insertAdjacent|document\.write|eval\(/, 'text is never taken for HTML');
cmp_ok(length $page, '<', 32768, 'small');

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
    for my $ink (qw(text soft good warn bad ok)) {
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
[...document.querySelectorAll('#$id tbody tr')].filter(tr => tr.cells[0].textContent === '$name')
    .map(tr => tr.querySelector('.n span, .n').textContent)[0] || ''
JS
}
sub becomes {
    my ($what, $expression) = @_;
    ok($browser->wait_for($expression), $what) or diag $browser->value('document.body.innerText');
}

$browser->open_page(url('/mspwh'));
becomes('it goes live', "document.getElementById('state').textContent === 'Live'");
is(text('host'), '127.0.0.1:' . port(), 'it says of which host');
is(text('verified'), '0', 'no event yet');
is(text('last'), 'none', '... and no last one');
like($browser->value('document.getElementById("reasons").parentNode.innerText'), qr/None so far/,
    '... and no rejection');
is($browser->value('document.querySelectorAll("#types tbody tr").length'), 12, 'twelve types');
is($browser->value('document.querySelectorAll("#verdicts tbody tr").length'), 8, 'eight verdicts');

signed('/', event('ticket.created'));
becomes('an event arrives: it is there', "document.getElementById('verified').textContent === '1'");
is(row('types', 'ticket.created'), '1', '... by type');
is(row('verdicts', 'verified'), '1', '... by verdict');
is(row('answers', '2xx'), '1', '... by answer');
is(row('sizes', 'to 1 kB'), '1', '... by size');
like(text('last'), qr/^\d+ s ago$/, '... as the last one');
is(text('type'), 'ticket.created', '... of its type');
ok($browser->value('document.querySelector("#types i").getBoundingClientRect().width > 20'), '... as a bar');

old('/status/503', event('ticket.note.added', 5000));
old('/status/404', event('ticket.note.added', 5000));
signed('/', '{}');
post('/', '{}');
post('/', '{}', 'X-Webhook-Signature' => sign('forged', '{}'));
becomes('rejected ones too', "document.getElementById('rejected').textContent === '3'");
is_deeply([map { row('reasons', $_) } qw(mismatch header_missing no_event_type)], [1, 1, 1], '... by reason');
is(row('answers', '5xx'), '1', 'an answer of 503');
is($browser->value(q{[...document.querySelectorAll('#types tr')]
    .find(tr => /note.added/.test(tr.textContent)).title}),
    '0 taken, 1 answered 4xx, 1 answered 5xx or not at all', 'what became of a type, in words');
is(row('anomalies', 'unexpected_details'), '2', 'an anomaly');
is($browser->value(q{[...document.querySelectorAll('#keys tbody tr')]
    .map(r => [...r.cells].slice(0, 2).map(c => c.innerText).join()).join(' ')}),
    'new.secretconfigured,2 oldconfigured,2', 'the secrets in use');

becomes('the rate is a line', 'document.querySelector("#rate path.good").getAttribute("d").length > 20');
becomes('... that rises', '+document.getElementById("now").textContent > 0');
like($browser->value('document.getElementById("rate").getAttribute("aria-label")'),
    qr/now \d+ verified and \d+ rejected/, '... and is told in words');
is_deeply([$browser->complaints], [], 'no error in the console');
is_deeply([grep { $_ ne url('/mspwh') && !/^data:/ } $browser->requests], [],
    'nothing fetched from elsewhere');
cmp_ok(scalar($browser->requests), '>', 3, 'it fetches again and again');

my %paper;
for (['wide', 1280, 0], ['wide-dark', 1280, 1], ['tablet', 820, 0], ['phone', 360, 0],
    ['phone-dark', 360, 1]) {
    my ($name, $width, $dark) = @$_;
    $browser->view(width => $width, height => 900, dark => $dark);
    sleep 0.3;
    cmp_ok($browser->value('document.documentElement.scrollWidth'), '<=', $width,
        "$name: as wide as the window");
    is($browser->value(q{[...document.querySelectorAll('section, .tiles div')]
        .filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.innerText).join()}),
        '', "$name: nothing sticks out of its box");
    $paper{$dark} = $browser->value('getComputedStyle(document.body).backgroundColor');
    $browser->screenshot("$shots/$name.png") if $shots;
}
isnt($paper{0}, $paper{1}, 'the dark scheme is another');

# --- what it says without nginx ------------------------------------------------------

ok(stop(), 'nginx stops in time');
becomes('the connection is lost: it says so',
    "/^Connection lost, shown as of .*; retrying\$/.test(document.getElementById('state').textContent)");
$browser->screenshot("$shots/lost.png") if $shots;
is(text('verified'), '3', '... and shows the last numbers');
start_http($conf);
becomes('nginx is back: live again', "document.getElementById('state').textContent === 'Live'");
is(text('verified'), '0', '... with counters that begin anew');
cmp_ok($browser->value('samples.length'), '<', 5, '... as the line does');
$browser->stop;

done_testing();
