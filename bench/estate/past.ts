/**
 * Days, hours and months of an estate as they went by: each flow after its upstreams, with run times that follow the calendar, failures,
 * retries, force-passes, reruns and confirmations. The same for the same estate, period and seed.
 */
import type {
  EndedGeneration,
  PastAttempt,
  PastFlow,
  PastOperation,
  PastRelease,
  PastRun,
} from '../../store/history/past-run.ts';
import type { Cycle, Estate, EstateFlow } from './model.ts';
import { type Moments, momentsOf, openingOf, periodsOf, seasonOf } from './moments.ts';
import { type Draws, drawsOf } from './random.ts';

/** When results were there, by `EstateFlow.v`; 0 = not in this run. */
interface Ends {
  readonly at: Float64Array;
  readonly tainted: Uint8Array;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
/** Runs whose results are kept for runs after them: a month and its days twice over. */
const REMEMBERED = 70;

/** Runs of `days` days that end with the day `last` (2026-11-21): each day's hours, the day, and the month when it ends. In order of time. */
export function* pastRuns(
  estate: Estate,
  { last, days }: { last: string; days: number },
): Generator<PastRun> {
  const byCycle: Record<Cycle, EstateFlow[]> = { hour: [], day: [], month: [] };
  for (const flow of estate.flows) byCycle[flow.cycle].push(flow);
  const ends = new Map<string, Ends>();
  for (const { cycle, period } of periodsOf(last, days)) {
    const play = new Play(estate, cycle, period, ends);
    yield play.run(byCycle[cycle]);
    ends.set(`${cycle}-${period}`, play.ends);
    if (cycle === 'day') forget(ends);
  }
}

/** Drops results that later runs do not ask for: hours after a day, days after some weeks. */
function forget(ends: Map<string, Ends>): void {
  for (const run of ends.keys()) if (run.startsWith('hour')) ends.delete(run);
  for (const run of ends.keys()) if (ends.size > REMEMBERED) ends.delete(run);
}

class Play {
  readonly ends: Ends;
  readonly #estate: Estate;
  readonly #cycle: Cycle;
  readonly #period: string;
  readonly #others: ReadonlyMap<string, Ends>;
  readonly #draws: Draws;
  readonly #openedAt: number;
  readonly #moments: Moments;
  readonly #flows = new Map<number, PastFlow>();
  readonly #attempts: PastAttempt[] = [];
  readonly #generations: EndedGeneration[] = [];
  readonly #operations: PastOperation[] = [];
  readonly #releases: PastRelease[] = [];

  constructor(estate: Estate, cycle: Cycle, period: string, others: ReadonlyMap<string, Ends>) {
    this.#estate = estate;
    this.#cycle = cycle;
    this.#period = period;
    this.#others = others;
    this.#draws = drawsOf(estate.seed, `${cycle}-${period}`);
    this.#openedAt = openingOf(cycle, period);
    this.#moments = momentsOf(cycle, period);
    const n = estate.flows.length;
    this.ends = { at: new Float64Array(n), tainted: new Uint8Array(n) };
  }

