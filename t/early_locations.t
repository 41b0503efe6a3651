# Locations chosen by a predicate, and json_set, of a nginx that reads the body early.

use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use Test::More;
use MspwhTest;

my $name = 'X-Webhook-Signature';

all_needs(version => '1.31.5');

# An nginx without predicates takes such a name for a prefix, and does not match "/a" below it.
plan(skip_all => 'needs nginx 1.31.5 with predicate locations')
    if (config_test('server { location $uri { location /a { } } }'))[0];

my $json = !defined lacks(module => 'http_json_module');
my $http = <<'CONF';
map $mspwh_event_type $created { ticket.created 1; }
map $mspwh_event_type $note { ~^ticket\.note\. 1; }
map $mspwh_entity $attachment { attachment 1; }
map $mspwh_verdict $bad { bad_signature 1; }
map $mspwh_verdict $good { verified 1; }
CONF
$http .= <<'CONF' if $json;
json_set $lane $request_body lane;
map $lane $fast { fast 1; }
map $lane $guarded { guarded 1; }
CONF

# A location that tells the backend which one it is.
sub lane { "proxy_set_header X-Lane $_[0]; proxy_pass http://%%A%%;" }
my $by_json = $json ? 'location $fast { ' . lane('fast') . ' }' : '';

start_http(<<"CONF");
$http
mspwh_dedup_zone zone=events:1m;
server {
    listen 127.0.0.1:%%PORT%%;
@{[VARS]}
    client_body_early_read 1;
    mspwh on;
    mspwh_secret "%%SECRET%%" id=server;
    location / { @{[lane('prefix')]} }
    location = /exact { @{[lane('exact')]} }
    location /nested {
        @{[lane('nested')]}
        location \$created { @{[lane('nested-created')]} }
    }
    location \$bad { mspwh off; @{[lane('bad')]} }
    location \$created { @{[lane('created')]} }
    location \$note {
        mspwh off;
        @{[lane('note')]}
        location /deep { @{[lane('note-deep')]} }
    }
    location \$attachment {
        mspwh_secret other;
        mspwh_secret "%%SECRET%%" id=attachment;
        mspwh_dedup zone=events;
        @{[lane('attachment')]}
    }
    $by_json
}
server {
    listen 127.0.0.1:%%PORT_other%%;
@{[VARS]}
    client_body_early_read 1;
    mspwh on;
    mspwh_secret "%%SECRET%%" id=server;
    location / { @{[lane('prefix')]} }
    location \$good { mspwh_secret other id=other; @{[lane('good')]} }
}
server {
    listen 127.0.0.1:%%PORT_late%%;
@{[VARS]}
    mspwh on;
    mspwh_secret "%%SECRET%%" id=server;
    location / { @{[lane('prefix')]} }
    location \$created { @{[lane('created')]} }
}
server {
    listen 127.0.0.1:%%PORT_location%%;
@{[VARS]}
    client_body_early_read 1;
    @{[$json ? 'location $guarded { mspwh on; mspwh_secret "%%SECRET%%"; ' . lane('guarded') . ' }' : '']}
    location / { @{[lane('open')]} }
}
CONF

my $n = 0;
sub event { return sprintf '{"eventType":"%s","entityId":%d,"TicketId":7%s}', $_[0], ++$n, $_[1] // '' }

sub deliver {
    my ($port, $path, $body, $secret) = @_;
    my $r = request(port => $port, path => $path, body => $body, headers => [$name => sign($secret, $body)]);
    my @seen = map { $_->{sha256} eq sha256_hex($body) ? $_->{header}{'x-lane'} : 'changed' } records();
    clear_records();
    return ($r->{status}, @{ $r->{header} }{qw(x-verdict x-key)}, @seen);
}

for my $size (0, 20_000, 3_000_000) {
    my $more = ',"Details":"' . 'x' x $size . '"';
    for (['ticket.created', '/x', 'server', 'created'], ['NoteAdded', '/x', 'server', 'note'],
        ['NoteAdded', '/deep', 'server', 'note-deep'], ['ticket.created', '/exact', 'server', 'exact'],
        ['ticket.created', '/nested', 'server', 'nested-created'],
        ['ticket.updated', '/nested', 'server', 'nested'], ['ticket.updated', '/x', 'server', 'prefix'],
        ['ticket.attachment.created', '/x', 'attachment', 'attachment']) {
        my ($type, $path, $id, $lane) = @$_;
        my $body = event($type, $more);
        my $what = "$type to $path, $size bytes";
        is_deeply([deliver('main', $path, $body, SECRET)], [200, 'verified', $id, $lane], $what);
        is_deeply([deliver('main', $path, $body, 'forged')], [401, 'bad_signature', undef],
            '... forged: nowhere');
    }
}
is_deeply([deliver('main', '/x', '{}', SECRET)], [400, 'malformed_payload', 'server'],
    'no event: 400');

my $repeat = event('ticket.attachment.created');
is_deeply([map { [deliver('main', '/x', $repeat, SECRET)]->[1] } 1, 2], ['verified', 'duplicate'],
    'mspwh_dedup of a location that a predicate has chosen');

# A location with other secrets verifies again.
my $body = event('ticket.created');
is_deeply([deliver('other', '/', $body, SECRET)], [401, 'bad_signature', undef],
    'chosen by the verdict, and refused by the secrets of the location');
is_deeply([deliver('other', '/', $body, 'other')], [401, 'bad_signature', undef],
    '... where only what the server lets through comes');

SKIP: {
    needs(module => 'http_json_module');
    my $fast = event('ticket.updated', ',"lane":"fast"');
    is_deeply([deliver('main', '/x', $fast, SECRET)], [200, 'verified', 'server', 'fast'],
        'json_set chooses the location');
    is_deeply([deliver('main', '/x', $fast, 'forged')], [401, 'bad_signature', undef], '... forged: nowhere');
    my $guarded = event('ticket.updated', ',"lane":"guarded"');
    is_deeply([deliver('location', '/', $guarded, SECRET)], [200, 'verified', 1, 'guarded'],
        'json_set leads to the one location that verifies');
    is_deeply([deliver('location', '/', $guarded, 'forged')], [401, 'bad_signature', undef],
        '... which refuses what is forged');
    is_deeply([deliver('location', '/', $fast, 'forged')], [200, undef, undef, 'open'],
        '... and no other does');
}

# Without client_body_early_read, no event chooses a location, and nginx says why.
is_deeply([deliver('late', '/x', $body, SECRET)], [200, 'verified', 'server', 'prefix'],
    'read late: no predicate on the event is true');
my @told = log_matches(qr/\[warn\].* mspwh: "\$mspwh_event_type" is used before the body is read/);
is(@told, 1, '... which is logged');

ok(stop(), 'nginx stops in time');

done_testing();
