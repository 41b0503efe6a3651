# Every line that the module can log is explained in the documentation.

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(basename dirname);
use Test::More;
use MspwhDocs;

my $sources = abs_path(dirname(__FILE__) . '/../ngx_http_mspwh_module');
my $docs = plain(page_text('docs/troubleshooting.md'));

sub plain { $_[0] =~ s/[`\\]//gr =~ s/\s+/ /gr }
sub literals { join '', $_[0] =~ /"((?:[^"\\]|\\.)*)"/g }
# adjacent literals are one string
sub strings { map { literals($_) } $_[0] =~ /((?:"(?:[^"\\]|\\.)*"\s*)+)/g }

# Returns the arguments of a call.
sub arguments {
    my @args = ('');
    my $depth = 0;
    for my $token ($_[0] =~ /"(?:[^"\\]|\\.)*"|./gs) {
        $depth++ if $token eq '(';
        $depth-- if $token eq ')';
        if ($token eq ',' and $depth == 0) {
            push @args, '';
        } else {
            $args[-1] .= $token;
        }
    }
    return @args;
}

# Returns a message as the page shows it, with "..." for each part that varies, as one or two texts: the one
# after the directive's name may be in another row, and is left out if it lists the allowed values.
sub shown {
    my $text = plain($_[0]);
    $text =~ s/%\*?u?[a-zA-Z]/.../g;
    $text =~ s/ in "\.\.\." directive(?:[,:].*|$)//;
    return grep { /\w{3}/ } map { s/^ |[ .:]+$//gr } split / in "\.\.\." directive/, $text;
}

my %messages;
for my $file (glob "$sources/*.[ch] $sources/core/*.[ch]") {
    open my $fh, '<', $file or die "$file: $!";
    my $text = do { local $/; <$fh> };
    $text =~ s{/\*.*?\*/}{}gs;
    $text =~ s{\\\n}{\n}g;
    $text =~ s/ngx_(open|close)_file_n/"$1()"/g;
    $text =~ s/ngx_fd_info_n/"fstat()"/g;
    my $name = basename($file);
    while ($text =~ /\bngx_(?:conf_)?log_error\s*\((.*?)\)\s*;/gs) {
        my $call = $1;
        # the format, and alternative parts of the sentence
        my ($format, @rest) = grep { /"/ } arguments($call);
        push @{ $messages{$name} }, literals($format) if ($format // '') =~ /\w{3}/;
        push @{ $messages{$name} }, grep { / \w/ } map { strings($_) } @rest;
    }
    # the tables of reasons, and reasons chosen one by one
    while ($text =~ /_(?:errors|strerrors|reasons)\s*\[[^\]]*\]\s*=\s*\{(.*?)\n\};/gs) {
        my $table = $1 =~ s/ngx_string\s*\(.*?\)//gsr;
        push @{ $messages{$name} }, grep { !/^no (?:error|reason|memory)$/ } $table =~ /"((?:[^"\\]|\\.)*)"/g;
    }
    push @{ $messages{$name} }, $1 while $text =~ /\bX\((?:\s*(?:\w+|"\w+"),)+\s*"([^"]* [^"]*)"\s*\)/g;
    push @{ $messages{$name} }, $1 while $text =~ /\breason\s*=\s*"([^"]+)"/g;
}

cmp_ok(scalar(map { @$_ } values %messages), '>=', 45, 'the messages are found');
for my $file (sort keys %messages) {
    my %seen;
    for my $message (grep { !$seen{$_}++ } @{ $messages{$file} }) {
        # all rejections have this form; their reasons are looked up separately
        next if $message =~ /^mspwh: %V: %s/;
        my @shown = shown($message);
        ok(length "@shown" >= 8, "$file: there are words in: $message");
        ok(index($docs, $_) >= 0, "$file: docs/troubleshooting.md has: $_") for @shown;
    }
}

done_testing();
