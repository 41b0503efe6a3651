# Recipes of the documentation that need more than the recording backend: real services, other modules,
# programs.

use strict;
use warnings;
use Digest::SHA qw(hmac_sha256_hex sha256_hex);
use File::Path qw(make_path);
use FindBin qw($Bin);
use IO::Socket::INET;
use JSON::PP qw(decode_json encode_json);
use POSIX qw(_exit);
use Test::More;
use MspwhDocs;
use MspwhRecipes;
use MspwhTest;

my $name = 'X-Webhook-Signature';
my ($a, $b, $slack) = ('127.0.0.1:8081', '127.0.0.1:8082', 'hooks.slack.com');
my $routing = page_text('docs/routing.md');
my @services;

read_recipes(qw(docs/routing.md docs/inspect.md docs/directives.md));

# The code block of a language under a heading.
sub code {
    my ($language, $heading) = @_;
    my ($section) = $routing =~ /^## \Q$heading\E\n(.*?)(?=^## |\z)/ms;
    my ($text) = $section =~ /^```$language\n(.*?)^```/ms;
    return $text;
}

# Starts a program that serves at port $name.
sub serve_with {
    my ($name, @command) = @_;
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        open STDOUT, '>', dir() . "/$name.log";
        open STDERR, '>&', \*STDOUT;
        setpgrp;
        exec @command or _exit(127);
    }
    push @services, $pid;
    return if wait_until { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => port($name)) } 60;
    die "$name does not start:\n" . slurp(dir() . "/$name.log");
}
END { local $?; for (@services) { kill KILL => -$_; waitpid $_, 0 } }

# Replaces an address of the page by port $name.
sub to { my ($address, $name) = @_; my $is = MspwhDocs::backend($address);
    return sub { $_[0] =~ s/\Q$is\E/'127.0.0.1:' . port($name)/gre } }

sub post_signed {
    my $body = shift;
    return post('/webhook', $body, $name => sign(secret_of('webhook.secret'), $body),
        'Content-Type' => 'application/json');
}

# --- messages to a channel --------------------------------------------------

# Every message has the text that text() makes of the record, and no signature.
sub message_is {
    my ($what, $want) = @_;
    wait_until { records() >= 2 };
    my ($message) = grep { $_->{backend} eq $slack } records();
    is($message->{uri}, '/services/T000/B000/XXXX', "$what: a message is sent");
    is($message->{sha256}, sha256_hex($want), '... with the text') or diag "not $want";
    is_deeply([@{ $message->{header} }{qw(host content-type x-webhook-signature)}],
        [MspwhDocs::backend($slack), 'application/json', undef], '... its headers, and no signature');
    is(scalar(grep { $_->{backend} eq $a } records()), 1, '... and the service has the event');
    clear_records();
}

begin('Notes to Slack or Teams');
is(deliver('/webhook', event('ticket.note.added')), 200, 'a note: accepted');
message_is('a note', '{"text":"Ticket 48213: note 90817 added"}');
is(deliver('/webhook', event('ticket.created')), 200, 'a ticket: accepted');
is_deeply([map { $_->{backend} } seen()], [$a], '... and no message is sent');
refused('a note with another secret', '/webhook', event('ticket.note.added'), 'another');
stop();

sub json { return encode_json([$_[0]]) =~ s/^\[|\]$//gr }
sub titled { return event('ticket.created') =~ s/\}\z/',"Title":' . json($_[0]) . '}'/er }

begin('Notes to Slack or Teams 2');
for (["Printer \x{e9}", "Printer \x{e9}"], ['a "quote"', '(a title with quotes)'],
    ['back\\slash', '(a title with quotes)'], ['"}', '(a title with quotes)']) {
    my ($title, $shown) = @$_;
    is(deliver('/webhook', titled($title)), 200, 'a title: accepted');
    utf8::encode($shown);
    message_is('a title', qq({"text":"Ticket 48213: $shown"}));
}
stop();

