/** Corrections of tables (protocol E5): reported by people and programs, and what has to be redone because of one. */
import type { CorrectionsAnswer, CorrectionsRequest } from '../../contract/agent.ts';
import type {
  Correction,
  CorrectionAnswer,
  CorrectionPlanRequest,
  ReportCorrection,
} from '../../contract/corrections.ts';
import type { Infer } from '../../contract/fields.ts';
import type { Plan } from '../../contract/rerun-plans.ts';
import { SluiceError, unknown } from '../../errors.ts';
import { cycleOf, parseRunId } from '../../graph/calendar/calendar.ts';
import { type TableKey, tableKey, tableName } from '../../graph/impact/lineage.ts';
import type { Flow } from '../../graph/model.ts';
import { spared } from '../../graph/rules/redo-walk.ts';
import { stateOf } from '../../graph/run/state-of.ts';
import type { CatalogueVersion } from '../../store/catalogue/catalogue.ts';
import type { Actor } from '../../store/operations/actors.ts';
import {
  archivedOfPeriods,
  type CorrectionRow,
  correctionOfKey,
  type NewCorrection,
  readCorrection,
  runsThatMayRead,
  sameCorrection,
  writeCorrection,
} from '../../store/rules/corrections.ts';
import { inTransaction } from '../../store/schema/pool.ts';
import { versionOf } from '../catalogue/newest-catalogue.ts';
import type { ServiceDeps } from '../deps.ts';
import type { EstateLineage } from '../lineage/estate-lineage.ts';
import { authorise } from '../operations/actor-scope.ts';
import { bodyHash } from '../operations/body-hash.ts';
import { planOfMembers } from '../rerun/rerun-plan.ts';
import { suggestNames } from '../suggest-names.ts';
import { containingPeriods, overlappingPeriods, readersIn } from './readers.ts';
import { membersOf, type NewerFlow, type Redo, type RedoPart, whatToRedo } from './to-redo.ts';

/** Maximum number of flows in `mayRead` and of spared flows of a run. */
const NAMED = 200;

/**
 * Notes that rows of a table were corrected, once per key, and answers what has to be redone. It redoes nothing: rules do, or people. Throws
 * `no_catalogue`, `unknown_table`, `ambiguous_table`, `invalid_period`, `out_of_scope`, `idempotency_key_reused`.
 */
export async function reportCorrection(
  deps: ServiceDeps,
  actor: Actor,
  asked: Infer<typeof ReportCorrection>,
  key: string,
): Promise<CorrectionAnswer> {
  const { period, reason } = asked;
  cycleOf(period);
  const known = await correctionOfKey(deps.pool, actor.name, key);
  const table = await tableOf(deps, asked);
  const at = table.indexOf(' ');
  const given: NewCorrection = {
    platform: table.slice(0, at),
    table: table.slice(at + 1),
    period,
    reason,
    actor: actor.name,
    key,
    bodyHash: bodyHash({ table, period, reason }),
  };
  if (known !== null) return meaningOf(deps, sameCorrection(known, given));
  const used = await usersOf(deps, table, period);
  authorise(actor, 'correct', [...used.flows.values()]);
  const row = await inTransaction(deps.pool, (client) => writeCorrection(client, given));
  return meaningOf(deps, row, used);
}

/**
 * Corrections that rows on a platform report, each with its answer: in words, for the person who wrote the row. A row is reported under its
 * connection and number, so several agents that see it report it once. An outage answers nothing: the agent asks again.
 */
export async function reportFromPlatform(
  deps: ServiceDeps,
  agent: Actor,
  rows: CorrectionsRequest['corrections'],
): Promise<CorrectionsAnswer> {
  const answers: CorrectionsAnswer['answers'][number][] = [];
  const { connections } = (await versionOf(deps)).frame;
  for (const { connection, row, table, period, reason } of rows) {
    const actor: Actor = { ...agent, name: `connection:${connection}` };
    if (connections.some(({ rehearsal }) => rehearsal === connection)) {
      answers.push({ connection, row, answer: 'refused: this database is for rehearsals only' });
      continue;
    }
    const platform = connections.find(({ id }) => id === connection)?.platform;
    const asked = { table, period, reason: reason.trim() || 'reported on the platform', platform };
    try {
      const { id, outcome } = await reportCorrection(deps, actor, asked, `row:${row}`);
      answers.push({ connection, row, answer: `accepted: ${id} (${outcome})` });
    } catch (error) {
      if (!(error instanceof SluiceError) || error.kind.status >= 500) throw error;
      answers.push({ connection, row, answer: `refused: ${error.code}: ${error.message}` });
    }
  }
  return { answers };
}

