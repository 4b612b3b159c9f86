#!/bin/bash
# Runs the tests of bpf, lifecycle, command and enrich, and rustnet doctor, under Debian's kernels and prints what works where:
# kernels.sh [ROW…], all rows without. The kernels run in qemu, which emulates the processor, without any
# network but their own, from an initramfs of our programs, busybox and the few programs that the
# tests watch. A row is KERNEL[-ARCH][:VARIANT]: 6.1, 6.1-arm64, 6.1:nobtf; everything that a run said is in build/kernels/ROW.log.
# nocgroup is without a mount of control groups, nobtf without the kernel's types, which a file gives instead; noring has no
# ring buffers, as before 5.8; integrity and confidentiality are modes of lockdown.
# RUN=REGEXP and PACKAGES="bpf enrich" in the environment choose among the tests.
set -euo pipefail
cd "$(dirname "$0")/.."
rows=("$@")
((${#rows[@]})) || rows=(5.10 5.10:noring 6.1 6.1:nocgroup 6.1:nobtf 6.12 6.12:integrity 6.12:confidentiality)
dir=$PWD/build/kernels
mkdir -p "$dir"

export PATH=$PATH:/usr/sbin:/sbin
missing=()
for need in busybox dpkg-deb:dpkg xz:xz-utils; do
	command -v "${need%%:*}" >/dev/null || missing+=("${need##*:}")
done
for row in "${rows[@]}"; do
	case $row in
	*-arm64*) emulator=qemu-system-aarch64:qemu-system-arm ;;
	*) emulator=qemu-system-x86_64:qemu-system-x86 ;;
	esac
	command -v "${emulator%%:*}" >/dev/null || [[ " ${missing[*]} " == *" ${emulator##*:} "* ]] || missing+=("${emulator##*:}")
done
((${#missing[@]} == 0)) || { echo "run kernels: try: apt-get install --no-install-recommends ${missing[*]}" >&2; exit 1; }

# A state of apt's own: the machine may be of another release than the kernels. The mirrors are the machine's.
apt=(-qq -o "Dir::State=$dir/apt" -o "Dir::Cache=$dir/apt" -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$dir/apt/sources"
	-o Dir::State::status=/dev/null -o APT::Sandbox::User=)
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
			printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nArchitectures: amd64 arm64\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n' "$site" "$suite"
		done
	done >"$dir/apt/sources/debian.sources"
	apt-get "${apt[@]}" update || true # what a mirror has no more is said below, where it is missed
}

# kernel VERSION ARCH TO unpacks the newest package of it to the directory TO.
kernel() {
	[[ -e $3/done ]] && return
	local name
	name=$(apt-cache "${apt[@]}" -o "APT::Architecture=$2" search --names-only "^linux-image-${1//./\\.}\.[0-9.]*[-+][a-z0-9+-]*cloud-$2\$" | awk '{print $1}' | sort -V | tail -1)
	[[ -n $name ]] || { echo "Linux $1: no package linux-image-$1…-cloud-$2 on this machine's mirrors" >&2; return 1; }
	(cd "$dir" && apt-get "${apt[@]}" -o "APT::Architecture=$2" download "$name" && rm -rf "$3" && dpkg-deb -x "$name"_*.deb "$3" && rm "$name"_*.deb)
	local modules=("$3"/lib/modules/*)
	local version=${modules[0]##*/} tree=$3/initramfs/lib/modules part
	# All of the network, so that it loads itself what is asked for, and what it is built on.
	mkdir -p "$tree/$version/kernel/drivers/net"
	cp "${modules[0]}"/modules.builtin* "${modules[0]}"/modules.order "$tree/$version/"
	for part in net lib crypto arch drivers/net/veth.ko drivers/net/veth.ko.xz drivers/net/dummy.ko drivers/net/dummy.ko.xz; do
		[[ -e ${modules[0]}/kernel/$part ]] && cp -r "${modules[0]}/kernel/$part" "$tree/$version/kernel/$(dirname "$part")/"
	done
	find "$tree" -name '*.xz' -exec xz -d {} +
	busybox depmod -b "$3/initramfs" "$version"
	archive "$3/initramfs" "$3/modules.cpio"
	touch "$3/done"
}

archive() { (cd "$1" && find . | busybox cpio -o -H newc 2>/dev/null) >"$2"; }

# programs ARCH unpacks busybox and what the tests watch, with all that it is linked with.
programs() {
	local to=$dir/programs-$1 package
	[[ -e $to.cpio ]] && return
	rm -rf "$to" "$dir"/apt/archives/*.deb
	apt-get "${apt[@]}" -o "APT::Architecture=$1" -y --no-install-recommends --download-only install \
		busybox-static bash curl bind9-dnsutils iputils-ping socat iproute2 nftables util-linux python3-minimal libpython3.11-stdlib
	for package in "$dir"/apt/archives/*.deb; do dpkg-deb -x "$package" "$to"; done
	rm -rf "$to"/usr/share/{doc,man,locale,perl,perl5,zoneinfo,bash-completion,i18n} "$to"/usr/lib/*/{perl,perl-base,gconv}
	ln -sf bash "$to/bin/sh" # that of busybox runs its own programs, whatever PATH says
	ln -sf ../bin/busybox "$to/sbin/modprobe"
	mkdir -p "$to"/{proc,sys,dev,tmp,etc,root,tests}
	printf 'root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n' >"$to/etc/passwd"
	printf 'root:x:0:\n' >"$to/etc/group"
	printf '127.0.0.1 localhost\n' >"$to/etc/hosts"
	archive "$to" "$to.cpio"
}

# ours ARCH builds rustnet and the tests.
ours() {
	local to=$dir/ours-$1 package
	rm -rf "$to"
	mkdir -p "$to"/bin "$to"/tests/docs
	ln -s bin/init "$to/init"
	cp testdata/kernels.init "$to/bin/init"
	cp docs/owners.md "$to/tests/docs/"
	export CGO_ENABLED=0 GOOS=linux GOARCH=$1
	for package in bpf capture/lifecycle capture/command enrich; do
		mkdir "$to/tests/${package##*/}"
		go test -c -ldflags '-s -w' -o "$to/tests/${package##*/}/${package##*/}.test" "./$package"
		[[ ! -d $package/testdata ]] || cp -r "$package/testdata" "$to/tests/${package##*/}/"
	done
	cp bpf/*.bpf.c "$to/tests/bpf/" # whose constants are those of the program
	go build -ldflags '-s -w' -o "$to/bin/rustnet" .
	[[ " ${rows[*]} " != *:noring\ * ]] || go build -ldflags '-s -w -X rustnet/bpf.withoutRing=yes' -o "$to/bin/rustnet-noring" .
	archive "$to" "$to.cpio"
}

grep -q arm64 "$dir/apt/sources/debian.sources" 2>/dev/null || sources
failed=0 logs=()
declare -A built
for row in "${rows[@]}"; do
	machine=${row%%:*} variant=${row#"${row%%:*}"} log=$dir/$row.log
	version=${machine%%-*} arch=amd64 console=ttyS0 processor=(qemu-system-x86_64 -cpu Nehalem)
	[[ $machine != *-* ]] || arch=${machine#*-} console=ttyAMA0 processor=(qemu-system-aarch64 -M virt -cpu cortex-a72)
	kernel "$version" "$arch" "$dir/$machine" || { failed=1; continue; }
	programs "$arch"
	[[ " ${!built[*]} " == *" $arch "* ]] || { ours "$arch"; built[$arch]=yes; }
	logs+=("$log")
	: >"$log"
	# no_timer_check: on a busy machine the emulated timer comes too late for the kernel to believe in it.
	parameters="console=$console panic=-1 quiet no_timer_check mitigations=off VARIANT=${variant#:} RUN=${RUN:-.} PACKAGES=\"${PACKAGES:-bpf lifecycle command enrich}\""
	case ${variant#:} in
	integrity | confidentiality) parameters+=" lockdown=${variant#:}" ;;
	noring) parameters+=" TEST_RUNG=older,noring" ;;
	esac
	cat "$dir/programs-$arch.cpio" "$dir/$machine/modules.cpio" "$dir/ours-$arch.cpio" >"$dir/initramfs"
	echo "== Linux $row" >&2
	for _ in 1 2 3; do # an emulated machine may stand still before its first program; then another is begun
		timeout 7200 nice "${processor[@]}" -accel tcg -smp 2 -m 2048 -nic none -display none -monitor none \
			-serial "file:$log" -no-reboot -kernel "$dir/$machine"/boot/vmlinuz-* -initrd "$dir/initramfs" -append "$parameters" </dev/null &
		running=$!
		for ((i = 0; i < 300; i++)); do
			sleep 1
			if [[ -s $log ]] || ! kill -0 "$running" 2>/dev/null; then break; fi
		done
		[[ -s $log ]] && break
		kill "$running" 2>/dev/null || true
		wait "$running" || true
	done
	wait "$running" || true
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
