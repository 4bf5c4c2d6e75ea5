// SPDX-License-Identifier: Apache-2.0
// UDP follows the Services: what is moved after each round, by what means, and what is said of it.

import type { Datapath } from '../datapath/datapath.ts';
import { BpfUdpMoveCounts } from '../datapath/udp-move-counts.ts';
import { messageOf } from '../errors.ts';
import { addon } from '../kernel/addon.ts';
import { UdpSocketMover } from '../kernel/udp-sockets.ts';
import type { Logger } from '../log.ts';
import type { Reconciler } from '../reconcile/reconciler.ts';
import { UdpMover } from '../reconcile/udp-mover.ts';
import type { Problems } from './problems.ts';

export interface UdpFollower {
  /** Forgets sockets that were closed. */
  prune(): void;
  stop(): Promise<void>;
}

const REMEDY = 'give the agent CAP_SYS_PTRACE and the host PID namespace';

/** From the first round on. */
export function followUdp(
  datapath: Datapath,
  reconciler: Reconciler,
  { log, problems }: { readonly log: Logger; readonly problems: Problems },
): UdpFollower {
  const mover = new UdpMover({
    maps: datapath.lb,
    serving: reconciler.udp,
    sockets: new UdpSocketMover(addon),
    counts: new BpfUdpMoveCounts(datapath.maps.udpMoves),
  });
  const tellSurvivors = (): void => {
    const { survivors } = mover.left;
    const message = `${String(survivors)} UDP sockets still have a backend that no longer serves; ${REMEDY}`;
    problems.set('udp sockets', survivors > 0 ? [message] : []);
  };
  mover.on('checked', (result) => {
    const { flows, sockets, ended, survivors, reasons } = result;
    log[flows + sockets > 0 ? 'info' : 'debug'](result, 'checked UDP');
    if (ended > 0) log.warn({ ended, reasons }, `ended UDP sockets that could not be taken; ${REMEDY}`);
    if (survivors > 0) log.warn({ survivors, reasons }, 'UDP sockets still have a backend that no longer serves');
    problems.set('udp', []);
    tellSurvivors();
  });
  const tellError = (error: unknown): void => {
    const message = 'cannot move UDP off backends that ceased to serve';
    log.error({ err: error }, message);
    problems.set('udp', [`${message}: ${messageOf(error)}`]);
  };
  mover.on('error', tellError);
  for (const event of ['applied', 'ready'] as const) {
    reconciler.on(event, () => {
      mover.check();
    });
  }
  return {
    prune: () => {
      try {
        mover.prune();
        tellSurvivors();
      } catch (error) {
        tellError(error);
      }
    },
    stop: () => mover.stop(),
  };
}
