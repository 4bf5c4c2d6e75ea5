// SPDX-License-Identifier: Apache-2.0
// Services from files: keeps the store as the manifests are, and tells what is wrong with them. Each event of a
// watched directory, and the clock every ten seconds, lead to the same: look at all files, read those that changed,
// put all objects together, and give the store the differences.

import { EventEmitter } from 'node:events';
import { stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { BpfsvcError } from '../../errors.ts';
import type { Store, Unread } from '../../model/store.ts';
import type { ObjectKey } from '../../model/types.ts';
import { objectKey } from '../../model/types.ts';
import type { Prefix } from '../../net/prefix.ts';
import type { Holding } from './allocate.ts';
import { Delivery } from './delivery.ts';
import { DirectoryWatch } from './directory-watch.ts';
import type { ManifestFile } from './manifest-files.ts';
import { ManifestFiles } from './manifest-files.ts';
import type { ManifestObject } from './objects.ts';
import type { PortRange } from './port-range.ts';
import type { Problem } from './problem.ts';
import { compareProblems, problemText } from './problem.ts';
import type { Resolved } from './resolve.ts';
import { Resolver } from './resolve.ts';
import { Wake } from './wake.ts';
import type { Walked } from './walk.ts';
import { isGone, walk } from './walk.ts';

const SOURCE = 'manifests';

/** For file systems that tell nothing of changes made elsewhere, and for events that were lost. */
const LOOK_AGAIN_MS = 10_000;
/** Events of one action come in a bunch. */
const BUNCH_MS = 2;
/** How long the start waits for files that are just being written. */
const START_PATIENCE_MS = 1000;

/** What it needs of pino. */
export interface SourceLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface ManifestSourceOptions {
  /** Directories, looked through with those below them, and files. */
  readonly paths: readonly string[];
  /** At most one of each family; the first is preferred. */
  readonly serviceCidrs: readonly Prefix[];
  readonly nodePortRange: PortRange;
  readonly store: Store;
  readonly log: SourceLog;
  /** What Services have in the kernel; asked for while some may stand in files that cannot be read. */
  readonly held?: () => Iterable<Holding>;
}

export interface ManifestSourceEvents {
  /** All problems there are now; told when that has changed. */
  problems: [problems: readonly Problem[]];
}

export class ManifestSource extends EventEmitter<ManifestSourceEvents> {
  readonly #paths: readonly string[];
  readonly #store: Store;
  readonly #log: SourceLog;
  readonly #files: ManifestFiles;
  readonly #resolver: Resolver;
  readonly #delivery: Delivery;
  readonly #wake = new Wake();
  readonly #watch = new DirectoryWatch(() => {
    this.#wake.ring();
  });
  readonly #skipped = new Set<string>();
  readonly #held: () => Iterable<Holding>;
  #problems: readonly Problem[] = [];
  /** Of paths, not of what is in files. */
  #unreachable: readonly Problem[] = [];
  /** Paths that could not be looked at, and files that had not settled when the start was over. */
  #unseen: readonly string[] = [];
  #stopped = false;
  #running: Promise<void> | undefined;

  constructor(options: ManifestSourceOptions) {
    super();
    this.#paths = options.paths;
    this.#store = options.store;
    this.#log = options.log;
    this.#held = options.held ?? (() => []);
    this.#files = new ManifestFiles(options.nodePortRange);
    this.#resolver = new Resolver(options.serviceCidrs, options.nodePortRange);
    this.#delivery = new Delivery(options.store);
  }

  /** Resolves when all files have been read once and the store has what is good in them. */
  async start(): Promise<void> {
    for (const path of this.#paths) await mustExist(path);
    this.#store.expectSync(SOURCE);
    const patience = performance.now() + START_PATIENCE_MS;
    await this.#look();
    while (this.#files.unsettled && performance.now() < patience) {
      await delay(this.#files.due);
      await this.#look();
    }
    this.#unseen = [...this.#unseen, ...this.#files.awaited];
    this.#apply();
    // Also with problems: who waits for files to be right would leave every other Service without a frontend.
    this.#store.markSynced(SOURCE);
    this.#running = this.#follow();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake.ring();
    this.#watch.close();
    await this.#running;
  }

  /** What is wrong now, in the order of files and lines. */
  problems(): readonly Problem[] {
    return this.#problems;
  }

  async #follow(): Promise<void> {
    while (!this.#isStopped()) {
      await this.#wake.sleep(Math.min(this.#files.due, LOOK_AGAIN_MS));
      await delay(BUNCH_MS);
      if (!this.#isStopped() && (await this.#look())) this.#apply();
    }
  }

  /** Reads what changed; true when there is something to apply. */
  async #look(): Promise<boolean> {
    let walked = await walk(this.#paths);
    while (!this.#isStopped() && this.#watch.follow(walked.directories)) walked = await walk(this.#paths);
    const changed = await this.#files.update(walked);
    const problems = this.#pathProblems(walked);
    const unseen = this.#stillUnseen(walked);
    const differs = !isDeepStrictEqual([problems, unseen], [this.#unreachable, this.#unseen]);
    this.#unreachable = problems;
    this.#unseen = unseen;
    return changed || differs;
  }

  #stillUnseen({ unreadable }: Walked): string[] {
    const awaited = new Set(this.#files.awaited);
    return [...unreadable.keys(), ...this.#unseen.filter((path) => awaited.has(path))];
  }

  #apply(): void {
    const files = this.#files.list();
    const isWhole = this.#unseen.length === 0 && files.every(({ complete }) => complete);
    const resolved = this.#resolver.resolve(files, isWhole ? [] : this.#held());
    const { set, deleted } = this.#delivery.deliver(resolved);
    this.#store.setUnread(SOURCE, this.#unread(files, resolved));
    if (set + deleted > 0) {
      const { services, slices, nodes } = resolved;
      const counts = { services: services.size, slices: slices.size, nodes: nodes.size };
      this.#log.info({ files: files.length, set, deleted, ...counts }, 'manifests read');
    }
    for (const { file, skipped } of files) {
      for (const kind of skipped) this.#logSkipped(file, kind);
    }
    this.#report([...this.#unreachable, ...files.flatMap(({ problems }) => problems), ...resolved.problems]);
  }

  #unread(files: readonly ManifestFile[], { lost }: Resolved): Unread {
    const partial = files.filter(({ complete }) => !complete);
    const places = partial.map(({ file, empty }) => (empty ? `${file} (is empty)` : file));
    const services = partial.flatMap(({ objects }) => objects.flatMap(({ object }) => servicesOf(object)));
    return {
      places: [...this.#unseen, ...places, ...lost.map(({ place }) => place)],
      services: new Set([...services, ...lost.map(({ service }) => service)]),
    };
  }

  #report(problems: Problem[]): void {
    problems.sort(compareProblems);
    if (isDeepStrictEqual(problems, this.#problems)) return;
    const before = new Set(this.#problems.map(problemText));
    const now = new Set(problems.map(problemText));
    for (const text of now) if (!before.has(text)) this.#log.warn({ problem: text }, 'manifest problem');
    for (const text of before) if (!now.has(text)) this.#log.info({ problem: text }, 'manifest problem solved');
    this.#problems = problems;
    this.emit('problems', problems);
  }

  #logSkipped(file: string, kind: string): void {
    const key = `${file}\0${kind}`;
    if (this.#skipped.has(key)) return;
    this.#skipped.add(key);
    this.#log.info({ file, kind }, 'manifest kind skipped');
  }

  #pathProblems({ missing, unreadable }: Walked): Problem[] {
    const problems: Problem[] = missing.map((file) => ({
      file,
      message: 'is gone; it is read when it is there again',
    }));
    for (const [file, error] of unreadable) problems.push({ file, message: `cannot be read: ${error.message}` });
    const failure = this.#watch.failure;
    if (failure !== undefined) {
      const message = `changes are seen only every ${LOOK_AGAIN_MS / 1000} seconds: ${failure.message}; raise the sysctls fs.inotify.max_user_watches and max_user_instances`;
      problems.push({ file: this.#paths.join(', '), message });
    }
    return problems;
  }

  // A method, because the field changes while the loops wait.
  #isStopped(): boolean {
    return this.#stopped;
  }
}

/** Services that an object is about. */
function servicesOf(object: ManifestObject): ObjectKey[] {
  if (object.kind === 'Service') return object.service === undefined ? [] : [objectKey(object.service)];
  if (object.kind === 'Node') return [];
  return object.slices.map(({ namespace, service }) => objectKey({ namespace, name: service }));
}

async function mustExist(path: string): Promise<void> {
  try {
    await stat(path);
  } catch (cause) {
    if (isGone(cause))
      throw new BpfsvcError('manifests-missing', `--manifests ${path}: there is no such path`, { cause });
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new BpfsvcError('manifests-unreadable', `--manifests ${path}: ${reason}`, { cause });
  }
}
