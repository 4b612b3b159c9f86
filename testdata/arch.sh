#!/bin/bash
# Runs what reads bytes and writes lines on processors of the other byte order and of 32 bits, which qemu emulates: the packages' tests, and
# the whole program over all captures, whose output must be the one of this machine. arch.sh [ARCH…], s390x and arm without.
set -euo pipefail
cd "$(dirname "$0")/.."
archs=("$@")
((${#archs[@]})) || archs=(s390x arm)
dir=$PWD/build/arch
mkdir -p "$dir"
export CGO_ENABLED=0
go build -ldflags '-s -w' -o "$dir/rustnet" .
failed=0
for arch in "${archs[@]}"; do
	emulator=qemu-$arch-static
	command -v "$emulator" >/dev/null || { echo "run $arch: no $emulator, try: apt-get install --no-install-recommends qemu-user-static" >&2; exit 1; }
	echo "== $arch"
	# Left out: what asks the kernel, which is not emulated, what starts the compiler's result, and what allocates nothing elsewhere (on arm, SHA-1 does).
	GOARCH=$arch go test -short -exec "$emulator" -skip 'TestKernelLive|TestServicesAreGenerated|Alloc' ./track/... ./capture/decode ./capture/file \
		./capture/pcapfilter ./capture/ndjson ./filter/... ./output ./output/siem ./output/pcapng ./output/summary || failed=1
	GOARCH=$arch go build -ldflags '-s -w' -o "$dir/rustnet-$arch" .
	testdata/same.sh "$dir/rustnet" "$emulator" "$dir/rustnet-$arch" || failed=1
done
exit "$failed"
