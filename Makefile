# make            build/ngx_http_mspwh_module.so for the installed nginx, and build/mspwh-inspect
# make install    the module into nginx's modules path; scripts, man pages, completion and systemd
#                 units below PREFIX=/usr/local; DESTDIR is honoured
# make uninstall  remove all of it
# make run        the demonstration: installs what is missing, builds, starts nginx, sends events;
#                 DEMO_PORT=8080
# make stop       stop the demonstration's nginx
# make test       all tests; installs what is missing
# make deb        the Debian package, in build/deb
# make dist       the source archive, build/ngx_http_mspwh_module-VERSION.tar.gz
# make clean      remove build/
# make help       this
#
# Any nginx: make NGINX=/path/to/nginx NGINX_SRC=/path/to/its/source
#
# For those who work on it (each installs what is missing):
#
# make lint       check the sources
# make unit       t/unit only
# make integration  t/ only, with what is built; TESTS="t/body.t ...", JOBS=6 at a time
# make slow       the tests that take minutes, in t/slow
# make sanitize   the tests under sanitizers; LINK=static or LINK=dynamic, QUICK=1 for CI's part
# make valgrind   some tests under valgrind
# make matrix     the tests in Debian 12, 13 and testing
# make cross      the core's tests on a big-endian and on 32-bit machines
# make beside     t/ with the modules of others loaded
# make deb-test   install, upgrade and purge the package in Debian 12, 13 and testing
# make dist-test  make the archive twice, and install what is in it
# make container-test  build the image and send events through it
# make bench      measure the module and its peers; QUICK=1 takes two minutes
# make fuzz       fuzz the core for SECONDS=60; make fuzz-coverage: which lines that reaches
# make soak       full load for SECONDS=1200: do memory, descriptors, shared memory stay flat?
# make timing     does the time of the signature check reveal anything?
# make install-tools  as make install, without the module

NGINX        ?= $(shell PATH="$$PATH:/usr/sbin" command -v nginx)
NGINX_SRC    ?= /usr/share/nginx/src
MODULES_PATH ?= $(shell tools/nginx modules-path "$(NGINX)")
PREFIX       ?= /usr/local
UNITDIR      ?= $(PREFIX)/lib/systemd/system

# the longest first, so that none of them is left alone at the end
LONGEST       = $(patsubst %,t/%.t,page store_access consumers reload store send body \
                  trust dedup demo redeliver)
