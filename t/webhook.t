# mspwh_webhook: the name used by counters, deliveries, log lines, variables and dedup.

use strict;
use warnings;
use Test::More;
use MspwhEvents qw(event);
use MspwhMetrics;
use MspwhTest;

use constant SIGNATURE => 'X-Webhook-Signature';

# --- configuration -----------------------------------------------------------

my $long = 'n' x 64;
my @many = map { "location /l$_ { mspwh on; mspwh_secret x; mspwh_webhook w$_; return 200; }" } 1 .. 65;

for (['mspwh_webhook "";', 'invalid name ""'], ['mspwh_webhook -a;', 'invalid name "-a"'],
    ['mspwh_webhook a/b;', 'invalid name "a/b"'], ["mspwh_webhook n$long;", "invalid name \"n$long\""],
    ["mspwh_webhook \xc3\xa4;", 'invalid name'], ['mspwh_webhook a b;', 'number of arguments'],
    ['mspwh_webhook a; mspwh_webhook b;', 'duplicate'],
    ["@many", 'too many names in "mspwh_webhook" directive at "w65", there may be 64'])
{
    my ($lines, $words) = @$_;
    my ($rc, $text) = config_test("server { listen 127.0.0.1:%%PORT%%; $lines }");
    isnt($rc, 0, 'refused: ' . substr $lines, 0, 40);
    like($text, qr/\[emerg\].*mspwh_webhook.*test\.conf:\d+/, '... naming the directive');
    like($text, qr/\Q$words\E/, "... and $words");
}
for ("mspwh_webhook $long;", 'mspwh_webhook 1.a_b-C;', 'mspwh_webhook default;') {
    my ($rc, $text) = config_test("server { listen 127.0.0.1:%%PORT%%; mspwh on; mspwh_secret x; $_ }");
    is_deeply([$rc, $text], [0, ''], "accepted: $_");
}
{
    my ($rc, $text) = config_test("server { listen 127.0.0.1:%%PORT%%; @many[0 .. 63]
        location / { mspwh on; mspwh_secret x; return 200; } }");
    is_deeply([$rc, $text], [0, ''], 'accepted: 64 names beside the default one');
}

# --- who gets which ----------------------------------------------------------

