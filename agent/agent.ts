/**
 * An agent: hello -> claim -> started -> run -> heartbeat -> complete, all in lists over HTTP (protocol C1-C8). It keeps
 * running programs while the API is away and delivers their results when it is back.
 */
import { randomUUID } from 'node:crypto';
import {
  type AttemptResult,
  ClaimAnswer,
  type ClaimRequest,
  CompleteAnswer,
  type CompleteRequest,
  HeartbeatAnswer,
  HelloAnswer,
  type HelloRequest,
  LeaveAnswer,
  StartedAnswer,
  type StartedRequest,
} from '../api/schemas/agent.ts';
import { SluiceError } from '../errors.ts';
import { type ApiClient, ApiRefusal, pause } from './api-client.ts';
import { Attempts, type Platforms } from './attempts.ts';
import { Gather } from './gather.ts';
import { LogShipper } from './log-shipper.ts';
import { ResultSpool } from './result-spool.ts';

const CLAIM_WAIT_MS = 20_000;
const MOST_STARTED = 1_000;
const MOST_RESULTS = 500;
/** The API should hold a claim that finds nothing; one that answers empty at once is not asked in a tight loop. */
const EMPTY_PAUSE_MS = 250;
const ORPHAN_LOOK_MS = 1_000;
/** When the agent ends: how long interrupted programs and their results may take, and the farewell itself. */
const INTERRUPTED_MS = 4_000;
const FAREWELL_MS = 1_000;

export interface Talk {
  info(facts: object, text: string): void;
  warn(facts: object, text: string): void;
  error(facts: object, text: string): void;
}

