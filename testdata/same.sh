#!/bin/bash
# same.sh OURS OTHER...: whether a rustnet that was built for another machine gives the same records of all captures, byte for byte,
# as OURS does. OTHER is its command; CAPTURES in the environment names some captures only.
set -euo pipefail
cd "$(dirname "$0")/.."
ours=$1
shift
# shellcheck disable=SC2206 # names of captures have no spaces
captures=(${CAPTURES:-testdata/*.pcap testdata/*.pcapng})
here=$(mktemp) there=$(mktemp) same=0 other=0
trap 'rm -f "$here" "$there"' EXIT
for file in "${captures[@]}"; do
	"$ours" -r "$file" --json -q >"$here" 2>/dev/null || true
	timeout 120 "$@" -r "$file" --json -q >"$there" 2>/dev/null || true
	if cmp -s "$here" "$there"; then
		same=$((same + 1))
	else
		echo "FAILED  $file: other records"
		other=$((other + 1))
	fi
done
echo "$same captures give the same records, $other other ones"
((other == 0 && same > 0))