TESTS        ?= $(LONGEST) $(filter-out $(LONGEST),$(wildcard t/*.t))
JOBS         ?= 6

MODULE   = build/ngx_http_mspwh_module.so
SRC      = ngx_http_mspwh_module
SOURCES  = $(wildcard $(SRC)/*.c $(SRC)/core/*.c)
HEADERS  = $(wildcard $(SRC)/*.h $(SRC)/core/*.h)
INSPECT  = build/mspwh-inspect
INSPECT_SOURCES = $(wildcard bin/inspect/*.c)
INSPECT_HEADERS = $(wildcard bin/inspect/*.h)
CORE     = $(wildcard $(SRC)/core/*.c)
HELPERS  = $(INSPECT_SOURCES) $(wildcard t/unit/*.c t/fuzz/*.c t/timing/*.c t/lib/faults/*.c \
             bench/*.c tools/sanitize/*.c)
TREE     = build/nginx
CONFIGURED = $(TREE)/objs/Makefile

NGINX_INCS = $(addprefix -isystem $(TREE)/,objs src/core src/event \
                 src/event/modules src/event/quic src/os/unix src/http \
                 src/http/modules src/http/v2 src/http/v3)
INCS       = -I$(SRC) -I$(SRC)/core -Ibin/inspect -DMSPWH_VERSION='"0"'
WARNINGS   = -std=gnu11 -Wall -Wextra -Werror -Wno-unused-parameter

all: $(MODULE) $(INSPECT)

# nginx's tree is copied because its configure writes into it

build/nginx-src: FORCE
	@mkdir -p build
	@echo "$(NGINX_SRC) $(NGINX)" | cmp -s - $@ || echo "$(NGINX_SRC) $(NGINX)" > $@

$(CONFIGURED): config VERSION tools/nginx build/nginx-src
	tools/nginx configure "$(NGINX_SRC)" $(TREE) "$(CURDIR)" "$(NGINX)"

# install creates a new file: a running nginx has the old one mapped

$(MODULE): $(CONFIGURED) $(SOURCES) $(HEADERS)
	$(MAKE) -C $(TREE) -f objs/Makefile modules
	install -m 644 $(TREE)/objs/ngx_http_mspwh_module.so $@

# mspwh-inspect contains the core, and nothing of nginx

CFLAGS   ?= -O2 -g

$(INSPECT): $(INSPECT_SOURCES) $(INSPECT_HEADERS) $(CORE) $(HEADERS) VERSION
	@mkdir -p build
	$(CC) -std=gnu11 -Wall -Wextra $(CPPFLAGS) $(CFLAGS) -DMSPWH_VERSION='"$(shell cat VERSION)"' \
	    -I$(SRC)/core -o $@ $(INSPECT_SOURCES) $(CORE) $(LDFLAGS) -lcjson -lcrypto

install: $(MODULE)
	tools/nginx accepts "$(NGINX)" "$(abspath $(MODULE))"
	$(MAKE) install-tools
	install -d "$(DESTDIR)$(MODULES_PATH)"
	install -m 644 $(MODULE) "$(DESTDIR)$(MODULES_PATH)/"
	@echo
	@echo 'Next: put this line at the top of nginx.conf, and go on with docs/first-event.md:'
	@echo '    load_module "$(MODULES_PATH)/$(notdir $(MODULE))";'

TOOLS_TO = "$(DESTDIR)" "$(PREFIX)" "$(UNITDIR)"

install-tools: $(INSPECT)
	tools/install-tools $(TOOLS_TO)

uninstall:
	tools/install-tools --remove $(TOOLS_TO)
	rm -f "$(DESTDIR)$(MODULES_PATH)/$(notdir $(MODULE))"

deps:
	tools/install-deps

run:
	@MAKE="$(MAKE)" demo/run

stop:
	demo/stop

# a separate make, so that it sees what the one before has installed

test:
	tools/install-deps test
	$(MAKE) -j2 --output-sync all unit
	$(MAKE) integration

unit:
	$(MAKE) -C t/unit check

integration:
	MSPWH_NGINX="$(NGINX)" MSPWH_MODULE="$(abspath $(MODULE))" \
	    prove -j$(JOBS) -It/lib $(TESTS)

slow:
	tools/install-deps test
	$(MAKE) all
	$(MAKE) integration TESTS="$(wildcard t/slow/*.t)" JOBS=1

sanitize:
	tools/install-deps test
	tools/install-deps sanitize
	tools/nginx source build/nginx-source
	LINK="$(LINK)" TESTS="$(if $(findstring file,$(origin TESTS)),,$(TESTS))" tools/sanitize/run

valgrind:
	tools/install-deps test
	tools/install-deps valgrind
	$(MAKE) all
	NGINX="$(NGINX)" MODULE="$(abspath $(MODULE))" tools/sanitize/valgrind

matrix:
	tools/install-deps matrix
	tools/matrix

cross:
	tools/install-deps cross
	tools/cross

beside:
	tools/install-deps test
	tools/install-deps beside
	$(MAKE) all
	NGINX="$(NGINX)" MODULE="$(abspath $(MODULE))" tools/beside

deb:
	tools/install-deps deb
	tools/deb

deb-test:
	tools/install-deps matrix
	t/package/run

container-test:
	tools/install-deps container
	tools/container-test

dist:
	tools/dist

dist-test:
	tools/install-deps deb
	t/dist/run

bench:
	tools/install-deps bench
	$(MAKE) all
	MSPWH_NGINX="$(NGINX)" MSPWH_MODULE="$(CURDIR)/$(MODULE)" bench/run

fuzz:
	tools/install-deps fuzz
	$(MAKE) -C t/fuzz run

fuzz-coverage:
	tools/install-deps fuzz
	$(MAKE) -C t/fuzz coverage

soak: SECONDS = 1200
soak: deps
	$(MAKE) all
	mkdir -p build/soak
	$(CC) -O2 -o build/soak/load bench/load.c bench/upstream.c
	SECONDS=$(SECONDS) MSPWH_NGINX="$(NGINX)" \
	    MSPWH_MODULE="$(CURDIR)/$(MODULE)" t/soak/run

timing: deps
	$(MAKE) -C t/timing run

lint:
	tools/install-deps lint
	$(MAKE) check-sources

check-sources: $(MODULE)
	gcc $(WARNINGS) -fsyntax-only $(INCS) $(NGINX_INCS) $(SOURCES) $(HELPERS)
	clang $(WARNINGS) -fsyntax-only $(INCS) $(NGINX_INCS) $(SOURCES) $(HELPERS)
	cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr \
	    --enable=warning,performance,portability $(INCS) $(SRC) $(HELPERS)
	clang-tidy --quiet --warnings-as-errors='*' \
	    -checks='-*,clang-analyzer-*,-clang-analyzer-security.insecureAPI.*' \
	    $(SOURCES) $(INSPECT_SOURCES) -- \
	    -std=gnu11 $(INCS) $(NGINX_INCS)
	shellcheck bin/mspwh-send bin/completion.bash demo/run demo/stop tools/install-deps \
	    tools/install-tools tools/nginx tools/root tools/matrix tools/cross tools/beside tools/sanitize/run \
	    tools/sanitize/valgrind tools/deb tools/container-test tools/dist t/package/run t/package/inside \
	    t/dist/run debian/tests/webhook
	for f in bin/mspwh-redeliver bin/mspwh-streamtrim bin/lib/*/*.pm bench/run t/fuzz/seeds tools/arrows \
	    tools/sizes tools/status-page t/soak/run t/soak/server t/*.t t/slow/*.t; do \
	    perl -It/lib -Ibench/lib -Ibin/lib -c $$f || exit 1; done
	tools/arrows build/nginx/objs/addon/ngx_http_mspwh_module build/nginx/objs/addon/core
	tools/status-page --check
	tools/sizes

clean:
	rm -rf build

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

FORCE:

.PHONY: all install install-tools uninstall deps run stop test unit integration slow sanitize valgrind \
        matrix cross beside deb deb-test container-test dist dist-test bench fuzz fuzz-coverage soak timing \
        lint check-sources clean help FORCE
