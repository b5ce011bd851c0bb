/** What should be so after the demo, each with a name: what is not becomes a problem, and the demo fails. */
import type { Carried } from './carried-corrections.ts';
import type { Account } from './summary.ts';
import type { Seen } from './troubled-month.ts';

export interface Expectation {
  readonly name: string;
  /** null: it is so. Otherwise what is there instead. */
  readonly problem: string | null;
}

/** Month runs that went through, whatever happened on the way. */
export function soundRun({ run, flows, path, attempts }: Account): Expectation[] {
  const counts = run.counts as Readonly<Record<string, number>>;
  const done = (counts.succeeded ?? 0) + (counts.skipped ?? 0) + (counts.force_passed ?? 0);
  const ends = path.pieces.map(
    (piece, i) => (i === 0 ? path.openedAt : path.pieces[i - 1]!.to) === piece.from,
  );
  const sum = path.pieces.reduce((total, piece) => total + piece.ms, 0);
  const open = flows.filter((flow) => !['succeeded', 'skipped', 'force_passed'].includes(flow.state));
  return [
    so(`${run.id} is finished`, run.finishedAt !== null, `finishedAt is ${run.finishedAt}`),
    so(`every flow of ${run.id} is done`, done === run.flows && open.length === 0, ids(open)),
    so(
      `the critical path of ${run.id} has neither gap nor overlap`,
      ends.every(Boolean),
      JSON.stringify(path.pieces),
    ),
    so(
      `the critical path of ${run.id} explains every millisecond`,
      path.unattributed === 0 && sum === path.total && sum === (path.endedAt ?? 0) - path.openedAt,
      `pieces ${sum} ms, total ${path.total} ms, unattributed ${path.unattributed} ms`,
    ),
    ...distributions(attempts),
  ];
}

/** What was exported is what was imported, row for row. */
function distributions(attempts: Account['attempts']): Expectation[] {
  const rows = (id: string): number | null =>
    attempts.get(id)?.findLast((attempt) => attempt.outcome === 'succeeded')?.rows ?? null;
  return [...attempts.keys()]
    .filter((id) => id.endsWith('.export'))
    .map((id) => {
      const [sent, got] = [rows(id), rows(id.replace(/\.export$/, '.import'))];
      return so(
        `${id} sent the rows that were imported`,
        sent !== null && sent > 0 && sent === got,
        `${sent} and ${got}`,
      );
    });
}

export function quietRun({ run, flows, attempts }: Account): Expectation[] {
  const failed = failures(attempts);
  const again = flows.filter((flow) => flow.generation > 1);
  return [
    so(`every flow of ${run.id} succeeded`, counts(run).succeeded === run.flows, JSON.stringify(run.counts)),
    so(
      `nothing of ${run.id} is tainted or stale`,
      run.tainted === 0 && run.stale === 0,
      `${run.tainted} and ${run.stale}`,
    ),
    so(
      `nothing of ${run.id} failed or was redone`,
      failed.length === 0 && again.length === 0,
      `${failed} ${ids(again)}`,
    ),
  ];
}

