package MspwhFaultsStore;

# The requests of MspwhFaults that need a store.

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256_hex sha256);
use Exporter qw(import);
use MIME::Base64 qw(encode_base64url);
use MspwhLedger;
use MspwhStore;
use MspwhTest;

our @EXPORT = qw(store_kinds store_config store_ready lose_store elsewhere streamed);

sub store_kinds {
    my $large = { size => 50_000 };
    return (
        { name => 'remembered by a store', path => '/shared', status => 200, store => 1 },
        { name => 'remembered by a store that is lost', path => '/shared', status => 200, store => 1,
            lost => 1 },
        { name => 'delivered elsewhere', path => '/shared', status => 200, store => 1, elsewhere => 'd' },
        { name => 'in flight elsewhere', path => '/shared', status => 409, store => 1, elsewhere => 'p1.1' },
        { name => 'streamed', path => '/stream', status => 202, store => 1, streamed => 1 },
        { name => 'streamed, in a file', path => '/stream/file', status => 202, store => 1, streamed => 1,
            event => $large },
    );
}

# Claims use TLS, if the store supports it.
my $tls;

sub start_stores {
    my ($cert, $key) = @_;
    my @tls = ('tls-port' => port('store_tls'), 'tls-cert-file' => $cert, 'tls-key-file' => $key,
        'tls-ca-cert-file' => $cert, 'tls-auth-clients' => 'no');
    return 1 if !defined lacks(module => 'http_ssl_module') and eval { start_store('main', @tls) };
    start_store('main', save => '');
    return 0;
}

# Waits until the worker is connected to the store, and idle.
sub store_ready {
    wait_until {
        request(method => 'GET', path => '/status/prometheus')->{body}
            =~ /^mspwh_store_connections 1\n(?:.*\n)*mspwh_store_waiting_settles 0$/m;
    } 10 or die 'the store is lost: ' . error_log();
}

# Makes the worker reconnect, and waits until it has, or until the block says that it cannot.
sub lose_store(&) {
    my $fails = shift;
    ask('main', 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    wait_until { $fails->() or ask('main', 'CLIENT', 'LIST') =~ /cmd=(?!NULL|client)/ } 1;
}

# Stores another edge's claim or settle of an event.
sub elsewhere {
    my ($request, $value) = @_;
    my $key = sha256(join "\0", 'default', 'POST', hmac_sha256_hex($request->{body}, SECRET));
    ask('main', 'SET', 'mspwh:shared:' . encode_base64url($key), $value, 'PX', 60_000);
}

# Returns how often an event is in the stream, and how many others there are.
sub streamed {
    my $request = shift;
    my @bodies = map { $_->{body} } entries('main');
    return (scalar(grep { $_ eq $request->{body} } @bodies), scalar(grep { $_ ne $request->{body} } @bodies));
}

sub store_config {
    return ('', '') if !has_store();
    my ($cert, $key) = @_;
    $tls //= start_stores($cert, $key);
    my $ssl = !$tls ? '' : "mspwh_store_ssl on; mspwh_store_ssl_verify on; mspwh_store_ssl_name localhost; "
        . "mspwh_store_ssl_trusted_certificate $cert;";
    my $port = port($tls ? 'store_tls' : 'store_main');
    return (<<"HTTP", <<"SERVER");
upstream claims { server 127.0.0.1:$port; }
upstream streams { server 127.0.0.1:%%PORT_store_main%% max_fails=0; }
mspwh_dedup_zone zone=shared:1m ttl=1h pending=1h store=claims;
mspwh_store_timeout 5s;
$ssl
HTTP
    location /shared {
        mspwh on;
        mspwh_dedup zone=shared;
        proxy_pass http://127.0.0.1:@{[recorder_port()]};
    }
    @{[$tls ? 'mspwh_store_ssl off;' : '']}
    location /stream {
        mspwh on;
        mspwh_stream_pass streams key=mspwh;
        location /stream/file { client_body_buffer_size 1k; mspwh_stream_pass streams key=mspwh; }
    }
SERVER
}

1;