export interface AgentOptions {
  readonly client: ApiClient;
  readonly platforms: Platforms;
  /** Folder of this agent's name, kept over restarts. */
  readonly spool: string;
  /** Of the folder's lock: proves a restart (C8). */
  readonly lockToken: string;
  readonly platform: string;
  readonly slots: number;
  readonly labels: readonly string[];
  readonly version: string;
  readonly talk: Talk;
  /** How long a polite end waits for programs inside the agent. */
  readonly drainMs: number;
  /** At the end, end shell programs as well instead of leaving them to their wrappers and the next agent. */
  readonly endPrograms: boolean;
  /** Longest wait of one claim at the API, ms; default 20 s. */
  readonly claimWaitMs?: number;
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
  const stopping = new AbortController();
  let fatal: unknown;
  let heartbeatMs = 10_000;
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
    onResult: (result) => completing.push(result),
    onFree: () => {
      slotFreed();
      settled();
    },
  });
  const closing = new AbortController();
  const patient = { signal: closing.signal, onFailure: outageTalk() };

  /** Introduces this process; every epoch the spool answers for goes along. */
  async function hello(signal: AbortSignal): Promise<void> {
    const body: HelloRequest = {
      instance,
      lockToken: options.lockToken,
      platform: options.platform,
      slots: options.slots,
      labels: [...options.labels],
      version: options.version,
      held: attempts.epochs(),
    };
    try {
      const answer = await client.callUntilAnswered('hello', JSON.stringify(body), HelloAnswer, {
        ...patient,
        signal,
      });
      heartbeatMs = answer.heartbeatMs;
    } catch (error) {
      if (!(error instanceof ApiRefusal)) throw error;
      const code = error.code === 'agent_name_taken' ? 'agent_name_taken' : 'agent_refused';
      throw new SluiceError(code, error.message, {
        cause: error,
        facts: { status: error.status, code: error.code },
      });
    }
  }

  let again: Promise<void> | undefined;
  /** The API does not know this instance any more (it was restored, or the lease ran out): introduce it anew, once. */
  function helloAgain(): Promise<void> {
    again ??= hello(closing.signal)
      .catch((error: unknown) => {
        if (!closing.signal.aborted) fail(error);
        throw error;
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
        if (isConflict(error)) return helloAgain().catch(() => {});
        talk.error({ err: error }, 'the API refuses claims');
        await pause(5_000, stopping.signal).catch(() => {});
      });
    }
  }

  async function claim(free: number): Promise<void> {
    // A hello under way names what this agent holds: nothing may be added meanwhile.
    await again?.catch(() => {});
    const waitMs = options.claimWaitMs ?? CLAIM_WAIT_MS;
    const body: ClaimRequest = {
      claimId: randomUUID(),
      instance,
      platform: options.platform,
      free,
      labels: [...options.labels],
      waitMs,
    };
    const since = performance.now();
    const answer = await client.callUntilAnswered('claim', JSON.stringify(body), ClaimAnswer, {
      ...patient,
      signal: stopping.signal,
      timeoutMs: waitMs + 10_000,
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
      const body: StartedRequest = {
        requestId: randomUUID(),
        instance,
        leases: epochs.map((epoch) => ({ epoch })),
      };
      try {
        const answer = await client.callUntilAnswered(
          'started',
          JSON.stringify(body),
          StartedAnswer,
          patient,
        );
        attempts.stop(answer.stop, 'cancel');
        const ok = new Set(answer.ok);
        for (const epoch of epochs) {
          if (ok.has(epoch)) attempts.launch(epoch);
          else attempts.forget(epoch);
        }
        return;
      } catch (error) {
        if (
          isConflict(error) &&
          (await helloAgain().then(
            () => true,
            () => false,
          ))
        )
          continue;
        if (!closing.signal.aborted)
          talk.error({ err: error, epochs }, 'the API refuses started: nothing is launched');
        for (const epoch of epochs) attempts.forget(epoch);
        return;
      }
    }
  }

  async function complete(list: AttemptResult[]): Promise<void> {
    for (;;) {
      const body: CompleteRequest = { requestId: randomUUID(), instance, results: list };
      try {
        const answer = await client.callUntilAnswered(
          'complete',
          JSON.stringify(body),
          CompleteAnswer,
          patient,
        );
        if (answer.stale.length > 0) talk.warn({ epochs: answer.stale }, 'results came too late');
        for (const { epoch } of list) attempts.forget(epoch);
        attempts.stop(answer.stop, 'cancel');
        return;
      } catch (error) {
        if (closing.signal.aborted) return;
        if (
          isConflict(error) &&
          (await helloAgain().then(
            () => true,
            () => false,
          ))
        )
          continue;
        if (closing.signal.aborted || !(error instanceof ApiRefusal)) return;
        if (list.length > 1) {
          // One of them cannot be accepted: the others must not suffer.
          const half = Math.ceil(list.length / 2);
          await complete(list.slice(0, half));
          await complete(list.slice(half));
          return;
        }
        talk.error({ err: error, result: list[0] }, 'the API refuses a result: it is set aside');
        results.setAside(list[0]!);
        attempts.forget(list[0]!.epoch);
        return;
      }
    }
  }

  async function heartbeatLoop(): Promise<void> {
    while (!closing.signal.aborted) {
      let failed = false;
      await heartbeat().catch(async (error: unknown) => {
        failed = true;
        if (isConflict(error) && !closing.signal.aborted) await helloAgain().catch(() => {});
      });
      await pause(failed ? Math.min(heartbeatMs, 1_000) : heartbeatMs, closing.signal).catch(() => {});
    }
  }

  async function heartbeat(): Promise<void> {
    const leases = attempts.epochs();
    const answer = await client.call('heartbeat', JSON.stringify({ instance, leases }), HeartbeatAnswer, {
      signal: closing.signal,
    });
    const unknown = new Set(answer.unknown);
    attempts.contact(leases.filter((epoch) => !unknown.has(epoch)));
    attempts.stop(answer.stop, 'cancel');
    // Somebody else may have them by now; fenced ones would be refused, the others must not run twice.
    attempts.stop(answer.unknown, 'cancel');
  }

  /** One line when the API goes away, one when it is back. */
  function outageTalk() {
    let said = 0;
    return (error: Error, tries: number): undefined => {
      if (tries < 3 || performance.now() - said < 30_000) return;
      said = performance.now();
      talk.warn({ reason: error.message, tries }, 'no answer from the API: programs go on, results are kept');
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
    const body = JSON.stringify({ instance, held: attempts.surviving() });
    await client.call('leave', body, LeaveAnswer, { timeoutMs: FAREWELL_MS }).catch(() => {});
  }

  return {
    async run() {
      const goOn = attempts.recover();
      await hello(stopping.signal).catch((error: unknown) => {
        if (!stopping.signal.aborted) throw error;
      });
      if (stopping.signal.aborted) return;
      talk.info(
        { instance, platform: options.platform, slots: options.slots, found: attempts.epochs() },
        'agent works',
      );
      options.onReady?.();
      goOn();
      const orphans = setInterval(() => attempts.endOrphans(), ORPHAN_LOOK_MS);
      const beating = heartbeatLoop();
      try {
        await claimLoop();
        await farewell();
      } finally {
        clearInterval(orphans);
        closing.abort();
        logs.close();
        await beating;
        client.close();
      }
      if (fatal !== undefined) throw fatal;
    },
    stop,
  };
}

/** 409: the API knows another instance under this name, or none. */
function isConflict(error: unknown): boolean {
  return error instanceof ApiRefusal && error.status === 409;
}
