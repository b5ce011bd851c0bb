/**
 * Situations for `why` in a few lines of text: a catalogue and the state of a month's run of it. Minutes throughout, seen from now.
 *
 *     Load interface no=04113 key < Gate : running=20
 *     Copy distribution < Load          two flows, Copy.export and Copy.import
 *     Copy.import : waits=12            the state of one of them
 *     ! agent a1 yt slots=1 used=1      facts; without agents there is one, a1 of yt, with 4 free slots
 *
 * Behind `<`: upstream flows; `A@previous` of the month before, `D@day` of the last day. Behind `:`: state.
 */
import { checkCatalogue } from '../../../graph/catalogue/check.ts';
import { type Graph, inflate } from '../../../graph/compiled/compact.ts';
import { compact } from '../../../graph/compiled/compile.ts';
import type { Flow } from '../../../graph/model.ts';
import type { AgentFacts, OpenLease, WhyFacts } from '../../../graph/run/run-facts.ts';
import { derive, emptyState, FLAG, type RunState } from '../../../graph/run/state.ts';
import { codeOf, type Result } from '../../../graph/run/status.ts';
import { whyFactsOf } from '../../support/run-facts.ts';

export const MIN = 60_000;
export const OPENED = 1_000_000;
export const NOW = OPENED + 1000 * MIN;
export const PREVIOUS = 'month-2026-09';
export const LAST_DAY = 'day-2026-10-31';

export type Words = ReadonlyMap<string, string>;
export interface StagedFlow {
  readonly id: string;
  readonly words: Words;
  readonly after: readonly string[];
}
export interface Staged {
  readonly flows: readonly StagedFlow[];
  /** Per flow of the run. */
  readonly state: ReadonlyMap<string, Words>;
  readonly facts: readonly (readonly string[])[];
}

const wordsOf = (text: string): Map<string, string> =>
  new Map(
    text
      .split(/\s+/)
      .filter((word) => word !== '')
      .map((word) => [word.split('=')[0]!, word.split('=')[1] ?? '']),
  );

export function parseStaged(text: string): Staged {
  const flows: StagedFlow[] = [];
  const state = new Map<string, Words>();
  const facts: string[][] = [];
  for (const line of text.split('\n').map((part) => part.trim())) {
    if (line === '') continue;
    if (line.startsWith('!')) {
      facts.push(line.slice(1).trim().split(/\s+/));
      continue;
    }
    const [definition, now] = line.split(':') as [string, string | undefined];
    const [head, after] = definition.split('<') as [string, string | undefined];
    const [id, ...words] = head.trim().split(/\s+/) as [string, ...string[]];
    if (now !== undefined) state.set(id, wordsOf(now));
    if (!id.includes('.'))
      flows.push({ id, words: wordsOf(words.join(' ')), after: [...wordsOf(after ?? '').keys()] });
  }
  return { flows, state, facts };
}

const KINDS = ['interface', 'gate', 'check', 'notify'];
export const kindOf = ({ words }: StagedFlow): string =>
  [...KINDS, 'distribution'].find((kind) => words.has(kind)) ?? 'job';

