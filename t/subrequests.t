# Nothing unverified gets past "mspwh on" by way of a subrequest, whatever starts it and whatever body it
# carries; and verified bodies get there whole, whatever happens at the same time.

use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use Test::More;
use MspwhEvents qw(by_case event spooled);
use MspwhTest;

my $name = 'X-Webhook-Signature';
my $dead = port('dead');
my $case = 0;
my @judged;

# Sends a request. Once nginx has stopped, backend B must have got these bodies, in any order.
sub leads_to {
    my ($what, $status, $bodies, %o) = @_;
    my @headers = ('X-Case' => ++$case, @{ $o{headers} // [] });
    push @headers, $name => sign($o{secret} // SECRET, $o{signed} // $o{body} // '') if !$o{unsigned};
    my $r = request(%o, headers => \@headers);
    is($r->{status}, $status, "$what: $status") if defined $status;
    push @judged, [$what, $case, [sort map { sha256_hex($_) } @$bodies]];
    return $r;
}

sub judge {
    ok(stop(), 'nginx stops in time');
    my $got = by_case();
    for (@judged) {
        my ($what, $n, $bodies) = @$_;
        my @at_b = grep { $_->{backend} eq 'B' } @{ $got->{$n} // [] };
        is_deeply([sort map { $_->{sha256} } @at_b], $bodies, "$what: what backend B got")
            or diag map { "  $_->{method} $_->{uri}, $_->{length} bytes\n" } @at_b;
    }
    @judged = ();
}

my $addition = !defined lacks(module => 'http_addition_module');
my $auth = !defined lacks(module => 'http_auth_request_module');
my $added = $addition ? <<'CONF' : '';
    location /alive/after { if ($request_method = GET) { return 200 alive; } add_after_body /sub; }
    location /alive/before { if ($request_method = GET) { return 200 alive; } add_before_body /sub; }
    location /page { mspwh off; add_after_body /empty; alias %%DIR%%/html/page; }
    location /added { add_after_body /sub; proxy_pass http://%%A%%; }
CONF
my $asked = $auth ? <<'CONF' : '';
    location = /status/ask { auth_request /ask; mspwh_status; }
    location /asked { auth_request /ask; proxy_pass http://%%A%%; }
    location = /ask { internal; proxy_pass_request_body off; proxy_set_header Content-Length "";
        proxy_pass http://%%B%%; }
CONF

my $include = '<!--# include virtual="/sub" -->';
my $slow = 'proxy_pass http://%%A%%/wait/$arg_wait/status/503;';
write_file('html/page', 'a page', 0644);
start_http(<<"CONF");
server {
    listen 127.0.0.1:%%PORT%%;
    default_type text/html;
    add_header X-Verdict \$mspwh_verdict always;
    mspwh on;
    mspwh_secret "%%SECRET%%" id=new;

    # it is verified under "old", and when the mirror has failed, it is on its way to "new"
    location /both { mspwh_secret "%%SECRET%%" id=old; mirror /mirror/named;
        proxy_pass http://127.0.0.1:$dead; error_page 502 = \@b; }
    location /spool { mspwh_secret "%%SECRET%%" id=old; mirror /mirror/spool;
        proxy_pass http://127.0.0.1:$dead; error_page 502 = \@b; }
    location /mirror/ {
        internal;
        mspwh_secret "%%SECRET%%" id=old;
        proxy_pass_request_body off;
        proxy_set_header Content-Length 0;
        proxy_intercept_errors on;
        location /mirror/named { error_page 503 = \@b; $slow }
        location /mirror/spool { error_page 503 = \@copies; $slow }
    }
    location \@b { proxy_pass http://%%B%%; }
    location \@copies { mspwh_spool copies; }

    # the verdict changes to "malformed_payload" on the way
    location /changed/ {
        mspwh_secret "%%SECRET%%" id=old;
        proxy_pass http://127.0.0.1:$dead;
        location /changed/spool { error_page 502 = \@malformed; proxy_pass http://127.0.0.1:$dead; }
        location /changed/proxy { error_page 502 = \@told; proxy_pass http://127.0.0.1:$dead; }
    }
    location \@malformed { mspwh_field event_type /nowhere; mspwh_malformed pass; mspwh_spool spool; }
    location \@told { mspwh_field event_type /nowhere; mspwh_malformed pass; proxy_pass http://%%B%%;
        proxy_set_header X-Told "\$mspwh_verdict,\$mspwh_event_type,\$mspwh_entity_id,\$mspwh_ticket_id"; }

    # answered before anything is checked
    location /sub { proxy_pass http://%%B%%; }
    location /empty { mspwh_malformed pass; proxy_pass http://%%B%%; }
    location /alive/ssi { ssi on; if (\$request_method = GET) { return 200 '$include'; } }
    location /alive/post { if (\$request_method = GET) { return 200 alive; } post_action /sub; }
    location /alive/refused { ssi on; error_page 403 /refused; deny all; }
    location = /refused { return 200 '$include'; }
    location /included { ssi on; proxy_pass http://%%A%%/ssi; }
$added$asked
}
server {
    listen 127.0.0.1:%%PORT_status%%;
    mspwh on;
    mspwh_secret "%%SECRET%%";
    mirror /copy;
    location = /status { mspwh_status; }
    location = /status/off { mspwh off; mspwh_status; }
    location = /copy { internal; proxy_pass http://%%B%%; }
    location / { proxy_pass http://%%A%%; }
}
CONF

# --- while the main request is being verified again ----------------------------------

my $large = event('ticket.created', 60_000_000);
for my $wait (0.001, 0.005, 0.02) {
    leads_to("60 MB, the mirror fails after $wait s, too", 200, [$large, $large],
        path => "/both?wait=$wait", body => $large, timeout => 60);
}
leads_to('60 MB, the mirror goes to the spool', 200, [$large], path => "/spool?wait=0.005", body => $large,
    timeout => 60);

# --- a verdict that changes ------------------------------------------------------------

my $note = '{"eventType":"NoteAdded","entityId":"entity1","TicketId":"ticket1","Description":""}';
for my $size (0, 200_000) {
    my $body = $note =~ s/""}/'"' . 'x' x $size . '"}'/er;
    leads_to("$size bytes, no event to the spool", 202, [], path => '/changed/spool', body => $body);
    leads_to("$size bytes, no event to B", 200, [$body], path => '/changed/proxy', body => $body);
}

# --- what the main request has not been verified for -----------------------------------

my @unsigned = (method => 'GET', unsigned => 1);
leads_to('the status, mirrored', 200, [], @unsigned, path => '/status', port => 'status');
leads_to('the status with "mspwh off", mirrored', 200, [], @unsigned, path => '/status/off',
    port => 'status');
leads_to('a POST for the status, mirrored', 405, [], path => '/status', port => 'status', body => $note,
    unsigned => 1);
leads_to('an event, mirrored', 200, [$note], path => '/x', port => 'status', body => $note);

leads_to("an answer of \"return\" with $_", 200, [], @unsigned, path => "/alive/$_")
    for 'ssi', 'post', $addition ? ('after', 'before') : ();
leads_to('an error page with SSI', undef, [], @unsigned, path => '/alive/refused');
SKIP: {
    needs(module => 'http_addition_module');
    leads_to('an event, and its addition', 200, [$note], path => '/added', body => $note);
    leads_to('a body that was thrown away, and the signature of none', 200, [], path => '/page',
        method => 'GET', body => 'forged', signed => '');
}
SKIP: {
    needs(module => 'http_auth_request_module');
    leads_to('the status after auth_request', 401, [], @unsigned, path => '/status/ask');
    leads_to('auth_request of what is to be verified', 200, [''], path => '/asked', body => $note);
    leads_to('auth_request of what will be refused', 401, [''], path => '/asked', body => $note,
        secret => 'forged');
}

judge();
is_deeply([map { $_->{body} eq $large } spooled('copies')], [1], 'the copy is in the spool, whole');
my @names = map { [@{ $_->{parts} }[2 .. 4]] } spooled('spool');
is_deeply(\@names, [(['malformed', '-', '-']) x 2], 'no event: its files have no ids in their names');
is_deeply([map { $_->{header}{'x-told'} // () } records()], [('malformed_payload,,,') x 2],
    '... and no variable has any') or diag join '|', map { $_->{header}{'x-told'} // () } records();

# --- a script's own body -------------------------------------------------------------------

my $targets = <<'CONF';
    location = /px { internal; proxy_pass http://%%B%%; }
    location = /px/other { internal; mspwh_secret "%%SECRET%%" id=other; proxy_pass http://%%B%%; }
    location = /px/named { internal; try_files /none @px; }
    location @px { proxy_pass http://%%B%%; }
    location = /px/spool { internal; mspwh_spool own; }
    location = /px/off { internal; mspwh off; proxy_pass http://%%A%%;
        proxy_set_header X-Told $mspwh_verdict; }
    location = /px/monitor { internal; mspwh monitor; proxy_pass http://%%A%%;
        proxy_set_header X-Told $mspwh_verdict; }
    location / { proxy_pass http://%%A%%; }
CONF

sub server {
    my ($locations) = @_;
    return <<"CONF";
server {
    listen 127.0.0.1:%%PORT%%;
    client_body_buffer_size 1m;
    mspwh on;
    mspwh_secret "%%SECRET%%";
$locations
$targets
}
CONF
}

# The ways of a script, each with a body of its own in the header X-Own.
sub own_bodies {
    my ($script, @ways) = @_;
    my $own = 'forged' . 'x' x (length($note) - 6);
    for my $way (@ways) {
        for my $to ('/px', '/px/other', '/px/named', '/px/spool') {
            for my $own ($own, 'forged') {
                leads_to("$script, $way, to $to, " . length($own) . ' bytes', undef, [],
                    path => "/$script/$way?to=$to", body => $note, headers => ['X-Own' => $own]);
            }
        }
        leads_to("$script, $way, to $_", undef, [], path => "/$script/$way?to=$_", body => $note,
            headers => ['X-Own' => $own]) for '/px/off', '/px/monitor';
    }
    judge();
    is_deeply([spooled('own')], [], "$script: nothing of its own is in the spool");
    my @told = grep { $_->{sha256} ne sha256_hex($note) and ($_->{header}{'x-told'} // '') eq 'verified' }
        records();
    ok(!@told, "$script: no body of its own is said to be verified") or diag explain \@told;
}

my $lua = sub { "content_by_lua_block { local own, to = ngx.var.http_x_own, ngx.var.arg_to $_[0] }" };
my $captured = 'ngx.status = r.status ngx.print(r.body)';
my %lua = (
    capture => "local r = ngx.location.capture(to, { method = ngx.HTTP_POST, body = own }) $captured",
    capture_put => "local r = ngx.location.capture(to, { method = ngx.HTTP_PUT, body = own }) $captured",
    capture_get => "local r = ngx.location.capture(to, { body = own }) $captured",
    vars => 'local r = ngx.location.capture(to, '
        . "{ method = ngx.HTTP_POST, body = own, share_all_vars = true }) $captured",
    multi => 'local o = { method = ngx.HTTP_POST, body = own } '
        . "local r = ngx.location.capture_multi({ { to, o }, { to, o } }) $captured",
    forward => 'ngx.req.set_body_data(own) local r = ngx.location.capture(to, '
        . "{ method = ngx.HTTP_POST, always_forward_body = true }) $captured",
    exec => 'ngx.req.set_body_data(own) ngx.exec(to)',
    exec_appended => 'ngx.req.init_body() ngx.req.append_body(own) ngx.req.finish_body() ngx.exec(to)',
    exec_file => 'local f = io.open("%%DIR%%/own_body", "w") f:write(own) f:close() '
        . 'ngx.req.set_body_file("%%DIR%%/own_body") ngx.exec(to)',
);
my $locations = join '', map { "    location = /lua/$_ { @{[$lua->($lua{$_})]} }\n" } sort keys %lua;
if (start_with([qw(ndk_http_module.so ngx_http_lua_module.so)], server(<<"CONF"))) {
$locations
    location = /lua/both {
        client_body_buffer_size 16k;
        @{[$lua->('local o = { method = ngx.HTTP_POST, always_forward_body = true } '
            . 'local r, s = ngx.location.capture_multi({ { "/px/other", o }, { "/px/named", o }, '
            . '{ "/px/other", o } }) ngx.status = math.max(r.status, s.status)')]}
    }
    location = /lua/access { access_by_lua_block {
        local r = ngx.location.capture("/px", { method = ngx.HTTP_POST, body = ngx.var.http_x_own }) }
        proxy_pass http://%%A%%; }
CONF
    for my $size (1, 100_000, 5_000_000) {
        my $body = event('ticket.created', $size);
        leads_to("Lua, three at once of $size bytes", 200, [($body) x 3], path => '/lua/both', body => $body);
    }
    leads_to('Lua, a capture before the check', 200, [], path => '/lua/access', body => $note,
        headers => ['X-Own' => 'forged']);
    own_bodies('lua', sort keys %lua);
}

write_file('own.js', <<'JS', 0644);
function answer(r) { return reply => r.return(reply.status, reply.responseText); }
function send(r, method) {
    r.subrequest(r.args.to, { method: method, body: r.headersIn['X-Own'] }, answer(r));
}
function post(r) { send(r, 'POST'); }
function put(r) { send(r, 'PUT'); }
function get(r) { send(r, 'GET'); }
function detached(r) {
    r.subrequest(r.args.to, { method: 'POST', body: r.headersIn['X-Own'], detached: true });
    r.return(200);
}
function both(r) {
    let left = 3, worst = 0;
    let done = reply => {
        worst = Math.max(worst, reply.status);
        if (--left == 0) { r.return(worst); }
    };
    r.subrequest('/px/other', { method: 'POST' }, done);
    r.subrequest('/px/named', { method: 'POST' }, done);
    r.subrequest('/px/other', { method: 'POST' }, done);
}
export default { post, put, get, detached, both };
JS

$locations = join '', map { "    location = /njs/$_ { js_content own.$_; }\n" }
    qw(post put get detached both);
if (start_with(['ngx_http_js_module.so'], "js_import own from %%DIR%%/own.js;\n" . server($locations))) {
    for my $size (1, 100_000, 5_000_000) {
        my $body = event('ticket.created', $size);
        leads_to("njs, three at once of $size bytes", 200, [($body) x 3], path => '/njs/both', body => $body);
    }
    own_bodies('njs', qw(post put get detached));
}

stop();
is_deeply([grep { /\[(?:alert|crit|emerg)\]/ } split /\n/, error_log()], [], 'nothing alarming in the log');

done_testing();
