# mspwh_spool: all processes are killed at 50 moments; every event that was answered 202 is on disk,
# complete.

use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use POSIX qw(_exit);
use Test::More;
use Time::HiRes qw(sleep time);
use MspwhTest;

my $name = 'X-Webhook-Signature';
my $rounds = 50;
my $spool = dir() . '/spool';
my $seed = time ^ $$;
srand $seed;
note "seed $seed";

# Every step takes long enough to be hit.
write_file('slow.c', <<'C');
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/syscall.h>
int fsync(int fd) { usleep(2000); return (int) syscall(SYS_fsync, fd); }
int rename(const char *a, const char *b)
{ usleep(2000); return (int) syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 0); }
C
my ($rc, $text) = run('gcc', '-shared', '-fPIC', '-o', dir() . '/slow.so', dir() . '/slow.c');
is($rc, 0, 'a library that slows down fsync() and rename()') or BAIL_OUT($text);

my $conf = <<"CONF";
server {
    listen 127.0.0.1:%%PORT%%;
    mspwh on;
    mspwh_secret "%%SECRET%%";
    location / { mspwh_spool spool; }
}
CONF

sub events {
    opendir my $d, $spool or return;
    return map { /^([^.].*)\.headers$/ ? $1 : () } readdir $d;
}

# Sends events until the connection breaks. Writes a line for each 202 at once.
sub client {
    my ($round, $number) = @_;
    open my $ledger, '>>', dir() . "/ledger$number" or _exit(1);
    my $c = eval { connection() } or _exit(0);
    for my $n (1 .. 10_000) {
        my $size = rand() < 0.8 ? int rand 3000 : int rand 300_000;
        my $body = "{\"eventType\":\"ticket.created\",\"entityId\":\"$round.$number.$n\",\"Details\":\""
            . 'x' x $size . '"}';
        send_bytes($c, request_bytes(path => '/', body => $body, headers => [$name => sign(SECRET, $body)]))
            or last;
        my $r = read_response($c, timeout => 2);
        last if $r->{status} != 202;
        syswrite $ledger, sha256_hex($body) . "\n";
        $c = connection() if ($r->{header}{connection} // '') eq 'close';
    }
    _exit(0);
}

sub ledger_lines { return my @lines = map { split /\n/, slurp(dir() . "/ledger$_") } 1 .. 3 }

my (%whole, %broken, $killed);
for my $round (1 .. $rounds) {
    {
        local $ENV{LD_PRELOAD} = dir() . '/slow.so';
        start_http($conf);
    }
    my @clients = map { my $n = $_; fork // die "fork: $!" or client($round, $n) } 1 .. 3;
    # at a random moment, once one to six more events have been accepted
    my $enough = ledger_lines() + rand 6;
    wait_until { ledger_lines() >= $enough };
    sleep rand 0.03;
    my @processes = (master_pid(), workers());
    kill KILL => @processes;
    $killed += @processes;
    waitpid $_, 0 for master_pid(), @clients;
    for my $event (grep { !$whole{$_} } events()) {
        my $body = slurp("$spool/$event.body");
        my ($signature) = slurp("$spool/$event.headers") =~ /^X-Webhook-Signature: (\S+)$/m;
        if (($signature // '') eq sign(SECRET, $body)) {
            $whole{$event} = sha256_hex($body);
        }
        else {
            $broken{$event} = 1;
        }
    }
    # the port is free once they are gone, even if some are zombies
    wait_until { !grep { alive($_) } @processes };
}
my %there = map { $_ => 1 } values %whole;
my @answered = ledger_lines();
cmp_ok(scalar @answered, '>', 2 * $rounds, scalar(@answered) . " events answered 202 in $rounds runs");
is(scalar(grep { !$there{$_} } @answered), 0, '... each of them is on disk');
is(scalar keys %broken, 0, '... and no event is there that is not whole');
my %seen;
is(scalar(grep { $seen{$_}++ } values %whole), 0, '... or twice');
opendir my $d, $spool or die;
note scalar(grep { /^\.tmp-/ } readdir $d), ' temporary files are left';

# a last start, without a kill
start_http($conf);
my $body = '{"eventType":"ticket.created","entityId":1}';
is(signed('/', $body)->{status}, 202, 'after that, nginx spools again');
ok(stop(), 'nginx stops in time');

done_testing();
