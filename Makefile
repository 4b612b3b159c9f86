# make            builds ./rustnet
# make run        builds it and streams this machine's connections (ARGS='--json' passes flags)
# make test       runs all tests and says how many were skipped, and why
# make bench      measures each stage, and the whole program beside tcpdump on the same file
# make captures   records the project's own captures again (root; says which programs it needs)
# make fuzz       fuzzes all that reads bytes, each parser alone (FUZZTIME=10m PARSER="dns tls")
# make check      what CI runs after the tests

GO      ?= go
PACKETS ?= 1000000

export CGO_ENABLED = 0

.PHONY: rustnet run test race fuzz bench captures generate check install clean
rustnet:
	$(GO) build -trimpath -ldflags '-s -w' -o rustnet .

run: rustnet
	./rustnet $(ARGS)

test:
	$(GO) tool gotestsum --format pkgname-and-test-fails -- ./...

race: # needs a C compiler; programs under it would sleep a second before they exit
	CGO_ENABLED=1 GORACE=atexit_sleep_ms=0 $(GO) test -race -short ./...

FUZZTIME ?= 30s
fuzz:
	testdata/fuzz.sh $(FUZZTIME) $(PARSER)

bench: rustnet
	testdata/bench.sh $(PACKETS)

captures:
	testdata/record.sh

generate:
	$(GO) generate ./...

check:
	.ci/check

install:
	$(GO) install -trimpath -ldflags '-s -w' .

clean:
	rm -f rustnet