/** The whole story of the second month. */
export function troubledRun(account: Account, seen: Seen): Expectation[] {
  const { run, flows, attempts, reruns, refused, belowForced } = account;
  const failed = failures(attempts);
  const of = (id: string | null) => flows.find((flow) => flow.id === id);
  const tainted = flows.filter((flow) => flow.flags.includes('tainted'));
  const forced = flows.filter((flow) => flow.state === 'force_passed');
  const early = flows.filter((flow) => flow.generation === 2 && flow.procedure === 'P02');
  const regions = flows.filter((flow) => flow.kind === 'gate' && flow.procedure === 'P01');
  const last = [...regions].sort((a, b) => (b.resultAt ?? 0) - (a.resultAt ?? 0))[0];
  const refusal = (code: string, actor: string): boolean =>
    refused.some((entry) => entry.verb === 'force-pass' && entry.code === code && entry.actor === actor);
  const list: Expectation[] = [
    so(
      'exactly one program failed, once',
      failed.length === 1 && failed[0] === seen.withheld,
      failed.join(', '),
    ),
    so(
      'its rerun succeeded in its second generation',
      of(seen.withheld)?.generation === 2 && of(seen.withheld)?.state === 'succeeded',
      JSON.stringify(of(seen.withheld)),
    ),
    so(
      'it was redone with everything downstream, by one plan',
      reruns.length === 1 &&
        reruns[0]!.scope === 'downstream' &&
        same(reruns[0]!.roots, [seen.withheld ?? '']) &&
        reruns[0]!.members.length > 1,
      JSON.stringify(reruns),
    ),
    so(
      'what had not started kept its generation',
      (reruns[0]?.members ?? []).every(
        (id) => of(id)?.generation === (reruns[0]!.redone.includes(id) ? 2 : 1),
      ),
      JSON.stringify(reruns[0]?.members.map((id) => [id, of(id)?.generation])),
    ),
    so(
      'two programs below the dimension ran again with it',
      early.length === 2 &&
        early.every((flow) => flow.state === 'succeeded' && !flow.flags.includes('tainted')),
      ids(early),
    ),
    so('one flow was force-passed', forced.length === 1, ids(forced)),
    so(
      'taint is on it and on everything below it, and nowhere else',
      same(
        tainted.map((flow) => flow.id),
        belowForced,
      ),
      `${ids(tainted)} instead of ${belowForced}`,
    ),
    so('nothing is stale', run.stale === 0, String(run.stale)),
    so(
      'a force-pass before the distribution was complete was refused',
      refusal('force_pass_requires', 'demo'),
      JSON.stringify(refused),
    ),
    so('a force-pass by the wrong role was refused', refusal('forbidden', 'viewer'), JSON.stringify(refused)),
    so(
      'one of the 13 regions was the last',
      regions.length === 13 && last?.id === regions.at(-1)?.id,
      String(last?.id),
    ),
  ];
  if (seen.why !== null)
    list.push(
      so(
        'why named the failed program as the only final cause',
        seen.why.causeCount === 1 &&
          seen.why.causes[0]?.flow === seen.withheld &&
          seen.why.causes[0]?.code === 'upstream_failed',
        JSON.stringify(seen.why.causes.map((cause) => [cause.flow, cause.code])),
      ),
    );
  if (seen.whyLate !== null)
    list.push(
      so(
        'why named the late region as the only final cause',
        seen.whyLate.causeCount === 1 &&
          seen.whyLate.causes[0]?.flow === last?.id &&
          seen.whyLate.causes[0]?.code === 'gate_unconfirmed',
        JSON.stringify(seen.whyLate.causes.map((cause) => [cause.flow, cause.code])),
      ),
    );
  return list;
}

/** Two corrections after the month was done: each redoes what reads it, once; of P05 only the key flow that reads prepayments, and it asked. */
export function carriedThrough(carried: readonly Carried[], flows: Account['flows']): Expectation[] {
  if (carried.length === 0) return [];
  const [bills, prepayments] = carried as readonly [Carried, Carried];
  const keys = new Set(flows.filter((flow) => flow.key).map((flow) => flow.id));
  const ofP05 = (list: readonly string[]): string[] => list.filter((id) => id.startsWith('P05.'));
  return [
    so(
      'a correction of bills redid flows of P04 and none of P05, without asking',
      bills.redone.length > 5 && ofP05(bills.redone).length === 0 && bills.asked.length === 0,
      JSON.stringify(bills),
    ),
    so(
      'P05, which is only ordered after P04, was spared',
      ofP05(bills.spared).length > 5,
      bills.spared.join(', '),
    ),
    so(
      'a correction of prepayments asked for the key flow of P05 that reads them, and redid it once',
      prepayments.asked.length === 1 &&
        ofP05(prepayments.redone).length === 1 &&
        ofP05(prepayments.redone).every((id) => keys.has(id)),
      JSON.stringify(prepayments),
    ),
  ];
}

const so = (name: string, is: boolean, instead: string): Expectation => ({
  name,
  problem: is ? null : `${name}: ${instead}`,
});
const counts = (run: Account['run']): Readonly<Record<string, number>> => run.counts;
const ids = (flows: readonly { readonly id: string; readonly state: string }[]): string =>
  flows.map((flow) => `${flow.id} ${flow.state}`).join(', ');

/** Flows by attempts whose program failed, once for each; what a killed process lost was tried again and is no failure. */
const failures = (attempts: Account['attempts']): string[] =>
  [...attempts].flatMap(([id, list]) =>
    list.filter((item) => item.outcome === 'failed' && item.failure === 'program').map(() => id),
  );

const same = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && [...a].sort().every((entry, i) => entry === [...b].sort()[i]);