  run(flows: readonly EstateFlow[]): PastRun {
    for (const flow of flows) this.#carryOut(flow);
    this.#rerunSome(flows);
    const past = [...this.#flows.values()];
    return {
      cycle: this.#cycle,
      period: this.#period,
      purpose: 'scheduled',
      openedAt: this.#openedAt,
      finishedAt: past.reduce((last, entry) => Math.max(last, entry.resultAt), this.#openedAt),
      flows: past,
      attempts: this.#attempts.sort((a, b) => a.sentAt - b.sentAt),
      generations: this.#generations,
      operations: this.#operations,
      releases: this.#releases,
    };
  }

  /** First generation of a flow. */
  #carryOut(flow: EstateFlow): void {
    const draws = this.#draws;
    this.#noteReleases(flow);
    const startAt = flow.startAt === null ? 0 : this.#moments(flow.startAt);
    const { at, tainted } = this.#ready(flow);
    const releasedAt = Math.max(at, startAt, this.#openedAt) + 10 + draws.below(20);
    const base = {
      flow: flow.id,
      generation: 1,
      attempt: 1,
      tainted,
      usedRetries: 0,
      startAt,
      deadlineAt: flow.deadline === null ? 0 : this.#moments(flow.deadline),
      generationAt: this.#openedAt,
      releasedAt,
    };
    if (flow.platform === null) {
      this.#withoutAgent(flow, { ...base, runner: flow.kind === 'notify' ? 'engine' : 'person' });
      return;
    }
    const agentFlow = { ...base, runner: 'agent' } as const;
    if (draws.next() >= FAILS) {
      const end = this.#attempt(flow, 1, 1, releasedAt, 'succeeded');
      this.#keep(flow, { ...agentFlow, result: 'succeeded', resultAt: end + written(draws) });
      return;
    }
    const failedAt = this.#attempt(flow, 1, 1, releasedAt, 'failed');
    if (flow.retries > 0) {
      const end = this.#attempt(flow, 1, 2, failedAt + 30 * SECOND, 'succeeded');
      const again = { attempt: 2, usedRetries: 1, releasedAt: failedAt + 30 * SECOND };
      this.#keep(flow, { ...agentFlow, ...again, result: 'succeeded', resultAt: end + written(draws) });
      return;
    }
    const repairedAt = failedAt + Math.round((10 + 40 * draws.next()) * MINUTE);
    if (draws.chance(0.3)) {
      const operation = this.#operation('force-pass', [flow.id], 'loaded by hand', repairedAt);
      const resultAt = operation.at + 20;
      this.#keep(flow, { ...agentFlow, tainted: true, result: 'force_passed', resultAt });
      return;
    }
    const failed = { ...agentFlow, result: 'failed' as const, resultAt: failedAt + written(draws) };
    this.#again(flow, failed, this.#operation('rerun', [flow.id], 'the source was repaired', repairedAt));
  }

  /** A gate or check is confirmed when somebody comes to it, a notice goes out at once. */
  #withoutAgent(flow: EstateFlow, base: Omit<PastFlow, 'result' | 'resultAt'>): void {
    if (base.runner === 'engine') {
      this.#keep(flow, { ...base, result: 'succeeded', resultAt: base.releasedAt });
      return;
    }
    const at = base.releasedAt + Math.round((0.2 + 5 * this.#draws.next()) * HOUR);
    this.#operation('confirm', [flow.id], 'verified', at);
    this.#keep(flow, { ...base, result: 'succeeded', resultAt: at + 20 });
  }

  /** Operators redo a few flows with all that follows, when the run is nearly over. */
  #rerunSome(flows: readonly EstateFlow[]): void {
    const draws = this.#draws;
    const agents = flows.filter((flow) => flow.platform !== null);
    let at = flows.reduce((last, { v }) => Math.max(last, this.ends.at[v]!), 0);
    for (let i = draws.below(flows.length > 1000 ? 4 : 2); i > 0; i--) {
      const root = agents[Math.floor(agents.length * (0.9 + 0.1 * draws.next()))]!;
      const members = this.#below(root, flows);
      at += Math.round((5 + 20 * draws.next()) * MINUTE);
      const ids = members.map((member) => member.id);
      const operation = this.#operation('rerun', ids, 'the numbers were wrong', at);
      for (const member of members) this.#again(member, this.#flows.get(member.v)!, operation);
      at = Math.max(at, ...members.map(({ v }) => this.ends.at[v]!));
    }
  }

  /** The flow and everything that waits for it in this run, upstream first. */
  #below(root: EstateFlow, flows: readonly EstateFlow[]): EstateFlow[] {
    const reached = new Set([root.v]);
    return flows.filter((flow) => {
      if (flow.after.some((edge) => edge.period === 'same' && reached.has(edge.from.v))) reached.add(flow.v);
      return reached.has(flow.v) && (flow === root || flow.platform !== null);
    });
  }

  /** A new generation, asked for by the operation. */
  #again(flow: EstateFlow, before: PastFlow, operation: PastOperation): void {
    const { generation } = before;
    const begunAt = operation.at + 20;
    this.#generations.push({ ...before, operation: operation.id, endedAt: begunAt });
    const { at, tainted } = this.#ready(flow);
    const releasedAt = Math.max(at, begunAt) + 10;
    const end = this.#attempt(flow, generation + 1, 1, releasedAt, 'succeeded');
    this.#keep(flow, {
      ...before,
      generation: generation + 1,
      attempt: 1,
      usedRetries: 0,
      tainted,
      result: 'succeeded',
      generationAt: begunAt,
      releasedAt,
      resultAt: end + written(this.#draws),
    });
  }

