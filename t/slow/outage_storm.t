# An hour of trouble in fast motion: three webhooks accept events first and deliver them later. Meanwhile,
# their backend is down, up, limits its rate, fails and refuses one type, and mspwh-redeliver is killed. Each
# event is delivered, only once unless it was in hand during a kill, and each ticket in order; refused events
# are in quarantine. MSPWH_EVENTS sets the number of events; t/slow/outage_hour.t has 20,000.

use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use IO::Select;
use POSIX qw(_exit WNOHANG);
use Test::More;
use Time::HiRes qw(sleep time);
use MspwhLedger;
use MspwhSpool;
use MspwhTest;

my $events = $ENV{MSPWH_EVENTS} || 1500;
my $tickets = $events < 800 ? 20 : int $events / 40;
my ($clients, $jobs, $kills) = (4, 8, 3);
$MspwhSpool::Limit = 60 + $events / 10;
my $spool = dir() . '/spool';
my @hooks = (['a', '/hooks/a', 'localhost'], ['b', '/hooks/b', 'localhost'], ['c', '/hook', 'c.example']);

# The public server and the one for redelivery have the same locations.
sub servers {
    my ($listen, $do) = @_;
    my %locations;
    for (@hooks) {
        my ($hook, $path, $host) = @$_;
        $locations{$host} .= "location = $path { mspwh_secret 'secret of $hook'; mspwh on; $do }\n";
    }
    return join '',
        map { "server {\nlisten $listen;\nserver_name $_;\n$locations{$_}}\n" } sort keys %locations;
}

my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 256) or die "no port: $!";
my $backend = '127.0.0.1:' . $listen->sockport;
my $pass = "proxy_pass http://$backend; proxy_set_header Host \$http_host; "
    . 'proxy_set_header X-Ticket $mspwh_ticket_id; proxy_set_header X-Type $mspwh_event_type;';
start_http(servers('127.0.0.1:%%PORT%%', "mspwh_spool $spool;") . servers('127.0.0.1:%%PORT_inner%%', $pass));
my $server = 'http://127.0.0.1:' . port('inner');

# --- the backend

my $test = $$;
my @children;
sub mode { write_file('mode.new', $_[0]); rename dir() . '/mode.new', dir() . '/mode' }
mode('up');

# Returns a status and a header, depending on the mode, or nothing: then the backend hangs up.
sub answer {
    my ($mode, $head) = @_;
    return if $mode eq 'down';
    return (429, 'Retry-After: 1') if $mode eq 'limit';
    return (500, 'X-Y: z') if $mode eq 'fail';
    return (415, 'X-Y: z') if $mode ne 'all' and $head =~ /^X-Type: ticket\.attachment\.added/mi;
    return (200, 'X-Y: z');
}

sub serve_one {
    my ($socket, $write, $request) = @_;
    my ($head, $body) = $request =~ /\A(.*?)\r\n\r\n(.*)\z/s;
    my ($status, $header) = answer(slurp(dir() . '/mode'), $head) or return 0;
    my ($id) = $body =~ /"entityId":"([^"]+)"/;
    my ($path) = $head =~ /^POST (\S+)/;
    my ($ticket) = $head =~ /^X-Ticket: (\S+)/mi;
    my ($host) = $head =~ /^Host: (\S+)/mi;
    my ($attempt) = $head =~ /^X-Mspwh-Attempt: (\d+)/mi;
    $write->($status, $id, $ticket, "$host$path", sha256_hex($body), $attempt);
    syswrite $socket, "HTTP/1.1 $status X\r\n$header\r\nContent-Length: 0\r\n\r\n";
    return 1;
}

sub backend {
    my $write = open_ledger('taken');
    my $select = IO::Select->new($listen);
    my %buffer;
    while (getppid == $test) {
        for my $socket ($select->can_read(1)) {
            if ($socket == $listen) {
                my $client = $listen->accept or next;
                $buffer{$client} = '';
                $select->add($client);
                next;
            }
            my $open = sysread $socket, $buffer{$socket}, 65536, length $buffer{$socket};
            while ($open and $buffer{$socket} =~ /\A(.*?\r\n)\r\n/s and $1 =~ /^Content-Length: (\d+)/mi) {
                my $length = index($buffer{$socket}, "\r\n\r\n") + 4 + ($1 =~ /(\d+)/)[0];
                last if length $buffer{$socket} < $length;
                $open = serve_one($socket, $write, substr $buffer{$socket}, 0, $length, '');
            }
            next if $open;
            $select->remove($socket);
            delete $buffer{$socket};
            close $socket;
        }
    }
    _exit(0);
}

sub child {
    my $code = shift;
    my $pid = fork // die "fork: $!";
    $code->() if !$pid;
    push @children, $pid;
    return $pid;
}
END { if ($$ == $test) { local $?; kill KILL => @children; waitpid $_, 0 for @children } }
child(\&backend);

# --- the senders

my @types = ('ticket.updated', 'ticket.note.added', 'ticket.response.added', 'ticket.updated',
    'ticket.note.updated') x 4;
