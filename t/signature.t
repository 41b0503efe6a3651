# Only a body signed with a configured secret passes; everything else is answered 401.

use strict;
use warnings;
use Test::More;
use Time::HiRes qw(time);
use Http2 qw(:all);
use MspwhTest;

my $umlaut = "gehe\xc3\xafm-\xe2\x82\xac-secret";
my $long   = 'k' x 200;

write_file('lf.key',   "file-secret-lf\n");
write_file('crlf.key', "file-secret-crlf\r\n");
write_file('bare.key', "file-secret-bare");
write_file('long.key', ('s' x 4096));

start(<<"CONF");
    @{[listen_http2('h2')]}
    mspwh on;
    mspwh_secret "%%SECRET%%";
    location / { proxy_pass http://%%A%%; }
    location /two/ {
        mspwh_secret first-secret;
        mspwh_secret second-secret id=next;
        mspwh_secret third-secret;
        proxy_pass http://%%A%%;
    }
    location /umlaut { mspwh_secret "$umlaut"; proxy_pass http://%%A%%; }
    location /long { mspwh_secret $long; proxy_pass http://%%A%%; }
    location /block { mspwh_secret @{['b' x 64]}; proxy_pass http://%%A%%; }
    location /block65 { mspwh_secret @{['b' x 65]}; proxy_pass http://%%A%%; }
    location /files/ {
        mspwh_secret_file %%DIR%%/lf.key;
        mspwh_secret_file %%DIR%%/crlf.key id=crlf;
        mspwh_secret_file bare.key id=bare;
        mspwh_secret_file %%DIR%%/long.key id=long;
        mspwh_secret inline id=inline;
        proxy_pass http://%%A%%;
    }
    location /plain-header { mspwh_signature_header X-Hub; proxy_pass http://%%A%%; }
CONF

my $body = '{"eventType":"ticket.created","entityId":17,"TicketId":17,"Details":"x","AdditionalFields":[]}';
my $good = sign(SECRET, $body);
my $name = 'X-Webhook-Signature';

my $r = post('/', $body, $name => $good);
is($r->{status}, 200, 'right signature passes');
is($r->{header}{'x-verdict'}, 'verified', 'verdict verified');
is($r->{header}{'x-key'}, '1', 'key id defaults to the position');
is($r->{header}{'x-delivery'}, unpack('H*', MspwhTest::hmac_raw(SECRET, $body)),
    'delivery id is the hex of the HMAC');
is(scalar(records()), 1, 'backend got it');
clear_records();

(my $altered = $body) =~ s/17/18/;
(my $url_safe = "-_" . substr $good, 2);
my $changed = $good;
substr($changed, 5, 1) = substr($good, 5, 1) eq 'A' ? 'B' : 'A';
my $m = 'malformed_signature';
my @refused = (
    ['absent', 'no_signature'],
    ['another header only', 'no_signature', 'X-Signature' => $good],
    ['empty', $m, $name => ''],
    ['repeated, same value', $m, $name => $good, $name => $good],
    ['repeated, other case', $m, $name => $good, lc $name => $changed],
    ['no padding', $m, $name => $good =~ s/=//r],
    ['padding twice', $m, $name => "$good="],
    ['padding inside', $m, $name => '=' . substr($good, 1)],
    ['one character more', $m, $name => "A$good"],
    ['four characters more', $m, $name => "AAAA$good"],
    ['31 bytes', $m, $name => substr($good, 0, 41) . '==' . '='],
    ['33 bytes, no padding', $m, $name => 'A' x 44],
    ['31 bytes, two pads', $m, $name => substr($good, 0, 42) . '=='],
    ['base64url alphabet', $m, $name => $url_safe],
    ['space inside', $m, $name => substr($good, 0, 10) . ' ' . substr($good, 11)],
    ['two values in one', $m, $name => "$good,$good"],
    ['prefix sha256=', $m, $name => "sha256=$good"],
    ['quoted', $m, $name => "\"$good\""],
    ['hex', $m, $name => unpack('H*', MspwhTest::hmac_raw(SECRET, $body))],
    ['unused bits set', $m, $name => substr($good, 0, 42) . next_char(substr $good, 42, 1) . '='],
    ['high byte', $m, $name => "\xc3" . substr($good, 1)],
    ['one byte of the HMAC differs', 'bad_signature', $name => $changed],
    ['another secret', 'bad_signature', $name => sign('another', $body)],
    ['of another body', 'bad_signature', $name => sign(SECRET, $altered)],
    ['of body and newline', 'bad_signature', $name => sign(SECRET, "$body\n")],
);

# The 43rd character contains two unused bits: setting one does not change the bytes.
sub next_char {
    my $set = join '', 'A' .. 'Z', 'a' .. 'z', 0 .. 9, '+', '/';
    return substr $set, index($set, $_[0]) | 1, 1;
}

for (@refused) {
    my ($what, $verdict, @headers) = @$_;
    my $at = length error_log();
    my $r = post('/', $body, @headers);
    is($r->{status}, 401, "$what: 401");
    is($r->{header}{'x-verdict'}, $verdict, "$what: $verdict");
    is($r->{header}{'www-authenticate'}, 'HMAC-SHA256 realm="webhook"', "$what: WWW-Authenticate");
    unlike($r->{body}, qr/signature|hmac|verdict|base64/i, "$what: the answer does not tell why");
    my @lines = log_matches(qr/\b$verdict\b/, $at);
    is(scalar(@lines), 1, "$what: one log line");
    like($lines[0] // '', qr/\[error\]/, "$what: at error");
    is($r->{header}{'x-type'}, undef, "$what: no event type");
    is($r->{header}{'x-delivery'}, undef, "$what: no delivery id");
}
is(scalar(records()), 0, 'backend saw none of the refused');

$r = post('/', $altered, $name => $good);
is($r->{header}{'x-verdict'}, 'bad_signature', 'altered body: bad_signature');
is($r->{status}, 401, 'altered body: 401');
my $bytes = length $altered;
ok(scalar(log_matches(qr/bad_signature.*\b$bytes\b/)), 'log line has the size of the body');
is(post('/', $body, lc $name => "  $good  ")->{status}, 200, 'header name without case, blanks around');

# RFC 9110, section 5.5: optional white space around a value, blanks and tabs, is not part of it.
for my $space (' ', '', "\t", "\t\t", " \t", "\t \t ", '    ') {
    my $shown = $space =~ s/\t/\\t/gr;
    for my $after ('', $space) {
        my $what = "\"$shown\" before, \"" . ($after =~ s/\t/\\t/gr) . '" after';
        my $c = connection();
        send_bytes($c, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n$name:$space$good$after\r\n"
            . 'Content-Length: ' . length($body) . "\r\n\r\n$body");
        is(read_response($c)->{status}, 200, "$what: verified");
        $c = connection();
        send_bytes($c, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n$name:$space$changed$after\r\n"
            . 'Content-Length: ' . length($body) . "\r\n\r\n$body");
        my $r = read_response($c);
        is_deeply([$r->{status}, $r->{header}{'x-verdict'}], [401, 'bad_signature'],
            '... and a wrong one is not');
    }
}
SKIP: {
    needs(module => 'http_v2_module');
    for my $value (" $good", "\t$good", "$good\t", "\t $good \t") {
        my $c = h2_connection('h2');
        my ($stream, $frames) = h2_post($c, path => '/', body => $body, headers => [lc $name => $value]);
        h2_send($c, $frames);
        my $got = h2_wait($c, [$stream]);
        my $shown = $value =~ s/\Q$good/SIGNATURE/r =~ s/\t/\\t/gr;
        is($got->{$stream}{status}, 200, "HTTP/2, \"$shown\": verified");
    }
}
for my $inside ("\t", ' ') {
    my $r = post('/', $body, $name => substr($good, 0, 10) . $inside . substr $good, 10);
    is_deeply([$r->{status}, $r->{header}{'x-verdict'}], [401, 'malformed_signature'],
        sprintf 'byte %02x inside: malformed', ord $inside);
}
for my $other ("\x0b", "\x0c", "\xc2\xa0") {
    my $r = post('/', $body, $name => "$other$good");
    is($r->{status}, 401, 'other white space in front: 401');
    $r = post('/', $body, $name => "$good$other");
    is($r->{status}, 401, '... or after it: 401');
}
for my $blank (' ', "\t", " \t ") {
    my $r = post('/', $body, $name => $blank);
    is_deeply([$r->{status}, $r->{header}{'x-verdict'}], [401, 'malformed_signature'],
        'nothing but white space');
}

SKIP: for (['no signature'], ['malformed', "$name: abc\r\n"]) {
    needs(reading => 1);
    my ($what, $header) = @$_;
    my $c = connection();
    my $began = time;
    send_bytes($c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20971520\r\n" . ($header // '') . "\r\n");
    my $r = read_response($c, timeout => 3);
    is($r->{status}, 401, "$what: 401 before a 20 MB body is sent");
    cmp_ok(time - $began, '<', 2, "$what: at once");
}

my @keys = (
    ['/two/', 'first-secret', '1'], ['/two/', 'second-secret', 'next'], ['/two/', 'third-secret', '3'],
    ['/umlaut', $umlaut, '1'], ['/long', $long, '1'],
    ['/block', 'b' x 64, '1'], ['/block65', 'b' x 65, '1'],
    ['/files/', 'file-secret-lf', '1'], ['/files/', 'file-secret-crlf', 'crlf'],
    ['/files/', 'file-secret-bare', 'bare'], ['/files/', 's' x 4096, 'long'],
    ['/files/', 'inline', 'inline'],
);
for (@keys) {
    my ($path, $secret, $id) = @$_;
    my $r = post($path, $body, $name => sign($secret, $body));
    is($r->{status}, 200, "$path: secret $id verifies");
    is($r->{header}{'x-key'}, $id, "$path: key id $id");
}
for (['/two/', SECRET], ['/files/', "file-secret-lf\n"], ['/files/', "file-secret-crlf\r"],
    ['/long', 'k' x 199]) {
    my ($path, $secret) = @$_;
    is(post($path, $body, $name => sign($secret, $body))->{status}, 401, "$path: a near secret does not");
}

is(post('/plain-header', $body, 'x-hub' => $good)->{status}, 200, 'mspwh_signature_header: header read');
is(post('/plain-header', $body, $name => $good)->{status}, 401,
    'mspwh_signature_header: default header not read');

stop();
for (['underscores_in_headers on;', 'X_Sig'], ['ignore_invalid_headers off;', 'X_Sig'],
    ['ignore_invalid_headers off;', 'X.Sig!']) {
    my ($lines, $header) = @$_;
    start(<<"CONF");
    @{[listen_http2('h2')]}
    $lines
    mspwh on;
    mspwh_secret "%%SECRET%%";
    mspwh_signature_header $header;
    location / { proxy_pass http://%%A%%; }
CONF
    is(post('/', $body, $header => $good)->{status}, 200, "$lines $header is read");
    is(post('/', $body, $header => $changed)->{status}, 401, '... and compared');
    is(post('/', $body, $name => $good)->{status}, 401, '... instead of the usual one');
    SKIP: {
        needs(module => 'http_v2_module');
        my $c = h2_connection('h2');
        my ($stream, $frames) = h2_post($c, path => '/', body => $body, headers => [lc $header => $good]);
        h2_send($c, $frames);
        is(h2_wait($c, [$stream])->{$stream}{status}, 200, '... over HTTP/2, too');
    }
    stop();
}

unlike(error_log(), qr/\Q$good\E|${\SECRET}|file-secret/, 'no secret and no right signature in the log');

done_testing();
