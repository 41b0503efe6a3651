# mspwh_set: other values of the body as variables.

use strict;
use warnings;
use Test::More;
use MspwhEvents qw(shown);
use MspwhTest;

start_http(<<'CONF');
map $status_text $pool {
    default %%A%%;
    Closed  %%B%%;
}
log_format values escape=json '{"site":"$site","deep":"$deep"}';
server {
    listen 127.0.0.1:%%PORT%%;
    access_log %%DIR%%/values.log values;
    mspwh on;
    mspwh_secret "%%SECRET%%";
    add_header X-Site $site always;
    add_header X-Deep $deep always;
    add_header X-Status $status_text always;
    mspwh_set $site /AdditionalFields/0/Value;
    mspwh_set $deep /a~1b/m~0n/1/x;

    location / { proxy_pass http://%%A%%; proxy_set_header X-Site $site; }
    location /map { mspwh_set $status_text /Status; proxy_pass http://$pool; }
    location /own { mspwh_set $site /Other; proxy_pass http://%%A%%; }
    location /field {
        mspwh_field entity_id /ids/1; proxy_pass http://%%A%%; add_header X-Id $mspwh_entity_id;
        add_header X-Site $site;
    }
    location /set_field {
        mspwh_field entity_id /ids/1; mspwh_set $site /ids/0; proxy_pass http://%%A%%;
        add_header X-Id $mspwh_entity_id; add_header X-Site $site;
    }
    location /pass { mspwh_malformed pass; proxy_pass http://%%A%%; }
    location /to_own { try_files /none /own/x; }
    location /monitor { mspwh monitor; proxy_pass http://%%A%%; }
    location /early { set $copy "[$site]"; add_header X-Copy $copy; proxy_pass http://%%A%%; }
    location /off { mspwh off; proxy_pass http://%%A%%; }
}
CONF

my $ids = '"EventType":"Ticket created","EntityId":1,"Details":"d"';
sub body { "{$ids,$_[0]}" }
sub fields { body(qq("AdditionalFields":[{"Name":"Site","Value":$_[0]}])) }

my $long = 'x' x 1024;
for (
    ['"Berlin"', 'Berlin', 'a string'],
    ['"B\u00e4\/\"r"', "B\xc3\xa4/\"r", 'decoded'],
    ['12345678901234567890123', '12345678901234567890123', 'an integer, digit for digit'],
    ['-1.50e+3', '-1.50e+3', 'a number as it is written'],
    ['true', 'true', 'true'],
    ['false', 'false', 'false'],
    ['null', '', 'null'],
    ['{"a":1}', '', 'an object'],
    ['["a"]', '', 'an array'],
    ['""', '', 'an empty string'],
    [qq("$long"), $long, '1 KB'],
    [qq("${long}x"), '', 'over 1 KB'],
    ['1' x 1025, '', 'a number over 1 KB'],
    ['"a\nb"', '', 'a newline'],
    ['"a\u001fb"', '', 'a control character'],
    ["\"a\x7fb\"", '', 'DEL'],
    ['"a\u0085b"', '', 'a control character outside ASCII'],
    ['"a\u0000b"', '', 'a null character'],
    ['"a\ud800b"', '', 'half a surrogate pair'],
    ['"a\udc00\ud800b"', '', 'the halves of a surrogate pair in the wrong order'],
    ['"\ud83d\ude00"', "\xf0\x9f\x98\x80", 'a surrogate pair'],
) {
    my ($json, $want, $what) = @$_;
    is_deeply(shown(signed('/', fields($json)), 'site'), [200, $want], $what);
}
is_deeply(shown(signed('/', body('"x":1')), 'site'), [200, ''], 'absent');
is_deeply(shown(signed('/', body('"AdditionalFields":{"0":{"Value":"x"}}')), 'site'), [200, 'x'],
    'a member named like an index');
is_deeply(shown(signed('/', body('"AdditionalFields":[{"Value":"x"}],"AdditionalFields":[{"Value":"y"}]')),
    'site'),
    [200, ''], 'twice with different values');
is_deeply(shown(signed('/', body('"a/b":{"m~n":[0,{"x":"deep"}]}')), 'deep'), [200, 'deep'],
    'an escaped pointer');
clear_records();
signed('/', fields('"Berlin"'));
is((records())[0]{header}{'x-site'}, 'Berlin', 'in proxy_set_header');

clear_records();
is_deeply(shown(signed('/map', body('"Status":"Closed"')), 'status', 'site'), [200, 'Closed', ''],
    'an inner level has only its own');
signed('/map', body('"Status":"Open"'));
is(join(' ', map { $_->{backend} } records()), 'B A', 'in a map');
is_deeply(shown(signed('/own', body('"Other":"o"')), 'site'), [200, 'o'],
    'another pointer at an inner level');
is_deeply(shown(signed('/to_own', body('"Other":"o","AdditionalFields":[{"Value":"v"}]')), 'site'),
    [200, 'v'],
    'after a redirect: of the location that verified');
my $both = '{"EventType":"ping","ids":[7,8],"AdditionalFields":[{"Value":"v"}]}';
is_deeply(shown(signed('/field', $both), 'id', 'site'), [200, '8', 'v'],
    'with mspwh_field at an inner level');
is_deeply(shown(signed('/set_field', $both), 'id', 'site'), [200, '8', '7'],
    'with mspwh_field at the same level');
is_deeply(shown(signed('/pass', '{"AdditionalFields":[{"Value":"v"}]}'), 'site'), [200, ''],
    'malformed and passed: empty');
is_deeply(shown(post('/', fields('"v"'), 'X-Webhook-Signature' => 'A' x 43 . '='), 'site'), [401, ''],
    'forged: empty');
is_deeply(shown(post('/monitor', fields('"v"')), 'site'), [200, 'v'], 'monitored: as the body says');
is_deeply(shown(signed('/early', fields('"v"')), 'copy'), [200, '[]'], 'empty before the body is read');
ok(log_matches(qr/\$site/), '... and a line is logged');
is_deeply(shown(signed('/off', fields('"v"')), 'site'), [200, ''], 'mspwh off: empty');

my ($line) = grep { /Berlin/ } split /\n/, slurp(dir() . '/values.log');
is($line, '{"site":"Berlin","deep":""}', 'in log_format');

my $many = join ' ', map { "mspwh_set \$v$_ /a/$_;" } 0 .. 999;
for (
    ['mspwh_set site /a;',
        qr/invalid variable name "site" in "mspwh_set" directive, it must be "\$" with letters, digits /],
    ['mspwh_set $a-b /a;', qr/invalid variable name "\$a-b" in "mspwh_set"/],
    ['mspwh_set $1 /a;', qr/invalid variable name "\$1" in "mspwh_set"/],
    ['mspwh_set $ /a;', qr/invalid variable name "\$" in "mspwh_set"/],
    ['mspwh_set $x a;', qr/invalid JSON pointer "a" in "mspwh_set" directive/],
    ['mspwh_set $x /~2;', qr{invalid JSON pointer "/~2" in "mspwh_set" directive}],
    ['mspwh_set $host /a;', qr/the variable "\$host" in "mspwh_set" directive is already defined/],
    ['mspwh_set $mspwh_verdict /a;', qr/the variable "\$mspwh_verdict" in "mspwh_set" directive/],
    ['mspwh_set $args /a;', qr/the variable "\$args" in "mspwh_set" directive/],
    ['set $x 1; mspwh_set $X /a;', qr/the variable "\$X" in "mspwh_set" directive is already defined/],
    ['mspwh_set $late /a; } map $uri $late { default 1;',
        qr/the duplicate "late" variable/],
    ['mspwh_set $x /a; } server { set $x none;', qr/the duplicate "x" variable/],
    ['mspwh_set $x /a; mspwh_set $x /b;', qr/repeated variable "\$x" in "mspwh_set" directive/],
    ['mspwh_set $x;', qr/invalid number of arguments in "mspwh_set" directive/],
) {
    my ($conf, $want) = @$_;
    my ($status, $text) = config_test("server { $conf }");
    isnt($status, 0, "refused: " . substr $conf, 0, 40);
    like($text, $want, '... with what is wrong');
}
for ($many, 'set $x 1; mspwh_set $y /a;') {
    my ($status, $text) = config_test("server { $_ }");
    is($status, 0, "accepted: " . substr $_, 0, 40) or diag($text);
}

ok(stop(), 'nginx stops in time');
unlike(error_log(), qr/\[(alert|crit|emerg)\]/, 'nothing alarming in the log');

done_testing();
