#!/bin/bash
# Fuzzes what reads bytes, each target for a time: fuzz.sh [TIME [PARSER…]], 30s by default. FuzzParser is run once for
# each parser of the table, or for those that are named and nothing else.
#
# It writes a line for each: target, time, executions, inputs that reached new code and those kept in all. They are
# kept in Go's build cache, so that the next run goes on from there. A finding is shown and fails the run at its end; its
# input is left in the package's testdata/fuzz, to be committed with the mending. WORKERS bounds the processes at work.
set -euo pipefail
cd "$(dirname "$0")/.."

time=${1:-30s}
shift || true
failed=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

build() { go test -c -fuzz "^$2\$" -o "$tmp/test" "./$1"; }

fuzz() { # PACKAGE TARGET CACHE [PARSER]
	local name="$1 $2${4:+ $4}" cache
	cache=$(go env GOCACHE)/fuzz/$3
	mkdir -p "$cache"
	# A new input is not made small before it is kept: that would take most of the time.
	if ! (cd "$1" && "$tmp/test" -test.run '^$' -test.fuzz "^$2\$" -test.fuzztime "$time" -test.fuzzminimizetime 0s \
		-test.fuzzcachedir "$cache" ${WORKERS:+-test.parallel "$WORKERS"} ${4:+-parser "$4"}) >"$tmp/log" 2>&1; then
		echo "$name: FOUND"
		cat "$tmp/log"
		failed=1
		return
	fi
	sed -n 's/^fuzz: elapsed: //; s/ ([0-9]*\/sec)//p' "$tmp/log" | sed -n "\$s|^|$name: |p"
}

parsers() {
	build track/dpi FuzzParser
	for parser in "$@"; do fuzz track/dpi FuzzParser "rustnet-parsers/$parser" "$parser"; done
}

if (($#)); then
	parsers "$@"
	exit $failed
fi
mapfile -t table < <(sed -n 's/^\t{Name: "\([^"]*\)".*/\1/p' track/dpi/dpi.go)
parsers "${table[@]}"
for package in $(go list -f '{{.Dir}}' ./...); do
	package=${package#"$PWD"/}
	for target in $(go test -list '^Fuzz' "./$package" | grep '^Fuzz' || true); do
		[[ $target != FuzzParser ]] || continue
		build "$package" "$target"
		fuzz "$package" "$target" "rustnet/$package"
	done
done
exit $failed
