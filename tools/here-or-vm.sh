#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the demo or the tests where they can run: here, or, where BPF programs may not be loaded, in a VM on the newest
# kernel of test/kernels/matrix.yaml. Same output, same exit status.
#
#   [REPORT=FILE] tools/here-or-vm.sh demo|test [ARG...]
set -eu
cd "$(dirname "$0")/.."
what=$1
shift
node=node_modules/node/bin/node

# Tools that are not needed before something is built, and the kernel itself, are asked last.
if lack=$(sh tools/preflight.sh "$what" 2>&1) && lack=$(bin/bpfsvc check 2>&1 >/dev/null); then
	if [ -n "${REPORT:-}" ]; then set -- --reporter=default --reporter=json --outputFile.json="$REPORT" "$@"; fi
	exec "$node" --run "$what" -- "$@"
fi
echo "$lack"
echo "$what: in a VM instead, which takes its time"
sh tools/deps.sh vm guest
exec "$node" tools/kernels/instead.ts "$what" "$@"
