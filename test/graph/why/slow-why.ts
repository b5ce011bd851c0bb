/**
 * `why` a second time, slowly, from the words of docs/answers.md: plain recursion over sets of paths, on the written situation. It shares nothing with graph/ but the names of the codes.
 */
import type { Staged, StagedFlow, Words } from '../run/staged.ts';

export interface SlowCause {
  /** Ids of which one names the cause: of a loop its members, `*` of the run as a whole. */
  readonly flows: readonly string[];
  readonly code: string;
  /** Flows of the shortest way, both ends included. */
  readonly length: number;
  readonly blocks: number;
}

interface Vertex {
  readonly id: string;
  readonly kind: string;
  readonly words: Words;
  readonly state: Words;
  readonly up: readonly string[];
}

const NONE: Words = new Map();
const DONE = ['done', 'passed', 'skipped'];
const ENDED = [...DONE, 'failed', 'cancelled', 'unknown'];

export class SlowWhy {
  readonly #flows = new Map<string, Vertex>();
  readonly #facts: Staged['facts'];
  readonly #ways = new Map<string, ReadonlyMap<string, number>>();

  constructor(staged: Staged) {
    this.#facts = staged.facts;
    const copies = new Set(
      staged.flows.filter((flow) => flow.words.has('distribution')).map((flow) => flow.id),
    );
    const add = (flow: StagedFlow, id: string, up: readonly string[]): void => {
      const kind = ['interface', 'distribution', 'gate', 'check', 'notify'].find((entry) =>
        flow.words.has(entry),
      );
      const state = staged.state.get(id) ?? NONE;
      this.#flows.set(id, { id, kind: kind ?? 'job', words: flow.words, state, up });
    };
    for (const flow of staged.flows) {
      const up = flow.after.map((entry) => {
        const [name, ...where] = entry.split('@') as [string, ...string[]];
        return [copies.has(name) ? `${name}.import` : name, ...where].join('@');
      });
      if (!copies.has(flow.id)) add(flow, flow.id, up);
      else {
        add(flow, `${flow.id}.export`, up);
        add(flow, `${flow.id}.import`, [`${flow.id}.export`]);
      }
    }
  }

  /** Open: neither done nor retired. */
  open(): string[] {
    return [...this.#flows.values()]
      .filter((flow) => !this.#isDone(flow) && !flow.state.has('retired'))
      .map((flow) => flow.id);
  }

  why(id: string): SlowCause[] {
    const flow = this.#flows.get(id)!;
    if (this.#isDone(flow)) return [{ flows: [id], code: 'already_ran', length: 1, blocks: 0 }];
    const ways = this.#waysFrom(id);
    const told = new Set<string>();
    const causes: SlowCause[] = this.#ofRun().map((code) => ({
      flows: ['*'],
      code,
      length: 1,
      blocks: this.open().length,
    }));
    for (const node of ways.keys()) {
      const members = this.#membersOf(node);
      if (told.has(node) || !this.#isFinal(node)) continue;
      for (const it of members) told.add(it);
      const length = Math.min(...members.flatMap((member) => ways.get(member) ?? []));
      const blocks = this.open().filter(
        (entry) => !members.includes(entry) && this.#waysFrom(entry).has(node),
      ).length;
      const name = this.#flows.has(node) ? members : [node.split(/[ @]/)[1]!];
      for (const code of this.#codesOf(node, members)) causes.push({ flows: name, code, length, blocks });
    }
    return causes;
  }

  #has(fact: string, ...rest: string[]): boolean {
    return this.#all(fact).some((item) => rest.every((word, i) => item[i] === word));
  }

  #all(fact: string): string[][] {
    return this.#facts.filter(([name]) => name === fact).map((fact) => fact.slice(1));
  }

  #isDone = ({ state }: Vertex): boolean => DONE.some((entry) => state.has(entry));

  /** It waits for others: nothing ended it, no agent has it, and nobody told it to go ahead. */
  #isWaiting = ({ state }: Vertex): boolean =>
    ![...ENDED, 'retired', 'sent', 'running', 'startedNow'].some((entry) => state.has(entry));