/** What a correction means by the state of the runs now. */
export async function meaningOf(
  deps: ServiceDeps,
  row: CorrectionRow,
  used?: UsersOfTable,
): Promise<CorrectionAnswer> {
  const { users, redo } = await redoOf(deps, row, used);
  const readers = new Set(users.readers.map(({ run, flow }) => `${run} ${flow}`));
  const runs = redo.parts
    .filter(({ redo: found }) => found.redone.length > 0)
    .map((part) => partResponse(part, readers));
  const leftOut = [
    ...redo.left.map((left) => ({ ...left, command: commandFor(left) })),
    ...users.archived.map((run) => {
      const code = 'run_archived' as const;
      return { run, code, command: commandFor({ run, code }) };
    }),
  ];
  return {
    ...toResponse(row),
    outcome: outcomeOf(users, runs.length, leftOut.length),
    runs,
    leftOut,
    writers: users.writers,
    mayRead: users.mayRead.slice(0, NAMED),
  };
}

/**
 * A rerun plan of everything that has used the old rows, over all its runs, each flow once. Throws `unknown_correction`, `out_of_scope`, and
 * `wrong_state` when nothing is to be redone.
 */
export async function planCorrection(
  deps: ServiceDeps,
  actor: Actor,
  id: string,
  how: Infer<typeof CorrectionPlanRequest>,
): Promise<Plan> {
  const row = await readCorrection(deps.pool, id);
  const { redo } = await redoOf(deps, row);
  const members = membersOf(redo);
  if (members === null)
    throw new SluiceError(
      'wrong_state',
      `no flow that could be redone has used the old rows of ${row.table} for ${row.period}`,
      { facts: { correction: id, leftOut: redo.left } },
    );
  return planOfMembers(deps, actor, { ...members, how: { scope: 'stale', ...how, correction: id } });
}

export function toResponse({ bodyHash: _, platform, ...row }: CorrectionRow): Correction {
  return { ...row, platform: platform === '' ? null : platform };
}

/** Who uses the table, and what has to be redone. */
async function redoOf(
  deps: ServiceDeps,
  row: CorrectionRow,
  used?: UsersOfTable,
): Promise<{ users: UsersOfTable; redo: Redo }> {
  const users = used ?? (await usersOf(deps, tableKey(row.platform, row.table), row.period));
  const corrected: NewerFlow[] = users.readers.map(({ run, flow }) => ({ run, flow, at: row.at }));
  return { users, redo: await whatToRedo(deps, { results: [], corrected }) };
}

function outcomeOf(users: UsersOfTable, runs: number, left: number): CorrectionAnswer['outcome'] {
  if (runs > 0) return 'redo';
  if (left > 0) return 'left_out';
  if (users.readers.length > 0) return 'not_used';
  return users.isRead && !users.isOpened ? 'period_not_run' : 'not_read';
}

function commandFor({ run, code }: { run: string; code: CorrectionAnswer['leftOut'][number]['code'] }) {
  switch (code) {
    case 'run_closed':
      return `sluice run reopen ${run} --reason TEXT`;
    case 'run_frozen':
      return `sluice run reload ${run}`;
    case 'run_archived':
      return backfillOf(run);
    case 'rehearsal':
      return null;
    default:
      return code satisfies never;
  }
}

/** An archived run is for reading only; its period is redone in a run of its own. */
function backfillOf(run: string): string {
  const { cycle, period } = parseRunId(run)!;
  return `sluice backfill open ${period} ${period} --cycle ${cycle} --reason TEXT`;
}

