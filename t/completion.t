# Bash completes the options of the scripts, event types and roles.

use strict;
use warnings;
use FindBin qw($Bin);
use Test::More;
use MspwhTest qw(run installed inspect_program);

plan skip_all => 'there is no bash' if !installed('bash');

my $file = "$Bin/../bin/completion.bash";
my %command = map { $_ => "$Bin/../bin/$_" } qw(mspwh-send mspwh-redeliver mspwh-streamtrim);
$command{'mspwh-inspect'} = inspect_program();

# Returns the completions of a word after another.
sub offers {
    my ($command, $word, $before) = @_;
    my ($rc, $text) = run('bash', '-c', '. "$1"; _mspwh "$2" "$3" "$4" && printf "%s\n" "${COMPREPLY[@]}"',
        'bash', $file, $command{$command}, $word, $before // $command);
    return [grep { length } split /\n/, $text];
}

for my $command (sort keys %command) {
    my ($rc, $text) = run('bash', '-c', '. "$1"; complete -p "$2"', 'bash', $file, $command);
    is("$rc $text", "0 complete -F _mspwh $command\n", "complete -p $command");
    my @options = sort((run($command{$command}, '--help'))[1] =~ /^  (--[a-z-]+)/mg);
    cmp_ok(scalar(@options), '>', 6, "$command has options");
    is_deeply([sort @{ offers($command, '--') }], \@options, '... and all of them are offered');
    is_deeply(offers($command, '--vers'), ['--version'], '... by their first letters');
}
is_deeply(offers('mspwh-send', 'ticket.note.', '--event'),
    [map { "ticket.note.$_" } qw(added updated deleted)], 'event types');
is_deeply(offers('mspwh-inspect', 'ent', '--field'), ['entity_id='], 'roles');
is_deeply(offers('mspwh-send', "$Bin/complet"), ["$Bin/completion.t"], 'files');

done_testing();
