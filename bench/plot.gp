# gnuplot -e "data='cpu.tsv'; out='performance.svg'" plot.gp
# CPU time per request against the size of the body, for each peer.

if (!exists("term")) term = "svg size 960,420 font 'sans-serif,11' background '#ffffff'"
set terminal @term
set output out
set datafile separator "\t"

set logscale xy
set xrange [700:15e6]
set yrange [5:1e6]
set xtics ("1 KB" 1024, "16 KB" 16384, "64 KB" 65536, "1 MB" 1048576, "10 MB" 10485760)
set ytics ("10 us" 10, "100 us" 100, "1 ms" 1000, "10 ms" 10000, "100 ms" 100000, "1 s" 1000000)
set grid
set key top left

names = "'nginx alone' 'this module' HAProxy Lua njs 'Node.js behind nginx'"
words = "plain mspwh haproxy lua njs node"
rows(setting, name) = sprintf("< grep '^%s\t[0-9]*\t%s\t' '%s'", setting, name, data)

set multiplot layout 1,2 title "CPU time per request of a webhook"

do for [setting in "memory file"] {
    set title (setting eq "memory") ? "body in memory" : "body in a 16 KB buffer and a file"

    # HAProxy does not have this choice
    peers = (setting eq "memory") ? "1 2 3 4 5 6" : "1 2 4 5 6"

    plot for [i in peers] rows(setting, word(words, int(i))) using 2:($4 / 1000) \
        with linespoints pointsize 0.6 linewidth 1.5 linetype int(i) title word(names, int(i))
}
