package MspwhDocs;

# Takes the configurations in README.md and docs/*.md, and prepares them for a real nginx.
#
# A block is a whole nginx.conf, or a part of one; the words in its first column tell which:
#   "http {", "load_module"                     a whole nginx.conf
#   "server {", "upstream", "map", ...          the content of http
#   "location"                                  the content of server
#   anything else                               the content of location
#
# To run it here, these are replaced:
#   "listen PORT"                               a free port of 127.0.0.1
#   paths of files                              files in the test's directory; secrets and
#                                               certificates are created
#   127.0.0.1:PORT, HOST.example.com and such   a backend that records its requests
#   hooks.slack.com in proxy_pass               the same
#   "https://" before a backend                 "http://"
#   an upstream that the block lacks            the backend "upstream NAME"

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Copy qw(copy);
use File::Path qw(make_path);
use MspwhTest;

our @EXPORT = qw(pages page_text blocks recipe level whole http_part ready secret_of);

my $repo = abs_path(dirname(__FILE__) . '/../..');

sub pages {
    return map { substr $_, 1 + length $repo } map({ "$repo/$_.md" } qw(README CONTRIBUTING SECURITY)),
        sort glob "$repo/docs/*.md $repo/docs/*/*.md";
}

sub page_text {
    open my $fh, '<', "$repo/$_[0]" or die "$_[0]: $!";
    local $/;
    return scalar <$fh>;
}

# Returns every ```nginx block: page, line, heading, text and, if a comment <!-- not checked: REASON -->
# precedes it, the reason.
sub blocks {
    my @blocks;
    for my $page (@_ ? @_ : pages()) {
        my ($heading, $before, $block) = ('', '');
        my $n = 0;
        for my $line (split /^/, page_text($page)) {
            $n++;
            if ($block) {
                if ($line =~ /^```/) {
                    push @blocks, $block;
                    undef $block;
                } else {
                    $block->{text} .= $line;
                }
            } elsif ($line =~ /^```nginx/) {
                $block = { page => $page, line => $n + 1, heading => $heading, text => '' };
                $block->{unchecked} = $1 if $before =~ /<!-- not checked: (.+?) -->/;
            } elsif ($line =~ /^#+ (.*)/) {
                $heading = $1;
            }
            $before = $line if $line =~ /\S/;
        }
        die "$page: a block has no end" if $block;
    }
    return @blocks;
}

# Returns the text of the only block under a heading, or of the one with the given number.
sub recipe {
    my ($page, $heading, $n) = @_;
    my @found = grep { $_->{heading} eq $heading } blocks($page);
    die "$page: no block under \"$heading\"" if !@found;
    die "$page: " . @found . " blocks under \"$heading\"" if !defined $n and @found > 1;
    return ($found[$n // 0] // die "$page: no block $n under \"$heading\"")->{text};
}

sub level {
    my $text = shift;
    return 'main'   if $text =~ /^(?:http|load_module)\b/m;
    return 'http'   if $text
        =~ /^(?:server|upstream|map|split_clients|log_format|limit_req_zone|mspwh_(?:dedup_zone|recent))\b/m;
    return 'server' if $text =~ /^location\b/m;
    return 'location';
}

# Returns the block with everything that it needs around it, as the content of http.
sub http_part {
    my $text = shift;
    my $level = level($text);
    if ($level eq 'main') {
        return $text =~ /^http\s*\{\n(.*)^\}/ms ? $1 : '';
    }
    return $text if $level eq 'http';
    my $secret = $text =~ /^\s*mspwh_secret/m ? '' : "mspwh_secret_file webhook.secret;\n";
    my $on = $text =~ /^\s*mspwh\s/m ? '' : "mspwh on;\n";
    $text = $level eq 'location' ? "location / {\n$on$text}\n" : "$on$text";
    return "server {\nlisten 8080;\nclient_max_body_size 64m;\n$secret$text}\n";
}

# ... as a complete nginx.conf.
sub whole {
    my $text = shift;
    my $inside = http_part($text);
    my $main = level($text) eq 'main' ? $text =~ s/^http\s*\{\n.*^\}//msr : '';
    my $dir = dir();
    my $user = $> == 0 ? 'user root;' : '';
    my $temp = join ' ', map { "${_}_temp_path $dir/$_;" } qw(client_body proxy fastcgi uwsgi scgi);
    $main = "load_module modules/ngx_http_mspwh_module.so;\n$main" if $main !~ /load_module/;
    $main .= "events { }\n" if $main !~ /events\s*\{/;
    return ready($main . "$user\npid nginx.pid;\n" . "http {\n$temp\naccess_log off;\n$inside}\n");
}

sub secret_of { "the secret in $_[0]" }

sub file {
    my ($directive, $name) = @_;
    return $name if $name eq 'off' or $name =~ /^syslog:/;
    my $path = dir() . '/' . $name =~ s{^/}{}r;
    make_path(dirname($path));
    if ($directive =~ /^mspwh_(?:secret_file|store_auth)$/) {
        write_file($path, secret_of($name) . "\n");
    } elsif ($directive =~ /certificate/) {
        my ($cert, $key) = -e dir() . '/key.pem' ? map { dir() . "/$_.pem" } qw(cert key) : tls_files();
        copy($directive =~ /key/ ? $key : $cert, $path) or die "$path: $!";
        chmod 0600, $path;
    } elsif ($directive =~ /^(?:root|alias|mspwh_spool)$/) {
        make_path($path);
    }
    return $path;
}

sub ready {
    my $text = shift;
    my $files = join '|', qw(mspwh_secret_file mspwh_store_auth mspwh_spool access_log error_log root alias),
        qw(ssl_certificate ssl_certificate_key proxy_ssl_trusted_certificate);
    my %upstream = map { $_ => 1 } $text =~ /\bupstream\s+(\S+)/g;
    my $example = qr/(?:[\w-]+\.)+example(?:\.\w+)?|[\w-]+(?:\.[\w-]+)*\.example\.(?:com|net|org)/;
    my $host = qr/hooks\.slack\.com|$example/;
    my %wanted;
    my $main;
    for ($text) {
        s{load_module\s+modules/ngx_http_mspwh_module\.so;}{MspwhTest::load_module()}e;
        s{(\b(?:$files)\s+)([\w./-]+)}{my ($d, $n) = ($1, $2); $d . file($d =~ s/\s//gr, $n)}ge;
        s{\blisten\s+(?:[\w.*]+:)?(\d+)\b}{
            $main //= $1;
            'listen 127.0.0.1:' . port($1 eq $main ? 'main' : $1) }ge;
        $wanted{$_} = 1 for grep { !$upstream{$_} } /proxy_pass\s+http:\/\/([a-z]\w*)\b(?!\.)/g;
        s{^(?!\s*(?:listen|server_name|resolver|allow|deny|$files)\b)(.*)}{
            my $line = $1;
            $line =~ s{(?<![\w.\$-])((?:$host(?::\d+)?|127\.0\.0\.1:\d+))}{backend($1)}ge;
            $line =~ s{(proxy_pass\s+)https://}{$1http://}g;
            $line }gme;
    }
    my $extra = join '', map { "upstream $_ { server " . backend("upstream $_") . "; }\n" } sort keys %wanted;
    $text =~ s/^http \{\n/$&$extra/m or $text = "$extra$text" if $extra;
    return $text;
}

# Returns the address of the recording backend with this name.
sub backend { '127.0.0.1:' . MspwhTest::backend_port($_[0]) }

1;
