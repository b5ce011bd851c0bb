/**
 * An agent: hello -> claim -> started -> run -> heartbeat -> complete, all in lists over HTTP (protocol C1-C8). It keeps
 * running programs while the API is away and delivers their results when it is back.
 */
import { randomUUID } from 'node:crypto';
import type { AttemptResult } from '../contract/agent.ts';
import { SluiceError } from '../errors.ts';
import type { Fences } from '../platforms/sql/fence-report.ts';
import { type ApiClient, ApiRefusal, pause } from './api-client.ts';
import { Attempts, type Platforms } from './attempts.ts';
import { createCalls, type Introduction } from './calls.ts';
import { diskTrouble } from './disk-room.ts';
import { fenceLook } from './fence-look.ts';
import { Gather } from './gather.ts';
import { LogShipper } from './log-shipper.ts';
import { ResultSpool } from './result-spool.ts';
import type { Talk } from './talk.ts';

const CLAIM_WAIT_MS = 20_000;
const MOST_STARTED = 1_000;
const MOST_RESULTS = 500;
/** The API should hold a claim that finds nothing; one that answers empty at once is not asked in a tight loop. */
const EMPTY_PAUSE_MS = 250;
const ORPHAN_LOOK_MS = 1_000;
/** A heartbeat is answered within its interval, or its API is taken for lost; never sooner than this. */
const LEAST_HEARTBEAT_WAIT_MS = 5_000;
/** When the agent ends: how long interrupted programs and their results may take, and the farewell itself. */
const INTERRUPTED_MS = 4_000;
const FAREWELL_MS = 1_000;

export interface AgentOptions extends Omit<Introduction, 'instance'> {
  readonly client: ApiClient;
  readonly platforms: Platforms;
  /** Folder of this agent's name, kept over restarts. */
  readonly spool: string;
  readonly talk: Talk;
  /** How long a polite end waits for programs inside the agent. */
  readonly drainMs: number;
  /** At the end, end shell programs as well instead of leaving them to their keeper and the next agent. */
  readonly endPrograms: boolean;
  /** Longest wait of one claim at the API, ms; default 20 s. */
  readonly claimWaitMs?: number;
  /** Whose works the fences of its databases hold. */
  readonly fences?: Fences;
  /** Called once, when the API knows this agent. */
  readonly onReady?: () => void;
}

export interface Agent {
  /**
   * Works until `stop`. Rejects with `agent_name_taken` when another process holds the name, with `agent_refused` when
   * the API refuses the agent for another lasting reason.
   */
  run(): Promise<void>;
  /** Claims nothing more, waits up to `drainMs` for programs, says farewell; then `run` resolves. */
  stop(): void;
}

