# A backend is down under load: events that were answered 202 are delivered afterwards, once and byte for
# byte, with the configuration of docs/redelivery.md. MSPWH_OUTAGE=60 makes the outage last a minute.

use strict;
use warnings;
use Cwd qw(abs_path);
use Digest::SHA qw(sha256_hex);
use File::Basename qw(dirname);
use POSIX qw(_exit);
use Test::More;
use Time::HiRes qw(sleep time);
use MspwhDocs;
use MspwhLedger;
use MspwhTest;

my $redeliver = abs_path(dirname(__FILE__) . '/../bin/mspwh-redeliver');
my $name = 'X-Webhook-Signature';
my $outage = $ENV{MSPWH_OUTAGE} || 5;
my $clients = 4;

my $conf = ready(http_part(recipe('docs/redelivery.md', 'The two servers')));
my $recorder = recorder_port();
# the harness sets its own
$conf =~ s{^client_max_body_size .*\n}{}m;
is($conf =~ s/(upstream \w+\s*\{ server 127\.0\.0\.1):\d+/$1:$recorder/g, 2,
    'both upstreams are the backend of this test');
my ($spool) = $conf =~ /mspwh_spool (\S+);/;
my $secret = secret_of('webhook.secret');
my $inside = 'http://127.0.0.1:' . port('8090') . '/webhook';

start_recorder(200, 0.002);
start_http($conf);

sub events { opendir my $d, $spool or return; return grep { /^[^.].*\.headers$/ } readdir $d }
sub recorded { my %n; $n{$_->[0]}++ for ledger('recorded'); return \%n }
sub deliver {
    my ($path, $body, $port) = @_;
    return request(port => $port, path => $path, body => $body, headers => [$name => sign($secret, $body)]);
}

# --- the trap

stop_recorder();
my $body = '{"eventType":"ticket.created","entityId":"trap"}';
is(deliver('/webhook', $body)->{status}, 202, 'the backend is down: an event is accepted');
is(scalar events(), 1, '... and waits in the spool');
is(deliver('/webhook', $body, '8090')->{status}, 502, 'the inner server answers 502, and does not spool');
is(scalar events(), 1, '... the event is there once');
is((run($redeliver, '--quiet', $spool, $inside))[0], 1, 'mspwh-redeliver keeps it');
is(scalar events(), 1, '... where it is');
start_recorder(200, 0.002);
is(deliver('/webhook', $body)->{status}, 200, 'the trap: the outer server answers its repeat with 200');
is(recorded()->{trap}, undef, '... though no backend has had it');
is((run($redeliver, '--quiet', '--now', $spool, $inside))[0], 0,
    'redelivery to the inner server is not a repeat');
is(recorded()->{trap}, 1, '... and reaches the backend');
is(scalar events(), 0, '... nothing is left');

# --- the outage

# Sends events, each of them until it is answered 2xx.
sub client {
    my ($number, $until) = @_;
    my $write = open_ledger("sent$number");
    my $c;
    for (my $n = 0; time < $until; $n++) {
        my $type = ('ticket.created', 'NoteAdded', 'ticket.response.added')[$n % 3];
        my $id = "$number.$n";
        my $text = join '', map { chr 35 + int rand 57 } 1 .. 200;
        my $body = qq({"eventType":"$type","entityId":"$id","TicketId":7,"Description":")
            . $text x ($n % 20 ? 1 : 1000) . '"}';
        for my $try (1 .. 50) {
            my $r = eval {
                $c //= connection();
                send_bytes($c, request_bytes(path => '/webhook', body => $body,
                    headers => [$name => sign($secret, $body)]));
                read_response($c);
            } || { status => 0, header => {} };
            undef $c if !$r->{status} or ($r->{header}{connection} // 'close') eq 'close';
            $write->($id, sha256_hex($body), $r->{status});
            last if $r->{status} =~ /^2/;
            sleep 0.1;
        }
        sleep 0.01;
    }
    _exit(0);
}

srand 7;
my $end = time + $outage + 4;
my @pids = map { my $n = $_; fork // die "fork: $!" or client($n, $end) } 1 .. $clients;
my $loop = fork // die "fork: $!";
if (!$loop) {
    open STDERR, '>', dir() . '/redeliver.log';
    exec $redeliver, '--loop=0.5', '--retry-first=1', '--retry-max=4', '--jobs=3', $spool, $inside
        or _exit(127);
}
sleep 2;
stop_recorder();
sleep $outage / 2;
ok(reload(), 'reload during the outage');
sleep $outage / 2;
my $waiting = events();
start_recorder(200, 0.002);
waitpid $_, 0 for @pids;
cmp_ok($waiting, '>', 20 * $outage, "$waiting events waited at the end of an outage of $outage s");
my $until = time + 180;
sleep 0.2 while events() and time < $until;
is(scalar events(), 0, 'the spool is empty');
kill TERM => $loop;
waitpid $loop, 0;
is($?, 0, 'mspwh-redeliver ends when told to');
$? = 0;

my (%hash, %status, %failed);
for (ledger('sent*')) {
    my ($id, $hash, $status) = @$_;
    $hash{$id} = $hash;
    $status{$status}++;
    # an idle connection may be closed by the reload just as it is used
    $failed{$id} = 1 if $status !~ /^2/ and $status;
}
note join ', ', map { "$_: $status{$_}" } sort keys %status;
cmp_ok($status{202}, '>', 20 * $outage, "$status{202} events were answered 202");
cmp_ok($status{200}, '>', 100, "$status{200} were answered 200");
is(scalar keys %failed, 0, 'none was refused');

my (%times, %wrong);
for (ledger('recorded')) {
    my ($id, $hash) = @$_;
    next if $id eq 'trap';
    $times{$id}++;
    $wrong{$id} = 1 if $hash ne ($hash{$id} // '');
}
is(scalar(grep { !$times{$_} } keys %hash), 0, 'each of them has reached the backend');
is(scalar keys %wrong, 0, '... byte for byte');
is(scalar(grep { $_ > 1 } values %times), 0, '... and none twice');
ok(stop(), 'nginx stops in time');

done_testing();
