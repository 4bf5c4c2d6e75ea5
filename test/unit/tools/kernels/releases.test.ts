// SPDX-License-Identifier: Apache-2.0
// Which packages of a Debian index make up the newest kernel of a series.

import { describe, expect, it } from 'vitest';
import { newestKernel } from '../../../../tools/kernels/releases.ts';

function index(...packages: readonly string[]): string {
  return packages
    .map((line) => line.split(' '))
    .map(([name, version]) => `Package: ${name ?? ''}\nVersion: ${version ?? '1'}\nArchitecture: amd64\n`)
    .join('\n');
}

function names(text: string, series: string): string[] | undefined {
  return newestKernel(text, series)?.packages.map(({ name }) => name);
}

describe('the newest kernel of a series', () => {
  it('compares numbers as numbers', () => {
    const text = index('linux-image-5.10.0-9-cloud-amd64', 'linux-image-5.10.0-46-cloud-amd64');
    expect(newestKernel(text, '5.10')?.release).toBe('5.10.0-46-cloud-amd64');
  });

  it('is of the series alone', () => {
    const text = index('linux-image-6.1.0-56-cloud-amd64', 'linux-image-6.12.117+deb13-cloud-amd64');
    expect(names(text, '6.1')).toEqual(['linux-image-6.1.0-56-cloud-amd64']);
    expect(names(text, '6')).toEqual(['linux-image-6.12.117+deb13-cloud-amd64']);
    expect(names(text, '7')).toBeUndefined();
  });

  it('is of the cloud flavour, and neither debug symbols nor a name without a version', () => {
    const text = index(
      'linux-image-6.1.0-57-amd64',
      'linux-image-6.1.0-57-rt-amd64',
      'linux-image-6.1.0-57-cloud-amd64-dbg',
      'linux-image-cloud-amd64',
      'linux-image-6.1-cloud-amd64',
      'linux-image-6.1.0-56-cloud-amd64',
    );
    expect(newestKernel(text, '6.1')?.release).toBe('6.1.0-56-cloud-amd64');
  });

  it('takes the newest of several versions of a package', () => {
    const text = index('linux-image-6.1.0-56-cloud-amd64 6.1.192-2', 'linux-image-6.1.0-56-cloud-amd64 6.1.192-10');
    expect(newestKernel(text, '6.1')?.packages).toEqual([
      { name: 'linux-image-6.1.0-56-cloud-amd64', version: '6.1.192-10' },
    ]);
  });

  it('prefers what is signed', () => {
    const text = index('linux-image-6.1.0-56-cloud-amd64-unsigned', 'linux-image-6.1.0-56-cloud-amd64');
    expect(names(text, '6.1')).toEqual(['linux-image-6.1.0-56-cloud-amd64']);
  });

  it('takes the parts of a split one, and not the package that is only its name', () => {
    const text = index(
      'linux-image-7.2.12-cloud-amd64',
      'linux-binary-7.2.12-cloud-amd64',
      'linux-modules-7.2.12-cloud-amd64',
      'linux-base-7.2.12-cloud-amd64',
    );
    expect(names(text, '7')).toEqual([
      'linux-binary-7.2.12-cloud-amd64',
      'linux-modules-7.2.12-cloud-amd64',
      'linux-base-7.2.12-cloud-amd64',
    ]);
  });

  it('takes an unsigned binary where there is no signed one yet', () => {
    const text = index('linux-binary-unsigned-7.3.4-cloud-amd64', 'linux-modules-7.3.4-cloud-amd64');
    expect(newestKernel(text, '7')?.release).toBe('7.3.4-cloud-amd64');
  });

  it('passes over one whose modules are gone', () => {
    const text = index(
      'linux-image-7.1.13-cloud-amd64',
      'linux-binary-7.1.13-cloud-amd64',
      'linux-image-7.0.1-cloud-amd64',
      'linux-binary-7.0.1-cloud-amd64',
      'linux-modules-7.0.1-cloud-amd64',
    );
    expect(newestKernel(text, '7')?.release).toBe('7.0.1-cloud-amd64');
  });
});
