# bin/mspwh-redeliver sends an event as it was received, and acts on the answer.

use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use Test::More;
use Time::HiRes qw(sleep time);
use MspwhSpool;
use MspwhTest;

my $us = 'mspwh-redeliver';
my $name = 'X-Webhook-Signature';

# A backend that gives the requested answer: /answer/STATUS/HEADER/VALUE.
my $answers = join "\n", map { "    location /answer/$_ { return $_; }" } 200, 202, 204, 299, 302,
    403 .. 405, 409, 410, 413, 415, 421 .. 423, 425, 429, 451, 500, 502 .. 504;

my $conf = <<'CONF';
map $uri $again { ~^/answer/\d+/Retry-After/(?<value>.*) $value; }
map $uri $verdict { ~^/answer/\d+/Mspwh-Verdict/(?<word>.*) $word; }
server {
    listen 127.0.0.1:%%PORT_answers%%;
    client_max_body_size 64m;
    add_header Retry-After $again always;
    add_header Mspwh-Verdict $verdict always;
    %%ANSWERS%%
}
mspwh_dedup_zone zone=events:1m;
server {
    listen 127.0.0.1:%%PORT%%;
    server_name localhost;
    mspwh on;
    mspwh_secret '%%SECRET%%';
    location / { proxy_pass http://%%A%%; proxy_set_header Host $http_host; }
    location /answer/ { proxy_pass http://127.0.0.1:%%PORT_answers%%; }
    location /answer/408 { proxy_pass http://%%A%%/status/408; }
    location /dedup {
        mspwh_dedup zone=events;
        proxy_pass http://%%A%%;
    }
}
server {
    listen 127.0.0.1:%%PORT%%;
    server_name second.example;
    mspwh on;
    mspwh_secret second;
    location / { proxy_pass http://%%B%%; proxy_set_header Host $http_host; }
}
CONF
start_http($conf =~ s/%%ANSWERS%%/$answers/r);
my $server = 'http://127.0.0.1:' . port();

# --- what is sent

my @types = ('application/json', "application/json; x=B\xfc", "a\x01b", "a\x7fb", "a\tb", 'a"b\\c',
    "\xff\xfe", '', undef);
for my $type (@types) {
    my $shown = defined $type ? '"' . $type =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ger . '"' : 'none';
    my $dir = new_spool();
    my $body = event('ticket.created', 1);
    spool($dir, 'ticket.created', 1, $body, type => $type);
    signed('/webhook', $body, 'Content-Type' => $type);
    is_deeply([redeliver('--quiet', $dir, $server)], [0, ''], "Content-Type $shown: delivered");
    my ($straight, $redelivered) = map { $_->{header} } seen();
    is_deeply($redelivered->{'content-type'}, $straight->{'content-type'}, '... as proxy_pass delivers it');
    is_deeply([files($dir)], [], '... and removed');
}

{
    my $dir = new_spool();
    my @want = (
        ['A', 'POST', '/webhook', 'localhost'], ['A', 'PUT', '/a%2Fb/../c?d=%20e', 'localhost'],
        ['B', 'POST', '/x?y', 'second.example:81'], ['A', 'POST', '/', 'localhost'],
    );
    my $id = 0;
    for (@want) {
        my (undef, $method, $uri, $host) = @$_;
        $id++;
        spool($dir, 'ticket.created', $id, event('ticket.created', $id), method => $method, uri => $uri,
            host => $host, webhook => "hook$id", secret => $host =~ /second/ ? 'second' : SECRET);
    }
    is_deeply([redeliver('--quiet', $dir, $server)], [0, ''], 'a URL without a path');
    my @r = seen();
    is_deeply([map { [@$_{qw(backend method uri)}, $_->{header}{host}] } @r], \@want,
        '... each event goes to the URI and the host that it came with, with its method');
    is_deeply([map { @{ $_->{header} }{qw(x-mspwh-attempt x-mspwh-received)} } @r],
        [('2', '2026-11-24T18:18:19.123Z') x 4], '... with the attempt, and the time it was received');
    is_deeply([map { [grep { /^x-mspwh-/ } sort keys %{ $_->{header} }] } @r],
        [(['x-mspwh-attempt', 'x-mspwh-received']) x 4], '... and nothing else of what the spool knows');

    simple_event($dir, 'ticket.created', 5, uri => '/elsewhere', host => 'second.example', method => 'PUT');
    is_deeply([redeliver('--quiet', $dir, "$server/here?too")], [0, ''], 'a URL with a path');
    is_deeply([map { [@$_{qw(method uri)}, $_->{header}{host}] } seen()],
        [['PUT', '/here?too', '127.0.0.1:' . port()]], '... all events go there');

    spool($dir, 'ticket.created', 6, event('ticket.created', 6), headers => "Content-Type: x\n");
    my ($rc, $text) = redeliver($dir, $server);
    is($rc, 1, 'an event of which no URI is known');
    like($text, qr/^$us: kept, unreadable: .*no URI: give a URL with a path/m, '... is not sent anywhere');
    is((redeliver('--quiet', '--now', $dir, "$server/webhook"))[0], 0, '... but to a URL with a path');
    seen();
}

# --- what becomes of it

sub answered {
    my ($answer, @options) = @_;
    my $dir = new_spool();
    my $event = simple_event($dir, 'ticket.created', 1, uri => "/answer/$answer");
    my ($rc, $text) = redeliver(@options, $dir, $server);
    return ($rc, $text, $dir, $event);
}

{
    my ($rc, $text, $dir, $event) = answered('200/Mspwh-Verdict/duplicate');
    is($rc, 1, 'an answer 200 to a duplicate');
    like($text, qr/^$us: kept, duplicate: not delivered: mspwh_dedup .*mspwh_dedup off/m,
        '... is not a delivery, which is reported');
    is_deeply([names($dir)], [$event], '... and the event is kept');

    my $body = event('ticket.created', 77);
    is(signed('/dedup', $body)->{status}, 200, 'an event that dedup knows');
    seen();
    $event = spool($dir = new_spool(), 'ticket.created', 77, $body);
    ($rc, $text) = redeliver($dir, "$server/dedup");
    is_deeply([$rc, [names($dir)], scalar(seen())], [1, [$event], 0], '... is kept, as no backend gets it');
    is((redeliver('--quiet', '--now', $dir, "$server/webhook"))[0], 0, '... until it is sent elsewhere');
    is_deeply([map { $_->{sha256} } seen()], [sha256_hex($body)], '... where it is delivered');

    for ('200', '202/Mspwh-Verdict/verified', '204/Mspwh-Verdict/not_accepted', '299') {
        ($rc, undef, $dir) = answered($_);
        is_deeply([$rc, [files($dir)]], [0, []], "an answer $_: removed");
    }
    (undef, $text) = answered('204/Mspwh-Verdict/not_accepted');
    like($text, qr/^$us: sent, not_accepted: mspwh_accept at this URL does not let this type through/m,
        '... a type that is not accepted is reported');
    (undef, $text) = answered('409/Mspwh-Verdict/in_flight');
    like($text, qr/^$us: kept, 409: .*mspwh_dedup must be off/m, 'an answer 409 of dedup');
    (undef, $text) = answered('409');
    unlike($text, qr/dedup/, '... and one of the backend');
}

# Spools an event, of a ticket of its own, for each answer. Returns the directory, and the names by answer.
sub spool_for {
    my ($dir, $id) = (new_spool(), 0);
    my %event = map { $_ => simple_event($dir, 'ticket.created', ++$id, ticket => $id, uri => "/answer/$_") }
        @_;
    return ($dir, %event);
}

{
    my @statuses = (403, 404, 405, 410, 413, 415, 422, 451);
    my ($dir, %event) = spool_for(@statuses);
    my (undef, $text) = redeliver('--client-errors=3', $dir, $server);
    like($text, qr/^$us: kept, $_: .*\($event{$_}\)/m, "an answer $_ is kept") for @statuses;
    redeliver('--quiet', '--now', '--client-errors=3', $dir, $server);
    is(state_of($dir, $event{$_})->{'client-errors'}, 2, "... $_ is kept again") for @statuses;
    (my $rc, $text) = redeliver('--now', '--client-errors=3', $dir, $server);
    like($text, qr/^$us: quarantined, $_: .*3 times.*\($event{$_}\)/m,
        "... and after --client-errors, quarantined: $_") for @statuses;
    is_deeply([$rc, [files($dir)], [sort { $a cmp $b } names("$dir/quarantine")]],
        [1, [], [sort { $a cmp $b } values %event]], '... whole');
}
{
    my @statuses = (408, 409, 421, 423, 425, 429, 302, 500, 502, 503, 504);
    my ($dir, %event) = spool_for(@statuses);
    my (undef, $text) = redeliver('--client-errors=1', $dir, $server);
    like($text, qr/^$us: kept, $_: \w.*\($event{$_}\)/m, "an answer $_ is kept, with a text") for @statuses;
    redeliver('--quiet', '--now', '--client-errors=1', $dir, $server) for 1 .. 2;
    for (@statuses) {
        my $state = state_of($dir, $event{$_});
        is_deeply([@$state{qw(attempts client-errors)}], [3, 0], "... however often it comes: $_");
    }
    is_deeply([sort { $a cmp $b } names($dir)], [sort { $a cmp $b } values %event], '... all of them');
}
{
    my $dir = new_spool();
    my $event = simple_event($dir, 'ticket.created', 1, uri => '/answer/404');
    redeliver('--quiet', '--now', $dir, $server) for 1 .. 9;
    is_deeply([names($dir)], [$event], 'nine answers 404 do no harm');
    redeliver('--quiet', '--now', $dir, $server);
    is_deeply([names($dir)], [], '... with the tenth, the event is in quarantine');

    $event = simple_event($dir = new_spool(), 'ticket.created', 1, uri => '/answer/502');
    redeliver('--quiet', '--now', '--client-errors=2', $dir, $server) for 1 .. 3;
    my $head = "$dir/$event.headers";
    write_file($head, slurp($head) =~ s/502/404/r);
    redeliver('--quiet', '--now', '--client-errors=2', $dir, $server);
    is_deeply([names($dir)], [$event], 'answers 5.. do not count for --client-errors');
}

# --- age

{
    my $dir = new_spool();
    my $time = MspwhSpool::time_of(time - 7 * 86400 - 60);
    my $old = simple_event($dir, 'ticket.created', 1, time => $time, ticket => 1, uri => '/answer/502');
    my $young = simple_event($dir, 'ticket.created', 2, ticket => 2, uri => '/answer/502');
    my $good = simple_event($dir, 'ticket.created', 3, ticket => 3, time => $time);
    my ($rc, $text) = redeliver($dir, $server);
    like($text, qr/^$us: quarantined, 502: .*older than --max-age 7d \(\Q$old\E\)/m,
        'an event of over a week that fails is quarantined');
    is_deeply([[names($dir)], [names("$dir/quarantine")]], [[$young], [$old]],
        '... a younger one is kept, and an old one that does not fail is delivered');
    redeliver('--quiet', '--now', '--max-age=30m', $dir, $server);
    is_deeply([names($dir)], [], '--max-age=30m: that goes for one of an hour');
    seen();
}

# --- Retry-After

# Answers 429 with each of these, once. Returns the waits, in seconds, in their order.
sub waits_of {
    my ($again, @options) = @_;
    my @answers = map { "429/Retry-After/$_" } @$again;
    my ($dir, %event) = spool_for(@answers);
    redeliver('--quiet', @options, $dir, $server);
    return map { epoch($_->{next}) - epoch($_->{tried}) } map { state_of($dir, $event{$_}) } @answers;
}

{
    my $soon = POSIX::strftime('%a, %d %b %Y %H:%M:%S GMT', gmtime(time + 100)) =~ s/ /%20/gr;
    my $past = 'Sun, 06 Nov 1994 08:49:37 GMT' =~ s/ /%20/gr;
    my @waits = (['60', 60, 60], ['3600', 3600, 3600], ['999999', 3600, 3600], ['0', 5, 5], ['1', 5, 5],
        [$soon, 10, 100], [$past, 5, 5], ['tomorrow', 5, 6], ['-5', 5, 6]);
    my @waited = waits_of([map { $_->[0] } @waits]);
    for (@waits) {
        my ($again, $least, $most) = @$_;
        my $wait = shift @waited;
        ok($wait >= $least - 0.01 && $wait <= $most + 0.01, "Retry-After: $again: $least s") or diag $wait;
    }
    my ($wait) = waits_of(['1'], '--retry-first=0.5');
    ok($wait > 0.99 && $wait < 1.01, 'Retry-After: 1, where --retry-first is less') or diag $wait;
}

# --- a body that was changed

{
    my $dir = new_spool();
    my $changed = simple_event($dir, 'ticket.created', 1, ticket => 1);
    my $other = simple_event($dir, 'ticket.created', 2, ticket => 2, secret => 'taken away');
    sleep 0.05;
    open my $fh, '>>', "$dir/$changed.body";
    print $fh ' ';
    close $fh;
    my ($rc, $text) = redeliver($dir, $server);
    like($text, qr/^$us: quarantined, 401: not verified, as its \.body was changed.*\(\Q$changed\E\)/m,
        'a body that was changed on disk is told from a secret that was taken away');
    redeliver('--requeue', $dir, $other);
    (undef, $text) = redeliver($dir, $server);
    like($text, qr/^$us: quarantined, 401: .*secret was taken away/m, '... which is told, too');
    seen();
}

# --- an answer before all of the body is sent

{
    my $early = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 8) or die "no port: $!";
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        alarm 20;
        my $client = $early->accept;
        $client->sysread(my $head, 1000);
        print $client "HTTP/1.1 413 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        $client->flush;
        sleep 0.5;
        POSIX::_exit(0);
    }
    my $dir = new_spool();
    spool($dir, 'ticket.created', 1, event('ticket.created', 1, more => 'z' x 20_000_000));
    my (undef, $text) = redeliver($dir, 'http://127.0.0.1:' . $early->sockport);
    like($text, qr/^$us: kept, 413: .*client_max_body_size/m,
        'a server that answers before it has read all is heard');
    waitpid $pid, 0;
    $? = 0;
}

unlike(said(), qr{[A-Za-z0-9+/]{43}=}, 'no signature was ever printed');
ok(stop(), 'nginx stops in time');

done_testing();