function partResponse(part: RedoPart, readers: ReadonlySet<string>): CorrectionAnswer['runs'][number] {
  const { context, times, walk, redo } = part;
  const id = (v: number): string => context.graph.ids[v]!;
  return {
    run: context.run.id,
    redo: redo.redone.map((v) => {
      const { names, key } = context.flow(id(v));
      return {
        flow: id(v),
        names,
        state: stateOf(times.state, context.graph, v),
        key,
        reader: readers.has(`${context.run.id} ${id(v)}`),
      };
    }),
    waiting: redo.waiting.map(id),
    spared: spared(walk, redo).slice(0, NAMED).map(id),
  };
}

/** Flows that use rows of a table for a period, in the runs of the record. */
export interface UsersOfTable {
  readonly readers: readonly { readonly run: string; readonly flow: string }[];
  readonly writers: readonly string[];
  /** Definitions of the readers and writers; of the newest version, when no run has any. */
  readonly flows: ReadonlyMap<string, Flow>;
  /** Whether any flow of the newest version or of a run reads it, and whether a run of the period is in the record. */
  readonly isRead: boolean;
  readonly isOpened: boolean;
  readonly archived: readonly string[];
  readonly mayRead: readonly string[];
}

export async function usersOf(deps: ServiceDeps, table: TableKey, period: string): Promise<UsersOfTable> {
  const newest = await versionOf(deps);
  const lineage = await deps.lineages.of(newest);
  const containing = containingPeriods(period);
  const [runs, archived] = await Promise.all([
    runsThatMayRead(deps.pool, {
      containing,
      overlapping: overlappingPeriods(period),
      writers: lineage.producers.get(table) ?? [],
    }),
    archivedOfPeriods(deps.pool, containing),
  ]);
  const readers: { run: string; flow: string }[] = [];
  const writers = new Set<string>();
  const flows = new Map<string, Flow>();
  const mayRead = new Set<string>();
  let isRead = lineage.readers.has(table);
  for (const run of runs) {
    const context = await deps.contextOf(run);
    const own = await deps.lineages.of(context.version);
    isRead ||= own.readers.has(table);
    const found = readersIn(context, own, table, period);
    for (const flow of found.reads) readers.push({ run, flow });
    for (const flow of found.writes) writers.add(flow);
    for (const flow of [...found.reads, ...found.writes]) flows.set(flow, context.flow(flow));
    for (const flow of own.unread) if (context.index.has(flow)) mayRead.add(flow);
  }
  if (readers.length === 0) addDefinitions(newest, lineage, table, flows);
  return {
    readers,
    writers: [...writers].sort(),
    flows,
    isRead,
    isOpened: runs.length > 0,
    archived: lineage.readers.has(table) ? archived : [],
    mayRead: [...mayRead].sort(),
  };
}

/** Without a run that reads it, the readers of the newest version say whether the actor may speak of the table. */
function addDefinitions(
  version: CatalogueVersion,
  lineage: EstateLineage,
  table: TableKey,
  flows: Map<string, Flow>,
): void {
  for (const id of lineage.readers.get(table) ?? []) flows.set(id, version.flows.get(id)!);
}

/** The table that is meant. Throws `unknown_table`, `ambiguous_table`. */
async function tableOf(
  deps: ServiceDeps,
  { table, platform }: Infer<typeof ReportCorrection>,
): Promise<TableKey> {
  const { producers, readers } = await deps.lineages.of(await versionOf(deps));
  const keys = new Set([...producers.keys(), ...readers.keys()]);
  const wanted = table.toLowerCase();
  const all = [...keys].filter((key) => tableName(key) === wanted);
  const found = all.filter((key) => platform === undefined || key === tableKey(platform, table));
  if (found.length === 1) return found[0]!;
  const where = platform === undefined ? '' : ` on ${platform}`;
  if (found.length === 0)
    throw unknown(
      'unknown_table',
      `no flow reads or writes a table ${table}${where}`,
      { table },
      suggestNames(table, new Set([...keys].map(tableName))),
    );
  const platforms = found.map((key) => key.slice(0, key.indexOf(' '))).sort();
  throw new SluiceError(
    'ambiguous_table',
    `several platforms have a table ${table}: ${platforms.join(', ')}; name the one that was corrected`,
    { facts: { table, platforms } },
  );
}
