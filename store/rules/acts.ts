/** What rules do (protocol F2): one act for each thing that happened and each rule that looks at it. */
import type pg from 'pg';
import type { RuleAct } from '../../contract/rules.ts';
import { SluiceError } from '../../errors.ts';
import { writeAudit } from '../operations/audit.ts';
import { newId } from '../operations/operation-rows.ts';
import { inTransaction, type Queryable, type Transaction } from '../schema/pool.ts';
import type { FactKind, RuleFact } from './facts.ts';

export type ActState = RuleAct['state'];

export interface ActRow {
  readonly id: string;
  readonly rule: string;
  readonly kind: FactKind;
  readonly root: string;
  readonly run: string | null;
  readonly flow: string | null;
  readonly correction: string | null;
  /** When the newer data came, or the flow failed. */
  readonly at: number;
  /** How many rules led to it, one after the other: 1 = none but this one. */
  readonly depth: number;
  readonly state: ActState;
  readonly lead: string | null;
  readonly dueAt: number;
  readonly tries: number;
  /** Why it is in its state: a code of `ACT_CODES`, or of an error. */
  readonly code: string | null;
  readonly detail: unknown;
  readonly runOfPlan: string | null;
  readonly plan: string | null;
  readonly operation: string | null;
  readonly approvedBy: string | null;
  /** Key flows, `RUN FLOW`, to which the approval was given. */
  readonly approvedKeys: readonly string[] | null;
  readonly decidedAt: number | null;
  /** A person has said that nothing more is to be waited for. */
  readonly hurried: boolean;
}

const ROW = `id, rule_id as rule, kind, root, run_id as run, flow_id as flow, correction_id as correction, at_ms as at, depth, state, lead,
  due_ms as "dueAt", tries, code, detail, run_of_plan as "runOfPlan", plan_id as plan, operation_id as operation, approved_by as "approvedBy",
  approved_keys as "approvedKeys", decided_ms as "decidedAt", hurried`;

export interface NewAct {
  readonly rule: string;
  readonly root: string;
  readonly fact: RuleFact;
  readonly depth: number;
}

/** Takes facts away and writes the acts that come from them, each once. To be called while the lease is held. */
export async function takeFacts(
  client: Transaction,
  facts: readonly RuleFact[],
  acts: readonly NewAct[],
): Promise<void> {
  await client.query('delete from rule_facts where id = any($1::bigint[])', [facts.map(({ id }) => id)]);
  if (acts.length === 0) return;
  const rows = acts.map(({ rule, root, fact, depth }) => ({
    id: newId('act'),
    rule_id: rule,
    root,
    kind: fact.kind,
    run_id: fact.run,
    flow_id: fact.flow,
    correction_id: fact.correction,
    at_ms: fact.at,
    depth,
  }));
  await client.query(
    `insert into rule_acts (id, rule_id, root, kind, run_id, flow_id, correction_id, at_ms, depth)
     select id, rule_id, root, kind, run_id, flow_id, correction_id, at_ms, depth from json_to_recordset($1)
       as x (id text, rule_id text, root text, kind text, run_id text, flow_id text, correction_id text, at_ms bigint, depth int)
     on conflict (rule_id, root) do nothing`,
    [JSON.stringify(rows)],
  );
}

/** Acts that gather, and those that were merged with them, by rule; the oldest first. */
export async function gatheringActs(client: Queryable): Promise<ActRow[]> {
  const found = await client.query<ActRow>({
    name: 'gathering-acts',
    text: `select ${ROW} from rule_acts where state = 'gathering' order by at_ms, id`,
  });
  return found.rows;
}

/** The act and those that were merged with it. */
export async function actsOfLead(client: Queryable, lead: string): Promise<ActRow[]> {
  const found = await client.query<ActRow>(
    `select ${ROW} from rule_acts where id = $1 or lead = $1 order by id <> $1, at_ms, id`,
    [lead],
  );
  return found.rows;
}

export interface ActEnd {
  readonly state: ActState;
  readonly code?: string | null;
  readonly detail?: unknown;
  readonly runOfPlan?: string | null;
  readonly plan?: string | null;
  readonly dueAt?: number;
  readonly tries?: number;
}

/**
 * Moves gathering acts on together; the first is the lead, the others are merged with it, and stay so while it gathers once more. Answers how many were moved: fewer than there are
 * when another process was faster.
 */
