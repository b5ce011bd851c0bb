/** What a rule would have done in the last days, had it been enabled: from the recorded past, nothing is changed (protocol F4). */
import type { RuleTry } from '../../contract/rules.ts';
import type { Rule } from '../../graph/model.ts';
import { type FoundPlan, judge, type RulePast, settledAt } from '../../graph/rules/judge.ts';
import { readTimesOf } from '../../store/history/data-times-past.ts';
import { type RunContext, readRun } from '../../store/record/run-context.ts';
import { readClock } from '../../store/record/snapshot.ts';
import { correctionsSince } from '../../store/rules/corrections.ts';
import { type PastResult, resultsSince } from '../../store/rules/past-results.ts';
import { displayZone } from '../catalogue/display-zone.ts';
import type { ServiceDeps } from '../deps.ts';
import type { LeftOut } from '../rerun/rerun-across.ts';
import { usualDurations } from '../timing/expected-durations.ts';
import { outcomeOf, retriesSince } from './retry-try.ts';
import { flowRoot } from './root.ts';
import { figuresOf, looksAt, readersFor, ruleActor } from './rule-plan.ts';
import { showRule } from './rules.ts';
import { type NewerData, type OpenedRun, type RedoOf, walkable, walkRuns } from './to-redo.ts';

const DAY_MS = 86_400_000;

/** Something that happened, with the flows that have newer data because of it. */
interface Happened extends NewerData {
  readonly root: string;
  readonly at: number;
  /** Runs that have left the record and may have used the old data. */
  readonly archived: readonly string[];
}

/**
 * Things that happened are gathered as the rule would have gathered them, and each group is judged by its limits. It counts what the rule itself
 * would have redone before, but the past does not change: what it would have redone is not redone there. Throws `unknown_rule`.
 */
export async function tryRule(deps: ServiceDeps, id: string, days: number): Promise<RuleTry> {
  const rule = (await showRule(deps, id)).definition as Rule;
  const now = await readClock(deps.pool);
  const since = now - days * DAY_MS;
  const zone = await displayZone(deps);
  if (rule.on === 'cause')
    return {
      rule: id,
      since,
      now,
      items: await retriesSince(deps, rule, { since, now, zone }),
      archived: [],
    };
  const happened = await happenedSince(deps, rule, since);
  const past: RulePast['redone'][number][] = [];
  const opener = pastRuns(deps, rule);
  const items: RuleTry['items'][number][] = [];
  const archived = new Set<string>();
  for (const group of gathered(rule, happened)) {
    const at = settledAt(
      rule,
      group.map((item) => item.at),
    );
    const newer = {
      results: group.flatMap(({ results }) => results),
      corrected: group.flatMap(({ corrected }) => corrected),
    };
    const redo = await walkRuns(deps, newer, (run) => opener(run, at));
    for (const { archived: gone } of group) for (const run of gone) archived.add(run);
    const found = await foundIn(deps, redo);
    const judged = judge(
      rule,
      found,
      { redone: past },
      { enabled: true, depth: 1, approvedKeys: null, hurried: false, now: at, zone },
    );
    if (judged.do === 'apply')
      for (const { run, flow } of found.redone) past.push({ act: `try ${items.length}`, run, flow, at });
    items.push({
      at,
      roots: group.map(({ root }) => root),
      ...outcomeOf(judged),
      ...figuresOf(found, redo.left),
    });
  }
  return { rule: id, since, now, items, archived: [...archived].sort() };
}

async function happenedSince(deps: ServiceDeps, rule: Rule, since: number): Promise<Happened[]> {
  return rule.on === 'corrected' ? correctionsOf(deps, rule, since) : resultsOf(deps, rule, since);
}

async function correctionsOf(deps: ServiceDeps, rule: Rule, since: number): Promise<Happened[]> {
  const found: Happened[] = [];
  for (const row of await correctionsSince(deps.pool, since)) {
    const { users, corrected } = await readersFor(deps, rule, row);
    found.push({ root: row.id, at: row.at, results: [], corrected, archived: users.archived });
  }
  return found;
}

async function resultsOf(deps: ServiceDeps, rule: Rule, since: number): Promise<Happened[]> {
  const found: Happened[] = [];
  for (const row of await resultsSince(deps.pool, since)) {
    const { run, flow, generation, at } = row;
    if (!(await isSeen(deps, rule, row))) continue;
    const root = flowRoot({ run, flow, generation, at });
    found.push({ root, at, results: [{ run, flow, at }], corrected: [], archived: [] });
  }
  return found;
}

async function isSeen(deps: ServiceDeps, rule: Rule, { run, flow, actor }: PastResult): Promise<boolean> {
  if (actor === ruleActor(rule).name) return false;
  const context = await deps.contextOf(run);
  return context.index.has(flow) && looksAt(rule, run, context.flow(flow));
}

/** In groups that settle together. */
function gathered(rule: Rule, happened: readonly Happened[]): Happened[][] {
  const groups: Happened[][] = [];
  for (const item of happened) {
    const last = groups.at(-1);
    const isOver =
      last === undefined ||
      settledAt(
        rule,
        last.map(({ at }) => at),
      ) < item.at;
    if (isOver) groups.push([item]);
    else last.push(item);
  }
  return groups;
}

/** Opens runs as they stood at an instant; the past of each is read once. */
function pastRuns(deps: ServiceDeps, rule: Rule): (run: string, at: number) => Promise<OpenedRun | LeftOut> {
  const known = new Map<
    string,
    Promise<{ context: RunContext; timesAt: Awaited<ReturnType<typeof readTimesOf>> }>
  >();
  return async (run, at) => {
    const { purpose, openedAt, frozen } = await readRun(deps.pool, run);
    if (purpose === 'rehearsal') return { run, code: 'rehearsal' };
    if (frozen !== null) return { run, code: 'run_frozen' };
    if (openedAt > at) return { run, code: 'run_closed' };
    const reading =
      known.get(run) ??
      deps
        .contextOf(run)
        .then(async (context) => ({ context, timesAt: await readTimesOf(deps.pool, context) }));
    known.set(run, reading);
    const { context, timesAt } = await reading;
    const times = timesAt(at);
    return { context, finishedAt: times.finishedAt, walk: await walkable(deps, context, times, rule.scope) };
  };
}

/** What would have been redone, and how long it would have taken at least: the longest way through each run, one run after the other. */
async function foundIn(deps: ServiceDeps, redo: RedoOf<OpenedRun>): Promise<FoundPlan> {
  const redone: { run: string; flow: string; key: boolean }[] = [];
  let estimateMs = 0;
  for (const { context, redo: found } of redo.parts) {
    const { graph, run } = context;
    const { ms } = await usualDurations(deps.pool)(context);
    const members = new Set(found.redone);
    const ends = new Float64Array(graph.n);
    for (let v = 0; v < graph.n; v++) {
      for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++)
        ends[v] = Math.max(ends[v]!, ends[graph.up[e]!]!);
      if (members.has(v)) ends[v]! += ms[v]!;
    }
    estimateMs += Math.max(0, ...found.redone.map((v) => ends[v]!));
    for (const v of found.redone) redone.push({ run: run.id, flow: graph.ids[v]!, key: graph.attrOf(v).key });
  }
  return { redone, estimateMs, asks: 0, undecided: 0, left: redo.left.length };
}
