/**
 * An agent: hello -> claim -> started -> run -> heartbeat -> complete, all in lists over HTTP (protocol C1, C3, C4, C7, C8). It keeps
 * running programs while the API is away and delivers their results when it is back. This file puts its parts together.
 */
import type { EventLogger } from '../logging.ts';
import type { CorrectionRows } from '../platforms/sql/correction-rows.ts';
import type { Fences } from '../platforms/sql/fence-report.ts';
import type { ApiClient } from './api-client.ts';
import { Attempts, type Platforms } from './attempts.ts';
import type { Introduction } from './calls.ts';
import { ClaimLoop } from './claim-loop.ts';
import { Farewell } from './farewell.ts';
import { Heartbeats } from './heartbeats.ts';
import { LogShipper } from './log-shipper.ts';
import { lookForCorrections } from './looks/correction-look.ts';
import { fenceLook } from './looks/fence-look.ts';
import { ResultDelivery } from './result-delivery.ts';
import { ResultSpool } from './result-spool.ts';
import { Session } from './session.ts';

/** Interval of the looks for programs without contact, ms. */
const ORPHAN_LOOK_MS = 1_000;

export interface AgentOptions extends Omit<Introduction, 'instance'> {
  readonly client: ApiClient;
  readonly platforms: Platforms;
  /** Folder of this agent's name, kept over restarts. */
  readonly spool: string;
  readonly logger: EventLogger;
  /** How long a polite end waits for programs inside the agent, ms. */
  readonly drainMs: number;
  /** How long interrupted programs and their results may take, ms; default 4 s. */
  readonly interruptedMs?: number;
  /** At the end, end shell programs as well instead of leaving them to their keeper and the next agent. */
  readonly endPrograms: boolean;
  /** Longest wait of one claim at the API, ms; default 20 s. */
  readonly claimWaitMs?: number;
  /** Whose works the fences of its databases hold. */
  readonly fences?: Fences;
  /** Corrections that were reported by rows on its databases. */
  readonly corrections?: CorrectionRows;
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
  const { client, logger, spool, platforms, slots, drainMs, interruptedMs, endPrograms } = options;
  const fences = fenceLook(options.fences);
  const session = new Session({
    client,
    introduction: options,
    logger,
    heldEpochs: () => attempts.epochs(),
    onHello: (record) => {
      fences.record = record;
    },
    onRefused: () => claims.stop(),
  });
  const logs = new LogShipper(client, session.instance, (epochs) => {
    attempts.stop(epochs, 'cancel');
  });
  const results = new ResultSpool(spool);
  const attempts: Attempts = new Attempts({
    platforms,
    results,
    logs,
    encoding: options.encoding,
    onResult: (result) => delivery.push(result),
    onFree: () => {
      claims.slotFreed();
      farewell.attemptForgotten();
    },
    // A person who asks why should not have to wait for the next heartbeat.
    onProgress: () => void heartbeats.beat().catch(() => {}),
    onUnsaved: (epoch, error) => logger.error({ err: error, epoch }, 'a result cannot be kept on the disk'),
  });
  const delivery = new ResultDelivery({ session, attempts, spool: results, logger });
  const claims = new ClaimLoop({ session, attempts, slots, waitMs: options.claimWaitMs, logger });
  const heartbeats = new Heartbeats({ session, attempts, fences, spool });
  const farewell = new Farewell({
    session,
    attempts,
    logs,
    heartbeats,
    logger,
    drainMs,
    interruptedMs,
    endPrograms,
  });

  return {
    async run() {
      const resume = attempts.recover();
      let orphans: NodeJS.Timeout | undefined;
      let beating: Promise<void> | undefined;
      try {
        await session.open(claims.signal);
        const found = attempts.epochs();
        logger.info(
          { instance: session.instance, platform: options.platform, slots, found },
          'the agent is ready',
        );
        options.onReady?.();
        resume();
        orphans = setInterval(() => attempts.endOrphans(), ORPHAN_LOOK_MS);
        beating = heartbeats.run();
        void lookForCorrections(session, options.corrections, logger);
        await claims.run();
        await farewell.leave(beating);
      } catch (error) {
        if (!claims.stopped) throw error;
      } finally {
        clearInterval(orphans);
        session.close();
        logs.close();
        platforms.shell.close();
        await beating;
        client.close();
      }
      if (session.refusal !== undefined) throw session.refusal;
    },
    stop: () => claims.stop(),
  };
}
