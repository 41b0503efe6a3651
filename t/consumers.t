# The consumers of docs/examples/consumers, each with a real store: all events are worked through, once each
# unless a consumer dies; bin/mspwh-streamtrim removes what all groups have acknowledged, and nothing else.

use strict;
use warnings;
use Cwd qw(abs_path);
use Digest::SHA qw(hmac_sha256_hex);
use File::Basename qw(dirname);
use MspwhEvents qw(event);
use MspwhStore;
use MspwhTest;
use POSIX qw(WNOHANG _exit);
use Test::More;
use Time::HiRes qw(sleep);

all_need_store();

my $repo = abs_path(dirname(__FILE__) . '/..');
my $parent = $$;
my (%pid, %file);
my %needs = (
    'consumer.py' => ['/usr/bin/python3', '-c', 'import redis'],
    'consumer.js' => ['/usr/bin/env', 'node', '-e', 'require("redis").createClient().xAutoClaim || x'],
    'consumer.pl' => [$^X, '-MRedis', '-e', '1'],
);
local $ENV{NODE_PATH} = '/usr/share/nodejs:/usr/lib/nodejs';

start_store('main');
start_http(<<'CONF');
upstream store { server 127.0.0.1:%%PORT_store_main%% max_fails=0; keepalive 4; }
server {
    listen 127.0.0.1:%%PORT%%;
    mspwh_secret '%%SECRET%%';
    location / { mspwh on; mspwh_stream_pass store key=mspwh; }
}
CONF

# --- consumers -------------------------------------------------------------------------------

sub start_consumer {
    my ($script, $group, $name, $idle) = @_;
    my $file = $file{"$group $name"} = dir() . "/$group-$name.out";
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        my $at = '127.0.0.1:' . port('store_main');
        local $ENV{STORE} = $script =~ /pl$/ ? $at : "redis://$at";
        local $ENV{IDLE} = $idle // 60_000;
        open STDOUT, '>>', $file;
        open STDERR, '>>', "$file.err";
        exec "$repo/docs/examples/consumers/$script", 'mspwh', $group, $name or _exit(127);
    }
    return $pid{"$group $name"} = $pid;
}

sub end_consumer {
    my ($which, $signal) = @_;
    my $pid = delete $pid{$which} // return;
    local $?;
    kill $signal // 'TERM', $pid;
    waitpid $pid, 0;
    return $?;
}

END { if ($$ == $parent) { end_consumer($_, 'KILL') for keys %pid } }

# Returns how often each event was processed in a group, by its delivery id.
sub worked {
    my $group = shift;
    my %times;
    for my $file (glob dir() . "/$group-*.out") {
        $times{ (split)[1] }++ for split /\n/, slurp($file);
    }
    return \%times;
}

sub pending { my $p = ask('main', 'XPENDING', 'mspwh', $_[0]); return ref $p ? $p->[0] : -1 }

my $n = 0;
my %sent;

# Sends so many events, and some of them again.
sub send_events {
    for (1 .. $_[0]) {
        my $body = event('Ticket created', ++$n);
        for (1 .. ($n % 5 ? 1 : 2)) {
            my $status = signed('/in', $body)->{status};
            die "answered $status" if $status != 202;
        }
        $sent{ hmac_sha256_hex($body, SECRET) } = 1;
    }
}

send_events(30);

my @able = grep {
    my ($rc) = run(@{ $needs{$_} });
    $rc ? do { SKIP: { skip "$_: its client library is not installed", 1 } 0 } : 1;
} sort keys %needs;

for my $script (@able) {
    my ($group) = $script =~ /(\w+)$/;
    start_consumer($script, $group, 'one');
    ok((wait_until { keys %{ worked($group) } == keys %sent } 20), "$script processes the existing entries")
        or diag slurp("$file{\"$group one\"}.err");
    send_events(20);
    ok((wait_until { keys %{ worked($group) } == keys %sent } 20), '... and new ones');
    ok((wait_until { pending($group) == 0 } 5), '... acknowledges all of them');
    is_deeply(worked($group), { map { $_ => 1 } keys %sent }, '... each once, though some were sent twice');

    is(end_consumer("$group one"), 0, '... and ends when it is asked to');
    start_consumer($script, $group, 'two');
    sleep 1;
    end_consumer("$group two", 'KILL');
    send_events(10);
    my $taken = ask('main', 'XREADGROUP', 'GROUP', $group, 'dead', 'COUNT', 5, 'STREAMS', 'mspwh', '>');
    is(scalar @{ $taken->[0][1] }, 5, 'a consumer dies with five entries in hand');
    start_consumer($script, $group, 'three', 300);
    ok((wait_until { keys %{ worked($group) } == keys %sent } 20), '... another one takes them over')
        or diag slurp("$file{\"$group three\"}.err");
    ok((wait_until { pending($group) == 0 } 5), '... and acknowledges them');
    is(scalar(grep { $_ != 1 } values %{ worked($group) }), 0, '... each event once');
    end_consumer("$group three");
}

# --- trimming ----------------------------------------------------------------------------------

