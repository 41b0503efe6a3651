package MspwhHostile;

# For hostile clients: an upstream that trusts nothing, what nginx's workers use at rest, and requests as raw
# bytes.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use Exporter qw(import);
use IO::Select;
use IO::Socket::INET;
use POSIX qw(_exit);
use Test::More;
use Time::HiRes qw(sleep time);
use MspwhTest;

our @EXPORT = qw(
    start_witness stop_witness witness_port witnessed forget_witnessed
    usage worker_seconds at_rest flat alive_as exchange hang_up reset_connection chunks
);

my $owner = $$;
my ($pid, $listen);

# --- the upstream

sub witness_port {
    $listen //= IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1024) or die "witness: $!";
    return $listen->sockport;
}

# Returns why the module must not have let these bytes through, or "" if they are a genuine request.
sub objection {
    my ($head, $body) = @_;
    my ($line, @fields) = split /\r\n/, $head;
    return 'request line' if $line !~ m{\A[A-Z_-]+ /[^\x00-\x20\x7f]* HTTP/1\.1\z};
    my %value;
    for (@fields) {
        my ($name, $value) = /\A([!#\$%&'*+.^_`|~0-9A-Za-z-]+): ([^\x00\x0a\x0d]*)\z/ or return 'field';
        push @{ $value{ lc $name } }, $value;
    }
    return 'Transfer-Encoding' if $value{'transfer-encoding'};
    my $lengths = @{ $value{'content-length'} // [] };
    return 'Content-Length' if $lengths > 1 or !$lengths and length $body;
    my $signature = $value{'x-webhook-signature'} // [];
    my $expected = sign(SECRET, $body);
    return 'signature' if @$signature != 1 or $signature->[0] !~ /\A[ \t]*\Q$expected\E[ \t]*\z/;
    return '';
}

# Writes a line for each request: the hash of its body, and what is wrong with it. Connections are kept open,
# so that excess bytes show up as the next request.
sub start_witness {
    my $port = witness_port();
    my $path = write_file('witness', '', 0666);
    $pid = fork // die "fork: $!";
    return if $pid;

    open my $out, '>>', $path or _exit(1);
    my $select = IO::Select->new($listen);
    my %buffer;
    while (getppid() == $owner) {
        for my $socket ($select->can_read(0.5)) {
            if ($socket == $listen) {
                my $client = $listen->accept or next;
                $client->blocking(0);
                $buffer{$client} = '';
                $select->add($client);
            }
            elsif (!$socket->sysread($buffer{$socket}, 65536, length $buffer{$socket})) {
                delete $buffer{$socket};
                $select->remove($socket);
                close $socket;
            }
            else {
                take_all($socket, \$buffer{$socket}, $out);
            }
        }
    }
    _exit(0);
}

sub take_all {
    my ($socket, $buffer, $out) = @_;
    while ((my $end = index $$buffer, "\r\n\r\n") >= 0) {
        my $head = substr $$buffer, 0, $end;
        my ($length) = $head =~ /^Content-Length: (\d+)\r?$/mi;
        $length //= 0;
        return if length $$buffer < $end + 4 + $length;
        my $body = substr $$buffer, $end + 4, $length;
        substr $$buffer, 0, $end + 4 + $length, '';
        syswrite $out, join("\t", sha256_hex($body), objection($head, $body), unpack 'H*', $head) . "\n";
        my $answer = 'x' x ($head =~ m{\A\S+ /big/(\d+)} ? $1 : 2);
        $socket->blocking(1);
        syswrite $socket, "HTTP/1.1 200 OK\r\nContent-Length: " . length($answer) . "\r\n\r\n$answer";
        $socket->blocking(0);
    }
}

sub stop_witness {
    return if !$pid;
    local $?;
    kill KILL => $pid;
    waitpid $pid, 0;
    undef $pid;
}

sub witnessed {
    open my $fh, '<', dir() . '/witness' or die "witness: $!";
    return map {
        chomp;
        my ($hash, $objection, $head) = split /\t/;
        +{ hash => $hash, objection => $objection, head => pack 'H*', $head };
    } <$fh>;
}

sub forget_witnessed { truncate dir() . '/witness', 0 }

END { stop_witness() if $$ == $owner }

# --- what the workers use

sub usage {
    my ($rss, $files) = (0, 0);
    for my $worker (workers()) {
        open my $fh, '<', "/proc/$worker/status" or next;
        $rss += $_ for map { /^VmRSS:\s+(\d+)/ ? $1 : () } <$fh>;
        opendir my $d, "/proc/$worker/fd" or next;
        $files += grep { /\d/ } readdir $d;
    }
    return { rss => $rss, files => $files };
}

# Returns the seconds of processor time that nginx's workers have used, which do not depend on how busy the
# machine is.
sub worker_seconds {
    my $ticks = 0;
    for my $worker (workers()) {
        $ticks += $_ for (split ' ', slurp("/proc/$worker/stat") =~ s/.*\) //sr)[11, 12];
    }
    return $ticks / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

# Returns the usage, once the number of open files has not changed for a while.
sub at_rest {
    my ($usage, $since, $until) = (usage(), time, time + 15);
    while (time < $since + 0.7 and time < $until) {
        sleep 0.1;
        my $now = usage();
        $since = time if $now->{files} != $usage->{files};
        $usage = $now;
    }
    return $usage;
}

# Repeats an attack, and checks that nothing of it is left behind. The memory that malloc() keeps varies, so
# the highest value of the first few times counts.
sub flat {
    my ($what, $first, $times, $attack) = @_;
    my ($before, $rss) = (undef, 0);
    for (1 .. $first) {
        $attack->();
        $before = at_rest();
        $rss = $before->{rss} if $before->{rss} > $rss;
    }
    $attack->() for 1 .. $times;
    # a connection may linger on a busy machine, but what leaks stays
    my $after;
    wait_until { ($after = at_rest())->{files} <= $before->{files} } 60;
    my ($files, $now) = ($after->{files}, $after->{rss});
    cmp_ok($files, '<=', $before->{files}, "$what: descriptors are back: $before->{files}, then $files");
    SKIP: {
        skip 'nginx runs in a tool that looks for leaks, and takes memory itself', 1 if $ENV{MSPWH_REPORTS};
        cmp_ok($now - $rss, '<', 1024, "$what: memory is back: $rss kB, then $now kB");
    }
}

# Checks that the workers are the same as before, and that only signed requests have been passed on.
sub alive_as {
    my ($what, @workers) = @_;
    is_deeply([sort(workers())], [sort @workers], "$what: no worker has died");
    is_deeply([map { "$_->{objection}: $_->{head}" } grep { length $_->{objection} } witnessed()], [],
        "$what: upstream has seen nothing but whole, signed requests");
    my $body = '{"eventType":"ticket.created","entityId":1}';
    is(signed('/', $body)->{status}, 200, "$what: a signed event passes");
    forget_witnessed();
}

# --- requests as bytes

# Returns the statuses of all answers to these bytes.
sub exchange {
    my ($bytes, $port) = @_;
    my $c = connection($port);
    send_bytes($c, $bytes);
    my @statuses;
    while (my $status = read_response($c, timeout => @statuses ? 0.15 : 3)->{status}) {
        push @statuses, $status;
    }
    return @statuses;
}

sub hang_up { close $_[0]{socket} }

sub reset_connection {
    my $c = shift;
    setsockopt $c->{socket}, Socket::SOL_SOCKET(), Socket::SO_LINGER(), pack 'ii', 1, 0;
    close $c->{socket};
}

sub chunks { join('', map { sprintf "%x\r\n%s\r\n", length, $_ } @_) . "0\r\n\r\n" }

1;
