/**
 * Reads the texts of SQL programs in a thread of their own, each text once: what was read is kept by the hash of the text, so a second check
 * reads nothing. Whatever a text does to the parser, the answer comes within the limits, and the process goes on.
 */
import { hash } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import type { ProgramFacts } from './program-facts.ts';
import type { ProgramAnswer } from './worker.ts';

export interface ReadLimits {
  /** Time limit for one text, ms. Default: 10,000, enough for a megabyte on a busy machine; 1 kB takes 0.4 ms. */
  readonly textMs?: number;
  /** Time limit for all texts of one question, ms. Default: 45,000; 13,000 texts of 1 kB take 5 s, and the asker waits for a minute at most. */
  readonly allMs?: number;
  /** Longest text, UTF-16 units. Default: 1,000,000, as the parser takes 130 times the text in memory. */
  readonly longest?: number;
  /** Maximum memory of the thread for JavaScript's values, MB. Default: 256. */
  readonly memoryMb?: number;
  /** Maximum number of texts whose facts are kept, about 1 kB each. Default: 20,000. */
  readonly kept?: number;
}

/** Without a question for this time, ms, the thread ends and gives its memory back. */
const IDLE_MS = 30_000;
/** A thread that is not ready within this time, ms, is given up with the text that waits for it. */
const START_MS = 30_000;
/** Maximum number of texts that are with the thread at once: more than one, so that it need not wait for the event loop of this thread. */
const AHEAD = 16;

interface Job {
  readonly id: number;
  readonly key: string;
  readonly sql: string;
  readonly answer: Promise<ProgramFacts | null>;
  readonly settle: (facts: ProgramFacts | null) => void;
  /** Questions that still wait for it. */
  askers: number;
}

export class ProgramReader {
  readonly #limits: Required<ReadLimits>;
  /** By hash, the least recently used first. */
  readonly #kept = new Map<string, ProgramFacts>();
  readonly #jobs = new Map<string, Job>();
  #waiting: Job[] = [];
  #sent: Job[] = [];
  #worker: Worker | null = null;
  #ready = false;
  #limit: NodeJS.Timeout | undefined;
  #idle: NodeJS.Timeout | undefined;
  #next = 1;

  constructor(limits: ReadLimits = {}) {
    this.#limits = {
      textMs: 10_000,
      allMs: 45_000,
      longest: 1_000_000,
      memoryMb: 256,
      kept: 20_000,
      ...limits,
    };
  }

  /** Facts by text; null: not read within the limits. The same question asked again goes on with the texts that are missing. */
  async read(
    texts: Iterable<string>,
    allMs = this.#limits.allMs,
  ): Promise<ReadonlyMap<string, ProgramFacts | null>> {
    const facts = new Map<string, ProgramFacts | null>();
    const asked: [text: string, job: Job][] = [];
    for (const text of new Set(texts)) {
      const key = hash('sha256', text, 'base64');
      const known = this.#kept.get(key);
      if (known !== undefined) this.#keep(key, known);
      if (known !== undefined || text.length > this.#limits.longest) facts.set(text, known ?? null);
      else asked.push([text, this.#job(key, text)]);
    }
    if (asked.length === 0) return facts;
    this.#pump();
    const over = Promise.withResolvers<null>();
    const leaving = setTimeout(() => {
      this.#leave(asked.map(([, job]) => job));
      over.resolve(null);
    }, allMs);
    for (const [text, job] of asked) facts.set(text, await Promise.race([job.answer, over.promise]));
    clearTimeout(leaving);
    return facts;
  }

  /** Ends the thread; what is asked later begins another one. */
  async close(): Promise<void> {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#forget();
    for (const job of [...this.#sent, ...this.#waiting]) this.#end(job, null);
    this.#sent = [];
    this.#waiting = [];
    await worker?.terminate();
  }

  #job(key: string, sql: string): Job {
    const known = this.#jobs.get(key);
    if (known !== undefined) {
      known.askers++;
      return known;
    }
    const { promise: answer, resolve: settle } = Promise.withResolvers<ProgramFacts | null>();
    const job: Job = { id: this.#next++, key, sql, answer, settle, askers: 1 };
    this.#jobs.set(key, job);
    this.#waiting.push(job);
    return job;
  }

  /** A question gives up. Texts for which no other question waits are not sent any more; those that were sent are read and kept. */
  #leave(jobs: readonly Job[]): void {
    for (const job of jobs) job.askers--;
    const waiting = this.#waiting;
    this.#waiting = waiting.filter((job) => job.askers > 0);
    for (const job of waiting) if (job.askers <= 0) this.#end(job, null);
  }

  #keep(key: string, facts: ProgramFacts): void {
    this.#kept.delete(key);
    this.#kept.set(key, facts);
    if (this.#kept.size > this.#limits.kept) this.#kept.delete(this.#kept.keys().next().value!);
  }

  #end(job: Job, facts: ProgramFacts | null): void {
    this.#jobs.delete(job.key);
    if (facts !== null) this.#keep(job.key, facts);
    job.settle(facts);
  }

  #pump(): void {
    clearTimeout(this.#idle);
    if (this.#sent.length + this.#waiting.length === 0) {
      this.#idle = setTimeout(() => void this.close(), IDLE_MS).unref();
      return;
    }
    this.#worker ??= this.#start();
    while (this.#sent.length < AHEAD && this.#waiting.length > 0) {
      const job = this.#waiting.shift()!;
      this.#sent.push(job);
      this.#worker.postMessage({ id: job.id, sql: job.sql });
      if (this.#sent.length === 1) this.#watch();
    }
  }

  /** Begins the time limit of the text that is being read now. */
  #watch(): void {
    clearTimeout(this.#limit);
    if (this.#sent.length === 0) return;
    this.#limit = setTimeout(() => this.#replace(), this.#ready ? this.#limits.textMs : START_MS);
  }

  #start(): Worker {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: this.#limits.memoryMb },
    });
    worker.on('message', ({ id, facts }: ProgramAnswer) => {
      if (worker !== this.#worker) return;
      if (id === null) {
        this.#ready = true;
        return this.#watch();
      }
      if (this.#sent[0]?.id !== id) return;
      if (facts === null) return this.#replace();
      this.#end(this.#sent.shift()!, facts);
      this.#watch();
      this.#pump();
    });
    // The thread has run out of memory, or the parser is at fault. Both are put down to the text that was being read.
    worker.on('error', () => {});
    worker.on('exit', () => {
      if (worker === this.#worker) this.#replace();
    });
    // Only after the listeners: adding the one for messages makes the process wait for the thread again.
    worker.unref();
    return worker;
  }

  /** Gives up the text that is being read; the others go to a new thread. */
  #replace(): void {
    const worker = this.#worker;
    this.#forget();
    void worker?.terminate();
    const [given, ...others] = this.#sent;
    this.#sent = [];
    this.#waiting.unshift(...others);
    if (given !== undefined) this.#end(given, null);
    this.#pump();
  }

  #forget(): void {
    clearTimeout(this.#limit);
    this.#worker = null;
    this.#ready = false;
  }
}
