# If a script replaces the verified body, in the same memory or file and while it is being read, the new one
# does not count as verified; a subrequest without a body has the main request's event.

use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use Test::More;
use MspwhEvents qw(event spooled);
use MspwhTest;

$MspwhTest::Workers = 1;

my $memory = event('ticket.created', 9_000);
my $file = event('ticket.created', 300_000);
my $large = event('ticket.created', 20_000_000);
write_file('forged', 'F' x length $file, 0644);

sub sent {
    my ($path, $body) = @_;
    return request(method => 'POST', path => $path, body => $body, timeout => 60,
        headers => ['X-Webhook-Signature' => sign(SECRET, $body)]);
}

my $away = 'content_by_lua_block { ngx.sleep(0.003) ngx.req.set_body_data("x") ngx.exec("/done") }';
if (start_with([qw(ndk_http_module.so ngx_http_lua_module.so)], <<"CONF")) {
server {
    listen 127.0.0.1:%%PORT%%;
    mspwh on;
    mspwh_secret "%%SECRET%%";
    add_header X-Verdict \$mspwh_verdict always;
    location /file { content_by_lua_block { ngx.req.set_body_file("%%DIR%%/forged") ngx.exec("/px") } }
    location /memory {
        access_by_lua_block { ngx.req.read_body() ngx.req.set_body_data(ngx.req.get_body_data()) }
        content_by_lua_block {
            ngx.req.set_body_data(string.rep("F", #ngx.req.get_body_data())) ngx.exec("/px") }
    }
    location /own {
        access_by_lua_block { ngx.req.read_body() ngx.req.set_body_data(ngx.req.get_body_data()) }
        proxy_pass http://%%A%%;
    }
    location /px { proxy_pass http://%%B%%; }
    location /mirror { mspwh off; mirror /copy; $away }
    location /memory/mirror { mspwh off; client_body_buffer_size 32m; mirror /copy; $away }
    location /spool { client_body_in_file_only clean; mirror /stored; $away }
    location = /copy { internal; proxy_pass http://%%B%%; }
    location = /stored { internal; client_body_in_file_only clean; mspwh_spool spool; }
    location = /done { mspwh off; return 200; }
}
CONF
    my $r = sent('/own', $memory);
    is_deeply([$r->{status}, $r->{header}{'x-verdict'}], [200, 'verified'],
        'a body that a script has set before the check is verified');
    is(sent('/memory', $memory)->{status}, 401, 'replaced after it, in the same memory');
    is(sent('/file', $file)->{status}, 401, 'replaced after it, in the same file');
    for my $path (('/mirror', '/memory/mirror') x 3) {
        is(sent($path, $large)->{status}, 200, "$path: replaced while a mirror reads it");
    }
    is(sent('/spool', $large)->{status}, 200, 'replaced while it is written to disk') for 1 .. 3;
    ok(stop(), 'nginx stops in time');
    my %real = map { sha256_hex($_) => 1 } $memory, $file, $large;
    is_deeply([grep { !$real{ $_->{sha256} } } records()], [], 'no backend got another body');
    is_deeply([grep { $_->{body} ne $large } spooled('spool')], [], 'and neither did the spool');
}

SKIP: {
    needs(module => 'http_auth_request_module');
    stop();
    clear_records();
    start_http(<<"CONF");
map \$mspwh_event_type \$backend { default %%B%%; ticket.created %%A%%; }
server {
    listen 127.0.0.1:%%PORT%%;
    mspwh on;
    mspwh_secret "%%SECRET%%";
    location / { proxy_pass http://127.0.0.1:@{[port('dead')]}; error_page 502 = \@rest; }
    location \@rest { auth_request /auth; proxy_pass http://\$backend; }
    location = /auth { internal; proxy_pass http://%%A%%; proxy_pass_request_body off;
        proxy_set_header Content-Length ""; proxy_set_header X-Told "\$mspwh_verdict \$backend"; }
}
CONF
    is(sent('/', $memory)->{status}, 200, 'an event whose way leads by auth_request');
    my @records = records();
    is_deeply([map { [$_->{backend}, $_->{uri}] } @records], [['A', '/auth'], ['A', '/']],
        '... is routed by its type');
    is($records[0]{header}{'x-told'}, 'verified ' . expand('%%A%%'), '... which the subrequest knows, too');
}

ok(stop(), 'nginx stops in time');
done_testing();
