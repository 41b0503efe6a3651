# The configurations in docs/examples are run as they are: only their ports, and where "/" is, are changed.
# t/slow/fleet.t runs those of the fleet, as they stand in docs/scaling.md.

use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use Test::More;
use Time::HiRes qw(sleep);
use MspwhDocs;
use MspwhFleet;
use MspwhTest;

my $name = 'X-Webhook-Signature';

sub example { return page_text("docs/examples/$_[0]") }
sub in { my $instance = shift; return instance_file($instance, $_[0]) }
sub text_of { my $file = in(@_); return slurp($file) }

sub body {
    my ($type, $size) = @_;
    return qq({"eventType":"$type","entityId":17,"TicketId":9,"Details":") . 'x' x ($size // 10) . '"}';
}

sub deliver {
    my ($port, $path, $secret, $body, @headers) = @_;
    my @signed = ($name => sign($secret, $body), @headers);
    return request(port => $port, path => $path, body => $body, headers => \@signed)->{status};
}

# What has arrived since, as [backend, sha256].
sub seen { my @seen = map { [@$_{qw(backend sha256)}] } records(); clear_records(); return \@seen }

# The log is written after the answer.
sub logged {
    my ($instance, $file, $pattern, $what) = @_;
    my $text;
    for (1 .. 100) { last if ($text = text_of($instance, $file)) =~ $pattern; sleep 0.05 }
    like($text, $pattern, $what);
}

my $backends = 0;
sub begin {
    my ($instance, $conf, $port) = @_;
    MspwhTest::start_backend() if !$backends++;
    define_instance($instance, $conf, port($port));
}

my %backend = map { $_ => '127.0.0.1:' . MspwhTest::backend_port($_) } qw(A B);

# What nginx -t says, but for notices, of other modules too, and that it is not root.
sub checked {
    my $instance = shift;
    my ($rc, $text) = run(nginx(), qw(-t -q -p), in($instance, ''), '-c', in($instance, 'nginx.conf'));
    $text =~ s/^.*(?:\[notice\]|the "user" directive makes sense only).*\n//mg;
    return ($rc, $text);
}

# --- an edge with TLS ---------------------------------------------------------------

# the lines of Debian's own nginx.conf that matter here
my $debian = <<'CONF';
user www-data;
worker_processes auto;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
include /etc/nginx/modules-enabled/*.conf;
events {
    worker_connections 768;
}
http {
    sendfile on;
    tcp_nopush on;
    types_hash_max_size 2048;
    default_type application/octet-stream;
    ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;
    ssl_prefer_server_ciphers on;
    access_log /var/log/nginx/access.log;
    gzip on;
    include /etc/nginx/conf.d/*.conf;
    include /etc/nginx/sites-enabled/*;
}
CONF

# Puts a file below /etc/nginx of an instance.
sub etc { my ($instance, $file, $text) = @_; return write_file(in($instance, "etc/nginx/$file"), $text) }

sub begin_debian {
    my ($instance, $port) = @_;
    begin($instance, $debian, $port);
    mkdir in($instance, "etc/nginx/$_")
        for '', qw(modules-enabled sites-available sites-enabled conf.d secrets);
    etc($instance, 'modules-enabled/50-mod-http-mspwh.conf', MspwhTest::load_module() . "\n");
}

SKIP: {
    needs(module => 'http_ssl_module');
    begin_debian('edge', 'status');
    my $site = replaced(example('tls-edge.conf'), 'listen      443' => 'listen ' . at('tls'),
        'listen      [::]:443' => 'listen ' . at('tls6'), '127.0.0.1:8090' => at('status'),
        '127.0.0.1:8081' => $backend{A});
    etc('edge', 'sites-available/webhook', instance_text('edge', $site));
    symlink '../sites-available/webhook', in('edge', 'etc/nginx/sites-enabled/webhook') or die $!;
    etc('edge', 'webhook.secret', SECRET . "\n");
    my ($cert, $key) = tls_files();
    for (['certs/hooks.example.com.pem', $cert], ['private/hooks.example.com.key', $key]) {
        my ($file, $from) = @$_;
        mkdir in('edge', $_) for 'etc/ssl', 'etc/ssl/' . $file =~ s{/.*}{}r;
        symlink $from, in('edge', "etc/ssl/$file") or die $!;
    }
    my ($rc, $text) = checked('edge');
    is_deeply([$rc, $text], [0, ''], 'tls-edge.conf: nginx -t has nothing to say');
    start_instance('edge');

    my $body = body('ticket.created', 3_000_000);
    my $url = 'https://hooks.example.com:' . port('tls') . '/webhook';
    my @curl = (qw(curl -sk -m 20 -o /dev/null -w %{http_code}),
        '--resolve', 'hooks.example.com:' . port('tls') . ':127.0.0.1');
    my @post = ('--data-binary', '@' . write_file('body', $body), '-H');
    is((run(@curl, @post, "$name: " . sign(SECRET, $body), $url))[1], 200, '... an event of 3 MB, over TLS');
    my ($record) = records();
    is_deeply([@$record{qw(backend sha256)}], ['A', sha256_hex($body)],
        '... arrives at the service byte for byte');
    my %header = %{ $record->{header} };
    is_deeply([@header{qw(host x-event-type x-entity-id x-ticket-id)}],
        [qw(hooks.example.com ticket.created 17 9)], '... which is told what it is');
    like($header{'idempotency-key'}, qr/^[0-9a-f]{64}$/, '... and a key');
    clear_records();
    is((run(@curl, @post, "$name: " . sign('another', $body), $url))[1], 401, '... forged: 401');
    is((run(@curl, @post, 'X-Other: y', $url))[1], 401, '... unsigned: 401');
    is((run(@curl, $url))[1], 403, '... GET: 403');
    is((run(@curl, $url =~ s/webhook/other/r))[1], 404, '... elsewhere: 404');
    is_deeply(seen(), [], '... nothing of it arrives');
    logged('edge', 'var/log/nginx/webhook.log',
        qr/ 200 verdict=verified type=ticket\.created entity=17 ticket=9 key=2026 /,
        '... the log has the event');
    logged('edge', 'var/log/nginx/webhook.error.log', qr/\[error\].*mspwh: bad_signature/,
        '... and why the forged one was refused');
    my $status = request(port => 'status', method => 'GET', path => '/mspwh');
    like($status->{body}, qr/bad_signature/, '... there are counters');
    ok(quit_instance('edge'), '... and it ends');
}

# --- several tenants ----------------------------------------------------------------

{
    begin_debian('tenants', 'webhooks');
    etc('tenants', 'conf.d/webhooks.conf', instance_text('tenants', replaced(example('tenants.conf'),
        'listen 8080' => 'listen ' . at('webhooks'), '127.0.0.1:8081' => $backend{A},
        '127.0.0.1:8082' => $backend{B})));
    etc('tenants', "secrets/$_", "the secret of $_\n") for qw(acme globex globex.old);
    my ($rc, $text) = checked('tenants');
    is_deeply([$rc, $text], [0, ''], 'tenants.conf: nginx -t has nothing to say');
    start_instance('tenants');

    my $n = 0;
    for (['acme', 'acme', 'A'], ['globex', 'globex', 'B'], ['globex', 'globex.old', 'B']) {
        my ($tenant, $secret, $backend) = @$_;
        my $body = body("ticket.note.added", ++$n);
        is(deliver('webhooks', "/webhook/$tenant", "the secret of $secret", $body), 200,
            "... $tenant, signed with $secret");
        is_deeply(seen(), [[$backend, sha256_hex($body)]], '... arrives at its service');
        is(deliver('webhooks', "/webhook/$tenant", "the secret of $secret", $body), 200, '... again: 200');
        is_deeply(seen(), [], '... and does not arrive again');
        my $other = $tenant eq 'acme' ? 'globex' : 'acme';
        is(deliver('webhooks', "/webhook/$other", "the secret of $secret", $body), 401,
            "... is worth nothing to $other");
        is_deeply(seen(), [], '... and does not arrive there');
        logged('tenants', "var/log/nginx/webhook.$tenant.log",
            qr/200 verdict=verified type=ticket\.note\.added ticket=9 key=$tenant-20/,
            "... $tenant\'s log has it");
    }
    unlike(text_of('tenants', 'var/log/nginx/webhook.acme.log'), qr/globex-/, '... and no event of another');
    is(deliver('webhooks', '/webhook', 'the secret of acme', body('ticket.created')), 404,
        '... nobody\'s path: 404');
    ok(quit_instance('tenants'), '... and it ends');
}

# --- a sidecar ----------------------------------------------------------------------

# Kubernetes writes a new directory, and then leads "..data" to it.
sub mount_secret {
    my ($version, $secret) = @_;
    my $dir = in('sidecar', 'etc/webhook');
    mkdir $_ for $dir, "$dir/..$version";
    write_file("$dir/..$version/secret", $secret, 0440);
    symlink "..$version", "$dir/..data_tmp" or die $!;
    rename "$dir/..data_tmp", "$dir/..data" or die $!;
    symlink '..data/secret', "$dir/secret" if !-l "$dir/secret";
}

{
    begin('sidecar', replaced(example('sidecar.conf'), 'listen 8080' => 'listen ' . at('webhook'),
        'listen     9113' => 'listen ' . at('metrics'), '127.0.0.1:8081' => $backend{A}), 'webhook');
    mount_secret(1, 'the first');
    my ($rc, $text) = checked('sidecar');
    is($rc, 0, 'sidecar.conf: nginx -t takes it');
    like($text, qr/\A[^\n]*secret" can be read by group or others[^\n]*\n\z/,
        '... and warns of the mode alone');
    start_instance('sidecar');

    is(request(port => 'webhook', method => 'GET', path => '/ready')->{status}, 204, '... it is ready');
    my $body = body('ticket.updated');
    is(deliver('webhook', '/webhook', 'the first', $body), 200, '... an event');
    is_deeply(seen(), [['A', sha256_hex($body)]], '... arrives');
    is(deliver('webhook', '/webhook', 'the second', $body), 401, '... not with a secret to come');
    logged('sidecar', 'stdout.log',
        qr/"status":200,"verdict":"verified","type":"ticket\.updated","entity_id":"17"/,
        '... the log is on stdout');
    logged('sidecar', 'stderr.log', qr/\[error\].*mspwh: bad_signature/, '... errors are on stderr');

    mount_secret(2, 'the second');
    ok(reload_instance('sidecar'), '... the secret is changed, and nginx reloaded');
    clear_records();
    is(deliver('webhook', '/webhook', 'the second', $body), 200, '... the new one is taken');
    is(deliver('webhook', '/webhook', 'the first', $body), 401, '... and the old one not');
    is(scalar @{ seen() }, 1, '... one event has arrived');
    my $metrics = request(port => 'metrics', method => 'GET', path => '/metrics');
    like($metrics->{body}, qr/^mspwh_requests_total\{.*verdict="verified".*\} \d/m,
        '... Prometheus gets its metrics');
    is_deeply([grep { -e in('sidecar', $_) } qw(client_body proxy fastcgi uwsgi scgi nginx.pid)], [],
        '... nothing is written outside of /tmp');
    ok(quit_instance('sidecar'), '... and it ends');
}

# --- a fleet ------------------------------------------------------------------------

for (['front', 'The front'], ['edge', 'The edges']) {
    my ($file, $heading) = @$_;
    is(example("fleet/$file.conf") =~ s/\A#[^\n]*\n\n//r, recipe('docs/scaling.md', $heading),
        "fleet/$file.conf is what docs/scaling.md has");
}

done_testing();