export async function moveActs(client: Queryable, ids: readonly string[], end: ActEnd): Promise<number> {
  const { state, code = null, detail = null, runOfPlan = null, plan = null, dueAt = 0, tries = null } = end;
  const moved = await client.query({
    name: 'move-acts',
    text: `update rule_acts set state = case when id = $2 then $3 when state = 'merged' and $3 = 'gathering' then 'merged'
          when $3 in ('gathering', 'covered', 'withdrawn') then $3 else 'merged' end,
        lead = case when id = $2 or $3 in ('gathering', 'covered', 'withdrawn') then lead else $2 end, code = $4, detail = $5, run_of_plan = $6, plan_id = $7,
        due_ms = $8, tries = coalesce($9, tries), decided_ms = case when $3 in ('gathering', 'requested') then null else clock_ms() end
      where id = any($1::text[]) and state in ('gathering', 'merged') returning 1`,
    values: [
      ids,
      ids[0],
      state,
      code,
      detail === null ? null : JSON.stringify(detail),
      runOfPlan,
      plan,
      dueAt,
      tries,
    ],
  });
  return moved.rowCount ?? 0;
}

export interface Redone {
  readonly run: string;
  readonly flow: string;
}

/** Notes which operation an act became, and what it redoes. In the transaction of the operation's log rows. */
export async function noteApplied(
  client: Queryable,
  lead: string,
  operation: string,
  redone: readonly Redone[],
): Promise<void> {
  await client.query('update rule_acts set operation_id = $2 where id = $1', [lead, operation]);
  await writeRedone(client, lead, redone, true);
}

/**
 * For runs that stay as they are a person is asked by acts of their own, one for each run and act; that of the first act leads. In the
 * transaction in which what can be redone is redone.
 */
export async function askAboutLeft(
  client: Queryable,
  ids: readonly string[],
  left: readonly { readonly run: string; readonly code: string }[],
): Promise<void> {
  for (const item of left) {
    const own = ids.map(() => newId('act'));
    await client.query(
      `insert into rule_acts (id, rule_id, root, kind, run_id, flow_id, correction_id, at_ms, depth, state, lead, code, detail)
       select x.own, rule_id, root || ' ' || $3, kind, run_id, flow_id, correction_id, at_ms, depth,
         case x.n when 1 then 'requested' else 'merged' end, case x.n when 1 then null else $4 end, 'left_out', $5
       from unnest($1::text[], $2::text[]) with ordinality as x (own, act, n) join rule_acts a on a.id = x.act
       order by x.n on conflict (rule_id, root) do nothing`,
      [own, ids, item.run, own[0], JSON.stringify({ leftOut: [item] })],
    );
  }
}

/** Notes what an open act would redo, instead of what it would have redone before. */
export const notePlanned = (client: Queryable, lead: string, redone: readonly Redone[]): Promise<void> =>
  writeRedone(client, lead, redone, false);

async function writeRedone(
  client: Queryable,
  lead: string,
  redone: readonly Redone[],
  done: boolean,
): Promise<void> {
  await client.query('delete from rule_redone where act_id = $1 and at_ms is null', [lead]);
  if (redone.length === 0) return;
  await client.query(
    `insert into rule_redone (act_id, rule_id, run_id, flow_id, at_ms)
     select $1, (select rule_id from rule_acts where id = $1), run_id, flow_id, case when $4 then clock_ms() end
     from unnest($2::text[], $3::text[]) as x (run_id, flow_id)`,
    [lead, redone.map(({ run }) => run), redone.map(({ flow }) => flow), done],
  );
}

/** Open acts that would redo flows, in the order of these: which rule, whether it asks a person first, and when it acts. */
export interface ActAhead extends Redone {
  readonly rule: string;
  readonly act: string;
  readonly state: 'gathering' | 'requested';
  readonly dueAt: number;
}

export async function actsAhead(client: Queryable, flows: readonly Redone[]): Promise<ActAhead[]> {
  const found = await client.query<ActAhead>({
    name: 'acts-ahead',
    text: `select r.run_id as run, r.flow_id as flow, a.rule_id as rule, a.id as act, a.state, a.due_ms as "dueAt"
      from unnest($1::text[], $2::text[]) with ordinality as x (run_id, flow_id, n)
      join rule_redone r using (run_id, flow_id) join rule_acts a on a.id = r.act_id
      where r.at_ms is null and a.state in ('gathering', 'requested') order by x.n, a.due_ms, a.id`,
    values: [flows.map(({ run }) => run), flows.map(({ flow }) => flow)],
  });
  return found.rows;
}

export interface RedoneBefore extends Redone {
  readonly act: string;
  readonly at: number;
}

