# Deliveries over HTTP/3, sent by curl.

use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use POSIX qw(_exit);
use Test::More;
use Time::HiRes qw(sleep);
use MspwhTest;
use MspwhMetrics;

all_needs(module => 'http_v3_module');
all_needs(curl => 'HTTP3');

my ($cert, $key) = tls_files();
my $name = 'X-Webhook-Signature';

# reuseport: all packets of a connection reach the same worker
my $http = <<"CONF";
mspwh_dedup_zone zone=events:1m;
log_format answer '\$server_protocol \$status \$sent_http_x_verdict';
access_log %%DIR%%/answers.log answer;
server {
    listen 127.0.0.1:%%PORT%%;
    listen 127.0.0.1:%%PORT_quic%% quic reuseport;
    ssl_certificate $cert;
    ssl_certificate_key $key;
    @{[VARS]}
    mspwh on;
    mspwh_secret "%%SECRET%%";
    location / { proxy_pass http://%%A%%; }
    location /small { client_max_body_size 1m; proxy_pass http://%%A%%; }
    location /memory { client_body_buffer_size 64m; proxy_pass http://%%A%%; }
    location /unbuffered { proxy_request_buffering off; proxy_pass http://%%A%%; }
    location /dedup { mspwh_dedup zone=events; proxy_pass http://%%A%%; }
    location /spool { mspwh_spool spool; }
    location /other { mspwh_secret other; proxy_pass http://%%A%%; }
    location /redirected { try_files /none /other/x; }
    location /monitor { mspwh monitor; proxy_pass http://%%A%%; }
    location = /status { mspwh_status; }
}
server {
    listen 127.0.0.1:%%PORT_quic%% quic;
    server_name other.test;
    ssl_certificate $cert;
    ssl_certificate_key $key;
    http3 off;
    mspwh_secret "%%SECRET%%";
    error_page 421 = /empty;
    location /empty { mspwh on; mspwh_malformed pass; proxy_pass http://%%A%%; }
}
CONF
start_http($http);

sub event {
    return '{"eventType":"Ticket created","entityId":17,"Details":"' . 'x' x $_[0]
        . '","AdditionalFields":[]}';
}
sub signature { my ($body, $secret) = @_; return ('-H', "$name: " . sign($secret // SECRET, $body)) }
sub arguments {
    my ($path, $file, @options) = @_;
    return ('-sSk', '--http3-only', '-m', 30, '-o', '/dev/null', '-H', 'Expect:', '-H',
        'Content-Type: application/json',
        '--data-binary', "\@$file", '-w', '%{http_version} %{http_code} %header{x-verdict} %header{x-eid}\n',
            @options,
        'https://127.0.0.1:' . port('quic') . $path);
}

# Returns what curl saw, and what the backend has received meanwhile.
sub deliver {
    my ($path, $body, @options) = @_;
    my (undef, $text) = run('curl', arguments($path, write_file('body', $body), @options));
    note($1) while $text =~ s/^(curl: .*)\n//m;
    my @had = map { "$_->{method} $_->{sha256}" } records();
    clear_records();
    return [map({ s/ +$//r } split /\n/, $text), @had];
}

# For answers before the end of the body. curl with OpenSSL's QUIC may stop, as it is told to, before it has
# read the answer, also with answers of nginx itself: then nginx's log tells.
my $reads_early = !defined lacks(curl => 'ngtcp2');

sub deliver_early {
    my $before = length slurp(dir() . '/answers.log');
    my ($seen, @had) = @{ deliver(@_) };
    return [$seen, @had] if $reads_early;
    my $answer = '';
    for (1 .. 100) {
        $answer = substr slurp(dir() . '/answers.log'), $before;
        last if $answer =~ /\n\z/;
        sleep 0.01;
    }
    return [$answer =~ s{^HTTP/3\.0}{3}r =~ s/( -)?\n\z//r, @had];
}

sub had { return 'POST ' . sha256_hex($_[0]) }

# --- verdicts --------------------------------------------------------------------

for my $path (qw(/ /memory /unbuffered)) {
    for my $size (0, 1, 16384, 65535, 1_000_000, 20 << 20) {
        my $body = event($size);
        my $what = "$path, " . length($body) . ' bytes';
        is_deeply(deliver($path, $body, signature($body)), ['3 200 verified 17', had($body)],
            "$what: verified, and passed on whole");
    }
    my $body = event(200_000);
    (my $changed = $body) =~ s/x/y/;
    is_deeply(deliver($path, $changed, signature($body)), ['3 401 bad_signature'],
        "$path: a changed byte is found");
}

my $body = event(300);
is_deeply(deliver_early('/', $body), ['3 401 no_signature'], 'no signature');
SKIP: {
    skip lacks(curl => 'ngtcp2'), 1 if !$reads_early;
    is_deeply(deliver('/', $body, '-w', '%header{www-authenticate}\n'), ['HMAC-SHA256 realm="webhook"'],
        '... the answer names the scheme');
}
is_deeply(deliver_early('/', $body, '-H', "$name: x"), ['3 401 malformed_signature'],
    'an invalid signature');
is_deeply(deliver_early('/', $body, signature($body), signature($body)), ['3 401 malformed_signature'],
    'two of them');
is_deeply(deliver('/', $body, signature($body, 'other')), ['3 401 bad_signature'], 'another secret');
is_deeply(deliver('/', '{}', signature('{}')), ['3 400 malformed_payload'], 'no event');
is_deeply(deliver('/', '', signature('')), ['3 400 malformed_payload'], 'no body');
is_deeply(deliver('/redirected', $body, signature($body)), ['3 401 bad_signature'],
    'redirected to a location with another secret');
is_deeply(deliver('/monitor', $body), ['3 200 no_signature 17', had($body)], 'monitor lets it through');
is_deeply(deliver_early('/small', event(2_000_000), signature($body)), ['3 413'], 'too large');

# rejected before nginx has looked for a body, whose signature is that of none
is_deeply(deliver_early('/', 'hello', '-H', 'Host: other.test', '-H', 'Content-Length:', signature('')),
    ['3 401'], 'a header that nginx rejects: its body is not the empty one');

# --- ways to send it --------------------------------------------------------------

is_deeply(deliver('/', $body, signature($body), '-H', 'Content-Length:'), ['3 200 verified 17', had($body)],
    'no length is announced');
is_deeply(deliver('/', $body, '-H', lc($name) . ': ' . sign(SECRET, $body)),
    ['3 200 verified 17', had($body)], 'the name of the header in small letters');
{
    my $file = write_file('body', $body);
    my @three = map { ('--next', arguments('/', $file, signature($body, $_))) } SECRET, 'other', SECRET;
    shift @three;
    my (undef, $text) = run('curl', @three);
    $text =~ s/ +$//mg;
    is($text, "3 200 verified 17\n3 401 bad_signature\n3 200 verified 17\n", 'three on one connection');
    is(scalar(records()), 2, '... two go on');
    clear_records();
}

is_deeply(deliver('/dedup', $body, signature($body)), ['3 200 verified 17', had($body)],
    'mspwh_dedup: the first');
is_deeply(deliver('/dedup', $body, signature($body)), ['3 200 duplicate 17'], '... and its repeat');
my $large = event(2_000_000);
is_deeply(deliver('/spool', $large, signature($large)), ['3 202 verified 17'], 'mspwh_spool');
is_deeply([map { -s } grep { !/\.headers$/ } glob dir() . '/spool/*'], [length $large], '... it is there');

# --- before the body, and without all of it ------------------------------------------

$large = event(20 << 20);
is_deeply(deliver_early('/', $large, '--limit-rate', '2M', '-m', 8), ['3 401 no_signature'],
    'no signature: refused while the body is being sent, and not after its ten seconds');

sub gone { return metrics()->{'mspwh_requests_without_verdict_total{cause="client"}'} }
my $before = gone();
for my $path ('/', '/monitor') {
    is_deeply(deliver($path, $large, signature($large), '--limit-rate', '2M', '-m', 3), ['0 000'],
        "$path: gone before the end of the body");
}
wait_until { gone() == $before + 2 };
is(gone() - $before, 2, '... both are counted');
is(scalar(records()), 0, '... and nothing is passed on');

# a connection does not outlive its worker
sub reload_and_wait {
    my %old = map { $_ => 1 } workers();
    ok(reload(@_), 'reload');
    wait_until { !grep { $old{$_} } workers() };
}

# the client is silent: the connection ends once it has been silent for the idle timeout
reload_and_wait("keepalive_timeout 1s;\n$http");
$before = gone();
for my $path ('/', '/monitor') {
    my $seen = length error_log();
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        open STDOUT, '>', '/dev/null';
        exec 'curl', arguments($path, write_file('body', $large), signature($large), '--limit-rate', '2M')
            or _exit(127);
    }
    my $begun = 0;
    for (1 .. 10) { last if $begun = log_matches('buffered to a temporary file', $seen) }
    kill KILL => $pid;
    waitpid $pid, 0;
    is_deeply([$begun, $? & 127], [1, 9], "$path: killed before the end of the body");
}
wait_until { gone() == $before + 2 };
is(gone() - $before, 2, '... both are counted, and as what they are');
is(scalar(records()), 0, '... and nothing is passed on');

reload_and_wait();
is_deeply(deliver('/', $body, signature($body)), ['3 200 verified 17', had($body)], '... deliveries go on');

ok(stop(), 'nginx stops in time');
unlike(error_log(), qr/\[(?:alert|crit|emerg)\]/, 'nothing alarming in the log');

done_testing();
