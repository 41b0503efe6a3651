# The secret is changed as docs/rotation.md says while events arrive: none is lost, no forged one passes, and
# the old secret is worthless afterwards.

use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use JSON::PP;
use POSIX qw(_exit);
use Test::More;
use Time::HiRes qw(sleep time);
use MspwhDocs;
use MspwhTest;

my $format = (grep { $_->{text} =~ /^log_format mspwh / } blocks('docs/logging.md'))[0]{text}
    =~ /^(log_format.*?;)$/ms ? $1 : die;
my @step = map { recipe('docs/rotation.md', $_) } '1. Before', '2. Add the new secret',
    '5. Remove the old secret';
my @conf = map { ready("$format\nserver {\nlisten 8080;\naccess_log access.log mspwh;\n"
    . "location = /status { mspwh_status json; }\n$_}\n") } @step;
my ($old, $new) = map { secret_of("$_.secret") } 2026, 2027;

start_http($conf[0]);

# The senders' secret, which they read before each event.
sub use_secret { rename write_file('secret.new', $_[0]), dir() . '/secret.now' or die $! }
sub secret_now { open my $fh, '<', dir() . '/secret.now' or die; return scalar <$fh> }

sub body {
    my $description = 'n' x ($_[0] % 3 * 20_000);
    qq({"eventType":"ticket.note.added","entityId":$_[0],"TicketId":7,"Description":"$description"});
}

use_secret($old);
my $stop = dir() . '/stop';
my @senders;
for my $n (1 .. 3) {
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        my @sent;
        my $id = $n * 1_000_000;
        my $until = time + 60;
        while (!-e $stop and time < $until) {
            my $body = body(++$id);
            my $forged = $id % 4 == 0;
            my $status = eval {
                post('/webhook', $body,
                    'X-Webhook-Signature' => sign($forged ? 'forged' : secret_now(), $body))->{status};
            } // $@;
            push @sent, join ' ', $id, $forged ? 'forged' : 'true', $status, sha256_hex($body);
            sleep 0.005;
        }
        write_file("sent$n", join '', map { "$_\n" } @sent);
        _exit(0);
    }
    push @senders, $pid;
}

sub lines {
    my ($name, $pattern) = @_;
    open my $fh, '<', dir() . "/$name" or return;
    return grep { /$pattern/ } <$fh>;
}
sub counted {
    my ($key, $least) = @_;
    return wait_until { lines('access.log', qr/ 200 .*\bkey=$key /) >= $least };
}

sub settle {
    my %was = map { $_ => 1 } @_;
    return wait_until { !grep { $was{$_} } workers() };
}

my $body = body(1);
my @forged = ('X-Webhook-Signature' => sign('forged', $body));
sub status {
    my $secret = shift;
    return post('/webhook', $body, 'X-Webhook-Signature' => sign($secret, $body))->{status};
}

ok(counted(2026, 20), '1: events are verified under the old secret');
is(status($new), 401, '1: the new secret is not known yet');

my @before = workers();
ok(reload($conf[1]), '2: reload with both secrets');
ok(settle(@before), '2: the old workers go');
is(status($new), 200, '2: the new secret passes before the sender has it');
is(status($old), 200, '2: the old one too');
is(status('forged'), 401, '2: a forged event does not');

use_secret($new);
ok(counted(2027, 30), '3, 4: events are verified under the new secret');
# before the old secret is removed, no event signed with it may be in progress
my $seen = lines('access.log', qr/key=2026 /);
sleep 0.5;
is(scalar(lines('access.log', qr/key=2026 /)), $seen, '4: none is under the old one any more');

my $status = decode_json(request(path => '/status', method => 'GET')->{body});
my $text = JSON::PP->new->canonical->encode($status);
like($text, qr/2026/, '4: mspwh_status has the old key');
like($text, qr/2027/, '4: and the new one');

@before = workers();
ok(reload($conf[2]), '5: reload without the old secret');
ok(settle(@before), '5: the old workers go');
is(status($old), 401, '5: the old secret is refused');
is(status($new), 200, '5: the new one passes');
my $more = lines('access.log', qr/key=2027 /) + 20;
ok(counted(2027, $more), '5: events go on');

write_file('stop', '');
waitpid $_, 0 for @senders;

my (%wrong, %true, %forged);
for my $n (1 .. 3) {
    for (lines("sent$n", qr/./)) {
        my ($id, $kind, $answer, $sha256) = split;
        ($kind eq 'true' ? \%true : \%forged)->{$sha256} = 1;
        $wrong{"$kind: $answer"}++ if $answer ne ($kind eq 'true' ? 200 : 401);
    }
}
my %arrived;
$arrived{ $_->{sha256} }++ for records();
cmp_ok(scalar(keys %true), '>', 100, scalar(keys %true) . ' events were sent meanwhile');
cmp_ok(scalar(keys %forged), '>', 30, 'and ' . scalar(keys %forged) . ' forged ones');
is_deeply(\%wrong, {}, 'each got the right answer');
is(scalar(grep { !$arrived{$_} } keys %true), 0, 'none is lost');
is(scalar(grep { $arrived{$_} > 1 } grep { $arrived{$_} } keys %true), 0, 'none arrives twice');
is(scalar(grep { $arrived{$_} } keys %forged), 0, 'no forged one arrives');

ok(stop(), 'nginx stops in time');
unlike(error_log(), qr/\[(alert|crit|emerg)\]/, 'nothing alarming in the log');

done_testing();
