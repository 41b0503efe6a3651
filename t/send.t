# bin/mspwh-send signs correctly, sends the exact bytes and does not reveal the secret.

use strict;
use warnings;
use Cwd qw(abs_path);
use Digest::SHA qw(sha256 sha256_hex);
use File::Basename qw(dirname);
use JSON::PP;
use MIME::Base64 qw(encode_base64);
use Test::More;
use MspwhTest;

my $repo   = abs_path(dirname(__FILE__) . '/..');
my $send   = "$repo/bin/mspwh-send";
my @shells = grep { (run('sh', '-c', "command -v $_"))[0] == 0 } qw(dash bash);

my $secret = write_file("secret", SECRET . "\n");

start(<<'CONF');
    mspwh on;
    mspwh_secret_file secret;
    location / { proxy_pass http://%%A%%; proxy_set_header X-Type $mspwh_event_type; }
    location /other { mspwh_signature_header X-Other; proxy_pass http://%%A%%; }
    location /off { mspwh off; proxy_pass http://%%A%%; }
    location /small { client_max_body_size 100; proxy_pass http://%%A%%; }
    location /form { mspwh_malformed pass; proxy_pass http://%%A%%; }
    location /moved { mspwh off; return 301 /; }
CONF

my $name = 'X-Webhook-Signature';

mkdir $ENV{TMPDIR} = dir() . '/tmp';

# Returns the exit status and all output.
sub sender { return run('sh', $send, @_) }
sub with   { return sender('--secret-file', $secret, @_) }
sub got    { my @r = records(); clear_records(); return @r }

# --- the signature, against Digest::SHA

my $body = write_file('event.json', '{"eventType":"ticket.created","entityId":17,"Details":"x"}');

sub signature {
    my ($shell, $file, $of) = @_;
    my ($rc, $text) =
        run($shell, $send, '--secret-file', $file, '--dry-run', 'http://localhost/', $of // $body);
    return $text =~ /\A$name: (\S+)\n\n/ ? $1 : "$rc: $text";
}

my %keys = (
    'one byte'             => 'k',
    '63 bytes'             => 'k' x 63,
    '64 bytes'             => 'k' x 64,
    '65 bytes'             => 'k' x 65,
    '4096 bytes'           => 'xy' x 2048,
    'UTF-8'                => "gehe\xc3\xafm-\xe2\x82\xac",
    'marks of the shell'   => q{%s\\0101\\n$(id)`id`"'* -n},
    'a minus in front'     => '-e',
    'blanks at both ends'  => "  k\t",
    'every byte, in order' => join('', map { chr } grep { $_ != 10 && $_ != 13 } 1 .. 255),
);
for my $shell (@shells) {
    for my $what (sort keys %keys) {
        my $file = write_file('key', $keys{$what});
        is(signature($shell, $file), sign($keys{$what}, slurp($body)), "$shell, secret of $what");
    }
    for (["\n", 'LF'], ["\r\n", 'CRLF']) {
        my $file = write_file('key', "some secret$_->[0]");
        is(signature($shell, $file), sign('some secret', slurp($body)), "$shell, secret before one $_->[1]");
    }
}
is(signature('sh', write_file('key', 'k' x 4096 . "\r\n")), sign('k' x 4096, slurp($body)),
    '4096 bytes and a newline');

my @refused = (
    ['', 'empty'], ["\n", 'empty'], ["\r\n", 'empty'], ['k' x 4097, 'over 4 KB'], ['k' x 9000, 'over 4 KB'],
    ["a\0b", 'null byte'], ["a\nb", 'newline inside'], ["a\n\n", 'newline inside'],
        ["a\rb", 'newline inside'],
);
for (@refused) {
    my ($bytes, $why) = @$_;
    my ($rc, $text) = sender('--secret-file', write_file('key', $bytes), url(), $body);
    is($rc, 2, "secret refused: $why");
    like($text, qr/"\Q${\dir()}\E\/key" .*$why/, '... with the reason');
}
is((sender('--secret-file', dir() . '/none', url(), $body))[0], 2, 'no such secret file');
is(scalar(got()), 0, '... nothing is sent');

# --- the body, byte for byte

my %bodies = (
    'every byte'      => join('', map { chr } 0 .. 255),
    'newlines at end' => "x\n\n\n",
    'an @ in front'   => '@secret',
    '3 MB'            => join('', map { sha256($_) } 1 .. 98304),
    'no byte'         => '',
);
for my $what (sort keys %bodies) {
    my $file = write_file('some body', $bodies{$what});
    for my $from ('a file', 'standard input') {
        my $arg = $from eq 'a file' ? qq("$file") : qq(- < "$file");
        my ($rc, $text) = run('sh', '-c', qq(sh "$send" --secret-file "$secret" "@{[url('/form')]}" $arg));
        is($rc, 0, "$what from $from: accepted") or diag $text;
        is(join(' ', map { $_->{sha256} } got()), sha256_hex($bodies{$what}), '... the exact bytes arrive');
    }
}

# --- samples

my ($rc, $text) = sender('--list');
my @types = split /\n/, $text;
my @eleven = map { "ticket.$_" } qw(created updated deleted),
    (map { ("note.$_", "response.$_") } qw(added updated deleted)),
    qw(attachment.added attachment.deleted);
is_deeply([$rc, sort @types], [0, sort @eleven], 'there are samples of the eleven types');
for my $type (@types) {
    ($rc, $text) = with(url(), '--event', $type, '--', '-D', dir() . '/head');
    my %header = map { /^([\w-]+): (.*?)\r?$/ ? (lc $1 => $2) : () } split /\n/, slurp(dir() . '/head');
    is($rc, 0, "$type: accepted") or diag $text;
    like($text, qr/\A$type, \d+ bytes: 200 in [\d.]+ s\nbackend A \/\n\z/, '... and the answer shown');
    my $entity = $type =~ /^ticket\.\w+$/ ? 48213 : 90817;
    is_deeply([@header{qw(x-verdict x-type x-eid x-tid x-anomaly)}],
        ['verified', $type, $entity, 48213, undef],
        '... with the right type and ids, and no anomaly');
    my ($bytes) = (sender('--unsigned', '--dry-run', url(), '--event', $type))[1] =~ /\A\n(.*)\z/s;
    my $event = decode_json($bytes);
    is(scalar(grep { /base64/ } values %$event), $type =~ /attachment/ ? 0 : 1,
        '... an image, but for attachments');
    is(ref $event->{AdditionalFields}, 'ARRAY', '... and AdditionalFields');
}
got();
with(url(), '--event=ticket.note.added', '--ticket', '7f3e-a', '--entity=12345678901234567890', '--', '-D',
    dir() . '/head');
like(slurp(dir() . '/head'), qr/X-eid: 12345678901234567890\r\nX-tid: 7f3e-a\r\n/, 'ids from the options');
got();

# --- bad signatures, other answers

my @answers = (
    # path, options, exit status, answer, hint
    ['/', ['--forge'], 0, 401, '401 is right: the event was forged', []],
    ['/', ['--unsigned'], 0, 401, '401 is right: the event was unsigned', []],
    ['/off', ['--forge'], 1, 200, 'forged and has been accepted', ['POST']],
    ['/off', ['--unsigned'], 1, 200, 'unsigned and has been accepted', ['POST']],
    ['/off', ['--unsigned', '--expect', '200'], 0, 200, '200 is right: the event was unsigned', ['POST']],
    ['/', ['--forge', '--expect=403'], 1, 401, '401: not verified', []],
    ['/status/503', ['--secret-file', $secret, '--expect', 503], 0, 503, '503 is right', ['POST']],
    ['/status/503', ['--secret-file', $secret, '--expect', 502], 1, 503, 'not ready', ['POST']],
    ['/', ['--secret-file', $secret, '--expect', 401], 1, 200, '401 was expected', ['POST']],
    ['/other', ['--secret-file', $secret], 1, 401, 'mspwh_signature_header', []],
    ['/other', ['--secret-file', $secret, '--header', 'X-Other'], 0, 200, undef, ['POST']],
    ['/small', ['--secret-file', $secret], 1, 413, 'client_max_body_size', []],
    ['/moved', ['--secret-file', $secret], 1, 301, 'redirect', []],
    ['/status/500', ['--secret-file', $secret], 1, 500, 'error log', ['POST']],
);
for (@answers) {
    my ($path, $options, $exit, $status, $hint, $seen) = @$_;
    my $what = "$path @{[grep { !m{/} } @$options]}: $status";
    ($rc, $text) = sender(@$options, url($path), '--event', 'ticket.created');
    is($rc, $exit, "$what, exit status $exit");
    like($text, qr/^ticket\.created, \d+ bytes: $status in/m, "$what, shown");
    defined $hint ? like($text, qr/^mspwh-send: .*\Q$hint\E/m, "$what, with a hint")
        : unlike($text, qr/^mspwh-send/m, "$what, no hint");
    is_deeply([map { $_->{method} } got()], $seen, "$what, the backend");
}
ok(scalar(log_matches('mspwh: bad_signature')), '--forge has a wrong signature');
ok(scalar(log_matches('mspwh: no_signature')), '--unsigned has none');

write_file('other', "another secret\n");
($rc, $text) = sender('--secret-file', dir() . '/other', url(), $body);
is($rc, 1, 'another secret: exit status 1');
like($text, qr/^mspwh-send: 401: not verified/m, '... and a hint');
write_file('strange.json', '{"eventType":"Ticket created"}');
($rc, $text) = with(url(), dir() . '/strange.json');
like("$rc $text", qr/^1 .*: 400 in.*^mspwh-send: 400: .*not a usable event/ms,
    'not an event: 400 and a hint');

my $dead = port('dead');
($rc, $text) = with("http://127.0.0.1:$dead/", $body);
is($rc, 1, 'no server: exit status 1');
like($text, qr/, \d+ bytes: no answer$/m, '... and the result says so');
like($text, qr/^mspwh-send: no answer from http:/m, '... and a hint');

# --- repeats

clear_records();
($rc, $text) = with('--repeat', 3, '--quiet', url(), '--event', 'ticket.created');
is($rc, 0, '--repeat');
is($text =~ s/^ticket\.created, \d+ bytes: 200 in .*\n//gmr, "sent 3 times, 3 answered 2xx\n",
    '... one line for each with --quiet');
my @three = got();
is(join(' ', map { $_->{sha256} } @three), join(' ', ($three[0]{sha256}) x 3), '... three times the same');
($rc, $text) = sender('--forge', '--repeat', 2, url('/off'), '--event', 'ticket.created');
is($rc, 1, '--repeat with failures: exit status 1');
is(scalar(() = $text =~ /^mspwh-send:/mg), 1, '... and one hint');
like($text, qr/^sent 2 times, 0 answered 401$/m, '... and how many were answered as they should');
got();

# --- what would change what is sent, or where to

{
    my $proxy = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 8) or die "no port: $!";
    my $address = 'http://127.0.0.1:' . $proxy->sockport;
    local @ENV{qw(http_proxy HTTP_PROXY all_proxy CURL_HOME)} = ($address, $address, $address, dir());
    for my $host ('127.0.0.1', 'localhost') {
        is((with(url() =~ s/127\.0\.0\.1/$host/r, $body))[0], 0, "a proxy is not used for $host");
    }
    write_file('.curlrc', "proxy = $address\nuser-agent = strange\nrequest = PUT\n");
    delete @ENV{qw(http_proxy HTTP_PROXY all_proxy)};
    is((with(url(), $body))[0], 0, 'a configuration file of curl');
    is_deeply([map { $_->{method} } got()], [('POST') x 3], '... is not read');
    ok(!IO::Select->new($proxy)->can_read(0), '... and nothing comes to the proxy');
    my ($rc, $text) = with('--quiet', url('/a{x,y}b[1-2]'), $body);
    is_deeply([$rc, [map { $_->{uri} } got()]], [0, ['/a{x,y}b[1-2]']], 'braces and brackets are sent')
        or diag $text;
}

# --- usage

my @misused = (
    [[], 'no URL'], [['--nothing'], 'unknown option'], [[url()], 'nothing to send'],
    [['localhost', $body], 'not a URL'], [['file:///etc/passwd', $body], 'not a URL'],
    [[url(), $body, 'more'], 'too many'], [[url(), $body, '--event', 'ticket.created'], 'either'],
    [['--event'], 'needs a value'], [['--event=', url()], 'needs a value'],
    [['--event', 'ticket', url()], 'no sample'], [['--event', 'ticket.', url()], 'no sample'],
    [['--repeat', 0, url(), $body], '--repeat'], [['--repeat', '2x', url(), $body], '--repeat'],
    [['--expect', '2xx', url(), $body], '--expect'], [['--expect=', url(), $body], 'needs a value'],
   
    [['--header', 'X: y', url(), $body], '--header'], [['--ticket', '1"', url(), $body], 'id'],
    [['--forge', '--unsigned', url(), $body], 'exclude'],
    [[url(), dir() . '/none'], 'no file'], [[url(), dir()], 'no file'],
);
for (@misused) {
    my ($args, $why) = @$_;
    ($rc, $text) = with(@$args);
    is($rc, 2, "refused: @{[map { /^http/ ? 'URL' : $_ } @$args]}");
    like($text, qr/^mspwh-send: .*\Q$why\E/, "... $why");
}
is((sender(url(), $body))[0], 2, 'refused: no secret');
is(scalar(got()), 0, '... nothing is sent');
($rc, $text) = sender('--help');
is($rc, 0, '--help');
like($text, qr/\AUsage: /, '... is shown');
like($text, qr/^ +\Q$_\E\b/m, "... with $_") for slurp($send) =~ /^        (--[a-z-]+)\) /mg;
is_deeply([sender('--version')], [0, 'mspwh-send ' . slurp("$repo/VERSION")], '--version');

# --- what others on the machine can see: arguments and environments

my $bin = dir() . '/bin';
mkdir $bin;
for my $command (qw(openssl curl od tr cat mktemp rm wc sed date grep tail env printf)) {
    my ($real) = grep { -x } map { "$_/$command" } split /:/, $ENV{PATH};
    # a shell's read drops null bytes, so perl looks
    write_file("bin/$command", <<"WRAP", 0755);
#!$^X
open my \$log, '>>', '${\dir()}/seen.log' or die;
syswrite \$log, join("\\n", '$command', \@ARGV, map { "\$_=\$ENV{\$_}" } keys %ENV) . "\\n";
close \$log;
exec '$real', \@ARGV;
WRAP
}
my $sh = (run('sh', '-c', 'command -v sh'))[1];
chomp $sh;
for my $key ('a secret that ps must not show', 'a long one ' x 20) {
    write_file('shown', $key);
    unlink dir() . '/seen.log';
    for ([], ['--dry-run']) {
        ($rc, $text) = run('env', "PATH=$bin", $sh, $send, '--secret-file', dir() . '/shown', @$_,
            url('/off'), '--event', 'ticket.created');
        is($rc, 0, "runs with no other command than those watched @$_") or diag $text;
    }
    my ($signature, $signed) = $text =~ /\A$name: (\S+)\n\n(.*)\z/s;
    is($signature, sign($key, $signed), '... and signs correctly');
    my $seen = slurp(dir() . '/seen.log');
    like($seen, qr/^openssl\n/m, 'the watch sees openssl') or next;
    like($seen, qr/^curl\n/m, 'the watch sees curl');
    my $used = length $key > 64 ? sha256($key) : $key;
    my $padded = $used . "\0" x (64 - length $used);
    my %form = (bytes => $key, base64 => encode_base64($key, ''));
    for (['', $key], ['hashed ', $used], ['inner ', $padded ^ "\x36" x 64],
        ['outer ', $padded ^ "\x5c" x 64]) {
        my ($what, $bytes) = @$_;
        my @bytes = unpack '(H2)16', $bytes;
        $form{"${what}hex"} = join '', @bytes;
        $form{"${what}hex, spaced"} = join ' ', @bytes;
        $form{"${what}octal"} = join '', map { sprintf '\\0%03o', hex } @bytes;
    }
    is(index(lc $seen, lc $form{$_}), -1, "no command sees the secret: $_") for sort keys %form;
}

# --- a terminal

SKIP: {
    skip 'there is no "script"', 3 if !installed('script');
    my $line = "$sh $send --quiet --secret-file $secret " . url('/') . ' --event ticket.created';
    my @terminal = ('script', '-qec', $line, '/dev/null');
    delete local $ENV{NO_COLOR};
    like((run(@terminal))[1], qr/bytes: \e\[32m200 in .*\e\[m/, 'on a terminal: in green');
    like((run(@terminal[0, 1], "$line --expect 400", '/dev/null'))[1], qr/bytes: \e\[31m200 in/,
        '... and in red if it is wrong');
    local $ENV{NO_COLOR} = 1;
    unlike((run(@terminal))[1], qr/\e/, '... but not with NO_COLOR');
}

ok(stop(), 'nginx stops in time');
opendir my $left, $ENV{TMPDIR} or die;
is_deeply([grep { !/^\./ } readdir $left], [], 'no temporary files are left');

done_testing();
