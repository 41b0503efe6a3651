# bin/mspwh-redeliver with a spool of 1,000,000 events: it starts sending within 10 seconds, uses less than
# 500 MB, and counts the events for status.json in between. Time is wall-clock time without the time in which
# other processes had the processors. MSPWH_EVENTS=100000 takes less time.

use strict;
use warnings;
use Cwd qw(abs_path);
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);
use MspwhSpool;
use MspwhTest;

my $events = $ENV{MSPWH_EVENTS} || 1_000_000;
my $dir = new_spool();

start_http(<<'CONF');
log_format moment '$msec';
server {
    listen 127.0.0.1:%%PORT%%;
    access_log %%DIR%%/moments.log moment;
    mspwh on;
    mspwh_secret '%%SECRET%%';
    keepalive_requests 1000000;
    location / { proxy_pass http://127.0.0.1:%%PORT_backend%%; }
}
server { listen 127.0.0.1:%%PORT_backend%%; access_log off; location / { return 200; } }
CONF

# All events have the same body and signature: only the names differ.
my $name = simple_event($dir, 'ticket.created', 1);
my ($body, $headers) = map { "$dir/$name.$_" } 'body', 'headers';
my $began = time - 3600;
for my $n (1 .. $events) {
    if ($n % 10_000 == 1) {
        # a new file now and then: the number of links to one is limited
        for ([\$body, 'body'], [\$headers, 'headers']) {
            my ($from, $part) = @$_;
            my $to = dir() . "/copy$n.$part";
            write_file($to, slurp($$from));
            $$from = $to;
        }
    }
    my $ticket = $n % 50_000;
    my $time = MspwhSpool::time_of($began + $n / 1000);
    my $file = "$dir/" . join ',', $time, 'default', 'ticket.created', $n, $ticket, sprintf '%016x', $n;
    link $body, "$file.body" or die "$file: $!";
    link $headers, "$file.headers" or die "$file: $!";
}
unlink map { "$dir/$name.$_" } 'body', 'headers';

# Returns the seconds that a process has run, and those that it was ready to run but waited for a processor.
sub seconds_of { return map { $_ / 1e9 } (split ' ', slurp("/proc/$_[0]/schedstat"))[0, 1] }

sub memory_of { return slurp("/proc/$_[0]/status") =~ /^VmHWM:\s*(\d+) kB/m ? $1 / 1000 : 0 }

my @ways = (['one job', '--jobs=1'], ['eight jobs', '--jobs=8']);
for (@ways) {
    my ($what, @options) = @$_;
    truncate dir() . '/moments.log', 0;
    my $start = time;
    my $process = begin_process('--quiet', @options, $dir, 'http://127.0.0.1:' . port());
    ok((wait_until { -s dir() . '/moments.log' } 60), "$what: events are sent");
    my ($ran, $waited) = seconds_of($process->{pid});
    my ($first) = slurp(dir() . '/moments.log') =~ /^(\S+)/;
    my $seconds = $first - $start - $waited;
    cmp_ok($seconds, '<', 10, sprintf '... after %.1f s, of which it ran %.1f s', $seconds, $ran);
    note sprintf '... and %.1f s more in which others had the processors', $waited;
    sleep 20;
    my @sent = split /\n/, slurp(dir() . '/moments.log');
    note sprintf '%d events, %.0f/s', scalar @sent, @sent / ($sent[-1] - $sent[0]);
    cmp_ok(scalar @sent, '>', 1000, '... and more');
    my @memory = map { memory_of($_) } $process->{pid}, split ' ',
        slurp("/proc/$process->{pid}/task/$process->{pid}/children");
    my $all = 0;
    $all += $_ for @memory;
    cmp_ok($all, '<', 500, sprintf '... in %.0f MB, of which the parent has %.0f', $all, $memory[0]);
    my $status = wait_until { eval { decode_json(slurp("$dir/status.json")) } } 60;
    cmp_ok($status->{waiting} // 0, '>', $events / 2, '... status.json shows them meanwhile');
    kill TERM => $process->{pid};
    ok((wait_until { waitpid($process->{pid}, POSIX::WNOHANG()) == $process->{pid} } 120), '... and it ends');
    unlink "$dir/status.json";
}

ok(stop(), 'nginx stops in time');

done_testing();