/** What a rule has redone since an instant. */
export async function redoneSince(client: Queryable, rule: string, since: number): Promise<RedoneBefore[]> {
  const found = await client.query<RedoneBefore>({
    name: 'rule-redone',
    text: `select act_id as act, run_id as run, flow_id as flow, at_ms as at from rule_redone where rule_id = $1 and at_ms > $2`,
    values: [rule, since],
  });
  return found.rows;
}

/** Throws `unknown_act`. */
export async function readAct(client: Queryable, id: string): Promise<ActRow> {
  const found = await client.query<ActRow>(`select ${ROW} from rule_acts where id = $1`, [id]);
  const row = found.rows[0];
  if (row === undefined)
    throw new SluiceError('unknown_act', `there is no act ${id}`, { facts: { act: id } });
  return row;
}

/** Newest first; `before` is the last row of the page before. */
export async function listActs(
  client: Queryable,
  filter: { rule?: string | undefined; state?: readonly ActState[] | undefined },
  page: { before: { at: number; id: string } | null; limit: number },
): Promise<ActRow[]> {
  const found = await client.query<ActRow>(
    `select ${ROW} from rule_acts where ($1::text is null or rule_id = $1) and ($2::text[] is null or state = any($2))
       and ($3::bigint is null or (at_ms, id) < ($3, $4)) order by at_ms desc, id desc limit $5`,
    [filter.rule ?? null, filter.state ?? null, page.before?.at ?? null, page.before?.id ?? null, page.limit],
  );
  return found.rows;
}

/** Numbers of acts by rule and state. */
export async function countActs(client: Queryable): Promise<Map<string, Partial<Record<ActState, number>>>> {
  const found = await client.query<{ rule: string; state: ActState; n: number }>(
    'select rule_id as rule, state, count(*)::int as n from rule_acts group by 1, 2',
  );
  const counts = new Map<string, Partial<Record<ActState, number>>>();
  for (const { rule, state, n } of found.rows) counts.set(rule, { ...counts.get(rule), [state]: n });
  return counts;
}

/** A person approves or refuses what a rule asks for; false: it does not ask, or not any more. */
export async function judgeAct(
  pool: pg.Pool,
  id: string,
  given: {
    readonly approve: boolean;
    readonly actor: string;
    readonly reason: string;
    /** Key flows to which an approval is given, `RUN FLOW`. */
    readonly keys: readonly string[];
  },
): Promise<boolean> {
  const { approve, actor, reason, keys } = given;
  return inTransaction(pool, async (client) => {
    const done = await client.query(
      approve
        ? `update rule_acts set state = 'gathering', approved_by = $2, approved_keys = $3, due_ms = 0, tries = 0 where id = $1 and state = 'requested'`
        : `update rule_acts set state = 'refused', code = 'approval_refused', approved_by = $2, approved_keys = $3, decided_ms = clock_ms()
           where id = $1 and state = 'requested'`,
      [id, actor, keys],
    );
    if (done.rowCount === 0) return false;
    await writeAudit(client, {
      actor,
      reason,
      verb: approve ? 'approve-act' : 'refuse-act',
      run: null,
      targets: [id],
      outcome: 'applied',
    });
    return true;
  });
}

/** A person says that nothing more is to be waited for, and that the rule need not rest; false: the act does not gather. */
export async function hurryAct(
  pool: pg.Pool,
  id: string,
  by: { readonly actor: string; readonly reason: string },
): Promise<boolean> {
  return inTransaction(pool, async (client) => {
    const done = await client.query(
      `update rule_acts set hurried = true where id = $1 and state = 'gathering'`,
      [id],
    );
    if (done.rowCount === 0) return false;
    await writeAudit(client, { ...by, verb: 'hurry-act', run: null, targets: [id], outcome: 'applied' });
    return true;
  });
}

/** What rules did is kept this long: a year and some weeks, so that a month can be compared with the same month of the year before. */
const KEEP_DAYS = 400;

/** Forgets acts that were decided long ago, with what they redid. Returns how many. */
export async function purgeActs(client: Queryable, days = KEEP_DAYS): Promise<number> {
  const purged = await client.query(
    `with old as (select id from rule_acts where decided_ms < clock_ms() - $1::bigint * 86400000),
       redone as (delete from rule_redone where act_id in (select id from old))
     delete from rule_acts where id in (select id from old)
       and not exists (select 1 from rule_acts m where m.lead = rule_acts.id and m.id not in (select id from old))`,
    [days],
  );
  return purged.rowCount ?? 0;
}
