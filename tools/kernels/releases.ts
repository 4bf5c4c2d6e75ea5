// SPDX-License-Identifier: Apache-2.0
// Which packages make up a kernel. Pure: from the text of Debian's package index to names and versions. Debian has put
// kernels into one package (linux-image-R), into two, and into three (linux-binary-R, linux-modules-R, linux-base-R), and
// newest ones are there unsigned before they are there signed; qemu checks no signatures.

export interface Package {
  readonly name: string;
  readonly version: string;
}

export interface KernelPackages {
  /** What `uname -r` will say. */
  readonly release: string;
  readonly packages: readonly Package[];
}

const FLAVOUR = 'cloud-amd64';
const NAME = new RegExp(`^linux-(?:image|binary|binary-unsigned|modules|base)-(\\d.*-${FLAVOUR})(?:-unsigned)?$`);

const BY_VERSION = new Intl.Collator('en', { numeric: true });

/** The newest kernel of the series: `6.12` for 6.12.y, `7` for 7.x.y. Undefined: the index has none that is complete. */
export function newestKernel(index: string, series: string): KernelPackages | undefined {
  const wanted = kernelPackages(index);
  const releases = [...wanted.keys()]
    .filter((release) => release.startsWith(`${series}.`))
    .sort((a, b) => BY_VERSION.compare(b, a));
  for (const release of releases) {
    const packages = complete(release, wanted.get(release) ?? new Map<string, Package>());
    if (packages !== undefined) return { release, packages };
  }
  return undefined;
}

/** The index's kernel packages by release, then by name: of several versions of one package the newest. */
function kernelPackages(index: string): Map<string, Map<string, Package>> {
  const releases = new Map<string, Map<string, Package>>();
  for (const stanza of index.split('\n\n')) {
    const name = /^Package: (.*)$/m.exec(stanza)?.[1] ?? '';
    const version = /^Version: (.*)$/m.exec(stanza)?.[1] ?? '';
    const release = NAME.exec(name)?.[1];
    if (release === undefined) continue;
    const packages = releases.get(release) ?? new Map<string, Package>();
    releases.set(release, packages);
    const other = packages.get(name);
    if (other === undefined || BY_VERSION.compare(version, other.version) > 0) packages.set(name, { name, version });
  }
  return releases;
}

function complete(release: string, packages: ReadonlyMap<string, Package>): Package[] | undefined {
  const first = (...names: string[]): Package[] => names.flatMap((name) => packages.get(name) ?? []).slice(0, 1);
  const binary = first(`linux-binary-${release}`, `linux-binary-unsigned-${release}`);
  const modules = first(`linux-modules-${release}`);
  const base = first(`linux-base-${release}`);
  // Split kernels' linux-image-R is only a name; and a mirror keeps parts of old ones whose other parts are gone.
  if (binary.length + modules.length > 0) {
    return binary.length === modules.length ? [...binary, ...modules, ...base] : undefined;
  }
  const image = first(`linux-image-${release}`, `linux-image-${release}-unsigned`);
  return image.length === 0 ? undefined : image;
}
