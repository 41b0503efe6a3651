# With other modules loaded: a body that one of them has already read is still verified, over the bytes that
# the backend gets.

use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use Test::More;
use MspwhTest;

my $name = 'X-Webhook-Signature';

my $http = <<"CONF";
mspwh_secret "%%SECRET%%";
server {
    listen 127.0.0.1:%%PORT%%;
    @{[listen_http2('h2')]}
    @{[VARS]}
    location = /inner { internal; mspwh on; proxy_pass http://%%A%%; }
    LOCATIONS
}
CONF

sub event {
    return '{"eventType":"ticket.created","entityId":5,"Details":"'
        . join('', map { chr 97 + $_ * 7 % 26 } 1 .. 100) x $_[0] . '"}';
}
sub changed { my $body = shift; substr($body, length($body) / 2, 1) ^= "\1"; return $body }

sub start_beside {
    my ($modules, $locations) = @_;
    return start_with($modules, $http =~ s/LOCATIONS/$locations/r);
}

# Returns an answer, and what the backend has received meanwhile.
sub outcome {
    my ($r) = @_;
    my @records = map { $_->{sha256} } records();
    clear_records();
    return [$r->{status}, @records];
}
sub deliver {
    my ($path, $body, $signed, %o) = @_;
    return outcome(request(path => $path, body => $body, headers => [$name => sign(SECRET, $signed // $body)],
        %o));
}

sub verified_at {
    my ($path) = @_;
    for my $size (1, 200, 30_000) {
        my $body = event($size);
        my $what = "$path, " . length($body) . ' bytes';
        is_deeply(deliver($path, $body), [200, sha256_hex($body)], "$what: verified, and passed on whole");
        is_deeply(deliver($path, $body, undef, chunked => 3000), [200, sha256_hex($body)],
            "$what, chunked: so is this");
        is_deeply(deliver($path, changed($body), $body), [401], "$what: a changed byte is found");
        is_deeply(deliver($path, changed($body), $body, chunked => 3000), [401],
            "$what, chunked: so is this");
        is_deeply(outcome(post($path, $body)), [401], "$what: not without a signature");
    }
    is_deeply(deliver($path, '{}'), [400], "$path: a body that is not an event is refused");
    is_deeply(deliver($path, '', event(1)), [401], "$path: no body, and the signature of another");

    my $c = connection();
    my $body = event(300);
    my $r = request(connection => $c, path => $path, body => $body,
        headers => [$name => sign(SECRET, $body)]);
    my $bad = request(connection => $c, path => $path, body => $body,
        headers => [$name => sign('wrong', $body)]);
    is_deeply([$r->{status}, $bad->{status}], [200, 401], "$path: two on one connection");
    clear_records();

    SKIP: {
        skip 'ngx.location.capture refuses HTTP/2', 1 if $path eq '/lua/capture';
        needs(module => 'http_v2_module');
        needs(curl => 'HTTP2');
        my $file = write_file('body', $body);
        my @curl = ('curl', '-s', '-m', 10, '--http2-prior-knowledge', '-o', '/dev/null', '-w',
            '%{http_code}', '--data-binary', "\@$file");
        my @codes = map { (run(@curl, '-H', "$name: " . sign($_, $body),
            'http://127.0.0.1:' . port('h2') . $path))[1] } SECRET, 'wrong';
        is_deeply(\@codes, [200, 401], "$path: over HTTP/2");
        clear_records();
    }
}

# --- Lua -------------------------------------------------------------------------

my @lua = qw(ndk_http_module.so ngx_http_lua_module.so);

if (start_beside(\@lua, <<'CONF')) {
    location /lua { mspwh on; proxy_pass http://%%A%%;
        location = /lua/access { access_by_lua_block { ngx.req.read_body() } proxy_pass http://%%A%%; }
        location = /lua/rewrite { rewrite_by_lua_block { ngx.req.read_body() } proxy_pass http://%%A%%; }
        location = /lua/memory {
            client_body_buffer_size 8m;
            access_by_lua_block { ngx.req.read_body() ngx.ctx.size = #(ngx.req.get_body_data() or "") }
            proxy_pass http://%%A%%;
        }
        location = /lua/slow {
            client_body_in_file_only clean;
            access_by_lua_block { ngx.sleep(0.005) ngx.req.read_body() ngx.sleep(0.005) }
            proxy_pass http://%%A%%;
        }
        location = /lua/unbuffered {
            access_by_lua_block { ngx.req.read_body() }
            proxy_request_buffering off;
            proxy_pass http://%%A%%;
        }
        location = /lua/replaced {
            access_by_lua_block {
                ngx.req.read_body()
                ngx.req.set_body_data(ngx.var.http_x_body)
            }
            proxy_pass http://%%A%%;
        }
        location = /lua/discarded { access_by_lua_block { ngx.req.discard_body() } proxy_pass http://%%A%%; }
        location = /lua/taken {
            access_by_lua_block { local s = ngx.req.socket() s:receive(20) }
            proxy_pass http://%%A%%;
        }
        location = /lua/signature {
            access_by_lua_block { ngx.req.clear_header("X-Webhook-Signature") }
            proxy_pass http://%%A%%;
        }
    }
    location = /lua/exec { content_by_lua_block { ngx.req.read_body() ngx.exec("/inner") } }
    location = /lua/capture {
        content_by_lua_block {
            ngx.req.read_body()
            local r = ngx.location.capture("/inner", { method = ngx.HTTP_POST, always_forward_body = true })
            ngx.status = r.status
            ngx.print(r.body)
        }
    }
CONF
    verified_at("/lua/$_") for qw(access rewrite memory slow unbuffered exec capture);

    my ($body, $other) = (event(2), event(3));
    my $r = post('/lua/replaced', $other, $name => sign(SECRET, $body), 'X-Body' => $body);
    is_deeply(outcome($r), [200, sha256_hex($body)],
        'a body that Lua has set: that one is verified');
    $r = post('/lua/replaced', $body, $name => sign(SECRET, $body), 'X-Body' => $other);
    is_deeply(outcome($r), [401], '... and the signature of the body that was sent is no use');
    is_deeply(deliver('/lua/discarded', $body), [401], 'a body that Lua has thrown away');
    is_deeply(deliver('/lua/taken', $body), [401], 'a body that Lua has begun to read itself');
    is_deeply(deliver('/lua/signature', $body), [401], 'a signature header that Lua has removed');
}

# --- njs -------------------------------------------------------------------------

write_file('beside.js', <<'JS', 0644);
function redirect(r) { r.internalRedirect('/inner'); }
function sub(r) {
    r.subrequest('/inner', { method: 'POST', body: r.requestText },
                 reply => r.return(reply.status, reply.responseText));
}
export default { redirect, sub };
JS

if (start_beside(['ngx_http_js_module.so'], <<'CONF')) {
    js_import beside from %%DIR%%/beside.js;
    location = /njs/redirect { js_content beside.redirect; }
    location = /njs/sub { client_body_buffer_size 8m; js_content beside.sub; }
CONF
    verified_at("/njs/$_") for qw(redirect sub);
}

# --- ModSecurity -----------------------------------------------------------------

my $rules = <<'CONF';
    modsecurity on;
    modsecurity_rules '
        SecRuleEngine On
        SecRequestBodyAccess On
        SecRequestBodyLimit 8388608
        SecRequestBodyNoFilesLimit 8388608
        SecRule REQUEST_BODY "@contains attack" "id:1,phase:2,deny,status:403"
    ';
CONF

if (start_beside(['ngx_http_modsecurity_module.so'],
    "$rules location /modsecurity { mspwh on; proxy_pass http://%%A%%; }")) {
    verified_at('/modsecurity');
    my $body = event(1) =~ s/Details":"/Details":"attack/r;
    is_deeply(deliver('/modsecurity', $body), [403], 'its rules see the body');
}

# --- headers-more and brotli -----------------------------------------------------

if (start_beside(['ngx_http_headers_more_filter_module.so'], <<'CONF')) {
    more_set_headers -s '401 400' 'X-Refused: yes';
    location /headers-more { mspwh on; proxy_pass http://%%A%%;
        location = /headers-more/cleared {
            more_clear_input_headers X-Webhook-Signature; proxy_pass http://%%A%%;
        }
    }
CONF
    verified_at('/headers-more');
    my $body = event(1);
    is(post('/headers-more', $body)->{header}{'x-refused'}, 'yes',
        'a header of its own on an answer of this module');
    is_deeply(deliver('/headers-more/cleared', $body), [401], 'a signature header that it has removed');
}

my @brotli = map { "ngx_http_brotli_${_}_module.so" } qw(filter static);

if (start_beside(\@brotli,
    'brotli on; brotli_static on; brotli_types *; brotli_min_length 1; location /brotli { mspwh on; '
        . 'proxy_pass http://%%A%%; }')) {
    verified_at('/brotli');
    my $body = event(1);
    my $r = post('/brotli', $body, $name => sign(SECRET, $body), 'Accept-Encoding' => 'br');
    is($r->{header}{'content-encoding'}, 'br', 'the backend\'s answer is compressed');
}

stop();
unlike(error_log(), qr/\[(?:alert|crit|emerg)\]/, 'nothing alarming in the log');

done_testing();
