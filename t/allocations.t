# The module, cJSON and OpenSSL allocate memory rarely while they check an event, and no more for a larger
# body.

use strict;
use warnings;
use Test::More;
use MspwhLedger;
use MspwhTest;
use MspwhFaults;

use constant LIMIT => 20;

build_faults(CLASS_SIZES);
start_with_faults(<<"CONF");
server {
    listen 127.0.0.1:%%PORT%%;
    client_body_buffer_size 128k;
    client_max_body_size 16m;
    mspwh on;
    mspwh_secret "%%SECRET%%";
    location / {
        proxy_set_header X-Event-Type \$mspwh_event_type;
        proxy_set_header X-Entity-Id \$mspwh_entity_id;
        proxy_pass http://127.0.0.1:@{[recorder_port()]};
    }
}
CONF

# Returns an event of so many bytes, which grows in different ways.
sub event {
    my ($size, $grown) = @_;
    my $head = '{"eventType":"ticket.note.added","entityId":12345,"ticketId":"T-1",'
        . '"ticketResponseTypeId":"Note",'
        . '"AdditionalFields":[';
    my $tail = '"}';
    my $n = $size - length($head) - length($tail) - length '],"Description":"';
    return $head . join(',', ('{"Name":"n","Value":"v"}') x ($n / 25)) . '],"Description":"' . $tail
        if $grown eq 'fields';
    return "$head],\"Description\":\"" . 'd' x $n . $tail;
}

# Returns the allocations while one request was answered, in order of size: [library, bytes]. The module's
# own calls go through faults.so.
sub asked_for {
    my $body = shift;
    reset_sites();
    arm(CLASS_SIZES, 0);
    my $r = signed('/', $body);
    my $done = post('/', '', 'X-None' => 1)->{status};
    disarm();
    is_deeply([$r->{status}, $done], [200, 401], length($body) . ' bytes: verified');
    return map { ([$_->{name}, $_->{offset}]) x $_->{calls} }
        sort { $a->{offset} <=> $b->{offset} or $a->{name} cmp $b->{name} }
        grep { $_->{name} =~ /^(?:faults|libcjson|libcrypto)\b/ } sites();
}

# Later requests use the first one's verifier; OpenSSL 3.5 then asks for no memory.
my @new = asked_for(event(1024, 'text'));
for my $library (qw(faults libcjson libcrypto)) {
    cmp_ok(scalar(grep { $_->[0] =~ /^$library/ } @new), '>', 0, "... it asks for memory through $library");
}
signed('/', event(1024, 'text')) for 1 .. 3;
my @first = asked_for(event(1024, 'text'));
cmp_ok(scalar @first, '<=', LIMIT, @first . ' calls for memory');
note join ' ', map { "$_->[0]:$_->[1]" } @first;

for my $size (16 * 1024, 100_000, 2_000_000) {
    for my $grown ('text', 'fields') {
        my @asked = asked_for(event($size, $grown));
        is_deeply(\@asked, \@first, "$size bytes, more $grown: the same calls");
    }
}

ok(stop(), 'nginx stops in time');

done_testing();
