# bin/mspwh-redeliver keeps the events of a ticket in order, whatever fails, and goes on with other tickets.

use strict;
use warnings;
use Digest::SHA ();
use Test::More;
use Time::HiRes qw(sleep time);
use MspwhSpool;
use MspwhTest;

my $us = 'mspwh-redeliver';

# The backend of one type is down, or all are up.
sub conf {
    my $updated = shift;
    return <<"CONF";
map \$mspwh_event_type \$target {
    default         %%A%%;
    ticket.updated  $updated;
    lost            $updated;
}
server {
    listen 127.0.0.1:%%PORT%%;
    mspwh on;
    mspwh_secret '%%SECRET%%';
    location / { proxy_pass http://\$target; }
    location /slow { proxy_pass http://%%A%%/wait/0.2; }
}
CONF
}
my $down = '127.0.0.1:' . port('dead');
start_http(conf($down));
my $server = 'http://127.0.0.1:' . port();

my %id_of;
sub spooled_event {
    my ($dir, $type, $id, %o) = @_;
    my $body = ($o{ticket} // '') eq '-' ? qq({"eventType":"$type","entityId":$id}) : event($type, $id, %o);
    $id_of{ Digest::SHA::sha256_hex($body) } = $id;
    return spool($dir, $type, $id, $body, %o);
}
sub ids { return join ' ', map { $id_of{ $_->{sha256} } } seen() }
sub left { return join ' ', map { (split /,/)[3] } names($_[0]) }

# --- one ticket, another, and none

{
    my $dir = new_spool();
    spooled_event($dir, @$_) for ['ticket.created', 11, ticket => 1], ['ticket.updated', 12, ticket => 1],
        ['ticket.created', 21, ticket => 2], ['ticket.deleted', 13, ticket => 1],
        ['ticket.note.added', 22, ticket => 2], ['ticket.note.added', 14, ticket => 1],
        ['merged', 31, ticket => '-'], ['lost', 32, ticket => '-'],
        ['merged', 33, ticket => '-'], ['ticket.deleted', 41, ticket => 1, webhook => 'other'];
    my ($rc, $text) = redeliver($dir, $server);
    is(ids(), '11 21 22 31 33 41', 'what comes after an event that fails waits if it is of the same ticket');
    is(left($dir), '12 13 14 32', '... and is kept');
    like($text, qr/^$us: 6 sent, 2 kept, 0 quarantined, 2 not tried \(502: 2\)$/m, '... which is reported');
    is_deeply([map { -e "$dir/$_.state" ? 1 : 0 } names($dir)], [1, 0, 0, 1], '... without an attempt');

    is((redeliver('--quiet', $dir, $server))[0], 1, 'a second run at once');
    is(left($dir), '12 13 14 32', '... sends nothing: the first one is not due yet');
    is(ids(), '', '... and the others still wait for it');

    redeliver('--quiet', '--now', '--no-order', $dir, $server);
    is(ids(), '13 14', '--no-order: they do not');
    is(left($dir), '12 32', '... but go');
}

{
    my $dir = new_spool();
    spooled_event($dir, 'ticket.updated', 51);
    spooled_event($dir, 'ticket.created', $_) for 52 .. 54;
    redeliver('--quiet', $dir, $server);
    is(left($dir), '51 52 53 54', 'an event fails, and three wait for it');
    ok(reload(conf('%%A%%')), 'its backend is up again');
    redeliver('--quiet', '--now', $dir, $server);
    is(ids(), '51 52 53 54', '... and all are sent, in order');
    ok(reload(conf($down)), 'it is down again');
}

# An event in quarantine does not hold up others.
{
    my $dir = new_spool();
    spool($dir, 'ticket.created', 61, event('ticket.created', 61), secret => 'another');
    spooled_event($dir, 'ticket.created', 62);
    is((redeliver('--quiet', $dir, $server))[0], 1, 'an event is quarantined');
    is(ids(), '62', '... and the next one of its ticket is sent');

    spooled_event($dir, 'ticket.updated', 63);
    my $time = MspwhSpool::time_of(time - 8 * 86400);
    my $old = spooled_event($dir, 'ticket.updated', 60, time => $time);
    spooled_event($dir, 'ticket.created', 64);
    redeliver('--quiet', $dir, $server);
    is(left($dir), '63 64', 'one that is too old is quarantined, and the next one is tried, and kept');
    redeliver('--discard', $dir, (names($dir))[0]);
    redeliver('--quiet', '--now', $dir, $server);
    is(ids(), '64', 'once that is discarded, the one after it is sent');
}

# In parallel, but never two events of one ticket.
{
    my $dir = new_spool();
    spooled_event($dir, 'ticket.created', 100 + $_, ticket => $_ % 3, uri => '/slow') for 1 .. 12;
    my $began = time;
    is((redeliver('--quiet', '--jobs=8', $dir, $server))[0], 0, '--jobs 8, three tickets');
    cmp_ok(time - $began, '>', 0.79, '... no more than three at a time');
    my %of;
    push @{ $of{ ($_ - 100) % 3 } }, $_ for split / /, ids();
    is_deeply(\%of, { 1 => [101, 104, 107, 110], 2 => [102, 105, 108, 111], 0 => [103, 106, 109, 112] },
        '... each in order');
}

# A loop continues with a ticket as soon as the event that held it has been delivered.
{
    my $dir = new_spool();
    my $first = spooled_event($dir, 'ticket.updated', 71);
    spooled_event($dir, 'ticket.created', $_) for 72, 73;
    spooled_event($dir, 'ticket.created', 74, ticket => 5);
    my $loop = begin_process(qw(--loop=0.1 --retry-first=0.3 --retry-max=0.3), $dir, $server);
    ok((wait_until { left($dir) eq '71 72 73' } 60), '--loop: the other ticket goes on');
    ok((wait_until { (state_of($dir, $first)->{attempts} // 0) >= 3 } 60), '... the first event is tried');
    is(left($dir), '71 72 73', '... and those after it wait');
    ok(reload(conf('%%A%%')), 'its backend is up again');
    ok((wait_until { left($dir) eq '' } 60), '... all are delivered');
    is(ids(), '74 71 72 73', '... in order');
    is(end_process($loop, 'TERM'), 0, '... and the loop ends');
}

# An event that arrives while the directory is being read may be seen, and one before it may not: neither is
# sent.
{
    my $dir = new_spool();
    write_file('Meanwhile.pm', <<'PERL');
package Meanwhile;
BEGIN {
    *CORE::GLOBAL::opendir = sub (*$) {
        my $done = CORE::opendir($_[0], $_[1]);
        system $ENV{MEANWHILE} if $_[1] eq '.' and $ENV{MEANWHILE};
        return $done;
    };
}
1;
PERL
    my $name = spooled_event($dir, 'ticket.created', 81, time => MspwhSpool::time_of(time - 60));
    my $later = dir() . '/later';
    write_file('meanwhile', <<"SH", 0755);
#!/bin/sh
mkdir $later || exit 0
now=\$(date -u +%Y%m%dT%H%M%S.%6NZ)
for part in body headers; do cp $dir/$name.\$part $later; done
for part in body headers; do cp $later/$name.\$part $dir/\$now,default,ticket.created,82,48213,0a.\$part; done
SH
    local @ENV{qw(PERL5OPT MEANWHILE)} = ("-I${\dir()} -MMeanwhile", dir() . '/meanwhile');
    redeliver('--quiet', $dir, $server);
    delete @ENV{qw(PERL5OPT MEANWHILE)};
    is(ids(), '81', 'an event that came while the directory was read is not sent');
    is(left($dir), '82', '... but there');
    redeliver('--quiet', $dir, $server);
    is(left($dir), '', '... and sent by the next run');
    seen();
}

ok(stop(), 'nginx stops in time');

done_testing();
