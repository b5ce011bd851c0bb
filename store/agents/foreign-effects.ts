/**
 * What the fence on a platform reported when an attempt ended (protocol C3, C6): a larger epoch, and effects of others that the attempt
 * replaced.
 */
import type { FenceRow } from '../../contract/agent.ts';
import { dateTimeOf } from '../../graph/calendar/clock-time.ts';
import { isTimeZone } from '../../graph/calendar/time-zone.ts';
import { HIGHEST_EPOCH, raiseEpochs, readRecordId } from '../record/epochs.ts';
import type { Queryable, Transaction } from '../schema/pool.ts';

/** An accepted success that stands where the committed effect of another attempt stood. */
export interface ExecutedOver {
  readonly epoch: number;
  readonly run: string;
  readonly flow: string;
  readonly over: FenceRow;
  /** Who gets the notice, and in which zone people read clock times. */
  readonly recipient: string;
  readonly zone: string;
}

function whose({ epoch, record, run, flow, generation, at }: FenceRow, zone: string): string {
  const moment = Date.parse(at ?? '');
  // A zone that this machine does not know must not refuse the result of an attempt.
  const known = isTimeZone(zone) ? zone : 'UTC';
  const since = Number.isNaN(moment) ? '' : `, ${dateTimeOf(known, moment)} ${known}`;
  return `record ${record}, ${run} ${flow}, generation ${generation}, epoch ${epoch}${since}`;
}

/**
 * Says `foreign_effect` of those whose effect no attempt of this record has left: a remark with the attempt, and a notice. An effect of a
 * run that was archived is the record's own.
 */
export async function noteForeignEffects(client: Transaction, list: readonly ExecutedOver[]): Promise<void> {
  if (list.length === 0) return;
  const rowsOfOthers = new Set(
    await foreignRows(
      client,
      list.map(({ over }) => over),
    ),
  );
  const foreign = list.filter(({ over }) => rowsOfOthers.has(over));
  if (foreign.length === 0) return;
  const own = await readRecordId(client);
  const rows = foreign.map(({ epoch, run, flow, over, recipient, zone }) => {
    const other = whose(over, zone);
    const restored = over.record === own;
    const mend = restored
      ? `sluice rerun ${flow} --run ${run} --scope downstream`
      : `sluice rerun ${over.flow} --run ${over.run}`;
    const en = restored
      ? `${flow} was executed over an effect that this record lost when it was restored (${other}). Redo what was built on it: ${mend}`
      : `${flow} was executed over the effect of another installation (${other}). If that effect is to stand, rerun it there: ${mend}`;
    const zh = restored
      ? `${flow} 覆盖了本记录库恢复时丢失的结果（${other}）。请重做其后续：${mend}`
      : `${flow} 覆盖了另一套系统写入的结果（${other}）。如应以该结果为准，请在该系统重做：${mend}`;
    return { epoch, run_id: run, flow_id: flow, recipient, en, zh, over };
  });
  client.send(
    `with noted as (
       update attempts a set message = x.en, remark = json_build_object('foreign_effect', x.over)
       from json_to_recordset($1) as x (epoch bigint, en text, over json) where a.epoch = x.epoch
     )
     insert into notices (run_id, flow_id, kind, recipient, en, zh, at_ms)
     select run_id, flow_id, 'foreign_effect', recipient, en, zh, clock_ms() from json_to_recordset($1)
       as x (run_id text, flow_id text, recipient text, en text, zh text)`,
    [JSON.stringify(rows)],
  );
}

/** Makes all later epochs larger than those that platforms have seen. The attempts that met them are tried again. */
export function raiseAbove(client: Transaction, rows: readonly FenceRow[]): void {
  const seen = rows.map((row) => row.epoch).filter((epoch) => epoch <= HIGHEST_EPOCH);
  if (seen.length > 0) raiseEpochs(client, Math.max(...seen));
}

/** How an attempt ends whose fence has the larger epoch of `row`. */
export function endOfStale(
  row: FenceRow,
  zone: string,
): { outcome: 'requeued' | 'failed'; message: string | null } {
  if (row.epoch <= HIGHEST_EPOCH) return { outcome: 'requeued', message: null };
  return {
    outcome: 'failed',
    message:
      `the fence has an epoch that no clock can have given out (${whose(row, zone)}): somebody wrote the row by hand. ` +
      'Delete it from sluice.sluice_work, then rerun the flow',
  };
}

/** Those whose epoch no attempt of this record has, and no archived run of it. */
async function foreignRows(client: Queryable, rows: readonly FenceRow[]): Promise<FenceRow[]> {
  if (rows.length === 0) return [];
  const found = await client.query<{ known: boolean }>(
    `select exists (select 1 from attempts a where a.epoch = x.epoch)
        or exists (select 1 from archived_runs r, record_identity i where r.run_id = x.run and x.record = i.id) as known
      from unnest($1::bigint[], $2::text[], $3::text[]) with ordinality as x (epoch, run, record, place) order by place`,
    [rows.map((row) => row.epoch), rows.map((row) => row.run), rows.map((row) => row.record)],
  );
  return rows.filter((_, i) => !found.rows[i]!.known);
}
