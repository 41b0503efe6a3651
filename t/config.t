# nginx -t rejects every bad argument and names it.

use strict;
use warnings;
use Test::More;
use MspwhTest;

use constant LEAK => 'TopSecretText';

write_file('empty.key',   '');
write_file('newline.key', "\n");
write_file('big.key',     's' x 4097);
write_file('nul.key',     LEAK . "\0x");
write_file('inner.key',   LEAK . "\nx");
write_file('two.key',     LEAK . "\n\n");
write_file('open.key',    LEAK . "\n", 0644);
write_file('group.key',   LEAK, 0640);
write_file('good.key',    LEAK . "\n", 0600);
write_file('id=x',        LEAK, 0600);
mkdir dir() . '/dir.key';

my $secret = 'mspwh_secret ' . LEAK . ';';
my $nine = join ' ', map { 'mspwh_secret ' . LEAK . "$_;" } 1 .. 9;
my $eight = join ' ', map { 'mspwh_secret ' . LEAK . "$_;" } 1 .. 8;

# [lines of a location, patterns that the message has]
my @bad = (
    ['mspwh maybe;', 'mspwh', 'maybe'],
    ['mspwh ON2;', 'mspwh', 'ON2'],
    ['mspwh "";', 'mspwh'],
    ['mspwh;', 'mspwh', 'number of arguments'],
    ['mspwh on off;', 'mspwh', 'number of arguments'],
    ["mspwh off; mspwh on; $secret", 'mspwh', 'duplicate'],
    ['mspwh on;', 'mspwh', '/place'],
    ['mspwh_secret "";', 'mspwh_secret'],
    ['mspwh_secret;', 'mspwh_secret', 'number of arguments'],
    ["$secret $secret", 'mspwh_secret'],
    ["$secret mspwh_secret_file good.key;", 'mspwh_secret_file'],
    ['mspwh_secret a id=x; mspwh_secret b id=x;', 'mspwh_secret', 'x'],
    ['mspwh_secret a; mspwh_secret b id=1;', 'mspwh_secret', '1'],
    ['mspwh_secret a id=2; mspwh_secret b;', 'mspwh_secret', '2'],
    ['mspwh_secret a id=;', 'mspwh_secret', 'id='],
    ['mspwh_secret a "id=b c";', 'mspwh_secret'],
    ['mspwh_secret a key=x;', 'mspwh_secret', 'id='],
    ['mspwh_secret a id=x y;', 'mspwh_secret', 'number of arguments'],
    ['mspwh_secret id=new;', 'mspwh_secret', 'id='],
    ['mspwh_secret "id=new";', 'mspwh_secret', 'id='],
    ['mspwh_secret id=;', 'mspwh_secret', 'id='],
    ['mspwh_secret "id=with blank ' . LEAK . '";', 'mspwh_secret', 'id='],
    ['mspwh_secret id=new ' . LEAK . ';', 'mspwh_secret', 'id='],
    ['mspwh_secret correct ' . LEAK . ';', 'mspwh_secret', 'id='],
    ['mspwh_secret ' . LEAK . ' horse;', 'mspwh_secret', 'id='],
    ['mspwh_secret a key=' . LEAK . ';', 'mspwh_secret', 'id='],
    ['mspwh_secret a "id=' . LEAK . ' b";', 'mspwh_secret', 'id='],
    ['mspwh_secret a ID=' . LEAK . ';', 'mspwh_secret', 'id='],
    ['mspwh_secret correct ' . LEAK . ' horse;', 'mspwh_secret', 'number of arguments'],
    [$nine, 'mspwh_secret', '8'],
    ['mspwh_secret_file;', 'mspwh_secret_file', 'number of arguments'],
    ['mspwh_secret_file "";', 'mspwh_secret_file'],
    ['mspwh_secret_file missing.key;', 'mspwh_secret_file', 'missing\.key'],
    ['mspwh_secret_file dir.key;', 'mspwh_secret_file', 'dir\.key'],
    ['mspwh_secret_file empty.key;', 'mspwh_secret_file', 'empty\.key'],
    ['mspwh_secret_file newline.key;', 'mspwh_secret_file', 'newline\.key'],
    ['mspwh_secret_file big.key;', 'mspwh_secret_file', 'big\.key'],
    ['mspwh_secret_file nul.key;', 'mspwh_secret_file', 'nul\.key'],
    ['mspwh_secret_file inner.key;', 'mspwh_secret_file', 'inner\.key'],
    ['mspwh_secret_file two.key;', 'mspwh_secret_file', 'two\.key'],
    ['mspwh_secret_file good.key name=x;', 'mspwh_secret_file', 'name=x'],
    ['mspwh_secret_file id=x;', 'mspwh_secret_file', 'id=x'],
    ['mspwh_secret_file id=x good.key;', 'mspwh_secret_file'],
    ['mspwh_signature_header;', 'mspwh_signature_header', 'number of arguments'],
    ['mspwh_signature_header "";', 'mspwh_signature_header'],
    ['mspwh_signature_header "X Sig";', 'mspwh_signature_header', 'X Sig'],
    ['mspwh_signature_header X-Sig:;', 'mspwh_signature_header', 'X-Sig:'],
    ['mspwh_signature_header A B;', 'mspwh_signature_header', 'number of arguments'],
    ['mspwh_signature_header A; mspwh_signature_header B;', 'mspwh_signature_header', 'duplicate'],
    ['mspwh_field event_type;', 'mspwh_field', 'number of arguments'],
    ['mspwh_field colour /a;', 'mspwh_field', 'colour'],
    ['mspwh_field event_type a/b;', 'mspwh_field', 'a/b'],
    ['mspwh_field event_type /ok a;', 'mspwh_field', '"a"'],
    ['mspwh_field event_type /a~2;', 'mspwh_field', '/a~2'],
    ['mspwh_field event_type /a~;', 'mspwh_field', '/a~'],
    ["mspwh_field event_type /\xff;", 'mspwh_field', "\"/\xff\"", 'UTF-8'],
    ["mspwh_field ticket_id /a /caf\xe9;", 'mspwh_field', "\"/caf\xe9\"", 'UTF-8'],
    ['mspwh_field event_type /a; mspwh_field event_type /b;', 'mspwh_field', 'event_type'],
    ['mspwh_accept;', 'mspwh_accept', 'number of arguments'],
    ['mspwh_accept "";', 'mspwh_accept', '""', 'lowercase'],
    ['mspwh_accept ticket.Merged;', 'mspwh_accept', 'ticket\.Merged', 'lowercase'],
    ['mspwh_accept "ticket merged";', 'mspwh_accept', 'ticket merged', 'lowercase'],
    ['mspwh_accept ticket..merged;', 'mspwh_accept', 'ticket\.\.merged'],
    ['mspwh_accept ticket.*.added;', 'mspwh_accept', 'ticket\.\*\.added'],
    ['mspwh_accept ticket.created ticket.note*;', 'mspwh_accept', '"ticket\.note\*"'],
    ['mspwh_accept note.added;', 'mspwh_accept', '"note\.added"', 'did you mean "ticket\.note\.added"\?'],
    ['mspwh_accept TicketCreated;', 'mspwh_accept', '"TicketCreated"', 'did you mean "ticket\.created"\?'],
    ['mspwh_accept note.*;', 'mspwh_accept', '"note\.\*"', 'did you mean "ticket\.note\.\*"\?'],
    ['mspwh_accept ticket.created ticket.created;', 'mspwh_accept', 'repeated', '"ticket\.created"'],
    ['mspwh_accept ticket.*; mspwh_accept a ticket.*;', 'mspwh_accept', 'repeated', '"ticket\.\*"'],
    ['mspwh_log_level;', 'mspwh_log_level', 'number of arguments'],
    ['mspwh_log_level loud;', 'mspwh_log_level', 'loud'],
    ['mspwh_log_level debug;', 'mspwh_log_level', 'debug'],
    ['mspwh_log_level crit;', 'mspwh_log_level', 'crit'],
    ['mspwh_log_level warn error;', 'mspwh_log_level', 'number of arguments'],
    ['mspwh_log_level warn; mspwh_log_level info;', 'mspwh_log_level', 'duplicate'],
    ['set $cust none; mspwh_set $cust /Customer;', 'mspwh_set', 'cust'],
    ['mspwh_set $cust /Customer; set $cust none;', 'duplicate', 'cust'],
    ['mspwh_set $cust /Customer; if ($arg_x) { set $CUST none; }', 'duplicate', 'CUST'],
    ['mspwh_malformed drop;', 'mspwh_malformed', 'drop'],
    ['mspwh_malformed;', 'mspwh_malformed', 'number of arguments'],
    ['mspwh_malformed pass; mspwh_malformed reject;', 'mspwh_malformed', 'duplicate'],
);

