#!/bin/bash
# Holds what is taken for the layouts of the BSDs' lists of sockets and processes against these systems' own headers, which Zig's C
# compiler has. Zig comes from PyPI (90 MB); ZIG=zig takes one that is there.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -z "${ZIG:-}" ]; then
	ZIG=$PWD/build/zig/ziglang/zig
	[ -x "$ZIG" ] || pip install --quiet --root-user-action ignore --target build/zig ziglang==0.17.1
fi
export ZIG_GLOBAL_CACHE_DIR=$PWD/build/zig-cache ZIG_LOCAL_CACHE_DIR=$PWD/build/zig-cache
failed=0
for target in {x86_64,aarch64}-{freebsd,netbsd,openbsd}; do
	for of in capture/sockets enrich; do
		echo "== $of on $target"
		# The second is for NetBSD, whose headers and the compiler's both have the type.
		"$ZIG" cc -target "$target-none" -D_WANT_SOCKET -D_KMEMUSER -D__CLANG_MAX_ALIGN_T_DEFINED -c -o build/layouts.o "$of/testdata/${target#*-}.c" || failed=1
	done
done
exit "$failed"
