# mspwh_dedup tells events apart by the value of key= and by the method.

use strict;
use warnings;
use Test::More;
use MspwhTest;

my $name = 'X-Webhook-Signature';
my $dead = port('dead');

start_http(<<"CONF");
mspwh_dedup_zone zone=events:1m;
mspwh_dedup_zone zone=others:1m;
server {
    listen 127.0.0.1:%%PORT%%;
    @{[listen_http2('h2')]}
@{[VARS]}
    mspwh on;
    mspwh_secret "%%SECRET%%";
    mspwh_set \$k /k;
    mspwh_dedup zone=events key=\$k;
    location / { proxy_pass http://%%A%%; }
    location /default { mspwh_dedup zone=events; proxy_pass http://%%A%%; }
    location /written { mspwh_dedup zone=events key=\$mspwh_delivery_id; proxy_pass http://%%A%%; }
    location /other { mspwh_dedup zone=others key=\$k; proxy_pass http://%%A%%; }
    location /two { mspwh_dedup zone=events key=\$mspwh_entity_id-\$k; proxy_pass http://%%A%%; }
    location /named { error_page 502 = \@named; proxy_pass http://127.0.0.1:$dead; }
    location \@named { mspwh_dedup zone=events key=\$mspwh_ticket_id; proxy_pass http://%%B%%; }
    location /uri { error_page 502 = /b; proxy_pass http://127.0.0.1:$dead; }
    location /only { mspwh_dedup off; error_page 502 = /b; proxy_pass http://127.0.0.1:$dead; }
    location /b { proxy_pass http://%%B%%; }
    location /monitor { mspwh monitor; proxy_pass http://%%A%%; }
}
CONF

my $n = 0;
sub event {
    my %with = @_;
    return join ',', '{"eventType":"ticket.created"', (map { qq("$_":"$with{$_}") } keys %with),
        '"entityId":' . ++$n . '}';
}
sub ask {
    my ($path, $body, %o) = @_;
    return request(path => $path, body => $body, headers => [$name => sign(SECRET, $body)], %o);
}
sub by { my ($method, @rest) = @_; return ask(@rest, method => $method)->{header}{'x-verdict'} }
sub verdicts { my ($path, @events) = @_; return join ' ', map { by('POST', $path, $_) } @events }
sub seen { my @all = records(); clear_records(); return join ' ', map { "$_->{backend}$_->{uri}" } @all }

# --- the method

my $body = event();
is(by('GET', '/default', $body), 'verified', 'a captured event is sent as GET');
is(by('POST', '/default', $body), 'verified', '... the real POST is passed on all the same');
is(seen(), 'A/default A/default', '... to the upstream');
is(join(' ', map { by($_, '/default', $body) } qw(GET POST PUT)), 'duplicate duplicate verified',
    '... and each method has repeats of its own');
seen();

# --- the key

is(verdicts('/', event(k => 'a'), event(k => 'a'), event(k => 'b'), event(k => 'A'), event(k => 'a ')),
    'verified duplicate verified verified verified', 'events with the same key are repeats');
is(seen(), 'A/ A/ A/ A/', '... and are not passed on');
is(verdicts('/other', event(k => 'a'), event(k => 'a')), 'verified duplicate', 'a zone has keys of its own');
is(by('GET', '/', event(k => 'a')), 'verified', 'the method counts with a key, too');
is(verdicts('/monitor', event(k => 'a'), event(k => 'c'), event(k => 'c')), 'duplicate verified duplicate',
    'in monitor mode, only the verdict shows it');
seen();

$body = event(k => 'd');
is(verdicts('/default', $body, $body, event(k => 'd')), 'verified duplicate verified',
    'the default: any other byte makes another event');
is(verdicts('/written', $body), 'duplicate', '... as with $mspwh_delivery_id for a key');
is(verdicts('/', $body), 'verified', '... and not as with another key');
is(verdicts('/two', event(k => 'x'), event(k => 'x')), 'verified verified',
    'a key of two variables: one differs');
my $same = event(k => 'x');
is(verdicts('/two', $same, $same =~ s/ticket.created/ticket.updated/r, $same =~ s/"x"/"y"/r),
    'verified duplicate verified', '... none does, the other does');
seen();

is(verdicts('/', ($body = event()) x 2, event(k => '')), 'verified verified verified',
    'an event with an empty key is not remembered');
is(seen(), 'A/ A/ A/', '... and passes each time');
my $long = 'x' x 1000;
is(verdicts('/', event(k => $long), event(k => $long), event(k => "${long}y")), 'verified duplicate verified',
    'all of a long key counts');
seen();

# --- a request is no repeat of itself

is(verdicts('/named', event(k => 'n1', TicketId => 't1')), 'verified',
    'a fallback with another key: delivered');
is(seen(), 'B/named', '... once');
is(verdicts('/', event(k => 'n1')), 'duplicate', '... the first key is remembered');
is(verdicts('/named', event(k => 'n2', TicketId => 't1')), 'duplicate', '... and the second one');
is(verdicts('/named', event(k => 'n2', TicketId => 't2')), 'duplicate',
    '... with the answer of the fallback, all of its claims are delivered');
is(verdicts('/named', event(k => 'n3', TicketId => 't2')), 'verified', '... but nothing it did not come to');
seen();

$body = event(k => 'u1');
is(ask('/uri', $body)->{status}, 200, 'a fallback with the same key, where nginx has made GET of POST');
is(seen(), 'B/b', '... once');
is(verdicts('/', $body), 'duplicate', '... a repeat is one');
is(by('GET', '/', $body), 'verified', '... and nothing is remembered of a GET');
$body = event(k => 'u2');
is(ask('/only', $body)->{status}, 200, 'the same where only the fallback remembers');
is(verdicts('/', $body), 'duplicate', '... it has remembered a POST');
seen();
SKIP: {
    needs(module => 'http_v2_module');
    needs(curl => 'HTTP2');
    $body = event(k => 'h2');
    my @curl = ('curl', '-s', '-m', 10, '--http2-prior-knowledge', '-w', '%{http_version} %{http_code} ',
        '-o', '/dev/null', '-H', "$name: " . sign(SECRET, $body),
        '--data-binary', '@' . write_file('body.json', $body), 'http://127.0.0.1:' . port('h2') . '/only');
    is((run(@curl))[1], '2 200 ', 'HTTP/2');
    is(join(' ', map { by($_, '/', $body) } qw(POST GET)), 'duplicate verified', '... has the same methods');
}

ok(stop(), 'nginx stops in time');

done_testing();
