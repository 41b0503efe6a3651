# mspwh_spool: a verified event is on disk, whole, before it is answered 202.

use strict;
use warnings;
use Digest::SHA qw(hmac_sha256_hex sha256_hex);
use Test::More;
use Time::HiRes qw(sleep time);
use MspwhTest;
use MspwhMetrics;

my $name = 'X-Webhook-Signature';
my $dead = port('dead');

# --- configuration -----------------------------------------------------------

my @bad = (
    ['location /s { mspwh_spool; }', 'mspwh_spool', 'number of arguments'],
    ['location /s { mspwh_spool a b; }', 'mspwh_spool', 'number of arguments'],
    ['location /s { mspwh_spool ""; }', 'mspwh_spool', 'empty path', 'a directory'],
    ['location /s { mspwh_spool a; mspwh_spool b; }', 'mspwh_spool', 'duplicate'],
    ['mspwh_spool spool;', 'mspwh_spool', 'not allowed here'],
    ['location /s { proxy_pass http://127.0.0.1; mspwh_spool spool; }', 'mspwh_spool',
        'another directive answers'],
    ['location /s { mspwh_spool spool; proxy_pass http://127.0.0.1; }', 'mspwh_spool', '"/s"',
        'another directive there answers'],
    ['location /s { mspwh_spool spool; mspwh_status; }', 'mspwh_spool', '"/s"',
        'another directive there answers'],
);
for (@bad) {
    my ($lines, @patterns) = @$_;
    my ($rc, $text) = config_test("server { listen 127.0.0.1:%%PORT%%; $lines }");
    isnt($rc, 0, "refused: $lines");
    like($text, qr/\[emerg\].*\Q$_\E.*test\.conf:\d+/, "names $_: $lines") for @patterns;
}
{
    my ($rc, $text) =
        config_test('server { listen 127.0.0.1:%%PORT%%; location / { mspwh_spool no/such/parent; } }');
    isnt($rc, 0, 'refused: a directory that cannot be made');
    like($text, qr{\[emerg\] mkdir\(\) ".*no/such/parent" failed}, 'names it');
    ($rc, $text) =
        config_test('mspwh_secret k; server { listen 127.0.0.1:%%PORT%%; location /a { mspwh_spool made/; } '
            . 'location /b { mspwh_spool %%DIR%%/made; } location /c { mspwh on; } }');
    is_deeply([$rc, $text], [0, ''], 'accepted silently: two locations with one spool');
    is(sprintf('%04o', (stat dir() . '/made')[2] & 07777), '0700', '... which is made, for its owner only');
}

# --- what is spooled -------------------------------------------------------------