  /** Nodes one unmet condition away, with the steps to them; `missing x`, `run x@previous` are outside the graph. */
  #next(id: string): Map<string, number> {
    const found = new Map<string, number>();
    const flow = this.#flows.get(id);
    if (flow === undefined || !this.#isWaiting(flow)) return found;
    for (const up of flow.up) {
      const [name, where] = up.split('@') as [string, string | undefined];
      if (this.#has('waive', name, id)) continue;
      const upstream = this.#flows.get(name);
      if (where !== undefined) found.set(`run ${up}`, 1);
      else if (upstream === undefined) found.set(`missing ${name}`, 1);
      else if (!this.#isDone(upstream)) found.set(name, 1);
    }
    // A member of a rerun plan waits for the members above it, whatever lies between.
    if (flow.state.has('member')) {
      const climb = (from: string, steps: number): void => {
        for (const up of this.#flows.get(from)?.up ?? []) {
          if (this.#flows.get(up)?.state.has('member'))
            found.set(up, Math.min(found.get(up) ?? Number.POSITIVE_INFINITY, steps + 1));
          climb(up, steps + 1);
        }
      };
      climb(id, 0);
    }
    return found;
  }

  /** Every node at the end of a path of unmet conditions, with the number of flows on the shortest such path. */
  #waysFrom(id: string): ReadonlyMap<string, number> {
    const known = this.#ways.get(id);
    if (known !== undefined) return known;
    const shortest = new Map<string, number>();
    const follow = (node: string, path: ReadonlySet<string>, length: number): void => {
      if (path.has(node)) return;
      shortest.set(node, Math.min(shortest.get(node) ?? Number.POSITIVE_INFINITY, length));
      for (const [next, steps] of this.#next(node)) follow(next, new Set([...path, node]), length + steps);
    };
    follow(id, new Set(), 1);
    this.#ways.set(id, shortest);
    return shortest;
  }

  /** The flows that it waits for and that wait for it, itself among them. */
  #membersOf(node: string): string[] {
    return [node, ...this.#waysFrom(node).keys()].filter(
      (entry, i, all) => all.indexOf(entry) === i && (entry === node || this.#waysFrom(entry).has(node)),
    );
  }

  #isFinal(node: string): boolean {
    const members = this.#membersOf(node);
    return members.every((member) => [...this.#next(member).keys()].every((next) => members.includes(next)));
  }

  #ofRun(): string[] {
    const [rows, age] = (this.#all('unread')[0] ?? ['0', '0']).map(Number) as [number, number];
    return [
      ...(this.#has('closed') ? ['run_closed'] : []),
      ...(this.#has('frozen') ? ['run_frozen'] : []),
      ...(rows > 0 && age * 60 > 2 && !this.#has('closed') ? ['engine_pending'] : []),
    ];
  }

  #codesOf(node: string, members: readonly string[]): string[] {
    const flow = this.#flows.get(node);
    if (node.startsWith('missing ')) return ['dependency_invalid'];
    if (flow === undefined) {
      const [name, where] = node.slice('run '.length).split('@');
      const own = where === 'previous' && this.#flows.get(name!)?.up.includes(`${name}@previous`);
      return [
        own && !this.#has('waive', name!, name!) && this.#isWaiting(this.#flows.get(name!)!)
          ? 'backlog'
          : 'other_run',
      ];
    }
    if (members.length > 1 || this.#next(node).has(node)) return ['loop'];
    const codes = this.#ownCodes(flow);
    return this.#has('closed') ? codes.filter((code) => code !== 'engine_pending') : codes;
  }

  #ownCodes(flow: Vertex): string[] {
    const { state, kind } = flow;
    if (state.has('retired')) return ['retired'];
    const tables = this.#all('table').filter(([, platform, ...list]) => {
      const no = flow.words.get('no');
      return no !== undefined && platform === platformOf(flow) && !list.includes(no);
    });
    const unconfigured = tables.length > 0 ? ['interface_not_configured'] : [];
    if (state.has('failed')) return [failure(kind), ...unconfigured];
    if (state.has('cancelled')) return ['cancelled', ...unconfigured];
    if (state.has('unknown')) return ['outcome_unknown', ...unconfigured];
    if (state.has('sent') || state.has('running')) return [this.#inHand(flow), ...unconfigured];
    const own = this.#notYet(flow);
    const skips = state.has('skip');
    if (kind === 'gate' && !state.has('confirmed') && !skips) own.push('gate_unconfirmed');
    if (own.length === 0 && state.has('waits') && !skips) own.push(...this.#claim(flow));
    // When it is no longer held, somebody has to be there.
    if (state.has('held') && !skips && !['gate', 'notify'].includes(kind) && this.#nobody(platformOf(flow)))
      own.push('no_live_agent');
    own.push(...unconfigured);
    return own.length === 0 ? ['engine_pending'] : own;
  }

  #isLate({ kind, state }: Vertex): boolean {
    return (
      kind === 'interface' && ['deadline', 'reference'].some((entry) => Number(state.get(entry) ?? 0) < 0)
    );
  }

  #inHand(flow: Vertex): string {
    const { state, kind, words } = flow;
    const silent = this.#all('agent').some(
      ([name, , ...rest]) => name === 'a1' && valueIn(rest, 'silent') > 0,
    );
    if (silent) return 'agent_silent';
    if (state.has('sent')) return Number(state.get('sent')) > 10 ? 'agent_hung' : 'sent_to_agent';
    if (this.#isLate(flow)) return 'interface_late';
    const ran = Number(state.get('running'));
    const usual = Number(words.get('usual') ?? 'NaN');
    // An hour, or half as long again as usual and a minute more.
    if (ran > 60 || (ran > 1.5 * usual && ran > usual + 1)) return 'upstream_running_long';
    return kind === 'distribution' ? 'distribution_pending' : 'upstream_running';
  }

  #notYet(flow: Vertex): string[] {
    const { state, words, kind } = flow;
    const codes: string[] = [];
    const free = state.has('triggered') || state.has('startedNow') || state.has('skip');
    if (!free && state.has('excluded')) codes.push('procedure_excluded');
    else if (!free && words.has('manual')) codes.push('not_triggered');
    else if (!free && words.has('event'))
      codes.push(this.#isLate(flow) ? 'interface_late' : 'event_condition_unmet');
    if (state.has('held')) codes.push('held');
    if (state.has('rerunPending')) codes.push('rerun_pending');
    if (state.has('ending')) codes.push('previous_attempt_ending');
    else if (Number(state.get('backoff') ?? 0) > 0)
      codes.push(state.has('saidFalse') ? 'check_false' : 'retry_backoff');
    if (Number(state.get('start') ?? 0) > 0 && !state.has('startedNow'))
      codes.push(kind === 'interface' ? 'interface_not_due' : 'schedule_not_reached');
    return codes;
  }

  #nobody(platform: string): boolean {
    const agents = this.#all('agent').length === 0 ? [['a1', 'yt']] : this.#all('agent');
    return !agents.some((agent) => agent[1] === platform && valueIn(agent, 'silent') === 0);
  }

  /** Everything that an agent would meet that wanted to take it. */
  #claim(flow: Vertex): string[] {
    const platform = platformOf(flow);
    const waits = Number(flow.state.get('waits'));
    const codes: string[] = [];
    for (const scope of ['run:month-2026-10', `platform:${platform}`])
      if (this.#has('pause', scope)) codes.push('paused');
    const agents = this.#all('agent').length === 0 ? [['a1', 'yt', 'slots=4']] : this.#all('agent');
    const there = agents.filter((agent) => agent[1] === platform);
    const alive = there.filter((entry) => valueIn(entry, 'silent') === 0);
    const label = flow.words.get('label');
    const fitting = alive.filter((entry) => label === undefined || entry.includes(`label=${label}`));
    const taking = fitting.filter((entry) => !entry.includes('drained'));
    const free = taking.filter((entry) => valueIn(entry, 'used') < (valueIn(entry, 'slots') || 1));
    // Standstill: since the last thing happened on the platform.
    const happened = [
      waits,
      ...there.flatMap((entry) =>
        entry.some((word) => word.startsWith('taken=')) ? [valueIn(entry, 'taken')] : [],
      ),
      ...[...this.#flows.values()].flatMap((flow) => {
        const ended =
          (flow.state.has('done') || flow.state.has('failed')) &&
          flow.kind !== 'gate' &&
          flow.kind !== 'notify';
        return ended && platformOf(flow) === platform ? [Number(flow.state.get('since') ?? 1000)] : [];
      }),
    ];
    const stands = Math.min(...happened) > 15;
    if (alive.length === 0) codes.push('no_live_agent');
    else if (fitting.length === 0) codes.push('no_fitting_agent');
    else if (taking.length === 0) codes.push('agents_drained');
    else if (free.length === 0) codes.push(stands ? 'no_progress' : 'no_free_slot');
    const [pool, n] = (flow.words.get('pool') ?? '').split('*') as [string, string | undefined];
    if (pool !== '') {
      const size = this.#all('pool')
        .find(([name]) => name === pool)?.[1]
        ?.split('/')
        .map(Number);
      if (size === undefined || size[0]! + Number(n ?? 1) > size[1]!) codes.push('pool_full');
    }
    if (flow.words.has('lock') && this.#has('lock', flow.words.get('lock')!)) codes.push('lock_held');
    if (codes.length > 0) return codes;
    if (flow.id.endsWith('.import') && waits > 10) return ['distribution_waiting_import'];
    if (waits > 60 && taking.every((entry) => valueIn(entry, 'used') === 0)) return ['tasktracker_hung'];
    return [stands ? 'no_progress' : 'waiting_agent'];
  }
}

const failure = (kind: string): string =>
  ({ gate: 'gate_rejected', interface: 'interface_failed', distribution: 'distribution_failed' })[kind] ??
  'upstream_failed';

/** Agents of the target's platform carry out both halves of a distribution. */
const platformOf = ({ kind, words }: Vertex): string =>
  kind === 'distribution' ? 'yt' : (words.get('platform') ?? 'yt');

const valueIn = (words: readonly string[], name: string): number =>
  Number(words.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1) ?? 0);
