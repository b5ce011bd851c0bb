/**
 * Sends what attempts write to the API: many attempts in one call, one call at a time. A result never waits for it. The log of an
 * ended attempt is sent until the API has all of it, or until nothing has moved for PATIENCE_MS. A program that writes without end gets
 * only its share of each call.
 */
import { type Lease, type LogChunk, LogsAnswer } from '../contract/agent.ts';
import type { LogSource } from '../platforms/log-source.ts';
import { type ApiClient, ApiRefusal } from './api-client.ts';

/** Interval of the calls while programs run, ms. With the size of a call it sets the rate at which logs are sent. */
const INTERVAL_MS = 200;
/** Bytes of one attempt in a call that carries several attempts. */
const CHUNK_BYTES = 128 * 1024;
/** Bytes of one call. */
const CALL_BYTES = 1024 * 1024;
/** Pause of an attempt's log after the API could not store it, ms. */
const REST_MS = 5_000;
/** The log of an ended attempt is given up when nothing of it could be stored for this time, ms. */
const PATIENCE_MS = 10 * 60_000;
/** Ended attempts whose logs may wait to be sent. Of more, the oldest are given up. */
const ENDED_LIMIT = 500;

interface Entry {
  readonly lease: Lease;
  readonly source: LogSource;
  /** Called once, when the source is needed no more. */
  onDone: (() => void) | undefined;
  /** performance.now() when bytes were last stored, or when the attempt ended. */
  movedOn: number;
  restsUntil: number;
}

export class LogShipper {
  readonly #client: ApiClient;
  readonly #instance: string;
  readonly #onStop: (epochs: readonly number[]) => void;
  /** By epoch, in the order in which their logs are sent. An entry that was in a call moves to the end, so that each gets its turn. */
  readonly #entries = new Map<number, Entry>();
  #timer: NodeJS.Timeout | undefined;
  /** performance.now() of the last look at what running programs have written. */
  #lookedOn = Number.NEGATIVE_INFINITY;
  #busy = false;
  #settled: (() => void)[] = [];
  readonly #closing = new AbortController();

  constructor(client: ApiClient, instance: string, onStop: (epochs: readonly number[]) => void) {
    this.#client = client;
    this.#instance = instance;
    this.#onStop = onStop;
  }

  open(lease: Lease, source: LogSource): void {
    const now = performance.now();
    this.#entries.set(lease.epoch, { lease, source, onDone: undefined, movedOn: now, restsUntil: 0 });
    this.#schedule(INTERVAL_MS);
  }

  /** The attempt has ended and the API has its result. `onDone` is called when the log was sent or is given up. */
  end(epoch: number, onDone: () => void): void {
    const entry = this.#entries.get(epoch);
    if (entry === undefined) {
      onDone();
      return;
    }
    entry.onDone = onDone;
    entry.movedOn = performance.now();
    this.#finishEnded();
    const ended = [...this.#entries.values()].filter((entry) => entry.onDone !== undefined);
    for (const old of ended.slice(0, Math.max(0, ended.length - ENDED_LIMIT))) this.#finish(old);
    this.#schedule(0);
  }

  /** An attempt has ended: the rest of its log is sent now, not with the next interval. */
  hurry(): void {
    this.#schedule(0);
  }

  /** Resolves when all ended attempts are done, after `withinMs` at the latest. */
  async settle(withinMs: number): Promise<void> {
    this.#finishEnded();
    if (!this.#anyEnded()) return;
    this.#schedule(0);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, withinMs);
      this.#settled.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#closing.abort();
    for (const { source } of this.#entries.values()) source.close();
  }

  #anyEnded(): boolean {
    return [...this.#entries.values()].some((entry) => entry.onDone !== undefined);
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
    this.#finishEnded();
    if (!this.#anyEnded()) for (const resolve of this.#settled.splice(0)) resolve();
    const now = performance.now();
    const hurry = [...this.#entries.values()].some(
      (entry) => entry.source.bytes !== undefined && !entry.source.done && entry.restsUntil < now,
    );
    // What is left of an ended log is sent at once. The agent's other calls have connections of their own and are not held up.
    if (this.#entries.size > 0) this.#schedule(hurry && batch.length > 0 ? 0 : INTERVAL_MS);
  }

  /** The next call: what each attempt sends, up to its share. */
  #batch(): { entry: Entry; offset: number; data: Buffer }[] {
    const batch: { entry: Entry; offset: number; data: Buffer }[] = [];
    const now = performance.now();
    // The end of one program is no reason to read the files of all others.
    const looks = now - this.#lookedOn >= INTERVAL_MS;
    if (looks) this.#lookedOn = now;
    let room = CALL_BYTES;
    for (const entry of this.#entries.values()) {
      if (room < CHUNK_BYTES) break;
      if (entry.restsUntil > now) continue;
      if (entry.source.bytes === undefined && !looks) continue;
      // An ended attempt may use its share of the whole call, so that its log arrives soon.
      const share = entry.source.bytes === undefined ? 0 : Math.floor(CALL_BYTES / this.#entries.size);
      const slice = entry.source.next(Math.min(room, Math.max(CHUNK_BYTES, share)));
      if (slice === undefined) continue;
      batch.push({ entry, ...slice });
      room -= slice.data.length;
    }
    return batch;
  }

  async #send(batch: readonly { entry: Entry; offset: number; data: Buffer }[]): Promise<void> {
    const chunks: LogChunk[] = batch.map(({ entry, offset, data }) => ({
      ...entry.lease,
      offset,
      data: data.toString('base64'),
    }));
    const body = JSON.stringify({ instance: this.#instance, chunks });
    try {
      const { signal } = this.#closing;
      const { stop, refused } = await this.#client.callUntilAnswered('logs', body, LogsAnswer, { signal });
      const unstored = new Set(refused);
      const now = performance.now();
      for (const { entry } of batch) {
        if (unstored.has(entry.lease.epoch)) entry.restsUntil = now + REST_MS;
        else {
          entry.source.taken();
          entry.movedOn = now;
        }
        this.#moveLast(entry);
      }
      this.#onStop(stop);
    } catch (error) {
      if (this.#closing.signal.aborted || !(error instanceof ApiRefusal)) return;
      // The API will never accept these bytes. Only the attempt that wrote them loses its log.
      if (batch.length === 1) this.#finish(batch[0]!.entry);
      else for (const one of batch) await this.#send([one]);
    }
  }

  #moveLast(entry: Entry): void {
    const { epoch } = entry.lease;
    if (!this.#entries.delete(epoch)) return;
    this.#entries.set(epoch, entry);
  }

  #finishEnded(): void {
    const now = performance.now();
    for (const entry of [...this.#entries.values()]) {
      if (entry.onDone === undefined) continue;
      if (entry.source.done || now - entry.movedOn > PATIENCE_MS) this.#finish(entry);
    }
  }

  #finish(entry: Entry): void {
    this.#entries.delete(entry.lease.epoch);
    entry.source.close();
    entry.onDone?.();
  }
}
