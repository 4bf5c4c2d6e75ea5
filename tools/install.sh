#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copies what runs, and nothing that only builds, into a directory: JavaScript, BPF objects and their sources, the addon,
# production packages, the binary of Node. `make install` has built all of it before.
set -eu
cd "$(dirname "$0")/.."
to=${1:?usage: install.sh DIR}
PATH=$(printf '%s' "$PATH" | tr ':' '\n' | grep -v /node_modules/ | paste -s -d :)

rm -rf "$to"
mkdir -p "$to/native/build/Release"
cp -R bin dist bpf LICENSE LICENSES package.json package-lock.json "$to"
cp native/build/Release/bpfsvc.node "$to/native/build/Release"
rm -rf "$to/dist/bpf/.cache"
(cd "$to" && npm ci --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null)
find "$to/node_modules" -type d -empty -delete # npm 9 leaves the scopes of what it left out
mkdir -p "$to/node_modules/node/bin"
cp node_modules/node/bin/node "$to/node_modules/node/bin"
