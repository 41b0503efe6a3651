# Every call of the module to nginx, OpenSSL, cJSON and the system that can fail is made to fail, one at a
# time, during each kind of request and while nginx reads its configuration.

use strict;
use warnings;
use Test::More;
use MspwhTest;
use MspwhFaults;

build_faults(CLASS_OWN);
# how many calls of a place fail, besides the last one; 0: all
my $few = $ENV{MSPWH_FAULTS_ALL} ? 0 : 2;

# --- which calls there are ---------------------------------------------------

my %fails = map { $_ => 1 } failing();

# The module's other calls: they cannot fail, or nothing depends on them.
my %cannot = map { $_ => 1 } qw(
    CRYPTO_memcmp ERR_clear_error EVP_DecodeBlock EVP_EncodeBlock EVP_MAC_CTX_free EVP_MAC_free EVP_MD_free
    SSL_ctrl SSL_get_verify_result X509_verify_cert_error_string
    cJSON_GetNumberValue cJSON_GetObjectItemCaseSensitive cJSON_GetStringValue cJSON_IsNumber
    __isoc99_sscanf timegm kill ngx_atoi ngx_unescape_uri
    OPENSSL_cleanse OSSL_PARAM_construct_end OSSL_PARAM_construct_utf8_string
    cJSON_AddItemToObjectCS cJSON_Delete cJSON_DetachItemViaPointer cJSON_IsBool cJSON_IsFalse cJSON_IsNull
    cJSON_IsRaw cJSON_IsString cJSON_IsTrue
    bcmp clock_gettime free getsockopt gettimeofday memchr memcmp memcpy memmove memset random
    strcasecmp strchr strcmp strcspn strlen strncmp strrchr strspn strstr __memcpy_chk unlink
    __errno_location __stack_chk_fail __cxa_finalize
    ngx_http_arg ngx_atofp ngx_atoof ngx_close_connection
    ngx_conf_log_error ngx_cpystrn ngx_destroy_pool ngx_encode_base64url ngx_gmtime ngx_hex_dump
    ngx_http_core_run_phases
    ngx_http_finalize_request ngx_http_run_posted_requests ngx_http_script_variables_count ngx_log_error_core
    ngx_parse_size ngx_parse_time ngx_rbtree_delete ngx_rbtree_insert ngx_shmtx_lock ngx_shmtx_unlock
    ngx_slprintf ngx_snprintf ngx_sprintf ngx_ssl_shutdown ngx_strerror ngx_strncasecmp
    ngx_vslprintf
);

# The places of the calls: the address after the call. A jump replaces a call at the end of a function.
my (%calls, %jumps, $called, @strange);
for (split /\n/, (run('objdump', '-d', '--no-show-raw-insn', $MspwhFaults::Module))[1]) {
    my ($address, $code) = /^\s*([0-9a-f]+):\s+(.*)/ or next;
    $calls{ hex $address } = $called if $called;
    undef $called;
    my ($how, $name) = $code =~ /^(\S+)\s.*<(\w+)\@plt>/ or next;
    next if $name =~ /mspwh|^__(?:asan|ubsan)_/ or $cannot{$name};
    push @strange, $name if !$fails{$name};
    $how =~ /^(?:call|bl)/ ? $called = $name : $jumps{$name}++;
}
is_deeply(\@strange, [], 'of each function that the module calls it is known if it can fail');
cmp_ok(scalar keys %calls, '>', 100, scalar(keys %calls) . ' calls that can');

# --- requests -------------------------------------------------------------------

# Failures that do no harm: the answer does not change.
my %harmless = map { $_ => 1 } (
    'EVP_MAC_init mspwh_verifier_reset',
    # the body is copied
    map({ "$_ ngx_http_mspwh_spool_link" } qw(link fstat fstat64 lstat lstat64)),
    'close ngx_http_mspwh_spool_sync_directory',
    'ngx_tcp_nodelay ngx_http_mspwh_stream_output_filter',
    # the status shows null for the numbers of a spool
    map { "$_ ngx_http_mspwh_read_small_file" } qw(ngx_pnalloc open open64 fstat fstat64 read close),
);

