# make            builds ./rustnet
# make run        builds it and streams this machine's connections (ARGS='--json' passes flags)
# make test       runs all tests and says how many were skipped, and why; those that fail once more, and shows both
# make test-kernels  runs those of the kernel's side on Debian's kernels 5.10, 6.1 and 6.12, in qemu (ROWS='6.12 6.1-arm64:nobtf' some of them)
# make test-wine  runs the Windows build under Wine: its own tests, and all captures, which must give the same records
# make test-arch  runs what reads bytes on s390x and arm, which qemu emulates: tests, and all captures, which must give the same records
# make test-layouts holds the layouts of the BSDs' lists against these systems' headers, which Zig's compiler has
# make profile    measures which code the files of make bench run most, for the compiler, which makes that faster
# make bench      measures each stage, and the whole program beside others on the same files
# make bench-live measures what watching live traffic costs, beside others (root; tcpreplay, iperf3)
# make bench-owners measures what knowing the owners costs, in user space and in the kernel (root)
# make bench-data makes those files (2.6 GB in bench/)
# make generate   makes what is generated: kernel programs, manual, reference
# make captures   records the project's own captures again (root; says which programs it needs)
# make fuzz       fuzzes all that reads bytes, each parser alone (FUZZTIME=10m PARSER="dns tls", or others); docs/fuzz.tsv has what was done
# make check      what CI runs after the tests

GO      ?= go
ROUNDS  ?= 5
PROFILE  = testdata/bench/cpu.pgo
BUILD    = -trimpath -ldflags '-s -w' -pgo=$(PROFILE)
# How long the tests of one package may take, on a slow machine.
PATIENCE ?= 60m

export CGO_ENABLED = 0

.PHONY: rustnet run test test-kernels test-wine test-arch test-layouts race fuzz profile bench bench-live bench-owners bench-data captures generate check install clean
rustnet: # what make shows of it goes where the records of run do not
	@echo "$(GO) build $(BUILD) -o rustnet ." >&2
	@$(GO) build $(BUILD) -o rustnet .

run: rustnet
	@./rustnet $(ARGS)

test:
	$(GO) tool gotestsum --format pkgname-and-test-fails --rerun-fails=1 --rerun-fails-max-failures=5 --packages=./... -- -timeout $(PATIENCE)

test-kernels: # names the packages that it needs
	testdata/kernels.sh $(ROWS)

test-wine: # likewise
	testdata/wine.sh

test-arch: # likewise
	testdata/arch.sh $(ARCHS)

test-layouts: # likewise
	testdata/layouts.sh

# Needs a C compiler; programs under it would sleep a second before they exit. What fails is run once more, but a race that was
# seen once is one, whatever the second run says.
race:
	@rm -rf build/race && mkdir -p build/race
	CGO_ENABLED=1 GORACE="atexit_sleep_ms=0 log_path=$(CURDIR)/build/race/report" $(GO) tool gotestsum --format pkgname-and-test-fails \
		--rerun-fails=1 --rerun-fails-max-failures=5 --packages=./... -- -race -short -timeout $(PATIENCE)
	@! cat build/race/report.* 2>/dev/null

FUZZTIME ?= 30s
fuzz:
	testdata/fuzz.sh $(FUZZTIME) $(PARSER)

# How many packets of each kind of traffic.
shapes = mix=3000000 mix-tenth=300000 elephant=500000 http=500000 keepalive=500000 \
	synflood=1000000 dnsflood=1000000 udprandom=1000000 live/mix=750000
bench-data: $(foreach s,$(shapes),bench/$(firstword $(subst =, ,$(s))).pcap)
bench/%.pcap: $(wildcard testdata/mkbench/*.go)
	@mkdir -p $(@D)
	$(GO) run ./testdata/mkbench -o $@.part -shape $(subst -tenth,,$(notdir $*)) -packets $(patsubst $*=%,%,$(filter $*=%,$(shapes)))
	@mv $@.part $@

profile: bench-data
	@mkdir -p build
	BENCH="$(foreach s,mix mix http keepalive synflood dnsflood udprandom,bench/$(s).pcap)" \
		$(GO) test -trimpath -run '^$$' -bench File -benchtime 9x -cpuprofile $(PROFILE) -o build/profile.test .

bench: rustnet bench-data
	$(GO) run ./testdata/bench -rounds $(ROUNDS) -o docs/bench.txt

bench-live: rustnet bench/live/mix.pcap
	$(GO) run ./testdata/bench -live -rounds 3 -o docs/bench-live.txt

bench-owners: rustnet
	$(GO) run ./testdata/bench -owners -rounds 3 -o docs/bench-owners.txt

captures:
	testdata/record.sh

generate:
	$(GO) generate ./...

check:
	.ci/check

install:
	$(GO) install $(BUILD) .

clean:
	rm -rf rustnet build
