package MspwhDebian;

# An nginx with the layout of Debian's: the lines of its nginx.conf that matter, and modules-enabled, conf.d
# and sites-enabled below the directory of an instance.

use strict;
use warnings;

use Exporter qw(import);
use File::Basename qw(dirname);
use File::Path qw(make_path);
use Test::More;
use MspwhFleet;
use MspwhTest;

our @EXPORT = qw(begin_debian begin etc in text_of logged checked);

my $conf = <<'CONF';
user www-data;
worker_processes auto;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
include /etc/nginx/modules-enabled/*.conf;
events {
    worker_connections 768;
}
http {
    sendfile on;
    tcp_nopush on;
    types_hash_max_size 2048;
    default_type application/octet-stream;
    ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;
    ssl_prefer_server_ciphers on;
    access_log /var/log/nginx/access.log;
    gzip on;
    include /etc/nginx/conf.d/*.conf;
    include /etc/nginx/sites-enabled/*;
}
CONF

sub in { my $instance = shift; return instance_file($instance, $_[0]) }
sub text_of { my $file = in(@_); return slurp($file) }

# Creates a file below /etc/nginx of an instance, with its paths changed to the instance's.
sub etc {
    my ($instance, $file, $text) = @_;
    my $path = in($instance, "etc/nginx/$file");
    make_path(dirname($path));
    return write_file($path, instance_text($instance, $text));
}

my $backends = 0;
sub begin {
    my ($instance, $text, $port) = @_;
    MspwhTest::start_backend() if !$backends++;
    define_instance($instance, $text, port($port));
}

# $port is the name of a port that the instance listens at.
sub begin_debian {
    my ($instance, $port) = @_;
    begin($instance, $conf, $port);
    make_path(map { in($instance, "etc/nginx/$_") } qw(sites-available sites-enabled conf.d secrets));
    make_path(in($instance, 'etc/nginx/modules-enabled'));
    write_file(in($instance, 'etc/nginx/modules-enabled/50-mod-http-mspwh.conf'),
        MspwhTest::load_module() . "\n");
}

# Returns the output of nginx -t, without notices, those of other modules included, and without the warning
# that it does not run as root.
sub checked {
    my $instance = shift;
    my ($rc, $text) = run(nginx(), qw(-t -q -p), in($instance, ''), '-c', in($instance, 'nginx.conf'));
    $text =~ s/^.*(?:\[notice\]|the "user" directive makes sense only).*\n//mg;
    return ($rc, $text);
}

# Waits for the log, which is written after the answer.
sub logged {
    my ($instance, $file, $pattern, $what) = @_;
    my $text;
    wait_until { ($text = text_of($instance, $file)) =~ $pattern };
    like($text, $pattern, $what);
}

1;
