# mspwh_accept: listed events are passed on, all others are answered 204.

use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use Test::More;
use MspwhEvents qw(event seen settled shown);
use MspwhTest;

my $dead = port('dead');
start_http(<<"CONF");
server {
    listen 127.0.0.1:%%PORT%%;
    @{[listen_http2('h2')]}
    error_log %%DIR%%/info.log info;
    @{[VARS]}
    mspwh on;
    mspwh_secret "%%SECRET%%";

    location / { proxy_pass http://%%A%%; }
    location /one { mspwh_accept ticket.created; proxy_pass http://%%A%%; }
    location /prefix {
        mspwh_accept ticket.note.* ticket.deleted; mspwh_accept ticket.response.added;
        proxy_pass http://%%A%%;
    }
    location /tickets { mspwh_accept ticket.*; proxy_pass http://%%A%%; }
    location /unknown { mspwh_accept ticket.merged note.merged t%c3%a4st.created; proxy_pass http://%%A%%; }
    location /outer { mspwh_accept ticket.created; proxy_pass http://%%A%%;
        location /outer/in { proxy_pass http://%%A%%; }
        location /outer/own { mspwh_accept ticket.updated; proxy_pass http://%%A%%; }
        location /outer/all { mspwh_accept *; proxy_pass http://%%A%%; }
    }
    location /pass { mspwh_accept ticket.created; mspwh_malformed pass; proxy_pass http://%%A%%; }
    location /monitor {
        mspwh monitor; mspwh_accept ticket.created; proxy_pass http://%%A%%;
        proxy_set_header X-Verdict \$mspwh_verdict;
    }
    location /page { mspwh_accept ticket.created; error_page 400 401 404 = \@page; proxy_pass http://%%A%%; }
    location \@page { mspwh off; proxy_pass http://%%B%%; }

    # the list of the location that the request is in
    location /to_one { try_files /none /one/x; }
    location /created_to_all { mspwh_accept ticket.created; try_files /none /x; }
    location /monitor_to_one { mspwh monitor; mspwh_accept ticket.updated; try_files /none /one/x; }
    location /dead { error_page 502 = \@notes; proxy_pass http://127.0.0.1:$dead; }
    location \@notes { mspwh_accept ticket.note.*; proxy_pass http://%%B%%; }

    location /mirror { mirror /copy; proxy_pass http://%%A%%; }
    location = /copy { internal; mspwh_accept ticket.note.*; proxy_pass http://%%B%%; }
    location /auth { error_page 502 = \@asked; proxy_pass http://127.0.0.1:$dead; }
    location \@asked { auth_request /ask; proxy_pass http://%%A%%; }
    location = /ask {
        internal; mspwh_accept ticket.deleted; proxy_pass_request_body off;
        proxy_set_header Content-Length ""; proxy_pass http://%%B%%/status/403;
    }
}
CONF

my $name = 'X-Webhook-Signature';
sub info { open my $fh, '<', dir() . '/info.log' or die; return join '', <$fh> }

my %accepts = (
    '/one' => ['ticket.created'],
    '/prefix' => ['NoteAdded', 'ticket.note.deleted', 'Ticket note updated', 'Ticket note merged',
        'TicketDeleted', 'response.added'],
    '/tickets' => ['ticket created', 'NoteAdded', 'ResponseDeleted', 'AttachmentAdded', 'TicketMerged'],
    '/unknown' => ['TicketMerged', 'ticket merged', 'NoteMerged', "T\xc3\xa4st created"],
    '/outer' => ['ticket.created'], '/outer/in' => ['ticket.created'], '/outer/own' => ['ticket.updated'],
    '/outer/all' => ['ticket.created', 'ticket.updated', 'note merged'],
    '/' => ['ticket.created', 'ticket.updated', 'anything'],
);
my %not = (
    '/one' => ['ticket.updated', 'NoteAdded', 'TicketMerged', 'ticket.created.twice', 'created'],
    '/prefix' => ['ticket.created', 'ticket.note', 'TicketNotesAdded', 'ResponseDeleted', 'AttachmentAdded'],
    '/tickets' => ['invoice.created', 'note merged'],
    '/unknown' => ['ticket.created', 'NoteAdded', 'TicketNoteMerged', 'test created'],
    '/outer' => ['ticket.updated'], '/outer/in' => ['ticket.updated'], '/outer/own' => ['ticket.created'],
    '/outer/all' => [], '/' => [],
);
for my $path (sort keys %accepts) {
    for my $type (@{ $accepts{$path} }) {
        is_deeply(shown(signed($path, event($type)), 'verdict'), [200, 'verified'], "$path: $type goes on");
        is_deeply(seen(), ["A $path"], '... to the upstream');
    }
    for my $type (@{ $not{$path} }) {
        my $r = signed($path, event($type));
        is_deeply(shown($r, 'verdict', 'eid', 'key'), [204, 'not_accepted', '5', '1'],
            "$path: $type is answered 204");
        is($r->{header}{'content-type'}, undef, '... with no content');
        isnt($r->{header}{'x-type'}, undef, '... its type is known');
        is_deeply(seen(), [], '... and goes no further');
    }
}

# These are checked before: the signature, then the payload.
for my $path ('/one', '/monitor') {
    my $through = $path eq '/monitor';
    my $body = event('ticket.updated');
    my @cases = (
        ['bad_signature', 401, $body, $name => sign('x', $body)],
        ['no_signature', 401, $body],
        ['malformed_payload', 400, '{}', $name => sign(SECRET, '{}')],
        ['not_accepted', 204, $body, $name => sign(SECRET, $body)],
        ['verified', 200, event('ticket.created'), $name => sign(SECRET, event('ticket.created'))],
    );
    for (@cases) {
        my ($verdict, $status, $bytes, @headers) = @$_;
        $status = 200 if $through;
        is_deeply(shown(post($path, $bytes, @headers), 'verdict'), [$status, $verdict],
            "$path: $verdict, $status");
        my ($record) = records();
        is($record->{header}{'x-verdict'}, $verdict, '... the upstream is told') if $through;
        is_deeply(seen(), $status == 200 ? ["A $path"] : [], '... forwarded where it may');
    }
}
is(signed('/pass', '{}')->{status}, 200, 'mspwh_malformed pass: the list does not apply');
is(signed('/pass', event('ticket.updated'))->{status}, 204, 'mspwh_malformed pass: but it does to an event');
is(signed('/page', event('ticket.updated'))->{status}, 204, 'error_page does not apply');
seen();

# After a redirect the new location's list applies, to the same verdict.
my @redirects = (
    ['/to_one', 'ticket.created', 200, 'verified', ['A /one/x']],
    ['/to_one', 'ticket.updated', 204, 'not_accepted', []],
    ['/created_to_all', 'ticket.created', 200, 'verified', ['A /x']],
    ['/created_to_all', 'ticket.updated', 204, 'not_accepted', []],
    ['/monitor_to_one', 'ticket.created', 200, 'verified', ['A /one/x']],
    ['/monitor_to_one', 'ticket.updated', 204, 'not_accepted', []],
    ['/dead', 'NoteAdded', 200, 'verified', ['B /dead']],
    ['/dead', 'ticket.updated', 204, 'not_accepted', []],
);
for (@redirects) {
    my ($path, $type, $status, $verdict, $seen) = @$_;
    is_deeply(shown(signed($path, event($type)), 'verdict'), [$status, $verdict], "$path, $type: $status");
    is_deeply(seen(), $seen, '... forwarded where it may');
}

# Subrequests
is_deeply(shown(signed('/mirror', event('NoteAdded')), 'verdict'), [200, 'verified'],
    'mirror: a listed event');
is_deeply(settled(2), ['A /mirror', 'B /copy'], '... is mirrored');
is_deeply(shown(signed('/mirror', event('ticket.created')), 'verdict'), [200, 'verified'],
    'mirror: another event');
select undef, undef, undef, 0.2;
is_deeply(seen(), ['A /mirror'], '... is not mirrored, and is passed on');
SKIP: {
    needs(module => 'http_auth_request_module');
    is(signed('/auth', event('ticket.created'))->{status}, 403, 'auth_request: a 204 is not permission');
    is_deeply(seen(), ['B /status/403'], '... it is asked');
}

# The connection, methods, protocols
my $c = connection();
for my $status (204, 200, 204, 204, 200) {
    my $body = event($status == 204 ? 'ticket.updated' : 'ticket.created', 50_000);
    for my $chunked (0, 7000) {
        my $r = request(connection => $c, path => '/one', body => $body, chunked => $chunked,
            headers => [$name => sign(SECRET, $body)]);
        is($r->{status}, $status, "keepalive, chunked $chunked: $status");
        my @r = records();
        is($r[0]{sha256}, sha256_hex($body), '... byte for byte') if $status == 200;
        clear_records();
    }
}
{
    my $body = event('ticket.updated');
    my @headers = ($name => sign(SECRET, $body));
    my $c = connection();
    send_bytes($c, request_bytes(path => '/one', body => $body, headers => \@headers) x 3);
    is_deeply([map { read_response($c)->{status} } 1 .. 3], [204, 204, 204], 'pipelined');
    is(request(method => 'HEAD', path => '/one', body => $body, headers => \@headers)->{status}, 204, 'HEAD');
    is(request(method => 'GET', path => '/one', body => $body, headers => \@headers)->{status}, 204, 'GET');
    is(request(http => '1.0', path => '/one', body => $body, headers => \@headers)->{status}, 204,
        'HTTP/1.0');
}
SKIP: {
    needs(module => 'http_v2_module');
    needs(curl => 'HTTP2');
    for my $size (1, 100_000) {
        my $body = event('ticket.updated', $size);
        my $file = write_file('body.json', $body);
        my @curl = ('curl', '-s', '-m', 10, '--http2-prior-knowledge', '-H', "$name: " . sign(SECRET, $body),
            '--data-binary', "\@$file");
        my $url = 'http://127.0.0.1:' . port('h2') . '/one';
        my (undef, $text) = run(@curl, '-w', '%{http_version} %{http_code} %{size_download}', $url);
        is($text, '2 204 0', "HTTP/2, $size bytes");
    }
}
is_deeply(seen(), [], 'none of them was forwarded');

# The log
my $body = event('NoteAdded');
my $size = length $body;
signed($_, $body) for '/one', '/monitor';
for my $end ('', ', let through \(monitor\)') {
    my $line = "mspwh: not_accepted: ticket\\.note\\.added, body $size bytes$end, client";
    wait_until { info() =~ $line };
    like(info(), qr/\[info\] .*$line/, "a line at info: $line");
}
unlike(info(), qr/\[(?:warn|error)\].*not_accepted/, 'no rejection is logged');

ok(stop(), 'nginx stops in time');
unlike(error_log() . info(), qr/\[(alert|crit|emerg)\]/, 'nothing alarming in the log');

done_testing();