make_path(dir() . '/njs');
write_file('njs/slack.js', code('js', 'Notes to Slack or Teams'), 0644);
if (begin('Notes to Slack or Teams 3', sub { $_[0] =~ s{/etc/nginx/njs}{dir() . '/njs'}er },
    ['ngx_http_js_module.so'])) {
    for my $title ('Printer', 'a "quote"', 'back\\slash', "two\nlines are not shown") {
        my $shown = $title =~ /\n/ ? '' : $title;
        is(deliver('/webhook', titled($title)), 200, 'a title through njs: accepted');
        message_is('a title through njs', '{"text":' . json("Ticket 48213: $shown") . '}');
    }
    stop();
}

# The statements of docs/routing.md about the module's variables hold for the oddest names of types and ids.
{
    my @shown = map { "\$mspwh_$_" } qw(verdict reason webhook event_type event_type_raw entity action
        entity_id ticket_id key_id delivery_id anomaly);
    start_http('server { listen 127.0.0.1:%%PORT%%; mspwh on; mspwh_malformed pass;'
        . ' mspwh_secret "%%SECRET%%";' . " location / { proxy_pass http://%%A%%;"
        . " proxy_set_header X-All '@shown'; } }");
    clear_records();
    for my $odd ('Ticket "merged"', 'a\\b', "x\x01y", "\x{fffd}\x{20ac}", '"},{"', '') {
        my $body = encode_json({ eventType => $odd, entityId => 7, TicketId => 8 });
        signed('/', $body);
    }
    my @seen = seen();
    is(scalar(@seen), 6, 'odd types arrive');
    unlike($_->{header}{'x-all'}, qr/["\\\x00-\x1f\x7f]/, '... in variables that are safe in JSON') for @seen;
    stop();
}

# --- PHP, Python, HTTP/2 ------------------------------------------------------

my $big = event('ticket.created') =~ s/"Value":"/$& . 'x' x 3_000_000/er;

SKIP: {
    my ($fpm) = (glob('/usr/sbin/php-fpm*'))[0];
    skip 'there is no PHP-FPM', 1 if !$fpm;
    my $script = write_file('webhook.php', code('php', 'A PHP service'), 0644);
    my $conf = write_file('fpm.conf', join "\n", '[global]', 'error_log = ' . dir() . '/fpm.log',
        'daemonize = no', '[www]', 'listen = 127.0.0.1:' . port('php'), 'pm = static', 'pm.max_children = 1',
        'php_admin_value[post_max_size] = 64M', $> == 0 ? ('user = nobody', 'group = nogroup') : (), '');
    serve_with('php', $fpm, '-F', '-y', $conf);
    my $lead = to('127.0.0.1:9000', 'php');
    begin('A PHP service', sub { $lead->($_[0]) =~ s{/var/www/webhook\.php}{$script}r });
    for my $body (event('ticket.note.added'), $big) {
        my ($type) = $body =~ /"eventType":"(.*?)"/;
        my $answer = post_signed($body);
        is_deeply([@$answer{qw(status body)}], [200, length($body) . " $type\n"],
            'PHP-FPM gets ' . length($body) . ' bytes and the type');
    }
    is(deliver('/webhook', event('ticket.created'), 'another'), 401, '... and nothing that is forged');
    stop();
}

SKIP: {
    my ($plugin) = glob '/usr/lib/uwsgi/plugins/python3*_plugin.so';
    skip 'there is no uWSGI with Python', 1 if !installed('uwsgi-core') or !$plugin;
    write_file('wsgi.py', code('python', 'A Python service'), 0644);
    my @at = ('--socket', '127.0.0.1:' . port('uwsgi'), '--chdir', dir(), '--wsgi-file', dir() . '/wsgi.py');
    serve_with('uwsgi', 'uwsgi-core', '--plugin', $plugin, '--master', '--die-on-term', @at);
    begin('A Python service', to('127.0.0.1:9001', 'uwsgi'));
    for my $body (event('ticket.note.added'), $big) {
        my ($type) = $body =~ /"eventType":"(.*?)"/;
        my $answer = post_signed($body);
        is_deeply([@$answer{qw(status body)}], [200, length($body) . " $type\n"],
            'uWSGI gets ' . length($body) . ' bytes and the type');
    }
    is(deliver('/webhook', event('ticket.created'), 'another'), 401, '... and nothing that is forged');
    stop();
}

SKIP: {
    needs(module => 'http_v2_module');
    skip 'there is no Node.js', 1 if !installed('node');
    my $script = write_file('rpc.js', <<'JS');
const http2 = require('http2');
const { createHash } = require('crypto');
http2.createServer((request, response) => {
    const hash = createHash('sha256');
    request.on('data', (bytes) => hash.update(bytes));
    request.on('end', () => {
        const h = request.headers;
        response.end([request.httpVersion, h[':path'], h['content-type'], h['x-event-type'],
            hash.digest('hex')].join(' '));
    });
}).listen(Number(process.argv[2]), '127.0.0.1');
JS
    serve_with('rpc', 'node', $script, port('rpc'));
    begin('A gRPC service', to('127.0.0.1:50051', 'rpc'));
    for my $body (event('ticket.note.added'), $big) {
        my ($type) = $body =~ /"eventType":"(.*?)"/;
        my $answer = post_signed($body);
        is_deeply([@$answer{qw(status body)}], [200, join ' ', '2.0', '/webhooks.v1.EventService/Receive',
            'application/json', $type, sha256_hex($body)],
            'a service of HTTP/2 gets ' . length($body) . ' bytes');
    }
    is(deliver('/webhook', event('ticket.created'), 'another'), 401, '... and nothing that is forged');
    stop();
}

# A plain gRPC server takes no event, and nginx does not notice.
SKIP: {
    needs(module => 'http_v2_module');
    skip 'there is no gRPC for Python', 1 if (run('/usr/bin/python3', '-c', 'import grpc'))[0];
    my $script = write_file('grpc_server.py', <<'PY');
import concurrent.futures, sys, grpc

def receive(request, context):
    open(sys.argv[2], "a").write("called\n")
    return b""

method = grpc.unary_unary_rpc_method_handler(receive)
server = grpc.server(concurrent.futures.ThreadPoolExecutor())
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("webhooks.v1.EventService",
    {"Receive": method}),))
server.add_insecure_port("127.0.0.1:" + sys.argv[1])
server.start()
server.wait_for_termination()
PY
    my $called = write_file('called', '');
    serve_with('grpc', '/usr/bin/python3', $script, port('grpc'), $called);
    my $lead = to('127.0.0.1:50051', 'grpc');
    begin('A gRPC service', sub { $lead->($_[0]) =~ s{application/json}{application/grpc}r });
    is(post_signed(event('ticket.note.added'))->{status}, 200, 'a plain gRPC server: the answer is 200');
    is(slurp($called), '', '... and the event is lost, as docs/routing.md warns');
    stop();
}

