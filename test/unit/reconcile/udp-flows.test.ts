// SPDX-License-Identifier: Apache-2.0
// Flows of the packet path towards backends that cease to serve.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Flow4, Flow4Key, Flow6, Flow6Key } from '../../../src/abi/codecs.gen.ts';
import { FlowFlags, Proto } from '../../../src/abi/enums.gen.ts';
import type { Row } from '../../../src/datapath/lb-maps.ts';
import type { Address } from '../../../src/net/ip.ts';
import { UNSPECIFIED } from '../../../src/net/ip.ts';
import { flowName, pairName } from '../../support/fake-lb-maps.ts';
import { address, endpoint, port, serviceRecord, sliceRecord } from '../../support/records.ts';
import { UdpStage } from '../../support/udp-stage.ts';

const FAMILIES = {
  4: { frontend: '10.96.0.10', client: address('198.51.100.9'), a: '10.1.0.1', b: '10.1.0.2' },
  6: { frontend: 'fd00::10', client: address('2001:db8:c::9'), a: 'fd01::1', b: 'fd01::2' },
} as const;

let udp: UdpStage;
beforeEach(() => {
  udp = new UdpStage();
});
afterEach(() => udp.stop());

describe.each([4, 6] as const)('over IPv%i', (family) => {
  const { frontend, client, a, b } = FAMILIES[family];
  const flows = (): Map<string, Row<Flow4Key | Flow6Key, Flow4 | Flow6>> => udp.stage.kernel[`flows${family}`];
  const service = serviceRecord('dns', [frontend], {
    ports: [port(53, { name: 'udp', protocol: 'UDP' }), port(53, { name: 'tcp', protocol: 'TCP' })],
  });
  const pods = (...all: readonly string[]): ReturnType<typeof sliceRecord> =>
    sliceRecord(
      'dns',
      all.map((text) => endpoint(text)),
      {
        ports: [
          { name: 'udp', protocol: 'UDP', port: 5353 },
          { name: 'tcp', protocol: 'TCP', port: 5353 },
        ],
        family,
      },
    );

  /** Both rows; resolves with their names. */
  const flow = (clientPort: number, backend: string, proto: Proto, ofService: Proto = proto): string[] => {
    const to = { saddr: client, daddr: address(frontend), sport: clientPort, dport: 53, proto };
    const back = { saddr: address(backend), daddr: client, sport: 5353, dport: clientPort, proto };
    const [id] =
      [...udp.stage.kernel.backends].find(([, row]) => row.addr === address(backend) && row.proto === proto) ?? [];
    const common = { service: udp.serviceOf(frontend, 53, ofService), backend: id ?? 0 };
    const nexthop = UNSPECIFIED[family];
    const put = (key: Flow4Key, saddr: Address, daddr: Address, flags: number): string => {
      const of = {
        ...common,
        flags,
        packets: 3n,
        bytes: 300n,
        lastSeen: 0,
        generation: 0,
        ifindex: 0,
        mtu: 0,
        state: 0,
      };
      flows().set(flowName(key), [key, { flow: { ...of, sport: 1, dport: 2 }, saddr, daddr, nexthop }]);
      return flowName(key);
    };
    return [put(to, client, address(backend), 0), put(back, address(frontend), client, FlowFlags.Reply)];
  };

  test('both rows of a flow go when its backend ceases to serve, and nothing else goes', async () => {
    await udp.change(service, pods(a, b));
    const gone = [...flow(1, a, Proto.Udp), ...flow(2, a, Proto.Udp)];
    // The last: of a TCP Service whose number a UDP Service had before it.
    const kept = [...flow(3, b, Proto.Udp), ...flow(4, a, Proto.Tcp), ...flow(5, a, Proto.Tcp, Proto.Udp)];
    expect(await udp.change(pods(b))).toMatchObject([{ flows: 2, sockets: 0 }]);
    expect([...flows().keys()].sort()).toEqual(kept.sort());
    expect(gone.filter((name) => flows().has(name))).toEqual([]);
    expect(udp.counts.row.flows).toBe(2n);
  });

  test('what they carried is counted on', async () => {
    await udp.change(service, pods(a, b));
    flow(1, a, Proto.Udp);
    const pair = { service: udp.serviceOf(frontend, 53), backend: 0 };
    const row = [...flows().values()][0]?.[1].flow;
    await udp.change(pods(b));
    expect(udp.stage.kernel.traffic.get(pairName({ ...pair, backend: row?.backend ?? 0 }))?.[1]).toEqual({
      inPackets: 3n,
      inBytes: 300n,
      outPackets: 3n,
      outBytes: 300n,
      lost: 0n,
    });
  });

  test('a row that a program makes anew while they go, goes after it', async () => {
    await udp.change(service, pods(a, b));
    const [forward = ''] = flow(1, a, Proto.Udp);
    const row = flows().get(forward);
    const { maps } = udp.stage;
    const remove = maps[`deleteFlows${family}`].bind(maps);
    let mended = false;
    maps[`deleteFlows${family}`] = (keys: readonly (Flow4Key & Flow6Key)[]) => {
      remove(keys);
      if (!mended && row !== undefined) flows().set(forward, row);
      mended = true;
    };
    await udp.change(pods(b));
    expect(mended).toBe(true);
    expect([...flows().keys()]).toEqual([]);
  });

  test('they go, too, when the Service loses all its backends or is deleted', async () => {
    await udp.change(service, pods(a, b));
    flow(1, a, Proto.Udp);
    expect(await udp.change(pods())).toMatchObject([{ flows: 1 }]);
    await udp.change(pods(b));
    flow(2, b, Proto.Udp);
    expect(await udp.change('dns')).toMatchObject([{ flows: 1 }]);
    expect(flows().size).toBe(0);
  });
});
