# Locations without mspwh behave as they do without the module.

use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use Test::More;
use MspwhTest;

my $server = <<'CONF';
    location / { proxy_pass http://%%A%%; }
    location /static/ { alias %%DIR%%/html/; }
    location /stream { proxy_request_buffering off; proxy_http_version 1.1; proxy_pass http://%%A%%; }
    location /limit { client_max_body_size 1k; proxy_pass http://%%A%%; }
    location /text { return 200 "text\n"; }
    location /page { error_page 502 = @named; proxy_pass http://127.0.0.1:1; }
    location @named { return 418; }
    location /none { }
    location /auth { auth_request /ask; proxy_pass http://%%A%%; }
    location = /ask { internal; return 204; }
CONF
my $off = $server =~ s/^( +location [^{]+\{)/$1 mspwh off;/mgr;

sub conf {
    return "server { listen 127.0.0.1:%%PORT%%; $server }\n" if $ENV{MSPWH_NO_MODULE};
    return "server { listen 127.0.0.1:%%PORT%%;\n" . VARS . "$server }\n"
        . "server { listen 127.0.0.1:%%PORT_off%%; mspwh on; mspwh_secret s;\n$off }\n"
        . "server { listen 127.0.0.1:%%PORT_sibling%%; location /on { mspwh on; mspwh_secret s; }\n"
            . "$server }\n";
}

my $big = join '', map { chr($_ % 251) } 1 .. 50_000;
my @requests = (
    { path => '/' , method => 'GET' }, { path => '/', method => 'HEAD' }, { path => '/a?b=c', body => 'x=1' },
    { path => '/', body => $big }, { path => '/', body => $big, chunked => 1000 },
        { path => '/', body => '' },
    { path => '/', method => 'PUT', body => '{}' }, { path => '/', method => 'DELETE' },
    { path => '/', body => '{}',
        headers => ['X-Webhook-Signature' => 'nonsense', 'X-Webhook-Signature' => 'twice'] },
    { path => '/static/file.txt', method => 'GET' }, { path => '/static/file.txt', body => 'x' },
    { path => '/static/absent', method => 'GET' }, { path => '/stream', body => $big, chunked => 999 },
    { path => '/stream', body => $big }, { path => '/limit', body => $big },
        { path => '/text', body => $big },
    { path => '/text', method => 'GET', http => '1.0' }, { path => '/page', body => 'x' },
    { path => '/none', method => 'GET' }, { path => '/auth', body => 'x' },
);
write_file('html/file.txt', "static file\n", 0644);

sub outcome {
    my $port = shift;
    return map {
        clear_records();
        my $r = request(%$_, port => $port);
        my %h = %{ $r->{header} };
        delete @h{qw(date etag last-modified)};
        my @seen = map {
            my $h = $_->{header};
            delete $h->{host};
            join '|', @$_{qw(method uri length sha256)}, map { "$_=$h->{$_}" } sort keys %$h;
        } records();
        [($_->{method} // 'POST') . " $_->{path}", $r->{status}, $r->{body}, \%h, \@seen];
    } @requests;
}

# The reference comes from an nginx that does not load the module at all.
{
    local $ENV{MSPWH_NO_MODULE} = 1;
    start_http(conf());
}
my @reference = outcome();
ok(stop(), 'reference nginx stops');

start_http(conf());
for my $port (qw(main off sibling)) {
    my @got = outcome($port);
    is_deeply($got[$_], $reference[$_], "$port: $reference[$_][0], $reference[$_][1]") for 0 .. $#requests;
}

my $r = request(path => '/on', method => 'GET', port => 'sibling');
is($r->{status}, 401, 'the sibling with mspwh on does verify');

done_testing();
