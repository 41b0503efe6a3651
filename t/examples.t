# The configurations in docs/examples work as they are: only ports and the root of paths are changed.
# t/slow/fleet.t runs those of the fleet, as they are in docs/scaling.md.

use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use FindBin qw($Bin);
use IO::Socket::INET;
use POSIX qw(_exit);
use Test::More;
use Time::HiRes qw(sleep);
use MspwhDebian;
use MspwhDocs;
use MspwhFleet;
use MspwhTest;

my $name = 'X-Webhook-Signature';

sub example { return page_text("docs/examples/$_[0]") }

sub body {
    my ($type, $size) = @_;
    return qq({"eventType":"$type","entityId":17,"TicketId":9,"Details":") . 'x' x ($size // 10) . '"}';
}

sub deliver {
    my ($port, $path, $secret, $body, @headers) = @_;
    my @signed = ($name => sign($secret, $body), @headers);
    return request(port => $port, path => $path, body => $body, headers => \@signed)->{status};
}

# Returns what has arrived since the last call, as [backend, sha256].
sub seen { my @seen = map { [@$_{qw(backend sha256)}] } records(); clear_records(); return \@seen }

my %backend = map { $_ => '127.0.0.1:' . MspwhTest::backend_port($_) } qw(A B);

# --- everything together ------------------------------------------------------------

sub tenants_conf {
    my $tenants = shift;
    return replaced(example('tenants.conf'), 'listen 8080' => 'listen ' . at($tenants),
        '127.0.0.1:8081' => $backend{A}, '127.0.0.1:8082' => $backend{B});
}

# Writes each tenant's secrets, in files with their names.
sub tenants_secrets {
    my $instance = shift;
    etc($instance, "secrets/$_", "the secret of $_\n") for qw(acme globex globex.old);
}

# Starts a service at port "notes", which was down until now, and returns what arrives there.
sub notes_service {
    my $socket = IO::Socket::INET->new(LocalAddr => at('notes'), Listen => 8, ReuseAddr => 1) or die $!;
    my $log = write_file('notes.log', '');
    my $pid = fork // die "fork: $!";
    return [$socket, $log, $pid] if $pid;
    alarm 30;
    my $client = $socket->accept or _exit(1);
    my $text = '';
    while ($text !~ /\r\n\r\n.*\}\z/s) { $client->sysread($text, 65536, length $text) or last }
    write_file('notes.log', $text);
    syswrite $client, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    _exit(0);
}

sub arrived_at {
    my ($socket, $log, $pid) = @{ $_[0] };
    waitpid $pid, 0;
    return slurp($log);
}

SKIP: {
    needs(module => 'http_ssl_module');
    begin_debian('edge', 'status');
    my $site = replaced(example('complete.conf'), 'listen      443' => 'listen ' . at('tls'),
        'listen      [::]:443' => 'listen ' . at('tls6'), '127.0.0.1:8090' => at('redelivery'),
        'listen 8091' => 'listen ' . at('status'), '127.0.0.1:8081' => $backend{A},
        '127.0.0.1:8082' => at('notes'));
    etc('edge', 'sites-available/webhook', $site);
    etc('edge', 'conf.d/webhooks.conf', tenants_conf('both'));
    tenants_secrets('edge');
    symlink '../sites-available/webhook', in('edge', 'etc/nginx/sites-enabled/webhook') or die $!;
    etc('edge', 'webhook.secret', SECRET . "\n");
    my ($cert, $key) = tls_files();
    for (['certs/hooks.example.com.pem', $cert], ['private/hooks.example.com.key', $key]) {
        my ($file, $from) = @$_;
        mkdir in('edge', $_) for 'etc/ssl', 'etc/ssl/' . $file =~ s{/.*}{}r;
        symlink $from, in('edge', "etc/ssl/$file") or die $!;
    }
    my ($rc, $text) = checked('edge');
    is_deeply([$rc, $text], [0, ''], 'complete.conf and tenants.conf: nginx -t is silent');
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
        qr/ 200 verdict=verified type=ticket\.created entity=17 ticket=9 key=acme-2026 /,
        '... the log has the event');
    logged('edge', 'var/log/nginx/webhook.error.log', qr/\[error\].*mspwh: bad_signature/,
        '... and why the forged one was refused');
    my $status = request(port => 'status', method => 'GET', path => '/mspwh');
    like($status->{body}, qr/bad_signature/, '... there are counters');
    like(request(port => 'status', method => 'GET', path => '/metrics')->{body},
        qr/^mspwh_requests_total\{.*webhook="acme".*\} \d/m, '... and metrics, by webhook');

    clear_records();
    is((run(@curl, @post, "$name: " . sign(SECRET, $body), $url))[1], 200, '... a repeat: 200');
    is_deeply(seen(), [], '... which does not arrive again');
    is(deliver('both', '/webhook/acme', 'the secret of acme', $body), 200, '... a tenant at the same time');
    is_deeply(seen(), [['A', sha256_hex($body)]], '... gets what is his');

    my $note = body('ticket.note.added');
    @post = ('--data-binary', '@' . write_file('note', $note), '-H');
    is((run(@curl, @post, "$name: " . sign(SECRET, $note), $url))[1], 202,
        '... a note, whose service is down: on disk');
    my $service = notes_service();
    my ($unit) = page_text('systemd/mspwh-redeliver.service') =~ /^Environment=URL=(.*)/m;
    my @redeliver = ("$Bin/../bin/mspwh-redeliver", '--now', in('edge', 'var/spool/mspwh'),
        replaced($unit, '127.0.0.1:8090' => at('redelivery')));
    ($rc, $text) = run(@redeliver);
    is($rc, 0, '... mspwh-redeliver delivers it, where its unit sends it to') or diag $text;
    my $arrived = arrived_at($service);
    like($arrived, qr/^X-Event-Type: ticket\.note\.added\r\n(?:.*\n)*X-Ticket-Id: 9\r\n/m,
        '... to the service of notes, with its headers');
    like($arrived, qr/\r\n\r\n\Q$note\E\z/, '... byte for byte');
    ok(quit_instance('edge'), '... and it ends');
}

# --- several tenants ----------------------------------------------------------------

{
    begin_debian('tenants', 'webhooks');
    etc('tenants', 'conf.d/webhooks.conf', tenants_conf('webhooks'));
    tenants_secrets('tenants');
    my ($rc, $text) = checked('tenants');
    is_deeply([$rc, $text], [0, ''], 'tenants.conf: nginx -t is silent');
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
        '... a path of no tenant: 404');
    ok(quit_instance('tenants'), '... and it ends');
}

# --- a sidecar ----------------------------------------------------------------------

# Changes a secret like Kubernetes, which writes a new directory, and then points "..data" to it.
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

# --- ports --------------------------------------------------------------------------

# mspwh-redeliver must not find another server at the port that it sends to.
my $examples = "$Bin/../docs/examples";
for my $file (map { s{.*/docs/examples/}{}r } glob "$examples/*.conf $examples/*/*.conf") {
    for my $server (example($file) =~ /^( *)server \{\n(.*?)^\1\}/msg) {
        next if $server !~ /listen\s+127\.0\.0\.1:8090;/;
        unlike($server, qr/mspwh_status/, "$file: no status at port 8090");
    }
}

# --- a fleet ------------------------------------------------------------------------

for (['front', 'The front'], ['edge', 'The edges']) {
    my ($file, $heading) = @$_;
    is(example("fleet/$file.conf") =~ s/\A#[^\n]*\n\n//r, recipe('docs/scaling.md', $heading),
        "fleet/$file.conf is what docs/scaling.md has");
}

done_testing();
