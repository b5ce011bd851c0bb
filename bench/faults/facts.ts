/** What is known afterwards: the record, the ledger on the platform, the notes of shell programs, and what operators were answered. */
import { readFile } from 'node:fs/promises';
import type pg from 'pg';
import type { Acknowledged } from './asker.ts';
import { type Beats, type Estate, type Note, type Paths, parseNotes, readBeats } from './estate.ts';

export interface AttemptFact {
  readonly epoch: number;
  readonly run: string;
  readonly flow: string;
  readonly generation: number;
  readonly attempt: number;
  readonly agent: string;
  readonly sentMs: number;
  readonly startedMs: number | null;
  readonly endedMs: number | null;
  readonly outcome: string | null;
  readonly failure: string | null;
  /** A result under this epoch came when it no longer counted. */
  readonly stale: boolean;
}

export interface EffectFact {
  readonly run: string;
  readonly flow: string;
  readonly period: string;
  readonly generation: number;
  readonly epoch: number;
}

export interface Facts {
  readonly estate: Estate;
  readonly slots: Readonly<Record<string, number>>;
  readonly runs: readonly {
    run: string;
    finished: boolean;
    frozen: string | null;
    logSeq: number;
    cursor: number;
  }[];
  readonly flows: readonly {
    run: string;
    flow: string;
    generation: number;
    result: string | null;
    resultMs: number | null;
  }[];
  /** Superseded generations. */
  readonly generations: readonly {
    run: string;
    flow: string;
    generation: number;
    result: string | null;
    resultMs: number | null;
    endedMs: number;
  }[];
  readonly overrides: readonly {
    run: string;
    flow: string;
    kind: string;
    from: string | null;
    operation: string | null;
    atMs: number;
    endedMs: number | null;
  }[];
  readonly attempts: readonly AttemptFact[];
  readonly log: readonly {
    run: string;
    seq: number;
    kind: string;
    flow: string | null;
    epoch: number | null;
    outcome: string | null;
  }[];
  readonly operations: readonly { id: string; state: string; code: string | null; done: readonly string[] }[];
  readonly audit: readonly {
    operation: string | null;
    actor: string;
    verb: string;
    outcome: string;
    code: string | null;
  }[];
  readonly effects: readonly EffectFact[];
  /** The row of each program's period as it stands. */
  readonly targets: readonly { flow: string; period: string; generation: number; epoch: number }[];
  readonly notes: readonly Note[];
  readonly beats: readonly Beats[];
  readonly acknowledged: readonly Acknowledged[];
  /** Ids of corrections that were accepted. */
  readonly corrections: readonly string[];
  readonly acts: readonly { correction: string; state: string; plan: string | null }[];
  /** Reruns that the rule asked for. */
  readonly carried: readonly { id: string; run: string; plan: string; state: string }[];
  /** What is left of attempts in the record: leases, outbox rows, locks, used pools. */
  readonly left: Readonly<Record<string, number>>;
}

/** Everything at once; for some ten thousand attempts it takes a second. */
export async function readFacts(
  record: pg.Pool,
  platform: pg.Pool,
  given: {
    estate: Estate;
    slots: Readonly<Record<string, number>>;
    paths: Paths;
    acknowledged: readonly Acknowledged[];
    corrections: readonly string[];
  },
): Promise<Facts> {
  const rows = async <T>(pool: pg.Pool, text: string): Promise<T[]> => numbers((await pool.query(text)).rows);
  const left = await rows<{ name: string; n: number }>(
    record,
    `select 'leases' as name, count(*) as n from leases union all select 'outbox', count(*) from outbox
     union all select 'locks', count(*) from locks union all select 'pools', coalesce(sum(used), 0) from pools`,
  );
  return {
    estate: given.estate,
    slots: given.slots,
    acknowledged: given.acknowledged,
    corrections: given.corrections,
    acts: await rows(
      record,
      'select correction_id as correction, state, plan_id as plan from rule_acts where root = correction_id',
    ),
    carried: await rows(
      record,
      `select id, run_id as run, body->'plan'->>'id' as plan, state from operations where actor like 'rule:%'`,
    ),
    left: Object.fromEntries(left.map(({ name, n }) => [name, n])),
    notes: parseNotes(await readFile(given.paths.notes, 'utf8').catch(() => '')),
    beats: await readBeats(given.paths.beats),
    runs: await rows(
      record,
      `select r.id as run, r.finished_ms is not null as finished, r.frozen, c.log_seq as "logSeq", c.cursor
       from runs r join run_counters c on c.run_id = r.id order by r.id`,
    ),
    flows: await rows(
      record,
      'select run_id as run, flow_id as flow, generation, result, result_ms as "resultMs" from run_flows',
    ),
    generations: await rows(
      record,
      `select run_id as run, flow_id as flow, generation, result, result_ms as "resultMs", ended_ms as "endedMs"
       from flow_generations`,
    ),
    overrides: await rows(
      record,
      `select run_id as run, flow_id as flow, kind, edge_from as "from", operation_id as operation, at_ms as "atMs",
         ended_ms as "endedMs" from overrides order by id`,
    ),
    attempts: await rows(
      record,
      `select epoch, run_id as run, flow_id as flow, generation, attempt, agent, sent_ms as "sentMs", started_ms as "startedMs",
         ended_ms as "endedMs", outcome, failure_kind as failure, remark is not null as stale from attempts order by epoch`,
    ),
    log: await rows(
      record,
      'select run_id as run, seq, kind, flow_id as flow, epoch, outcome from run_log order by run_id, seq',
    ),
    operations: await rows(
      record,
      `select id, state, outcome->>'code' as code, array(select f->>'flow' from json_array_elements(outcome->'flows') as f
         where f->>'code' is null) as done from operations`,
    ),
    audit: await rows(
      record,
      'select operation_id as operation, actor, verb, outcome, code from audit order by id',
    ),
    effects: await rows(platform, 'select run, flow, period, generation, epoch from ledger order by id'),
    targets: await rows(platform, 'select flow, period, generation, epoch from target'),
  };
}

const COUNTS = new Set(['epoch', 'seq', 'logSeq', 'cursor', 'n']);

/** bigint columns come as text, so that none is rounded; these are all below 2^53. */
function numbers<T>(rows: Record<string, unknown>[]): T[] {
  return rows.map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([key, value]) => [
        key,
        typeof value === 'string' && (COUNTS.has(key) || key.endsWith('Ms')) ? Number(value) : value,
      ]),
    ),
  ) as T[];
}
