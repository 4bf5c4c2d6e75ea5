// SPDX-License-Identifier: Apache-2.0
// The host's state as a real kernel tells it, in a namespace of its own: interfaces, addresses and routes come and go.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HostState } from '../../src/sources/links.ts';
import type { Conversation } from '../support/namespace.ts';
import { Namespace } from '../support/namespace.ts';
import type { Told } from './programs/link-source.ts';

let namespace: Namespace;
let program: Conversation | undefined;

async function start(...args: string[]): Promise<HostState> {
  program = namespace.start('netns/programs/link-source.ts', ...args);
  return (await program.hear<Told>('the first state')).state;
}

/** The first state from now on that is as wanted. */
async function becomes(what: string, is: (state: HostState) => boolean): Promise<HostState> {
  if (program === undefined) throw new Error('not started');
  return (await program.hear<Told>(what, ({ state }) => is(state))).state;
}

const uplinks = (state: HostState): string[] => state.uplinks.map(({ name }) => name);
const sources = (state: HostState): unknown => state.uplinks.map((u) => [u.name, u.address4, u.address6]);

beforeEach(async () => {
  namespace = await Namespace.create();
  program = undefined;
});

afterEach(async () => {
  await program?.[Symbol.asyncDispose]();
  namespace[Symbol.dispose]();
});

const ETH0 = [
  'link add eth0 type veth peer name peer0',
  'link set peer0 up',
  'link set eth0 up',
  'addr add 192.0.2.2/24 dev eth0',
  'addr add 2001:db8:b::2/64 dev eth0 nodad',
  'route add default via 192.0.2.1',
  'route add ::/0 via 2001:db8:b::1',
];

describe('LinkSource', () => {
  it('begins with what is there', async () => {
    await namespace.ip(...ETH0);
    const state = await start();
    expect(sources(state)).toEqual([['eth0', '192.0.2.2', '2001:db8:b::2']]);
    expect(state.addresses).toEqual(['192.0.2.2', '2001:db8:b::2']);
    expect(state.ifaces.map(({ name }) => name).sort()).toEqual(['eth0', 'lo', 'peer0']);
    expect(state.generation).toBe(1);
  });

  it('follows an interface, its addresses and its default route from their coming to their going', async () => {
    const first = await start();
    expect([uplinks(first), first.addresses]).toEqual([[], []]);
    await namespace.ip(...ETH0);
    const whole = await becomes('an uplink', (state) => state.uplinks[0]?.address6 !== undefined);
    expect(sources(whole)).toEqual([['eth0', '192.0.2.2', '2001:db8:b::2']]);
    await namespace.ip('addr add 192.0.2.7/32 dev eth0');
    await becomes('one more address', ({ addresses }) => addresses.includes('192.0.2.7' as never));
    await namespace.ip('addr del 192.0.2.7/32 dev eth0');
    await becomes('one address less', ({ addresses }) => !addresses.includes('192.0.2.7' as never));
    await namespace.ip('link set eth0 mtu 1400');
    await becomes('a smaller MTU', (state) => state.uplinks[0]?.mtu === 1400);
    await namespace.ip('link del eth0');
    const last = await becomes('no uplink', (state) => state.uplinks.length === 0 && state.addresses.length === 0);
    expect(last.generation).toBeGreaterThan(whole.generation);
  });

  it('notices that the kernel took a default route away without a word', async () => {
    await namespace.ip(...ETH0.filter((line) => !line.includes('::')));
    expect(uplinks(await start())).toEqual(['eth0']);
    await namespace.ip('addr del 192.0.2.2/24 dev eth0');
    await becomes('no default route', ({ defaultRoutes }) => defaultRoutes.length === 0);
    await namespace.ip('addr add 192.0.2.2/24 dev eth0', 'route add default via 192.0.2.1');
    await becomes('the default route', (state) => uplinks(state)[0] === 'eth0');
    await namespace.ip('link set eth0 down', 'link set eth0 up');
    await becomes('no default route again', ({ defaultRoutes }) => defaultRoutes.length === 0);
  });

  it('raises the generation when a route or a neighbour changes, and changes nothing else', async () => {
    await namespace.ip(...ETH0, 'neigh add 192.0.2.1 lladdr 02:00:00:00:00:01 dev eth0');
    await start();
    await namespace.ip('route add 198.51.100.0/24 via 192.0.2.1');
    const route = await program?.hear<Told>('the route');
    expect(route?.changed).toEqual(['generation']);
    await namespace.ip('neigh change 192.0.2.1 lladdr 02:00:00:00:00:02 dev eth0');
    const neighbour = await program?.hear<Told>('the neighbour', ({ state }) => state.generation > 2);
    expect(neighbour?.changed).toEqual(['generation']);
  });

  it('follows devices by name, default route or not', async () => {
    expect(uplinks(await start('up*'))).toEqual([]);
    await namespace.ip('link add up0 type veth peer name other', 'link set other up', 'link set up0 up');
    await becomes('up0', (state) => uplinks(state).join() === 'up0');
    await namespace.ip('link set up0 down');
    await becomes('nothing', (state) => state.uplinks.length === 0);
    await namespace.ip('link set up0 name x0', 'link set x0 up', 'link set other down', 'link set other name up1 up');
    await becomes('up1', (state) => uplinks(state).join() === 'up1');
  });

  it('keeps its SNAT source over a restart, whatever order the kernel lists addresses in', async () => {
    await namespace.ip(...ETH0);
    const before = await start();
    await namespace.ip('addr add 2001:db8:b::1:3/64 dev eth0 nodad', 'addr add 192.0.2.1/32 dev eth0');
    const both = await becomes('two more addresses', ({ addresses }) => addresses.length === 4);
    await program?.[Symbol.asyncDispose]();
    const after = await start();
    expect([sources(both), sources(after)]).toEqual([sources(before), sources(before)]);
  });

  it('is right in the end when it is told more than it can take', async () => {
    await namespace.ip(...ETH0);
    await start('', '4096');
    const addresses = Array.from({ length: 2000 }, (_, i) => `10.9.${i >> 8}.${i & 255}`);
    await namespace.ip(...addresses.map((address) => `addr add ${address}/32 dev eth0`));
    await becomes('all addresses', (state) => state.addresses.length === 2002);
    await namespace.ip(...addresses.map((address) => `addr del ${address}/32 dev eth0`));
    await becomes('the old addresses', (state) => state.addresses.length === 2);
  });
});