sub trim {
    my @options = @_;
    my $at = '127.0.0.1:' . port('store_main');
    my ($rc, $text) = run("$repo/bin/mspwh-streamtrim", '--server', $at, @options);
    return wantarray ? ($rc, $text) : $rc;
}

sub length_of { ask('main', 'XLEN', $_[0] // 'mspwh') }
sub deliver_to { my ($group, $count) = @_; ask('main', 'XREADGROUP', 'GROUP', $group, 'c', 'COUNT', $count,
    'STREAMS', 'trim', '>')->[0][1] }
sub ids { map { $_->[0] } @{ $_[0] } }

{
    my $all = length_of();
    for my $group (map { /(\w+)$/ } @able) {
        my $rest = ask('main', 'XREADGROUP', 'GROUP', $group, 'rest', 'STREAMS', 'mspwh', '>') // next;
        ask('main', 'XACK', 'mspwh', $group, ids($rest->[0][1]));
    }
    is(trim('mspwh'), 0, 'mspwh-streamtrim');
    is(length_of(), @able ? 0 : $all, '... removes what all groups have acknowledged');
}
{
    my @id = map { ask('main', 'XADD', 'trim', '*', 'n', $_) } 1 .. 10;
    my ($rc, $text) = trim('trim');
    is_deeply([$rc, length_of('trim')], [0, 10], 'no group: nothing goes');
    like($text, qr/^trim: no consumer group: left as it is$/m, '... and prints so');
    ask('main', 'XGROUP', 'CREATE', 'trim', $_, 0) for qw(fast slow);
    is((trim('trim'))[0], 0, 'groups that have read nothing');
    is(length_of('trim'), 10, '... keep all');
    my @fast = ids(deliver_to('fast', 10));
    my @slow = ids(deliver_to('slow', 6));
    ask('main', 'XACK', 'trim', 'fast', @fast);
    ask('main', 'XACK', 'trim', 'slow', @slow[0, 1, 3, 4]);
    my $dry = qr/^trim: 2 entries would go, those from \Q$id[2]\E on stay$/m;
    like((trim('--dry-run', 'trim'))[1], $dry, '--dry-run');
    is(length_of('trim'), 10, '... removes nothing');
    like((trim('trim'))[1], qr/^trim: 2 entries removed/m, 'the first that a group has not acknowledged');
    is(ask('main', 'XRANGE', 'trim', '-', '+')->[0][0], $id[2], '... stays, and all after it');
    ask('main', 'XACK', 'trim', 'slow', @slow[2, 5]);
    is((trim('--keep', 9, 'trim'))[0], 0, '--keep 9');
    is(length_of('trim'), 8, '... keeps all there are');
    is((trim('--keep', 5, 'trim'))[0], 0, '--keep 5');
    is(length_of('trim'), 5, '... keeps five, one more than has to stay');
    is((trim('--keep-time', '1h', 'trim'))[0], 0, '--keep-time');
    is(length_of('trim'), 5, '... keeps what is young');
    is((trim('trim'))[0], 0, 'without');
    is(ask('main', 'XRANGE', 'trim', '-', '+')->[0][0], $id[6], '... what a group has not been given stays');
    is((trim('--keep-time', '0s', 'trim', 'none'))[0], 1, 'a stream that is not there');
    like((trim('none'))[1], qr/^mspwh-streamtrim: none: ERR no such key/m, '... and prints so');
}
{
    ask('main', 'XADD', 'again', "$_-0", 'n', $_) for 1 .. 10;
    ask('main', 'XGROUP', 'CREATE', 'again', 'g', 0);
    ask('main', 'XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', 'again', '>');
    ask('main', 'XACK', 'again', 'g', map { "$_-0" } 1 .. 9);
    ask('main', 'XGROUP', 'SETID', 'again', 'g', '4-0');
    is(trim('again'), 0, 'a group that is set back, with an entry pending');
    is(ask('main', 'XRANGE', 'again', '-', '+')->[0][0], '5-0', '... keeps what it is to read again');
    ask('main', 'XGROUP', 'SETID', 'again', 'g', '10-0');
    is(trim('again'), 0, '... and is set forward');
    is(ask('main', 'XRANGE', 'again', '-', '+')->[0][0], '10-0', '... keeps what is pending');
}

# Makes a stream whose group has read and acknowledged all entries.
sub all_done {
    my ($key, $count, $body) = @_;
    ask('main', 'XADD', $key, "$_-0", 'body', $body) for 1 .. $count;
    ask('main', 'XGROUP', 'CREATE', $key, 'g', 0);
    ask('main', 'XREADGROUP', 'GROUP', 'g', 'c', 'NOACK', 'STREAMS', $key, '>');
}

{
    all_done('many', 350, 'small');
    for my $keep (400, 350, 349, 230, 150, 100, 7) {
        my $left = $keep < 350 ? $keep : 350;
        my $first = 350 - $left + 1;
        my $text = (trim('--dry-run', '--keep', $keep, 'many'))[1];
        like($text, qr/ entries would go, those from $first-0 on stay$/m, "--dry-run --keep $keep of 350");
        my ($gone) = $text =~ /^many: (\d+)/m;
        my $done = qr/^many: $gone entries removed, those from $first-0 on stay$/m;
        like((trim('--keep', $keep, 'many'))[1], $done, '... says what is then removed');
        is(length_of('many'), $left, "... $left stay");
        is(ask('main', 'XRANGE', 'many', '-', '+', 'COUNT', 1)->[0][0], "$first-0", '... the last ones');
    }
    ask('main', 'XGROUP', 'SETID', 'many', 'g', '345-0');
    is((trim('--keep', 1, 'many'))[0], 0, '--keep 1');
    is(ask('main', 'XRANGE', 'many', '-', '+')->[0][0], '346-0', '... keeps what the group is to read');
}
{
    all_done('large', 30, 'x' x 100_000);
    my ($limit, $none) = ('client-output-buffer-limit', 'normal 0 0 0');
    ask('main', 'CONFIG', 'SET', $limit, 'normal 400000 0 0');
    like((trim('--dry-run', 'large'))[1], qr/^large: 30 entries would go/m, '--dry-run of large entries');
    is((trim('--keep', 20, 'large'))[0], 0, '... and --keep: the store never has many of them to send');
    ask('main', 'CONFIG', 'SET', $limit, $none);
    is(length_of('large'), 20, '... and keeps what it should');
}

# Appends so many entries, and reads them for a group meanwhile. Reads them again until it has acknowledged
# them, two of three each time. Returns what it read first, and how many were gone when it read them again.
sub append_and_read {
    my $count = shift;
    my (@read, @again);
    for my $n (1 .. $count) {
        ask('main', 'XADD', 'busy', '*', 'n', $n);
        next if $n % 7 and $n < $count;
        my ($new, $pending)
            = map { ask('main', 'XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', 'busy', $_)->[0][1] } '>', 0;
        push @read, map { $_->[1][1] } @$new;
        push @again, @$pending;
        ask('main', 'XACK', 'busy', 'g', $pending->[$_][0]) for grep { $_ % 3 < 2 } 0 .. $#$pending;
        sleep 0.005;
    }
    return "@read", scalar grep { !$_->[1] } @again;
}

{
    my $count = 3000;
    ask('main', 'XGROUP', 'CREATE', 'busy', 'g', 0, 'MKSTREAM');
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        my ($read, $gone) = append_and_read($count);
        write_file('busy', $read eq "@{[1 .. $count]}" ? "all were read, $gone gone" : "read: $read");
        _exit(0);
    }
    my ($rounds, $failed, $short) = (0, 0, 0);
    while (!waitpid $pid, WNOHANG) {
        my ($before, $keep) = (length_of('busy'), $rounds++ % 2 ? 3 : 20);
        $failed++ if trim('--quiet', '--keep', $keep, 'busy');
        $short++ if length_of('busy') < ($before < $keep ? $before : $keep);
    }
    is(slurp(dir() . '/busy'), 'all were read, 0 gone', "a stream in use is trimmed $rounds times");
    is("$failed $short", '0 0', '... as many stay as --keep says');
    cmp_ok(length_of('busy'), '<', $count, '... and entries are removed');
}
{
    all_done('slow', 6, 'small');
    start_proxy('main', sub { sleep 0.4; 0 });
    my @command = ("$repo/bin/mspwh-streamtrim", '--server', '127.0.0.1:' . port('proxy_main'), '--dry-run');
    like((run(@command, '--timeout', 2, 'slow'))[1], qr/^slow: 6 entries would go/m,
        'each answer is in time, but not all of them together');
    stop_store('proxy_main');
    start_proxy('main', sub { sleep 2; 0 });
    like((run(@command, '--timeout', 1, 'slow'))[1], qr/^mspwh-streamtrim: no answer in time$/m,
        'an answer that is not in time');
}
{
    is((run("$repo/bin/mspwh-streamtrim"))[0], 2, 'no stream: wrong arguments');
    is((trim('--keep', 'x', 'trim'))[0], 2, '... or a wrong number');
    is((trim('--keep-time', '5y', 'trim'))[0], 2, '... or time');
    is((trim('--nothing', 'trim'))[0], 2, '... or option');
    my $file = write_file('password', "rightpassword\n");
    ask('main', 'ACL', 'SETUSER', 'trimmer', 'on', '>rightpassword', split / /,
        '+hello +auth +xinfo +xpending +xlen +xrange +xtrim ~trim');
    is((trim('--user', 'trimmer', '--password-file', $file, '--dry-run', '--keep', 1, 'trim'))[0], 0,
        'a user with the rights that --help names');
    like((trim('--user', 'other', '--password-file', $file, 'trim'))[1], qr/^mspwh-streamtrim: WRONGPASS/m,
        'a user that is not known');
    start_store('replica');
    ok(replica_of('replica', 'main'), 'a replica');
    my ($rc, $text)
        = run("$repo/bin/mspwh-streamtrim", '--server', '127.0.0.1:' . port('store_replica'), 'trim');
    is($rc, 1, '... is not trimmed');
    like($text, qr/is a \w+, not the primary/, '... and it says why');
    stop_store('main');
    is((trim('trim'))[0], 1, 'no store');
}

ok(stop(), 'nginx stops in time');
done_testing();
