/**
 * The agents' calls (protocol C1), gathered into transactions of several agents (protocol C2): one lane per kind of call, so that a claim never
 * waits behind a completion.
 */
import type pg from 'pg';
import {
  AGENT_PROTOCOL,
  type AttemptResult,
  type ClaimAnswer,
  type ClaimRequest,
  type CompleteAnswer,
  type CompleteRequest,
  type HeartbeatAnswer,
  type HeartbeatRequest,
  type HelloAnswer,
  type HelloRequest,
  type LeaveRequest,
  type LogsRequest,
  type StartedAnswer,
  type StartedRequest,
  Task,
} from '../../contract/agent.ts';
import { SluiceError } from '../../errors.ts';
import { storable } from '../../graph/text/storable-text.ts';
import { isAnsweredElsewhere, storeAnswers, storedAnswers } from '../../store/agents/agent-calls.ts';
import { registerAgent, releaseAgent } from '../../store/agents/agents.ts';
import {
  type AttemptAnswer,
  type AttemptEnd,
  completeAttempts,
  heartbeat,
  startAttempts,
  stopsOf,
} from '../../store/agents/attempts.ts';
import { type Claimed, claimTasks } from '../../store/agents/claims.ts';
import { readRecordId } from '../../store/record/epochs.ts';
import type { RunContext } from '../../store/record/run-context.ts';
import { archivedAmong } from '../../store/retention/archived-runs.ts';
import { isOutage } from '../../store/schema/pool.ts';
import { gather } from '../gather.ts';
import type { LogStore } from '../log-store.ts';
import type { Notifications } from '../notifications.ts';
import { endOf } from './attempt-end.ts';
import { OwnEpochs } from './own-epochs.ts';
import { taskOf } from './tasks.ts';
import { WaitingClaims } from './waiting-claims.ts';

export interface AgentCalls {
  hello(agent: string, body: HelloRequest): Promise<HelloAnswer>;
  /** `gone` is aborted when the caller has hung up; then nothing is claimed. */
  claim(agent: string, body: ClaimRequest, gone: AbortSignal): Promise<ClaimAnswer>;
  started(agent: string, body: StartedRequest): Promise<StartedAnswer>;
  heartbeat(agent: string, body: HeartbeatRequest): Promise<HeartbeatAnswer>;
  complete(agent: string, body: CompleteRequest): Promise<CompleteAnswer>;
  logs(agent: string, body: LogsRequest): Promise<{ stop: number[]; refused: number[] }>;
  leave(agent: string, body: LeaveRequest): Promise<void>;
  /** Answers every waiting claim with nothing. */
  close(): void;
}

export interface AgentCallsDeps {
  readonly pool: pg.Pool;
  readonly contextOf: (run: string) => Promise<RunContext>;
  readonly notifications: Notifications;
  readonly logs: LogStore;
  readonly leaseMs: number;
  readonly heartbeatMs: number;
  readonly orphanMs: number;
  /** Time zone in which people read clock times. */
  readonly zone: () => Promise<string>;
  readonly warn: (facts: object, message: string) => void;
}

type Of<Body> = Body & { readonly agent: string };

