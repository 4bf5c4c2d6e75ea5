// SPDX-License-Identifier: Apache-2.0
// What the agent is told by flags, file and defaults.

import { describe, expect, it } from 'vitest';
import { agentOptions } from '../../../src/cli/agent-options.ts';
import { NO_SETTINGS } from '../../../src/config/load-config.ts';
import type { Settings } from '../../../src/config/settings.ts';
import type { Address } from '../../../src/net/ip.ts';
import { prefixText } from '../../../src/net/prefix.ts';
import { address } from '../../support/records.ts';

const FILE = {
  ...NO_SETTINGS,
  nodeName: 'from-file',
  manifests: ['/file'],
  bpffs: '/file/bpf',
  serviceNodePortRange: '31000-31999',
  timeouts: { udp: 5 },
};

describe('agentOptions', () => {
  it('has a default for everything but the sources', () => {
    expect(agentOptions({ manifests: ['/m'] }, NO_SETTINGS, 'Host.Example')).toMatchObject({
      nodeName: 'host.example',
      bpffs: '/sys/fs/bpf',
      cgroup: undefined,
      devices: [],
      serviceNodePortRange: [30_000, 32_767],
      tableCap: 131_071,
      timeouts: { tcpEstablished: 86_400, udp: 30 },
    });
  });

  it('lets flags win over the file, and the file over defaults', () => {
    expect(agentOptions({}, FILE, 'host')).toMatchObject({
      nodeName: 'from-file',
      manifests: ['/file'],
      bpffs: '/file/bpf',
      serviceNodePortRange: [31_000, 31_999],
      timeouts: { tcpEstablished: 86_400, udp: 5 },
    });
    const flags = { nodeName: 'flag', manifests: ['/flag'], bpffs: '/flag/bpf', serviceNodePortRange: '30000+9' };
    expect(agentOptions(flags, FILE, 'host')).toMatchObject({
      nodeName: 'flag',
      manifests: ['/flag'],
      bpffs: '/flag/bpf',
      serviceNodePortRange: [30_000, 30_009],
    });
  });

  it('reads the prefixes of cluster IPs, and says what is wrong with them', () => {
    const prefixes = (...serviceCidr: string[]) =>
      agentOptions({ manifests: ['/m'], serviceCidr }, NO_SETTINGS, 'host').serviceCidrs.map(prefixText);
    expect(prefixes('10.96.0.0/16', 'fd00:96::/112')).toEqual(['10.96.0.0/16', 'fd00:96::/112']);
    expect(prefixes()).toEqual([]);
    expect(() => prefixes('10.96.0.1/16')).toThrow('"10.96.0.1/16" is not a prefix, 10.96.0.0/16 would be; ');
    expect(() => prefixes('10.96.0.0/16', '10.97.0.0/16')).toThrow('has two prefixes of one family');
  });

  it('makes a policy for node ports of prefixes, or of one primary address of each family', () => {
    const policy = (nodePortAddresses: Settings['nodePortAddresses'], bindAddress?: Address) =>
      agentOptions({ manifests: ['/m'] }, { ...NO_SETTINGS, nodePortAddresses, bindAddress }, 'host').nodePortAddresses;
    expect(policy([])).toEqual({ prefixes: [] });
    expect(policy(['192.0.2.0/24', '::/0'])).toMatchObject({ prefixes: [{ bits: 24 }, { family: 6 }] });
    expect(policy('primary')).toEqual({ primary: undefined });
    expect(policy('primary', address('192.0.2.7'))).toEqual({ primary: '192.0.2.7' });
  });

  it('refuses to run without a source, which would remove every Service', () => {
    expect(() => agentOptions({}, NO_SETTINGS, 'host')).toThrow('nothing to follow; name a file or directory');
  });
});