start_with_faults(kind_config());

sub judge {
    my ($kind, $r) = @_;
    my $name = $r->{failed} ? $r->{site}{name} : '';
    my $begins = qr/ngx_http_mspwh_(?:create_ctx|create_store|add_verification)/;
    my $function = $r->{failed} ? (place($r->{site}))[0][0] : '';
    # OpenSSL's contexts are kept for later requests: the same calls are not always made
    my $harmless = !$r->{failed} || $harmless{"$name $function"};
    # the values of a body do not matter if it is unsigned
    $harmless ||= $function =~ /^mspwh_extract_(?:keep|item)$/ && ($kind->{status} == 401 || $kind->{suffix});
    # the location that error_page leads to starts again
    $harmless ||= $function =~ /^$begins$/ && $kind->{path} =~ /^\/down/;
    # without the store, the zone decides; and the worker's own connection does not matter to other requests
    my $lost = !$kind->{streamed} && $function =~ ($kind->{store} ? qr/^ngx_http_mspwh_(?:store|pipeline)_/
        : qr/^ngx_http_mspwh_(?:store_(?!json|prometheus)|pipeline_)/);
    $harmless ||= $lost;
    my @allowed = $lost && $kind->{store} ? ($kind->{status}, 200)
        : $harmless ? $kind->{status}
        : $name =~ /^ngx_http_(?:send_header|output_filter)$/ ? 0
        : (500, 503);
    # curl gets no answer if nginx has not read the body; with another module, neither
    my $unread = qr/$begins|ngx_http_mspwh_(?:read_body|init_extract)|mspwh_extract_init/;
    # nginx has no other server to try
    push @allowed, 502 if $kind->{streamed};
    push @allowed, 0 if $kind->{curl} and $function =~ /^$unread$/;
    my @wrong;
    push @wrong, "answered $r->{status}" if !grep { $_ == $r->{status} } @allowed;
    push @wrong, 'passed' if !$harmless and $r->{got};
    push @wrong, 'not passed' if $harmless and $kind->{passes} and !$r->{got};
    push @wrong, 'spooled' if $r->{spooled} and $r->{status} != 202 and $name ne 'ngx_http_send_response';
    push @wrong, 'not spooled' if !$r->{spooled} and $r->{status} == 202 and !$kind->{streamed};
    return @wrong;
}

my @kinds = grep { !$ENV{KINDS} or $_->{name} =~ /$ENV{KINDS}/ } kinds();
for my $kind (@kinds) {
    my ($count, $tried, @found)
        = sweep($kind, CLASS_OWN, sub { picked($_[0], $few) }, sub { judge($kind, @_) }, errno => 28);
    none(\@found, "$kind->{name}: $tried of $count calls fail, one at a time");
}

# Everything fails, from one call on.
for my $kind (grep { !$few or !$_->{curl} } @kinds) {
    my $judge = sub {
        my $r = shift;
        my $as_ever = $r->{status} == $kind->{status};
        return "answered $r->{status}" if !$as_ever
            and $r->{status} !~ /^(?:0|500|503)$/
            and $r->{status} != ($kind->{streamed} ? 502 : $kind->{elsewhere} ? 200 : 500);
        return 'passed' if $r->{got} and !$as_ever and !$kind->{elsewhere};
        return;
    };
    my ($count, $tried, @found) = sweep($kind, CLASS_OWN, sub { picked($_[0], $few && 1) }, $judge,
        errno => 28, mode => MODE_FROM_THEN_ON);
    none(\@found, "$kind->{name}: all calls fail, from $tried of $count on");
}

is(trial($_)->{status}, 200, 'TLS is unaffected') for grep { $_->{name} eq 'TLS' } kinds();
my @sites = sites();
ok(stop(), 'nginx stops in time');

