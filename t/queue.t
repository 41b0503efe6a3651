# Verified events go into a queue over HTTP: the configuration of docs/scaling.md, with a small queue that
# stores what it gets, is down at times, and at times only claims to be.

use strict;
use warnings;
use Cwd qw(abs_path);
use Digest::SHA qw(hmac_sha256_hex sha256_hex);
use File::Basename qw(dirname);
use POSIX qw(_exit);
use Test::More;
use Time::HiRes qw(sleep);
use MspwhDocs;
use MspwhTest;

my $tool = abs_path(dirname(__FILE__) . '/..') . '/bin/mspwh-redeliver';
my $name = 'X-Webhook-Signature';
my $secret = secret_of('webhook.secret');
my $spool = dir() . '/var/spool/mspwh';

# --- the queue -------------------------------------------------------------------

my $queue = 0;
my $parent = $$;
my $address = '127.0.0.1:' . port('queue');

# Sets the queue's mode. "flaky": of six requests, it refuses the second, and stores the fourth but refuses
# it, too. Any other mode is a status.
sub mode { write_file('mode', $_[0]) }

sub start_queue {
    my $listen = IO::Socket::INET->new(LocalAddr => $address, Listen => 128, ReuseAddr => 1)
        or die "queue: $!";
    $queue = fork // die "fork: $!";
    return if $queue;
    my $count = 0;
    open my $list, '>>', dir() . '/queue' or die;
    while (getppid() == $parent) {
        my $socket = IO::Select->new($listen)->can_read(1) ? $listen->accept : next;
        my $c = { socket => $socket, buffer => '', deadline => time + 10 };
        my ($request, @lines) = split /\r\n/, MspwhTest::take_head($c) // next;
        my %header = map { /^(.*?):\s*(.*)/ ? (lc $1, $2) : () } @lines;
        my $body = MspwhTest::take_body($c, \%header, 0) // next;
        my $mode = slurp(dir() . '/mode');
        my $turn = $mode eq 'flaky' ? ++$count % 6 : -1;
        my $status = $turn == 2 || $turn == 4 ? 503 : $mode eq 'flaky' ? 201 : $mode;
        my @line = ($status, $request =~ s/ HTTP.*//r, sha256_hex($body),
            map { $_ // '' } @header{qw(host x-message-type x-message-key idempotency-key)});
        syswrite $list, join("\t", @line) . "\n" if $status < 300 or $turn == 4;
        syswrite $socket, "HTTP/1.1 $status X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    }
    _exit(0);
}
sub stop_queue { return if !$queue; local $?; kill KILL => $queue; waitpid $queue, 0; $queue = 0 }
END { stop_queue() if $$ == $parent }

# Returns the queue's content, by key.
sub messages {
    my %message;
    for (split /\n/, slurp(dir() . '/queue')) {
        my %m;
        @m{qw(status request sha host type key id)} = split /\t/;
        push @{ $message{ $m{key} } }, \%m;
    }
    truncate dir() . '/queue', 0;
    return \%message;
}

# --- the sender ------------------------------------------------------------------

my $n = 0;
sub event {
    my $text = 'x' x (++$n % 7 * 5000);
    return qq({"eventType":"Ticket note added","entityId":$n,"TicketId":7,"Description":"$text"});
}

sub deliver {
    my ($body, @headers) = @_;
    return post('/webhook', $body, $name => sign($secret, $body), @headers);
}

sub spooled { return scalar(my @f = glob "$spool/*.headers") }
sub redeliver {
    return (run($tool, '--quiet', '--now', $spool, 'http://127.0.0.1:' . port('8090') . '/webhook'))[0];
}

my $conf = ready(http_part(recipe('docs/scaling.md', 'Into a queue')));
my $was = MspwhDocs::backend('127.0.0.1:8085');
$conf =~ s/\Q$was\E/$address/g == 2 or die 'the page has not two lines with the queue';
my $host = MspwhDocs::backend('queue.example.com');
start_http($conf);

mode(201);
start_queue();
{
    my $body = event();
    my @forged = map { $_ => 'forged' } qw(X-Message-Key X-Message-Type Idempotency-Key);
    is(deliver($body, @forged)->{status}, 201, 'the sender gets the 201 of the queue');
    my %want = (
        status => 201, request => 'POST /queues/webhooks/messages', sha => sha256_hex($body), host => $host,
        type => 'ticket.note.added', key => $n, id => hmac_sha256_hex($body, $secret),
    );
    is_deeply(messages(), { $n => [\%want] }, '... which has the body, and type and keys from the body');
    is(deliver($body)->{status}, 200, 'a repeat is answered');
    is(post('/webhook', $body, $name => sign('another', $body))->{status}, 401, 'a forged event is not');
    is_deeply(messages(), {}, '... and neither is a message');
}

# --- 503 now and then ----------------------------------------------------------------
{
    mode('flaky');
    my (%sha, %status);
    for (1 .. 60) {
        my $body = event();
        $sha{$n} = sha256_hex($body);
        $status{ deliver($body)->{status} }++;
    }
    is_deeply(\%status, { 201 => 40, 202 => 20 }, 'what the queue refuses is spooled, and answered 202');
    my $runs = 0;
    $runs++ while spooled() and redeliver() and $runs < 20;
    is(spooled(), 0, 'the spool is delivered until it is empty');
    cmp_ok($runs, '>', 0, '... not at the first try, as the queue refuses again');
    my $message = messages();
    is_deeply([sort keys %$message], [sort keys %sha], '... and the queue has every event');
    my @all = map { @$_ } values %$message;
    is(scalar(grep { $_->{sha} ne $sha{ $_->{key} } } @all), 0, '... byte for byte');
    my @twice = grep { @{ $message->{$_} } > 1 } keys %$message;
    cmp_ok(scalar @twice, '>=', 10, scalar(@twice) . ' of them more often');
    my %taken;
    $_->{status} == 201 and $taken{ $_->{key} }++ for @all;
    is_deeply(\%taken, { map { $_ => 1 } keys %sha }, '... those that it had kept and yet refused');
    my %id = map { ("$_->{key} $_->{id}" => 1) } @all;
    is(scalar keys %id, scalar keys %sha, '... under the same key');
}

# --- other answers -------------------------------------------------------------------
for my $status (429, 500, 502, 503, 504) {
    mode($status);
    my $body = event();
    is(deliver($body)->{status}, 202, "the queue answers $status: spooled");
    is(spooled(), 1, '... on disk');
    isnt(redeliver(), 0, '... and kept there');
    mode(201);
    is(redeliver(), 0, '... until the queue takes it');
    is_deeply([map { $_->{sha} } @{ messages()->{$n} }], [sha256_hex($body)], '... once');
    is(deliver($body)->{status}, 200, '... and a repeat is answered');
}
for my $status (302, 404, 413) {
    mode($status);
    my $body = event();
    is(deliver($body)->{status}, $status, "the queue answers $status: so is the sender");
    is(spooled(), 0, '... not spooled');
    mode(201);
    is(deliver($body)->{status}, 201, '... and a repeat is passed on');
    is(scalar @{ messages()->{$n} // [] }, 1, '... into the queue');
}
{
    stop_queue();
    my @body = map { event() } 1 .. 20;
    is_deeply([grep { $_ != 202 } map { deliver($_)->{status} } @body], [], 'the queue is down: spooled');
    isnt(redeliver(), 0, '... and kept');
    is(spooled(), 20, '... all');
    start_queue();
    is(redeliver(), 0, '... until it is back');
    my @sha = map { map { $_->{sha} } @$_ } values %{ messages() };
    is_deeply([sort @sha], [sort map { sha256_hex($_) } @body], '... and has each once');
}
ok(stop(), 'nginx stops in time');

# --- no spool ------------------------------------------------------------------------

$conf =~ s/^\s*(?:proxy_intercept_errors|error_page).*\n//mg == 2 or die 'the page has no error_page';
start_http($conf);
{
    mode('flaky');
    my (@sent, %status, %tries);
    for (1 .. 30) {
        my $body = event();
        push @sent, $body;
        for my $try (1 .. 5) {
            my $status = deliver($body)->{status};
            $status{$status}++;
            $tries{$try}++;
            last if $status == 201;
        }
    }
    is($status{201}, 30, 'without a spool, the sender tries until the queue has taken the event');
    cmp_ok($status{503}, '>', 5, "... and has been answered 503 until then, $status{503} times");
    is_deeply([sort keys %status], [201, 503], '... and nothing else');
    my $message = messages();
    my %had = map { map { $_->{sha} => 1 } @$_ } values %$message;
    is_deeply([sort keys %had], [sort map { sha256_hex($_) } @sent], '... all are in the queue');
    is_deeply([grep { $_ != 200 } map { deliver($_)->{status} } @sent], [], '... and repeats are answered');
    is_deeply([spooled(), messages()], [0, {}], '... here');
}
ok(stop(), 'nginx stops in time');

done_testing();
