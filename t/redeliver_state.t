# What bin/mspwh-redeliver stores next to the events and reports about them: attempts, quarantine, status.

use strict;
use warnings;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);
use MspwhSpool;
use MspwhTest;

my $us = 'mspwh-redeliver';

my $server = start_target();

sub failing_event { return simple_event(@_, uri => '/status/503') }

# --- from run to run

{
    my $dir = new_spool();
    my $event = failing_event($dir, 'ticket.created', 1);
    my $began = time;
    redeliver('--quiet', $dir, $server);
    my $state = state_of($dir, $event);
    is_deeply([@$state{qw(attempts client-errors answer)}], [1, 0, 503], 'an attempt is written down');
    my ($tried, $next) = map { epoch($_) } @$state{qw(tried next)};
    ok($tried >= $began - 0.01 && $tried <= time, '... with its time');
    my $wait = $next - $tried;
    ok($wait >= 4.99 && $wait <= 6.01, '... and that of the next one') or diag $wait;
    is(sprintf('%04o', (stat "$dir/$event.state")[2] & 07777), '0600', '... for the owner only');

    clear_records();
    is_deeply([redeliver($dir, $server)], [1, ''], 'a run before that time: exit status 1, no output');
    is(scalar(records()), 0, '... or sent');
    redeliver_later(7, '--quiet', $dir, $server);
    is(scalar(seen()), 1, 'a run after that time tries it');
    my @wait;
    for my $attempt (3 .. 9) {
        redeliver('--quiet', '--now', '--retry-first=10', '--retry-max=100', $dir, $server);
        $state = state_of($dir, $event);
        is($state->{attempts}, $attempt, "attempt $attempt");
        push @wait, epoch($state->{next}) - epoch($state->{tried});
    }
    my @least = (40, 80, 100, 100, 100, 100, 100);
    is_deeply([grep { $wait[$_] < $least[$_] - 0.01 or $wait[$_] > 1.2 * $least[$_] + 0.01 } 0 .. 6], [],
        '... later and later, up to --retry-max') or diag "@wait";
    is_deeply([map { $_->{header}{'x-mspwh-attempt'} } seen()], [4 .. 10],
        '... and the backend is told which it is, the first having been the sender\'s');

    redeliver('--quiet', '--now', $dir, url('/webhook'));
    is_deeply([files($dir)], [], 'once it is delivered, nothing of it is left');
    is((seen())[0]{header}{'x-mspwh-attempt'}, 11, '... at the eleventh attempt');
}

# An invalid state does no harm, and one without an event is removed.
{
    my $dir = new_spool();
    my @events = map { simple_event($dir, 'ticket.created', $_, ticket => $_) } 1 .. 5;
    write_file("$dir/$events[0].state", '');
    write_file("$dir/$events[1].state", "attempts: 99999999999999999999\nnext: soon\n");
    write_file("$dir/$events[2].state", "\0\xff" x 5000);
    write_file("$dir/$events[3].state", "attempts: -1\nclient-errors: x\nnext: 9999-12-31T23:59:59.999Z\n");
    write_file("$dir/" . $events[4] =~ s/,5,/,6,/r . '.state', "attempts: 1\n");
    is_deeply([redeliver('--quiet', $dir, $server)], [0, ''], 'invalid states');
    is_deeply([files($dir)], [], '... all is delivered, and nothing is left');
    seen();
}

# It is killed at each step of writing the state.
write_file('KillAt.pm', <<'PERL');
package KillAt;
my $left = $ENV{KILL_AT};
sub step { kill KILL => $$ if !$left-- }
BEGIN {
    *CORE::GLOBAL::rename = sub { step(); my $done = CORE::rename($_[0], $_[1]); local $!; step(); $done };
    *CORE::GLOBAL::unlink = sub { step(); my $done = CORE::unlink(@_); local $!; step(); $done };
}
1;
PERL
for my $step (0 .. 3) {
    my $dir = new_spool();
    my $event = failing_event($dir, 'ticket.created', 1);
    my $before = slurp("$dir/$event.headers");
    {
        local @ENV{qw(PERL5OPT KILL_AT)} = ("-I${\dir()} -MKillAt", $step);
        redeliver($dir, $server);
    }
    wait_until { unlocked($dir) } 60;
    is_deeply([slurp("$dir/$event.body"), slurp("$dir/$event.headers")],
        [event('ticket.created', 1), $before], "killed at step $step of writing the state: it is whole");
    redeliver('--now', $dir, url('/webhook'));
    is_deeply([grep { !/^\.tmp-/ } files($dir)], [], '... and delivered by the next run');
    redeliver_later(3700, $dir, url('/webhook'));
    is_deeply([files($dir)], [], '... nothing is left, in the end');
}
clear_records();

# --- quarantine

