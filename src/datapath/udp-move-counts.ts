// SPDX-License-Identifier: Apache-2.0
// The one row of the map udp_moves. It outlives the agent, as what it counts does.

import type { UdpMoves } from '../abi/codecs.gen.ts';
import type { UdpMoveCounts } from './lb-maps.ts';
import type { MapSet } from './map-set.ts';

export class BpfUdpMoveCounts implements UdpMoveCounts {
  readonly #map: MapSet['udpMoves'];

  constructor(map: MapSet['udpMoves']) {
    this.#map = map;
  }

  read(): UdpMoves {
    return this.#map.get(0) ?? { flows: 0n, sockets: 0n, ended: 0n, waiting: 0n, survivors: 0n };
  }

  write(counts: UdpMoves): void {
    this.#map.set(0, counts);
  }
}