sub conf { "server { listen 127.0.0.1:%%PORT%%; location /place { $_[0] } }" }

for (@bad) {
    my ($lines, @patterns) = @$_;
    my ($rc, $text) = config_test(conf($lines));
    my $what = substr $lines, 0, 70;
    isnt($rc, 0, "refused: $what");
    my @emerg = grep { /\[emerg\]/ } split /\n/, $text;
    is(scalar(@emerg), 1, "one line: $what");
    like($emerg[0] // '', qr/$_/, "names $_: $what") for @patterns;
    like($emerg[0] // '', qr/test\.conf:\d+/, "names the place: $what");
    unlike($text, qr/${\LEAK}/, "no secret shown: $what");
}

my @good = (
    ["mspwh on; $secret", 'secret at the same level'],
    ['mspwh off;', 'off without a secret'],
    ["mspwh on; $eight", 'eight secrets'],
    ['mspwh on; mspwh_secret_file good.key id=k;', 'secret file'],
    ['mspwh on; mspwh_secret "with \"quotes\" and blanks";', 'quoted secret'],
    ['mspwh_field event_type /a /b/0 /c~0d~1e; mspwh_field entity_id /x; mspwh_field ticket_id /y; '
        . 'mspwh_field response_type /z;', 'all roles'],
    ["mspwh_field event_type /caf\xc3\xa9/\xf0\x9f\x92\xa9;", 'pointers of UTF-8'],
    ['mspwh_accept ticket.created ticket.note.* ticket.response.added; mspwh_accept *;', 'patterns'],
    ['mspwh_malformed pass; mspwh_signature_header X-Sig-2;', 'the rest'],
    (map { ["mspwh_log_level $_;", "mspwh_log_level $_"] } qw(info notice warn error)),
    ['if ($arg_x) { set $other none; } mspwh_set $cust /Customer;', 'a variable besides those of set'],
);
for (@good) {
    my ($lines, $what) = @$_;
    $lines = "mspwh on; $secret $lines" if $lines !~ /mspwh (?:on|off);/;
    my ($rc, $text) = config_test(conf($lines));
    is_deeply([$rc, $text], [0, ''], "accepted silently: $what");
}

for my $file ('open.key', 'group.key') {
    my ($rc, $text) = config_test(conf("mspwh on; mspwh_secret_file $file;"));
    is($rc, 0, "$file: accepted");
    like($text, qr/\[warn\].*\Q$file\E/, "$file: readable by others, warned");
    unlike($text, qr/${\LEAK}/, "$file: no secret shown");
}

# [configuration of http, accepted?, pattern, what]
my @levels = (
    ["mspwh on; $secret server { listen 127.0.0.1:%%PORT%%; location /a { } }", 1, undef, 'all at http'],
    ["$secret server { listen 127.0.0.1:%%PORT%%; location /a { mspwh on; } }", 1, undef, 'secret inherited'],
    ["mspwh on; server { listen 127.0.0.1:%%PORT%%; location /a { $secret } location / { mspwh off; } "
        . "$secret }", 1, undef, 'on at http, secrets below'],
    ["server { listen 127.0.0.1:%%PORT%%; location /a { $secret } location /b/c { mspwh on; } }", 0, '/b/c',
        'secret in a sibling only'],
    ["server { listen 127.0.0.1:%%PORT%%; location /a { location /a/deep { mspwh on; } } }", 0, '/a/deep',
        'nested location'],
    ["server { listen 127.0.0.1:%%PORT%%; location \@named { mspwh on; } }", 0, '@named', 'named location'],
    ["server { listen 127.0.0.1:%%PORT%%; location ~ ^/re { mspwh on; } }", 0, '\^/re', 'regex location'],
    ["server { listen 127.0.0.1:%%PORT%%; mspwh on; location /c { } }", 0, 'mspwh',
        'on at the server without a secret'],
    ["mspwh on; server { listen 127.0.0.1:%%PORT%%; location /a { $secret } location /c { } }", 0, 'mspwh',
        'on at http, one location without'],
    ["server { listen 127.0.0.1:%%PORT%%; set \$cust none; location /a { mspwh_set \$cust /Customer; } }", 0,
        'cust', 'set at the server'],
    ["server { listen 127.0.0.1:%%PORT%%; mspwh_set \$cust /Customer; location /a { set \$cust none; } }", 0,
        'cust', 'set in a location'],
    ["server { listen 127.0.0.1:%%PORT%%; location /a { mspwh_set \$cust /Customer; } } "
        . "server { listen 127.0.0.1:%%PORT_other%%; set \$cust none; }", 0, 'cust',
        'set in another server'],
    ["server { mspwh_set \$cust /Customer; } map \$uri \$cust { default none; }", 0, 'cust',
        'a map of the same name'],
    ["geo \$cust { default none; } server { mspwh_set \$cust /Customer; }", 0, 'cust',
        'a geo of the same name'],
);
for (@levels) {
    my ($http, $accepted, $pattern, $what) = @$_;
    my ($rc, $text) = config_test($http);
    is($rc == 0 ? 1 : 0, $accepted, "$what: " . ($accepted ? 'accepted' : 'refused')) or diag $text;
    like($text, qr/\[emerg\].*mspwh.*$pattern|\[emerg\].*$pattern.*mspwh|\[emerg\].*$pattern/, "$what: named")
        if $pattern;
    unlike($text, qr/${\LEAK}/, "$what: no secret shown");
}

# A header that nginx would drop. [directives of http, of the server, name, the directive to blame]
my $on = "mspwh on; $secret";
my @headers = (
    ['', '', 'X_Sig', 'underscores_in_headers'],
    ['', '', '_', 'underscores_in_headers'],
    ['', 'underscores_in_headers off; ignore_invalid_headers on;', 'X_Sig', 'underscores_in_headers'],
    ['underscores_in_headers on;', 'underscores_in_headers off;', 'X_Sig', 'underscores_in_headers'],
    ['', '', 'X.Sig', 'ignore_invalid_headers'],
    ['', 'underscores_in_headers on;', 'X.Sig_1', 'ignore_invalid_headers'],
    ['underscores_in_headers on;', '', "X!#\$%&'*+^`|~Sig", 'ignore_invalid_headers'],
    ['underscores_in_headers on;', '', 'X_Sig'],
    ['', 'underscores_in_headers on;', 'X_Sig'],
    ['underscores_in_headers off;', 'underscores_in_headers on;', 'X_Sig'],
    ['', 'ignore_invalid_headers off;', 'X_Sig'],
    ['ignore_invalid_headers off;', '', 'X.Sig'],
    ['', '', 'X-Sig'],
    ['', '', '1'],
);
for (@headers) {
    my ($http, $server, $header, $blamed) = @$_;
    my $directive = qq(mspwh_signature_header "$header";);
    my $listen = "listen 127.0.0.1:%%PORT%%; $server";
    for my $conf ("$http $directive server { $listen location /place { $on } }",
        "$http server { $directive $listen $on }",
        "$http server { location /place { $on $directive } $listen }",
        "$http server { $listen $on } $directive") {
        my ($rc, $text) = config_test($conf);
        is($rc ? 'refused' : 'accepted', $blamed ? 'refused' : 'accepted', "header: $conf") or diag $text;
        my @emerg = grep { /\[emerg\]/ } split /\n/, $text;
        is(scalar(@emerg), $blamed ? 1 : 0, '... in one line');
        next if !$blamed;
        like($emerg[0] // '', qr/\Q$_\E/, "... that names $_") for 'mspwh_signature_header', $header, $blamed;
        like($emerg[0] // '', qr/test\.conf:\d+/, '... and the place');
    }
}

# "mspwh on" without a secret: the message names its line, wherever it takes effect.
my $listen = "server {\nlisten 127.0.0.1:%%PORT%%;\n";
for (["mspwh on; # here\n${listen}location /c { }\n}", 'mspwh'],
    ["${listen}mspwh on; # here\nlocation /c {\nmspwh monitor;\n}\n}\n", 'mspwh'],
    ["${listen}location /b {\n\nlocation /b/c {\nmspwh on; # here\n}\n}\n}\n", '/b/c'],
    ["${listen}mspwh on; # here\nlocation /a { $secret }\nlocation /c { }\n}", 'mspwh']) {
    my ($http, $named) = @$_;
    my $conf = write_file('inner.conf', expand($http));
    my ($rc, $text) = config_test("include $conf;");
    my $line = 1 + ($http =~ s/# here.*//sr =~ tr/\n//);
    isnt($rc, 0, "line $line: no secret");
    like($text, qr/\[emerg\].*\Q$named\E.* in \S*inner\.conf:$line$/m, '... at the line of "mspwh on"');
}

# mspwh_status and another content handler, in either order.
my @handlers = ('mspwh_spool x', 'proxy_pass http://127.0.0.1', 'fastcgi_pass 127.0.0.1:1',
    'uwsgi_pass 127.0.0.1:1', 'scgi_pass 127.0.0.1:1', 'set $memcached_key x; memcached_pass 127.0.0.1:1',
    'empty_gif');
push @handlers, 'grpc_pass 127.0.0.1:1' if !defined lacks(module => 'http_v2_module');
push @handlers, grep { !defined lacks(module => "http_${_}_module") } qw(stub_status flv mp4);
my %modules = ('content_by_lua_file x' => 'ndk_http_module.so ngx_http_lua_module.so',
    'js_import a from %%DIR%%/a.js; js_content a.b' => 'ngx_http_js_module.so');
write_file('a.js', 'export default { b(r) { } };');
for my $handler (@handlers, sort keys %modules) {
    SKIP: {
        my @modules = split ' ', $modules{$handler} // '';
        skip "nginx has no @modules", 1 if grep { !has_module($_) } @modules;
        my %loaded = map { $_ => 1 } split ' ', $ENV{MSPWH_LOAD} // '';
        local $ENV{MSPWH_LOAD} = join ' ', grep({ !$loaded{$_} } @modules), $ENV{MSPWH_LOAD} // '';
        for my $lines ("mspwh_status; $handler;", "$handler; mspwh_status json;") {
            my ($rc, $text) = config_test("$on " . conf($lines));
            isnt($rc, 0, "refused: $lines");
            my @emerg = grep { /\[emerg\]/ } split /\n/, $text;
            is(scalar(@emerg), 1, '... in one line');
            like($emerg[0] // '', qr/"mspwh_(?:status|spool)".*test\.conf:\d+/, '... that names it');
        }
    }
}

my ($rc, $text) = config_test("upstream x { mspwh on; server 127.0.0.1:1; }");
like($text, qr/"mspwh" directive is not allowed here/, 'not in upstream');

done_testing();
