# Ways to reach a store: passwords, narrow ACLs, TLS, unix sockets, a store that is loading; for claims and
# for streams.

use strict;
use warnings;
use JSON::PP qw(decode_json);
use MspwhEvents qw(event);
use MspwhFleet;
use MspwhStore;
use MspwhTest;
use POSIX qw(_exit);
use Test::More;
use Time::HiRes qw(sleep);

all_need_store();

my ($cert, $key) = tls_files();
my $n = 0;
my $acl = '+hello +auth +set +get +del +eval +pexpire +pttl +xadd +wait ~mspwh:*';

write_file('right.password', "rightpassword\n");
write_file('wrong.password', "wrongpassword\n");

MspwhTest::start_backend();

# Starts two edges. Returns the status of an event's claim at one, of its repeat at the other, and of an
# event for the stream at each.
sub try_store {
    my ($address, $settings) = @_;
    for my $edge (qw(edge1 edge2)) {
        define_instance($edge, expand(<<"CONF"), port($edge));
load_module modules/ngx_http_mspwh_module.so;
error_log logs/error.log info;
events { worker_connections 64; }
http {
    client_max_body_size 64m;
    upstream store { server $address max_fails=0; keepalive 2; }
    mspwh_store_timeout 2s;
    $settings
    mspwh_dedup_zone zone=events:1m store=store;
    mspwh_secret '%%SECRET%%';
    server {
        listen 127.0.0.1:@{[port($edge)]};
        add_header X-Verdict \$mspwh_verdict always;
        location / { mspwh on; mspwh_dedup zone=events; proxy_pass http://%%A%%; }
        location /stream { mspwh on; mspwh_stream_pass store key=mspwh:stream; }
        location = /status { mspwh_status json; }
    }
}
CONF
        truncate instance_file($edge, 'logs/error.log'), 0;
        start_instance($edge);
    }
    sleep 0.3;
    my $body = event('Ticket created', ++$n);
    my @got = map { my $r = deliver($_, $body); "$r->{status} " . ($r->{header}{'x-verdict'} // '') }
        qw(edge1 edge2);
    push @got, map { deliver('edge1', event('Ticket created', ++$n), '/stream')->{status} } 1 .. 2;
    return \@got;
}

sub deliver {
    my ($edge, $body, $path) = @_;
    my @headers = ('X-Webhook-Signature' => sign(SECRET, $body));
    return request(port => $edge, path => $path // '/a', body => $body, headers => \@headers);
}

sub end_try {
    for my $edge (qw(edge1 edge2)) {
        ok(quit_instance($edge), "... $edge quits in time");
        unlike(instance_log($edge), qr/open socket|\[alert\]/, '... and leaves nothing behind');
    }
}

my $shared = ['200 verified', '200 duplicate', 202, 202];
my $alone = ['200 verified', '200 verified', 502, 502];

# [what, arguments of the server, or a name of one, address, settings, expected, pattern of the log]
sub check {
    my ($what, $address, $settings, $expected, @patterns) = @_;
    is_deeply(try_store($address, $settings), $expected, $what);
    like(instance_log('edge1'), $_, "... and the log has $_") for @patterns;
    unlike(instance_log('edge1'), qr/rightpassword|wrongpassword/, '... and no password');
    end_try();
}

my $main = '127.0.0.1:%%PORT_store_main%%';
start_store('main', requirepass => 'rightpassword');
check('the password', $main, 'mspwh_store_auth "%%DIR%%/right.password";', $shared);
check('another password', $main, 'mspwh_store_auth "%%DIR%%/wrong.password";', $alone,
    qr/store "store" is lost: WRONGPASS/, qr/not streamed by .*WRONGPASS/);
check('none', $main, '', $alone, qr/store "store" is lost: NOAUTH/, qr/not streamed by .*NOAUTH/);
stop_store('main');

start_store('main', requirepass => 'rightpassword', 'rename-command' => ['HELLO', '']);
check('a store that does not know HELLO', $main, 'mspwh_store_auth "%%DIR%%/right.password";', $alone,
    map { qr/$_ (?:ERR unknown command|NOAUTH)/ } 'store "store" is lost:', 'not streamed by .*');
stop_store('main');

start_store('main', user => ['edge', 'on', '>rightpassword', split / /, $acl]);
check('a user with the rights that it takes', $main,
    'mspwh_store_auth "%%DIR%%/right.password" user=edge;', $shared);
is_deeply([grep { /\[error\]/ } split /\n/, instance_log('edge1')], [], '... and no error');
check('another user, where anybody may append', $main,
    'mspwh_store_auth "%%DIR%%/right.password" user=other;', ['200 verified', '200 verified', 202, 202],
    qr/store "store" is lost: WRONGPASS/,
    qr/streamed by "[\d.:]+" as its default user: WRONGPASS/);
is(scalar(() = instance_log('edge1') =~ /as its default user/g), 1, '... once for the connection');
is(scalar(my @added = entries('main', 'mspwh:stream')), 4, '... each event is in the stream once');
ask('main', 'ACL', 'SETUSER', 'default', 'resetpass');
check('another user, where nobody else may', $main, 'mspwh_store_auth "%%DIR%%/right.password" user=other;',
    $alone, qr/not streamed by .*WRONGPASS/);
stop_store('main');

start_store('main', user => ['edge', 'on', '>rightpassword', '+hello', '+xadd', '~mspwh:*']);
check('a user that may not claim', $main, 'mspwh_store_auth "%%DIR%%/right.password" user=edge;',
    ['200 verified', '200 verified', 202, 202], qr/store "store": NOPERM/);
stop_store('main');
start_store('main', user => ['edge', 'on', '>rightpassword', (split / /, $acl)[0 .. 7], '~mspwh:events:*']);
check('a user that may not append', $main, 'mspwh_store_auth "%%DIR%%/right.password" user=edge;',
    ['200 verified', '200 duplicate', 502, 502], qr/not streamed by .*NOPERM/);
stop_store('main');

# --- memory ----------------------------------------------------------------------------------------
start_store('main', maxmemory => '100mb', 'maxmemory-policy' => 'allkeys-lru');
check('a policy that loses keys', $main, '', $shared, qr/"maxmemory-policy allkeys-lru".*"noeviction"/);
stop_store('main');

# --- unix sockets ------------------------------------------------------------------------------------
my $socket = dir() . '/store.sock';
start_store('main', unixsocket => $socket, unixsocketperm => 700);
check('a unix socket', "unix:$socket", '', $shared);
check('one that is not there', "unix:$socket.x", '', $alone, qr/is lost: connect\(\) failed \(2: /);
stop_store('main');
SKIP: {
    skip 'needs root', 1 if $> != 0;
    start_store('main', unixsocket => $socket, unixsocketperm => 700);
    no warnings 'redefine';
    my $define = \&MspwhFleet::define_instance;
    local *define_instance = sub {
        my ($name, $conf, $port) = @_;
        $define->($name, "user nobody nogroup;\n$conf", $port);
        chmod 0755, dir(), instance_file($name, '');
    };
    check('one without permission', "unix:$socket", '', $alone, qr/is lost: connect\(\) failed \(13: /);
    stop_store('main');
}

# --- TLS ---------------------------------------------------------------------------------------------
SKIP: {
    needs(module => 'http_ssl_module');
    my @tls = ('tls-port' => port('tls'), 'tls-cert-file' => $cert, 'tls-key-file' => $key,
        'tls-auth-clients' => 'no', 'tls-ca-cert-file' => $cert);
    skip 'the store was built without TLS', 1 if !eval { start_store('main', @tls) };
    my $at = '127.0.0.1:%%PORT_tls%%';
    my $trust = "mspwh_store_ssl on; mspwh_store_ssl_verify on; mspwh_store_ssl_trusted_certificate '$cert';";
    check('TLS', $at, 'mspwh_store_ssl on;', $shared);
    try_store($at, 'mspwh_store_ssl on;');
    my @large = map { event('Ticket created', ++$n) . ' ' x 100_000 } 1 .. 3;
    is_deeply([map { deliver('edge1', $_, '/stream')->{status} } @large], [(202) x 3],
        '... takes large events on a kept connection');
    end_try();
    check('TLS, with a certificate that is trusted', $at, "$trust mspwh_store_ssl_name localhost;", $shared);
    check('... of the name of the upstream, by default', $at, $trust, $alone,
        qr/is lost: TLS: the certificate is for another name/,
        qr/upstream SSL certificate does not match "store"/);
    check('... of another name', $at, "$trust mspwh_store_ssl_name other.example;", $alone,
        qr/is lost: TLS: the certificate is for another name/);
    my ($other) = do { rename $cert, "$cert.store"; rename $key, "$key.store"; tls_files() };
    check('... or one that is not', $at, $trust =~ s/\Q$cert\E/$other/r . ' mspwh_store_ssl_name localhost;',
        $alone, qr/is lost: TLS: self.signed certificate/);
    check('TLS to a store that has none', $main, 'mspwh_store_ssl on;',
        ['200 verified', '200 verified', 504, 504], qr/is lost: no answer in time/);
    check('a store with TLS, without it', $at, '', $alone, qr/is lost: /);
    stop_store('main');
}

# --- a store that is loading -----------------------------------------------------------------------------
{
    start_store('main');
    ask('main', 'CONFIG', 'SET', 'rdbcompression', 'no');
    ask('main', 'SET', "key$_", 'x' x 1000) for 1 .. 3000;
    ask('main', 'SAVE');
    stop_store('main');
    start_store('main', 'key-load-delay' => 2000, 'loading-process-events-interval-bytes' => 2048,
        'nowait');
    ok((wait_until { (eval { ask('main', 'GET', 'x') } // '') =~ /^-LOADING/ } 5), 'a store is loading');
    is_deeply(try_store($main, ''), $alone, '... nothing waits for it');
    like(instance_log('edge1'), qr/is lost: LOADING/, '... and the log says so');
    ok((wait_until { instance_log('edge1') =~ /is back at/ && instance_log('edge2') =~ /is back at/ } 60),
        '... it has loaded');
    my $body = event('Ticket created', ++$n);
    is(deliver('edge1', $body)->{status}, 200, '... and is used');
    is(deliver('edge2', $body)->{header}{'x-verdict'}, 'duplicate', '... by all');
    is(deliver('edge1', $body, '/stream')->{status}, 202, '... and for the stream');
    end_try();
}

# --- something else ---------------------------------------------------------------------------------------
check('a server that is not a store', '127.0.0.1:' . port('edge2'), '', $alone,
    qr/not streamed by .* does not speak RESP2/);
like(instance_log('edge2'), qr/is lost: it does not speak RESP2/, '... and the log of the other says so');

# an error inside an array, in place of a number: the array is one answer, and decides once
start_liar('main', sub {
    my ($word, $key) = @_;
    return "*2\r\n\$4\r\nrole\r\n\$6\r\nmaster\r\n" if $word eq 'HELLO';
    return "\$1\r\np\r\n" if $word eq 'SET';
    return "*0\r\n" if $word ne 'PTTL';
    return $key =~ /:A{43}$/ ? ":-2\r\n" : "*2\r\n-ERR no\r\n:5000\r\n";
});
check('a store that answers with errors in arrays', '127.0.0.1:' . port('liar_main'), '',
    ['409 in_flight', '409 in_flight', 502, 502], qr/not streamed by .* an unexpected reply/);


# the store refuses the connection, and then closes it
start_liar('refuses', sub { $_[0] eq 'HELLO' ? "-ERR max number of clients reached\r\n" : _exit(0) });
check('a store that refuses connections', '127.0.0.1:' . port('liar_refuses'), '', $alone,
    qr/is lost: ERR max number/, qr/not streamed by .*ERR max number/);

# an array in place of the probe's number: it is one answer
{
    start_liar('probe', sub {
        my ($word) = @_;
        return "*2\r\n\$4\r\nrole\r\n\$6\r\nmaster\r\n" if $word eq 'HELLO';
        return $word eq 'PTTL' ? "*3\r\n:1\r\n:2\r\n:3\r\n" : "\$-1\r\n";
    });
    try_store('127.0.0.1:' . port('liar_probe'), '');
    my $store = decode_json(request(port => 'edge1', method => 'GET', path => '/status')->{body})->{store};
    is($store->{connects}, 1, 'a probe that is answered by an array connects once');
    end_try();
}

# a store's text must not add lines to the log
start_liar('lines', sub {
    my ($word) = @_;
    my $line = sub { "$_[0]\n2026/01/01 00:00:00 [crit] forged\t\x7f" };
    my $bulk = sub { '$' . length($_[0]) . "\r\n$_[0]\r\n" };
    return "*2\r\n\$4\r\nrole\r\n\$6\r\nmaster\r\n" if $word eq 'HELLO';
    return "*2\r\n" . $bulk->('maxmemory-policy') . $bulk->($line->('policy')) if $word eq 'CONFIG';
    return $bulk->($line->('entry')) if $word eq 'XADD';
    return $word eq 'SET' ? '-' . $line->('ERR error') . "\r\n" : ":-2\r\n";
});
check('a store that says more than one line', '127.0.0.1:' . port('liar_lines'), '',
    ['200 verified', '200 verified', 202, 202],
    map { qr/$_\?2026\/01\/01 00:00:00 \[crit\] forged\?\?/ } 'entry', 'policy', 'ERR error');
for my $edge (qw(edge1 edge2)) {
    is_deeply([grep { /^2026.01.01/ } split /\n/, slurp(instance_file($edge, 'logs/error.log'))], [],
        "... which the log of $edge has in one");
}

# A reply that is neither nil, nor "d", nor a claim, is not an answer to a claim.
my %kinds = (
    status => "+OK\r\n", number => ":1\r\n", array => "*2\r\n:1\r\n\$-1\r\n", string => "\$1\r\nx\r\n",
    delivered => "+d\r\n", nothing => "\$0\r\n\r\n",
);
for my $kind (sort keys %kinds) {
    start_liar($kind, sub {
        my ($word) = @_;
        return "*2\r\n\$4\r\nrole\r\n\$6\r\nmaster\r\n" if $word eq 'HELLO';
        return $word eq 'SET' ? $kinds{$kind} : ":-2\r\n";
    });
    check("a claim that is answered: $kind", '127.0.0.1:' . port("liar_$kind"), '', $alone,
        qr/store "store" is lost: an unexpected reply/);
}

done_testing();
