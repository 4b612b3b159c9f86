#!/bin/bash
# Fuzzes what reads bytes, each target for a time: fuzz.sh [TIME [PARSER…]], 30s by default. FuzzParser is run once for
# each parser of the table, or for those that are named and nothing else; with "others" for a parser, all else.
#
# It prints a line for each: target, minutes, executions, inputs that reached new code; and adds it to docs/fuzz.tsv, which has what was
# done in all. Inputs are kept in Go's build cache, so that the next run goes on from there; TestSeeds of track/dpi takes those of parsers
# that reach code which nothing else does into the project. A finding is shown and fails the run at
# its end; its input is left in the package's testdata/fuzz, to be committed with the mending. JOBS targets are fuzzed at a time (as
# many as there are processors), by WORKERS processes each (1).
set -euo pipefail
cd "$(dirname "$0")/.."

time=${1:-30s}
shift || true
tmp=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$tmp"' EXIT
done=$PWD/docs/fuzz.tsv

# Only the package's own code is measured: to look at what its dependencies ran is four fifths of an execution otherwise.
build() { go test -c -gcflags="$(go list "./$1")=-d=libfuzzer" -o "$tmp/${1//\//-}" "./$1"; }

# late tells whether a failure is only that a process did not answer when the time was over, as on a machine that has too
# much to do: what it was at then does not fail by itself.
late() { # PACKAGE LOG
	local input
	! grep -q 'context deadline exceeded' "$2" || grep -q 'testdata/fuzz/' "$2" || return 0 # its own clock ran out, and there is no input
	grep -q 'hung or terminated unexpectedly' "$2" && input=$(grep -o 'testdata/fuzz/[^ ]*$' "$2" | head -1) || return 1
	(cd "$1" && "$tmp/${1//\//-}" -test.run "^${input#testdata/fuzz/}\$" -test.timeout 60s) >/dev/null 2>&1 && echo "$1/$input" >>"$tmp/late" # others read that directory: it goes at the end
}

fuzz() { # PACKAGE TARGET CACHE [PARSER]
	local cache log=$tmp/${1//\//-}.$2.${4:-}.log
	cache=$(go env GOCACHE)/fuzz/$3
	mkdir -p "$cache"
	# A new input is not made small before it is kept: that would take most of the time.
	if ! (cd "$1" && "$tmp/${1//\//-}" -test.run '^$' -test.fuzz "^$2\$" -test.fuzztime "$time" -test.fuzzminimizetime 0s \
		-test.fuzzcachedir "$cache" -test.parallel "${WORKERS:-1}" ${4:+-parser "$4"}) >"$log" 2>&1 && ! late "$1" "$log"; then
		echo "$1 $2${4:+ $4}: FOUND"
		cat "$log"
		touch "$tmp/failed"
		return
	fi
	# fuzz: elapsed: 1m30s, execs: 84458 (4222/sec), new interesting: 158 (total: 162)
	awk -v name="$1 $2${4:+ $4}" -v OFS='\t' -F ' *[:,(] *' '
		/^fuzz: elapsed.*execs/ { time = $3; execs = $5; kept = $(NF) + 0 }
		END {
			if (sub(/h/, "*3600+", time) + sub(/m/, "*60+", time) + sub(/s/, "", time) == 0) exit
			n = split(time, sum, "+")
			for (i = 1; i <= n; i++) { split(sum[i], f, "*"); s += f[1] * (f[2] ? f[2] : 1) }
			print name, sprintf("%.1f", s / 60), execs, kept
		}' "$log" >"$log.line"
	if [[ ! -s $log.line ]]; then
		echo "$1 $2${4:+ $4}: the time was over before what there is had been run: nothing was tried"
		return
	fi
	cat "$log.line"
	(
		flock 9
		[[ -s $done ]] || printf 'target\tminutes\texecutions\tinputs\tlast\n' >"$done"
		awk -F '\t' -v OFS='\t' -v day="$(date +%F)" '
			FNR == NR { name = $1; minutes = $2; execs = $3; kept = $4; next }
			FNR == 1 { print; next }
			$1 == name { minutes += $2; execs += $3; next }
			{ print | "LC_ALL=C sort" }
			END { print name, sprintf("%.1f", minutes), sprintf("%.0f", execs), kept, day | "LC_ALL=C sort" }' "$log.line" "$done" >"$tmp/done"
		cat "$tmp/done" >"$done"
	) 9>"$tmp/lock"
}

later() { # as fuzz, when one of JOBS has ended
	while (($(jobs -rp | wc -l) >= ${JOBS:-$(nproc)})); do wait -n || true; done
	fuzz "$@" &
}

if [[ "$*" == others ]]; then
	table=()
elif (($#)); then
	table=("$@")
else
	mapfile -t table < <(sed -n 's/^\t{Name: "\([^"]*\)".*/\1/p' track/dpi/dpi.go)
fi
build track/dpi
for parser in "${table[@]}"; do later track/dpi FuzzParser "rustnet-parsers/$parser" "$parser"; done
if ((!$#)) || [[ "$*" == others ]]; then
	for package in $(go list -f '{{.Dir}}' ./...); do
		package=${package#"$PWD"} package=${package#/}
		mapfile -t targets < <(go test -list '^Fuzz' "./$package" | grep '^Fuzz' | grep -v '^FuzzParser$')
		((${#targets[@]})) || continue
		wait
		build "$package"
		for target in "${targets[@]}"; do later "$package" "$target" "rustnet/$package"; done
	done
fi
wait
[[ ! -e $tmp/late ]] || xargs rm -f <"$tmp/late"
[[ ! -e $tmp/failed ]]
