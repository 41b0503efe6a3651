# The README's configuration works as it stands in Debian's layout, and its commands do what it says.

use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use FindBin qw($Bin);
use Test::More;
use MspwhDebian;
use MspwhDocs;
use MspwhFleet;
use MspwhTest;

my $readme = page_text('README.md');
my @commands = map { split /\n/ } $readme =~ /^```sh\n(.*?)^```/msg;
my $dir = in('debian', '');

# Runs the README's command that starts like this, with the scripts of this tree and the ports of this test.
sub command {
    my ($begin, %o) = @_;
    my @found = grep { /^\(?\Q$begin\E/ } @commands;
    is(scalar(@found), $o{of} // 1, "README.md: $begin") or return;
    my $line = instance_text('debian', $found[$o{n} // 0] =~ s{ /tmp/}{ }r);
    $line =~ s/127\.0\.0\.1:8080/at('webhook')/e;
    my ($rc, $text) = run('sh', '-c', "cd $dir && " . $line =~ s{^(mspwh-\w+)}{$Bin/../bin/$1}r);
    return ($rc, $text);
}

my ($site) = map { $_->{text} } grep { $_->{heading} eq 'Use it' } blocks('README.md');
my %port = (8081 => 'tickets', 8082 => 'notes');

begin_debian('debian', 'webhook');
is((command('umask 077; openssl'))[0], 0, '... makes a secret');
like(slurp("${dir}etc/nginx/webhook.secret"), qr/\A[0-9a-f]{64}\n\z/, '... in the file');
is((stat "${dir}etc/nginx/webhook.secret")[2] & 0777, 0600, '... for its owner only');

# The services do not run yet.
sub configure {
    my ($tickets, $notes) = @_;
    etc('debian', 'sites-enabled/webhook', replaced($site, 'listen 8080' => 'listen ' . at('webhook'),
        'listen 127.0.0.1:8090' => 'listen ' . at('redelivery'), '127.0.0.1:8081' => $tickets,
        '127.0.0.1:8082' => $notes));
}
configure(at('nobody'), at('nobody'));
is_deeply([checked('debian')], [0, ''], 'nginx -t is silent');
start_instance('debian');

my ($rc, $text) = command('mspwh-send --secret-file', of => 2);
is($rc, 0, 'a signed event') or diag $text;
like($text, qr/^ticket\.created, \d+ bytes: 202 /, '... 202: it waits on disk');
($rc, $text) = command('mspwh-send --forge');
is($rc, 0, 'a forged event') or diag $text;
like($text, qr/: 401 /, '... 401');
is((command('echo'))[0], 0, 'an event of one\'s own');
($rc, $text) = command('mspwh-send --secret-file', of => 2, n => 1);
like($text, qr/^event\.json, \d+ bytes: 202 .*no service has it yet: it is on disk/s,
    '... 202, and what that is');
($rc, $text) = command('curl -s');
is_deeply([$text =~ /^"number":\d+,.*"verdict":"(\w+)",.*"status":(\d+),/mg],
    [verified => 202, bad_signature => 401, verified => 202], '... and each delivery has a line');

# Now they do.
configure("127.0.0.1:" . MspwhTest::backend_port('A'), "127.0.0.1:" . MspwhTest::backend_port('B'));
ok(reload_instance('debian'), 'nginx is reloaded');
my ($url) = page_text('systemd/mspwh-redeliver.service') =~ /^Environment=URL=(.*)/m;
my ($spool) = page_text('systemd/mspwh-redeliver.service') =~ /^Environment=SPOOL=(.*)/m;
($rc, $text) = run("$Bin/../bin/mspwh-redeliver", '--now', $dir . substr($spool, 1),
    replaced($url, '127.0.0.1:8090' => at('redelivery')));
is($rc, 0, 'what mspwh-redeliver.service runs, delivers it') or diag $text;
is_deeply([sort map { $_->{backend} } records()], ['A', 'B'], '... to the services of tickets and of notes');
clear_records();

my $secret = slurp("${dir}etc/nginx/webhook.secret") =~ s/\n//r;
for (['ticket.updated', 'A'], ['ticket.note.added', 'B'], ['ticket.response.added', 'B'],
    ['ticket.attachment.added', 'A']) {
    my ($type, $backend) = @$_;
    my $body = qq({"eventType":"$type","entityId":7,"TicketId":7,"Details":") . 'x' x 2_000_000 . '"}';
    my @signed = (path => '/webhook', port => 'webhook', body => $body,
        headers => ['X-Webhook-Signature' => sign($secret, $body)]);
    is(request(@signed)->{status}, 200, "$type of 2 MB: 200");
    is(request(@signed)->{status}, 200, '... again: 200');
    is_deeply([map { [$_->{backend}, $_->{sha256}] } records()], [[$backend, sha256_hex($body)]],
        '... arrives once, at the right service');
    clear_records();
}
($rc, $text) = command('mspwh-send --secret-file', of => 2, n => 1);
like($text, qr/: 200 .*a repeat of an event that was taken before/s, 'the same event again: a repeat');
($rc, $text) = run("$Bin/../bin/mspwh-send", '--secret-file', "${dir}etc/nginx/webhook.secret", '--repeat', 2,
    '--event', 'ticket.deleted', 'http://' . at('webhook') . '/webhook');
like($text, qr/\A.*: 200 .*\n(?!mspwh-send:)(?s:.*): 200 .*\n.*a repeat/,
    'a repeat of --repeat is named, too');
ok(quit_instance('debian'), 'nginx ends');

done_testing();