{
    my $dir = new_spool();
    my @events = map { simple_event($dir, 'ticket.created', $_, secret => 'another', ticket => $_) } 1 .. 4;
    my $waiting = failing_event($dir, 'ticket.created', 5, ticket => 5);
    redeliver('--quiet', $dir, $server);
    is_deeply([names("$dir/quarantine")], \@events, 'four are in quarantine');

    is_deeply([redeliver('--requeue', $dir, $events[1])], [0, "1 moved back\n"], '--requeue of one');
    is_deeply([[names($dir)], [names("$dir/quarantine")]], [[$events[1], $waiting], [@events[0, 2, 3]]],
        '... moves that one');
    is_deeply([redeliver('--discard', $dir, "$dir/quarantine/$events[0].headers", "$events[2].body")],
        [0, "2 removed\n"], '--discard of two, by the names of their files');
    is_deeply([files("$dir/quarantine")], [both($events[3])], '... removes those');
    is_deeply([redeliver('--discard', $dir, $waiting)], [0, "1 removed\n"], '... also one that waits');
    is_deeply([files($dir)], [both($events[1])], '... with its state');
    for my $what ('requeue', 'discard') {
        my ($rc, $text) = redeliver("--$what", $dir, $events[0], $what eq 'requeue' ? $events[3] : ());
        is($rc, 1, "--$what of one that is not there: exit status 1");
        like($text, qr/^$us: \Q$events[0]\E cannot be \w+(?: \w+)?: No such file/m, '... reported');
    }
    is_deeply([names($dir)], [@events[1, 3]], '... and the others are moved');

    # it starts from the beginning
    my $refused = simple_event($dir = new_spool(), 'ticket.created', 6, uri => '/status/404');
    redeliver('--quiet', '--now', '--client-errors=2', $dir, $server) for 1 .. 2;
    is_deeply([names("$dir/quarantine")], [$refused], 'one that was answered 404 twice');
    is(state_of("$dir/quarantine", $refused)->{attempts}, 1, '... is in quarantine with its state');
    redeliver('--requeue', $dir);
    is_deeply([files($dir), files("$dir/quarantine")], [both($refused)], '... and moved back without');
    redeliver('--quiet', '--client-errors=2', $dir, $server);
    is_deeply([names($dir)], [$refused], '... so it has all its attempts again');
    clear_records();
}

# --- status

{
    my $dir = new_spool();
    my $json = sub { return decode_json(slurp("$dir/status.json")) };
    my $began = time;
    redeliver($dir, $server);
    my $first = $json->();
    my $last_run = epoch($first->{last_run});
    ok($last_run > $began - 0.001 && $last_run <= time, 'status.json has the time of the run');
    delete $first->{last_run};
    is_deeply($first, { oldest => undef, map { $_ => 0 } qw(waiting waiting_bytes quarantined sent kept) },
        '... and of an empty spool, zeros');

    my $bad = simple_event($dir, 'ticket.created', 1, ticket => 1, secret => 'another');
    my $good = simple_event($dir, 'ticket.created', 2, ticket => 2);
    my $kept = failing_event($dir, 'ticket.updated', 3, ticket => 3);
    my $behind = simple_event($dir, 'ticket.deleted', 4, ticket => 3);
    redeliver($dir, $server);
    my $bytes = 0;
    $bytes += -s "$dir/$_.body" for $kept, $behind;
    my ($Y, $m, $d, $H, $M, $S) = $kept =~ /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)\.(\d+)Z/;
    my %want = (waiting => 2, waiting_bytes => $bytes, oldest => "$Y-$m-${d}T$H:$M:$S.000Z", quarantined => 1,
        sent => 1, kept => 1);
    my $second = $json->();
    my $last = delete $second->{last_run};
    is_deeply($second, \%want, '... of one with events, how many there are');
    is(sprintf('%04o', (stat "$dir/status.json")[2] & 07777), '0600', '... for the owner only');

    my ($rc, $text) = redeliver('--status', '--json', $dir);
    is($rc, 1, '--status --json: exit status 1, as some wait');
    is_deeply(decode_json($text), { %want, last_run => $last,
        types => { 'ticket.updated' => 1, 'ticket.deleted' => 1 } }, '... the same, with the types');
    is_deeply([grep { /tmp/ } files($dir)], [], '... nothing else is left');
    unlink "$dir/status.json";
    (undef, $text) = redeliver('--status', '--json', $dir);
    is_deeply([@{ decode_json($text) }{qw(waiting last_run sent)}], [2, undef, undef],
        '... what only a run knows is null before the first');
    clear_records();
}

# A long run also writes it in between. Here, one second counts as half a minute.
{
    write_file('Faster.pm', <<'PERL');
package Faster;
use Time::HiRes ();
no warnings 'redefine';
my $now = \&Time::HiRes::clock_gettime;
*Time::HiRes::clock_gettime = sub { return 30 * $now->(@_) };
1;
PERL
    my $dir = new_spool();
    simple_event($dir, 'ticket.created', $_, uri => '/wait/0.4') for 1 .. 20;
    local $ENV{PERL5OPT} = "-I${\dir()} -MFaster";
    my $process = begin_process($dir, $server);
    ok((wait_until { -e "$dir/status.json" } 60), 'status.json is there while a run goes on');
    my $status = decode_json(slurp("$dir/status.json"));
    cmp_ok($status->{waiting}, '>', 0, '... with what waits');
    ok((wait_until { decode_json(slurp("$dir/status.json"))->{waiting} < $status->{waiting} } 60),
        '... and is written again');
    is(end_process($process, 'TERM'), 1, '... until the end');
    my $left = names($dir);
    $status = decode_json(slurp("$dir/status.json"));
    is_deeply([@$status{qw(waiting sent)}], [$left, 20 - $left], '... when it is right');
}

unlike(said(), qr{[A-Za-z0-9+/]{43}=}, 'no signature was ever printed');
ok(stop(), 'nginx stops in time');

done_testing();
