/** An agent played by hand through the store's functions: for tests that need every step in their own order. */
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { registerAgent } from '../../store/agents/agents.ts';
import { type AttemptEnd, completeAttempts, startAttempts } from '../../store/agents/attempts.ts';
import { type Claimed, claimTasks } from '../../store/agents/claims.ts';

export interface PlayedAgent {
  readonly name: string;
  readonly instance: string;
  claim(free?: number): Promise<Claimed[]>;
  /** Epochs that may be launched. */
  start(tasks: readonly Claimed[]): Promise<number[]>;
  /** Epochs accepted. */
  end(tasks: readonly Claimed[], how?: Partial<AttemptEnd>): Promise<number[]>;
}

export const LEASE_MS = 60_000;

export async function playAgent(
  pool: pg.Pool,
  name: string,
  options: { platform?: string; slots?: number; labels?: string[]; lockToken?: string } = {},
): Promise<PlayedAgent> {
  const instance = randomUUID();
  const platform = options.platform ?? 'yt';
  const labels = options.labels ?? [];
  const slots = options.slots ?? 100;
  const lockToken = options.lockToken ?? randomUUID();
  await registerAgent(
    pool,
    { agent: name, instance, lockToken, platform, slots, labels, version: 'test', protocol: 2, held: [] },
    LEASE_MS,
  );
  return {
    name,
    instance,
    async claim(free = slots) {
      const [tasks] = await claimTasks(pool, [{ agent: name, instance, platform, labels, free }], LEASE_MS);
      return tasks!;
    },
    async start(tasks) {
      const [answer] = await startAttempts(pool, [
        { agent: name, instance, epochs: tasks.map((t) => t.epoch) },
      ]);
      return answer!.ok;
    },
    async end(tasks, how = {}) {
      const results = tasks.map(
        (task): AttemptEnd => ({ ...SUCCESS, epoch: task.epoch, run: task.run, ...how }),
      );
      const [answer] = await completeAttempts(pool, [{ agent: name, results }]);
      return answer!.accepted;
    },
  };
}

const SUCCESS = {
  outcome: 'succeeded',
  failure: null,
  message: null,
  exitCode: null,
  rows: null,
  effect: true,
} as const;

/** Appends an operation as the API does, without the API: for tests of the exchange. Answers its id. */
export async function ask(
  pool: pg.Pool,
  run: string,
  verb: string,
  flows: readonly string[],
  request: Readonly<Record<string, unknown>> = {},
  roles: readonly string[] = [],
): Promise<string> {
  const id = randomUUID();
  const full = {
    verb,
    flows,
    edges: [],
    reason: 'test',
    evidence: 'test',
    partial: false,
    supersede: false,
    ran: null,
    plan: null,
    ...request,
  };
  const body = { actor: 'operator', roles, approvedBy: null, request: full };
  await pool.query(
    `with counter as (update run_counters set log_seq = log_seq + 1 where run_id = $2 returning log_seq),
      asked as (insert into operations (id, run_id, actor, idempotency_key, verb, body, body_hash, state, requested_ms)
        values ($1, $2, 'operator', $1, $3, $4, '', 'requested', clock_ms()))
     insert into run_log (run_id, seq, kind, at_ms, operation_id, body) select $2, log_seq, 'operation', clock_ms(), $1, $5 from counter`,
    [id, run, verb, JSON.stringify(full), JSON.stringify(body)],
  );
  return id;
}

export async function outcomeOf(
  pool: pg.Pool,
  operation: string,
): Promise<{ state: string; code: string | null }> {
  const found = await pool.query<{ state: string; outcome: { code: string | null } | null }>(
    'select state, outcome from operations where id = $1',
    [operation],
  );
  return { state: found.rows[0]!.state, code: found.rows[0]!.outcome?.code ?? null };
}

export async function stateIn(
  pool: pg.Pool,
  run: string,
  flow: string,
): Promise<{ result: string | null; phase: string; generation: number }> {
  const found = await pool.query(
    'select result, phase, generation from run_flows where run_id = $1 and flow_id = $2',
    [run, flow],
  );
  return found.rows[0];
}