my $dead = port('dead');
sub conf {
    my $more = shift // '';
    return <<"CONF";
mspwh_dedup_zone zone=events:1m;
server {
    listen 127.0.0.1:%%PORT%%;
    add_header X-Webhook \$mspwh_webhook always;
    add_header X-Reason \$mspwh_reason always;
    add_header X-Verdict \$mspwh_verdict always;
    mspwh on;
    mspwh_secret "%%SECRET%%" id=current;
    location / { proxy_pass http://%%A%%; }
    location /acme { mspwh_webhook acme; proxy_pass http://%%A%%;
        location /acme/in { proxy_pass http://%%A%%; } }
    location /fallback { mspwh_webhook acme; error_page 502 = \@none; proxy_pass http://127.0.0.1:$dead; }
    location /other { mspwh_webhook acme; error_page 502 = \@globex; proxy_pass http://127.0.0.1:$dead; }
    location \@none { proxy_pass http://%%A%%; }
    location \@globex { mspwh_webhook globex; proxy_pass http://%%A%%; }
    location /page { mspwh_webhook acme; error_page 401 = /page.html; proxy_pass http://%%A%%; }
    location = /page.html { mspwh off; mspwh_webhook globex; return 200; }
    location /off { mspwh off; return 200; }
    location /denied { mspwh_webhook acme; deny all; }
    location /once/acme { mspwh_webhook acme; mspwh_dedup zone=events; proxy_pass http://%%A%%; }
    location /once/globex { mspwh_webhook globex; mspwh_dedup zone=events; proxy_pass http://%%A%%; }
    location /once/default { mspwh_dedup zone=events; proxy_pass http://%%A%%; }
    location /mirrored { mspwh_webhook acme; mirror /copy; proxy_pass http://%%A%%; }
    location = /copy { internal; proxy_pass http://%%A%%; proxy_set_header X-Copy \$mspwh_webhook; }
    location /status { mspwh off; mspwh_status; }
    $more
}
CONF
}
start_http(conf());

my $event = event('ticket.created');
sub forged { post($_[0], $event, SIGNATURE, sign('x', $event)) }
my %expected;

for (['/', 'default'], ['/acme', 'acme'], ['/acme/in', 'acme'], ['/fallback', 'acme'], ['/other', 'globex'],
    ['/mirrored', 'acme'])
{
    my ($path, $webhook) = @$_;
    my $r = signed($path, $event);
    is_deeply([$r->{status}, @{ $r->{header} }{qw(x-webhook x-verdict)}, $r->{header}{'x-reason'} // ''],
        [200, $webhook, 'verified', ''], "$path: $webhook");
    $expected{$webhook}{verified}++;
}
wait_until { grep { $_->{uri} eq '/copy' } records() };
is_deeply([map { $_->{header}{'x-copy'} } grep { $_->{uri} eq '/copy' } records()], ['acme'],
    'a mirror has the name, too');
is(signed('/off', $event)->{header}{'x-webhook'}, 'default', 'a location that checks nothing has its own');

for (['/', 'default', 401], ['/acme', 'acme', 401], ['/page', 'acme', 200]) {
    my ($path, $webhook, $status) = @$_;
    my $at = length error_log();
    my $r = forged($path);
    is_deeply([$r->{status}, @{ $r->{header} }{qw(x-webhook x-verdict x-reason)}],
        [$status, $webhook, 'bad_signature', 'mismatch'], "forged, $path: $webhook, with a reason");
    like((log_matches(qr/mspwh: bad_signature/, $at))[0],
        qr/, webhook "$webhook", client: /, '... in the log');
    $expected{$webhook}{bad_signature}++;
}
{
    my $at = length error_log();
    is(post('/acme', $event)->{header}{'x-reason'}, 'header_missing', 'unsigned: the reason');
    like((log_matches(qr/mspwh: no_signature/, $at))[0],
        qr/ not read, webhook "acme", client: /, '... in the log');
    $expected{acme}{no_signature}++;
}

# --- dedup -------------------------------------------------------------------

for (qw(acme globex default)) {
    is(signed("/once/$_", $event)->{header}{'x-verdict'}, 'verified', "$_: new, whatever the others had");
    is(signed("/once/$_", $event)->{header}{'x-verdict'}, 'duplicate',
        "$_: the same again is a duplicate");
    $expected{$_}{verified}++;
    $expected{$_}{duplicate}++;
}

# --- counters ----------------------------------------------------------------

signed('/denied', $event);
sub by_webhook {
    my ($text, %got) = (status_text('text/plain'));
    $got{$1}{$2} = $3
        while $text =~ /^mspwh_requests_total\{webhook="([^"]*)",verdict="(\w+)"\} ([1-9]\d*)$/mg;
    return \%got;
}
metrics_when(1);
wait_until { eq_hash(by_webhook(), \%expected) };
is_deeply(by_webhook(), \%expected, 'each request is counted once, by its webhook');
like(status_text('text/plain'),
    qr/^mspwh_requests_without_verdict_total\{webhook="acme",cause="unchecked"\} 1$/m,
    '... or without a verdict');
my $matches = sub { status_text('text/plain') =~
    /^mspwh_key_matches_total\{webhook="$_[0]",key="current"\} (\d+)$/m ? $1 : 'none' };
is_deeply([map { $matches->($_) } qw(acme globex default)], [map {
    ($expected{$_}{verified} // 0) + ($expected{$_}{duplicate} // 0) } qw(acme globex default)],
    'one id in three webhooks is counted three times');

my $all = status_json('/status');
my $acme = status_json('/status?webhook=acme');
is($all->{requests}{duplicate}, 3, 'JSON: all together');
is_deeply([@$acme{qw(webhook)}, @{ $acme->{requests} }{qw(verified duplicate bad_signature)}],
    ['acme', @{ $expected{acme} }{qw(verified duplicate bad_signature)}], 'JSON: of one');
is_deeply([map { "$_->{webhook} $_->{configured}" } sort { $a->{webhook} cmp $b->{webhook} }
    @{ $all->{webhooks} }], ['acme 1', 'default 1', 'globex 1'], 'JSON: the names');
is_deeply([map { $_->{webhook} } @{ $acme->{keys} }], ['acme'], 'JSON: the secrets of one');

# --- names that come and go --------------------------------------------------

# Each configuration has 60 names of its own: in total, more than there is room for.
for my $round (1 .. 4) {
    my $names = join "\n", map { "location /r$_ { mspwh_webhook r$round-$_; return 200; }" } 1 .. 60;
    ok(reload(conf($names)), "reload $round, with 60 other names");
}
wait_until { workers() == $MspwhTest::Workers };
my $json = status_json('/status');
is(scalar(grep { $_->{configured} } @{ $json->{webhooks} }), 63, 'the names of this configuration');
cmp_ok(scalar(@{ $json->{webhooks} }), '<=', 130, 'at most as many of former ones');
is_deeply(by_webhook(), \%expected, 'those that are always there have kept their counters');

ok(stop(), 'nginx stops in time');
done_testing();