/** As a maintainer would write it, checked and compiled by the product. */
function catalogueOf(staged: Staged): { graph: Graph; flows: ReadonlyMap<string, Flow> } {
  const days = new Set<string>();
  const edge = (up: string): unknown => {
    const [flow, where] = up.split('@') as [string, string | undefined];
    if (where === undefined) return flow;
    if (where === 'previous') return { flow, period: 'previous' };
    days.add(flow);
    return { flow, period: 'lastDayOfMonth', cycle: 'day' };
  };
  const common = (flow: StagedFlow) => ({
    id: flow.id,
    cycle: 'month',
    names: { en: flow.id, zh: flow.id },
    after: flow.after.map(edge),
    ...(flow.words.has('key') ? { key: true } : {}),
    ...(flow.words.has('manual') ? { trigger: 'manual' } : {}),
    ...(flow.words.has('event') ? { trigger: 'event', event: flow.words.get('event') } : {}),
    ...(flow.words.has('owner') ? { owner: flow.words.get('owner') } : {}),
    ...(flow.words.has('procedure') ? { procedure: flow.words.get('procedure') } : {}),
  });
  const flows = staged.flows
    .filter((flow) => kindOf(flow) !== 'distribution')
    .map((flow) => {
      const kind = kindOf(flow);
      const by =
        kind === 'gate'
          ? { person: { role: 'region' } }
          : kind === 'notify'
            ? { notice: { to: 'region', en: 'done', zh: '完成' } }
            : { platform: flow.words.get('platform') ?? 'yt', program: { type: 'noop' } };
      const no = flow.words.get('no');
      const labels = flow.words.has('label') ? { labels: [flow.words.get('label')] } : {};
      return { ...common(flow), kind, ...by, ...labels, ...(no === undefined ? {} : { interface: { no } }) };
    });
  const side = (connection: string) => ({ connection, table: `${connection}.t` });
  const distributions = staged.flows
    .filter((flow) => kindOf(flow) === 'distribution')
    .map((flow) => ({
      ...common(flow),
      from: side('mpp'),
      to: side('yt'),
      columns: ['a', 'm'],
      periodColumn: 'm',
    }));
  const dayFlows = [...days].map((id) => ({
    id,
    cycle: 'day',
    kind: 'job',
    names: { en: id, zh: id },
    platform: 'yt',
    program: { type: 'noop' },
  }));
  const procedures = [...new Set(staged.flows.flatMap((flow) => flow.words.get('procedure') ?? []))].map(
    (id) => ({
      id,
      names: { en: id, zh: id },
      owner: 'duty',
      cycle: 'month',
    }),
  );
  const text = JSON.stringify({
    connections: ['mpp', 'yt'].map((id) => ({ id, platform: id })),
    procedures,
    flows: [...flows, ...dayFlows],
    distributions,
  });
  const checked = checkCatalogue([{ path: 'staged.yaml', text }], 'import');
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems));
  const graph = inflate(compact(checked.flows, 'month'));
  return { graph, flows: new Map(checked.flows.map((flow) => [flow.id, flow])) };
}

const RESULTS: Readonly<Record<string, Result>> = {
  done: 'succeeded',
  passed: 'force_passed',
  skipped: 'skipped',
  failed: 'failed',
  cancelled: 'cancelled',
  unknown: 'outcome_unknown',
};
const FLAGS: Readonly<Record<string, number>> = {
  retired: FLAG.RETIRED,
  held: FLAG.HELD,
  skip: FLAG.SKIP,
  excluded: FLAG.EXCLUDED,
  confirmed: FLAG.CONFIRMED,
  triggered: FLAG.TRIGGERED,
  ending: FLAG.ENDING,
  rerunPending: FLAG.RERUN_PENDING,
  startedNow: FLAG.STARTED_NOW,
  member: FLAG.MEMBER,
  waits: FLAG.DISPATCHED,
  sent: FLAG.DISPATCHED,
  running: FLAG.DISPATCHED,
};

export interface Built {
  readonly graph: Graph;
  readonly s: RunState;
  readonly facts: WhyFacts;
}

