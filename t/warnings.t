# nginx -t warns of configurations that are legal but surely mistaken, and of no others. t/unchecked.t tests
# mistakes that only a request can show.

use strict;
use warnings;
use Test::More;
use MspwhTest;

use constant SMALL => 'client_max_body_size 1m;';

use constant LEAK => 'TopSecretText';

my $secret = 'mspwh_secret k;';

write_file('plain.key',    LEAK . "\n");
write_file('mark.key',     "\xef\xbb\xbf" . LEAK);
write_file('leading.key',  ' ' . LEAK);
write_file('trailing.key', LEAK . " \n");
write_file('tab.key',      LEAK . "\t\r\n");
write_file('tabs.key',     "\t" . LEAK);
write_file('inside.key',   'with a blank ' . LEAK);
write_file('open.key',     LEAK, 0644);

# Returns the lines of nginx -t. A file is written exactly as given, so that line numbers are known.
sub warnings_of {
    my ($http) = @_;
    my $conf = write_file('inner.conf', expand($http));
    my ($rc, $text) = config_test("include $conf;");
    is($rc, 0, 'nginx takes it') or diag $text;
    return split /\n/, $text;
}

sub server {
    my ($lines, $http) = @_;
    return ($http // '') . "\nserver {\nlisten 127.0.0.1:%%PORT%%;\n$secret\n$lines\n}\n";
}

# "# here" marks the line of the directive that the warning must name.
sub line_of {
    my ($http) = @_;
    my $n = 0;
    for (split /\n/, $http) {
        $n++;
        return $n if /# here/;
    }
    return 0;
}

my $size   = qr/"client_max_body_size"/;
my $none   = qr/"mspwh" is "monitor", but with no "mspwh_secret" or "mspwh_secret_file" nothing can be /;

# Returns a location with one directive, and no "mspwh on" anywhere.
sub alone { return "server {\nlisten 127.0.0.1:%%PORT%%;\nlocation /a {\n$_[0] # here\n}\n}\n" }
sub on { return server("mspwh on;\nlocation /a {\n$_[0] # here\n}") }

my $zone = "mspwh_dedup_zone zone=events:1m;\n";
my @without_effect = ('mspwh_secret k;', 'mspwh_secret l id=new;', 'mspwh_secret_file plain.key;',
    'mspwh_signature_header X-Sig;', 'mspwh_field event_type /type;', 'mspwh_set $cust /Customer;',
    'mspwh_accept ticket.created;', 'mspwh_malformed pass;', 'mspwh_log_level warn;');

# [type, the nearest that there is]
my @types = (['ticket.create', 'ticket.created'], ['ticket.note.add', 'ticket.note.added'],
    ['ticket.notes.added', 'ticket.note.added'], ['ticket.responses.*', 'ticket.response.*'],
    ['tickets.*', 'ticket.*'], ['tiket.deleted', 'ticket.deleted'],
    ['ticket.attachment.updated', 'ticket.attachment.'],
    ['ticket.attachments.added', 'ticket.attachment.added']);

# [what, configuration of http, a pattern or patterns of the one warning]
my @warned = (
    (map { my ($name) = split; ["$_ and no \"mspwh\"", alone($_), qr/"$name"/] } @without_effect),
    ['mspwh_dedup and no "mspwh"', $zone . alone('mspwh_dedup zone=events;'), qr/"mspwh_dedup"/],
    ['a secret of http and no "mspwh"', "mspwh_secret k; # here\nserver {\nlisten 127.0.0.1:%%PORT%%;\n}",
        qr/"mspwh_secret"/],
    ['a secret of a server, "mspwh" in another', "mspwh_secret k;\nserver {\nlisten 127.0.0.1:%%PORT_b%%;\n"
        . "mspwh_secret l; # here\n}\n" . server('mspwh on;'), qr/"mspwh_secret"/],
    ['types of a location, "mspwh" in its sibling',
        server("location /a {\nmspwh_accept ticket.created; # here\n}\nlocation /b { mspwh on; }"),
        qr/"mspwh_accept"/],

    (map { my ($type, $nearest) = @$_;
        ["mspwh_accept $type", on("mspwh_accept ticket.updated $type;"),
            qr/"mspwh_accept"/, qr/"\Q$type\E"/, qr/"\Q$nearest\E/] } @types),
    ['mspwh_accept and nothing alike', on('mspwh_accept invoice.paid;'), qr/"mspwh_accept"/,
        qr/"invoice\.paid"/],
    ['mspwh_accept in monitor mode', server("mspwh monitor;\nmspwh_accept ticket.create; # here"),
        qr/"mspwh_accept"/, qr/"ticket\.create"/, qr/"ticket\.created"/],

    ['a tab in a secret', on('mspwh_secret "' . LEAK . '\td";'), qr/"mspwh_secret"/],
    ['a newline in a secret', on('mspwh_secret "' . LEAK . '\nd" id=x;'), qr/"mspwh_secret"/],
    ['a control character in a secret', on('mspwh_secret ' . LEAK . "\x01;"), qr/"mspwh_secret"/],
    ['DEL in a secret', on('mspwh_secret ' . LEAK . "\x7f;"), qr/"mspwh_secret"/],
    ['a variable as a secret', on('mspwh_secret ${' . LEAK . '};'), qr/"mspwh_secret"/],
    ['a variable in a secret', on('mspwh_secret "abc$' . LEAK . '";'), qr/"mspwh_secret"/],
    ['a variable as a secret, quoted', on('mspwh_secret "$' . LEAK . '" id=x;'), qr/"mspwh_secret"/],

    (map { ["$_->[1]", on("mspwh_secret_file $_->[0];"), qr/"mspwh_secret_file"/, qr/\Q$_->[0]\E/] }
        ['mark.key', 'a byte order mark'], ['leading.key', 'a leading blank'],
        ['trailing.key', 'a trailing blank'], ['tab.key', 'a trailing tab'], ['tabs.key', 'a leading tab'],
        ['open.key', 'a secret file that others can read']),

    ['a spool for small bodies', server("location /w { client_max_body_size 64m; mspwh on; }\n"
        . "location /a {\n${\SMALL}\nmspwh_spool spool; # here\n}"), $size],
    ['a spool for small bodies, mspwh on', server("location /a { mspwh on; # here\n${\SMALL}\n"
        . "mspwh_spool spool;\n}"), $size],
    ['a named location with a spool for small bodies',
        server("mspwh on;\nlocation /a { error_page 502 = \@s; }\nlocation \@s {\nmspwh off;\n${\SMALL}\n"
            . "mspwh_spool spool; # here\n}"), $size],

    ['small bodies', server("location /a {\n${\SMALL}\nmspwh on; # here\n}"), $size],
    ['small bodies, monitor', server("client_max_body_size 100;\nlocation /a {\nmspwh monitor; # here\n}"),
        $size],
    ['small bodies, inherited by many', server("${\SMALL}\nmspwh on; # here\n" . join '',
        map { "location /$_ { location /$_/x { } }" } 1 .. 9), $size],
    ['small bodies, a server with no location', server("${\SMALL}\nmspwh on; # here\n"), $size],
    ['small bodies in the location of a server that allows more',
        server("client_max_body_size 64m;\nmspwh on; # here\nlocation /a { ${\SMALL} }"), $size],
    ['small bodies, two servers', "mspwh on; # here\n" . server(SMALL) . server("${\SMALL}server_name b;"),
        $size],

    ['monitor with no secret',
        "server {\nlisten 127.0.0.1:%%PORT%%;\nlocation /a {\nmspwh monitor; # here\n}\nlocation /b { }\n}",
            $none],
    ['monitor with no secret, inherited',
        "mspwh monitor; # here\nserver {\nlisten 127.0.0.1:%%PORT%%;\nlocation /a { }\nlocation /b { }\n}",
            $none],
);

for (@warned) {
    my ($what, $http, @patterns) = @$_;
    my @lines = warnings_of($http);
    is(scalar(@lines), 1, "$what: one line") or diag join "\n", @lines;
    my $place = 'in ' . dir() . '/inner.conf:' . line_of($http);
    like($lines[0] // '', qr/^nginx: \[warn\] .*$_.* \Q$place\E$/, "$what: warned, at its line")
        for @patterns;
    unlike("@lines", qr/${\LEAK}/, "$what: no secret shown");
}

# The same line of a file that two servers include.
{
    my $conf = write_file('shared.conf', "location /a { mspwh on; ${\SMALL} }\n");
    my @lines = warnings_of(server("include $conf;") . server("server_name b; include $conf;"));
    is(scalar(@lines), 1, 'a file that is included twice: one line') or diag join "\n", @lines;
    is(scalar(grep { /shared\.conf:1$/ } @lines), 1, '... with the place in it');
}

# [what, configuration of http]
my @clean = (
    ['nothing odd',
        server("mspwh on;\nlocation /a { proxy_pass http://%%A%%; proxy_set_header X \$mspwh_event_type; "
            . "add_header Y \$mspwh_verdict; }")],
    ['what only a request can show',
        server("mspwh on;\nset \$x \$mspwh_event_type;\nlocation /a { return 200; }\nlocation /b { "
            . "if (\$mspwh_entity) { set \$y 1; } rewrite ^ /c/\$mspwh_action; }")],
    ['a map that is used late', server("mspwh on; location /a { proxy_pass http://\$to; }",
        "map \$mspwh_entity \$to { default %%A%%; }")],
    ['large bodies', server("client_max_body_size 1048577; mspwh on;")],
    ['any body', server("client_max_body_size 0; mspwh on; location /a { }")],
    ['large bodies in one location only',
        server("${\SMALL} mspwh on;\nlocation /a { client_max_body_size 64m; }\nlocation /50x.html { }")],
    ['small bodies elsewhere',
        server("${\SMALL}\nlocation /a { client_max_body_size 64m; mspwh on; if (\$arg_x) { set \$x 1; } "
            . "}\nlocation /b { }")],
    ['the counters', server("mspwh on; location /a { }\nlocation /mspwh { ${\SMALL} mspwh_status; }")],
    ['a secret above "mspwh"', "mspwh_secret k;\nserver { listen 127.0.0.1:%%PORT%%; location /a { "
        . "location /a/b { mspwh monitor; } } }\nserver { listen 127.0.0.1:%%PORT_b%%; }"],
    ['all below "mspwh"',
        $zone . server("mspwh on;\nlocation /a { @without_effect mspwh_dedup zone=events; }")],
    ['a spool beside "mspwh"', server("location /a { mspwh on; error_page 502 = \@s; }\n"
        . "location \@s { mspwh_spool spool; }")],
    ['a dedup zone', $zone . server('mspwh on;')],
    ['the counters alone', "server { listen 127.0.0.1:%%PORT%%; location /a { mspwh_status; } }"],
    ['types that there are', on('mspwh_accept ticket.created ticket.* ticket.note.* ticket.response.updated '
        . 'ticket.attachment.deleted *;')],
    ['a blank inside a secret file', on('mspwh_secret_file inside.key;')],
    ['a secret file with a newline', on('mspwh_secret_file plain.key;')],
    ['secrets with "$"', on('mspwh_secret pa$; mspwh_secret "p$ a"; mspwh_secret "$-$.$"; mspwh_secret $$;')],
    ['secrets of UTF-8 and blanks', on("mspwh_secret \"gehe\xc3\xafm \xe2\x82\xac\"; mspwh_secret \" x \";")],
    ['monitor with a secret', server("mspwh monitor; location /a { }")],
    ['monitor with a secret in one location',
        "mspwh monitor;\nserver {\nlisten 127.0.0.1:%%PORT%%;\nlocation /a { $secret }\nlocation /b { }\n}"],
);

for (@clean) {
    my ($what, $http) = @$_;
    is_deeply([warnings_of($http)], [], "no warning: $what");
}

done_testing();
