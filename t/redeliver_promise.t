# Each sentence of "What is promised" in docs/redelivery.md has a test here, and no other sentence is there.

use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use POSIX qw(_exit);
use Test::More;
use Time::HiRes qw(sleep time);
use MspwhDocs;
use MspwhSpool;
use MspwhTest;

my $us = 'mspwh-redeliver';
my $name = 'X-Webhook-Signature';

# A backend that records the id of each event that it takes, and then acts according to "mode": it answers
# with that status, does not answer ("close"), or answers late ("late").
my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 64) or die "no port: $!";
my $backend = '127.0.0.1:' . $listen->sockport;
my $test = $$;
my $taken = write_file('taken', '', 0666);
sub mode { write_file('mode', $_[0]) }
sub ids { my $text = slurp($taken); truncate $taken, 0; return join ' ', split /\n/, $text }

my $pid = fork // die "fork: $!";
if (!$pid) {
    $SIG{CHLD} = 'IGNORE';
    while (getppid == $test) {
        my $socket = IO::Select->new($listen)->can_read(1) ? $listen->accept : next;
        next if fork;
        alarm 30;
        my $c = { socket => $socket, buffer => '', deadline => time + 10 };
        my $head = MspwhTest::take_head($c) // _exit(0);
        my ($length) = $head =~ /^Content-Length: (\d+)/mi;
        my $body = MspwhTest::take_body($c, { 'content-length' => $length });
        my ($id) = $body =~ /"entityId":(\d+)/;
        open my $fh, '>>', $taken;
        syswrite $fh, "$id\n";
        my $mode = slurp(dir() . '/mode');
        sleep 1.5 if $mode eq 'late';
        $mode = 200 if $mode eq 'late';
        _exit(0) if $mode eq 'close';
        syswrite $socket, "HTTP/1.1 $mode X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        _exit(0);
    }
    _exit(0);
}
END { if ($$ == $test and $pid) { local $?; kill KILL => $pid; waitpid $pid, 0 } }

