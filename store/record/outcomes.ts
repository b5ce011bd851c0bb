/** What operations and the engine leave behind in an exchange: outcomes, overrides, audit, notices (protocol B2). */
import type { Effect } from '../../graph/run/decisions.ts';
import { storable } from '../../graph/text/storable-text.ts';
import { sendNotify } from '../schema/notify.ts';
import type { Transaction } from '../schema/pool.ts';
import type { RunContext } from './run-context.ts';
import { writeMet } from './subscriptions.ts';

/** Texts in the place of those that the database refuses (protocol A5): store/record/effects-one-by-one.ts. With a reason,
 * nothing of the operation's body is looked at. */
export interface Instead {
  readonly reason: string | null;
  readonly evidence: string | null;
  readonly detail: string | null;
}
export const NOTHING_INSTEAD: Instead = { reason: null, evidence: null, detail: null };

/** The run, and the moment of the exchange, ms. */
export interface At {
  readonly context: RunContext;
  readonly now: number;
}

export type Of<T extends Effect['t']> = Extract<Effect, { t: T }>;

export const of = <T extends Effect['t']>(effects: readonly Effect[], t: T): Of<T>[] =>
  effects.filter((effect): effect is Of<T> => effect.t === t);

/** Writes every effect but `generation`, `waive`, `redone` (rows of flows, overrides and other runs carry those). In order of the decisions. */
export async function writeEffects(
  client: Transaction,
  context: RunContext,
  now: number,
  effects: readonly Effect[],
): Promise<void> {
  if (effects.length === 0) return;
  writeOverrides(client, context, now, effects);
  writeOutcomes(client, context, now, of(effects, 'outcome'));
  writeNotices(client, { context, now }, of(effects, 'notice'));
  writeRun(client, { context, now }, effects);
  await writeStopsAndMet(client, context, now, effects);
}

/** What holds nothing but ids and numbers: what was given up, attempts that are to stop, upstreams in other runs. */
export async function writeStopsAndMet(
  client: Transaction,
  context: RunContext,
  now: number,
  effects: readonly Effect[],
): Promise<void> {
  writeGiveUps(client, context, now, of(effects, 'gave_up'));
  const stopped = of(effects, 'stop');
  const stops = stopped.map((effect) => context.graph.ids[effect.v]);
  if (stops.length > 0) {
    client.send(
      `with held as (select epoch from leases where run_id = $1 and flow_id = any($2::text[]) order by epoch for update)
       update leases set stop = true, force_end = force_end or flow_id = any($3::text[]) where epoch in (select epoch from held)`,
      [
        context.run.id,
        stops,
        stopped.filter((entry) => entry.force === true).map((entry) => context.graph.ids[entry.v]),
      ],
    );
    sendNotify(client, 'sluice_stop', context.run.id);
  }
  await writeMet(client, context, now, of(effects, 'foreign'));
}

/** Begins and ends of overrides, one after the other: a hold and its unhold may stand in one exchange. */
function writeOverrides(
  client: Transaction,
  context: RunContext,
  now: number,
  effects: readonly Effect[],
): void {
  let begun: Of<'override'>[] = [];
  let ended: Of<'end_override'>[] = [];
  for (const effect of effects) {
    if (effect.t === 'override') {
      end(client, context, now, ended);
      ended = [];
      begun.push(effect);
    } else if (effect.t === 'end_override') {
      begin(client, { context, now }, begun);
      begun = [];
      ended.push(effect);
    }
  }
  begin(client, { context, now }, begun);
  end(client, context, now, ended);
}

export function end(
  client: Transaction,
  context: RunContext,
  now: number,
  ended: readonly Of<'end_override'>[],
): void {
  if (ended.length === 0) return;
  const rows = ended.flatMap((effect) => effect.kinds.map((kind) => ({ ...effect, kind })));
  client.send({
    name: 'end-overrides',
    text: `update overrides o set ended_ms = $2, ended_by = coalesce(p.actor, 'engine')
      from unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[]) as x (flow_id, kind, edge_from, operation_id, edge_run)
      left join operations p on p.id = x.operation_id
      where o.run_id = $1 and o.flow_id = x.flow_id and o.kind = x.kind and o.ended_ms is null
        and (x.edge_from is null or (o.edge_from = x.edge_from and o.edge_run is not distinct from x.edge_run))`,
    values: [
      context.run.id,
      now,
      rows.map((row) => context.graph.ids[row.v]),
      rows.map((row) => row.kind),
      rows.map((row) => row.from),
      rows.map((row) => row.operation),
      rows.map((row) => row.run ?? null),
    ],
  });
}

