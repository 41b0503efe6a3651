# The values read from a signed body, and the bodies that are not usable events.

use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use Encode qw(encode);
use Test::More;
use MspwhTest;

start(<<'CONF');
    mspwh on;
    mspwh_secret "%%SECRET%%";
    location / {
        proxy_set_header X-Event-Type $mspwh_event_type;
        proxy_set_header X-Event-Raw $mspwh_event_type_raw;
        proxy_set_header X-Entity-Id $mspwh_entity_id;
        proxy_pass http://%%A%%;
    }
    location /pass { mspwh_malformed pass; proxy_pass http://%%A%%; }
    location /pointer {
        mspwh_field event_type /data/Type /Type;
        mspwh_field entity_id /list/1/id /a~1b/m~0n;
        proxy_pass http://%%A%%;
    }
    location /set { mspwh_set $value /AdditionalFields/0/Value; proxy_pass http://%%A%%; }
CONF

# Returns the body of an event of a known group, as the vendor documents it.
sub event {
    my ($type, %change) = @_;
    my $group = $type =~ /(note|response|attachment)/i ? lc $1 : 'ticket';
    my %member = (
        eventType => qq("$type"), entityId => $group eq 'ticket' ? 7 : 91, TicketId => 7,
        AdditionalFields => '[]',
    );
    $member{Details} = '"text"' if $group eq 'ticket';
    $member{Description} = '"text"' if $group eq 'note' || $group eq 'response';
    $member{$_} = $change{$_} for keys %change;
    return '{' . join(',', map { qq("$_":$member{$_}) } grep { defined $member{$_} } sort keys %member) . '}';
}

sub shown {
    my $h = shift->{header};
    return map { $h->{"x-$_"} // '' } @_;
}

my %spelling = (
    'ticket.created' => ['ticket', 'created', 'Ticket created', 'TicketCreated', 'ticket_created',
        'TICKET_CREATED', 'ticketcreated', 'ticket-created', 'ticket.created', 'ticketCreated'],
    'ticket.updated' => ['ticket', 'updated', 'Ticket updated', 'TicketUpdated', 'ticket_updated',
        'TICKET_UPDATED', 'ticketupdated', 'ticket:updated'],
    'ticket.deleted' => ['ticket', 'deleted', 'Ticket deleted', 'TicketDeleted', 'ticket_deleted',
        'TICKET-DELETED', 'ticketdeleted', 'ticket/deleted'],
    'ticket.note.added' => ['note', 'added', 'Ticket note added', 'TicketNoteAdded', 'ticket_note.added',
        'NOTE_ADDED', 'ticketnoteadded', 'NoteAdded', 'note.added', 'TICKET NOTE ADDED'],
    'ticket.note.updated' => ['note', 'updated', 'Ticket note updated', 'TicketNoteUpdated',
        'ticket_note_updated', 'NOTE_UPDATED', 'ticketnoteupdated'],
    'ticket.note.deleted' => ['note', 'deleted', 'Ticket note deleted', 'TicketNoteDeleted',
        'ticket.note.deleted', 'NOTE_DELETED', 'ticketnotedeleted'],
    'ticket.response.added' => ['response', 'added', 'Ticket response added', 'TicketResponseAdded',
        'ticket-response-added', 'RESPONSE_ADDED', 'ticketresponseadded'],
    'ticket.response.updated' => ['response', 'updated', 'Ticket response updated', 'TicketResponseUpdated',
        'ticketResponse_updated', 'RESPONSE_UPDATED', 'ticketresponseupdated'],
    'ticket.response.deleted' => ['response', 'deleted', 'Ticket response deleted', 'TicketResponseDeleted',
        'ticket response.deleted', 'RESPONSE_DELETED', 'ticketresponsedeleted'],
    'ticket.attachment.added' => ['attachment', 'added', 'Ticket attachment added', 'TicketAttachmentAdded',
        'ticket_attachment.added', 'ATTACHMENT_ADDED', 'ticketattachmentadded'],
    'ticket.attachment.deleted' => ['attachment', 'deleted', 'Ticket attachment deleted',
        'TicketAttachmentDeleted', 'ticket__attachment__deleted', 'ATTACHMENT_DELETED',
            'ticketattachmentdeleted'],
);
is(scalar(keys %spelling), 11, 'eleven event types');
for my $type (sort keys %spelling) {
    my ($entity, $action, @words) = @{ $spelling{$type} };
    for my $word (@words) {
        my $r = signed('/', event($word));
        is_deeply([$r->{status}, shown($r, qw(type entity action tid anomaly))],
            [200, $type, $entity, $action, 7, ''], "\"$word\" is $type");
        is($r->{header}{'x-raw'}, $word =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ger,
            "\"$word\" as sent, percent-encoded");
    }
}

# [what, body, eid, tid]
my @ids = (
    ['19 digits', event('ticket.created', entityId => '9223372036854775807', TicketId => undef),
        '9223372036854775807', '9223372036854775807'],
    ['40 digits', event('ticket.created', entityId => '1' x 40, TicketId => undef), '1' x 40, '1' x 40],
    ['string', event('note.added', entityId => '"N-1._~:z"', TicketId => '"0042"'), 'N-1._~:z', '0042'],
    ['guid', event('note.added', entityId => '"3f2504e0-4f89-11d3-9a0c-0305e82c3301"'),
        '3f2504e0-4f89-11d3-9a0c-0305e82c3301', '7'],
    ['128 characters', event('note.added', entityId => '"' . 'a' x 128 . '"'), 'a' x 128, '7'],
    ['escaped characters', event('note.added', entityId => '"\u0041\u002d1"'), 'A-1', '7'],
    ['zero', event('note.added', entityId => '0'), '0', '7'],
    ['ticket id null is absent', event('ticket.created', TicketId => 'null'), '7', '7'],
    ['nested', '{"data":{"Event_Type":"note added","x":{"ENTITY-ID":5}},"y":{"ticket_id":6},"Description":"",'
        . '"AdditionalFields":[]}', '5', '6'],
    ['shallowest wins',
        '{"a":{"entityId":1},"entityId":2,"TicketId":3,"eventType":"note added","z":{"TicketId":4,'
            . '"eventType":"x"}}', '2', '3'],
    ['arrays are not entered',
        '{"AdditionalFields":[{"entityId":1,"eventType":"x"}],"q":{"entityId":2,"TicketId":3,'
            . '"eventType":"note added"}}', '2', '3'],
    ['same value twice at one depth',
        '{"a":{"entityId":2},"b":{"entityId":2},"TicketId":3,"eventType":"note added"}', '2', '3'],
    ['event instead of eventType', '{"event":"note added","entityId":2,"TicketId":3}', '2', '3'],
    ['eventType before event', '{"event":{"eventType":"note added"},"entityId":2,"TicketId":3}', '2', '3'],
    ['blanks and line ends',
        "\r\n\t {\n\"eventType\" : \"note added\" ,\r\n \"entityId\":2 , \"TicketId\":3 }\n ", '2', '3'],
    ['escaped member name', '{"\u0065ventType":"note added","entity\u0049d":2,"TicketId":3}', '2', '3'],
);
for (@ids) {
    my ($what, $body, $eid, $tid) = @$_;
    my $r = signed('/', $body);
    is_deeply([$r->{status}, shown($r, qw(eid tid))], [200, $eid, $tid], "ids: $what");
}

# [what, body, canonical type, entity, action]
my @unknown = (
    ['Ticket merged', 'ticket.merged', 'ticket', 'unknown'],
    ['TicketNoteArchived', 'ticket.note.archived', 'note', 'unknown'],
    ['Invoice created', 'invoice.created', 'unknown', 'created'],
    ['ticket.attachment.updated', 'ticket.attachment.updated', 'attachment', 'updated'],
);
for (@unknown) {
    my ($type, $canonical) = @$_;
    my $r = signed('/', qq({"eventType":"$type"}));
    is_deeply([$r->{status}, shown($r, qw(verdict type anomaly))],
        [200, 'verified', $canonical, 'unknown_event_type'],
        "unknown type \"$type\" passes");
}
my $r = signed('/', '{"eventType":"Invoice sent","entityId":5}');
is_deeply([shown($r, qw(entity action eid))], ['unknown', 'unknown', '5'], 'unknown entity and action');

$r = signed('/', event('ticket.created', eventType => '7'));
is_deeply([$r->{status}, shown($r, qw(verdict type raw))], [200, 'verified', '7', '7'],
    'a number is an unknown type');

# such a type needs the most memory for its texts
$r = signed('/', event("\xe2\x98\x83"));
is_deeply([$r->{status}, shown($r, qw(type raw anomaly))],
    [200, '%e2%98%83', '%E2%98%83', 'unknown_event_type'],
    'a type of nothing but bytes to encode');

my @anomalies = (
    ['ticket_id_mismatch', event('ticket.created', TicketId => 8)],
    ['', event('ticket.created', TicketId => '"7"')],
    ['', event('ticket.created', TicketId => undef)],
    ['response_type_mismatch', event('response.added', TicketResponseTypeId => '"Note"')],
    ['response_type_mismatch', event('response.updated', TicketResponseTypeId => '"nOTE"')],
    ['response_type_mismatch', event('note.added', TicketResponseTypeId => '"email"')],
    ['', event('note.added', TicketResponseTypeId => '"NOTE"')],
    ['', event('response.added', TicketResponseTypeId => '"Email"')],
    ['', event('note.added', TicketResponseTypeId => '"Phone"')],
    ['', event('note.added', TicketResponseTypeId => '3')],
    ['missing_details', event('ticket.updated', Details => undef)],
    ['unexpected_details', event('note.added', Details => '"x"')],
    ['unexpected_details', event('attachment.added', Details => '"x"')],
    ['missing_description', event('note.added', Description => undef)],
    ['missing_description', event('response.deleted', Description => undef)],
    ['unexpected_description', event('ticket.created', Description => '"x"')],
    ['unexpected_description', event('attachment.added', Description => '"x"')],
    ['missing_additional_fields', event('attachment.deleted', AdditionalFields => undef)],
    ['ticket_id_mismatch,missing_details,unexpected_description,missing_additional_fields',
        event('ticket.created', TicketId => 8, Details => undef, Description => '""',
            AdditionalFields => undef)],
    ['response_type_mismatch,unexpected_details,missing_description,missing_additional_fields',
        event('note.added', TicketResponseTypeId => '"Email"', Details => '"x"', Description => undef,
            AdditionalFields => undef)],
    ['unknown_event_type',
        event('Ticket merged', TicketId => 8, Details => undef, AdditionalFields => undef)],
);
for (@anomalies) {
    my ($anomaly, $body) = @$_;
    my $r = signed('/', $body);
    is_deeply([$r->{status}, shown($r, 'anomaly')], [200, $anomaly],
        'anomaly "' . $anomaly . '": ' . substr $body, 0, 70);
}

clear_records();
my $deep = 100_000;
my @malformed = (
    ['0 bytes', ''],
    ['blanks only', " \n"],
    ['not JSON', 'event=ticket.created'],
    ['array', '[{"eventType":"ticket.merged"}]'],
    ['string', '"ticket.created"'],
    ['null', 'null'],
    ['empty object', '{}'],
    ['no event type', event('ticket.created', eventType => undef)],
    ['event type null', event('ticket.created', eventType => 'null')],
    ['event type object', event('ticket.created', eventType => '{}')],
    ['event type empty', event('')],
    ['event type without a word', event(' .-_')],
    ['cut off', substr event('ticket.created'), 0, -1],
    ['bytes after', event('ticket.created') . 'x'],
    ['two values', event('ticket.created') x 2],
    ['trailing comma', '{"eventType":"x",}'],
    ['single quotes', "{'eventType':'x'}"],
    ['comment', '{"eventType":"x"/**/}'],
    ['bare control character', "{\"eventType\":\"x\",\"a\":\"\x01\"}"],
    ['bad escape', '{"eventType":"x","a":"\x"}'],
    ['leading zero', '{"eventType":"x","a":01}'],
    ['NaN', '{"eventType":"x","a":NaN}'],
    ['two byte order marks', "\xef\xbb\xbf" x 2 . event('ticket.created')],
    ['half a byte order mark', "\xef\xbb" . event('ticket.created')],
    ['a byte order mark alone', "\xef\xbb\xbf"],
    ['a byte order mark at the end', event('ticket.created') . "\xef\xbb\xbf"],
    (map { [$_, encode($_, event('ticket.created'))] } qw(UTF-16 UTF-16LE UTF-16BE)),
    ['invalid UTF-8', "{\"eventType\":\"x\",\"a\":\"\xff\"}"],
    ['overlong UTF-8', "{\"eventType\":\"x\",\"a\":\"\xc0\x80\"}"],
    ['NUL after', event('ticket.created') . "\0"],
    ['unclosed inside an array', '{"eventType":"x","a":[1,2}'],
    ['bad JSON in a skipped array', '{"eventType":"x","AdditionalFields":[{"a":tru}]}'],
    ['deep nesting', '{"eventType":"x","a":' . '[' x $deep . ']' x $deep . '}'],
    ['deep nesting of objects', '{"eventType":"x","a":' . '{"a":' x $deep . '1' . '}' x $deep . '}'],
    ['ticket without entityId', event('ticket.created', entityId => undef)],
    ['note without TicketId', event('note.added', TicketId => undef)],
    ['attachment with TicketId null', event('attachment.added', TicketId => 'null')],
    ['response without entityId', event('response.added', entityId => undef)],
    ['id fraction', event('ticket.created', entityId => '1.5')],
    ['id exponent', event('ticket.created', entityId => '1e5')],
    ['id negative', event('ticket.created', entityId => '-1')],
    ['id boolean', event('ticket.created', entityId => 'true')],
    ['id object', event('ticket.created', entityId => '{}')],
    ['id array', event('ticket.created', entityId => '[1]')],
    ['id empty', event('note.added', entityId => '""')],
    ['id of 129 characters', event('note.added', entityId => '"' . 'a' x 129 . '"')],
    ['id of 129 digits', event('note.added', entityId => '1' x 129)],
    ['id with a slash', event('note.added', entityId => '"../7"')],
    ['id starts with a dot', event('note.added', entityId => '".7"')],
    ['id with a blank', event('note.added', entityId => '"7 8"')],
    ['id with CR LF', event('note.added', entityId => '"7\r\nX: y"')],
    ['id with escaped NUL', event('note.added', entityId => '"7\u0000"')],
    ['id with a letter beyond ASCII', event('note.added', TicketId => '"7\u00e4"')],
    ['shallowest is an object', '{"entityId":{"entityId":5},"TicketId":3,"eventType":"note added"}'],
    ['two ids at one depth', '{"a":{"entityId":1},"b":{"entityId":2},"TicketId":3,"eventType":"note added"}'],
    ['id twice in one object', '{"entityId":1,"entityId":2,"TicketId":3,"eventType":"note added"}'],
    ['id twice in two spellings', '{"entityId":1,"entity_id":2,"TicketId":3,"eventType":"note added"}'],
    ['two event types', '{"eventType":"note added","EventType":"note deleted","entityId":1,"TicketId":3}'],
);
for (@malformed) {
    my ($what, $body) = @$_;
    my $at = length error_log();
    my $r = signed('/', $body);
    is_deeply([$r->{status}, shown($r, qw(verdict type raw eid tid))],
        [400, 'malformed_payload', '', '', '', ''],
        "malformed: $what");
    my @lines = log_matches(qr/malformed_payload/, $at);
    is(scalar(@lines), 1, "malformed: $what: one log line");
    my $bytes = length $body;
    like($lines[0] // '', qr/\[error\].*\b$bytes\b/, "malformed: $what: error, size");
}
is(scalar(records()), 0, 'backend saw none of the malformed');

for (@malformed) {
    my ($what, $body) = @$_;
    my $r = signed('/pass', $body);
    is_deeply([$r->{status}, shown($r, qw(type raw entity action eid tid))], [200, ('') x 6],
        "mspwh_malformed pass: $what");
}
is(scalar(records()), scalar(@malformed), 'mspwh_malformed pass: all forwarded');
is(post('/pass', '{}', 'X-Webhook-Signature' => sign('x', '{}'))->{status}, 401,
    'mspwh_malformed pass: unsigned is still refused');

my $c = connection();
my $bad = '{}';
for my $status (400, 200, 400, 200) {
    my $body = $status == 400 ? '{}' : event('ticket.created');
    my $r = request(connection => $c, path => '/', body => $body,
        headers => ['X-Webhook-Signature' => sign(SECRET, $body)]);
    is($r->{status}, $status, "connection stays usable around a 400: $status");
}

my @pointers = (
    ['first pointer', '{"data":{"Type":"ticket created"},"Type":"x","list":[0,{"id":5}]}', 'ticket.created',
        '5'],
    ['second pointer', '{"data":{},"Type":"ticket created","a/b":{"m~n":6},"entityId":9}', 'ticket.created',
        '6'],
    ['ticket id still by name', '{"Type":"note added","a/b":{"m~n":6},"d":{"TicketId":4}}',
        'ticket.note.added', '6', '4'],
);
for (@pointers) {
    my ($what, $body, $type, $eid, $tid) = @$_;
    my $r = signed('/pointer', $body);
    is_deeply([$r->{status}, shown($r, qw(type eid tid))], [200, $type, $eid, $tid // $eid],
        "mspwh_field: $what");
}
is(signed('/pointer', event('ticket.created'))->{status}, 400, 'mspwh_field: replaces the search by name');

# Unwanted values do no harm, however large they are.
my @large = (
    ['30,000 small members', event('ticket.created', map { +"member$_" => $_ } 1 .. 30_000)],
    ['a name of 1 MB', event('ticket.created', 'n' x 1_000_000 => 1)],
    ['a number of 1 MB', event('ticket.created', number => '1' x 1_000_000)],
    ['20,000 objects in an array', event('ticket.created',
        AdditionalFields => '[' . join(',', ('{"a":"b"}') x 20_000) . ']')],
    ['71 elements of 900 characters', event('ticket.created', AdditionalFields => '['
        . join(',', ('{"Name":"Field","Value":"' . 'v' x 900 . '"}') x 71) . ']')],
);
for (@large) {
    my ($what, $body) = @$_;
    for my $path ('/', '/set') {
        my $r = signed($path, $body);
        is_deeply([$r->{status}, shown($r, qw(verdict eid))], [200, 'verified', '7'], "$path: $what");
    }
}

clear_records();
my $marked = "\xef\xbb\xbf" . event('ticket.created');
is_deeply([map { $_->{status}, shown($_, qw(verdict type eid)) } signed('/', $marked)],
    [200, 'verified', 'ticket.created', '7'],
    'a byte order mark does not count');
is((records())[0]{sha256}, sha256_hex($marked), '... and is passed on');

clear_records();
my @unsafe = ('a\r\nX-Evil: 1', 'a\u0000b', "t\xc3\xa4st created", 'a\u2028b', '\"quoted\" %41',
    "a\xe2\x80\xaeb", 'a\u000db\u000aX-Evil:1', '<script>', 'a;b,c|$(d)`e`');
for my $type (@unsafe) {
    my $r = signed('/', event($type));
    ok($r->{status} == 200 || $r->{status} == 400, "unsafe type \"$type\": an ordinary answer");
    is($r->{header}{'x-evil'}, undef, "unsafe type \"$type\": no header injected");
    like($r->{header}{'x-raw'} // '', qr/\A[A-Za-z0-9._~%-]*\z/, "unsafe type \"$type\": raw is safe");
    like($r->{header}{'x-type'} // '', qr{\A(?:[a-z0-9._~-]|%[0-9A-Fa-f]{2})*\z},
        "unsafe type \"$type\": canonical is safe");
}
for my $record (records()) {
    my $h = $record->{header};
    is_deeply([grep { /evil/ } keys %$h], [], 'backend: no header injected');
    like(($h->{'x-event-type'} // '') . ($h->{'x-event-raw'} // '') . ($h->{'x-entity-id'} // ''),
        qr/\A[A-Za-z0-9._~%:-]*\z/,
        'backend: header values safe');
}

done_testing();