# --- behind a proxy -------------------------------------------------------------

SKIP: {
    needs(module => 'http_realip_module');
    my $body = event('ticket.created');
    begin('Behind Cloudflare or another proxy', sub { $_[0] =~ s{203\.0\.113\.0/24}{127.0.0.1}r });
    my $header = arrives('by the proxy', '/webhook', $body, $a, '/webhook', undef,
        'CF-Connecting-IP' => '198.51.100.7');
    is($header->{'x-real-ip'}, '198.51.100.7', "... with the sender's address");
    is(deliver('/webhook', $body, undef, 'CF-Connecting-IP' => '192.0.2.7'), 403, '... from elsewhere: 403');
    stop();

    begin('Behind Cloudflare or another proxy');
    is(deliver('/webhook', $body, undef, 'CF-Connecting-IP' => '198.51.100.7'), 403,
        'the header of anyone else is no proof');
    is_deeply([seen()], [], '... and nothing arrives');
    stop();
}

# --- events with the same bytes -------------------------------------------------

begin('Events with the same bytes 2');
for (['ticket.updated', 2], ['ticket.created', 1]) {
    my ($type, $times) = @$_;
    my $body = event($type);
    is(deliver('/webhook', $body), 200, "$type: accepted") for 1 .. 2;
    is(scalar(seen()), $times, "... twice, and arrives $times times");
}
stop();