export function begin(
  client: Transaction,
  { context, now }: At,
  begun: readonly Of<'override'>[],
  instead: Instead = NOTHING_INSTEAD,
): void {
  if (begun.length === 0) return;
  client.send(
    `insert into overrides (run_id, flow_id, kind, edge_from, edge_run, generation, operation_id, actor, reason, evidence, at_ms)
     select $1, x.flow_id, x.kind, x.edge_from, x.edge_run, f.generation, o.id, o.actor, coalesce($8::text, o.body->>'reason', ''),
       case when $8::text is null then o.body->>'evidence' else $9::text end, $2
     from unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[]) as x (flow_id, kind, edge_from, operation_id, edge_run)
     join operations o on o.id = x.operation_id
     join run_flows f on f.run_id = $1 and f.flow_id = x.flow_id`,
    [
      context.run.id,
      now,
      begun.map((e) => context.graph.ids[e.v]),
      begun.map((e) => e.kind),
      begun.map((e) => e.from),
      begun.map((e) => e.operation),
      begun.map((e) => e.run ?? null),
      instead.reason,
      instead.evidence,
    ],
  );
}

function writeOutcomes(
  client: Transaction,
  context: RunContext,
  now: number,
  outcomes: readonly Of<'outcome'>[],
): void {
  if (outcomes.length === 0) return;
  // One may be requested and approved in the same exchange: each is audited, the last word counts.
  const last = [...new Map(outcomes.map((outcome) => [outcome.operation, outcome])).values()];
  writeDecided(client, now, last);
  writeAudits(client, { context, now }, outcomes);
  notifyOperations(client, last);
}

export function writeDecided(client: Transaction, now: number, outcomes: readonly Of<'outcome'>[]): void {
  client.send({
    name: 'write-outcomes',
    text: `update operations o set state = x.state, outcome = x.outcome::json, decided_ms = $1
      from unnest($2::text[], $3::text[], $4::text[]) as x (id, state, outcome) where o.id = x.id`,
    values: [
      now,
      outcomes.map((outcome) => outcome.operation),
      outcomes.map((outcome) => outcome.state),
      outcomes.map((outcome) => JSON.stringify(outcome.outcome)),
    ],
  });
}

export function writeAudits(
  client: Transaction,
  { context, now }: At,
  outcomes: readonly Of<'outcome'>[],
  instead: Instead = NOTHING_INSTEAD,
): void {
  client.send({
    name: 'write-audits',
    text: `insert into audit (at_ms, actor, verb, run_id, operation_id, targets, reason, outcome, code, detail)
      select $1, o.actor, o.verb, o.run_id, o.id, array(select json_array_elements_text(x.targets::json)),
        coalesce($7::text, o.body->>'reason', ''), x.state, x.code, x.detail::json
      from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) with ordinality as x (id, state, code, targets, detail, n)
      join operations o on o.id = x.id order by x.n`,
    values: [
      now,
      outcomes.map((outcome) => outcome.operation),
      outcomes.map((outcome) => outcome.state),
      outcomes.map((outcome) => outcome.outcome.code),
      outcomes.map((outcome) => JSON.stringify(outcome.outcome.flows.map((f) => f.flow))),
      outcomes.map(({ outcome }) => JSON.stringify({ outcome, evidence: null, exchangeOf: context.run.id })),
      instead.reason,
    ],
  });
}

export function notifyOperations(client: Transaction, outcomes: readonly Of<'outcome'>[]): void {
  client.send({
    name: 'tell-operations',
    text: "select pg_notify('sluice_operation', id) from unnest($1::text[]) as x (id)",
    values: [outcomes.map((outcome) => outcome.operation)],
  });
}

