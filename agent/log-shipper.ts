/**
 * Sends what attempts log to the API, many attempts in one call, at most one call in flight and one each 200 ms unless
 * an attempt waits for its last lines. The offset counts bytes sent before, so a repeated chunk changes nothing.
 */
import { type Lease, type LogChunk, LogsAnswer } from '../api/schemas/agent.ts';
import { type ApiClient, ApiRefusal } from './api-client.ts';

const INTERVAL_MS = 200;
const CHUNK_BYTES = 128 * 1024;
const CALL_BYTES = 1024 * 1024;
/** Above it, output that lies in files waits there; above the second, it is dropped. */
const LAGGING_BYTES = 512 * 1024;
const MOST_BYTES = 4 * 1024 * 1024;
/** So often the API may fail to take logs before results stop waiting for them. */
const PATIENCE = 3;

export interface AttemptLog {
  write(said: string | Uint8Array): void;
  /** False while the API takes less than the attempt writes. */
  ready(): boolean;
  /** Resolves when all is stored by the API, or the API is seen to be unable to take logs. */
  flush(): Promise<void>;
}

interface Entry {
  readonly lease: Lease;
  pending: Buffer;
  offset: number;
  dropped: number;
  waiting: (() => void)[];
}

export class LogShipper {
  readonly #client: ApiClient;
  readonly #instance: string;
  readonly #onStop: (epochs: readonly number[]) => void;
  readonly #entries = new Map<number, Entry>();
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #busy = false;
  readonly #closing = new AbortController();

  constructor(client: ApiClient, instance: string, onStop: (epochs: readonly number[]) => void) {
    this.#client = client;
    this.#instance = instance;
    this.#onStop = onStop;
  }

  open(lease: Lease): AttemptLog {
    const entry: Entry = { lease, pending: Buffer.alloc(0), offset: 0, dropped: 0, waiting: [] };
    this.#entries.set(lease.epoch, entry);
    return {
      write: (said) => {
        const bytes = Buffer.from(said);
        if (entry.pending.length + bytes.length > MOST_BYTES) {
          entry.dropped += bytes.length;
          return;
        }
        const mark = entry.dropped > 0 ? `\n-- ${entry.dropped} bytes left out --\n` : '';
        entry.dropped = 0;
        entry.pending = Buffer.concat([entry.pending, Buffer.from(mark), bytes]);
        this.#schedule(INTERVAL_MS);
      },
      ready: () => entry.pending.length < LAGGING_BYTES,
      flush: () => {
        if (entry.pending.length === 0 || this.#failures >= PATIENCE) return Promise.resolve();
        this.#schedule(0);
        return new Promise((resolve) => entry.waiting.push(resolve));
      },
    };
  }

  /** The attempt's result was delivered: what is not sent yet is dropped. */
  forget(epoch: number): void {
    this.#entries.delete(epoch);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#closing.abort();
  }

  #schedule(afterMs: number): void {
    if (this.#busy || this.#closing.signal.aborted) return;
    if (this.#timer !== undefined && afterMs > 0) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#run(), afterMs);
  }

  async #run(): Promise<void> {
    this.#timer = undefined;
    this.#busy = true;
    const batch = this.#batch();
    if (batch.length > 0) await this.#send(batch);
    this.#busy = false;
    let waited = false;
    let more = false;
    for (const entry of this.#entries.values()) {
      if (entry.pending.length > 0) {
        more = true;
        waited ||= entry.waiting.length > 0;
      } else for (const resolve of entry.waiting.splice(0)) resolve();
    }
    if (more) this.#schedule(waited ? 0 : INTERVAL_MS);
  }

  #batch(): { entry: Entry; data: Buffer }[] {
    const batch: { entry: Entry; data: Buffer }[] = [];
    let room = CALL_BYTES;
    // Those whose result waits go first.
    const entries = [...this.#entries.values()].sort((a, b) => b.waiting.length - a.waiting.length);
    for (const entry of entries) {
      if (room <= 0) break;
      if (entry.pending.length === 0) continue;
      const data = entry.pending.subarray(0, Math.min(CHUNK_BYTES, room));
      batch.push({ entry, data });
      room -= data.length;
    }
    return batch;
  }

  async #send(batch: { entry: Entry; data: Buffer }[]): Promise<void> {
    const chunks: LogChunk[] = batch.map(({ entry, data }) => ({
      ...entry.lease,
      offset: entry.offset,
      data: data.toString('base64'),
    }));
    const body = JSON.stringify({ instance: this.#instance, chunks });
    try {
      const { stop } = await this.#client.callUntilAnswered('logs', body, LogsAnswer, {
        signal: this.#closing.signal,
        onFailure: (error) => {
          // While the API is away results wait as well; only an API that is there and takes no logs is a reason.
          if (error instanceof ApiRefusal && ++this.#failures >= PATIENCE) this.#release();
          return undefined;
        },
      });
      this.#failures = 0;
      this.#onStop(stop);
    } catch {
      // A final refusal: these lines are lost, the attempt is not.
      this.#failures++;
      if (this.#failures >= PATIENCE) this.#release();
    }
    for (const { entry, data } of batch) {
      entry.pending = entry.pending.subarray(data.length);
      entry.offset += data.length;
    }
  }

  #release(): void {
    for (const entry of this.#entries.values()) for (const resolve of entry.waiting.splice(0)) resolve();
  }
}