my $conf = <<"CONF";
server {
    listen 127.0.0.1:%%PORT%%;
    @{[listen_http2('h2')]}
@{[VARS]}
    error_log %%DIR%%/info.log info;
    error_log %%DIR%%/error.log warn;
    mspwh_secret "%%SECRET%%";
    location /own { mspwh on; mspwh_spool spool; }
    location /other { mspwh on; mspwh_signature_header X-Other; mspwh_spool spool; }
    location /pass { mspwh on; mspwh_malformed pass; mspwh_spool spool; }
    location /monitor { mspwh monitor; mspwh_spool spool; }
    location /if { mspwh on; mspwh_spool spool; if (\$arg_x) { set \$y 1; } }
    location /limit { mspwh on; mspwh_spool spool; limit_except POST { allow all; } }
    location /small { mspwh on; client_body_buffer_size 1k; mspwh_spool spool; }
    location /kept { mspwh on; client_body_in_file_only on; mspwh_spool spool; }
    location /shared { mspwh on; client_body_in_file_only on; mspwh_spool spool; }
    location /dead { mspwh on; error_page 502 503 504 = \@spool; proxy_pass http://127.0.0.1:$dead; }
    location /plain { mspwh on; error_page 502 \@spool; proxy_pass http://127.0.0.1:$dead; }
    location /fixed { mspwh on; error_page 502 =200 \@spool; proxy_pass http://127.0.0.1:$dead; }
    location /alive { mspwh on; error_page 502 503 504 = \@spool; proxy_pass http://%%A%%; }
    location /twice { mspwh on; error_page 502 = /again; proxy_pass http://127.0.0.1:$dead; }
    location /again { mspwh on; mspwh_secret other; mspwh_secret "%%SECRET%%"; mspwh_spool spool; }
    location /unverified { mspwh off; mspwh_spool spool; }
    location /let_through { mspwh monitor; error_page 502 = \@spool; proxy_pass http://127.0.0.1:$dead; }
    location /rejected { mspwh on; error_page 400 401 = \@spool; proxy_pass http://%%A%%; }
    location /mirrored { mspwh on; mirror /archive; proxy_pass http://%%A%%; }
    location = /archive { internal; mspwh_spool archive; }
    location /gone { mspwh on; mspwh_spool gone; }
    location /full { mspwh on; mspwh_spool full; }
    location /linked { mspwh on; client_body_temp_path %%DIR%%/full/bodies; mspwh_spool full; }
    location /page { mspwh on; error_page 503 =500 /page.html; mspwh_spool gone; }
    location /lie { mspwh on; error_page 503 =202 /page.html; mspwh_spool gone; }
    location = /page.html { return 200 page; }
    location \@spool { mspwh_spool spool; }
    location = /status { mspwh_status; }
}
CONF
mkdir dir() . '/full', 0700;
start_http($conf);

my $spool = dir() . '/spool';
my $n = 0;
sub event {
    return sprintf '{"eventType":"%s","entityId":%d,"TicketId":7,"Description":"%s"}', $_[0] // 'NoteAdded',
        ++$n, 'x' x ($_[1] // 0);
}
sub files {
    opendir my $d, $_[0] // $spool or return;
    my @files = sort grep { !/^\.\.?$/ } readdir $d;
    return @files;
}
sub bytes { open my $fh, '<:raw', $_[0] or return; local $/; return scalar <$fh> }
sub empty { unlink map { "$spool/$_" } files() }

# Returns the events of a spool: the parts of each name, the header fields and the body.
sub spooled {
    my $dir = shift // $spool;
    my @events;
    for my $file (grep { /\.headers$/ } files($dir)) {
        my ($base) = $file =~ /^(.*)\.headers$/;
        push @events, {
            parts => [split /,/, $base], body => bytes("$dir/$base.body"),
            fields => { map { /^([^:]+): (.*)$/ ? ($1 => $2) : ($_ => undef) }
                grep { !/^X-Mspwh-/ } split /\n/, bytes("$dir/$file") },
            modes => [map { sprintf '%04o', (stat "$dir/$base.$_")[2] & 07777 } 'body', 'headers'],
        };
    }
    return @events;
}

{
    my $before = time;
    my $body = event();
    my $r = signed('/own', $body, 'Content-Type' => 'application/json', 'X-Other' => 'x', Cookie => 'secret');
    is_deeply([@$r{qw(status body)}, $r->{header}{'x-verdict'}, $r->{header}{'content-length'}],
        [202, '', 'verified', 0], 'an event is accepted: 202');
    my ($event, @more) = spooled();
    is_deeply([scalar @more, scalar files()], [0, 2], '... as two files');
    is($event->{body}, $body, '... the body, byte for byte');
    my %want = (Host => 'localhost', 'Content-Type' => 'application/json', $name => sign(SECRET, $body));
    is_deeply($event->{fields}, \%want,
        '... and what it takes to send it again');
    is_deeply($event->{modes}, ['0600', '0600'], '... for the owner only');
    my ($time, @rest) = @{ $event->{parts} };
    is_deeply(\@rest, ['default', 'ticket.note.added', $n, 7, substr hmac_sha256_hex($body, SECRET), 0, 16],
        '... with a name that describes it');
    my ($Y, $m, $d, $H, $M, $S, $us) = $time =~ /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)\.(\d{6})Z$/;
    require Time::Local;
    my $at = Time::Local::timegm($S, $M, $H, $d, $m - 1, $Y) + $us / 1e6;
    ok($at >= $before - 0.001 && $at <= time, '... and when it came, in UTC');
    like(bytes(dir() . '/info.log'),
        qr{\[info\] .*mspwh: spooled: "\Q$spool\E/\Q$time\E.*\.body", body \d+ bytes},
            '... logged at "info"');
    my ($rc, $sent) = run('curl', '-s', '-w', ' %{http_code}', '-H',
        "\@$spool/" . join(',', @{ $event->{parts} }) . '.headers',
        '--data-binary', "\@$spool/" . join(',', @{ $event->{parts} }) . '.body', url('/alive'));
    is($sent, "backend A /alive\n 200", 'curl can send it as it is');
    clear_records();
    empty();
}

# Sizes, framing, protocols: in memory, in a file, in a file that is kept.
for my $size (0, 1000, 20_000, 5_000_000) {
    for my $path ('/own', '/small', '/dead', '/kept', '/twice') {
        for my $chunked (0, 8192) {
            my $body = event('NoteAdded', $size);
            my $r = request(path => $path, body => $body, chunked => $chunked,
                headers => [$name => sign(SECRET, $body)]);
            my @events = spooled();
            is_deeply([$r->{status}, map { sha256_hex($_->{body}) } @events], [202, sha256_hex($body)],
                "$path, $size bytes, chunked $chunked: whole");
            is_deeply($events[0]{modes}, ['0600', '0600'], '... for the owner only');
            empty();
        }
    }
}
is(signed('/dead', event())->{status}, 202, 'the upstream is dead: 202');
is((spooled())[0]{fields}{'Content-Type'}, undef, 'no content type: none is made up');
empty();
{
    my ($temp) = grep { -d } map { dir() . "/$_" } 'client_body';
    my @left = grep { !/^\d+$/ || -s "$temp/$_" } grep { -f "$temp/$_" } files($temp);
    # client_body_in_file_only keeps four files of /kept for the user: two sizes above and below a buffer's
    my $kept = defined lacks(reading => 1) ? 0 : 8;
    is(scalar @left, $kept, 'nginx keeps no file of a body but those it was told to keep');
    unlink map { "$temp/$_" } @left;
}
{
    my $body = event();
    my $c = connection();
    my @got = map { request(connection => $c, path => $_, body => $body,
        headers => [$name => sign(SECRET, $body)])->{status} } ('/own', '/dead') x 2;
    is_deeply(\@got, [(202) x 4], 'keepalive: the connection stays usable');
    send_bytes($c,
        request_bytes(path => '/own', body => $body, headers => [$name => sign(SECRET, $body)]) x 5);
    is_deeply([map { read_response($c)->{status} } 1 .. 5], [(202) x 5], 'pipelined');
    is(scalar spooled(), 9, '... each is an event of its own');
    is(request(http => '1.0', path => '/own', body => $body,
        headers => [$name => sign(SECRET, $body)])->{status}, 202, 'HTTP/1.0');
    empty();
}
SKIP: {
    needs(module => 'http_v2_module');
    needs(curl => 'HTTP2');
    for my $size (10, 400_000) {
        my $body = event('NoteAdded', $size);
        my $file = write_file('body.json', $body);
        my (undef, $text) =
            run('curl', '-s', '-m', 10, '--http2-prior-knowledge', '-w', '%{http_version} %{http_code}',
            '-H', "$name: " . sign(SECRET, $body), '--data-binary', "\@$file",
                'http://127.0.0.1:' . port('h2') . '/own');
        is_deeply([$text, map { sha256_hex($_->{body}) } spooled()], ['2 202', sha256_hex($body)],
            "HTTP/2, $size bytes");
        empty();
    }
}
for my $path ('/if?x=1', '/if', '/limit') {
    is(signed($path, event())->{status}, 202, "$path: blocks inside a location spool, too");
    is(scalar spooled(), 1, '... on disk');
    empty();
}
for (['/plain', 202], ['/fixed', 200]) {
    my ($path, $status) = @$_;
    is(signed($path, event())->{status}, $status, "$path: the sender is told of success: $status");
    is(scalar spooled(), 1, '... on disk');
    empty();
}
is(signed('/alive', event())->{status}, 200, 'the upstream answers: 200');
is_deeply([files()], [], '... nothing is spooled');
{
    my $body = event();
    is(post('/other', $body, 'X-Other' => sign(SECRET, $body), 'Content-Encoding' => 'identity')->{status},
        202, 'another signature header');
    my $fields = (spooled())[0]{fields};
    is_deeply([@$fields{qw(X-Other Content-Encoding)}], [sign(SECRET, $body), 'identity'],
        '... is kept under its name, with the encoding');
    empty();
}

# Names
{
    my $long = 'a' x 128;
    my @names = (
        ['{"eventType":"ticket.created","entityId":18446744073709551616}', 'ticket.created',
            '18446744073709551616', '18446744073709551616'],
        [qq({"eventType":"Ticket merged/../x,y","entityId":"$long","TicketId":"a~b:c_d-e"}),
            'ticket.merged.x.y', 'a' x 48, 'a~b:c_d-e'],
        ['{"eventType":"' . 'very.' x 50 . '"}', substr('very.' x 50, 0, 64), '-', '-'],
        ["{\"eventType\":\"\xc3\xa9\"}", '%c3%a9', '-', '-'],
    );
    for (@names) {
        my ($body, @parts) = @$_;
        is(signed('/own', $body)->{status}, 202, "named by $parts[0]");
        is_deeply([@{ (spooled())[0]{parts} }[2 .. 4]], \@parts, '... type and ids, cut where they are long');
        empty();
    }
    signed('/own', event()) for 1 .. 20;
    is_deeply([map { $_->{parts}[3] } spooled()], [$n - 19 .. $n], 'names sort by time');
    empty();
}

# --- what is not -----------------------------------------------------------------

my $body = event();
my $log = length error_log();
for (
    ['/own', 401, $name => sign('x', $body)], ['/own', 401],
        ['/unverified', 403, $name => sign(SECRET, $body)], ['/unverified', 403],
    ['/let_through', 403], ['/let_through', 403, $name => sign('x', $body)], ['/monitor', 403],
        ['/rejected', 403, $name => sign('x', $body)],
) {
    my ($path, $status, @headers) = @$_;
    is(post($path, $body, @headers)->{status}, $status, "$path, "
        . (@headers ? $headers[1] eq sign('x', $body) ? 'forged' : 'signed' : 'unsigned') . ": $status");
}
is(signed('/rejected', '{}')->{status}, 403, 'a signed body that is no event: 403');
is_deeply([files()], [], '... nothing of them is spooled');
is(scalar(() = substr(error_log(), $log) =~ /mspwh: not spooled: the request is not verified/g), 7,
    '... one log line for each 403');
is(signed('/let_through', $body)->{status}, 202, 'monitor: what is verified is spooled');
is(signed('/pass', '{}')->{status}, 202, 'mspwh_malformed pass: so is a signed body that is no event');
is_deeply([map { $_->{parts}[2] } spooled()], ['ticket.note.added', 'malformed'], '... under that name');
empty();
is(signed('/mirrored', $body)->{status}, 200, 'a mirror into a spool');
wait_until { spooled(dir() . '/archive') };
is_deeply([map { $_->{body} } spooled(dir() . '/archive')], [$body], '... archives the event');

# --- failures -----------------------------------------------------------------------

my $m = metrics();
sub failed {
    my ($path, $pattern, $what, $status) = @_;
    for my $size (10, 100_000) {
        my $body = event('NoteAdded', $size);
        my $log = length error_log();
        my $c = connection();
        my $r = request(connection => $c, path => $path, body => $body,
            headers => [$name => sign(SECRET, $body)]);
        is($r->{status}, $status // 503, "$what, $size bytes: " . ($status // 503));
        is($r->{header}{'mspwh-verdict'}, undef, '... with no verdict');
        my @lines = log_matches('mspwh: ', $log);
        is(scalar @lines, 1, '... one log line');
        like($lines[0], qr/\[crit\] .*mspwh: not spooled: body \d+ bytes, $pattern, client/,
            '... that says why');
        is(request(connection => $c, path => '/own', body => $body,
            headers => [$name => sign(SECRET, $body)])->{status}, 202, '... the connection stays usable');
        empty();
    }
}
rmdir dir() . '/gone';
failed('/gone', qr/open\(\) "\S+" failed \(2: No such file or directory\)/, 'the directory is missing');
failed('/page', qr/open\(\) "\S+" failed \(2: No such file or directory\)/,
    'the directory is missing, and error_page', 500);
failed('/lie', qr/open\(\) "\S+" failed \(2: No such file or directory\)/,
    'the directory is missing, and error_page says 202', 202);
mkdir dir() . '/gone';
is(signed('/gone', event())->{status}, 202, 'once it is there again, it is used');
{
    my $dir = dir() . '/gone';
    unlink map { "$dir/$_" } files($dir);
    rmdir $dir;
    write_file('gone', '');
    failed('/gone', qr/open\(\) "\S+" failed \(20: Not a directory\)/, 'a file is in its place');
}
SKIP: {
    my $full = dir() . '/full';
    skip 'no file system can be mounted here',
        26 if $> != 0 || (run('mount', '-t', 'tmpfs', '-o', 'size=1m,mode=0700', 'tmpfs', $full))[0] != 0;
    write_file("$full/filler", 'x' x 2_000_000);
    failed('/full', qr/write\(\) "\S+" failed \(28: No space left on device\)/, 'the disk is full');
    is_deeply([files($full)], ['filler'], '... no half file is left');
    unlink "$full/filler";
    my $body = event('NoteAdded', 30_000);
    is(signed('/full', $body)->{status}, 202, 'once there is room, it is used');
    is_deeply([map { $_->{body} } spooled($full)], [$body], '... from a file on another file system, too');
    unlink map { "$full/$_" } grep { -f "$full/$_" } files($full);
    mkdir "$full/bodies";
    $body = event('NoteAdded', 700_000);
    is(signed('/linked', $body)->{status}, 202,
        'a body that nginx has in a file takes no more room: it is not copied');
    is_deeply([map { sha256_hex($_->{body}) } spooled($full)], [sha256_hex($body)], '... whole');
    unlink map { "$full/$_" } grep { -f "$full/$_" } files($full);
    run('mount', '-o', 'remount,ro', $full);
    failed('/full', qr/open\(\) "\S+" failed \(30: Read-only file system\)/, 'the disk has become read-only');
    run('mount', '-o', 'remount,rw', $full);
    is(signed('/full', $body)->{status}, 202, 'once it can be written to, it is used');
    run('umount', $full);
}

# --- counters -------------------------------------------------------------------------
{
    my %before = map { $_ => $m->{"mspwh_$_"} }
        qw(spooled_events_total spooled_bytes_total spool_failures_total);
    my $body = event('NoteAdded', 1000);
    $m = metrics();
    my @was = map { $m->{"mspwh_$_"} } qw(spooled_events_total spooled_bytes_total spool_failures_total);
    cmp_ok($was[2], '>', $before{spool_failures_total}, 'failures are counted');
    signed($_, $body) for '/own', '/dead';
    $m = metrics();
    is_deeply([map { $m->{"mspwh_$_"} } qw(spooled_events_total spooled_bytes_total spool_failures_total)],
        [$was[0] + 2, $was[1] + 2 * length $body, $was[2]], 'events and bytes are counted');
    my $json = status_json();
    is_deeply($json->{spooled}, { events => $was[0] + 2, bytes => $was[1] + 2 * length $body,
        failures => $was[2] }, '... in JSON, too');
    empty();
}

ok(stop(), 'nginx stops in time');
unlike(error_log(), qr/\[(?:alert|emerg)\]/, 'nothing alarming in the log');

done_testing();