export function createAgentCalls(deps: AgentCallsDeps): AgentCalls {
  const { pool, contextOf, leaseMs } = deps;
  const waiting = new WaitingClaims(pool, deps.notifications);
  /** Claims under way in this process, by agent and claim id: a repeated one joins the first. */
  const claiming = new Map<string, Promise<ClaimAnswer>>();
  /** Stops that were sent to a process, by agent and instance. */
  const sentStops = new Map<string, ReadonlySet<number>>();
  const own = new OwnEpochs(pool);
  /** Whether the last logs could not be stored; it is logged once. */
  let outOfRoom = false;
  let record: Promise<string> | undefined;
  const recordId = (): Promise<string> => {
    record ??= readRecordId(pool);
    record.catch(() => {
      record = undefined;
    });
    return record;
  };

  /**
   * Protocol C1: a call that was answered before gets the same answer, and a call that is twice in the group is carried out once. Two APIs may get
   * the same call at the same time: the transaction of one then fails on the answer of the other, and the retry finds that answer here.
   */
  async function answeredOnce<Call extends { readonly agent: string }, Answer>(
    calls: readonly Call[],
    idOf: (call: Call) => string,
    carryOut: (fresh: readonly Call[]) => Promise<readonly Answer[]>,
  ): Promise<Answer[]> {
    const keyOf = (call: Call): string => `${call.agent} ${idOf(call)}`;
    for (;;) {
      const answers = await storedAnswers(
        pool,
        calls.map((call) => ({ agent: call.agent, id: idOf(call) })),
      );
      const fresh = [...new Map(calls.map((call) => [keyOf(call), call]))].filter(
        ([key]) => !answers.has(key),
      );
      try {
        const given = fresh.length === 0 ? [] : await carryOut(fresh.map(([, call]) => call));
        fresh.forEach(([key], i) => {
          answers.set(key, given[i]);
        });
        return calls.map((call) => answers.get(keyOf(call)) as Answer);
      } catch (error) {
        if (!isAnsweredElsewhere(error)) throw error;
      }
    }
  }

  const claimLane = gather<Of<ClaimRequest>, Task[]>(async (calls) => {
    const granted = await answeredOnce(
      calls,
      (call) => call.claimId,
      (fresh) =>
        claimTasks(pool, fresh, leaseMs, (client, answers) =>
          storeAnswers(
            client,
            fresh
              .map((call, i) => ({ agent: call.agent, id: call.claimId, answer: answers[i]! }))
              .filter(({ answer }) => answer.length > 0),
          ),
        ),
    );
    return Promise.all(calls.map((call, i) => tasksOf(call.agent, granted[i]!)));
  });

  /**
   * A flow whose task cannot be made (its catalogue version lacks a file, or a value does not fit a task) fails; the other tasks are sent.
   * Throws while the record does not answer: the same claim, repeated, then gets the tasks.
   */
  async function tasksOf(agent: string, granted: readonly Claimed[]): Promise<Task[]> {
    const tasks: Task[] = [];
    for (const claimed of granted) {
      try {
        tasks.push(Task.parse(taskOf(await contextOf(claimed.run), claimed, await recordId())));
      } catch (error) {
        if (isOutage(error)) throw error;
        deps.warn({ err: error, ...claimed }, 'a claimed flow has no task');
        const message = storable(error instanceof Error ? error.message : String(error)).slice(0, 4_000);
        await completeAttempts(pool, [
          {
            agent,
            results: [
              {
                epoch: claimed.epoch,
                run: claimed.run,
                outcome: 'failed',
                failure: 'program',
                message,
                exitCode: null,
                rows: null,
                effect: false,
              },
            ],
          },
        ]);
      }
    }
    return tasks;
  }

  const startedLane = gather(async (calls: readonly Of<StartedRequest>[]) => {
    const answers = await startAttempts(
      pool,
      calls.map(({ agent, instance, leases }) => ({
        agent,
        instance,
        epochs: leases.map((lease) => lease.epoch),
      })),
    );
    return answers.map(({ ok, stopping, stale }) => ({
      ok,
      refused: [
        ...stopping.map((epoch) => ({ epoch, code: 'stopping' })),
        ...stale.map((epoch) => ({ epoch, code: 'stale_lease' })),
      ],
    }));
  });

  const heartbeatLane = gather((calls: readonly Of<HeartbeatRequest>[]) =>
    heartbeat(
      pool,
      calls.map(({ agent, instance, leases, waits, reached, trouble, fences }) => ({
        agent,
        instance,
        epochs: leases,
        waits,
        reached,
        trouble: trouble ?? '',
        fences,
      })),
    ),
  );

  const completeLane = gather((calls: readonly Of<CompleteRequest>[]) =>
    answeredOnce<Of<CompleteRequest>, AttemptAnswer>(
      calls,
      (call) => call.requestId,
      async (fresh) =>
        completeAttempts(
          pool,
          await Promise.all(
            fresh.map(async ({ agent, results }) => ({
              agent,
              results: await Promise.all(results.map(withReader)),
            })),
          ),
          (client, answers) =>
            storeAnswers(
              client,
              fresh.map((call, i) => ({ agent: call.agent, id: call.requestId, answer: answers[i] })),
            ),
        ),
    ),
  );

  /** Adds who is notified when an attempt was executed over an effect that this record does not know, and in which time zone. */
  async function withReader(result: AttemptResult): Promise<AttemptEnd> {
    const reported = endOf(result);
    if (reported.over === undefined && reported.heldBy === undefined) return reported;
    const end = { ...reported, zone: await deps.zone().catch(() => undefined) };
    if (end.over === undefined) return end;
    const context = await contextOf(result.run).catch(() => null);
    const owner = context?.version.flows.get(result.flow)?.owner;
    return owner === undefined ? end : { ...end, recipient: storable(owner) };
  }

  const stopLane = gather(async (agents: readonly string[]) => {
    const stops = await stopsOf(pool, [...new Set(agents)]);
    return agents.map((agent) => stops.get(agent) ?? []);
  });

  async function claim(agent: string, body: ClaimRequest, gone: AbortSignal): Promise<ClaimAnswer> {
    const until = performance.now() + body.waitMs;
    const place = waiting.enter({ agent, instance: body.instance, platform: body.platform }, gone);
    try {
      for (;;) {
        if (gone.aborted) return { tasks: [], stop: [] };
        const tasks = await claimLane({ ...body, agent });
        const stop = await stopsFor(agent, body.instance);
        if (tasks.length > 0) {
          // More may be waiting than this agent could take.
          waiting.wakePlatform(body.platform);
          return { tasks, stop: stop.all };
        }
        if (stop.news) return { tasks, stop: stop.all };
        const left = until - performance.now();
        if (left > 0 && (await place.wait(left)) === 'work') continue;
        return { tasks, stop: gone.aborted ? [] : (await stopsFor(agent, body.instance)).all };
      }
    } finally {
      place.leave();
    }
  }

  /** `news`: a stop that was not yet sent to this process. Stops that it knows must not end its waiting claims again. */
  async function stopsFor(agent: string, instance: string): Promise<{ all: number[]; news: boolean }> {
    const all = await stopLane(agent);
    const key = `${agent} ${instance}`;
    const before = sentStops.get(key);
    if (all.length === 0) sentStops.delete(key);
    else sentStops.set(key, new Set(all));
    return { all, news: all.some((epoch) => before?.has(epoch) !== true) };
  }

  return {
    async hello(agent, body) {
      if (body.protocol < AGENT_PROTOCOL)
        throw new SluiceError(
          'agent_too_old',
          `the agent ${agent} is of ${body.version || 'an older version'} (contract ${body.protocol}); this API needs contract ${AGENT_PROTOCOL}`,
          { facts: { agent, version: body.version, protocol: body.protocol, needed: AGENT_PROTOCOL } },
        );
      await registerAgent(pool, { agent, ...body }, leaseMs);
      return { leaseMs, heartbeatMs: deps.heartbeatMs, orphanMs: deps.orphanMs, record: await recordId() };
    },
    claim(agent, body, gone) {
      const id = `${agent} ${body.claimId}`;
      const first = claiming.get(id);
      if (first !== undefined) return first;
      const answer = claim(agent, body, gone).finally(() => claiming.delete(id));
      claiming.set(id, answer);
      return answer;
    },
    async started(agent, body) {
      const [answer, stop] = await Promise.all([startedLane({ ...body, agent }), stopLane(agent)]);
      return { ...answer, stop };
    },
    async heartbeat(agent, body) {
      const answer = await heartbeatLane({ ...body, agent });
      const { fenceRuns = [] } = body;
      return { ...answer, archived: fenceRuns.length === 0 ? [] : await archivedAmong(pool, fenceRuns) };
    },
    async complete(agent, body) {
      const [answer, stop] = await Promise.all([completeLane({ ...body, agent }), stopLane(agent)]);
      return { ...answer, stop };
    },
    async logs(agent, body) {
      const places = await own.placesOf(
        agent,
        body.chunks.map((chunk) => chunk.epoch),
      );
      const refused: number[] = [];
      for (const { epoch, offset, data } of body.chunks) {
        const place = places.get(epoch);
        if (place === undefined) continue;
        try {
          await deps.logs.append({ ...place, epoch }, offset, Buffer.from(data, 'base64'));
        } catch (error) {
          // Usually a full disk. No other log and no result waits for it.
          if (refused.push(epoch) === 1 && !outOfRoom)
            deps.warn({ err: error }, 'logs of attempts cannot be stored; agents keep what they can');
          outOfRoom = true;
        }
      }
      if (refused.length === 0) outOfRoom = false;
      return { stop: await stopLane(agent), refused };
    },
    async leave(agent, body) {
      await releaseAgent(pool, agent, body.instance, body.held);
      waiting.wakeInstance(agent, body.instance);
    },
    close: () => waiting.close(),
  };
}
