# mspwh_spool keeps everything that proxy_pass would have sent, byte for byte, in a form that curl can send
# by hand.

use strict;
use warnings;
use Digest::SHA qw(hmac_sha256_hex sha256_hex);
use POSIX ();
use Test::More;
use MspwhTest;

my $name = 'X-Webhook-Signature';
my $spool = dir() . '/spool';
my $dead = port('dead');

start_http(<<"CONF");
server {
    listen 127.0.0.1:%%PORT%%;
    @{[listen_http2('h2')]}
    mspwh on;
    mspwh_secret "%%SECRET%%";
    location / { mspwh_spool spool; }
    location /named { error_page 502 = \@spool; proxy_pass http://127.0.0.1:$dead; }
    location /uri { error_page 502 = /elsewhere; proxy_pass http://127.0.0.1:$dead; }
    location /rewritten { rewrite ^ /elsewhere?a=b last; }
    location /mirrored { mirror /copy; proxy_pass http://%%A%%; }
    location = /copy { internal; mspwh_spool spool; }
    location \@spool { mspwh_spool spool; }
    location /read/ {
        mspwh off; error_page 504 = /elsewhere; proxy_read_timeout 500ms; proxy_pass http://%%A%%/;
    }
    location /straight { proxy_pass http://%%A%%; proxy_set_header Host \$http_host; }
    location /other { mspwh_signature_header X-Mspwh-Method; mspwh_spool spool; }
}
CONF

sub event { return qq({"eventType":"ticket.created","entityId":1,"Details":"$_[0]"}) }

# Returns the name of the only event, once it exists.
sub only_event {
    my @files;
    wait_until { @files = glob "$spool/*.headers" };
    is(scalar @files, 1, '... is one event');
    return ($files[0] // '') =~ s/\.headers$//r;
}

sub lines_of { my @lines = split /\n/, slurp("$_[0].headers"); return @lines }
sub empty { unlink glob "$spool/*" }

# The whole file, except for the parts that depend on the time.
{
    my $body = event('x');
    my $c = connection();
    my $before = POSIX::floor(time);
    send_bytes($c, "PUT /a%2Fb/../c?d=%20e&f HTTP/1.1\r\nHost: Hooks.example.com:8443\r\nX-Other: y\r\n"
        . "content-type: application/json\r\nContent-Encoding: identity\r\n$name: " . sign(SECRET, $body)
        . "\r\nContent-Length: " . length($body) . "\r\n\r\n$body");
    is(read_response($c)->{status}, 202, 'an event');
    my $event = only_event();
    my @lines = lines_of($event);
    my ($received) = map { /^X-Mspwh-Received: (\S+)$/ } @lines;
    is_deeply(\@lines, [
        'X-Mspwh-Method: PUT', 'X-Mspwh-Uri: /a%2Fb/../c?d=%20e&f', "X-Mspwh-Received: $received",
        'X-Mspwh-Webhook: default', 'X-Mspwh-Delivery-Id: ' . hmac_sha256_hex($body, SECRET),
        'Host: Hooks.example.com:8443', 'content-type: application/json', 'Content-Encoding: identity',
        "$name: " . sign(SECRET, $body),
    ], '... what is kept of it');
    my ($Y, $m, $d, $H, $M, $S) = $received =~ /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.\d{3}Z$/;
    require Time::Local;
    my $at = Time::Local::timegm($S, $M, $H, $d, $m - 1, $Y);
    ok($at >= $before - 1 && $at <= time, '... and when it was received, in UTC');
    is((split /,/, $event)[1], 'default', '... the name has the webhook');
    empty();
}

# Each way into the spool keeps the request as received, not as changed by nginx.
for my $path ('/named/x?y=z', '/uri/x?y=z', '/rewritten?y=z', '/mirrored?y=z') {
    my $body = event($path);
    my $r = signed($path, $body);
    like($r->{status}, qr/^20[02]$/, $path);
    my @lines = lines_of(only_event());
    is_deeply([@lines[0, 1, 5]], ['X-Mspwh-Method: POST', "X-Mspwh-Uri: $path", 'Host: localhost'],
        '... with the method, the URI and the host of the sender');
    empty();
}

# The request's URI may contain a host, which takes precedence.
{
    my $body = event('absolute');
    my $c = connection();
    send_bytes($c, "POST http://other.example/x HTTP/1.1\r\nHost: localhost\r\n$name: "
        . sign(SECRET, $body) . "\r\nContent-Length: " . length($body) . "\r\n\r\n$body");
    is(read_response($c)->{status}, 202, 'an absolute URI');
    is_deeply([(lines_of(only_event()))[1, 5]], ['X-Mspwh-Uri: /x', 'Host: other.example'], '... its host');
    empty();
    $c = connection();
    send_bytes($c, "POST /x HTTP/1.0\r\n$name: " . sign(SECRET, $body) . "\r\nContent-Length: "
        . length($body) . "\r\n\r\n$body");
    is(read_response($c)->{status}, 202, 'HTTP/1.0 with no host');
    is_deeply([grep { /^Host/ } lines_of(only_event())], [], '... none is made up');
    empty();
}
SKIP: {
    needs(module => 'http_v2_module');
    needs(curl => 'HTTP2');
    my $body = event('h2');
    my $file = write_file('body.json', $body);
    my (undef, $text) = run('curl', '-s', '-m', 10, '--http2-prior-knowledge',
        '-w', '%{http_version} %{http_code}', '-H', "$name: " . sign(SECRET, $body),
        '-H', 'Host: two.example:81', '-X', 'PATCH', '--data-binary', "\@$file",
        'http://127.0.0.1:' . port('h2') . '/x?y=z');
    is($text, '2 202', 'HTTP/2');
    my %line = map { /^([\w-]+): (.*)$/ ? (lc $1, $2) : () } lines_of(only_event());
    is_deeply([@line{qw(x-mspwh-method x-mspwh-uri host)}], ['PATCH', '/x?y=z', 'two.example:81'],
        '... the same is known');
    empty();
}

# A sender's header cannot replace a field of the module.
{
    my $body = event('meta');
    my $r = post('/other', $body, 'X-Mspwh-Method' => sign(SECRET, $body), 'X-Mspwh-Uri' => '/forged',
        'X-Mspwh-Received' => 'never');
    is($r->{status}, 202, 'headers of the names that the spool uses');
    my @lines = lines_of(only_event());
    is_deeply([grep { /^X-Mspwh-(?:Method|Uri)/ } @lines],
        ['X-Mspwh-Method: POST', 'X-Mspwh-Uri: /other', 'X-Mspwh-Method: ' . sign(SECRET, $body)],
            '... what is known comes first');
    empty();
}

# Any bytes of a header, or its absence: after being spooled and sent by curl, the backend gets the same as
# from proxy_pass.
my @types = (
    'application/json', "application/json; x=B\xfc", "a\x01b", "a\x7fb", "a\tb", 'a"b\\c', "\xff\xfe",
    'x: y; z', '@file', '', undef,
);
clear_records();
for my $type (@types) {
    my $shown = defined $type ? '"' . $type =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ger . '"' : 'none';
    my $body = event('type');
    signed('/straight', $body, 'Content-Type' => $type);
    is(signed('/', $body, 'Content-Type' => $type)->{status}, 202, "Content-Type $shown");
    my $event = only_event();
    my ($rc, $text) = run('curl', '-s', '-m', 10, '-H', "\@$event.headers", '--data-binary', "\@$event.body",
        url('/straight'));
    is($rc, 0, '... curl can send it') or diag $text;
    my @got = map { $_->{header} } records();
    clear_records();
    is_deeply([map { [@$_{ 'host', 'content-type', lc $name }] } @got],
        [map { ['localhost', $type, sign(SECRET, $body)] } 1, 2],
            '... and the backend gets the same as from proxy_pass');
    empty();
}

# The longest possible parts of a name.
{
    my $long = 'a' x 128;
    my $body = '{"eventType":"' . 'very.' x 50 . qq(","entityId":"$long","TicketId":"$long"});
    is(signed('/', $body)->{status}, 202, 'an event with the longest of names');
    my $event = only_event();
    cmp_ok(length($event =~ s{.*/}{}r . '.headers'), '<', 256, '... which a directory can hold');
    is(sha256_hex(slurp("$event.body")), sha256_hex($body), '... is there');
    empty();
}

# --- a body that another location has read, without keeping its file

{
    my $body = event('x' x 30_000);
    my $c = connection();
    send_bytes($c, request_bytes(path => '/read/wait/1', body => $body,
        headers => [$name => sign(SECRET, $body)]));
    wait_until { grep { $_->{uri} eq '/wait/1' } records() };
    # other files have the names that nginx gives to bodies
    for my $file (map { sprintf 'client_body/%010d', $_ } 1 .. 99) {
        write_file($file, 'the body of another request') if !-e dir() . "/$file";
    }
    is(read_response($c)->{status}, 202, 'a body whose file nginx has deleted');
    my $event = only_event();
    ok(slurp("$event.body") eq $body, '... is stored, not what has its name now');
    empty();
}

ok(stop(), 'nginx stops in time');

done_testing();