export function createAgent(options: AgentOptions): Agent {
  const { client, talk } = options;
  const instance = randomUUID();
  const calls = createCalls(client, { ...options, instance });
  const stopping = new AbortController();
  let fatal: unknown;
  let heartbeatMs = 10_000;
  /** An answer that is older than this, for a process that stood still, says nothing about now. */
  let leaseMs = 60_000;
  let slotFreed = () => {};
  let settled = () => {};

  const logs = new LogShipper(client, instance, (epochs) => {
    attempts.stop(epochs, 'cancel');
  });
  const results = new ResultSpool(options.spool);
  const completing = new Gather<AttemptResult>(MOST_RESULTS, complete);
  const starting = new Gather<number>(MOST_STARTED, started);
  const attempts = new Attempts({
    platforms: options.platforms,
    results,
    logs,
    encoding: options.encoding,
    onResult: (result) => completing.push(result),
    onFree: () => {
      slotFreed();
      settled();
    },
    // A person who asks why should not have to wait for the next heartbeat.
    onWaits: () => void heartbeat().catch(() => {}),
    onUnsaved: (epoch, error) => talk.error({ err: error, epoch }, 'a result cannot be kept on the disk'),
  });
  const closing = new AbortController();
  /** Ends the heartbeats before the farewell: one that arrives after it would take the name again. */
  const silence = new AbortController();
  let beating: Promise<void> | undefined;
  const patient = { signal: closing.signal, onFailure: outageTalk() };

  /**
   * Introduces this process; every epoch the spool answers for goes along. A wrong token or platform is an error of the
   * first hello; later, with programs running, it is an outage like any other.
   */
  async function hello(signal: AbortSignal, first: boolean): Promise<void> {
    const onFailure: typeof patient.onFailure = (error, tries) => {
      const unwelcome = error instanceof ApiRefusal && (error.status === 401 || error.status === 403);
      return first && unwelcome ? false : patient.onFailure(error, tries);
    };
    try {
      const answer = await calls.hello(attempts.epochs(), { signal, onFailure });
      ({ heartbeatMs, leaseMs } = answer);
      fences.record = answer.record;
    } catch (error) {
      if (!(error instanceof ApiRefusal)) throw error;
      const code = error.code === 'agent_name_taken' ? 'agent_name_taken' : 'agent_refused';
      throw new SluiceError(code, error.message, {
        cause: error,
        facts: { status: error.status, code: error.code },
      });
    }
  }

  let again: Promise<boolean> | undefined;
  /**
   * True when the error meant that the API does not know this instance any more (it was restored, or the lease ran
   * out) and a new hello, one for all calls that met it, has mended that.
   */
  async function knownAgain(error: unknown): Promise<boolean> {
    const forgotten = error instanceof ApiRefusal && error.code === 'agent_name_taken';
    if (!forgotten || closing.signal.aborted) return false;
    again ??= hello(closing.signal, false)
      .then(() => true)
      .catch((refused: unknown) => {
        if (!closing.signal.aborted) fail(refused);
        return false;
      })
      .finally(() => {
        again = undefined;
      });
    return again;
  }

  function fail(error: unknown): void {
    fatal ??= error;
    stop();
  }

  function stop(): void {
    stopping.abort();
    slotFreed();
  }

  async function claimLoop(): Promise<void> {
    while (!stopping.signal.aborted) {
      const free = options.slots - attempts.size;
      if (free <= 0) {
        await new Promise<void>((resolve) => {
          slotFreed = resolve;
        });
        continue;
      }
      await claim(free).catch(async (error: unknown) => {
        if (stopping.signal.aborted) return;
        if (await knownAgain(error)) return;
        if (stopping.signal.aborted) return;
        talk.error({ err: error }, 'the API refuses claims');
        await pause(5_000, stopping.signal).catch(() => {});
      });
    }
  }

  async function claim(free: number): Promise<void> {
    // A hello under way names what this agent holds: nothing may be added meanwhile.
    await again;
    const since = performance.now();
    const answer = await calls.claim(free, options.claimWaitMs ?? CLAIM_WAIT_MS, {
      ...patient,
      signal: stopping.signal,
    });
    for (const task of answer.tasks) {
      if (attempts.has(task.lease.epoch)) continue;
      attempts.claim(task);
      starting.push(task.lease.epoch);
    }
    attempts.stop(answer.stop, 'cancel');
    if (answer.tasks.length === 0 && performance.now() - since < EMPTY_PAUSE_MS) {
      await pause(EMPTY_PAUSE_MS, stopping.signal);
    }
  }

  /** C4: only what is answered ok is launched. */
  async function started(epochs: number[]): Promise<void> {
    for (;;) {
      try {
        const sentOn = performance.now();
        const answer = await calls.started(epochs, patient);
        attempts.stop(answer.stop, 'cancel');
        if (performance.now() - sentOn >= leaseMs) continue;
        const ok = new Set(answer.ok);
        for (const epoch of epochs) {
          if (ok.has(epoch)) attempts.launch(epoch);
          else attempts.forget(epoch);
        }
        return;
      } catch (error) {
        if (await knownAgain(error)) continue;
        if (!closing.signal.aborted)
          talk.error({ err: error, epochs }, 'the API refuses started: nothing is launched');
        for (const epoch of epochs) attempts.forget(epoch);
        return;
      }
    }
  }

  async function complete(list: AttemptResult[]): Promise<void> {
    for (;;) {
      try {
        const answer = await calls.complete(list, patient);
        if (answer.stale.length > 0) talk.warn({ epochs: answer.stale }, 'results came too late');
        for (const { epoch } of list) attempts.forget(epoch);
        attempts.stop(answer.stop, 'cancel');
        return;
      } catch (error) {
        if (closing.signal.aborted) return;
        if (await knownAgain(error)) continue;
        if (closing.signal.aborted || !(error instanceof ApiRefusal)) return;
        if (list.length > 1) {
          // One of them cannot be accepted: the others must not suffer.
          const half = Math.ceil(list.length / 2);
          await complete(list.slice(0, half));
          await complete(list.slice(half));
          return;
        }
        talk.error({ err: error, result: list[0] }, 'the API refuses a result: it is set aside');
        setAside(list[0]!);
        attempts.forget(list[0]!.epoch);
        return;
      }
    }
  }

  /** For a person to look at; on a full disk the line above is all that is left of it. */
  function setAside(result: AttemptResult): void {
    try {
      results.setAside(result);
    } catch (error) {
      talk.error({ err: error, result }, 'a refused result cannot be kept on the disk');
    }
  }

  async function heartbeatLoop(): Promise<void> {
    const quiet = AbortSignal.any([closing.signal, silence.signal]);
    while (!closing.signal.aborted && !silence.signal.aborted) {
      let failed = false;
      await heartbeat().catch(async (error: unknown) => {
        failed = true;
        await knownAgain(error);
      });
      await pause(failed ? Math.min(heartbeatMs, 1_000) : heartbeatMs, quiet).catch(() => {});
    }
  }

  const fences = fenceLook(options.fences);

  async function heartbeat(): Promise<void> {
    const leases = attempts.epochs();
    const trouble = diskTrouble(options.spool);
    const reached = fences.record === undefined ? undefined : attempts.reached();
    const beat = { leases, waits: attempts.waits(), reached, trouble, ...fences.found() };
    const sentOn = performance.now();
    const answer = await calls.heartbeat(beat, {
      signal: closing.signal,
      timeoutMs: Math.max(heartbeatMs, LEAST_HEARTBEAT_WAIT_MS),
    });
    const unknown = new Set(answer.unknown);
    if (performance.now() - sentOn < leaseMs) attempts.contact(leases.filter((epoch) => !unknown.has(epoch)));
    attempts.stop(answer.stop, 'cancel');
    attempts.force(answer.force);
    fences.forget(answer.archived);
    // Somebody else may have them by now; fenced ones would be refused, the others must not run twice.
    attempts.stop(answer.unknown, 'cancel');
  }

  /** A line about an API that is away, at most one in 30 s. */
  function outageTalk() {
    let said = Number.NEGATIVE_INFINITY;
    return (error: Error, tries: number): boolean | undefined => {
      if (tries < 3 || performance.now() - said < 30_000) return undefined;
      said = performance.now();
      talk.warn({ reason: error.message, tries }, 'no answer from the API: programs go on, results are kept');
      return undefined;
    };
  }

  async function settle(kind: 'inside' | 'all', withinMs: number): Promise<void> {
    const until = performance.now() + withinMs;
    while (attempts.unfinished(kind).length > 0 && performance.now() < until) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.max(0, until - performance.now()));
        settled = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** C8: politely, then firmly. What goes on without this process is named in the farewell. */
  async function farewell(): Promise<void> {
    const mine = options.endPrograms ? 'all' : 'inside';
    if (fatal === undefined) await settle(mine, options.drainMs);
    const interrupted = attempts.stop(attempts.unfinished(mine), 'leave');
    if (interrupted.length > 0) {
      talk.warn({ epochs: interrupted }, 'the agent leaves before these programs ended');
      await settle(mine, INTERRUPTED_MS);
    }
    if (fatal !== undefined) return;
    await logs.settle(FAREWELL_MS);
    silence.abort();
    await Promise.race([beating, pause(FAREWELL_MS)]);
    await calls.leave(attempts.surviving(), { timeoutMs: FAREWELL_MS }).catch(() => {});
  }

  return {
    async run() {
      const goOn = attempts.recover();
      let orphans: NodeJS.Timeout | undefined;
      try {
        await hello(stopping.signal, true);
        const found = attempts.epochs();
        talk.info({ instance, platform: options.platform, slots: options.slots, found }, 'agent works');
        options.onReady?.();
        goOn();
        orphans = setInterval(() => attempts.endOrphans(), ORPHAN_LOOK_MS);
        beating = heartbeatLoop();
        await claimLoop();
        await farewell();
      } catch (error) {
        if (!stopping.signal.aborted) throw error;
      } finally {
        clearInterval(orphans);
        closing.abort();
        logs.close();
        options.platforms.shell.close();
        await beating;
        client.close();
      }
      if (fatal !== undefined) throw fatal;
    },
    stop,
  };
}