/** What the engine's answers are asked of. */
export function build(staged: Staged): Built {
  const { graph, flows } = catalogueOf(staged);
  const subscriptions = graph.foreign.map(({ v, from, cycle }) => ({
    v,
    from,
    run: cycle === 'day' ? LAST_DAY : PREVIOUS,
  }));
  const s = emptyState(graph, { openedAt: OPENED, now: NOW, graceMs: 0, subscriptions });
  const at = (id: string): number => {
    const v = graph.ids.indexOf(id);
    if (v < 0) throw new Error(`no flow ${id}`);
    return v;
  };
  const leases = new Map<number, OpenLease>();
  const column = () => new Float64Array(graph.n);
  const [resultAt, deadline, reference] = [column(), column(), column()];
  const lastAttempts = new Map<number, { endedAt: number; agent: string; outcome: string }>();
  for (const [id, words] of staged.state) {
    const v = at(id);
    const ago = (word: string): number => NOW - Number(words.get(word)) * MIN;
    for (const word of words.keys()) {
      if (RESULTS[word] !== undefined) {
        s.result[v] = codeOf(RESULTS[word]);
        resultAt[v] = words.has('since') ? ago('since') : OPENED;
      }
      s.flags[v]! |= FLAGS[word] ?? 0;
    }
    if (words.has('waits')) s.released[v] = ago('waits');
    if (words.has('sent')) leases.set(v, { agent: 'a1', sentAt: ago('sent'), startedAt: null });
    if (words.has('running'))
      leases.set(v, { agent: 'a1', sentAt: ago('running'), startedAt: ago('running') });
    if (leases.has(v)) s.lease[v] = words.has('sent') ? 1 : 2;
    if (words.has('start')) s.start[v] = NOW + Number(words.get('start')) * MIN;
    if (words.has('backoff')) s.due[v] = NOW + Number(words.get('backoff')) * MIN;
    if (words.has('deadline')) deadline[v] = NOW + Number(words.get('deadline')) * MIN;
    if (words.has('reference')) reference[v] = NOW + Number(words.get('reference')) * MIN;
    if (words.has('saidFalse')) lastAttempts.set(v, { endedAt: NOW - MIN, agent: 'a1', outcome: 'false' });
  }
  const facts = staged.facts;
  const all = (name: string) => facts.filter(([first]) => first === name).map((fact) => fact.slice(1));
  for (const [from, to] of all('waive') as [string, string][]) waive(graph, s, from, at(to));
  s.closed = all('closed').length > 0;
  derive(graph, s);
  const wordsIn = (id: string): Words | undefined => staged.flows.find((flow) => flow.id === id)?.words;
  const unread = all('unread')[0];
  const given: Partial<WhyFacts> = {
    resultAt,
    deadline,
    leases,
    lastAttempts: lastAttempts as unknown as WhyFacts['lastAttempts'],
    closedAt: s.closed ? NOW - Number(all('closed')[0]![0]) * MIN : null,
    frozen: all('frozen')[0]?.join(' ') ?? null,
    unread: { rows: Number(unread?.[0] ?? 0), since: NOW - Number(unread?.[1] ?? 0) * MIN },
    agents: (all('agent').length === 0 ? [['a1', 'yt', 'slots=4']] : all('agent')).map(agentOf),
    pools: new Map(
      all('pool').map(([name, size]) => {
        const [used, of] = size!.split('/').map(Number) as [number, number];
        return [name!, { size: of, used }];
      }),
    ),
    locks: new Map(
      all('lock').map(([key, flow, ago]) => [
        key!,
        { run: 'month-2026-10', flow: flow!, agent: 'a1', since: NOW - Number(ago) * MIN },
      ]),
    ),
    pauses: all('pause').map(([scope, ago]) => ({
      scope: scope!,
      from: NOW - Number(ago) * MIN,
      to: null,
      actor: 'wang',
      reason: 'cutover',
    })),
    claimOf(v) {
      const id = graph.ids[v]!;
      const words = staged.state.get(id);
      const waits = words?.get('waits');
      if (waits === undefined) return undefined;
      const uses = wordsIn(id)?.get('pool')?.split('*');
      const [lock, label] = [wordsIn(id)?.get('lock'), wordsIn(id)?.get('label')];
      return {
        releasedAt: NOW - Number(waits) * MIN,
        platform: graph.attrOf(v).platform!,
        labels: label === undefined ? [] : [label],
        pools: uses === undefined ? [] : [uses[0]!],
        poolAmounts: uses === undefined ? [] : [Number(uses[1] ?? 1)],
        locks: lock === undefined ? [] : [lock],
      };
    },
    flowOf: (v) => flows.get(graph.ids[v]!)!,
    procedureOwner: () => 'duty',
    usualMs(v) {
      const usual = wordsIn(graph.ids[v]!)?.get('usual');
      return usual === undefined ? null : Number(usual) * MIN;
    },
    referenceAt: (v) => reference[v]!,
    missingTables(v) {
      const no = wordsIn(graph.ids[v]!)?.get('no');
      return all('table').flatMap(([name, platform, ...list]) =>
        no !== undefined && graph.attrOf(v).platform === platform && !list.includes(no) ? [name!] : [],
      );
    },
  };
  return { graph, s, facts: whyFactsOf(graph, s, given) };
}

function agentOf([name, platform, ...rest]: string[]): AgentFacts {
  const words = wordsOf(rest.join(' '));
  const silent = Number(words.get('silent') ?? 0);
  return {
    name: name!,
    platform: platform!,
    labels: words.has('label') ? [words.get('label')!] : [],
    slots: Number(words.get('slots') ?? 1),
    used: Number(words.get('used') ?? 0),
    drained: words.has('drained'),
    live: silent === 0,
    seenAt: NOW - silent * MIN,
    takenAt: words.has('taken') ? NOW - Number(words.get('taken')) * MIN : 0,
  };
}

function waive(graph: Graph, s: RunState, from: string, v: number): void {
  for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++)
    if (graph.ids[graph.up[e]!] === from) s.waived[e] = 1;
  graph.invalid.forEach((entry, i) => {
    if (entry.v === v && entry.from === from) s.waivedInvalid[i] = 1;
  });
  s.subscriptions.list.forEach((item, i) => {
    if (item.v === v && item.from === from) s.waivedForeign[i] = 1;
  });
}
