#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Says in one line what this machine lacks to run BPF programs, and what to do about it; silent when nothing is missing.
# It runs before anything is installed: POSIX sh, no tools but the essential ones. What the kernel can do beyond this
# floor, `bpfsvc check` probes.
set -eu
what=${1:-bpfsvc}
mounts=${BPFSVC_MOUNTS:-/proc/self/mounts}
status=${BPFSVC_STATUS:-/proc/self/status}
uid_map=${BPFSVC_UID_MAP:-/proc/self/uid_map}

fail() {
	echo "$what: $*" >&2
	exit 1
}

[ "$(uname -s)" = Linux ] || fail "needs Linux, this is $(uname -s): use a Linux machine or a VM"
[ -r "$mounts" ] || fail 'needs /proc: mount -t proc proc /proc'
grep -q '^[^ ]* [^ ]* cgroup2 ' "$mounts" || fail 'no cgroup v2 mounted: mkdir -p /run/cgroup2 && mount -t cgroup2 none /run/cgroup2'
[ "$(id -u)" = 0 ] || fail "needs root to load BPF programs and make network namespaces: run sudo make $what"
unshare --net --mount true 2>/dev/null || fail 'may not make network namespaces: in a container, start it with --privileged'

# BPF asks for rights over the whole machine, which a namespace's own root does not have. That leaves seccomp, lockdown
# and security modules, which only a try would show: bpfsvc itself names those.
read -r _ _ users <"$uid_map"
[ "$users" = 4294967295 ] || fail 'may not load BPF programs as root of a user namespace: start it in the initial one'
rights=0x$(sed -n 's/^CapEff:[[:space:]]*//p' "$status")
admin=21 bpf=39 net_admin=12
[ $((rights >> admin & 1)) = 1 ] || [ $((rights >> bpf & rights >> net_admin & 1)) = 1 ] ||
	fail 'may not load BPF programs without CAP_BPF and CAP_NET_ADMIN: in a container, start it with --privileged'
