# mspwh_status: the recent deliveries, and each minute of the last day.

use strict;
use warnings;
use Digest::SHA qw(hmac_sha256_hex);
use POSIX qw(strftime);
use Test::More;
use Time::HiRes qw(sleep time);
use MspwhEvents qw(event);
use MspwhMetrics;
use MspwhTest;

use constant SIGNATURE => 'X-Webhook-Signature';

for (['mspwh_recent x;', 'invalid number "x"'], ['mspwh_recent -1;', 'invalid number "-1"'],
    ['mspwh_recent 10001;', 'it must be from 0 to 10000'], ['mspwh_recent 5; mspwh_recent 6;', 'duplicate'])
{
    my ($lines, $words) = @$_;
    my ($rc, $text) = config_test("$lines server { listen 127.0.0.1:%%PORT%%; }");
    isnt($rc, 0, "refused: $lines");
    like($text, qr/\[emerg\].*mspwh_recent.*test\.conf:\d+/, '... naming the directive');
    like($text, qr/\Q$words\E/, "... and $words");
}
isnt((config_test('server { listen 127.0.0.1:%%PORT%%; mspwh_recent 5; }'))[0], 0, 'refused in a server');

my $dead = port('dead');
sub conf {
    my $recent = shift;
    return <<"CONF";
$recent
server {
    listen 127.0.0.1:%%PORT%%;
    client_max_body_size 1m;
    mspwh on;
    mspwh_secret "%%SECRET%%" id=current;
    location / { proxy_pass http://%%A%%; }
    location /acme { mspwh_webhook acme; proxy_pass http://%%A%%; }
    location /dead { proxy_pass http://127.0.0.1:$dead; }
    location /safe { error_page 502 = \@spool; proxy_pass http://127.0.0.1:$dead; }
    location \@spool { mspwh_spool %%DIR%%/spool; }
    location /monitor { mspwh monitor; proxy_pass http://%%A%%; }
    location /pass { mspwh_malformed pass; proxy_pass http://%%A%%; }
    location /only { mspwh_accept ticket.note.*; proxy_pass http://%%A%%; }
    location /denied { deny all; }
    location /status { mspwh off; mspwh_status; }
}
CONF
}
start_http(conf(''));

sub recent {
    my ($n, $more) = @_;
    return status_json("/status?recent=$n" . ($more // ''))->{recent};
}

# Returns the newest delivery, once there are so many.
my $sent = 0;
sub after {
    my ($what, $answer) = @_;
    $sent++;
    wait_until { @{ recent(10000) } >= $sent };
    is(scalar @{ recent(10000) }, $sent, "$what: one more");
    return recent(1)->[0];
}

is(status_json('/status')->{recent}, undef, 'not asked for: none');
is_deeply(recent(10), [], 'asked for: none yet');

# --- one by one ------------------------------------------------------------------

my $event = event('ticket.note.added', 2000);
my $id = substr hmac_sha256_hex($event, SECRET), 0, 16;
my %always = (webhook => 'default', client => '127.0.0.1', spooled => 0, streamed => 0, attempt => 1,
    anomalies => []);
my %of_event = (type => 'ticket.note.added', entity_id => '5', ticket_id => '5',
    anomalies => ['unexpected_details', 'missing_description']);
my %of_key = (key_id => 'current', delivery_id => $id);
my @none = qw(type entity_id ticket_id key_id delivery_id upstream upstream_status upstream_ms verdict
    reason);
my $backend = expand('%%A%%');

sub shows {
    my ($what, $send, %want) = @_;
    my $began = time;
    $send->();
    my $got = after($what);
    my ($time, $duration, $number) = delete @$got{qw(time duration_ms number)};
    my $upstream_ms = delete $got->{upstream_ms};
    is(defined $upstream_ms, defined $want{upstream}, '... a time of the upstream if there is one');
    $_ = $_ ? 1 : 0 for @$got{qw(spooled streamed)};
    is_deeply($got, { (map { $_ => undef } grep { $_ ne 'upstream_ms' } @none), %always, %want }, "... $what")
        or diag explain $got;
    is($number, $sent, '... numbered');
    like($time, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, '... with a time');
    cmp_ok($time, 'ge', strftime('%FT%T', gmtime $began - 1), '... of now');
    ok($duration >= 0 && $duration < 60_000, '... and how long it took');
}
my %taken = (status => 200, upstream => $backend, upstream_status => 200);
my $n = length $event;
shows('verified', sub { signed('/', $event) }, verdict => 'verified', bytes => $n, %of_event, %of_key,
    %taken);
shows('of another webhook', sub { signed('/acme', $event) }, verdict => 'verified', bytes => $n, %of_event,
    %of_key, %taken, webhook => 'acme');
shows('refused by the upstream', sub { signed('/status/503'=~s/^/\/acme/r, $event) }, verdict => 'verified',
    bytes => $n, %of_event, %of_key, %taken, webhook => 'acme', status => 503, upstream_status => 503);
shows('no upstream', sub { signed('/dead', $event) }, verdict => 'verified', bytes => $n, %of_event,
    %of_key, status => 502, upstream => "127.0.0.1:$dead");
shows('put on disk', sub { signed('/safe', $event) }, verdict => 'verified', bytes => $n, %of_event,
    %of_key, status => 202, upstream => "127.0.0.1:$dead", spooled => 1);
shows('redelivered', sub { signed('/', $event, 'X-Mspwh-Attempt' => 3) }, verdict => 'verified', bytes => $n,
    %of_event, %of_key, %taken, attempt => 3);
shows("an attempt of \"$_\"", sub { signed('/', $event, 'X-Mspwh-Attempt' => $_) }, verdict => 'verified',
    bytes => $n, %of_event, %of_key, %taken) for 'x', '0', '-1', '1e3', '12345678901234567890';
shows('not accepted', sub { signed('/only', event('ticket.created')) }, verdict => 'not_accepted',
    bytes => length event('ticket.created'), key_id => 'current', status => 204,
    delivery_id => substr(hmac_sha256_hex(event('ticket.created'), SECRET), 0, 16), type => 'ticket.created',
    entity_id => '5', ticket_id => '5');
shows('forged', sub { post('/', $event, SIGNATURE, sign('x', $event)) }, verdict => 'bad_signature',
    reason => 'mismatch', bytes => $n, status => 401);
shows('forged, let through', sub { post('/monitor', $event, SIGNATURE, sign('x', $event)) }, bytes => $n,
    verdict => 'bad_signature', reason => 'mismatch', %of_event, %taken);
shows('unsigned, chunked', sub { request(path => '/', body => $event, chunked => 100) }, status => 401,
    verdict => 'no_signature', reason => 'header_missing', bytes => undef);
shows('malformed', sub { signed('/', '{}') }, verdict => 'malformed_payload', reason => 'no_event_type',
    bytes => 2, status => 400, key_id => 'current',
    delivery_id => substr hmac_sha256_hex('{}', SECRET), 0, 16);
shows('denied', sub { signed('/denied', $event) }, status => 403, reason => 'unchecked', bytes => $n);
shows('too large', sub { request(path => '/', body => 'x' x 1_100_000, headers => [SIGNATURE,
    sign(SECRET, 'x')]) }, status => 413, reason => 'too_large', bytes => 1_100_000);

unlike(status_text('application/json', '/status?recent=100'), qr/\Q${\sign(SECRET, $event)}\E|dddd/,
    'no signature and nothing of a body');

# --- asked for -------------------------------------------------------------------

is(scalar @{ recent(3) }, 3, 'at most so many');
is_deeply([map { $_->{number} } @{ recent(3) }], [$sent, $sent - 1, $sent - 2], 'newest first');
is(scalar @{ recent(100, '&webhook=acme') }, 2, 'of a webhook');
is_deeply([map { $_->{verdict} } @{ recent(100, '&verdict=bad_signature') }], [('bad_signature') x 2],
    'of a verdict');
signed('/', event('ticket.created') =~ s/"TicketId":5/"TicketId":"a~b:7"/r);
after('another ticket');
is(scalar @{ recent(100, '&ticket=a~b:7') }, 1, 'of a ticket');
is(scalar @{ recent(100, '&ticket=a%7Eb%3A7') }, 1, '... encoded');
is(scalar @{ recent(100, '&ticket=a') }, 0, '... but not of the beginning of its id');
is(status_json('/status?recent=x')->{recent}, undef, 'no number: none');

# --- minutes ---------------------------------------------------------------------

sub totals {
    my %sum;
    for my $minute (@{ status_json("/status?history=1440$_[0]")->{history} }) {
        $sum{$minute->{webhook} // 'all'}{$_} += $minute->{$_}
            for qw(verified rejected failed spooled duplicate);
    }
    return \%sum;
}
my $late = status_json('/status?history=2')->{history};
like($late->[-1]{time}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:00Z$/, 'a minute begins at its start');
my $verified = grep { $_->{verdict} && $_->{verdict} eq 'verified' } @{ recent(100) };
my %default = (verified => $verified - 2, rejected => 3, failed => 1, spooled => 1, duplicate => 0);
my %acme = (verified => 2, rejected => 0, failed => 1, spooled => 0, duplicate => 0);
is_deeply(totals(''), { default => \%default, acme => \%acme }, 'what came, by webhook');
is_deeply(totals('&webhook=acme'), { acme => \%acme }, '... of one');
is_deeply(totals('&sum=1'), { all => { map { $_ => $default{$_} + $acme{$_} } keys %acme } }, '... of all');
is(status_json('/status')->{history}, undef, '... if asked for');

# --- over reloads ----------------------------------------------------------------

sub numbers { return [map { $_->{number} } @{ recent(10000) }] }
ok(reload_and_settle(conf('')), 'reload');
is_deeply(numbers(), [reverse 1 .. $sent], 'a reload keeps them');
ok(reload_and_settle(conf('mspwh_recent 4;')), 'reload with fewer');
is_deeply(numbers(), [reverse $sent - 3 .. $sent], 'the last four are there');
signed('/', $event) for 1 .. 2;
wait_until { numbers()->[0] == $sent + 2 };
$sent += 2;
is_deeply(numbers(), [reverse $sent - 3 .. $sent], 'new ones take their places');
ok(reload_and_settle(conf('mspwh_recent 1000;')), 'reload with more');
is_deeply(numbers(), [reverse $sent - 3 .. $sent], 'the four are still there');
is_deeply(totals('&webhook=acme'), { acme => \%acme }, '... as is the history');
ok(reload_and_settle(conf('mspwh_recent 0;')), 'reload with none');
signed('/', $event);
is_deeply(numbers(), [], 'there are none');

ok(stop(), 'nginx stops in time');
done_testing();
