# bin/mspwh-redeliver with a full disk, a read-only one, a clock that jumps, strange names and links; and as
# different users.

use strict;
use warnings;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);
use MspwhSpool;
use MspwhTest;

my $us = 'mspwh-redeliver';

my $server = start_target();
my @mounted;
END { run('umount', '-l', $_) for @mounted }

sub mounted {
    my ($dir, @options) = @_;
    return 0 if $> != 0 or (run('mount', @options, $dir))[0] != 0;
    push @mounted, $dir if !grep { $_ eq $dir } @mounted;
    return 1;
}

sub small_disk { return ('-t', 'tmpfs', '-o', "size=$_[0],mode=0700", 'tmpfs') }

# --- a full disk

SKIP: {
    my $dir = new_spool();
    skip 'no file system can be mounted here', 1 if !mounted($dir, small_disk('64k'));
    my @good = map { simple_event($dir, 'ticket.created', $_, ticket => $_) } 1, 2;
    my $bad = spool($dir, 'ticket.created', 3, event('ticket.created', 3), ticket => 3, secret => 'another');
    my $kept = simple_event($dir, 'ticket.created', 4, ticket => 4, uri => '/status/503');
    my $kept_too = simple_event($dir, 'ticket.created', 5, ticket => 5, uri => '/status/503');
    my %before = map { $_ => slurp("$dir/$_") } both($kept, $kept_too);
    open my $filler, '>', "$dir/filler";
    1 while syswrite $filler, 'x' x 512;
    close $filler;
    # events that are delivered would free space
    my @open = map { open my $fh, '<', "$dir/$_" or die "$_: $!"; $fh } both(@good), both($bad);
    my ($rc, $text) = redeliver($dir, $server);
    is($rc, 1, 'on a full disk');
    is_deeply([map { $_->{uri} } seen()], ['/webhook', '/webhook', '/status/503', '/status/503'],
        '... events are delivered');
    is_deeply({ map { $_ => slurp("$dir/$_") } grep { !/filler/ } files($dir) }, \%before,
        '... those that fail are kept, whole');
    like($text, qr/^$us: kept, 503: .*; its \.state cannot be written: No space left/m,
        '... and that the attempt is not recorded is reported');
    like($text, qr/^$us: cannot write "\Q$dir\E\/status\.json": No space left/m, '... status.json too');
    close $_ for @open;
    unlink "$dir/filler";
    redeliver('--quiet', $dir, $server);
    is(state_of($dir, $kept)->{attempts}, 1, 'once there is room, it is used');
    ok(-s "$dir/status.json", '... for status.json, too');
    seen();
}

# --- a read-only disk

SKIP: {
    my $dir = new_spool();
    skip 'no file system can be mounted here', 1 if !mounted($dir, small_disk('1m'));
    my @events = map { simple_event($dir, 'ticket.created', $_, uri => '/wait/1.5') } 1, 2;
    my $process = begin_process($dir, $server);
    ok((wait_until { records() >= 1 } 60), 'a disk that becomes read-only while an event is being sent');
    ok(mounted($dir, '-o', 'remount,ro'), '... remounted');
    is(end_process($process), 4, '... exit status 4');
    like(said(), qr/^$us: \Q$events[0]\E was delivered, but cannot be removed: Read-only/m, '... reported');
    is(scalar(seen()), 1, '... and nothing more is sent');
    my ($rc, $text) = redeliver($dir, $server);
    is($rc, 2, 'a read-only disk: exit status 2');
    like($text, qr/^$us: "\Q$dir\E" is on a file system that cannot be written to: nothing was sent$/m,
        '... reported');
    is(scalar(seen()), 0, '... and nothing is sent');
    for my $what ('--status', '--dry-run') {
        ($rc, $text) = redeliver($what, $dir);
        like("$rc $text", $what eq '--status' ? qr/^1 waiting: 2 events/ : qr/^0 \Q$events[0]\E \d+\n/,
            "... but $what works");
    }
    for my $what ('--requeue', '--discard') {
        is((redeliver($what, $dir, $events[0]))[0], 2, "... and $what does not");
    }
    ok(mounted($dir, '-o', 'remount,rw'), 'once it can be written to');
    is_deeply([redeliver('--quiet', $dir, $server)], [0, ''], '... all is delivered');
    seen();
}

# --- the clock

{
    my $dir = new_spool();
    my @time = map { MspwhSpool::time_of($_) } 0, time - 86400 * 3650, time + 86400 * 3650;
    my $n = 0;
    simple_event($dir, 'ticket.created', ++$n, time => $_, ticket => $n)
        for @time, 'never', '~', '20269999T999999.999999Z';
    my (undef, $text) = redeliver('--status', $dir);
    like($text, qr/^waiting: 6 events/, 'names of any time, and of none');
    is_deeply([redeliver('--quiet', $dir, $server)], [0, ''], '... are delivered');
    is(scalar(seen()), 6, '... all');

    simple_event($dir, 'ticket.created', 7, time => $time[2]);
    (undef, $text) = redeliver('--status', $dir);
    like($text, qr/^waiting: 1 event, \d+ bytes, the oldest of a time to come: the clock was set back$/m,
        'an event dated in the future: --status shows it');
    redeliver('--discard', $dir, names($dir));

    # the clock is set back while an event waits
    my $event = simple_event($dir, 'ticket.created', 8, uri => '/status/503');
    redeliver_later(86400 * 365, '--quiet', '--max-age=9999d', $dir, $server);
    my $next = state_of($dir, $event)->{next};
    is((redeliver($dir, $server))[0], 1, "an attempt that is due in a year ($next)");
    is(scalar(seen()), 2, '... is made now: the clock was set back');
    isnt(state_of($dir, $event)->{next}, $next, '... and the next one is soon');
    redeliver('--discard', $dir, names($dir));

    # the clock is set back while a loop waits: the monotonic clock decides when an event is due
    simple_event($dir, 'ticket.created', 9, uri => '/status/503');
    write_file('Back.pm', <<'PERL');
package Back;
use Time::HiRes ();
no warnings 'redefine';
my $now = \&Time::HiRes::time;
*Time::HiRes::time = sub () { $now->() - (-e $ENV{SET_BACK} ? 86400 : 0) };
1;
PERL
    local @ENV{qw(PERL5OPT SET_BACK)} = ("-I${\dir()} -MBack", dir() . '/set_back');
    my $loop = begin_process(qw(--loop=0.1 --retry-first=0.2 --retry-max=0.2), $dir, $server);
    ok((wait_until { records() >= 2 } 60), 'a loop tries an event again and again');
    write_file('set_back', '');
    ok((wait_until { records() >= 8 } 60), 'a clock that is set back does not stop it');
    is(end_process($loop, 'TERM'), 0, '... which ends when told to');
    seen();
}

