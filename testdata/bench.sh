#!/bin/bash
# Measures each stage by its Go benchmark, then the whole program beside tcpdump copying the same
# file, in turn, so that both see the same machine: bench.sh [PACKETS] [ROUNDS].
# Seconds of CPU on a shared machine say little; the ratio of one run says something.
set -euo pipefail
cd "$(dirname "$0")/.."
packets=${1:-1000000} rounds=${2:-5}
file=bench/mix-$packets.pcap
mkdir -p bench
[[ -e $file ]] || go run ./testdata/mkbench -o "$file" -packets "$packets"

echo "== stages (go test -bench)"
go test -run '^$' -bench 'Decode|Run|Known|Wheel|Flow|Packet|Match|JSON|Encode|Pcap' -benchtime 300ms \
	./capture/file ./capture/decode ./track/... ./filter ./output | grep -E '^(Benchmark|pkg:)' || true

# cpu COMMAND…: seconds of user and system time, and peak memory in kB.
cpu() { { TIMEFORMAT='%U %S'; time "$@" >/dev/null 2>&1; } 2>&1; }
memory() { command -v /usr/bin/time >/dev/null && /usr/bin/time -f %M "$@" 2>&1 >/dev/null | tail -1 || echo -; }

command -v tcpdump >/dev/null || { echo "tcpdump is not installed: nothing to compare with" >&2; exit 1; }
echo "== whole program: $(stat -c %s "$file") bytes, $packets packets, $rounds rounds in turn"
printf '%-8s %10s %10s %8s\n' round tcpdump rustnet ratio
for ((i = 1; i <= rounds; i++)); do
	a=$(cpu tcpdump -r "$file" -w /dev/null)
	b=$(cpu ./rustnet -q -r "$file" --json)
	echo "$i $a $b" | awk '{ t = $2 + $3; r = $4 + $5; printf "%-8s %9.2fs %9.2fs %8.2f\n", $1, t, r, r / t }'
done | tee bench/rounds.txt
sort -k4 -n bench/rounds.txt | awk '{ r[NR] = $4 } END { printf "median ratio %.2f\n", r[int((NR + 1) / 2)] }'
echo "peak memory: $(memory ./rustnet -q -r "$file" --json) kB, in $(nproc) cores"
