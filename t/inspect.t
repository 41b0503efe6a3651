# mspwh-inspect judges a saved event as nginx does, names common mistakes, and does not print the secret.

use strict;
use warnings;
use Cwd qw(abs_path);
use Digest::SHA qw(hmac_sha256 hmac_sha256_hex);
use File::Basename qw(dirname);
use JSON::PP;
use MIME::Base64 qw(encode_base64 encode_base64url);
use Test::More;
use MspwhTest;

my $repo = abs_path(dirname(__FILE__) . '/..');
my $inspect = inspect_program();

start(<<'CONF');
    mspwh on;
    mspwh_secret "%%SECRET%%";
    location / { proxy_pass http://%%A%%; }
    location /field {
        mspwh_field event_type /a/0/type /b~1c;
        mspwh_field entity_id /ids/1;
        proxy_pass http://%%A%%;
    }
CONF

my $name = 'X-Webhook-Signature';
my $everything = '';

# Returns the exit status and the output. Options that are references are files with that text.
my $files = 0;
sub inspected {
    my @args = map { ref $_ ? write_file('file' . $files++, $$_) : $_ } @_;
    my ($rc, $text) = run($inspect, @args);
    $everything .= "$text\n";
    return ($rc, $text);
}

sub as_json {
    my ($rc, $text) = inspected('--json', @_);
    return ($rc, eval { JSON::PP->new->utf8->decode($text) } // { error => $text });
}

sub event {
    my %member = (
        eventType => '"Ticket created"', entityId => 17, Details => '"d"', AdditionalFields => '[]', @_,
    );
    return '{' . join(',', map { qq("$_":$member{$_}) } grep { defined $member{$_} } sort keys %member) . '}';
}

my $secret = SECRET;
my $event = event();

# --- the same as nginx ----------------------------------------------------------

my $mark = "\xef\xbb\xbf";
my $good = sign($secret, $event);
for (
    ['verified', $event],
    ['a byte order mark', $mark . $event],
    ['an unknown type', event(eventType => '"Ticket merged"')],
    ['anomalies', event(TicketId => 18, AdditionalFields => undef)],
    ['no signature', $event, undef],
    ['a repeated signature', $event, $good, $good],
    ['a malformed signature', $event, 'x'],
    ['a signature in hex', $event, hmac_sha256_hex($event, $secret)],
    ['blanks around the signature', $event, " \t$good\t "],
    ['another secret', $event, sign('another', $event)],
    ['another body', "$event ", $good],
    ['an empty body', ''],
    ['not JSON', "{\n\"a\":\r\n\t?}"],
    ['cut off', substr $event, 0, 20],
    ['invalid UTF-8', "{\"\xff\":1}"],
    ['a control character', "{\"\x01\":1}"],
    ['an escape', '{"\x":1}'],
    ['two byte order marks', $mark . $mark . $event],
    ['UTF-16', "{\0}\0"],
    ['nested too deeply', '[' x 300],
    ['an array', '[]'],
    ['no event type', event(eventType => undef)],
    ['no entity id', event(entityId => undef)],
    ['no ticket id', event(eventType => '"note added"')],
    ['a bad entity id', event(entityId => 1.5)],
    ['a bad ticket id', event(TicketId => '"a b"')],
    ['ambiguous', event(entity_id => 18)],
    ['the first pointer', event(a => '[{"type":"x"}]', ids => '[1,2]'), sub { '/field' }],
    ['the second pointer', event(a => '[]', 'b/c' => '"note deleted"', ids => '[1,2]', ticketid => 3),
        sub { '/field' }],
    ['pointers that lead nowhere', $event, sub { '/field' }],
) {
    my ($what, $body, @signatures) = @$_;
    my $path = ref $signatures[0] ? (shift @signatures)->() : '/';
    @signatures = sign($secret, $body) if !@signatures;
    my @headers = map { defined ? ($name => $_) : () } @signatures;
    my $at = length error_log();
    my $r = post($path, $body, @headers);
    my ($line) = $r->{status} == 200 ? () : log_matches(qr/mspwh: /, $at);
    my ($reason) = ($line // '') =~ /mspwh: \w+: (.*?), body/;

    my $lines = join '', map { $_ % 2 ? () : "$headers[$_]: $headers[$_ + 1]\r\n" } 0 .. $#headers;
    my $head = "POST / HTTP/1.1\r\nHost: a\r\n$lines\r\n$name: x\r\n";
    my @fields = $path eq '/' ? () : qw(event_type=/a/0/type event_type=/b~1c entity_id=/ids/1);
    my @args = ('--secret-file', \$secret, '--headers', \$head, map({ ('--field', $_) } @fields), \$body);
    my ($rc, $got) = as_json(@args);
    is($rc, $r->{status} == 200 ? 0 : 1, "$what: exit status");
    my $at_byte = ($got->{payload} // {})->{line}
        ? " at byte $got->{payload}{byte} in line $got->{payload}{line}" : '';
    my ($words) = (inspected(@args))[1] =~ /^reason +\w+: (.*)$/m;
    $words .= $at_byte if defined $words and $got->{verdict} eq 'malformed_payload';
    is_deeply([$got->{verdict}, $words], [$r->{header}{'x-verdict'}, $reason], '... verdict and reason');
    is($got->{bytes}, length $body, '... bytes');
    next if $r->{status} != 200;
    is_deeply([map { $got->{event}{$_} } qw(type entity action entity_id ticket_id)],
        [map { $r->{header}{"x-$_"} // '' } qw(type entity action eid tid)], '... event');
    is(join(',', @{ $got->{anomalies} }), $r->{header}{'x-anomaly'} // '', '... anomalies');
}

# --- the usual mistakes -----------------------------------------------------------

sub base64 { encode_base64($_[0], '') }
my $sent = "$event\n";
my $lines = "{\n\"eventType\":\"ticket.created\",\n\"entityId\":17}";
my $bytes = pack 'H*', '00ff10ab' x 8;
for (
    # the secret in the file, that of the sender, the body, that which was signed, the hint
    ['a newline', 's', "s\n", $event, $event, qr/secret of ".*" with a newline at its end$/],
    ['CR LF', 's', "s\r\n", $event, $event, qr/secret of ".*" with CR LF at its end$/],
    ['blanks', ' s ', 's', $event, $event, qr/secret of ".*" without the blanks around it$/],
    ['a tab', "s\t", 's', $event, $event, qr/secret of ".*" without the blanks around it$/],
    ['a byte order mark', "${mark}s", 's', $event, $event, qr/secret of ".*" without the byte order mark/],
    ['no byte order mark', 's', "${mark}s", $event, $event, qr/secret of ".*" with a byte order mark/],
    ['hex', unpack('H*', $bytes), $bytes, $event, $event, qr/secret of ".*" as the bytes .* hex digits/],
    ['HEX', uc unpack('H*', $bytes), $bytes, $event, $event, qr/secret of ".*" as the bytes .* hex digits/],
    ['Base64', base64($bytes), $bytes, $event, $event, qr/secret of ".*" as the bytes .* Base64/],
    ['Base64url', encode_base64url($bytes), $bytes, $event, $event,
        qr/secret of ".*" as the bytes .* Base64/],
    ['the hex digits', 'ab', '6162', $event, $event, qr/secret of ".*" as hex digits$/],
    ['a body without a newline', 's', 's', $sent, $event, qr/body was signed without the newline at its end/],
    ['a body without CR LF', 's', 's', "$event\r\n", $event,
        qr/body was signed without the newline at its end/],
    ['a body with a newline', 's', 's', $event, $sent, qr/body was signed with a newline at its end/],
    ['a body with CR LF', 's', 's', $event, "$event\r\n", qr/body was signed with CR LF at its end/],
    ['LF for CR LF', 's', 's', $lines =~ s/\n/\r\n/gr, $lines, qr/body was signed with LF in place of CR LF/],
    ['CR LF for LF', 's', 's', $lines, $lines =~ s/\n/\r\n/gr,
        qr/body was signed with CR LF in place of LF/],
    ['a body with a mark', 's', 's', $event, "$mark$event", qr/body was signed with a byte order mark/],
    ['a body without a mark', 's', 's', "$mark$event", $event,
        qr/body was signed without the byte order mark/],
    ['an empty body', 's', 's', $event, '', qr/body was signed while it was empty/],
    ['no mistake that is known', 's', 'another', $event, $event, undef],
) {
    my ($what, $ours, $theirs, $body, $signed, $hint) = @$_;
    my @args = ('--secret-file', \'other', '--secret-file', \$ours);
    push @args, '--signature', sign($theirs, $signed), \$body;
    my ($rc, $got) = as_json(@args);
    is_deeply([$rc, @$got{qw(verdict reason)}], [1, 'bad_signature', 'mismatch'], "$what: rejected");
    defined $hint ? like($got->{hint}, $hint, '... a hint') : is($got->{hint}, undef, '... no hint');
    my ($text) = (inspected(@args))[1] =~ /^hint +(.*)/m;
    defined $hint ? like($text, $hint, '... in the text, too') : is($text, undef, '... in the text neither');
}

my $digest = hmac_sha256($event, $secret);
# an event whose signature contains "-" or "_"
my $url_event = (grep { encode_base64url(hmac_sha256($_, $secret)) =~ /[-_]/ }
    map { event(Details => $_) } 1 .. 20)[0];
my $url = encode_base64url(hmac_sha256($url_event, $secret));
for (
    ['hex', $event, unpack('H*', $digest), qr/^the signature is in hex, but/],
    ['HEX', $event, uc unpack('H*', $digest), qr/^the signature is in hex, but/],
    ['Base64url', $url_event, $url, qr/^the signature is in Base64url, but/],
    ['Base64url, padded', $url_event, "$url=", qr/^the signature is in Base64url, but/],
    ['no padding', $event, base64($digest) =~ s/=//r, qr/^the signature is in Base64 without padding, but/],
    ['sha256=', $event, 'sha256=' . base64($digest), qr/^the signature is in Base64 with a prefix, but/],
    ['sha256=, hex', $event, 'sha256=' . unpack('H*', $digest),
        qr/^the signature is in hex with a prefix, but/],
    ['t=,v1=', $event, 't=1,v1=' . unpack('H*', $digest), qr/^the signature is in hex with a prefix, but/],
    ['a scheme', $event, 'HMAC-SHA256 ' . base64($digest),
        qr/^the signature is in Base64 with a prefix, but/],
    ['hex, and a newline', "$event\n", unpack('H*', $digest),
        qr/^the signature is in hex, but .*; the body was signed without the newline/],
    ['something else', $event, 'something else', undef],
    ['SHA-1', $event, 'a' x 40, undef],
) {
    my ($what, $body, $signature, $hint) = @$_;
    my ($rc, $got) = as_json('--secret-file', \$secret, '--signature', $signature, \$body);
    is_deeply([$rc, @$got{qw(verdict reason)}], [1, 'malformed_signature', 'header_malformed'],
        "$what: rejected");
    defined $hint ? like($got->{hint}, $hint, '... a hint') : is($got->{hint}, undef, '... no hint');
}

# --- secrets, headers, fields ---------------------------------------------------------

for (
    ['one newline', "$secret\n"], ['CR LF', "$secret\r\n"], ['none', $secret],
) {
    my ($what, $text) = @$_;
    my ($rc, $got) = as_json('--secret-file', \'other', '--secret-file', \$text, '--signature', $good,
        \$event);
    is_deeply([$rc, $got->{verdict}], [0, 'verified'], "a secret with $what at its end");
    like($got->{secret}, qr{/file\d+\z}, '... and which one it is');
}
for (
    ['LF', "content-type: a\nx-webhook-signature: $good\n"],
    ['no newline at the end', "X-WEBHOOK-SIGNATURE:$good"],
    ['blanks', "$name: \t $good \t\r\n"],
) {
    my ($what, $headers) = @$_;
    is((as_json('--secret-file', \$secret, '--headers', \$headers, \$event))[0], 0, "header fields: $what");
}
is((as_json('--secret-file', \$secret, '--headers', \"Host: a\n\n$name: $good\n", \$event))[1]{reason},
    'header_missing', 'header fields end with an empty line');
is((as_json('--signature', $good, \$event))[1]{reason}, 'no_secret', 'no secret');

my $nested = '{"Data":{"Event":{"a/b":"Ticket created","m~n":[{"Id":"X-1"},{"Id":22}]}},"n":1.5,"s":"",'
    . '"t":true,'
    . '"control":"a\u0007b","null":"a\u0000","long":"' . 'x' x 129 . '","Typ":"Notiz","deep":'
    . '[' x 40 . '1' . ']' x 40 . ',"\u0000":{"x":1}}';
my %candidates = ('/Data/Event/a~1b' => 'Ticket created', '/Data/Event/m~0n/0/Id' => 'X-1',
    '/Data/Event/m~0n/1/Id' => '22', '/Typ' => 'Notiz');
my ($rc, $got) = as_json(\$nested);
is_deeply($got->{candidates}, \%candidates, 'values that could be a role');
is_deeply([$got->{payload}{reason}, $got->{event}], ['no_event_type', undef], '... no event');
($rc, $got) = as_json('--field', 'event_type=/Data/Event/a~1b', '--field', 'entity_id=/nowhere',
    '--field', 'entity_id=/Data/Event/m~0n/1/Id', \$nested);
is_deeply([@{ $got->{event} }{qw(type type_raw entity_id)}], ['ticket.created', 'Ticket created', '22'],
    'roles by pointers');
is_deeply($got->{found}, { event_type => '/Data/Event/a~1b', entity_id => '/Data/Event/m~0n/1/Id',
    ticket_id => undef, response_type => undef }, '... and where they are');
($rc, $got) = as_json(\'{"x":{"event_type":"a","EntityID":3},"y":[{"ticketid":5}],"z":{"ticket-id":4}}');
is_deeply($got->{found}, { event_type => '/x/event_type', entity_id => '/x/EntityID',
    ticket_id => '/z/ticket-id',
    response_type => undef }, 'roles by name, and where they are');
like((inspected(\$nested))[1], qr{^  /Data/Event/a~1b  Ticket created  \(ticket\.created\)$}m,
    'the text marks known types');
($rc, $got) = as_json(\('{"e":[' . join(',', 1 .. 1500) . ']}'));
is_deeply([scalar keys %{ $got->{candidates} }, $got->{candidates_omitted}], [1000, 500], 'not too many');
my $wild = event(eventType => '"a\u001b[31m\u0085b"', "\x1b[0m" => 1) =~ s/\x1b/\\u001b/gr;
unlike((inspected(\$wild))[1], qr/\x1b|\x85/, 'no control character gets to a terminal');

# --- usage ------------------------------------------------------------------------------

for (
    [[], 'no FILE'],
    [[\$event, \$event], 'more than one FILE'],
    [['--nonsense', \$event], '"--nonsense" is no option'],
    [[\$event, '--signature'], '"--signature" is no option, or lacks its value'],
    [['--signature', 'a', '--signature', 'b', \$event], 'only one'],
    [['--signature', 'a', '--headers', \'', \$event], 'only one'],
    [['--secret-file', '/nowhere', \$event], '"/nowhere": No such file'],
    [['--headers', '/nowhere', \$event], '"/nowhere": No such file'],
    [['/nowhere'], '"/nowhere": No such file'],
    [[dir()], 'Is a directory'],
    [['--secret-file', \'', \$event], 'is empty'],
    [['--secret-file', \"\n", \$event], 'is empty'],
    [['--secret-file', \"$secret\n\n", \$event], 'has a newline inside'],
    [['--secret-file', \"$secret\0", \$event], 'has a null byte'],
    [['--secret-file', \('s' x 4097), \$event], 'is over 4 KB'],
    [[map({ ('--secret-file', \"secret$_") } 1 .. 9), \$event], 'more than 8 secrets'],
    [['--field', 'event_type', \$event], 'is not ROLE=POINTER'],
    [['--field', 'type=/a', \$event], 'is not ROLE=POINTER'],
    [['--field', 'event_type=a', \$event], '"a" is no JSON pointer'],
    [['--field', 'event_type=/~2', \$event], '"/~2" is no JSON pointer'],
    [[map({ ('--field', "entity_id=/$_") } 0 .. 64), \$event], 'more than 64 pointers'],
) {
    my ($args, $why) = @$_;
    my ($status, $text) = inspected(@$args);
    is($status, 2, "usage: $why");
    like($text, qr/^mspwh-inspect: .*\Q$why\E/m, '... reported');
}
is((inspected('--secret-file', \('s' x 4096), \$event))[0], 1, 'a secret of 4 KB is none too long');
is_deeply([inspected('--version')], [0, 'mspwh-inspect ' . slurp("$repo/VERSION")], '--version');
like((inspected('--help'))[1], qr/\AUsage: mspwh-inspect /, '--help');
is(scalar(grep { length > 80 } split /\n/, (inspected('--help'))[1]), 0, '... fits into 80 columns');

my ($piped) = run('sh', '-c', 'printf %s "$1" | "$2" -', 'sh', $event, $inspect);
is($piped, 1, 'standard input');
is((run('sh', '-c', '"$1" "$2" > /dev/full', 'sh', $inspect, write_file('e', $event)))[0], 2, 'a full disk');

# not in any form
for ($secret, unpack('H*', $secret), base64($secret), unpack('H*', $bytes), base64($bytes)) {
    is(index($everything, $_), -1, 'no secret is printed');
}

done_testing();