# --- capture, inspect, name the fields ------------------------------------------

SKIP: {
    needs(reading => 1);    # Lua has the file removed
    my $body = '{"data":{"Type":"Ticket created","Id":7},"Details":"x","AdditionalFields":[]}';
    my $format = ready(recipe('docs/inspect.md', 'With monitor mode', 0));
    begin('With monitor mode 2', sub { $format . $_[0] =~ s{/var/lib/nginx/capture}{dir() . '/capture'}er });
    is(deliver('/webhook', $body), 200, 'capture: accepted');
    my $log = dir() . '/var/log/nginx/capture.log';
    my ($file, $signature) = split / /, wait_until { slurp($log) };
    is(slurp($file), $body, 'capture: the file has the body');
    stop();

    my $page = page_text('docs/inspect.md');
    write_file('event.json', slurp($file));
    write_file('webhook.secret', secret_of('webhook.secret') . "\n");
    @ENV{qw(event signature)} = ('event.json', $signature);
    my @inspect = $page =~ /^mspwh-inspect (.*"\$event")$/mg;
    is(scalar(@inspect), 2, 'two commands inspect it');
    my $program = inspect_program();
    my ($rc, $text) = run('sh', '-c', 'cd ' . dir() . " && $program $inspect[0]");
    is($rc, 1, 'inspect: it would be rejected');
    like($text, qr{^\s+/data/Type\s+Ticket created\s+\(ticket\.created\)$}m,
        '... and the type is a candidate');
    ($rc, $text) = run('sh', '-c', 'cd ' . dir() . " && $program $inspect[1]");
    like($text, qr/^type\s+ticket\.created/m, 'inspect: the type is found with --field') or diag $text;

    begin('3. Write mspwh_field');
    arrives('mspwh_field', '/webhook', $body, $a, '/webhook');
    my ($send) = $page =~ /^mspwh-send (.*)$/m;
    ($rc, $text) = run('sh', '-c', 'cd ' . dir() . " && $Bin/../bin/mspwh-send "
        . $send =~ s/localhost:8080/'127.0.0.1:' . port()/er);
    is($rc, 0, 'mspwh-send sends it') or diag $text;
    stop();

    begin('From a spool');
    is(deliver('/webhook', $body), 202, 'a body that is not an event: 202');
    my ($headers) = glob dir() . '/var/spool/mspwh/*.headers';
    my ($pair) = $page =~ /^mspwh-inspect (.*e\.body)$/m;
    my $e = $headers =~ s/\.headers$//r;
    ($rc, $text) = run('sh', '-c', 'cd ' . dir() . " && $program " . $pair =~ s/\be\.(headers|body)/$e.$1/gr);
    like($text, qr/^reason\s+no_event_type/m, '... and can be inspected') or diag $text;
    stop();
}

# --- without systemd --------------------------------------------------------------

{
    my ($line) = page_text('docs/redelivery.md') =~ /^\* \* \* \* \* (\S+ .*)$/m;
    my ($user, $command) = split / /, $line, 2;
    is($user, 'www-data', 'cron runs it as the user of the workers');
    my $spool = dir() . '/cron';
    begin('From a spool', sub { $_[0] =~ s{mspwh_spool\s+\K\S+;}{$spool;}r });
    is(deliver('/webhook', event('ticket.created')), 202, 'an event is on disk');
    stop();
    start_http('server { listen 127.0.0.1:%%PORT%%; location / { mspwh on; mspwh_secret_file '
        . write_file('cron.secret', secret_of('webhook.secret')) . '; proxy_pass http://%%A%%; } }');
    clear_records();
    my ($rc, $text) = run('sh', '-c', "PATH=$Bin/../bin:\$PATH; " . $command
        =~ s{/var/spool/mspwh}{$spool}r =~ s/127\.0\.0\.1:8090/'127.0.0.1:' . port()/er =~ s/logger .*/cat/r);
    is("$rc $text", '0 ', "cron's command says nothing");
    is_deeply([map { $_->{backend} } seen()], ['A'], '... and delivers it');
    stop();
}

done_testing();
