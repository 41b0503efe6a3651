# Claims and settles when answers are lost, or when nginx exits while they are in progress: a proxy in front
# of a real store drops answers to commands that the store has carried out.

use strict;
use warnings;
use JSON::PP qw(decode_json);
use MspwhEvents qw(event);
use MspwhStore;
use MspwhTest;
use Test::More;
use Time::HiRes qw(sleep time);

all_need_store();

$MspwhTest::Workers = 1;
start_store('main');

# The file "drop" contains the pattern of an answer to drop, once.
start_proxy('main', sub {
    my $file = dir() . '/drop';
    return -e $file && $_[0] =~ slurp($file) && unlink $file;
});
start_http(<<'CONF');
upstream store { server 127.0.0.1:%%PORT_proxy_main%%; }
mspwh_dedup_zone zone=events:1m pending=30s store=store;
mspwh_store_timeout 400ms;
mspwh_secret '%%SECRET%%';
server {
    listen 127.0.0.1:%%PORT%%;
    add_header X-Verdict $mspwh_verdict always;
    location / { mspwh on; mspwh_dedup zone=events; proxy_pass http://%%A%%; }
    location = /status { mspwh off; mspwh_status json; }
}
CONF

my $n = 0;
sub body { return event('Ticket created', ++$n) }
sub drop { write_file('drop', $_[0]) }
sub store { return decode_json(request(method => 'GET', path => '/status')->{body})->{store} }
sub connected { return wait_until { store()->{connected} == 1 } 10 }
sub deliver { my $r = signed('/a', $_[0]); return "$r->{status} " . ($r->{header}{'x-verdict'} // '') }
sub values_of { return grep { defined } map { ask('main', 'GET', $_) } @{ ask('main', 'KEYS', 'mspwh:*') } }
sub dropped { return !-e dir() . '/drop' }

ok(connected(), 'a worker is connected, by a proxy');

# --- answers that are lost --------------------------------------------------------------------------
{
    # a connection that ends within a second counts as unsteady
    sleep 1.2;
    drop('^\$-1\r\n\z');
    my $body = body();
    is(deliver($body), '200 verified', 'the answer to a claim is lost: asked again, it is its own');
    ok(dropped(), '... though the store had it');
    is(scalar(my @seen = records()), 1, '... the event is delivered, once');
    is(store()->{claims}{alone}, 0, '... and not without the store');
    ok((wait_until { "@{[values_of()]}" eq 'd' } 5), '... and settled');
    is(deliver($body), '200 duplicate', '... its repeat is known');
}
{
    ok(connected(), 'connected again');
    sleep 1.2;
    drop('^\+OK\r\n\z');
    is(deliver(body()), '200 verified', 'the answer to a settle is lost');
    ok((wait_until { dropped() && store()->{waiting} == 0 && connected() } 5), '... it is sent again');
    is_deeply([values_of()], ['d', 'd'], '... and nothing has changed by that');
    is(store()->{lost}, 0, '... nor is it lost');
}

# --- the end of a worker ------------------------------------------------------------------------------

sub old_worker_gone {
    my ($signal, $old) = @_;
    my $began = time;
    kill $signal => slurp(dir() . '/nginx.pid');
    return (wait_until { !kill 0, $old }) ? time - $began : undef;
}
{
    my ($old) = workers();
    my $took = old_worker_gone(HUP => $old);
    ok(defined $took, 'a reload: the old worker ends') and note sprintf 'after %.2f s', $took;
    ok((wait_until { (workers())[0] != $old } 5) && connected(), '... and there is a new one');
    unlike(error_log(), qr/open socket/, '... nothing is left behind');
}
{
    my $body = body();
    signal_store(STOP => 'main');
    is(deliver($body), '200 verified', 'a store that hangs: decided alone');
    is(store()->{waiting}, 1, '... the settle waits');
    my ($old) = workers();
    my $took = old_worker_gone(HUP => $old);
    ok(defined $took, '... a reload: the old worker does not wait for the store')
        and note sprintf 'after %.2f s', $took;
    unlike(error_log(), qr/open socket/, '... and leaves nothing behind');
    signal_store(CONT => 'main');
    ok(connected(), '... and the new one is connected when the store goes on');
    is(deliver($body), '200 duplicate', '... the zone of the machine knows the event');
    # its claim has reached the store after all, its settle has not
    ask('main', 'FLUSHALL');
}
{
    my $body = body();
    my @headers = ('X-Webhook-Signature' => sign(SECRET, $body));
    my $c = connection();
    send_bytes($c, request_bytes(path => '/wait/3', body => $body, headers => \@headers));
    ok((wait_until { grep { /^p/ } values_of() } 5), 'an event under way');
    kill QUIT => master_pid();
    is(read_response($c)->{status}, 200, '... is delivered, though nginx is to quit');
    close $c->{socket};
    ok(stop(), '... which it does in time');
    ok((wait_until { !grep { /^p/ } values_of() } 5), '... and settled');
    unlike(error_log(), qr/open socket|\[alert\]/, '... and nothing is left behind');
}

done_testing();
