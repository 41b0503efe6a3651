# The recipes of docs/routing.md do what they say, with the exact text of the page.

use strict;
use warnings;
use Digest::SHA qw(hmac_sha256_hex sha256_hex);
use FindBin qw($Bin);
use POSIX qw(_exit);
use Test::More;
use MspwhDocs;
use MspwhRecipes;
use MspwhTest;

my $name = 'X-Webhook-Signature';
read_recipes('docs/routing.md');

# A server that takes a request and closes the connection without an answer.
my $silent = 0;
sub silent_server {
    my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 8) or die "no port: $!";
    my $port = $socket->sockport;
    my $log = write_file('silent.log', '');
    my $parent = $$;
    $silent = fork // die "fork: $!";
    return $port if $silent;
    while (getppid() == $parent) {
        my $client = IO::Select->new($socket)->can_read(1) ? $socket->accept : next;
        IO::Select->new($client)->can_read(5);
        $client->sysread(my $bytes, 65536);
        open my $fh, '>>', $log;
        syswrite $fh, ($bytes =~ /^Idempotency-Key: (\S+)/m)[0] . "\n";
        close $client;
    }
    _exit(0);
}
sub silent_saw { open my $fh, '<', dir() . '/silent.log' or die; return map { s/\n//r } <$fh> }
END { kill KILL => $silent if $silent }

my ($a, $b) = ('127.0.0.1:8081', '127.0.0.1:8082');

begin('To upstreams');
for (['ticket.created', $a], ['ticket.note.added', $b], ['ticket.response.updated', $b],
    ['ticket.attachment.deleted', $a], ['ticket.merged', $a]) {
    arrives("to upstreams, $_->[0]", '/webhook', event($_->[0]), $_->[1], '/webhook');
}
is(deliver('/webhook', event('ticket.created') =~ s/"Value":"/$& . 'x' x 2_000_000/er), 200,
    'to upstreams: 2 MB pass');
seen();
refused('to upstreams, another secret', '/webhook', event('ticket.created'), 'another');
stop();

begin('To paths');
arrives('to paths, a note', '/webhook?a=b', event('ticket.note.added'), $a,
    '/events/note/added?ticket=48213');
arrives('to paths, a ticket', '/webhook', event('Ticket deleted'), $a, '/events/ticket/deleted?ticket=48213');
arrives('to paths, unknown', '/webhook', event('ticket.merged'), $a, '/events/ticket/unknown?ticket=48213');
stop();

begin('To different hosts');
for (['ticket.created', 'tickets.example.com'], ['ticket.note.added', 'notes.example.net'],
    ['ticket.response.added', 'notes.example.net'], ['ticket.attachment.added', 'files.example.org']) {
    my $header = arrives("to hosts, $_->[0]", '/webhook', event($_->[0]), $_->[1], '/hooks/mspmanager');
    is($header->{host}, MspwhDocs::backend($_->[1]), '... with its name as Host');
    is($header->{'x-webhook-signature'}, undef, '... without the signature');
}
stop();

begin('Tell the service what is known');
{
    my $body = event('Ticket note added');
    my $header = arrives('headers', '/webhook', $body, $a, '/webhook', undef, 'X-Ticket-Id' => 'forged');
    is_deeply([@$header{qw(x-event-type x-entity-id x-ticket-id idempotency-key)}],
        ['ticket.note.added', 90817, 48213, hmac_sha256_hex($body, secret_of('webhook.secret'))],
            'headers: type, ids, key');
}
stop();

begin('Tell it more from the body');
{
    my $body = event('ticket.created') =~ s/}\z/,"CustomerName":"Miller & Sons"}/r;
    my $header = arrives('more from the body, one site', '/webhook', $body, $b, '/webhook');
    is_deeply([@$header{qw(x-site x-customer)}], ['Warehouse 2', 'Miller & Sons'], '... in headers');
    $header = arrives('more from the body, another site', '/webhook', $body =~ s/Warehouse 2/Office/r, $a,
        '/webhook');
    is($header->{'x-site'}, 'Office', '... in headers');
    $header = arrives('more from the body, none', '/webhook', $body =~ s/"Name".*?}/}/r, $a, '/webhook');
    is($header->{'x-site'}, undef, '... no header');
}
stop();

