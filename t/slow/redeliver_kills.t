# bin/mspwh-redeliver is killed at every step and at any moment: it loses no event.

use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use File::Basename qw(dirname);
use Test::More;
use Time::HiRes qw(sleep time);
use MspwhSpool;
use MspwhTest;

my $us = 'mspwh-redeliver';

start(<<'CONF');
    mspwh on;
    mspwh_secret '%%SECRET%%';
    location / { proxy_pass http://%%A%%; }
    location /both { mspwh_secret '%%SECRET%%'; mspwh_secret 'the one before'; proxy_pass http://%%A%%; }
CONF

write_file('KillAt.pm', <<'PERL');
package KillAt;
my $left = $ENV{KILL_AT} // -1;
sub step { kill KILL => $$ if !$left-- }
sub change {
    my ($code, @names) = @_;
    step();
    my $done = $code->();
    local $!;
    step();
    kill KILL => $$ if $ENV{KILL_AT_CHANGE} and $done and grep { /,.*\.(?:body|headers)$/ } @names;
    return $done;
}
BEGIN {
    *CORE::GLOBAL::rename = sub { my ($from, $to) = @_; change(sub { CORE::rename($from, $to) }, $from) };
    *CORE::GLOBAL::unlink = sub {
        return !($! = 30) if $ENV{NO_UNLINK};
        my @names = @_;
        change(sub { CORE::unlink(@names) }, @names);
    };
}
1;
PERL

# Returns 2 if the event is complete in a place where the tool finds it, 1 if it is in two places that the
# tool can join, 0 if it is lost.
sub kept_in {
    my ($dir, $file, $body) = @_;
    my ($has, $heads) = map { [grep { -e } "$dir/$file.$_", "$dir/quarantine/$file.$_"] } qw(body headers);
    return 0 if @$has != 1 or @$heads != 1 or slurp($has->[0]) ne $body;
    return dirname($has->[0]) eq dirname($heads->[0]) ? 2 : 1;
}

{
    for (['delivery', SECRET], ['quarantine', 'the one before'], ['requeue', 'the one before']) {
        my ($what, $secret) = @$_;
        for my $step (0 .. 5) {
            my $dir = new_spool();
            my $body = event('ticket.created', 41);
            my $file = spool($dir, 'ticket.created', 41, $body, secret => $secret);
            redeliver($dir, url('/webhook')) if $what eq 'requeue';
            clear_records();
            {
                local @ENV{qw(PERL5OPT KILL_AT)} = ("-I${\dir()} -MKillAt", $step);
                redeliver($what eq 'requeue' ? ('--requeue', $dir) : ($dir, url('/webhook')));
            }
            wait_until { unlocked($dir) } 60;
            my $arrived = grep { $_->{sha256} eq sha256_hex($body) } records();
            my $state = kept_in($dir, $file, $body);
            ok($what eq 'delivery' ? $arrived : $state, "killed at step $step of a $what: not lost");
            is($state, [[2, 0, 0, 0, 0, 0], [2, 1, 1, 1, 1, 2]]->[$what ne 'delivery'][$step],
                '... it was killed there');
            redeliver('--requeue', $dir) if $what eq 'requeue';
            redeliver_later(3700, $dir, url($what eq 'requeue' ? '/both' : '/webhook'));
            my @aside = grep { !/\.state$/ } files("$dir/quarantine");
            is_deeply([files($dir), map { "quarantined $_" } @aside],
                [$what eq 'quarantine' ? map { "quarantined $_" } both($file) : ()],
                    '... and the next run ends it');
            my $times = grep { $_->{sha256} eq sha256_hex($body) } seen();
            is($times, $what eq 'quarantine' ? 0 : $what eq 'delivery' && !$step ? 2 : 1,
                '... delivered as often as it says');
        }
    }
}

# Each process is killed after it has moved or removed a body or headers, until there is nothing left to do.
for (['a delivery', 1, '', both => SECRET], ['a quarantine', 2, '', both => 'the one before'],
    ['a requeue', 2, 'quarantine', both => SECRET], ['half a quarantine', 1, '', body => 'the one before'],
    ['half a requeue', 1, '', headers => SECRET])
{
    my ($what, $least, $from, $moved, $secret) = @$_;
    my $dir = new_spool();
    mkdir "$dir/quarantine", 0700;
    my $body = event('ticket.created', 42);
    my $file = spool($from ? "$dir/$from" : $dir, 'ticket.created', 42, $body, secret => $secret);
    rename "$dir/$file.$moved", "$dir/quarantine/$file.$moved" if $moved ne 'both';
    clear_records();
    my ($runs, $done) = (0, 0);
    while (!$done and $runs++ < 20) {
        local @ENV{qw(PERL5OPT KILL_AT_CHANGE)} = ("-I${\dir()} -MKillAt", 1);
        redeliver('--requeue', $dir) if $from or $moved eq 'headers';
        my ($rc) = redeliver('--now', $dir, url('/webhook'));
        wait_until { unlocked($dir) } 60;
        $done = $rc != 137 && !names($dir);
    }
    is($done && $runs, $least, "$what, killed at each change: it ends with run $least");
    my $arrived = grep { $_->{sha256} eq sha256_hex($body) } seen();
    my $quarantined = $secret eq SECRET ? 0 : 1;
    is_deeply([$arrived, scalar(names("$dir/quarantine"))], [1 - $quarantined, $quarantined],
        '... and the event is in the right place, once');
}

{
    my $dir = new_spool();
    my (%file, %lost);
    for my $id (1001 .. 1600) {
        my $body = event('ticket.created', $id, ticket => $id % 40);
        $file{sha256_hex($body)} = spool($dir, 'ticket.created', $id, $body, ticket => $id % 40);
    }
    clear_records();
    srand 20261124;
    my $until = time + 7;
    for my $kills (1 .. 40) {
        my $process = begin_process('--now', '--jobs=3', $dir, url('/webhook'));
        wait_until { workers_of($process) } 60;
        sleep rand 0.05;
        if ($kills % 3 == 0) {
            kill KILL => (workers_of($process))[0] // ();
            sleep rand 0.05;
        }
        end_process($process, 'KILL');
        wait_until { unlocked($dir) } 60;
        my %arrived = map { $_->{sha256} => 1 } records();
        my %there = map { $_ => 1 } files($dir);
        for (keys %file) {
            $lost{ $file{$_} }++ if !$arrived{$_} and grep { !$there{$_} } both($file{$_});
        }
        last if time > $until or keys(%arrived) > 500;
    }
    is_deeply(\%lost, {}, 'killed with -9 at random moments, parent or worker: nothing is lost');
    my $left = grep { /headers$/ } files($dir);
    cmp_ok($left, '>', 0, "... with $left of 600 events left in the end");
    my ($rc, $text) = redeliver('--now', '--jobs=3', $dir, url('/webhook'));
    is($rc, 0, '... which one more run delivers') or diag $text;
    my (%times, %first);
    for (seen()) {
        my ($id, $ticket) = $file{ $_->{sha256} } =~ /,(\d+),(\d+),\w+$/;
        push @{ $first{$ticket} }, $id if !$times{ $_->{sha256} }++;
    }
    is(scalar(grep { "@$_" ne join ' ', sort @$_ } values %first), 0, '... each ticket in order');
    is(scalar(grep { !$times{$_} } keys %file), 0, '... all have arrived');
    is(scalar(grep { !$file{$_} } keys %times), 0, '... and nothing else');
    cmp_ok(scalar(grep { $_ > 1 } values %times), '<=', 40 * 4, '... few of them twice');
    is_deeply([grep { /headers$/ } files($dir)], [], '... the spool is empty');
}

{
    my $dir = new_spool();
    my @file = map { simple_event($dir, 'ticket.created', $_) } 51, 52;
    local @ENV{qw(PERL5OPT NO_UNLINK)} = ("-I${\dir()} -MKillAt", 1);
    my ($rc, $text) = redeliver($dir, url('/webhook'));
    is($rc, 4, 'an event that is delivered, but cannot be removed: exit status 4');
    like($text, qr/^$us: \Q$file[0]\E was delivered, but cannot be removed: Read-only file/m, '... reported');
    is_deeply([scalar(seen()), [files($dir)]], [1, [both(@file)]], '... and nothing more is sent');
}

ok(stop(), 'nginx stops in time');

done_testing();