  #keep(flow: EstateFlow, past: PastFlow): void {
    this.#flows.set(flow.v, past);
    this.ends.at[flow.v] = past.resultAt;
    this.ends.tainted[flow.v] = past.tainted ? 1 : 0;
  }

  /** When the last upstream was done, in this run and in others; those of runs that are not there do not count. */
  #ready(flow: EstateFlow): { at: number; tainted: boolean } {
    let at = 0;
    let tainted = 0;
    for (const { from, period } of flow.after) {
      if (period === 'same') {
        at = Math.max(at, this.ends.at[from.v]!);
        tainted |= this.ends.tainted[from.v]!;
        continue;
      }
      for (const run of this.#moments.runsOf(period, from.cycle)) {
        const other = this.#others.get(run);
        if (other === undefined) continue;
        at = Math.max(at, other.at[from.v]!);
        tainted |= other.tainted[from.v]!;
      }
    }
    return { at, tainted: tainted === 1 };
  }

  /** Subscriptions that edges to other runs left: one for each release, however often the flow ran. */
  #noteReleases(flow: EstateFlow): void {
    for (const { from, period } of flow.after)
      for (const run of period === 'same' ? [] : this.#moments.runsOf(period, from.cycle)) {
        const other = this.#others.get(run);
        // Two edges may ask for the same flow of the same day.
        const known = this.#releases.some(
          (release) =>
            release.flow === flow.id && release.upstreamFlow === from.id && release.upstreamRun === run,
        );
        if (other === undefined || known) continue;
        const at = Math.max(this.#openedAt, other.at[from.v]!);
        const tainted = other.tainted[from.v] === 1;
        this.#releases.push({ flow: flow.id, upstreamRun: run, upstreamFlow: from.id, at, tainted });
      }
  }

  /** Waits for an agent, runs; answers its end. */
  #attempt(
    flow: EstateFlow,
    generation: number,
    attempt: number,
    releasedAt: number,
    outcome: 'succeeded' | 'failed',
  ): number {
    const draws = this.#draws;
    const sentAt = releasedAt + 5 + (draws.chance(0.1) ? draws.below(20 * SECOND) : draws.below(40));
    const startedAt = sentAt + 5 + draws.below(20);
    const slow = draws.chance(0.002) ? 4 : 1;
    const usual = flow.baseMs * seasonOf(flow.season, this.#cycle, this.#period);
    const endedAt = startedAt + Math.max(1, Math.round(usual * slow * draws.noise(0.2)));
    const agent = `${flow.platform}-${1 + draws.below(8)}`;
    this.#attempts.push({ flow: flow.id, generation, attempt, agent, sentAt, startedAt, endedAt, outcome });
    return endedAt;
  }

  #operation(verb: PastOperation['verb'], flows: string[], reason: string, at: number): PastOperation {
    const id = `op-${this.#cycle}-${this.#period}-${this.#operations.length + 1}-${this.#estate.seed}`;
    const actor = this.#draws.pick(['chen', 'li', 'wang', 'zhao']);
    const operation = { id, actor, verb, flows, reason, at: Math.round(at) };
    this.#operations.push(operation);
    return operation;
  }
}

/** Share of first attempts that fail. */
const FAILS = 0.004;
/** From the end of an attempt to the exchange that writes the result, ms. */
const written = (draws: Draws): number => 5 + draws.below(25);
