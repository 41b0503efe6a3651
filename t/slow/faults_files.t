# Every operation on the file of a body and in the spool fails, one at a time, or is cut short, or finds a
# full disk from some call on.

use strict;
use warnings;
use Test::More;
use MspwhTest;
use MspwhFaults;

build_faults(CLASS_FILES);
# if another module could not read a body, the rest of it is not signed
my $errors = defined lacks(reading => 1) ? qr/^(?:0|401|500|502|503)$/ : qr/^(?:0|500|502|503)$/;
# how many calls of a function fail, besides the last one; 0: all
my $few = $ENV{MSPWH_FAULTS_ALL} ? 0 : 3;
my $bodies = dir() . '/files/body';

start_with_faults(kind_config());

my @ways = (
    ['calls fail, one at a time', errno => 5, mode => MODE_ONCE],
    ['reads and writes are cut short, one at a time', mode => MODE_SHORT],
    ['calls fail, and all that follow, as the disk is full', errno => 28, mode => MODE_FROM_THEN_ON,
        skipped => 'unlink'],
);
sub judge {
    my ($kind, $r) = @_;
    my @wrong;
    my $as_ever = $r->{status} == $kind->{status};
    # 502 if nginx cannot read the body that it passes on
    push @wrong, "answered $r->{status}" if !$as_ever and $r->{status} !~ $errors;
    push @wrong, 'not passed' if $as_ever and $kind->{passes} and !$r->{got};
    push @wrong, 'not spooled' if $r->{status} == 202 and !$r->{spooled} and !$kind->{streamed};
    push @wrong, 'spooled' if $r->{status} != 202 and $r->{spooled};
    my @left = glob "$bodies/*";
    push @wrong, 'a body is left' if @left and ($r->{site}{name} // '') ne 'unlink';
    unlink @left;
    return @wrong;
}

for my $kind (grep { $_->{name} =~ /in a file|spooled/ } kinds()) {
    for (@ways) {
        my ($how, @fault) = @$_;
        my ($count, $tried, @found)
            = sweep($kind, CLASS_FILES, sub { picked($_[0], $few) }, sub { judge($kind, @_) }, @fault);
        none(\@found, "$kind->{name}: $tried of $count $how");
    }
}
my %sites = map { $_->{name} => $_->{failed} } sites();
ok($sites{$_}, "$_() has failed") for qw(open pread pwrite write fsync link rename close unlink);
ok(stop(), 'nginx stops in time');

done_testing();
