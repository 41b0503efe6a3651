# mspwh_stream_pass: a verified request becomes an entry of a stream in a real store.

use strict;
use warnings;
use Digest::SHA qw(hmac_sha256_hex sha256_hex);
use JSON::PP qw(decode_json);
use MspwhEvents qw(event);
use MspwhStore;
use MspwhTest;
use Test::More;

all_need_store();

start_store('main');
start_store('replica');
start_store('small', maxmemory => '2mb', 'maxmemory-policy' => 'noeviction');

my $big = 'client_body_buffer_size 16k;';
my $conf = <<'CONF';
upstream store { server 127.0.0.1:%%PORT_store_main%% max_fails=0; keepalive 4; }
upstream both {
    server 127.0.0.1:%%PORT_store_replica%% max_fails=0;
    server 127.0.0.1:%%PORT_store_main%% max_fails=0;
    keepalive 4;
}
upstream mute {
    server 127.0.0.1:%%PORT_store_mute%% max_fails=0;
    server 127.0.0.1:%%PORT_store_main%% max_fails=0;
}
upstream nowhere {
    zone nowhere 64k;
    server 127.0.0.1:%%PORT_store_replica%% max_fails=0;
    server 127.0.0.1:%%PORT_dead%% fail_timeout=100;
}
upstream full { server 127.0.0.1:%%PORT_store_small%% max_fails=0; keepalive 4; }
mspwh_secret '%%SECRET%%' id=now;
server {
    listen 127.0.0.1:%%PORT%%;
    %%H2%%
    location /in { mspwh on; mspwh_stream_pass store key=mspwh; }
    location /file { mspwh on; client_body_in_file_only clean; mspwh_stream_pass store key=mspwh; }
    location /unsent { mspwh on; sendfile on; mspwh_stream_pass store key=mspwh; }
    location /key { mspwh on; mspwh_stream_pass store key=mspwh:$mspwh_entity; }
    location /nokey { mspwh on; mspwh_stream_pass store key=$arg_key; }
    location /nokey/kept { mspwh on; mspwh_stream_pass store key=$arg_key; error_page 502 = @kept; }
    location /copied { mspwh on; mspwh_stream_pass both key=mspwh replicas=1 wait=2s; }
    location /nowhere { mspwh on; mspwh_stream_pass nowhere key=mspwh; }
    location /mute { mspwh on; mspwh_stream_pass mute key=mspwh; }
    location /copies { mspwh on; mspwh_stream_pass store key=mspwh replicas=2 wait=100ms;
        error_page 504 = @kept; }
    location /plain504 { mspwh on; mspwh_stream_pass store key=mspwh replicas=2 wait=100ms; }
    location /full { mspwh on; mspwh_stream_pass full key=mspwh; error_page 502 = @kept; }
    location /pass { mspwh on; mspwh_malformed pass; mspwh_stream_pass store key=mspwh; }
    location /monitor { mspwh monitor; mspwh_stream_pass store key=mspwh; }
    location /unchecked { mspwh_stream_pass store key=mspwh; }
    location /acme { mspwh on; mspwh_webhook acme; mspwh_stream_pass store key=mspwh; }
    location /elsewhere {
        mspwh on; mspwh_stream_pass store key=mspwh replicas=2 wait=100ms; error_page 504 = @elsewhere;
    }
    location @elsewhere { mspwh on; return 202; }
    location /before { mspwh on; try_files /none /other; }
    location /other {
        mspwh on; mspwh_secret other; mspwh_secret '%%SECRET%%' id=now; mspwh_stream_pass store key=mspwh;
    }
    location = /status { mspwh_status json; }
    location /if { mspwh on; mspwh_stream_pass store key=mspwh; if ($arg_x) { set $x 1; } }
    location /wrong { mspwh on; mspwh_stream_pass store key=wrong; error_page 502 = @kept; }
    location @kept { mspwh on; mspwh_spool %%DIR%%/spool; }
    location /redirected { mspwh on; proxy_pass http://127.0.0.1:%%PORT_nobody%%; error_page 502 = @stream; }
    location @stream { mspwh on; mspwh_stream_pass store key=mspwh; }
}
CONF
my $h2 = defined lacks(module => 'http_v2_module') ? '' : listen_http2('h2');
start_http($conf =~ s/%%H2%%/$h2/r);

sub stream_status { return decode_json(request(method => 'GET', path => '/status')->{body})->{stream} }

sub added {
    my @entries = entries('main', $_[0] // 'mspwh');
    ask('main', 'DEL', $_[0] // 'mspwh');
    return @entries;
}

# --- an entry -----------------------------------------------------------------------------
{
    my $body = event('Ticket note added', 100);
    my @headers = ('Content-Type' => 'application/json; x', 'Content-Encoding' => 'none');
    my $r = signed('/in?a=b%20c', $body, @headers);
    is($r->{status}, 202, 'a signed event: 202');
    is($r->{header}{'mspwh-verdict'}, 'verified', '... with its verdict');
    is($r->{body}, '', '... and no body');
    my ($entry, @more) = added();
    is(scalar @more, 0, '... one entry is in the stream');
    like(delete $entry->{id}, qr/^\d+-\d+$/, '... with an id of the store');
    like(delete $entry->{received}, qr/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, '... when it came');
    is_deeply($entry, {
        type => 'ticket.note.added', entity => 'note', entity_id => 5, ticket_id => 5, webhook => 'default',
        delivery_id => hmac_sha256_hex($body, SECRET), key_id => 'now', content_type => 'application/json; x',
        signature => sign(SECRET, $body), method => 'POST', uri => '/in?a=b%20c', host => 'localhost',
        content_encoding => 'none', body => $body,
    }, '... and all that it takes to send it again');
}
is(post('/in', event('Ticket created'), 'X-Webhook-Signature' => sign('other', 'x'))->{status}, 401,
    'another signature: 401');
is(post('/in', event('Ticket created'))->{status}, 401, 'none: 401');
is(signed('/in', '{"x":1}')->{status}, 400, 'no event: 400');
is(post('/monitor', event('Ticket created'))->{status}, 403, 'unsigned, in monitor mode: 403');
is(post('/unchecked', event('Ticket created'))->{status}, 403, 'unchecked: 403');
is_deeply([added()], [], '... and nothing of them is in the stream');
{
    is(signed('/pass', 'no JSON')->{status}, 202, 'not an event, with mspwh_malformed pass: 202');
    my ($entry) = added();
    is_deeply([@$entry{qw(type entity entity_id ticket_id body)}], ['', '', '', '', 'no JSON'],
        '... its body, and no names');
    # another worker may be the one that logs the next event
    my $recent = sub { decode_json(request(method => 'GET', path => '/status?recent=2')->{body})->{recent} };
    ok((wait_until { grep { $_->{verdict} eq 'malformed_payload' } @{ $recent->() } } 5),
        '... as recent deliveries say');
}
{
    is(signed('/acme', event('Ticket created'))->{status}, 202, 'of another webhook');
    is((added())[0]{webhook}, 'acme', '... which the entry names');
    my $status = sub { decode_json(request(method => 'GET', path => '/status?recent=1&history=5')->{body}) };
    my $shows = sub {
        my $webhook = shift;
        return wait_until { (($status->()->{recent}[0] // {})->{webhook} // '') eq $webhook } 5;
    };
    ok($shows->('acme'), '... as do recent deliveries');
    my ($last) = @{ $status->()->{recent} };
    is_deeply([@$last{qw(verdict status upstream_status)}, map { $_ ? 1 : 0 } @$last{qw(streamed spooled)}],
        ['verified', 202, 202, 1, 0], '... which say that it is in the stream');
    my ($minute) = reverse grep { $_->{webhook} eq 'acme' } @{ $status->()->{history} };
    is_deeply([@$minute{qw(verified failed spooled)}], [1, 0, 0], '... and the history: not failed');
    my $r = signed('/elsewhere', event('Ticket created'));
    is($r->{status}, 202, 'an answer of another location');
    is($r->{header}{'mspwh-verdict'}, undef, '... has no verdict of the stream');
    ok($shows->('default'), '... nor is the event');
    is_deeply([map { $status->()->{recent}[0]{$_} ? 1 : 0 } qw(streamed spooled)], [0, 0],
        '... in the stream, by all that is known');
    added();
}
is(signed('/if?x=1', event('Ticket created'))->{status}, 202, 'in "if"');
is(signed('/redirected', event('Ticket created'))->{status}, 202, 'of an error_page');
is((added())[1]{uri}, '/redirected', '... with the URI that the sender asked for');
is(signed('/key', event('Ticket deleted'))->{status}, 202, 'a key with a variable');
is(scalar added('mspwh:ticket'), 1, '... is another stream');
is(signed('/nokey', event('Ticket deleted'))->{status}, 502, 'an empty one: 502');
is(signed('/nokey/kept', event('Ticket deleted'))->{status}, 202, '... which error_page can take');
is(scalar(unlink glob dir() . '/spool/*'), 2, '... to spool it');
is(signed('/nokey?key=other', event('Ticket deleted'))->{status}, 202, '... and one that is not');
is(scalar added('other'), 1, '... is a stream');

# --- bodies -------------------------------------------------------------------------------
for my $size (1, 1000, 16000, 16384, 17000, 100_000, 3_000_000, 30_000_000) {
    my $body = event('Ticket created', $size);
    for my $path (qw(/in /file /unsent)) {
        next if $size == 30_000_000 and $path ne '/in';
        is(signed($path, $body)->{status}, 202, "$path: $size bytes");
        my @entries = added();
        is(scalar @entries, 1, '... one entry');
        is(sha256_hex($entries[0]{body}), sha256_hex($body), '... byte for byte');
    }
}
{
    my $body = event('Ticket created', 50_000);
    my @headers = ('X-Webhook-Signature' => sign(SECRET, $body));
    my $r = request(path => '/in', body => $body, headers => \@headers, chunked => 7000);
    is($r->{status}, 202, 'chunked');
    is((added())[0]{body}, $body, '... byte for byte');
    is(signed('/in', '')->{status}, 400, 'no bytes at all are no event');
    is(signed('/pass', '')->{status}, 202, '... but an entry, where that passes');
    is((added())[0]{body}, '', '... of no bytes');
}

for my $size (500, 100_000) {
    my $body = event('Ticket created', $size);
    is(signed('/before', $body)->{status}, 202, "read before: $size bytes");
    is((added())[0]{body}, $body, '... byte for byte');
    SKIP: {
        needs(module => 'http_v2_module', curl => 'HTTP2');
        write_file('body', $body);
        my ($rc, $status) = run(qw(curl -s --http2-prior-knowledge -o /dev/null -w %{http_code}),
            '-H', 'X-Webhook-Signature: ' . sign(SECRET, $body), '-H', 'Host: hooks.example',
            '--data-binary', '@' . dir() . '/body', 'http://127.0.0.1:' . port('h2') . '/in');
        is($status, 202, "HTTP/2: $size bytes");
        is_deeply([map { @$_{qw(host body)} } added()], ['hooks.example', $body], '... byte for byte');
    }
}

{
    my $body = event('Ticket created');
    my $c = connection();
    send_bytes($c, "POST http://asked.example:8443/in HTTP/1.1\r\nHost: other.example\r\n"
        . 'X-Webhook-Signature: ' . sign(SECRET, $body)
        . "\r\nContent-Length: " . length($body) . "\r\n\r\n$body");
    is(read_response($c)->{status}, 202, 'an absolute URI');
    is_deeply([map { $_->{host} } added()], ['asked.example:8443'],
        '... has the host and port that were asked for');
}

# --- replicas -------------------------------------------------------------------------------
{
    is(signed('/copies', event('Ticket created'))->{status}, 202, 'too few replicas: on to error_page');
    is(scalar(my @files = glob dir() . '/spool/*.headers'), 1, '... which spools it');
    my $r = signed('/plain504', event('Ticket created'));
    is($r->{status}, 504, '... or else 504');
    is($r->{header}{'mspwh-verdict'}, undef, '... without a verdict');
    ok(log_matches(qr/not streamed by "127.0.0.1:\d+": 0 replicas have it/), '... and the log says why');
    is(scalar added(), 2, '... though they are in the stream');

    ok(replica_of('replica', 'main'), 'a replica follows');
    my %status;
    $status{ signed('/copied', event('Ticket created', $_))->{status} }++ for 1 .. 20;
    is_deeply(\%status, { 202 => 20 }, '... each of 20 events finds the primary, and is confirmed');
    is(scalar entries('replica'), 20, '... and in the replica when it is answered');
    unlike(error_log(), qr/not streamed by "127.0.0.1:\d+": (?:it is not a primary|READONLY)/,
        '... where it cannot be added, which is not an error');
    is(stream_status()->{failures}{role}, 0,
        '... nor a failure');
    is(scalar added(), 20, '... once each');

    start_store('mute', 'rename-command' => ['HELLO', '']);
    ok(replica_of('mute', 'main'), 'another one does not know HELLO');
    is_deeply([map { signed('/mute', event('Ticket created', $_))->{status} } 1 .. 4], [(202) x 4],
        '... four events find the primary');
    is(scalar added(), 4, '... once each');

    # the first event finds that the other server is down: for the next ones, nginx has no other
    my $role = sub { stream_status()->{failures}{role} };
    is(signed('/nowhere', event('Ticket created'))->{status}, 502,
        'a replica, and a server that is down: 502');
    my ($before, $logged) = ($role->(), length error_log());
    is_deeply([map { signed('/nowhere', event('Ticket created', $_))->{status} } 1, 2], [502, 502],
        '... again');
    is($role->() - $before, 2, '... which counts as the wrong role');
    is(scalar(log_matches(qr/\[error\].* mspwh: not streamed by "nowhere": it is not a primary/, $logged)), 2,
        '... and is logged');
}

# --- a store that refuses -----------------------------------------------------------------------
{
    ask('main', 'SET', 'wrong', 'x');
    is(signed('/wrong', event('Ticket created'))->{status}, 202, 'not a stream: on to error_page');
    ok(log_matches(qr/not streamed by .*WRONGTYPE/), '... and the log has the words of the store');
    my $status;
    for (1 .. 60) {
        $status = signed('/full', event('Ticket created', 100_000))->{status};
        last if error_log() =~ /not streamed by .*OOM/;
    }
    is($status, 202, 'a full store: on to error_page');
    ok(log_matches(qr/not streamed by .*OOM/), '... and the log says so');
    is(signed('/in', event('Ticket created'))->{status}, 202, 'another store takes it');
}

# --- connections --------------------------------------------------------------------------------
{
    added();
    my ($before) = ask('main', 'INFO', 'stats') =~ /total_connections_received:(\d+)/;
    signed('/in', event('Ticket created', $_)) for 1 .. 50;
    my ($after) = ask('main', 'INFO', 'stats') =~ /total_connections_received:(\d+)/;
    cmp_ok($after - $before, '<=', 2 * $MspwhTest::Workers, 'connections are kept');
    my $hellos = ask('main', 'INFO', 'commandstats') =~ /cmdstat_hello:calls=(\d+)/ ? $1 : 0;
    cmp_ok($hellos, '>', 0, '... and have asked for the role');
    cmp_ok($hellos, '<', 60, '... once each');

    ask('main', 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    my %status;
    $status{ signed('/in', event('Ticket created', $_))->{status} }++ for 100 .. 119;
    is_deeply(\%status, { 202 => 20 }, 'the store closes them: the next event has another');
    is(scalar added(), 70, '... and none is lost, or there twice');

    stop_store('main', 'TERM');
    is(signed('/in', event('Ticket created'))->{status}, 502, 'no store: 502');
    start_store('main');
    is(signed('/in', event('Ticket created'))->{status}, 202, '... and as soon as it is back: 202');
}

ok(stop(), 'nginx stops in time');
done_testing();