export function writeNotices(
  client: Transaction,
  { context, now }: At,
  notices: readonly Of<'notice'>[],
  instead: Instead = NOTHING_INSTEAD,
): void {
  if (notices.length === 0) return;
  const rows = notices.map(({ v, kind, recipient }) => {
    const flow = context.flow(context.graph.ids[v]!);
    const { detail } = instead;
    const to = recipient ?? flow.notice?.to ?? flow.owner ?? 'maintainer';
    const row = { flow_id: flow.id, kind, recipient: to };
    return detail === null
      ? { ...row, ...textOf(kind, flow) }
      : { ...row, recipient: storable(to), en: detail, zh: detail };
  });
  client.send(
    `insert into notices (run_id, flow_id, kind, recipient, en, zh, at_ms)
     select $1, flow_id, kind, recipient, en, zh, $2 from json_to_recordset($3)
       as x (flow_id text, kind text, recipient text, en text, zh text)`,
    [context.run.id, now, JSON.stringify(rows)],
  );
}

function textOf(
  kind: Of<'notice'>['kind'],
  flow: ReturnType<RunContext['flow']>,
): { en: string; zh: string } {
  const { en, zh } = flow.names;
  switch (kind) {
    case 'notify':
      return { en: flow.notice?.en ?? en, zh: flow.notice?.zh ?? zh };
    case 'gate_reminder':
      return { en: `Please confirm: ${en} (${flow.id})`, zh: `请确认：${zh}（${flow.id}）` };
    case 'gate_escalation':
      return {
        en: `Still not confirmed, escalated: ${en} (${flow.id})`,
        zh: `仍未确认，升级处理：${zh}（${flow.id}）`,
      };
    case 'gate_deadline':
      return {
        en: `Deadline passed without confirmation: ${en} (${flow.id})`,
        zh: `已过截止时间仍未确认：${zh}（${flow.id}）`,
      };
    case 'outcome_unknown':
      return {
        en: `The agent was lost; nobody knows whether ${en} (${flow.id}) ran. Decide with 'resolve'.`,
        zh: `代理失联，${zh}（${flow.id}）是否已执行未知，请用 resolve 裁定。`,
      };
    case 'late_effect':
      return {
        en: `An attempt of ${en} (${flow.id}) that no longer counted has left its effect; flows below that had started are stale.`,
        zh: `${zh}（${flow.id}）已作废的一次执行留下了结果，其后已启动的流程标记为过期。`,
      };
    default:
      kind satisfies never;
      return { en, zh };
  }
}

function writeGiveUps(
  client: Transaction,
  context: RunContext,
  now: number,
  given: readonly Of<'gave_up'>[],
): void {
  if (given.length === 0) return;
  const rows = given.map(({ v, t: _, ...rest }) => ({ flow_id: context.graph.ids[v], ...rest }));
  client.send(
    `insert into give_ups (run_id, flow_id, generation, attempt, cause, used, allowed, at_ms)
     select $1, flow_id, generation, attempt, cause, used, allowed, $2 from json_to_recordset($3)
       as x (flow_id text, generation int, attempt int, cause text, used bigint, allowed bigint)
     on conflict do nothing`,
    [context.run.id, now, JSON.stringify(rows)],
  );
}

export function writeRun(
  client: Transaction,
  { context, now }: At,
  effects: readonly Effect[],
  instead: Instead = NOTHING_INSTEAD,
): void {
  const id = context.run.id;
  for (const effect of effects) {
    if (effect.t === 'finished')
      client.send('update runs set finished_ms = $2 where id = $1', [id, effect.on ? now : null]);
    if (effect.t !== 'run') continue;
    switch (effect.verb) {
      case 'close':
        client.send("update runs set state = 'closed', closed_ms = $2 where id = $1", [id, now]);
        break;
      case 'reopen':
        client.send("update runs set state = 'open', closed_ms = null where id = $1", [id]);
        break;
      case 'pause':
        client.send(
          `insert into pauses (scope, from_ms, actor, reason) select $2, $3, actor, coalesce($4::text, body->>'reason', '') from operations where id = $1
             and not exists (select 1 from pauses where scope = $2 and to_ms is null)`,
          [effect.operation, `run:${id}`, now, instead.reason],
        );
        break;
      case 'resume':
        client.send(
          `update pauses set to_ms = $3, ended_by = (select actor from operations where id = $1) where scope = $2 and to_ms is null`,
          [effect.operation, `run:${id}`, now],
        );
        sendNotify(client, 'sluice_outbox', '*');
        break;
      default:
        effect.verb satisfies never;
    }
  }
}