start_http(<<"CONF");
mspwh_secret '%%SECRET%%';
mspwh on;
server {
    listen 127.0.0.1:%%PORT%%;
    location / { proxy_pass http://$backend; proxy_read_timeout 500ms; error_page 502 503 504 = \@spool; }
    location /intercepted {
        proxy_pass http://$backend;
        proxy_intercept_errors on;
        error_page 500 = \@spool;
    }
    location \@spool { mspwh_spool spool; }
}
server {
    listen 127.0.0.1:%%PORT_inner%%;
    location / { proxy_pass http://$backend; }
}
CONF
my $spool = dir() . '/spool';
my $server = 'http://127.0.0.1:' . port('inner');

# Sends events 1, 2 ... of one ticket, or the given ones; they are answered 202.
sub accepted {
    my ($n, %o) = @_;
    for my $id (1 .. $n) {
        my $ticket = $o{tickets} ? $o{tickets}[$id - 1] : 7;
        is(signed($o{path} // '/webhook', event('ticket.created', $id, ticket => $ticket))->{status}, 202,
            "event $id is answered 202");
    }
    ids();
}
sub run_until_empty {
    for (1 .. 10) { return 1 if (redeliver('--quiet', '--now', @_, $spool, $server))[0] == 0 }
    return 0;
}
sub fresh { unlink glob("$spool/*"), glob("$spool/quarantine/*"); ids() }

sub stays_or_is_delivered {
    mode('close');
    accepted(3);
    is(scalar(names($spool)), 3, '... three are in the spool');
    mode(400);
    redeliver('--quiet', '--now', $spool, $server);
    is(scalar(names("$spool/quarantine")), 3, '... or in quarantine');
    redeliver('--requeue', '--quiet', $spool);
    ids();
    mode(200);
    ok(run_until_empty(), '... or delivered');
    is(ids(), '1 2 3', '... each');
}

sub killed_before_removed {
    mode('close');
    accepted(1);
    mode('late');
    my $process = begin_process('--now', $spool, $server);
    ok((wait_until { slurp($taken) =~ /1/ } 60), 'the backend has it');
    kill KILL => $process->{pid}, workers_of($process);
    end_process($process);
    mode(200);
    ok(run_until_empty(), 'killed then');
    is(ids(), '1 1', '... it is delivered twice');
}

# The machine loses power: the directory becomes as it was before the delivery.
sub power_lost {
    mode('close');
    accepted(1);
    mode(200);
    my %before = map { $_ => slurp("$spool/$_") } files($spool);
    ok(run_until_empty(), 'it is delivered, and removed');
    write_file("$spool/$_", $before{$_}) for keys %before;
    ok(run_until_empty(), '... but is there again when the machine is up again');
    is(ids(), '1 1', '... so it is delivered twice');
}

sub read_only_before_removed {
    my $dir = new_spool();
    return if $> != 0 or (run('mount', '-t', 'tmpfs', '-o', 'size=1m,mode=0700', 'tmpfs', $dir))[0] != 0;
    simple_event($dir, 'ticket.created', 1);
    mode('late');
    my $process = begin_process($dir, $server);
    ok((wait_until { slurp($taken) =~ /1/ } 60), 'the backend has it');
    is((run('mount', '-o', 'remount,ro', $dir))[0], 0, '... and the disk is read-only');
    is(end_process($process), 4, '... it is not removed');
    is((redeliver('--quiet', $dir, $server))[0], 2, '... and not sent');
    run('mount', '-o', 'remount,rw', $dir);
    is((redeliver('--quiet', $dir, $server))[0], 0, '... but when the disk can be written to');
    is(ids(), '1 1', '... so it is delivered twice');
    run('umount', $dir);
}

sub answer_lost {
    mode('late');
    is(signed('/webhook', event('ticket.created', 1))->{status}, 202, 'a 504 leads into the spool');
    is((redeliver('--quiet', '--now', '--timeout=1.2', $spool, $server))[0], 1, '--timeout passes');
    mode('close');
    is((redeliver('--quiet', '--now', $spool, $server))[0], 1, 'the connection breaks');
    mode(200);
    ok(run_until_empty(), 'and it is delivered');
    is(ids(), '1 1 1 1', '... each time');
}

sub refused_but_taken {
    mode('close');
    accepted(1);
    mode(503);
    redeliver('--quiet', '--now', $spool, $server);
    mode(200);
    ok(run_until_empty(), 'the backend takes it, but answers 503');
    is(ids(), '1 1', '... it is delivered twice');
}

sub spooled_twice {
    mode('close');
    accepted(1);
    accepted(1);
    mode(200);
    ok(run_until_empty(), 'sent and spooled twice');
    is(ids(), '1 1', '... it is delivered twice');
}

sub ticket_in_order {
    mode('close');
    accepted(9, tickets => [(1, 2, 3) x 3]);
    mode(200);
    ok(run_until_empty('--jobs=5'), 'nine events of three tickets, five jobs');
    my %of;
    push @{ $of{ $_ % 3 } }, $_ for split / /, ids();
    is_deeply(\%of, { 1 => [1, 4, 7], 2 => [2, 5, 8], 0 => [3, 6, 9] }, '... each ticket is in order');
}

sub no_order {
    mode('close');
    accepted(2);
    redeliver('--quiet', '--now', '--no-order', $spool, $server);
    is(ids(), '1 2', 'with --no-order, an event does not wait for one that fails');
}

sub no_ticket {
    mode('close');
    signed('/webhook', qq({"eventType":"merged","entityId":$_})) for 1, 2;
    ids();
    redeliver('--quiet', '--now', $spool, $server);
    is(ids(), '1 2', 'an event without a ticket does not wait for one that fails');
}

sub moved_back {
    mode('close');
    accepted(2);
    mode(400);
    redeliver('--discard', '--quiet', $spool, my $second = (names($spool))[1]);
    redeliver('--quiet', '--now', $spool, $server);
    signed('/webhook', event('ticket.created', 2)) for mode('close');
    ids();
    mode(200);
    ok(run_until_empty(), 'the later one is sent');
    redeliver('--requeue', '--quiet', $spool);
    ok(run_until_empty(), '... and the earlier one when it is moved back');
    is(ids(), '2 1', '... in that order');
}

sub clock_set_back {
    my $dir = new_spool();
    simple_event($dir, 'ticket.created', 1);
    simple_event($dir, 'ticket.created', 2, time => MspwhSpool::time_of(time - 86400));
    mode(200);
    redeliver('--quiet', $dir, $server);
    is(ids(), '2 1', 'the times in the names decide');
}

# The later event may be written first.
sub sent_side_by_side {
    my $dir = new_spool();
    my $began = time - 60;
    simple_event($dir, 'ticket.created', 2, time => MspwhSpool::time_of($began + 0.001));
    mode(200);
    redeliver('--quiet', $dir, $server);
    simple_event($dir, 'ticket.created', 1, time => MspwhSpool::time_of($began));
    redeliver('--quiet', $dir, $server);
    is(ids(), '2 1', 'the later one may have been sent when the earlier one is written');
}

sub backend_up_again {
    mode('close');
    accepted(1);
    mode(200);
    is(signed('/webhook', event('ticket.created', 2))->{status}, 200, 'the backend is up again');
    ok(run_until_empty(), '... and the spool is delivered after that');
    is(ids(), '2 1', '... so the later event came first');
}

my %held = (
    'delivered at least once, or in `quarantine`, or still in the spool.' =>
        \&stays_or_is_delivered,
    '`mspwh-redeliver` was killed after the backend had taken the event and before it was removed;' =>
        \&killed_before_removed,
    'the machine lost power before the removal was on disk;' =>
        \&power_lost,
    'the directory became read-only after the event was sent: it is sent again once the directory is '
        . 'writable;' =>
        \&read_only_before_removed,
    'the answer was lost: the connection broke, or `--timeout` or nginx\'s own timeouts passed. This '
        . 'includes a 504 that led into the spool;' =>
        \&answer_lost,
    'the backend took the event and answered something other than 2xx;' =>
        \&refused_but_taken,
    'the event was spooled twice, because the sender sent it twice to a location without dedup.' =>
        \&spooled_twice,
    'an event is sent only once the earlier ones of its ticket are delivered or in `quarantine`, with '
        . 'any `--jobs`; events of other tickets go on.' =>
        \&ticket_in_order,
    'you ask for it with `--no-order`;' =>
        \&no_order,
    'an event has no ticket id;' =>
        \&no_ticket,
    'an earlier event was in `quarantine`, and is moved back after later ones were sent;' =>
        \&moved_back,
    'the clock of the machine was set back: the order is that of the times in the names;' =>
        \&clock_set_back,
    'the sender sent the later event before the earlier one was answered;' =>
        \&sent_side_by_side,
    'a later event of the ticket does not go through the spool, as the backend is up again: nginx '
        . 'does not look into the spool before it passes an event on.' =>
        \&backend_up_again,
);

my ($section) = page_text('docs/redelivery.md') =~ /^## What is promised\n(.*?)^## /ms;
my @sentences = map { s/\s+/ /gr =~ s/ \z//r } $section =~ /^\* (.*?)(?=^\* |^\n)/msg;
is_deeply([sort @sentences], [sort keys %held], 'there is a test of each sentence');
for my $sentence (@sentences) {
    subtest $sentence => sub {
        fresh();
        $held{$sentence}->();
        ok(1, 'tried');
    } if $held{$sentence};
}

ok(stop(), 'nginx stops in time');

done_testing();
