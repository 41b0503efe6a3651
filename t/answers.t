# The module's own answers to verified events carry Mspwh-Verdict, and no other answer does.

use strict;
use warnings;
use Test::More;
use MspwhTest;
use MspwhEvents qw(event);

my $dead = port('dead');

start_http(<<"CONF");
mspwh_dedup_zone zone=events:1m;
server {
    listen 127.0.0.1:%%PORT%%;
    mspwh on;
    mspwh_secret "%%SECRET%%";
    error_page 410 = \@gone;

    location / { proxy_pass http://%%A%%; }
    location /notes { mspwh_accept ticket.note.*; proxy_pass http://%%A%%; }
    location /once { mspwh_dedup zone=events; proxy_pass http://%%A%%; }
    location /busy { mspwh_dedup zone=events; proxy_pass http://%%A%%/wait/2; }
    location /excused { mspwh_dedup zone=events; error_page 409 = \@excuse; proxy_pass http://%%A%%; }
    location /page { mspwh_dedup zone=events; error_page 409 /page.html; proxy_pass http://%%A%%; }
    location = /page.html { mspwh off; internal; }
    location /spool { mspwh_spool spool; }
    location /down { error_page 502 = \@spool; proxy_pass http://127.0.0.1:$dead; }
    location /monitor { mspwh monitor; mspwh_dedup zone=events; mspwh_spool spool; }
    location \@spool { mspwh_spool spool; }
    location \@excuse { mspwh off; return 200 wait; }
}
CONF
write_file('html/page.html', 'a page', 0644);

sub verdict { my $r = shift; return [$r->{status}, $r->{header}{'mspwh-verdict'}] }
sub sent {
    my ($path, $body) = @_;
    return verdict(post($path, $body, 'X-Webhook-Signature' => sign(SECRET, $body)));
}

my $body = event('ticket.created');
is_deeply(sent('/', $body), [200, undef], 'of the backend: none');
is_deeply(sent('/notes', $body), [204, 'not_accepted'], 'not accepted');
is_deeply(sent('/once', $body), [200, undef], 'delivered: none');
is_deeply(sent('/once', $body), [200, 'duplicate'], 'a repeat');
is_deeply(sent('/spool', $body), [202, 'verified'], 'spooled');
is_deeply(sent('/down', $body), [202, 'verified'], 'spooled as the backend is down');
is_deeply(sent('/monitor', $body), [202, 'verified'], 'a repeat that monitor mode lets through, spooled');
is_deeply(verdict(post('/once', $body)), [401, undef], 'rejected: none');
is_deeply(sent('/spool', '{}'), [400, undef], 'malformed: none');

my $busy = event('ticket.updated');
my $c = connection();
send_bytes($c, request_bytes(method => 'POST', path => '/busy', body => $busy,
    headers => ['X-Webhook-Signature' => sign(SECRET, $busy)]));
wait_until { grep { $_->{uri} =~ /wait/ } records() };
is_deeply(sent('/busy', $busy), [409, 'in_flight'], 'a repeat of one in flight');
is_deeply(sent('/excused', $busy), [200, undef], '... answered otherwise by an error page: none');
is_deeply(sent('/page', $busy), [409, 'in_flight'], '... with a page of its own');
is(read_response($c)->{status}, 200, 'the one in flight arrives');

ok(stop(), 'nginx stops in time');
done_testing();
