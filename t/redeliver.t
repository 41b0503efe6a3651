# bin/mspwh-redeliver delivers the events of a spool directory: in order, byte for byte, with their original
# signatures, which nginx verifies. t/slow/redeliver_kills.t kills it.

use strict;
use warnings;
use Digest::SHA qw(sha256 sha256_hex);
use POSIX qw(_exit);
use Test::More;
use Time::HiRes qw(sleep time);
use MspwhSpool;
use MspwhTest;

my $tool = $MspwhSpool::Tool;
my $us   = 'mspwh-redeliver';
my $name = 'X-Webhook-Signature';
my $dead = port('dead');
my @children;

# must not be used for events
$ENV{http_proxy} = "http://127.0.0.1:$dead";

# A listener that answers late.
my $slow = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 32) or die "no port: $!";
# ... and one that never answers
my $mute = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 32) or die "no port: $!";

sub targets {
    my $notes = shift;
    return <<"CONF";
    mspwh_dedup_zone zone=events:1m;
    log_format try '\$msec \$status \$connection \$mspwh_verdict \$mspwh_entity_id \$http_transfer_encoding';
    map \$mspwh_event_type \$target {
        default                    %%A%%;
        ticket.updated             127.0.0.1:$dead;
        ticket.note.added          $notes;
        ticket.response.added      %%A%%/status/409;
        ticket.response.updated    %%A%%/status/403;
        ticket.response.deleted    %%A%%/status/503;
        ticket.attachment.deleted  %%A%%/status/400;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        access_log %%DIR%%/try.log try;
        mspwh on;
        mspwh_secret '%%SECRET%%';
        location / { proxy_pass http://\$target; }
        location /public { mspwh_dedup zone=events; proxy_pass http://\$target; error_page 502 = \@spool; }
        location \@spool { return 202; }
        location /raw { mspwh_malformed pass; proxy_pass http://%%A%%; }
        location /other { mspwh_signature_header X-Other-Name; proxy_pass http://%%A%%; }
        location /small { client_max_body_size 1k; proxy_pass http://%%A%%; }
        location /moved { mspwh off; return 301 /; }
        location /both { mspwh_secret '%%SECRET%%'; mspwh_secret 'the one before'; proxy_pass http://%%A%%; }
        location /sink { proxy_pass http://127.0.0.1:%%PORT_sink%%; }
    }
    server { listen 127.0.0.1:%%PORT_sink%%; location / { return 204; } }
CONF
}
start_http(targets("127.0.0.1:$dead"));

# Returns what nginx has logged, which happens a moment after the answer.
sub tries { return map { [split] } split /\n/, slurp(dir() . '/try.log') }
END { kill KILL => @children if @children }

# --- order, bytes, headers

{
    my $dir = new_spool();
    my @bodies = map { event('ticket.created', $_) } 1 .. 20;
    $bodies[7] = event('ticket.created', 8, more => join '', map { unpack 'H*', sha256($_) } 1 .. 80_000);
    my %file;
    $file{$_} = spool($dir, 'ticket.created', $_ + 1, $bodies[$_], at => 100 + $_) for reverse 0 .. 9;
    $file{$_} = spool($dir, 'ticket.created', $_ + 1, $bodies[$_], at => 100 + $_) for 10 .. 19;
    my ($rc, $text) = redeliver('--dry-run', $dir);
    is_deeply([$rc, $text], [0, join '', map { "$file{$_} " . length($bodies[$_]) . "\n" } 0 .. 19],
        '--dry-run lists them, oldest first');
    is(scalar(files($dir)), 40, '... and leaves them');
    ($rc, $text) = redeliver($dir, url('/webhook'));
    is_deeply([$rc, $text], [0, "mspwh-redeliver: 20 sent, 0 kept, 0 quarantined\n"],
        'twenty events are delivered');
    my @r = seen();
    is_deeply([map { $_->{sha256} } @r], [map { sha256_hex($_) } @bodies],
        'oldest first, byte for byte, one of 5 MB too');
    is_deeply([map { $_->{header}{lc $name} } @r], [map { sign(SECRET, $_) } @bodies],
        '... with their signatures');
    wait_until { tries() >= 20 } 60;
    is_deeply([map { $_->[3] } tries()], [('verified') x 20], '... which nginx has verified');
    is(scalar(keys %{ { map { $_->[2] => 1 } tries() } }), 1, '... over one connection');
    is_deeply([map { $_->[5] } tries()], [('-') x 20], '... not chunked');
    is_deeply([files($dir)], [], '... and removed');
    is_deeply([redeliver($dir, url('/webhook'))], [0, ''], 'nothing to do: no output');

    simple_event($dir, 'ticket.created', $_) for 1 .. 50;
    redeliver('--quiet', $dir, url('/sink'));
    ok((wait_until { tries() >= 70 } 60), 'fifty events that are answered at once');
    my @at = map { $_->[0] } (tries())[-50 .. -1];
    my @gap = sort { $a <=> $b } map { $at[$_] - $at[$_ - 1] } 1 .. 49;
    cmp_ok($gap[1], '<', 0.03, '... none waits for an ACK of 40 ms');
}

{
    my $dir = new_spool();
    my %bodies = (every => join('', map { chr } 0 .. 255) x 300, lines => "\r\n\n\0\n",
        none => '', piece => 'p' x 65536, more => 'p' x 65537);
    my @order = sort keys %bodies;
    spool($dir, 'a%2Cb.%C3%A4', '-', $bodies{$_}) for @order;
    is((redeliver($dir, url('/raw')))[0], 0, 'any bytes, any type, no id');
    is_deeply([map { $_->{sha256} } seen()], [map { sha256_hex($bodies{$_}) } @order],
        '... arrive as they are');

    my $body = event('ticket.deleted', 1);
    spool($dir, 'ticket.deleted', 1, $body, header => 'X-Other-Name',
        headers => "content-type: text/x; a=\"b\"\r\n"
            . "Content-Encoding: odd\nHost: elsewhere\nContent-Length: 3\nTransfer-Encoding: chunked\n"
            . "X-Two: 1\nx-two: 2\n");
    is((redeliver($dir, url('/other')))[0], 0, 'headers of other names');
    my ($r) = seen();
    is_deeply([@{ $r->{header} }{qw(x-other-name content-type content-encoding x-two)}, $r->{sha256}],
        [sign(SECRET, $body), 'text/x; a="b"', 'odd', '1, 2', sha256_hex($body)],
            '... arrive, but for those of the connection');

    simple_event($dir, 'ticket.created', 5) for 1 .. 2;
    is((redeliver($dir, url('/webhook')))[0], 0, 'the same event, spooled twice');
    is(scalar(seen()), 2, '... is delivered twice: the tool keeps no memory of events');
}

# --- failures

{
    my $dir = new_spool();
    my $ticket = 0;
    my @down = map { simple_event($dir, 'ticket.updated', $_, ticket => ++$ticket) } 1 .. 3;
    simple_event($dir, "ticket.response.$_", 7, ticket => ++$ticket) for qw(added updated deleted);
    my $good = simple_event($dir, 'ticket.created', 9, ticket => ++$ticket);
    my %before = map { $_ => slurp("$dir/$_") } grep { !/\Q$good/ } files($dir);
    my ($rc, $text) = redeliver($dir, url('/webhook'));
    is($rc, 1, 'failures: exit status 1');
    like($text, qr/^$us: kept, 502: the backend does not answer \(\Q$down[0]\E\)$/m, '... reported');
    like($text, qr/^$us: kept, $_: /m, "... a $_ too") for 403, 409, 503;
    is(scalar(() = $text =~ /kept, 502/g), 1, '... once');
    like($text, qr/^$us: 1 sent, 6 kept, 0 quarantined \(403: 1, 409: 1, 502: 3, 503: 1\)$/m,
        '... and counted at the end');
    is_deeply({ map { $_ => slurp("$dir/$_") } grep { !/\.state$/ } files($dir) }, \%before,
        '... what failed is kept as it was, the other is gone');
    my $order = '';
    wait_until { $order = join ' ', map { $_->[4] } (tries())[-7 .. -1]; $order eq '1 7 7 7 9 2 3' } 60;
    is($order, '1 7 7 7 9 2 3', 'events of a type that has just failed come after the others');
    seen();

    my $large = event('ticket.created', 1, more => 'y' x 3_000_000);
    my @never = (
        [url('/small'), '413', 'client_max_body_size'], [url('/moved'), '301', 'redirect'],
        ["http://127.0.0.1:$dead/", 'no connection', 'refused'],
        ['http://127.0.0.1:' . $mute->sockport . '/', 'timeout', 'no answer within 0.3 s'],
    );
    for (@never) {
        my ($url, $kind, $why) = @$_;
        my $dir = new_spool();
        my $event = spool($dir, 'ticket.created', 1, $kind eq '413' ? $large : event('ticket.created', 1));
        my $began = time;
        my ($rc, $text) = redeliver('--timeout=0.3', $dir, $url);
        ok($rc == 1 && time < $began + 60, "$kind: exit status 1, before the default timeout");
        like($text, qr/^$us: kept, $kind: .*\Q$why\E/m, '... reported');
        is_deeply([files($dir)], [both($event), "$event.state"], '... kept');
        is((redeliver('--quiet', '--now', '--timeout=0.3', $dir, $url))[1], '',
            '... and no output with --quiet');
    }
    is(scalar(seen()), 0, '... none arrives');
}

# --- quarantine

{
    my $dir = new_spool();
    my $before = spool($dir, 'ticket.created', 1, event('ticket.created', 1), secret => 'the one before');
    my $strange = spool($dir, '-', '-', '{"no":"event"}');
    my $good = simple_event($dir, 'ticket.created', 2);
    my %before = map { $_ => slurp("$dir/$_") } both($before, $strange);
    my ($rc, $text) = redeliver('--quiet', $dir, url('/webhook'));
    is($rc, 1, 'quarantine: exit status 1');
    like($text, qr/^$us: quarantined, 401: .*secret was taken away.*--requeue.*\(\Q$before\E\)$/m,
        '... with the likely cause of a 401');
    like($text, qr/^$us: quarantined, 400: not a usable event.*\(\Q$strange\E\)$/m, '... and of a 400');
    is_deeply([files($dir)], [], '... the others are delivered');
    is_deeply({ map { $_ => slurp("$dir/quarantine/$_") } files("$dir/quarantine") }, \%before,
        '... these are in quarantine, as they were');
    is_deeply([map { sprintf '%04o', (stat "$dir/quarantine/$_")[2] & 07777 } '.', sort keys %before],
        ['0700', ('0600') x 4], '... for their owner only');
    is_deeply([redeliver($dir, url('/both'))], [0, ''], '... and are not tried again');
    like((redeliver('--status', $dir))[1], qr/^waiting: 0 events.*\nquarantined: 2 events/,
        '... --status counts them');
    is_deeply([redeliver('--requeue', $dir)], [0, "2 moved back\n"], '--requeue');
    is_deeply({ map { $_ => slurp("$dir/$_") } files($dir) }, \%before, '... moves them back');
    clear_records();
    redeliver($dir, url('/both'));
    is_deeply([map { $_->{sha256} } seen()], [sha256_hex(event('ticket.created', 1))],
        '... and with the secret put back, it is delivered');
    is_deeply([files("$dir/quarantine")], [both($strange)], '... while a 400 stays one');
}

# --- what crashes leave

{
    my $dir = new_spool();
    mkdir "$dir/quarantine", 0700;
    my ($whole, $bodiless, $half_in, $half_out, $fresh, $stale, $bad)
        = map { simple_event($dir, 'ticket.created', $_, ticket => $_) } 1 .. 7;
    unlink "$dir/$bodiless.body", "$dir/$fresh.headers", "$dir/$stale.headers";
    rename "$dir/$half_in.body", "$dir/quarantine/$half_in.body";
    rename "$dir/$half_out.headers", "$dir/quarantine/$half_out.headers";
    write_file("$dir/$bad.headers", "X-Webhook-Signature\n");
    write_file("$dir/$_", 'x') for ".tmp-old", ".tmp-new", "notes.txt", ".headers", "a,b.body",
        "$whole.headers.bak";
    my ($old, $young) = (time - 3700, time + 3600);
    my @leftovers = map { "$dir/$_" } '.tmp-old', "$stale.body";
    utime $old, $old, @leftovers;
    utime $young, $young, map { "$dir/$_" } '.tmp-new', "$fresh.body";
    my ($rc, $text) = redeliver($dir, url('/webhook'));
    is($rc, 1, 'leftovers: exit status 1, as one event has no body');
    like($text, qr/^$us: kept, unreadable: its \.body cannot be read: .*\(\Q$bodiless\E\)/m,
        '... which is reported');
    like($text, qr/^$us: kept, unreadable: line 1 of its \.headers is not a header \(\Q$bad\E\)/m,
        '... like invalid headers');
    is_deeply([grep { -e } @leftovers], \@leftovers,
        'leftovers of an old time that have come here just now are left alone: nginx links a received file');
    (undef, $text) = redeliver_later(3700, $dir, url('/webhook'));
    like($text, qr/^$us: 2 leftovers of a crash removed$/m, '... and removed, when old');
    is_deeply([files($dir)], [sort "$bodiless.headers", "$fresh.body", both($bad),
        "$bodiless.state", "$bad.state", ".tmp-new", "notes.txt",
        ".headers", "a,b.body", "$whole.headers.bak"],
        '... young ones, events and unknown files are left alone');
    is_deeply([files("$dir/quarantine")], [both($half_in)], '... half a quarantine is completed');
    my @bodies = map { event('ticket.created', $_, ticket => $_) } 1, 4;
    is_deeply([map { $_->{sha256} } seen()], [map { sha256_hex($_) } @bodies],
        '... half a requeue too: delivered, old as it was');
}

# --- the slow server, --jobs, the lock, signals

my ($slow_log, $test) = (write_file('slow.log', ''), $$);
my $slow_pid = fork // die "fork: $!";
if (!$slow_pid) {
    $SIG{CHLD} = 'IGNORE';
    while (getppid == $test) {
        my $client = IO::Select->new($slow)->can_read(1) ? $slow->accept : next;
        next if fork;
        alarm 120;
        my $head = '';
        $client->sysread($head, 65536, length $head) or last while $head !~ /"entityId":\d+.*\}/;
        my ($id) = $head =~ /"entityId":(\d+)/;
        open my $fh, '>>', $slow_log;
        syswrite $fh, "+$id\n";
        sleep 0.5;
        wait_until { !-e "$slow_log.hold" } 60;
        syswrite $fh, "-$id\n";
        print $client "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        _exit(0);
    }
    _exit(0);
}
push @children, $slow_pid;
my $slow_url = 'http://127.0.0.1:' . $slow->sockport . '/';
sub hold { write_file("$slow_log.hold", '') }
sub let_go { unlink "$slow_log.hold" }
sub slow_log { my @l = split /\n/, slurp($slow_log); return @l }

{
    my $dir = new_spool();
    simple_event($dir, 'ticket.created', $_, ticket => $_) for 11 .. 18;
    hold();
    my $process = begin_process('--jobs', 4, $dir, $slow_url);
    ok((wait_until { slow_log() >= 4 } 60), '--jobs 4: four events are sent, none of which is answered');
    let_go();
    is(end_process($process), 0, '... then the others');
    my ($most, $now) = (0, 0);
    for (slow_log()) {
        $now += /^\+/ ? 1 : -1;
        $most = $now if $now > $most;
    }
    is($most, 4, '... four at a time');
    my @began = map { /^\+(\d+)/ ? $1 : () } slow_log();
    is_deeply([sort(@began[0 .. 3]), sort(@began[4 .. 7])], [11 .. 18], '... the oldest start first');
    is_deeply([files($dir)], [], '... all are removed');
    write_file('slow.log', '');
}

{
    my $dir = new_spool();
    simple_event($dir, 'ticket.created', $_) for 21 .. 23;
    hold();
    my $first = begin_process($dir, $slow_url);
    ok((wait_until { slow_log() >= 1 } 60), 'while one runs');
    my ($rc, $text) = redeliver($dir, $slow_url);
    is($rc, 3, '... a second on the same directory: exit status 3');
    like($text, qr/^$us: another .* works on "\Q$dir\E" \(process $first->{pid}\): only one may$/,
        '... with the pid of the first');
    ($rc, $text) = redeliver('--status', $dir);
    like("$rc $text", qr/^1 waiting: 3 events, \d+ bytes.*\n  ticket.created: 3\n/, '... --status works');
    kill TERM => $first->{pid};
    let_go();
    is(end_process($first), 1, 'SIGTERM: exit status 1, as events are left');
    is_deeply([slow_log()], ['+21', '-21'], '... the event in flight is finished, no other begun');
    is(scalar(files($dir)), 4, '... and removed');
    like(said(), qr/^$us: 1 sent, 0 kept, 0 quarantined, 2 not tried$/m, '... and said');

    hold();
    my $second = begin_process('--loop', $dir, $slow_url);
    ok((wait_until { slow_log() >= 3 } 60), 'its parent killed with -9');
    end_process($second, 'KILL');
    ($rc, $text) = redeliver($dir, $slow_url);
    is($rc, 3, '... the lock is held');
    like($text, qr/the workers of process $second->{pid}, which has ended/,
        '... by the worker, says a second');
    let_go();
    ok((wait_until { unlocked($dir) } 60), '... until the worker has ended');
    is_deeply([slow_log()], [map { ("+$_", "-$_") } 21, 22], '... with the event it had in hand');
    is_deeply([map { /,(\d+),48213/ } files($dir)], [23, 23], '... which is removed, and the next is there');

    hold();
    my $third = begin_process($dir, $slow_url);
    ok((wait_until { slow_log() >= 5 } 60), 'its worker killed with -9');
    kill KILL => workers_of($third);
    let_go();
    is(end_process($third), 1, '... exit status 1');
    like(said(), qr/kept, worker killed/, '... reported');
    my ($kept, @more) = names($dir);
    is(scalar @more, 0, '... the event is kept');
    is(state_of($dir, $kept)->{answer}, 'worker-killed', '... which is written down');
}

# --- --loop, backoff, memory

{
    my $dir = new_spool();
    my $tried = tries();
    my $note = event('ticket.note.added', 31);
    is(signed('/public', $note)->{status}, 202, 'an event is accepted, while its backend is down');
    spool($dir, 'ticket.note.added', 31, $note);
    my $loop = begin_process(qw(--loop=0.1 --retry-first 0.2 --retry-max=0.8 --jobs=2),
        $dir, url('/webhook'));
    ok((wait_until { tries() > $tried } 60), '--loop');
    my $body = event('ticket.created', 32, more => 'z' x 30_000_000);
    my $large = spool($dir, 'ticket.created', 32, $body, ticket => 5);
    ok((wait_until { grep { $_->{length} > 30_000_000 } records() } 60),
        '... delivers an event that comes later, while another waits');
    my @peak = map { slurp("/proc/$_/status") =~ /VmHWM:\s*(\d+)/ } workers_of($loop);
    cmp_ok((sort { $a <=> $b } @peak)[-1], '<', 30_000, '... and has no body of 30 MB in memory');
    ok((wait_until { (grep { $_->[1] == 502 and $_->[4] eq 31 } tries()) >= 6 } 60), '... tries the other');
    my @at = map { $_->[0] } grep { $_->[1] == 502 and $_->[4] eq 31 } tries();
    my @gap = map { $at[$_ + 1] - $at[$_] } 0 .. 4;
    # on a busy machine, each may be longer
    my @least = (0.2, 0.4, 0.8, 0.8, 0.8);
    is(scalar(grep { $gap[$_] < $least[$_] - 0.01 } 0 .. 4), 0, '... later and later') or diag "@gap";
    my ($waiting) = names($dir);
    my $state = state_of($dir, $waiting);
    my $wait = epoch($state->{next}) - epoch($state->{tried});
    # without the limit, it would be 6.4 by now
    ok($wait > 0.799 && $wait < 0.961, '... up to --retry-max') or diag $wait;
    clear_records();
    ok(reload(targets('%%A%%')), 'its backend is up again');
    ok((wait_until { !files($dir) } 60), '... delivered');
    is_deeply([map { $_->{sha256} } seen()], [sha256_hex($note)],
        '... once, though dedup knows the event as delivered');
    is(signed('/public', $note)->{status}, 200, '... as a repeat by the sender shows');
    is(scalar(seen()), 0, '... which does not arrive');
    is(end_process($loop, 'INT'), 0, 'SIGINT: exit status 0');
    like(said(), qr/^$us: 2 sent, 0 kept, 0 quarantined \(502: \d+\)$/m, '... with the counts');
}

# --- --status, the terminal, the owner

{
    my $dir = new_spool();
    my $now = POSIX::strftime('%Y%m%dT%H%M%S.000000Z', gmtime(time - 7380));
    write_file("$dir/$now,default,ticket.created,1,1,00.$_", 'five5') for qw(body headers);
    write_file("$dir/2999$_,1,1,00.headers", 'x')
        for '1231T000000.000000Z,default,ticket.note.added', ',default,odd';
    write_file("$dir/.tmp-1", 'x');
    is_deeply([redeliver('--status', $dir)], [1, <<'TEXT'], '--status');
waiting: 3 events, 5 bytes, the oldest 2h 3m old, 2 without a body
  odd: 1
  ticket.created: 1
  ticket.note.added: 1
quarantined: 0 events, 0 bytes
unfinished or left-over files: 1
TEXT
    is((redeliver('--status', new_spool()))[0], 0, '... exit status 0 when there is none');
}

SKIP: {
    skip 'there is no script(1) to make a terminal', 1 if !-x '/usr/bin/script';
    my $dir = new_spool();
    simple_event($dir, 'ticket.created', $_) for 61 .. 66;
    my ($rc, $text) = run('/usr/bin/script', '-qec', "$tool $dir $slow_url", '/dev/null');
    like($text, qr/\r\e\[Kmspwh-redeliver: \d+\/s, [1-5] sent, [1-5] left, 0 kept, 0 quarantined/,
        'a terminal is shown the progress');
}

SKIP: {
    skip 'only root can become another user', 3 if $> != 0;
    my $dir = new_spool();
    spool($dir, 'ticket.created', 71, event('ticket.created', 71), secret => 'wrong');
    my $uid = getpwnam('nobody');
    chown $uid, -1, $dir, map { "$dir/$_" } files($dir);
    is((redeliver($dir, url('/webhook')))[0], 1, 'root becomes the owner of the directory');
    is_deeply([map { (stat "$dir/$_")[4] } '.lock', 'quarantine'], [$uid, $uid],
        '... so that its files are not in the way of a service');

    mkdir dir() . '/private', 0700;
    run('cp', '-r', $tool =~ s{/[^/]*\z}{}r, dir() . '/private');
    spool($dir = new_spool(), 'ticket.created', 72, event('ticket.created', 72));
    chown $uid, -1, $dir, map { "$dir/$_" } files($dir);
    is_deeply([run(dir() . '/private/bin/mspwh-redeliver', '--quiet', $dir, url('/webhook'))], [0, ''],
        '... who need not be able to read the program');
}

unlike(said(), qr{[A-Za-z0-9+/]{43}=}, 'no signature was ever printed');
ok(stop(), 'nginx stops in time');

done_testing();
