import type { Logger } from '../../base/log.ts';
import type { ApiClient } from '../api-client.ts';
import type { Pod, PodStatus } from '../controllers/objects.ts';
import { PODS } from '../controllers/resources.ts';
import { isConflict, isNotFound, putStatus } from '../controllers/work.ts';

export interface StatusWriterOptions {
  readonly client: ApiClient;
  readonly log: Logger;
  readonly pod: Pod;
  /** The status that the stored pod should have now. */
  status(stored: Pod): PodStatus;
}

const RETRY_MS = 500;

/** Keeps the stored status of one pod equal to what it should be. Several changes of one moment share a write. */
export class StatusWriter {
  readonly #options: StatusWriterOptions;
  #dirty = false;
  #busy = false;
  #silent = false;
  #idle: (() => void)[] = [];

  constructor(options: StatusWriterOptions) {
    this.#options = options;
  }

  /** Something changed. */
  request(): void {
    this.#dirty = true;
    if (!this.#busy) void this.#work();
  }

  /** From now on nothing is written. */
  silence(): void {
    this.#silent = true;
  }

  /** Resolves when everything that was requested is written, or cannot be any more. */
  settled(): Promise<void> {
    return new Promise((resolve) => {
      if (!this.#busy) resolve();
      else this.#idle.push(resolve);
    });
  }

  async #work(): Promise<void> {
    this.#busy = true;
    while (this.#dirty && !this.#silent) {
      await new Promise((resolve) => setImmediate(resolve));
      this.#dirty = false;
      const waitMs = await this.#write();
      if (waitMs === undefined) continue;
      this.#dirty = true;
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
    this.#busy = false; // in the same turn as the look at #dirty: no request is lost
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Gives back after how many milliseconds to try again. */
  async #write(): Promise<number | undefined> {
    const { client, log, pod, status } = this.#options;
    const { namespace = '', name, uid } = pod.metadata;
    const stored = client.get(PODS, namespace, name) as Pod | undefined;
    if (stored === undefined || stored.metadata.uid !== uid || this.#silent) return undefined;
    try {
      await putStatus(client, PODS, stored, status(stored));
      return undefined;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      if (isConflict(error)) return 0;
      log.warn('pod status not written, will retry', { pod: name, error: String(error) });
      return RETRY_MS;
    }
  }
}