$types[7] = 'ticket.attachment.added';

# Each ticket belongs to one sender, which waits for the 202 before it sends the next event.
sub client {
    my $number = shift;
    my $write = open_ledger("sent$number");
    my $c = connection();
    for my $n (grep { $_ % $tickets % $clients == $number } 0 .. $events - 1) {
        my ($hook, $path, $host) = @{ $hooks[$n % $tickets % 3] };
        my $type = $types[ int($n / $tickets) % @types ];
        my ($id, $ticket) = (sprintf('%06d', $n), $n % $tickets);
        my $body = qq({"eventType":"$type","entityId":"$id","TicketId":$ticket,"Details":")
            . 'x' x ($n % 50 ? 100 : 30_000) . '"}';
        my $signature = sign("secret of $hook", $body);
        my @headers = ('X-Webhook-Signature' => $signature);
        my $bytes = request_bytes(path => $path, body => $body, headers => \@headers);
        send_bytes($c, $bytes =~ s/^Host: localhost/Host: $host/mr);
        my $r = read_response($c);
        $write->($r->{status}, $id, $ticket, "$host$path", sha256_hex($body), $type);
        $c = connection() if ($r->{header}{connection} // 'close') eq 'close';
    }
    _exit(0);
}

my @senders = map { my $n = $_; child(sub { client($n) }) } 0 .. $clients - 1;
my $loop;
sub begin_loop {
    $loop = begin_process('--quiet', '--loop=0.2', "--jobs=$jobs", '--retry-first=0.2', '--retry-max=1',
        '--client-errors=3', $spool, $server);
}
begin_loop();

# --- the hour

my ($n, $killed, $sending) = (0, 0, 1);
while ($sending or $n < 12) {
    mode(('down', 'up', 'limit', 'up', 'fail', 'down')[$n++ % 6]);
    sleep 0.7;
    if ($killed < $kills and $n % 4 == 0) {
        kill KILL => $loop->{pid};
        waitpid $loop->{pid}, 0;
        $killed++;
        wait_until { unlocked($spool) } 60;
        begin_loop();
    }
    $sending = grep { waitpid($_, WNOHANG) == 0 } @senders;
}
mode('up');
my %sent;
for (ledger('sent*')) {
    my ($status, $id, $ticket, $where, $sha, $type) = @$_;
    $sent{$id} = { status => $status, ticket => $ticket, where => $where, sha => $sha, type => $type };
}
is(scalar keys %sent, $events, "$events events of $tickets tickets are sent to three webhooks");
is(scalar(grep { $_->{status} != 202 } values %sent), 0, '... and answered 202');
my %refused = map { $sent{$_}{type} eq 'ticket.attachment.added' ? ($_ => 1) : () } keys %sent;

wait_until { !names($spool) } 60 + $events / 50;
is_deeply([names($spool)], [], 'once the backend is up, the spool becomes empty');
is_deeply([files($spool)], [], '... with no file left');
is(end_process($loop, 'TERM'), 0, 'the loop ends when told to');
is_deeply([sort map { (split /,/)[3] } names("$spool/quarantine")], [sort keys %refused],
    scalar(keys %refused) . ' events of a type that is answered 415 are in quarantine');

# --- what the backend has got

my (%status, %times, %last, @disorder, @wrong, %attempts);
for (ledger('taken')) {
    my ($status, $id, $ticket, $where, $sha, $attempt) = @$_;
    $status{$status}++;
    $attempts{$attempt}++;
    my $event = $sent{$id};
    push @wrong, $id if $event->{ticket} ne $ticket or $event->{where} ne $where or $event->{sha} ne $sha;
    next if $status != 200 or $times{$id}++;
    push @disorder, $id if $id lt ($last{$ticket} // '');
    $last{$ticket} = $id;
}
note 'answers: ', join ', ', map { "$_: $status{$_}" } sort keys %status;
ok($status{$_}, "the backend has answered $_") for 200, 415, 429, 500;
ok($attempts{3}, '... to second redeliveries, too');
is(scalar(grep { !$refused{$_} and !$times{$_} } keys %sent), 0, 'each event is delivered');
is(scalar(grep { $refused{$_} } keys %times), 0, '... but for those in quarantine');
is_deeply(\@wrong, [], '... as it came, to where it was sent to');
is_deeply(\@disorder, [], '... each ticket in order');
my @twice = grep { $times{$_} > 1 } keys %times;
cmp_ok(scalar @twice, '<=', $kills * $jobs, scalar(@twice) . " are delivered twice, after $killed kills");

# --- the end

mode('all');
is((redeliver('--quiet', '--requeue', $spool))[0], 0, 'the backend accepts the type: they are moved back');
is((redeliver('--quiet', '--jobs=8', $spool, $server))[0], 0, '... and delivered');
is_deeply([files($spool), files("$spool/quarantine")], [], '... and no file is left');
my %had = map { $_->[0] == 200 ? ($_->[1] => 1) : () } ledger('taken');
is(scalar keys %had, $events, '... as each event is delivered');
ok(stop(), 'nginx stops in time');

done_testing();
