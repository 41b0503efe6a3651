# Reload, reopened logs, killed workers, an upgrade of the binary, an upgrade that is rolled back, and a
# restart, all under load from several clients, some of which forge: every event that was answered 2xx has
# reached the backend, whole and once, and no forged event has.

use strict;
use warnings;
use Cwd qw(abs_path);
use Digest::SHA qw(sha256_hex);
use File::Basename qw(dirname);
use POSIX qw(_exit);
use Test::More;
use Time::HiRes qw(sleep time);
use MspwhLedger;
use MspwhTest;

my $redeliver = abs_path(dirname(__FILE__) . '/../bin/mspwh-redeliver');
my $name = 'X-Webhook-Signature';
my $clients = 6;
my $spool = dir() . '/spool';
my @ways = qw(/plain /dedup /spool /fallback);
my $seed = time ^ $$;
srand $seed;
note "seed $seed";

$MspwhTest::Kills = 1;
$MspwhTest::Daemon = 1;
my $conf = <<"CONF";
mspwh_dedup_zone zone=events:1m pending=1s;
upstream recorder { server 127.0.0.1:@{[recorder_port()]}; keepalive 4; }
proxy_http_version 1.1;
proxy_set_header Connection "";
proxy_next_upstream off;
mspwh on;
mspwh_secret "%%SECRET%%";
server {
    listen 127.0.0.1:%%PORT%% backlog=1024;
    location /plain { proxy_pass http://recorder; }
    location /dedup { mspwh_dedup zone=events; proxy_pass http://recorder; }
    location /spool { mspwh_spool spool; }
    location /fallback {
        mspwh_dedup zone=events;
        proxy_pass http://127.0.0.1:1;
        error_page 502 = \@spool;
    }
    location \@spool { mspwh_spool spool; }
}
CONF
start_recorder(200, 0.01);
ok(start_http($conf), 'nginx starts in the background');

# --- the clients

sub event {
    my ($id, $size) = @_;
    return qq({"eventType":"ticket.created","entityId":"$id","Details":") . 'x' x $size . '"}';
}

# Returns the status, or 0 if there was no answer. Some bodies come in two parts.
sub deliver {
    my ($c, $path, $body, $signature) = @_;
    my $bytes = request_bytes(path => $path, body => $body, headers => [$name => $signature]);
    my $r = eval {
        $$c //= connection();
        my $first = rand() < 0.3 ? length($bytes) / 2 : length $bytes;
        send_bytes($$c, substr $bytes, 0, $first, '') or die "closed\n";
        if (length $bytes) {
            sleep 0.005;
            send_bytes($$c, $bytes);
        }
        read_response($$c);
    } || { status => 0, header => {} };
    undef $$c if !$r->{status} or ($r->{header}{connection} // 'close') eq 'close';
    return $r->{status};
}

sub forge {
    my ($c, $write, $id, $path, $body) = @_;
    my $forged = event("forged.$id", 20);
    my @kinds = ([$forged, sign('wrong', $forged)], [$forged], [$forged, sign(SECRET, $body)],
        [$body =~ s/x"/y"/r, sign(SECRET, $body)], [$body, sign('wrong', $body)], [$body, '=' x 44]);
    my $kind = int rand @kinds;
    $write->($kind, deliver($c, $path, @{ $kinds[$kind] }));
}

# Sends events, each until it is answered 2xx, then again; and forged ones in between.
sub client {
    my $number = shift;
    my ($sent, $forged) = (open_ledger("sent$number"), open_ledger("forged$number"));
    my $c;
    srand $seed + $number;
    for (my $n = 0; !-e dir() . '/enough'; $n++) {
        my $path = $ways[($n + $number) % @ways];
        my $id = "$number.$n";
        my $body = event($id, rand() < 0.9 ? 1 + rand 200 : 10_000 + rand 40_000);
        my $status = 0;
        for (my $try = 0; $status !~ /^2/ and $try < 500; $try++) {
            sleep 0.02 if $try;
            $status = deliver(\$c, $path, $body, sign(SECRET, $body));
            $sent->($id, sha256_hex($body), $path, $status);
            forge(\$c, $forged, $id, $path, $body) if rand() < 0.3;
        }
        $sent->($id, sha256_hex($body), $path, deliver(\$c, $path, $body, sign(SECRET, $body)))
            if $path ne '/plain' and $path ne '/spool';
    }
    _exit(0);
}

my @pids = map { my $n = $_; fork // die "fork: $!" or client($n) } 1 .. $clients;

# Waits until the clients have had so many more answers.
sub under_load {
    my $more = shift;
    my $size = sub { my $n = 0; $n += -s $_ for glob dir() . '/sent*'; return $n };
    my ($from, $until) = ($size->(), time + 10);
    sleep 0.02 while $size->() < $from + 95 * $more and time < $until;
}

# Periods, as [begin, end].
my (@killed, @anew);
sub during { my ($list, $code) = @_; my $at = time; $code->(); push @$list, [$at - 0.05, time + 0.05] }
sub pid_in { open my $fh, '<', dir() . "/$_[0]" or return 0; return (<$fh> // "") =~ /(\d+)/ ? $1 : 0 }
sub size_of { return -s dir() . "/$_[0]" // 0 }

# --- reload

under_load(100);
for (1 .. 3) {
    ok(reload(), "reload $_");
    under_load(60);
}

# --- logs

rename dir() . '/access.log', dir() . '/access.log.1' or die;
kill USR1 => master_pid();
ok((wait_until { size_of('access.log') }), 'USR1: a new access log');
sleep 0.3;
my $old = size_of('access.log.1');
under_load(60);
is(size_of('access.log.1'), $old, '... the old one has its last line');

# --- killed workers

for (1 .. 3) {
    during(\@killed, sub {
        my %old = map { $_ => 1 } workers();
        my ($worker) = (sort keys %old)[rand keys %old];
        kill KILL => $worker;
        ok((wait_until { grep { !$old{$_} } workers() }), "worker $_ is killed: there is another");
        under_load(30);
    });
    under_load(60);
}

# --- an upgrade, given up and then done

# Returns the new binary's master, once both masters have workers.
sub upgrade {
    my $master = master_pid();
    kill USR2 => $master;
    ok((wait_until {
        pid_in('nginx.pid.oldbin') == $master && (pid_in('nginx.pid') || $master) != $master
    }), 'USR2: a second master');
    my $new = pid_in('nginx.pid');
    ok((wait_until { (split ' ', slurp("/proc/$new/task/$new/children")) >= 2 }), '... with workers');
    under_load(60);
    return ($master, $new);
}

sub without_workers {
    my ($master, $new) = @_;
    kill WINCH => $master;
    ok((wait_until { !grep { $_ != $new } workers() }), 'WINCH: the workers of the old one leave');
    under_load(60);
}

during(\@anew, sub {
    my ($old, $new) = upgrade();
    without_workers($old, $new);
    kill HUP => $old;
    ok((wait_until { grep({ $_ != $new } workers()) >= 2 }), 'HUP: the old one has workers again');
    kill QUIT => $new;
    ok((wait_until { !alive($new) }), 'QUIT: the new one leaves');
    ok((wait_until { pid_in('nginx.pid') == $old }), '... the upgrade is given up');
    under_load(60);
});
during(\@anew, sub {
    my ($old, $new) = upgrade();
    without_workers($old, $new);
    kill QUIT => $old;
    ok((wait_until { !alive($old) }), 'QUIT: the old one leaves');
    is(new_master(), $new, '... the upgrade is done');
    under_load(60);
});

# --- stopped with requests in flight, and started again

for (1 .. 2) {
    during(\@anew, sub {
        ok(stop(), "stop $_ in time");
        ok(start_http($conf), '... and start');
        under_load(40);
    });
}

write_file('enough', '');
waitpid $_, 0 for @pids;
$? = 0;
my ($rc, $text) = run($redeliver, '--quiet', $spool, 'http://127.0.0.1:' . port() . '/plain');
is($rc, 0, 'what has been spooled is delivered') or diag $text;
ok(stop(), 'nginx stops in time');
stop_recorder();

# --- the ledgers

my (%hash, %path, %accepted, %status, %lost, %delivered);
for (ledger('sent*')) {
    my ($id, $hash, $path, $status, $at) = @$_;
    $hash{$id} = $hash;
    $path{$id} = $path;
    $status{$status}++;
    push @{ $accepted{$id} }, $at if $status =~ /^2/;
    push @{ $lost{$id} }, $at if $status !~ /^2/;
}
for (ledger('recorded')) {
    my ($id, $hash, $at) = @$_;
    push @{ $delivered{$id} }, [$hash, $at];
}
note join ', ', map { "$_: $status{$_}" } sort keys %status;

cmp_ok(scalar keys %accepted, '>', 600, keys(%accepted) . ' events were accepted');
is(scalar keys %hash, scalar keys %accepted, '... all that were sent');
is(scalar(grep { !$delivered{$_} } keys %accepted), 0, 'each of them has reached the backend');
my @all = map { my $id = $_; map { [$id, @$_] } @{ $delivered{$id} } } keys %delivered;
is(scalar(grep { ($hash{ $_->[0] } // '') ne $_->[1] } @all), 0,
    '... whole, and nothing that was not signed has');

# without an answer, nginx was down
my @forged = grep { $_->[1] } ledger('forged*');
cmp_ok(scalar @forged, '>', 150, @forged . ' forged events were answered');
is(scalar(grep { $_->[1] != 401 } @forged), 0, '... each 401');

# When a worker dies, the answers to what it has delivered are lost; and a zone that has forgotten an event
# takes a repeat for a new one.
sub within { my ($list, $from, $to) = @_; return grep { $from <= $_->[1] and $to >= $_->[0] } @$list }
my @twice = grep { @{ $delivered{$_} } > 1 } keys %delivered;
my @of_killed = grep { grep { within(\@killed, $_, $_) } @{ $lost{$_} // [] } } @twice;
my %excused = map { $_ => 1 } @of_killed, grep {
    my @at = sort { $a <=> $b } @{ $accepted{$_} }, @{ $lost{$_} // [] };
    $path{$_} =~ /dedup|fallback/ and within(\@anew, @at[0, -1]);
} @twice;
is_deeply([grep { !$excused{$_} } @twice], [],
    'none was delivered twice, unless a worker was killed or the zone was new');
cmp_ok(scalar @of_killed, '<=', $clients * @killed,
    '... at most one for each client and killed worker: ' . @of_killed);

sub log_lines { my $file = shift; open my $fh, '<', dir() . "/$file" or die; return <$fh> }
my @lines = map { log_lines($_) } 'access.log.1', 'access.log';
is(scalar(grep { !m{^POST /\S+ \d{3} "[a-z_]+" "(?:-|[a-z.]+)"$} } @lines), 0,
    'the access logs have whole lines');
my $answered = 0;
$answered += @$_ for values %accepted;
my $logged = grep { / 20[02] / } @lines;
cmp_ok($logged, '>=', $answered - $clients * @killed, "$answered answers 2xx, $logged in the logs");

done_testing();