begin('Drop some events');
arrives("accept, $_", '/webhook', event($_), $a, '/webhook') for 'Ticket created', 'ticket.note.deleted';
for ('ticket.deleted', 'ticket.response.added', 'ticket.merged') {
    is(deliver('/webhook', event($_)), 204, "accept, $_: 204");
    is(scalar(seen()), 0, '... arrives nowhere');
}
refused('accept, another secret', '/webhook', event('ticket.deleted'), 'another');
stop();

begin('Two webhooks, two secrets');
arrives('two webhooks, tickets', '/webhook/tickets', event('ticket.created'), $a, '/webhook/tickets',
    'tickets.secret');
arrives('two webhooks, notes', '/webhook/notes', event('ticket.note.added'), $b, '/webhook/notes',
    'notes.secret');
refused('two webhooks, the other secret', '/webhook/tickets', event('ticket.created'), 'notes.secret');
stop();

begin('Several tenants by host');
for (['acme', $a, 'globex'], ['globex', $b, 'acme']) {
    my ($tenant, $backend, $other) = @$_;
    my $body = event('ticket.created');
    for ([$tenant, 200, [$backend]], [$other, 401, []]) {
        my ($secret, $status, $where) = @$_;
        my $c = connection();
        send_bytes($c, request_bytes(path => '/webhook', body => $body,
            headers => [$name => sign(secret_of("$secret.secret"), $body)])
                =~ s/Host: localhost/Host: $tenant.hooks.example.com/r);
        is(read_response($c)->{status}, $status, "tenant $tenant, secret of $secret: $status");
        is_deeply([map { $_->{backend} } seen()], $where, '... at its own service, or nowhere');
    }
}
is(deliver('/webhook', event('ticket.created'), 'acme.secret'), 404, 'no tenant: refused');
is(scalar(seen()), 0, '... arrives nowhere');
stop();

