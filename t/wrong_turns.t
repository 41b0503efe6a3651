# Typical mistakes of administrators: docs/troubleshooting.md has the messages that nginx then prints.

use strict;
use warnings;
use Test::More;
use MspwhDocs;
use MspwhTest;

my $name = 'X-Webhook-Signature';
my $body = '{"eventType":"ticket.created","entityId":17}';
# the page's messages, with "..." for the parts that vary
my @shown = page_text('docs/troubleshooting.md') =~ /`([^`\n]+)`/g;

# Checks that the page has the words, and that they match the message.
sub found {
    my ($words, $text, $what) = @_;
    ok(scalar(grep { $_ eq $words } @shown), "$what: the page has \"$words\"");
    my $pattern = join '.*', map { quotemeta } split /\.\.\./, $words;
    like($text, qr/$pattern/, '... and so has nginx');
}

# --- the module and nginx ----------------------------------------------------------

my ($module) = MspwhTest::load_module() =~ /(\S*mspwh\S*);/;
my $minimal = "http { server { listen 127.0.0.1:1; mspwh off; } }\n";
sub said {
    my $conf = write_file('turn.conf', "$_[0]\n" . ($_[0] =~ /events/ ? '' : "events { }\n") . $minimal);
    return (run(nginx(), '-t', '-p', dir(), '-e', 'turn.log', '-c', $conf))[1];
}

# Returns a copy of the module, changed as if it were built for another nginx.
sub altered {
    my ($from, $to) = @_;
    my $bytes = slurp($module);
    my $at = index $bytes, $from;
    die 'there is nothing to alter' if $at < 0;
    substr $bytes, $at, length $to, $to;
    return write_file('altered.so', $bytes);
}

SKIP: {
    skip 'the module is linked into nginx', 14 if !defined $module;
    my @number = (run(nginx(), '-v'))[1] =~ m{/(\d+)\.(\d+)\.(\d+)};
    my $version = pack 'L!', $number[0] * 1_000_000 + $number[1] * 1000 + $number[2];
    found('unknown directive "mspwh"', said(''), 'load_module is forgotten');
    my $other = altered($version, pack 'L!', 1020000);
    found('module "..." version ... instead of ...', said("load_module $other;"),
        'the module is of another version');
    # the sizes of C's types
    my ($sizes) = slurp($module) =~ /(\d,4,\d,)[01]{30}/;
    $other = altered($sizes, $sizes =~ tr/48/84/r);
    found('module "..." is not binary compatible', said("load_module $other;"),
        'nginx was built with other options');
    found('dlopen() "..." failed (... cannot open shared object file: No such file or directory)',
        said('load_module modules/none.so;'), 'the module is not there');
    $other = altered("libcjson.so.1\0", 'libcjson.so.0');
    found('dlopen() "..." failed (libcjson.so... cannot open shared object file', said("load_module $other;"),
        'cJSON is not there');
    found('"load_module" directive is specified too late', said("events { }\nload_module $module;"),
        'load_module stands too low');
    found('module "ngx_http_mspwh_module" is already loaded', said("load_module $module;\n" x 2),
        'load_module stands there twice');
}

# --- the secret --------------------------------------------------------------------

# Returns what is logged about an event that is signed with the secret.
sub logged {
    my ($bytes, $path, @headers) = @_;
    my $at = length error_log();
    post($path // '/', $bytes, @headers);
    return join "\n", log_matches(qr/mspwh: /, $at);
}

my $mismatch = 'the signature is of another body or secret';

my %file = (plain => "secret\n", crlf => "secret\r\n", two => "secret\n\n", mark => "\xef\xbb\xbfsecret\n");
write_file($_, $file{$_}) for keys %file;
start(<<'CONF');
    location / { mspwh on; mspwh_secret_file %%DIR%%/plain; proxy_pass http://%%A%%; }
    location /crlf { mspwh on; mspwh_secret_file %%DIR%%/crlf; proxy_pass http://%%A%%; }
    location /mark { mspwh on; mspwh_secret_file %%DIR%%/mark; proxy_pass http://%%A%%; }
CONF

my @signed = ($name => sign('secret', $body));
is(post('/', $body, @signed)->{status}, 200, 'a newline at the end of the file: the event passes');
is(post('/crlf', $body, @signed)->{status}, 200, '... that of Windows, as well');
found($mismatch, logged($body, '/', $name => sign('other', $body)), 'another secret');
found($mismatch, logged($body, '/', $name => sign("secret\n", $body)), 'a newline in MSP Manager\'s secret');
found($mismatch, logged($body, '/mark', @signed), 'a byte order mark in the file');
my (undef, $refused) = config_test('server { mspwh on; mspwh_secret_file %%DIR%%/two; }');
found('"...": "..." has a newline inside, it must be one line', $refused,
    'two newlines at the end of the file');

# --- the body ------------------------------------------------------------------------

# The compressed body, which nobody has to unpack here.
require Compress::Zlib;
my $packed = Compress::Zlib::memGzip($body);
my @gzip = ('Content-Encoding' => 'gzip');
my $line = logged($packed, '/', @signed, @gzip);
found($mismatch, $line, 'gzip after the signature');
found('with Content-Encoding', $line, '... which shows');
$line = logged($packed, '/', $name => sign('secret', $packed), @gzip);
found('unexpected character at byte', $line, 'gzip before the signature');
found('with Content-Encoding', $line, '... which shows');
$line = logged($body =~ s/:/: /gr, '/', @signed);
found($mismatch, $line, 'a proxy that reformats the body');
unlike($line, qr/Content-Encoding/, '... and does not compress it');

done_testing();
