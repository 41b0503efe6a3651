# The commands in the documentation exist: the options are in --help, the targets in the Makefile, and the
# paths in the source tree. What commands do is tested where a page's configuration is run.

use strict;
use warnings;
use FindBin qw($Bin);
use Test::More;
use MspwhDocs;
use MspwhTest qw(run inspect_program);

my $repo = "$Bin/..";
my $makefile = page_text('Makefile');
my %target = map { $_ => 1 } map { split ' ' } $makefile =~ /^\.PHONY: ((?:.*\\\n)*.*)/m;
my %variable = map { $_ => 1 } $makefile =~ /\b([A-Z_]+)=/g, $makefile =~ /^([A-Z_]+) *\?=/mg,
    $makefile =~ /\$\(([A-Z_]+)\)/g;
my %options;

# Programs that are not part of this project.
my %other = map { $_ => 1 } qw(
    apt cd curl docker echo git grep journalctl kubectl mkdir nginx openssl podman rm sed set sort strings
    systemctl tail tar tr umask uniq
    ./configure
);

sub options_of {
    my $command = shift;
    return $options{$command} //= do {
        my $program = $command eq 'mspwh-inspect' ? inspect_program() : "$repo/bin/$command";
        +{ map { $_ => 1 } (run($program, '--help'))[1] =~ /(--[a-z][a-z-]*)/g };
    };
}

for my $page (pages()) {
    for my $block (page_text($page) =~ /^ *```sh\n(.*?)^ *```/msg) {
        for my $line (split /\n/, $block =~ s/\\\n\s*/ /gr) {
            $line =~ s/\s+#.*//;
            for my $command (split /\s*(?:&&|\|\||[|;])\s+/, $line =~ s/^\s*\(?|\)\s*$//gr) {
                my ($name, @words) = split ' ', $command or next;
                my $what = "$page: $command";
                next if $name =~ /^[A-Za-z]+=/;
                if ($name =~ m{^(?:bin/)?(mspwh-[a-z]+)$}) {
                    my $known = options_of($1);
                    my ($own) = $command =~ /^(.*?)(?: -- |$)/;
                    my @unknown = grep { !$known->{$_} } $own =~ /(?<=\s)(--[a-z][a-z-]*)/g;
                    is("@unknown", '', $what);
                } elsif ($name eq 'make') {
                    my @bad = grep { /^-/ ? 0 : /^([A-Z_]+)=/ ? !$variable{$1} && $makefile !~ /\b$1\b/
                        && !uses($1) : !$target{$_} && !/^t\// } without_C(@words);
                    is("@bad", '', $what);
                } elsif ($name =~ m{^(?:tools|bench|demo|t)/}) {
                    ok(-x "$repo/$name", $what);
                } else {
                    ok($other{$name}, "$what: $name is known");
                }
            }
        }
    }
}

# Returns whether a script that a target calls takes the variable from its environment.
sub uses {
    my $name = shift;
    return scalar grep { page_text(s{^\Q$repo/}{}r) =~ /\b$name\b/ } grep { -f } glob "$repo/tools/*
        $repo/tools/sanitize/* $repo/bench/run $repo/t/*.t $repo/t/lib/*.pm
        $repo/t/*/run $repo/t/*/Makefile $repo/demo/run";
}

# make -C DIR has targets of its own.
sub without_C {
    return if grep { $_ eq '-C' } @_;
    return map { /^([A-Z_]+=)"/ ? $1 : $_ } grep { !/"$/ || /=/ } @_;
}

done_testing();
