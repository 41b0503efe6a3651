# mspwh_spool in a location that the main request does not wait for: every copy is complete, even though
# nginx may be done with the body's file while it is being written.

use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use Test::More;
use Time::HiRes qw(sleep time);
use MspwhTest;

my $name = 'X-Webhook-Signature';
my $events = 400;

# A backend that answers at once: the request ends while the copy is being written.
my $conf = <<'CONF';
server {
    listen 127.0.0.1:%%PORT%%;
    mspwh on;
    mspwh_secret "%%SECRET%%";
    client_body_buffer_size 1k;
    location /mirror { mirror /archive; mirror_request_body off; proxy_pass http://%%BACKEND%%; }
    location /both { mirror /archive; mirror /second; proxy_pass http://%%BACKEND%%; }
    location /late { mirror /slow; mirror_request_body off; proxy_pass http://%%BACKEND%%; }
    location /post { post_action /archive; proxy_pass http://%%BACKEND%%; }
    location = /archive { internal; mspwh_spool archive; }
    location = /second { internal; mspwh_spool second; }
    location = /slow { internal; auth_request /wait; mspwh_spool archive; }
    location = /wait { internal; mspwh off; proxy_pass http://%%A%%/wait/0.3; }
}
server {
    listen %%BACKEND%%;
    client_max_body_size 64m;
    location / { return 200 ok; }
}
CONF
start_http($conf =~ s/%%BACKEND%%/127.0.0.1:%%PORT_backend%%/gr);

sub spooled {
    my $dir = shift;
    return sort map { sha256_hex(slurp($_ =~ s/\.headers$/.body/r)) } glob dir() . "/$dir/*.headers";
}

# The copies are written after the answer.
sub settled {
    my ($dir, $n) = @_;
    my $until = time + 20;
    sleep 0.05 while (() = glob dir() . "/$dir/*.headers") < $n and time < $until;
    my @found = spooled($dir);
    unlink glob dir() . "/$dir/*";
    return \@found;
}

sub event { return qq({"eventType":"ticket.created","entityId":$_[0],"Details":"@{['x' x $_[1]]}"}) }

for (['/mirror', $events], ['/both', 50], ['/post', 100], ['/late', 6]) {
    my ($path, $n) = @$_;
    SKIP: {
        needs(conf => 'auth_request /wait') if $path eq '/late';
        needs(post_action => 1) if $path eq '/post';
        my (@sha, %status);
        my $c = connection();
        for my $id (1 .. $n) {
            my $body = event($id, $id % 4 ? 20_000 : 100);
            push @sha, sha256_hex($body);
            my $r = request(connection => $c, path => $path, body => $body,
                headers => [$name => sign(SECRET, $body)]);
            $status{ $r->{status} }++;
            $c = connection() if ($r->{header}{connection} // 'close') eq 'close';
        }
        is_deeply(\%status, { 200 => $n }, "$path: $n events are answered");
        is_deeply(settled('archive', $n), [sort @sha], '... and each is in the archive, whole');
        is_deeply(settled('second', $n), [sort @sha], '... and in the second') if $path eq '/both';
    }
}
is_deeply([grep { /not spooled/ } split /\n/, error_log()], [], 'nothing has failed');
{
    my @temp = grep { -f } glob dir() . '/client_body/*';
    is_deeply(\@temp, [], 'no file of a body is left');
}
ok(stop(), 'nginx stops in time');

done_testing();
