#!/bin/bash
# Runs the tests of bpf, lifecycle, command and enrich, and rustnet doctor, under Debian's kernels and prints what works where:
# kernels.sh [ROW…], all rows without. The kernels run in qemu, which emulates the processor, without any
# network but their own, from an initramfs of our programs, busybox and the few programs that the
# tests watch. A row is KERNEL[:VARIANT]; everything that a run said is in build/kernels/ROW.log.
# nocgroup is without a mount of control groups, nobtf without the kernel's types, which a file gives instead; noring has no
# ring buffers, as before 5.8; integrity and confidentiality are modes of lockdown.
# RUN=REGEXP and PACKAGES="bpf enrich" in the environment choose among the tests.
set -euo pipefail
cd "$(dirname "$0")/.."
rows=("$@")
((${#rows[@]})) || rows=(5.10 5.10:noring 6.1 6.1:nocgroup 6.1:nobtf 6.12 6.12:integrity 6.12:confidentiality)
dir=$PWD/build/kernels
mkdir -p "$dir"

[[ $(uname -m) == x86_64 ]] || { echo "the kernels are for x86_64, which this machine is not" >&2; exit 1; }
export PATH=$PATH:/usr/sbin:/sbin
missing=()
for need in qemu-system-x86_64:qemu-system-x86 busybox:busybox-static dpkg-deb:dpkg curl:curl dig:bind9-dnsutils ping:iputils-ping socat:socat ip:iproute2 ss:iproute2 nft:nftables setpriv:util-linux /usr/bin/python3:python3; do
	command -v "${need%%:*}" >/dev/null || missing+=("${need##*:}")
done
((${#missing[@]} == 0)) || { echo "run kernels: try: apt-get install --no-install-recommends ${missing[*]}" >&2; exit 1; }
ldd "$(command -v busybox)" >/dev/null 2>&1 && { echo "run kernels: busybox is not static, try: apt-get install busybox-static" >&2; exit 1; }

# A state of apt's own: the machine may be of another release than the kernels. The mirrors are the machine's.
apt=(-qq -o "Dir::State=$dir/apt" -o "Dir::Cache=$dir/apt" -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$dir/apt/sources"
	-o Dir::State::status=/var/lib/dpkg/status -o APT::Sandbox::User=)
sources() {
	mkdir -p "$dir"/apt/{sources,lists/partial,archives/partial}
	local site suite suites
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | sort -u | while read -r site; do
		case $site in
		*/debian | */debian/) suites="bullseye bookworm" ;;
		*/debian-security | */debian-security/) suites="bullseye-security bookworm-security" ;;
		*) continue ;;
		esac
		for suite in $suites; do
			printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nArchitectures: amd64\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n' "$site" "$suite"
		done
	done >"$dir/apt/sources/debian.sources"
	apt-get "${apt[@]}" update || true # what a mirror has no more is said below, where it is missed
}

# kernel VERSION unpacks the newest package of it to build/kernels/VERSION.
kernel() {
	[[ -e $dir/$1/done ]] && return
	[[ -e $dir/apt/sources/debian.sources ]] || sources
	local name
	name=$(apt-cache "${apt[@]}" search --names-only "^linux-image-${1//./\\.}\.[0-9.]*[-+][a-z0-9+-]*cloud-amd64\$" | awk '{print $1}' | sort -V | tail -1)
	[[ -n $name ]] || { echo "Linux $1: no package linux-image-$1…-cloud-amd64 on this machine's mirrors" >&2; return 1; }
	(cd "$dir" && apt-get "${apt[@]}" download "$name" && rm -rf "$1" && dpkg-deb -x "$name"_*.deb "$1" && rm "$name"_*.deb)
	local modules=("$dir/$1"/lib/modules/*)
	local version=${modules[0]##*/} tree=$dir/$1/initramfs/lib/modules part
	# All of the network, so that it loads itself what is asked for, and what it is built on.
	mkdir -p "$tree/$version/kernel/drivers/net"
	cp "${modules[0]}"/modules.builtin* "${modules[0]}"/modules.order "$tree/$version/"
	for part in net lib crypto arch drivers/net/veth.ko drivers/net/veth.ko.xz drivers/net/dummy.ko drivers/net/dummy.ko.xz; do
		[[ -e ${modules[0]}/kernel/$part ]] && cp -r "${modules[0]}/kernel/$part" "$tree/$version/kernel/$(dirname "$part")/"
	done
	find "$tree" -name '*.xz' -exec xz -d {} +
	busybox depmod -b "$dir/$1/initramfs" "$version"
	archive "$dir/$1/initramfs" "$dir/$1/modules.cpio"
	touch "$dir/$1/done"
}

archive() { (cd "$1" && find . | busybox cpio -o -H newc 2>/dev/null) >"$2"; }

# put copies programs or libraries and what they are linked with, to where they are here.
put() {
	local file lib
	for file in "$@"; do
		for lib in "$file" $(ldd "$file" 2>/dev/null | grep -o '/[^ ]*' || true); do
			mkdir -p "$root$(dirname "$lib")"
			[[ -e $root$lib ]] || cp -L "$lib" "$root$lib"
		done
	done
}

root=$dir/root
rm -rf "$root"
mkdir -p "$root"/{bin,sbin,proc,sys,dev,tmp,etc,root,tests,usr/lib,usr/bin}
ln -s bin/init "$root/init"
cp testdata/kernels.init "$root/bin/init"
cp "$(command -v busybox)" "$root/bin/busybox"
ln -s ../bin/busybox "$root/sbin/modprobe"
put /bin/bash /usr/bin/curl /usr/bin/dig /usr/bin/ping /usr/bin/socat /usr/bin/python3
for program in ip ss nft setpriv unshare nsenter; do # busybox has the most of these too, but not all that is asked of them
	put "$(command -v "$program")"
done
ln -s bash "$root/bin/sh" # that of busybox runs its own programs, whatever PATH says
python=$(/usr/bin/python3 -S -c 'import os; print(os.path.dirname(os.__file__))')
mkdir -p "$root$python"
(cd "$python" && tar -c --exclude=test --exclude=dist-packages --exclude='config-*' --exclude=idlelib --exclude=__pycache__ .) | tar -x -C "$root$python"
put "$python"/lib-dynload/_ctypes.*.so
printf 'root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n' >"$root/etc/passwd"
printf 'root:x:0:\n' >"$root/etc/group"
printf '127.0.0.1 localhost\n' >"$root/etc/hosts"
for package in bpf capture/lifecycle capture/command enrich; do
	mkdir "$root/tests/${package##*/}"
	CGO_ENABLED=0 go test -c -ldflags '-s -w' -o "$root/tests/${package##*/}/${package##*/}.test" "./$package"
	[[ ! -d $package/testdata ]] || cp -r "$package/testdata" "$root/tests/${package##*/}/"
done
mkdir "$root/tests/docs"
cp docs/owners.md "$root/tests/docs/"
CGO_ENABLED=0 go build -ldflags '-s -w' -o "$root/bin/rustnet" .
[[ " ${rows[*]} " != *:noring\ * ]] || CGO_ENABLED=0 go build -ldflags '-s -w -X rustnet/bpf.withoutRing=yes' -o "$root/bin/rustnet-noring" .
archive "$root" "$dir/root.cpio"

failed=0 logs=()
for row in "${rows[@]}"; do
	version=${row%%:*} variant=${row#"$version"} log=$dir/$row.log
	kernel "$version" || { failed=1; continue; }
	logs+=("$log")
	: >"$log"
	# no_timer_check: on a busy machine the emulated timer comes too late for the kernel to believe in it.
	parameters="console=ttyS0 panic=-1 quiet no_timer_check mitigations=off VARIANT=${variant#:} RUN=${RUN:-.} PACKAGES=\"${PACKAGES:-bpf lifecycle command enrich}\""
	case ${variant#:} in
	integrity | confidentiality) parameters+=" lockdown=${variant#:}" ;;
	noring) parameters+=" TEST_RUNG=older,noring" ;;
	esac
	cat "$dir/root.cpio" "$dir/$version/modules.cpio" >"$dir/initramfs"
	echo "== Linux $row" >&2
	for _ in 1 2 3; do # an emulated machine may stand still before its first program; then another is begun
		timeout 7200 nice qemu-system-x86_64 -accel tcg -smp 2 -m 2048 -cpu Nehalem -nic none -display none -monitor none \
			-serial "file:$log" -no-reboot -kernel "$dir/$version"/boot/vmlinuz-* -initrd "$dir/initramfs" -append "$parameters" </dev/null &
		machine=$!
		for ((i = 0; i < 300; i++)); do
			sleep 1
			if [[ -s $log ]] || ! kill -0 "$machine" 2>/dev/null; then break; fi
		done
		[[ -s $log ]] && break
		kill "$machine" 2>/dev/null || true
		wait "$machine" || true
	done
	wait "$machine" || true
	sed -i 's/\r//g' "$log"
	case ${variant#:} in
	integrity | confidentiality)
		grep -q "lockdown: .*\[${variant#:}]" "$log" || { echo "Linux $row was not under lockdown" >&2; failed=1; } ;;
	esac
	grep -q '^== end$' "$log" || { echo "Linux $row did not come to its end: the last of $log is" >&2; tail -5 "$log" >&2; failed=1; }
done
rm -f "$dir/initramfs"

# One line a test, one column a kernel.
awk '
	function verdict(v, skips) { return v == "ok" && skips ? "ok, " skips " skipped" : v }
	FNR == 1 { name = FILENAME; sub(/.*\//, "", name); sub(/\.log$/, "", name); column[++columns] = name }
	/^ *--- (PASS|FAIL|SKIP): / {
		test = $3
		if ($2 == "FAIL:") failed = 1
		if (sub(/\/.*/, "", test)) { skips[test, columns] += $2 == "SKIP:"; next }
		if (!(test in seen)) { seen[test]; tests[++n] = test }
		of[test, columns] = $2 == "PASS:" ? "ok" : $2 == "FAIL:" ? "FAIL" : "skipped"
	}
	/^panic: / { failed = 1 }
	END {
		printf "%-26s", ""
		for (c = 1; c <= columns; c++) printf " %-20s", column[c]
		print ""
		for (i = 1; i <= n; i++) {
			printf "%-26s", tests[i]
			for (c = 1; c <= columns; c++) printf " %-20s", (tests[i], c) in of ? verdict(of[tests[i], c], skips[tests[i], c]) : "-"
			print ""
		}
		exit failed
	}' "${logs[@]}" || failed=1
echo
for log in "${logs[@]}"; do # what the lower rungs do, and why
	sed -n "s|^ *bpf_linux_test.go:[0-9]*: rung: |$(basename "$log" .log): |p" "$log"
done
echo
# Whose connections they were, as docs/owners.md has it.
awk '
	FNR == 1 { name = FILENAME; sub(/.*\//, "", name); sub(/\.log$/, "", name); column[++columns] = name }
	sub(/^.* owners: \| /, "") {
		split($0, cell, / \| ?/)
		if (!(cell[1] in seen)) { seen[cell[1]]; rows[++n] = cell[1] }
		of[cell[1], columns] = cell[2]
	}
	END {
		if (!n) exit
		head = "|"; line = "|---|"
		for (c = 1; c <= columns; c++) { head = head " | " column[c]; line = line "---|" }
		print head " |\n" line
		for (i = 1; i <= n; i++) {
			row = "| " rows[i]
			for (c = 1; c <= columns; c++) row = row " | " ((rows[i], c) in of ? of[rows[i], c] : "-")
			print row " |"
		}
	}' "${logs[@]}"
echo
for log in "${logs[@]}"; do # what of rustnet works there
	awk -v "row=$(basename "$log" .log)" '
		/^== doctor ends/ { on = 0; ended = 1 }
		on && (/^[^,]*,(limited|failed),/ || /^main,/) { print row ": doctor: " $0 }
		/^== doctor$/ { on = 1 }
		END { exit !ended }' "$log" || { echo "$(basename "$log" .log): doctor did not come to its end" >&2; failed=1; }
done
exit "$failed"