begin('A canary');
{
    my %at;
    for my $ticket (1 .. 150) {
        deliver('/webhook', event($_, $ticket)) for 'ticket.created', 'ticket.note.added';
    }
    my @r = seen();
    is(scalar(@r), 300, 'canary: all arrive');
    $at{$_->{backend}}++ for @r;
    is($at{$a} % 2, 0, 'canary: tickets stay whole');
    my %where;
    # two events per ticket, one after the other
    $where{int($_ / 2)}{ $r[$_]{backend} } = 1 for 0 .. $#r;
    is(scalar(grep { keys %$_ > 1 } values %where), 0, 'canary: all of one ticket at one version');
    cmp_ok($at{$b} // 0, '>', 5, 'canary: some at the new one');
    cmp_ok($at{$b} // 0, '<', 75, 'canary: not too many');
}
stop();

{
    my $heading = 'Two backends, one standing in for the other';
    my $first = MspwhDocs::backend($a);
    my $dead = port('dead');
    my $mute = silent_server();
    my $body = event('ticket.created');
    my $key = hmac_sha256_hex($body, secret_of('webhook.secret'));

    begin($heading);
    arrives('two backends', '/webhook', $body, $a, '/webhook');
    stop();

    begin($heading, sub { $_[0] =~ s/\Q$first/127.0.0.1:$dead/r });
    arrives('two backends, none listens at the first', '/webhook', $body, $b, '/webhook');
    stop();

    begin($heading, sub { $_[0] =~ s/\Q$first/127.0.0.1:$mute/r });
    my $header = arrives('two backends, the first goes away', '/webhook', $body, $b, '/webhook');
    is_deeply([silent_saw(), $header->{'idempotency-key'}], [$key, $key],
        '... after both had it, under one key');
    stop();

    begin($heading, sub { $_[0] =~ s/\Q$first/127.0.0.1:$mute/r =~ s/ non_idempotent//r });
    is(deliver('/webhook', $body), 502, 'without non_idempotent, the first goes away: 502');
    is(scalar(seen()), 0, '... and the second does not get it');
    stop();

    begin($heading, sub { $_[0] =~ s/\Q$first/127.0.0.1:$dead/r =~ s/ non_idempotent//r });
    arrives('without non_idempotent, none listens at the first', '/webhook', $body, $b, '/webhook');
    stop();
}

begin('A copy to a second place');
{
    my $body = event('ticket.note.added');
    is(deliver('/webhook', $body), 200, 'copy: accepted');
    wait_until { records() >= 2 };
    ok(!(grep { $_->{backend} eq $b and exists $_->{header}{'x-webhook-signature'} } records()),
        'copy: without the signature');
    is_deeply([sort map { "$_->{backend} $_->{uri} $_->{sha256}" } seen()],
        [map { "$_ /webhook " . sha256_hex($body) } $a, $b], 'copy: arrives at both');
    refused('copy, another secret', '/webhook', $body, 'another');
}
stop();

begin('A copy that is not lost');
{
    my $body = event('ticket.note.added');
    my $spool = dir() . '/var/spool/mspwh-copy';
    is(deliver('/webhook', $body), 200, 'copy to a spool: accepted');
    ok(wait_until { () = glob "$spool/*.headers" }, '... it is there');
    is_deeply([map { $_->{backend} } seen()], [$a], '... and has arrived at the first service only');
    refused('copy to a spool, another secret', '/webhook', $body, 'another');
    my ($command) = page_text('docs/routing.md') =~ /^mspwh-redeliver (.*)$/m;
    my ($rc, $text) = run("$Bin/../bin/mspwh-redeliver", '--now', map { s{^/var}{dir() . '/var'}er }
        map { s/127\.0\.0\.1:(\d+)/'127.0.0.1:' . port($1)/er } split / /, $command);
    is($rc, 0, '... mspwh-redeliver delivers it') or diag $text;
    is_deeply([map { "$_->{backend} $_->{uri} $_->{sha256}" } seen()], ["$b /webhook " . sha256_hex($body)],
        '... to the second service');
}
stop();

begin('Two services for one type');
for (['ticket.created', [$a, $b]], ['ticket.note.added', [$a]], ['ticket.deleted', [$a, $b]]) {
    my ($type, $where) = @$_;
    my $body = event($type);
    is(deliver('/webhook', $body), 200, "two services, $type: accepted");
    wait_until { records() >= @$where };
    is_deeply([sort map { "$_->{backend} $_->{sha256}" } seen()], [map { "$_ " . sha256_hex($body) } @$where],
        '... arrives at ' . join ' and ', @$where);
}
refused('two services, another secret', '/webhook', event('ticket.created'), 'another');
stop();

SKIP: {
    my $heading = 'Choose the location by the event';
    needs(version => '1.31.5');
    begin($heading);
    arrives('early, a ticket', '/webhook', event('ticket.created'), $a, '/webhook');
    arrives('early, an attachment', '/webhook', event('ticket.attachment.added'), $b, '/attachment');
    refused('early, another secret', '/webhook', event('ticket.attachment.added'), 'another');
    is(request(method => 'GET', path => '/webhook')->{status}, 401, 'early: no body, no event');
    stop();
}

begin('Keep rejected requests');
{
    my $body = event('ticket.created');
    arrives('keep, a good one', '/webhook', $body, $a, '/webhook');
    my $header = arrives('keep, a forged one', '/webhook', $body, $b, '/webhook', 'another');
    is($header->{'x-verdict'}, 'bad_signature', '... with its verdict');
    is(post('/webhook', $body)->{status}, 200, 'keep, an unsigned one: answered by the keeper');
    is_deeply([map { [$_->{backend}, $_->{header}{'x-verdict'}, $_->{sha256}] } seen()],
        [[$b, 'no_signature', sha256_hex($body)]], '... which has its verdict and body');
    $header = arrives('keep, not an event', '/webhook', '{}', $b, '/webhook');
    is($header->{'x-verdict'}, 'malformed_payload', '... with its verdict');
}
stop();

# t/recipes_services.t runs the others.
my $early = 'Choose the location by the event';
my @others = page_text('t/recipes_services.t') =~ /\bbegin\('(.*?)'/g;
my %run = map { $_ => 1 } recipes_tested(), @others, $early;
is_deeply([grep { !$run{$_} } read_recipes()], [], 'every recipe of the page has been run');

done_testing();
