# Allocations of nginx, OpenSSL, cJSON and the module fail, once or from some point on, during each kind of
# request and while nginx starts.

use strict;
use warnings;
use Test::More;
use MspwhTest;
use MspwhFaults;

build_faults(CLASS_MEMORY);
# how many moments of a kind, evenly spread; 0: all
my $few = $ENV{MSPWH_FAULTS_ALL} ? 0 : 10;

sub spread {
    my ($count, $few) = @_;
    return 1 .. $count if !$few or $count <= $few;
    return map { 1 + int($_ * ($count - 1) / ($few - 1)) } 0 .. $few - 1;
}

start_with_faults(kind_config());

# not over TLS: OpenSSL's random number generator does not recover
for my $kind (grep { $_->{name} ne 'TLS' } kinds()) {
    my $judge = sub {
        my $r = shift;
        my $as_ever = $r->{status} == $kind->{status};
        # nginx may have no memory for the answer itself, or send a request without its length
        return "answered $r->{status}" if !$as_ever and $r->{status} !~ /^(?:0|411|500|502|503)$/
            and !($kind->{elsewhere} and $r->{status} == 200);
        return 'not passed' if $as_ever and $kind->{passes} and !$r->{got};
        return 'not spooled' if $r->{status} == 202 and !$r->{spooled} and !$kind->{streamed};
        return;
    };
    for ([MODE_ONCE, 'one at a time'], [MODE_FROM_THEN_ON, 'and all that follow']) {
        my ($mode, $how) = @$_;
        next if $few and $kind->{curl} and $mode;
        my ($count, $tried, @found)
            = sweep($kind, CLASS_MEMORY, sub { spread($_[0], $few) }, $judge, mode => $mode);
        none(\@found, "$kind->{name}: $tried of $count allocations fail, $how");
    }
}
is(trial($_)->{status}, 200, 'TLS is unaffected') for grep { $_->{name} eq 'TLS' } kinds();
ok(stop(), 'nginx stops in time');

my $conf = kind_config();
sub config {
    my $n = shift;
    arm(CLASS_MEMORY, $n, any => 1);
    my ($rc, $text) = with_faults(sub { config_test($conf) });
    return (disarm()->{count}, $rc, $text);
}
# ModSecurity, which tools/beside loads, is C++: without memory, it ends the process
my $others = ($ENV{MSPWH_LOAD} // '') =~ /modsecurity/ ? qr/^terminate called .*'std::bad_alloc'/ : qr/(?!)/;
my ($count) = config(0);
my @found;
my @picked = spread($count, $few && 60);
for my $n (@picked) {
    my (undef, $rc, $text) = config($n);
    push @found, "$n: nginx -t ends with $rc: $text" if $rc > 1 and $text !~ $others;
}
none(\@found, "nginx -t: @{[scalar @picked]} of $count allocations fail, one at a time");

done_testing();
