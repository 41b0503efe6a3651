# bin/mspwh-redeliver over TLS: to a server whose certificate is right, and to no other.

use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use Test::More;
use MspwhSpool;
use MspwhTest;

plan skip_all => 'there is no IO::Socket::SSL' if !eval { require IO::Socket::SSL };
all_needs(module => 'http_ssl_module');

my $us = 'mspwh-redeliver';
my ($cert, $key) = tls_files();
start_http(<<"CONF");
server {
    listen 127.0.0.1:%%PORT%%;
    listen 127.0.0.1:%%PORT_tls%% ssl;
    ssl_certificate     $cert;
    ssl_certificate_key $key;
    mspwh on;
    mspwh_secret '%%SECRET%%';
    location / { proxy_pass http://%%A%%; }
}
CONF
my $dir = new_spool();
my $server = 'https://localhost:' . port('tls');

my @bodies = map { event('ticket.created', $_, more => 'x' x ($_ % 2 ? 10 : 2_000_000)) } 1 .. 6;
spool($dir, 'ticket.created', 1 + $_, $bodies[$_]) for 0 .. 5;
my ($rc, $text) = redeliver($dir, $server);
is($rc, 1, 'a certificate that nobody has signed: exit status 1');
like($text, qr/^$us: kept, no connection: localhost:\d+: TLS: .*certificate verify failed/m, '... reported');
is(scalar(seen()), 0, '... nothing is sent');

$ENV{SSL_CERT_FILE} = $cert;
is_deeply([redeliver('--quiet', '--now', $dir, $server)], [0, ''], 'one that is trusted');
is_deeply([map { $_->{sha256} } seen()], [map { sha256_hex($_) } @bodies],
    '... all events are delivered, byte for byte');

simple_event($dir, 'ticket.created', 7);
($rc, $text) = redeliver($dir, 'https://127.0.0.1:' . port('tls'));
like($text, qr/^$us: kept, no connection: .*(?:hostname|certificate) verif/m, 'one of another host: kept');
is(scalar(seen()), 0, '... and not sent');

ok(stop(), 'nginx stops in time');

done_testing();
