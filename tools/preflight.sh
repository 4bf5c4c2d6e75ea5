#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Says in one line what this machine lacks to run BPF programs, and what to do about it; silent when nothing is missing.
# It runs before anything is installed: POSIX sh, no tools but the essential ones. What the kernel can do beyond this
# floor, `bpfsvc check` probes.
set -eu
what=${1:-bpfsvc}
mounts=${BPFSVC_MOUNTS:-/proc/self/mounts}
btf=${BPFSVC_BTF:-/sys/kernel/btf/vmlinux}

fail() {
	echo "$what: $*" >&2
	exit 1
}

[ "$(uname -s)" = Linux ] || fail "needs Linux, this is $(uname -s): use a Linux machine or a VM"
[ -r "$mounts" ] || fail 'needs /proc: mount -t proc proc /proc'
grep -q '^[^ ]* [^ ]* cgroup2 ' "$mounts" || fail 'no cgroup v2 mounted: mkdir -p /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup'
[ -r "$btf" ] || fail "the kernel has no BTF ($btf): boot one with CONFIG_DEBUG_INFO_BTF=y, as all of Debian's are"
[ "$(id -u)" = 0 ] || fail "needs root to load BPF programs and make network namespaces: run sudo make $what"
unshare --net --mount true 2>/dev/null || fail 'may not make network namespaces: in a container, start it with --privileged'
