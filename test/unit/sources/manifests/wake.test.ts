// SPDX-License-Identifier: Apache-2.0

import { describe, expect, it } from 'vitest';
import { Wake } from '../../../../src/sources/manifests/wake.ts';
import { within } from '../../../support/wait.ts';

const FOREVER = 2 ** 31 - 1;

describe('Wake', () => {
  it('ends a sleep', async () => {
    const wake = new Wake();
    const sleep = wake.sleep(FOREVER);
    wake.ring();
    await within('the sleep ends', sleep);
  });

  it('ends the next sleep when nobody sleeps, and that one only', async () => {
    const wake = new Wake();
    wake.ring();
    wake.ring();
    await within('the sleep ends', wake.sleep(FOREVER));
    let awake = false;
    const second = wake.sleep(FOREVER).then(() => (awake = true));
    await new Promise(setImmediate);
    expect(awake).toBe(false);
    wake.ring();
    await within('the second sleep ends', second);
  });

  it('ends by itself', async () => {
    await within('the sleep ends', new Wake().sleep(1));
  });
});
