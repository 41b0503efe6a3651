# Recent deliveries and history against a ledger: four workers, three reloads, and a worker that is killed.
# MSPWH_REQUESTS is the number of requests.

use strict;
use warnings;
use POSIX qw(_exit);
use Test::More;
use Time::HiRes qw(sleep time);
use MspwhMetrics;
use MspwhTest;

use constant { CLIENTS => 4, SIGNATURE => 'X-Webhook-Signature' };

my $requests = $ENV{MSPWH_REQUESTS} // 4000;
my $each = int($requests / CLIENTS);
my @types = qw(ticket.created ticket.updated ticket.note.added ticket.attachment.added);
my @webhooks = qw(acme globex default);

$MspwhTest::Workers = 4;
$MspwhTest::Kills = 1;
my $conf = <<'CONF';
mspwh_recent 10000;
server {
    listen 127.0.0.1:%%PORT_answers%%;
    keepalive_timeout 0;
    location ~ 503$ { return 503; }
    location / { return 200; }
}
server {
    listen 127.0.0.1:%%PORT%%;
    access_log off;
    mspwh on;
    mspwh_secret "%%SECRET%%" id=key-of-acme-and-others;
    location / { proxy_pass http://127.0.0.1:%%PORT_answers%%; }
    location /acme { mspwh_webhook acme; proxy_pass http://127.0.0.1:%%PORT_answers%%; }
    location /globex { mspwh_webhook globex; proxy_pass http://127.0.0.1:%%PORT_answers%%; }
    location = /status { mspwh off; mspwh_status; }
}
CONF
start_http($conf);

# Everything about a request follows from its ticket, so an entry that mixes two requests is noticed.
sub request_of {
    my $ticket = shift;
    my ($client, $n) = $ticket =~ /^c(\d)n(\d+)$/ or return;
    my $type = $types[$n % @types];
    my $webhook = $webhooks[$n % 7 % @webhooks];
    my $path = ($webhook eq 'default' ? '/x' : "/$webhook") . ($n % 11 ? '' : '/503');
    my $forged = !($n % 13);
    my $body = sprintf '{"eventType":"%s","entityId":"e%s%s","TicketId":"%s","x":"%s"}', $type, $ticket,
        'y' x ($n % 100), $ticket, 'z' x (7 * $n % 1000);
    return { path => $path, body => $body, secret => $forged ? 'x' : SECRET,
        kind => $forged ? 'rejected' : $n % 11 ? 'verified' : 'failed',
        entry => $forged ? undef : join ' ', $webhook, 'verified', $type, "e$ticket" . 'y' x ($n % 100),
            length $body, $n % 11 ? 200 : 503, 'key-of-acme-and-others' };
}

# What the entries say that can be identified; and entries that are not whole.
my (%seen, @torn);
sub look {
    for my $d (@{ status_json("/status?recent=$_[0]")->{recent} }) {
        if (!defined $d->{ticket_id}) {
            push @torn, $d if ($d->{verdict} // '') ne 'bad_signature' || $d->{status} != 401
                || defined $d->{entity_id} || defined $d->{type} || defined $d->{upstream};
            next;
        }
        my $said = join ' ', @$d{qw(webhook verdict type entity_id bytes status key_id)};
        my $r = request_of($d->{ticket_id});
        my $whole = $r && $said eq ($r->{entry} // '') && $d->{upstream_status} == $d->{status};

        # the upstream is in the same nginx, and may have been in the worker that was killed
        $whole ||= $r && $d->{status} == 502
            && $said =~ s/ 502 / /r eq ($r->{entry} // '') =~ s/ (?:200|503) / /r;
        push @torn, $d if !$whole;
        $seen{$d->{ticket_id}} = 1;
    }
}

sub client {
    my $client = shift;
    my ($c, %count, @sure, @lost);
    for my $n (1 .. $each) {
        my $ticket = "c${client}n$n";
        my $r = request_of($ticket);
        $c //= connection();
        my $got = eval { request(connection => $c, path => $r->{path}, body => $r->{body},
            headers => [SIGNATURE, sign($r->{secret}, $r->{body})]) } // { status => 0, header => {} };
        undef $c if $got->{status} == 0 or ($got->{header}{connection} // '') eq 'close';
        push @lost, $ticket and next if $got->{status} == 0 || $got->{status} == 502;
        push @sure, $ticket if $r->{kind} ne 'rejected';
        $count{$r->{kind}}++;
    }
    write_file("ledger$client", JSON::PP->new->encode({ count => \%count, sure => \@sure, lost => \@lost }));
    _exit(0);
}

# --- the load ----------------------------------------------------------------------

my @clients = map { my $n = $_; fork // die "fork: $!" or client($n) } 1 .. CLIENTS;
sub counted {
    my %sum = map { $_ => 0 } qw(verified rejected failed);
    for my $minute (@{ status_json('/status?history=1440')->{history} }) {
        $sum{$_} += $minute->{$_} for keys %sum;
    }
    return \%sum;
}
sub total { my $c = counted(); return $c->{verified} + $c->{rejected} }

my $until = time + 300;
my $all = $each * CLIENTS;
my @steps = ([.2, 'reload'], [.4, 'kill'], [.5, 'reload'], [.8, 'reload']);
my %done;
while (@steps and time < $until) {
    look(200);
    next if total() < $steps[0][0] * $all;
    my ($at, $what) = @{ shift @steps };
    if ($what eq 'reload') {
        $done{$what} += reload($conf);
    } else {
        kill KILL => (workers())[0];
        $done{$what}++;
    }
}
is_deeply(\%done, { reload => 3, kill => 1 }, 'three reloads and a kill') or diag total(), " of $all";
cmp_ok(total(), '<', $all, '... while requests were coming');
waitpid $_, 0 for @clients;

# --- the ledger --------------------------------------------------------------------

my (%want, @sure, @lost);
for my $n (1 .. CLIENTS) {
    my $ledger = JSON::PP->new->decode(slurp(dir() . "/ledger$n"));
    $want{$_} += $ledger->{count}{$_} for keys %{ $ledger->{count} };
    push @sure, @{ $ledger->{sure} };
    push @lost, @{ $ledger->{lost} };
}
my $sure = $want{verified} + $want{failed} + $want{rejected};
cmp_ok(@lost, '<', 100, scalar(@lost) . " of $all requests got no answer");
wait_until { total() >= $sure };
my $got = counted();
my %over = (verified => $got->{verified} - $want{verified} - $want{failed},
    failed => $got->{failed} - $want{failed}, rejected => $got->{rejected} - $want{rejected});

# a killed worker may have answered requests, or not yet counted those in progress
for (sort keys %over) {
    ok($over{$_} >= -CLIENTS && $over{$_} <= @lost, "history, $_: as in the ledger, but for $over{$_}");
}
is($got->{verified} + $got->{rejected} >= $sure - CLIENTS, 1, '... in all');

look(10000);
is_deeply(\@torn, [], 'no entry has parts of two');
my %known = map { $_ => 1 } @sure, @lost;
is_deeply([grep { !$known{$_} } keys %seen], [], 'no entry that nobody sent');
my $json = status_json('/status?recent=10000')->{recent};
my $expected = total() < 10000 ? total() : 10000;
cmp_ok($expected - @$json, '<=', 2, 'recent deliveries: ' . @$json . " of the last $expected");
if ($all < 10000) {
    my @missing = grep { !$seen{$_} } @sure;
    cmp_ok(@missing, '<=', CLIENTS, 'all that were answered are there, but for ' . @missing);
}
my @numbers = map { $_->{number} } @$json;
is_deeply(\@numbers, [sort { $b <=> $a } @numbers], '... newest first');

ok(stop(), 'nginx stops in time');
done_testing();
