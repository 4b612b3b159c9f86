#!/bin/bash
# Runs the Windows build under Wine: the tests of what is Windows' own, those of the packages that read packets, and the whole
# program over all captures, whose output must be the one of this system byte for byte. wine.sh [CAPTURE…], all without.
#
# Wine knows the process of a socket only once that has used it, no times of sockets, and no command lines; it cannot remove files the way
# Go does, so that what tests leave behind is no failure here. Wine 8 lacks a library that Go asks for, which is made here.
set -euo pipefail
cd "$(dirname "$0")/.."
captures=("$@")
dir=$PWD/build/wine
mkdir -p "$dir"
missing=()
for need in wine:wine64 x86_64-w64-mingw32-gcc:gcc-mingw-w64-x86-64; do
	command -v "${need%%:*}" >/dev/null || missing+=("${need##*:}")
done
((${#missing[@]} == 0)) || { echo "run Wine: try: apt-get install --no-install-recommends ${missing[*]}" >&2; exit 1; }

export CGO_ENABLED=0 WINEPREFIX=$dir/prefix WINEDEBUG=-all DISPLAY=
trap 'wineserver -k 2>/dev/null || true' EXIT
[[ -d $WINEPREFIX/drive_c/windows/system32 ]] || wineboot -i >/dev/null 2>&1
prng=$WINEPREFIX/drive_c/windows/system32/bcryptprimitives.dll
if [[ ! -e $prng ]]; then
	cat >"$dir/prng.c" <<-'C'
		#include <windows.h>
		BOOLEAN NTAPI SystemFunction036(PVOID, ULONG); /* RtlGenRandom */
		__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE to, SIZE_T n) { return SystemFunction036(to, (ULONG)n); }
	C
	x86_64-w64-mingw32-gcc -shared -O2 -o "$prng" "$dir/prng.c" -ladvapi32
fi

failed=0
tests() { # PACKAGE [TESTS]
	local name=${1//\//-} log
	log=$dir/$name.log
	GOOS=windows go test -c -ldflags '-s -w' -o "$dir/$name.test.exe" "./$1"
	(cd "$1" && timeout 900 wine "$dir/$name.test.exe" -test.v -test.run "${2:-.}") >"$log" 2>&1 || true
	if grep -q '^PASS' "$log"; then
		echo "ok      $1: $(grep -c '^--- PASS' "$log") tests, $(grep -c '^--- SKIP' "$log") skipped"
	else
		echo "FAILED  $1: $log"
		failed=1
	fi
}
for package in capture/sockets capture/live capture/decode capture/pcapfilter track track/dpi track/places filter enrich/doctor; do # those that leave no files
	tests "$package"
done
tests enrich '^TestProcesses$'
tests . '^Test(Own|Command)'

GOOS=windows go build -trimpath -ldflags '-s -w' -o "$dir/rustnet.exe" .
go build -trimpath -ldflags '-s -w' -o "$dir/rustnet" .
CAPTURES=${captures[*]} testdata/same.sh "$dir/rustnet" wine "$dir/rustnet.exe" || failed=1
exit "$failed"
