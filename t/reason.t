# Every rejection leaves one line, which says why in exact words.

use strict;
use warnings;
use Test::More;
use MspwhTest;

start(<<'CONF');
    mspwh on;
    mspwh_secret "%%SECRET%%";
    location / { proxy_pass http://%%A%%; }
    location /two { mspwh_secret a; mspwh_secret "%%SECRET%%"; proxy_pass http://%%A%%; }
CONF

my $json = '{"eventType":"ticket.created","entityId":1}';
my $name = 'X-Webhook-Signature';

sub line {
    my ($what, $expected, $path, $body, @headers) = @_;
    my $at = length error_log();
    post($path, $body, @headers);
    my ($line) = log_matches(qr/mspwh: /, $at);
    my $text = ($line // '') =~ /mspwh: (.*?), client: / ? $1 : $line;
    is($text, qq($expected, webhook "default"), $what);
}

my $bytes = length $json;
line('no header', "no_signature: there is no signature header, body $bytes bytes, not read", '/', $json);
line('no header, no body', 'no_signature: there is no signature header, body not read', '/', undef);
line('repeated', "malformed_signature: the signature header is repeated, body $bytes bytes, not read",
    '/', $json, $name => 'a', $name => 'b');
line('malformed', 'malformed_signature: the signature header is not canonical Base64 of 32 bytes, '
    . "body $bytes bytes, not read", '/', $json, $name => 'a');
line('mismatch', "bad_signature: the signature is of another body or secret, body $bytes bytes, 1 secret(s)",
    '/', $json, $name => sign('wrong', $json));
line('mismatch, two secrets',
    "bad_signature: the signature is of another body or secret, body $bytes bytes, 2 secret(s)",
    '/two', $json, $name => sign('wrong', $json));

my $mark = "\xef\xbb\xbf";
my @malformed = (
    ['unexpected character at byte 1 in line 1', '{x}'],
    ['unexpected character at byte 9 in line 3', qq({\n"a":\r\n\t?})],
    ['unexpected end at byte 1 in line 1', '{'],
    ['unexpected end at byte 3 in line 3', "{\n\n"],
    ['control character in a string at byte 2 in line 1', "{\"\x01"],
    ['invalid escape at byte 3 in line 1', '{"\x'],
    ['invalid UTF-8 at byte 2 in line 1', "{\"\xff"],
    ['nested too deeply at byte 256 in line 1', '[' x 300],
    ['incomplete or repeated byte order mark at byte 3 in line 1', "$mark$mark$json"],
    ['incomplete or repeated byte order mark at byte 2 in line 1', "\xef\xbb$json"],
    ['UTF-16 instead of UTF-8 at byte 0 in line 1', "\xff\xfe{\0}\0"],
    ['UTF-16 instead of UTF-8 at byte 0 in line 1', "\xfe\xff\0{\0}"],
    ['UTF-16 instead of UTF-8 at byte 1 in line 1', "{\0}\0"],
    ['UTF-16 instead of UTF-8 at byte 0 in line 1', "\0{\0}"],
    ['not a JSON object', '"x"'],
    ['no event type', '{}'],
    ['no entity id', '{"eventType":"ticket.created"}'],
    ['no ticket id', '{"eventType":"note.added","entityId":1}'],
    ['entity id outside the allowed form', '{"eventType":"note.added","entityId":1.5}'],
    ['ticket id outside the allowed form', '{"eventType":"note.added","entityId":1,"ticketId":-1}'],
    ['one field twice with different values', '{"eventType":"a","event_type":"b"}'],
);
for (@malformed) {
    my ($reason, $body) = @$_;
    my $bytes = length $body;
    line($reason, "malformed_payload: $reason, body $bytes bytes, 1 secret(s)",
        '/', $body, $name => sign(SECRET, $body));
}

done_testing();
