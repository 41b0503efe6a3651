# nginx -t rejects every bad argument of the directives for stores and streams, and says which one.

use strict;
use warnings;
use MspwhTest;
use Test::More;

use constant LEAK => 'TopSecretText';

write_file('good.password', LEAK . "\n");
write_file('empty.password', '');
write_file('inner.password', LEAK . "\nx");
write_file('open.password', LEAK, 0644);
write_file('no.pem', "no certificate\n");
my ($cert) = tls_files();

my $server = 'server 127.0.0.1:6379;';
my $upstream = "upstream store { $server }";
my $usual = 'zone=events:1m';

sub zone { return "$upstream mspwh_dedup_zone $_[0];" }
sub location { return "$upstream server { listen 127.0.0.1:%%PORT%%; location /place { $_[0] } }" }
sub stream { return location("mspwh_stream_pass $_[0];") }
sub both { return "$_[0] " . zone("$usual store=store") }

# [configuration of http, patterns that the message has]
my @bad = (
    [zone("$usual store="), 'mspwh_dedup_zone', 'upstream'],
    [zone("$usual store=\$name"), 'mspwh_dedup_zone', '\$name'],
    [zone("$usual store=redis://127.0.0.1"), 'mspwh_dedup_zone', 'redis://127'],
    [zone("$usual store=store store=store"), 'mspwh_dedup_zone', 'store=store', 'once'],
    [zone("$usual fallback=local"), 'mspwh_dedup_zone', 'fallback=local', 'store=upstream'],
    [zone("$usual store=store fallback="), 'mspwh_dedup_zone', 'fallback=', 'reject'],
    [zone("$usual store=store fallback=never"), 'mspwh_dedup_zone', 'fallback=never', 'reject'],
    [zone("$usual store=store fallback=local fallback=local"), 'mspwh_dedup_zone', 'once'],
    [zone("$usual store=store nothing"), 'mspwh_dedup_zone', 'nothing', 'store=upstream'],
    ["mspwh_dedup_zone $usual store=missing.invalid;", 'missing\.invalid'],
    ["mspwh_dedup_zone $usual store=127.0.0.1:70000;", '127\.0\.0\.1:70000'],
    ["upstream gone { server 127.0.0.1:6379 down; } mspwh_dedup_zone $usual store=gone;", 'gone', 'address'],

    [stream('store'), 'mspwh_stream_pass', 'number of arguments'],
    [stream('store replicas=1'), 'mspwh_stream_pass', 'key=value'],
    [stream('store key='), 'mspwh_stream_pass', 'key='],
    [stream('store key=a key=b'), 'mspwh_stream_pass', 'key=b'],
    [stream('store key=$nothing'), 'nothing'],
    [stream('$arg_x key=a'), 'mspwh_stream_pass', '\$arg_x', 'upstream'],
    [stream('http://store key=a'), 'mspwh_stream_pass', 'http://store'],
    [stream('store key=a replicas=0'), 'mspwh_stream_pass', 'replicas=0', '1 to 100'],
    [stream('store key=a replicas=x'), 'mspwh_stream_pass', 'replicas=x'],
    [stream('store key=a replicas=101'), 'mspwh_stream_pass', 'replicas=101'],
    [stream('store key=a replicas=1 replicas=1'), 'mspwh_stream_pass', 'replicas=1', 'once'],
    [stream('store key=a replicas=1 wait=0'), 'mspwh_stream_pass', 'wait=0', '60s'],
    [stream('store key=a replicas=1 wait=61s'), 'mspwh_stream_pass', 'wait=61s'],
    [stream('store key=a replicas=1 wait=soon'), 'mspwh_stream_pass', 'wait=soon'],
    [stream('store key=a wait=1s'), 'mspwh_stream_pass', 'wait=', 'replicas='],
    [stream('store key=a maxlen=5'), 'mspwh_stream_pass', 'maxlen=5'],
    [stream('store key=a; mspwh_stream_pass store key=a'), 'mspwh_stream_pass', 'duplicate'],
    [stream('store key=a; mspwh_spool x'), 'mspwh_spool', 'answers'],
    [stream('store key=a; proxy_pass http://127.0.0.1'), 'mspwh_stream_pass', '/place'],
    [location('proxy_pass http://127.0.0.1; mspwh_stream_pass store key=a;'), 'mspwh_stream_pass', 'answers'],
    [stream('missing.invalid key=a'), 'missing\.invalid'],
    ["$upstream mspwh_stream_pass store key=a;", 'mspwh_stream_pass', 'not allowed here'],

    [both('mspwh_store_auth;'), 'mspwh_store_auth', 'number of arguments'],
    [both('mspwh_store_auth missing.password;'), 'mspwh_store_auth', 'missing\.password'],
    [both('mspwh_store_auth empty.password;'), 'mspwh_store_auth', 'empty\.password'],
    [both('mspwh_store_auth inner.password;'), 'mspwh_store_auth', 'inner\.password'],
    [both('mspwh_store_auth good.password name;'), 'mspwh_store_auth', 'name', 'user=name'],
    [both('mspwh_store_auth good.password user=;'), 'mspwh_store_auth', 'user='],
    [both('mspwh_store_auth good.password user=a user=b;'), 'mspwh_store_auth', 'number of arguments'],
    [both('mspwh_store_auth good.password; mspwh_store_auth good.password;'), 'mspwh_store_auth',
        'duplicate'],
    [both('mspwh_store_timeout 0;'), 'mspwh_store_timeout', '0', '60s'],
    [both('mspwh_store_timeout soon;'), 'mspwh_store_timeout', 'soon'],
    [both('mspwh_store_timeout 2m;'), 'mspwh_store_timeout', '2m'],
    [both('mspwh_store_timeout 1s; mspwh_store_timeout 1s;'), 'mspwh_store_timeout', 'duplicate'],
);
my @bad_ssl = (
    [both('mspwh_store_ssl yes;'), 'mspwh_store_ssl', 'yes', '"on" or "off"'],
    [both('mspwh_store_ssl on; mspwh_store_ssl on;'), 'mspwh_store_ssl', 'duplicate'],
    [both('mspwh_store_ssl_verify maybe;'), 'mspwh_store_ssl_verify', 'maybe'],
    [both('mspwh_store_ssl_name "";'), 'mspwh_store_ssl_name'],
    [both('mspwh_store_ssl_trusted_certificate "";'), 'mspwh_store_ssl_trusted_certificate'],
    [both('mspwh_store_ssl on; mspwh_store_ssl_verify on;'), 'mspwh_store_ssl_trusted_certificate',
        'test\.conf:\d+'],
    [both('mspwh_store_ssl on; mspwh_store_ssl_verify on; mspwh_store_ssl_trusted_certificate missing.pem;'),
        'missing\.pem'],
    [both('mspwh_store_ssl on; mspwh_store_ssl_verify on; mspwh_store_ssl_trusted_certificate no.pem;'),
        'no\.pem'],
);
push @bad, @bad_ssl if !defined lacks(module => 'http_ssl_module');
for (@bad) {
    my ($conf, @patterns) = @$_;
    my ($rc, $text) = config_test($conf);
    isnt($rc, 0, "refused: $conf");
    my @emerg = grep { /\[emerg\]/ } split /\n/, $text;
    is(scalar(@emerg), 1, '... in one line') or diag $text;
    like($emerg[0] // '', qr/$_/, "... with $_") for @patterns;
    unlike($text, qr/${\LEAK}/, '... and no secret');
}

# [configuration of http, patterns of warnings]
my @good = (
    [zone("$usual store=store")],
    [zone("$usual ttl=1h store=store fallback=reject pending=5s")],
    ["mspwh_dedup_zone $usual store=127.0.0.1;"],
    ["mspwh_dedup_zone $usual store=127.0.0.1:7000;"],
    ["mspwh_dedup_zone $usual store=localhost;"],
    ["mspwh_dedup_zone $usual store=unix:/run/store.sock;"],
    ["mspwh_dedup_zone $usual store=later; upstream later { $server }"],
    [zone("$usual store=store") . ' mspwh_dedup_zone zone=more:1m store=store;'],
    [stream('store key=mspwh')],
    [stream('store key=mspwh replicas=1 wait=1s')],
    [stream('127.0.0.1 key=$uri')],
    [stream('unix:/run/store.sock key=a')],
    [location('mspwh_stream_pass store key=a; if ($uri) { set $x 1; }')],
    [both('mspwh_store_auth good.password; mspwh_store_timeout 1s;')],
    [both('mspwh_store_auth good.password user=edge;')],
    [both('mspwh_store_auth open.password;'), '"mspwh_store_auth".*open\.password.*0600'],
    [location('mspwh_store_timeout 1ms; mspwh_stream_pass store key=a;')],
);
my @good_ssl = (
    [both('mspwh_store_ssl off;')],
    [both('mspwh_store_ssl on;'), '"mspwh_store_ssl" is on, but without.* in \S*test\.conf:\d+'],
    [both("mspwh_store_ssl on; mspwh_store_ssl_verify on; mspwh_store_ssl_trusted_certificate $cert;")],
    [both("mspwh_store_ssl on; mspwh_store_ssl_name x; mspwh_store_ssl_verify on; "
        . "mspwh_store_ssl_trusted_certificate $cert;")],
);
push @good, @good_ssl if !defined lacks(module => 'http_ssl_module');
for (@good) {
    my ($conf, @warnings) = @$_;
    my ($rc, $text) = config_test($conf);
    is($rc, 0, "accepted: $conf") or diag $text;
    my @lines = split /\n/, $text;
    is(scalar @lines, scalar @warnings, '... with ' . @warnings . ' warnings') or diag $text;
    like($text, qr/\[warn\].*$_/, "... $_") for @warnings;
    unlike($text, qr/${\LEAK}/, '... and no secret');
}

done_testing();