# --- the configuration ----------------------------------------------------------

reset_sites();
my $conf = kind_config();
my %harmless_there = map { $_ => 1 } (
    # then verifiers are created for each request
    'EVP_MAC_CTX_dup mspwh_verifier_add', 'EVP_MAC_update mspwh_verifier_update',
    'EVP_MAC_final mspwh_verifier_final', 'EVP_MAC_init mspwh_verifier_reset',
    'close ngx_http_mspwh_secret_bytes',
);
sub config_sweep {
    my ($conf, $mode, $few, $judge) = @_;
    my $test = sub {
        arm(CLASS_OWN, $_[0], any => 1, mode => $mode);
        my @result = with_faults(sub { config_test($conf) });
        return { %{ disarm() }, rc => $result[0], text => $result[1] };
    };
    my $count = $test->(0)->{count};
    my @picked = picked($count, $few);
    my @found;
    for my $n (@picked) {
        my $r = $test->($n);
        my $site = (sites())[ $r->{site} ];
        push @found, "$n, $site->{name}" . where($site) . ": nginx -t ends with $r->{rc}: $r->{text}"
            if !$judge->($r->{rc}, $site);
    }
    return ($count, scalar @picked, @found);
}
is((config_test($conf))[0], 0, 'a configuration');
my ($count, $tried, @found) = config_sweep($conf, MODE_ONCE, $few, sub {
    my ($rc, $site) = @_;
    return $rc == ($harmless_there{"$site->{name} " . (place($site))[0][0]} ? 0 : 1);
});
none(\@found, "nginx -t: $tried of $count calls fail, one at a time");
my $bad = 'server { listen 127.0.0.1:%%PORT%%; mspwh_secret_file html; }';
my $direct = 'mspwh_dedup_zone zone=events:1m store=localhost:7000; server { listen 127.0.0.1:%%PORT%%; }';
for ([$conf, 'nginx -t'], [$direct, 'nginx -t, a store by its name'],
    [$bad, 'nginx -t, a directory for a secret']) {
    my ($text, $name) = @$_;
    ($count, $tried, @found) = config_sweep($text, MODE_FROM_THEN_ON, 1, sub { $_[0] <= 1 });
    none(\@found, "$name: all calls fail, from $tried of $count on");
}
push @sites, sites();

# --- have all of them failed? ------------------------------------------------------

# A compiler may turn one line into several calls.
place(map { { offset => $_ } } keys %calls);
my (%failed, %jumped);
for my $site (grep { $_->{failed} } @sites) {
    my $called = ($calls{ $site->{offset} } // '') eq $site->{name};
    $called ? $failed{ $site->{name} . where($site) }++ : $jumped{ $site->{name} }++;
}
# reached only after a reload, or with a spool's status.json or an anomaly in the recent deliveries
my $status = qr/json_delivered_anomalies|json_about|read_small_file|read_waiting/;
# reached only at the start of a worker, or if a store's socket is full
my $store = qr/store_start|pipeline_init|pipeline_add|store_send/;
my $rare = qr/ in (?:ngx_http_mspwh_(?:new_account|$status|$store)|mspwh_random),/;
my @known = map { $calls{$_} . where({ offset => $_ }) } keys %calls;
my %missed = map { $_ => 1 } grep { !$failed{$_} && !/$rare/ } @known;
$missed{"$_ at the end of a function"} = 1 for grep { !$jumped{$_} } keys %jumps;
SKIP: {
    needs(reading => 1);
    none([sort keys %missed], scalar(keys %failed) . ' lines with such a call: each has failed');
}
if ($ENV{TEST_VERBOSE}) {
    place(@sites);
    note(sprintf '%5d times failed: %s%s', $_->{failed}, $_->{name}, where($_))
        for sort { $a->{offset} <=> $b->{offset} } @sites;
}

done_testing();
