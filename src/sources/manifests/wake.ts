// SPDX-License-Identifier: Apache-2.0
// A sleep that events cut short. An event that comes while nobody sleeps is not lost: the next sleep ends at once.

export class Wake {
  #rung = false;
  #ring: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#ring?.();
  }

  async sleep(ms: number): Promise<void> {
    if (!this.#rung) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#ring = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#ring = undefined;
    this.#rung = false;
  }
}
