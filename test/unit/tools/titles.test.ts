// SPDX-License-Identifier: Apache-2.0
// A test of a table is named by its row: a name that is cut off would tell two rows apart no more.

import { expect, it } from 'vitest';

const LONG = 'a value of a row that is longer than the forty characters which are kept by default';

it.each([[LONG]])('the title of a row holds the whole of: %s', (value) => {
  expect(expect.getState().currentTestName).toContain(value);
});
