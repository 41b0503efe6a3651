# nginx -t warns of what is legal but surely a mistake, and of nothing else.

use strict;
use warnings;
use Test::More;
use MspwhTest;

use constant SMALL => 'client_max_body_size 1m;';

my $secret = 'mspwh_secret k;';

# The lines of nginx -t. A file is written as it is given, so that its lines count.
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

# "# here" marks the line of the directive that the warning has to name.
sub line_of {
    my ($http) = @_;
    my $n = 0;
    for (split /\n/, $http) {
        $n++;
        return $n if /# here/;
    }
    return 0;
}

my $level  = qr/(?:server|location) "\S*"/;
my $return = qr/"mspwh" is enabled, but "return" in $level answers every request before it is verified/;
my $codes  = qr/"if", "set", "rewrite" or "return"/;
my $early  = qr/"mspwh" is enabled, but $codes in $level uses "\$mspwh_\w+" before the body is read/;
my $size   = qr/"mspwh" is enabled, but "client_max_body_size" is 1m, its default, or less/;
my $none   = qr/"mspwh" is "monitor", but with no "mspwh_secret" or "mspwh_secret_file" nothing can be /;

# [what, configuration of http, the one warning]
my @warned = (
    ['return in the location', server("location /a {\nmspwh on; # here\nreturn 200;\n}"), $return],
    ['return in the location, monitor', server("location /a {\nreturn 204;\nmspwh monitor; # here\n}"),
        $return],
    ['return behind if and set',
        server("location /a {\nif (\$arg_x = 1) { set \$y 1; }\nset \$z \"a\$uri\";\nmspwh on; # "
            . "here\nreturn "
            . "200 \$z;\n}"), $return],
    ['return behind if with a return',
        server("location /a {\nif (\$arg_x = 1) { return 405; }\nmspwh on; # here\nreturn 200;\n}"), $return],
    ['return in a named location', server("location \@a {\nmspwh on; # here\nreturn 200;\n}"), $return],
    ['return of the server',
        server("mspwh on; # here\nreturn 301 https://\$host\$request_uri;\nlocation / { }"), $return],
    ['return of the server, mspwh in a location',
        server("return 301 https://example.com/;\nlocation / {\nmspwh on; # here\n}"), $return],
    ['return behind a rewrite that goes on',
        server("location /a {\nrewrite ^/a/(.*) /b/\$1;\nmspwh on; # here\nreturn 200;\n}"), $return],

    ['if', server("location /a {\nmspwh on; # here\nif (\$mspwh_event_type = ticket.created) { set \$x 1; "
        . "}\n}"), $early],
    ['if with a regular expression',
        server("location /a {\nmspwh on; # here\nif (\$mspwh_verdict ~ x) { set \$x 1; }\n}"), $early],
    ['if, compared with the variable',
        server("location /a {\nmspwh on; # here\nif (\$arg_x = \"\$mspwh_entity_id\") { set \$x 1; }\n}"),
            $early],
    ['set', server("location /a {\nset \$x \$mspwh_ticket_id;\nmspwh monitor; # here\n}"), $early],
    ['set inside if',
        server("location /a {\nif (\$arg_x = 1) { set \$x a\${mspwh_ticket_id}b; }\nmspwh on; # here\n}"),
            $early],
    ['rewrite', server("location /a {\nmspwh on; # here\nrewrite ^ /b/\$mspwh_entity?a=b\$mspwh_action break;"
        . "\n}"), $early],
    ['return of if',
        server("location /a {\nmspwh on; # here\nif (\$arg_x) { return 200 \"\$arg_x\$mspwh_key_id\"; }\n}"),
            $early],
    ['set in the server', server("mspwh on; # here\nset \$x \$mspwh_event_type;\nlocation / { }"), $early],
    ['set in the server, mspwh in a location',
        server("set \$x \$mspwh_event_type;\nlocation / {\nmspwh on; # here\n}"), $early],
    ['if where mspwh is inherited',
        server("mspwh on; # here\nlocation / { if (\$mspwh_entity) { set \$x 1; } }\nlocation /b { }"),
            $early],
    ['if in three locations: one line', server("mspwh on; # here\n" . join '',
        map { "location /$_ { if (\$mspwh_entity) { set \$x 1; } }\n" } 1 .. 3), $early],
    ['if beside an error page that is elsewhere',
        server("mspwh on; # here\nerror_page 401 /rejected;\nlocation /a { if (\$mspwh_entity) { set \$x 1; "
            . "} "
            . "}\nlocation /rejected { }"), $early],

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
    my ($what, $http, $pattern) = @$_;
    my @lines = warnings_of($http);
    is(scalar(@lines), 1, "$what: one line") or diag join "\n", @lines;
    my $place = 'in ' . dir() . '/inner.conf:' . line_of($http);
    like($lines[0] // '', qr/^nginx: \[warn\] $pattern.* \Q$place\E$/, "$what: warned, at its line");
}

# The same line of a file that two servers include.
{
    my $conf = write_file('shared.conf', "location /a { mspwh on; return 200; ${\SMALL} }\n");
    my @lines = warnings_of(server("include $conf;") . server("server_name b; include $conf;"));
    is(scalar(@lines), 2, 'a file that is included twice: each cause once') or diag join "\n", @lines;
    is(scalar(grep { /shared\.conf:1$/ } @lines), 2, 'a file that is included: its line');
}

# [what, configuration of http]
my @clean = (
    ['nothing odd',
        server("mspwh on;\nlocation /a { proxy_pass http://%%A%%; proxy_set_header X \$mspwh_event_type; "
            . "add_header Y \$mspwh_verdict; }")],
    ['mspwh off',
        server("mspwh off;\n${\SMALL}\nset \$x \$mspwh_entity;\nlocation /a { return 200 \$mspwh_entity; }")],
    ['a health check beside', server("mspwh on;\nlocation = /health { return 200 ok; }\nlocation /a { }")],
    ['a server that redirects, mspwh of http',
        "mspwh on;\n" . server("return 301 https://\$host\$request_uri;")],
    ['a return under a condition',
        server("location /a { mspwh on; if (\$request_method != POST) { return 405; } }")],
    ['a return behind break', server("location /a { mspwh on; if (\$arg_x) { break; } return 200; }")],
    ['a return behind rewrite last',
        server("location /a { mspwh on; rewrite ^/a/x /b last; return 404; }\nlocation /b { }")],
    ['a return that an error page takes up',
        server("location /a { mspwh on; error_page 418 = \@b; return 418; }\nlocation \@b { }")],
    ['a return of the server that a named location takes up',
        server("return 418; error_page 418 = \@b;\nlocation \@b { mspwh on; }")],
    ['a return around other locations', server("location /a { mspwh on; return 404; location /a/b { } }")],
    ['if of other variables',
        server("location /a { mspwh on; set \$mspwhx \$arg_x; if (\$http_mspwh_entity) { set \$x "
            . "\"\$arg_y\$uri\"; } rewrite ^/a(.*) /b\$1 break; }")],
    ['if in a named location',
        server("mspwh on;\nlocation /a { error_page 502 = \@b; }\nlocation \@b { if (\$mspwh_entity = "
            . "ticket) "
            . "{ set \$x 1; } }")],
    ['if in an internal location',
        server("mspwh on;\nlocation /a { error_page 502 = /b; }\nlocation /b { internal; if (\$mspwh_entity "
            . "= "
            . "ticket) { set \$x 1; } }")],
    ['the verdict on an error page',
        server("mspwh on; error_page 401 /rejected;\nlocation /a { }\nlocation = /rejected { return 403 "
            . "\$mspwh_verdict; }")],
    ['the verdict on an error page of another location',
        server("mspwh on;\nlocation /a { error_page 401 /rejected; }\nlocation = /rejected { return 403 "
            . "\$mspwh_verdict; }")],
    ['the verdict on an error page with a variable',
        server("mspwh on; error_page 401 /\$status;\nlocation ~ 401 { return 403 \$mspwh_verdict; }")],
    ['the verdict on an error page, mspwh off',
        server("mspwh on; error_page 401 /rejected;\nlocation = /rejected { mspwh off; return 403 "
            . "\$mspwh_verdict; }")],
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
    ['monitor with a secret', server("mspwh monitor; location /a { }")],
    ['monitor with a secret in one location',
        "mspwh monitor;\nserver {\nlisten 127.0.0.1:%%PORT%%;\nlocation /a { $secret }\nlocation /b { }\n}"],
);

for (@clean) {
    my ($what, $http) = @$_;
    is_deeply([warnings_of($http)], [], "no warning: $what");
}

# At run time: what a map hides from nginx -t.

$MspwhTest::Workers = 1;

start_http(<<"CONF");
map \$mspwh_event_type \$early { default rest; ~^ticket tickets; }
map \$mspwh_event_type \$fresh { volatile; default rest; ~^ticket tickets; }
map \$mspwh_event_type \$logged { default rest; ~^ticket tickets; }
limit_req_zone \$mspwh_entity zone=entity:1m rate=1r/s;
log_format late '\$mspwh_verdict \$logged';
server {
    listen 127.0.0.1:%%PORT%%;
    access_log %%DIR%%/late.log late;
    $secret
    mspwh on;
    add_header X-Verdict "\$mspwh_verdict" always;
    add_header X-Logged \$logged always;
    error_page 403 /denied;
    error_page 405 = /denied;

    location / { proxy_pass http://%%A%%; proxy_set_header X-To \$logged; }
    location /health { return 200 ok; }
    location /gone { return 404; }
    location /moved { rewrite ^ http://localhost/ permanent; }
    location /forbidden { deny all; }
    location /method { if (\$request_method = POST) { return 405; } }
    location = /denied { if (\$logged = tickets) { return 200; } root html; }
    location /auth { auth_request /ask; proxy_pass http://%%A%%; }
    location = /ask { internal; if (\$logged = tickets) { return 403; } return 204; }
    location /limit { limit_req zone=entity; proxy_pass http://%%A%%; }
    location /off { mspwh off; if (\$early = tickets) { return 403; } return 204; }
    location /set { set \$to \$early; add_header X-To \$to always; proxy_pass http://%%A%%; }
    location /fresh { set \$to \$fresh; proxy_pass http://%%A%%; proxy_set_header X-To \$fresh; }
}
CONF

my $body = '{"eventType":"Ticket created","entityId":"1"}';
my $good = sign('k', $body);

sub early { grep { /mspwh: "\$mspwh_/ } split /\n/, error_log() }

for ('/', '/health', '/gone', '/moved', '/forbidden', '/method', '/auth', '/limit', '/off') {
    post($_, $body, 'X-Webhook-Signature' => $good);
    post($_, $body);
}
send_bytes(my $c = connection(), "BROKEN\r\n\r\n");
read_response($c);
is_deeply([early()], [], 'no line for answers, error pages, subrequests and logs');

my $r = post('/set', $body, 'X-Webhook-Signature' => $good);
is($r->{header}{'x-to'}, 'rest', 'a map that set uses: its default');
my @lines = log_matches(qr/mspwh: "\$mspwh_event_type" is used before the body is read/);
is(scalar(@lines), 1, 'it is logged');
like($lines[0] // '', qr/\[warn\].*"POST \/set /, 'as a warning, with the request');

post('/set', $body, 'X-Webhook-Signature' => $good) for 1 .. 5;
clear_records();
post('/fresh', $body, 'X-Webhook-Signature' => $good);
is((records())[0]{header}{'x-to'}, 'tickets', 'volatile, the map is right in proxy_pass');
is(scalar(early()), 1, 'one line in a minute');

done_testing();
