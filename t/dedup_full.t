# A full zone of mspwh_dedup forgets the oldest deliveries, and never loses an event.

use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep);
use MspwhTest;

# The kernel accepts connections, and nobody ever answers.
my $silent = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1024) or die "no port: $!";
my $silent_port = $silent->sockport;

$MspwhTest::Workers = 1;
$MspwhTest::Kills = 1;
start_http(<<"CONF");
mspwh_dedup_zone zone=small:32k pending=1h;
mspwh_dedup_zone zone=large:1m pending=1h;
server {
    listen 127.0.0.1:%%PORT%%;
@{[VARS]}
    mspwh on;
    mspwh_secret "%%SECRET%%";
    mspwh_dedup zone=small;
    location / { return 204; }
    location /done { error_page 404 = \@done; }
    location /large { mspwh_dedup zone=large; error_page 404 = \@done; }
    location \@done { return 204; }
    location /silent { proxy_pass http://127.0.0.1:$silent_port; }
}
CONF

my $name = 'X-Webhook-Signature';
sub event { return qq({"eventType":"ticket.created","entityId":"$_[0]"}) }

# Returns the verdicts of many events, over one connection.
sub verdicts {
    my ($path, @events) = @_;
    my ($c, @verdicts) = connection();
    for my $body (map { event($_) } @events) {
        my $r = request(connection => $c, path => $path, body => $body,
            headers => [$name => sign(SECRET, $body)]);
        push @verdicts, $r->{header}{'x-verdict'};
        $c = connection() if ($r->{header}{connection} // '') eq 'close';
    }
    return @verdicts;
}
sub count { my ($verdict, @all) = @_; return scalar grep { $_ eq $verdict } @all }

# --- delivered entries make room, the oldest first

is(count('verified', verdicts('/done', 1 .. 1000)), 1000,
    '1,000 events for a zone of 32k: each is delivered');
my ($known, $from) = (0);
for my $n (reverse 1 .. 1000) {
    last if (verdicts('/done', $n))[0] ne 'duplicate';
    $known++, $from = $n;
}
ok($known >= 128 && $known < 1000, "the last $known are remembered");
is(count('verified', verdicts('/done', 1 .. 50)), 50, 'the first ones are forgotten');
is(count('duplicate', verdicts('/done', 951 .. 1000)), 50, 'the last ones are remembered still');

is(count('verified', verdicts('/large', 1 .. 8000)), 8000, 'a zone of 1m takes 8,000 events');
is(count('duplicate', verdicts('/large', 1 .. 8000)), 8000, '... and remembers each of them');

# --- pending entries stay. A worker that is killed leaves those it had.

my $sent = 0;
for my $round (1 .. 6) {
    my @open;
    for (1 .. 100) {
        my $body = event('p' . ++$sent);
        my $c = connection();
        send_bytes($c,
            request_bytes(path => '/silent', body => $body, headers => [$name => sign(SECRET, $body)]));
        push @open, $c;
    }
    my ($pid) = workers();
    # the last one has been read when another request is answered
    signed('/done', event("done$round"));
    sleep 0.1;
    kill KILL => $pid;
    wait_until { grep { $_ != $pid } workers() };
}
my $log = error_log();
my @full = $log =~ /mspwh: zone "small" is full of pending events, events pass without being remembered/g;
is(scalar @full, 1, "$sent pending events fill it: one log line");
my $held = count('in_flight', map { verdicts('/done', "p$_") } 1 .. $sent);
is($held, $known, "$held of them are still in flight, though delivered events came later");
is(count('in_flight', verdicts('/done', map { "p$_" } 1 .. $held)), $held,
    '... the first that came, not one of them has made room');
is(count('verified', verdicts('/done', ('new') x 5)), 5,
    'an event that finds no room passes, and so does its repeat');
is(scalar(() = error_log() =~ /is full of pending/g), 1, '... with no further line in a minute');
is((verdicts('/large', 1))[0], 'duplicate', 'another zone is not concerned');

ok(stop(), 'nginx stops in time');

done_testing();
