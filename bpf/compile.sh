#!/bin/sh
# Compiles the kernel programs to the objects that are embedded. The same sources and the same
# compiler (Debian 12's clang 14) give the same bytes, wherever the sources are.
set -eu
cd "$(dirname "$0")"
for tool in clang llvm-strip; do
	command -v "$tool" >/dev/null || {
		echo "compile the kernel programs: no $tool (Debian: apt-get install clang llvm libbpf-dev)" >&2
		exit 1
	}
done
echo '#include <bpf/bpf_helpers.h>' | clang -target bpf -E -include linux/types.h -idirafter "/usr/include/$(uname -m)-linux-gnu" - >/dev/null 2>&1 || {
	echo "compile the kernel programs: no bpf/bpf_helpers.h (Debian: apt-get install libbpf-dev linux-libc-dev)" >&2
	exit 1
}
# owners and ends are made twice: kernel.h says why. mcpu=v3: jumps on 32 bits, Linux 5.1, and atomic operations
# whose value is used, 5.12, which only bypass has.
for object in owners owners-older ends ends-older bypass; do
	name=${object%-older}
	flavour=
	[ "$object" = "$name" ] || flavour=-DOLDER
	clang -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Werror $flavour \
		-ffile-prefix-map="$PWD"=. -idirafter "/usr/include/$(uname -m)-linux-gnu" \
		-c "$name.bpf.c" -o "$object.bpf.o"
	llvm-strip -g "$object.bpf.o"
done