# --- names

{
    my $dir = new_spool();
    my @parts = (['~', 'a', '-', '-'], ['!', '!', '!', '!'], ['z' x 40, 'z' x 64, 'z' x 48, 'z' x 48]);
    my $n = 0;
    for my $time (map { ($_, $_ . '0', substr $_, 0, -1) } MspwhSpool::time_of(time - 60)) {
        for (@parts) {
            my ($webhook, $type, $id, $ticket) = @$_;
            spool($dir, $type, $id, event('ticket.created', ++$n), time => $time, webhook => $webhook,
                ticket => $ticket);
        }
    }
    write_file("$dir/$_", 'x') for '-rf', 'a b', "new\nline", 'x,y,z.headers', '.hidden,1,2,3,4,5.headers',
        "tab\t,1,2,3,4,5.headers";
    my @strange = files($dir);
    @strange = grep { !/^(?:2|\w{25})/ } @strange;
    is_deeply([redeliver('--quiet', $dir, $server)], [0, ''], 'names of any form');
    is(scalar(seen()), 9, '... are delivered');
    is_deeply([files($dir)], \@strange, '... and files that are not of events are left alone');
}

# --- links

{
    my $dir = new_spool();
    my $target = write_file('target', "precious\n");
    symlink $target, "$dir/.lock" or die $!;
    simple_event($dir, 'ticket.created', 1);
    my ($rc, $text) = redeliver($dir, $server);
    is($rc, 4, 'a lock file that is a link: exit status 4');
    like($text, qr/^$us: cannot open "\Q$dir\E\/\.lock": .*it must not be a link/m, '... reported');
    is(slurp($target), "precious\n", '... what it leads to is not touched');
    unlink "$dir/.lock";
    link $target, "$dir/.lock" or die $!;
    is((redeliver($dir, $server))[0], 4, '... another name of a file, too');
    is(slurp($target), "precious\n", '... which is not touched');
    unlink "$dir/.lock";

    for my $part ('body', 'headers') {
        my $event = simple_event($dir, 'ticket.created', 2, ticket => $part);
        unlink "$dir/$event.$part";
        symlink $target, "$dir/$event.$part" or die $!;
    }
    my $fifo = simple_event($dir, 'ticket.created', 3, ticket => 3);
    unlink "$dir/$fifo.body";
    POSIX::mkfifo("$dir/$fifo.body", 0600) or die $!;
    ($rc, $text) = redeliver($dir, $server);
    is($rc, 1, 'files of events that are links, or no files');
    is(scalar(() = $text =~ /^$us: kept, unreadable: its \.\w+ cannot be read: /mg), 3, '... are not read');
    is(scalar(seen()), 1, '... but the others are sent');
    is(slurp($target), "precious\n", '... and what they lead to is not sent or changed');
}

# --- as whom

SKIP: {
    skip 'only root can become another user', 1 if $> != 0;
    my $dir = new_spool();
    my ($uid, $gid) = (getpwnam('nobody'))[2, 3];
    simple_event($dir, 'ticket.created', 1, uri => '/wait/1');
    chown $uid, $gid, $dir, map { "$dir/$_" } files($dir);
    my $process = begin_process($dir, $server);
    ok((wait_until { records() >= 1 } 60), 'root becomes the owner of the directory');
    for my $pid ($process->{pid}, workers_of($process)) {
        my $status = slurp("/proc/$pid/status");
        my @of = map { [$status =~ /^$_:\s*(.*?)\s*$/m ? split ' ', $1 : ()] } qw(Uid Gid Groups);
        is_deeply(\@of, [[($uid) x 4], [($gid) x 4], [$gid]], '... with its user, group and no other groups');
    }
    is(end_process($process), 0, '... and delivers');

    skip 'there is no setpriv(1) to take a capability away', 1 if !installed('setpriv');
    seen();
    for ([setgid => "cannot become group $gid"], [setuid => "cannot become user $uid"]) {
        my ($capability, $why) = @$_;
        my ($rc, $text) = run('setpriv', '--bounding-set', "-$capability", $MspwhSpool::Tool, $dir, $server);
        is($rc, 4, "a root that may not $capability(): exit status 4");
        like($text, qr/^$us: \Q$why\E: Operation not permitted/m, '... reported');
        is(scalar(seen()), 0, '... and nothing is sent');
    }
}

ok(stop(), 'nginx stops in time');

done_testing();
