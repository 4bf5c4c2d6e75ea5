// SPDX-License-Identifier: Apache-2.0
// Which mirror the machine uses, and the apt sources of another suite on it. Pure, and without any host's name.

export interface Mirrors {
  readonly main: string;
  readonly security: string;
}

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const RELEASES = ['bullseye', 'bookworm', 'trixie', 'forky', 'duke', 'sid', 'stable', 'testing'];

/** From lines of `URI SUITE COMPONENT`, as `apt-get indextargets` gives them. Undefined: none is Debian's main archive. */
export function mirrorsFrom(targets: string): Mirrors | undefined {
  const rows = targets
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, , component]) => component === 'main');
  const uriOf = (suites: readonly string[]): string | undefined =>
    rows.find(([, suite]) => suites.includes(suite ?? ''))?.[0]?.replace(/\/$/, '');
  const main = uriOf(RELEASES);
  if (main === undefined) return undefined;
  return { main, security: uriOf(RELEASES.map((release) => `${release}-security`)) ?? `${main}-security` };
}

/** Backports have no security suite of their own. */
export function sourcesList(suite: string, mirrors: Mirrors): string {
  const line = (uri: string, name: string): string => `deb [signed-by=${KEYRING}] ${uri} ${name} main\n`;
  const security = suite.endsWith('-backports') ? '' : line(mirrors.security, `${suite}-security`);
  return line(mirrors.main, suite) + security;
}
