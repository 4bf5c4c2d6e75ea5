#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Puts the binary of npm's package `node` in its place, and notes that node_modules fits the lockfile. The package fetches
# the binary in an install script, which npm 12 does not run; `npm ci` calls this file as our own postinstall, `make deps`
# by name. Nothing to do: no output.
set -eu
cd "$(dirname "$0")/.."
# npm puts node_modules/.bin first for its scripts, but Debian's npm runs on Debian's Node alone.
PATH=$(printf '%s' "$PATH" | tr ':' '\n' | grep -v /node_modules/ | paste -s -d :)
package=node_modules/node
[ -d "$package" ] || exit 0 # npm ci --omit=dev: this machine's own Node is to be used
wanted=$(sed -n 's/^ *"version": *"\([^"]*\)".*/\1/p' "$package/package.json")
has() { [ -x "$package/bin/node" ] && [ "$("$package/bin/node" --version 2>/dev/null)" = "v$wanted" ]; }
if ! has; then
	# Names of the outer npm's run; to the inner one they are options that point at the wrong package.
	unset npm_config_local_prefix npm_config_ignore_scripts npm_config_omit npm_package_json 2>/dev/null || true
	(cd "$package" && node installArchSpecificPackage.js)
	has || {
		echo "node.sh: no working Node $wanted in $package/bin: it needs Linux on x64 or arm64 with glibc 2.28 or newer" >&2
		exit 1
	}
fi
# npm leaves the link out when the file is not there yet.
mkdir -p node_modules/.bin
[ -x node_modules/.bin/node ] || ln -sf ../node/bin/node node_modules/.bin/node
cp package-lock.json node_modules/.bpfsvc-installed
