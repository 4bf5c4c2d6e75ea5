#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Brings what the build, the tests and the demo need: Debian packages (only those missing) and node_modules.
# Does nothing, in some ten milliseconds, when all is there. It must run before anything else exists: POSIX sh and dpkg only.
#
#   tools/deps.sh [build|lint|run|test|vm|guest|node]...   without arguments: all but vm and guest
#   APT=no                                     no Debian: the tools have been installed by other means
set -eu
cd "$(dirname "$0")/.."
# npm runs on the machine's own Node, which is the one that its distribution made for it.
PATH=$(printf '%s' "$PATH" | tr ':' '\n' | grep -v /node_modules/ | paste -s -d :)
cache=.cache
log=$cache/deps.log

say() { echo "deps: $*"; }
fail() {
	echo "deps: $*" >&2
	exit 1
}

# Quiet while it goes well, everything when it does not.
quietly() {
	if [ -n "${V:-}" ]; then
		"$@"
	elif ! "$@" >"$log" 2>&1; then
		tail -n 30 "$log" >&2
		return 1
	fi
}

packages_of() { sed -n "s/^$1: *//p" tools/packages; }

# Those of the given packages that are not installed.
missing() {
	installed=" $(dpkg-query --show --showformat '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null | sed -n 's/ installed$//p' | tr '\n' ' ')"
	for name in "$@"; do
		case $installed in
			*" $name "*) ;;
			*) printf '%s ' "$name" ;;
		esac
	done
}

# All are known to apt, which they are not before the first `apt-get update` of a fresh image.
known_to_apt() { apt-get install --simulate --no-install-recommends "$@" >/dev/null 2>&1; }

apt_install() {
	[ "${APT:-}" != no ] || return 0
	if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
		fail "not a Debian: install what tools/packages lists by other means, then run: make APT=no deps"
	fi
	wanted=$(missing "$@")
	[ -n "$wanted" ] || return 0
	if [ "$(id -u)" != 0 ]; then
		fail "not root: install what is missing first: sudo apt-get install ${wanted% }"
	fi
	export DEBIAN_FRONTEND=noninteractive
	# shellcheck disable=SC2086 # package names: words are wanted
	if ! known_to_apt $wanted; then
		say 'updating the package lists'
		quietly apt-get update || fail 'apt-get update failed: check /etc/apt/sources.list* and the network, then repeat'
	fi
	say "installing ${wanted% }"
	# Stale lists name files that the mirrors no longer have; fresh ones do not.
	# shellcheck disable=SC2086
	quietly apt-get install --yes --no-install-recommends $wanted ||
		{ quietly apt-get update && quietly apt-get install --yes --no-install-recommends $wanted; } ||
		fail "apt-get install failed: Debian 12 or newer with its main archive has all of: ${wanted% }"
}

npm_works() { command -v npm >/dev/null && npm --version >/dev/null 2>&1; }

# tools/node.sh wrote the stamp.
modules_current() { [ -x node_modules/node/bin/node ] && cmp -s package-lock.json node_modules/.bpfsvc-installed; }

npm_install() {
	npm_works || fail 'no npm: install Node with npm 9 or newer, then repeat'
	say "installing npm packages (npm $(npm --version))"
	# No package's own scripts: npm 12 blocks them, older ones run them, and the only one that we need is run by hand below.
	quietly env NODE_OPTIONS="--require=$PWD/tools/npm-engines.cjs" npm ci --ignore-scripts --no-audit --no-fund || fail 'npm ci failed: check the network and the registry in ~/.npmrc, then repeat'
	quietly sh tools/node.sh || fail 'the binary of Node 24 could not be installed: see above, then repeat'
}

mkdir -p "$cache"
[ $# -gt 0 ] || set -- build lint run test node
packages=
install=
for part in "$@"; do
	case $part in
		build | lint | run | test | vm | guest) packages="$packages $(packages_of "$part")" ;;
		node)
			modules_current && continue
			install=npm
			npm_works || packages="$packages $(packages_of npm)"
			;;
		*) fail "unknown part '$part': build, lint, run, test, vm, guest or node" ;;
	esac
done
# shellcheck disable=SC2086
[ -z "$packages" ] || apt_install $packages
[ -z "$install" ] || npm_install
