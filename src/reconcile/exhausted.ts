// SPDX-License-Identifier: Apache-2.0
// Something of a fixed number is used up. What needs it waits until the reconciler has freed some, or until the objects
// ask for less; nothing that is present suffers.

export class Exhausted extends Error {
  override name = 'Exhausted';
}
