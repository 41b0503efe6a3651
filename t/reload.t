# Reloads lose no request and no memory.

use strict;
use warnings;
use POSIX qw(_exit);
use Test::More;
use Time::HiRes qw(sleep);
use MspwhTest;

sub conf {
    my $secrets = shift;
    return "server { listen 127.0.0.1:%%PORT%%;\n" . VARS . "mspwh on; $secrets\n"
        . "mspwh_field event_type /eventType /data/Type;\n"
        . join('', map { "location /l$_ { mspwh_secret s$_ id=k$_; mspwh_set \$value$_ /a/$_/b; proxy_pass "
            . "http://%%A%%; }\n" } 1 .. 50)
        . "location / { proxy_pass http://%%A%%; }\n}\n";
}
my $old = 'mspwh_secret "%%SECRET%%";';
start_http(conf($old));

my $body = '{"eventType":"ticket.created","entityId":17,"Details":"' . 'x' x 40_000 . '"}';

my $end = dir() . '/end';
my $until = time + 60;
my @clients;
for my $n (1 .. 4) {
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        my ($done, %wrong) = (0);
        while (!-e $end and time < $until) {
            my $bad = $done % 3 == 2;
            my $expected = $bad ? 401 : 200;
            my $got = eval {
                post('/', $body, 'X-Webhook-Signature' => sign($bad ? 'wrong' : SECRET, $body))->{status};
            } // $@;
            $wrong{"$expected $got"}++ if $got ne $expected;
            $done++;
            sleep 0.01;
        }
        write_file("client$n", join "\n", $done, map { "$_: $wrong{$_}" } sort keys %wrong);
        _exit(0);
    }
    push @clients, $pid;
}
my $reloads = 0;
for (1 .. 10) {
    $reloads += reload();
    sleep 0.1;
}
write_file('end', '');
waitpid $_, 0 for @clients;
is($reloads, 10, '10 reloads under load');
for my $n (1 .. 4) {
    open my $fh, '<', dir() . "/client$n" or die;
    my ($done, @wrong) = <$fh>;
    chomp $done;
    cmp_ok($done, '>', 0, "client $n made $done requests");
    is_deeply(\@wrong, [], "client $n: every answer as expected");
}

# A request that started before a reload ends under the old secrets.
{
    my $c = connection();
    my $bytes = request_bytes(path => '/', body => $body,
        headers => ['X-Webhook-Signature' => sign(SECRET, $body)]);
    send_bytes($c, substr $bytes, 0, 20_000);
    sleep 0.2;
    ok(reload(conf('mspwh_secret new-secret id=new;')), 'reload with another secret');
    sleep 0.3;
    send_bytes($c, substr $bytes, 20_000);
    is(read_response($c)->{status}, 200, 'a request under way keeps the old secret');
    is(signed('/', $body)->{status}, 401, 'a new one does not');
    my $r = post('/', $body, 'X-Webhook-Signature' => sign('new-secret', $body));
    is_deeply([$r->{status}, $r->{header}{'x-key'}], [200, 'new'], 'the new secret verifies');
    ok(reload(conf($old)), 'reload with the old secret');
}

sub rss {
    open my $fh, '<', '/proc/' . master_pid() . '/status' or return 0;
    return (map { /^VmRSS:\s+(\d+)/ ? $1 : () } <$fh>)[0];
}

SKIP: {
    skip 'no /proc', 1 if !-r '/proc/self/status';
    my $failed = 0;
    reload_and_settle() || $failed++ for 1 .. 20;
    is($failed, 0, '20 reloads succeed');
    skip 'nginx runs in a tool that looks for leaks, and takes memory itself', 2 if $ENV{MSPWH_REPORTS};
    my $before = rss();
    reload_and_settle() || $failed++ for 1 .. 80;
    my $after = rss();
    is($failed, 0, '100 reloads succeed');
    cmp_ok($after - $before, '<', 256, "master RSS flat over 80 reloads: $before kB, then $after kB");
}
is(signed('/', $body)->{status}, 200, 'serves on');
ok(stop(), 'nginx stops in time');
unlike(error_log(), qr/\[(alert|crit|emerg)\]|exited on signal/, 'nothing alarming in the log');

done_testing();
