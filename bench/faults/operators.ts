/**
 * People at work while everything fails: four operators who hold, force-pass, skip, waive, cancel, redo and hurry flows, and who tend what
 * stands still, as people on a night shift do. When no faults strike any more they only tend, until every run is done.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Correction } from '../../contract/corrections.ts';
import type { Flow, FlowPage } from '../../contract/flows.ts';
import type { Plan } from '../../contract/rerun-plans.ts';
import { randomOf } from '../load/graphs.ts';
import { type Acknowledged, type Asker, createAsker } from './asker.ts';
import { type Estate, type Note, RULE, tableOf } from './estate.ts';

export interface Operators {
  readonly acknowledged: readonly Acknowledged[];
  /** Ids of corrections that were accepted: none may be lost, none be carried twice. */
  readonly corrections: readonly string[];
  /** Lets the rule of the estate act, before anything fails. */
  enableRule(): Promise<void>;
  /** Answers with status 500: none is right, each is listed. */
  readonly internal: readonly string[];
  /** From now on nothing new is begun: held, failed, unknown and waiting flows are seen to. */
  onlyTend(): void;
  /** Runs that operators work on. */
  setRuns(runs: readonly string[]): void;
  /** Opens a run and waits for the answer. */
  open(period: string): Promise<void>;
  /** Ends their work: what is under way is answered first, or given up after `withinMs`. */
  stop(withinMs: number): Promise<void>;
}

interface OperatorsOptions {
  readonly seed: number;
  readonly estate: Estate;
  readonly apiUrls: readonly string[];
  readonly tokens: ReadonlyMap<string, string>;
  /** What shell programs have noted so far. */
  readonly notes: () => Promise<readonly Note[]>;
  /** Nobody can say what became of a lost program sooner than this after its loss, ms. */
  readonly certainAfterMs: number;
}

/** Pause of an operator between two requests, ms: drawn evenly. */
const PAUSE_MS = { least: 300, most: 1_500 };
/** The largest plan that is applied, in flows: redoing half a run again and again would never end. */
const REDONE_LIMIT = 25;
/** Part of the flows whose inputs are corrected, the last ones: below the others lies half a run. */
const LATE = 0.5;

export function startOperators(options: OperatorsOptions): Operators {
  const { seed, estate } = options;
  const acknowledged: Acknowledged[] = [];
  const corrections: string[] = [];
  const internal: string[] = [];
  const giveUp = new AbortController();
  let runs: readonly string[] = [];
  let tending = false;
  let over = false;
  const upstreams = new Map(estate.flows.map((flow) => [flow.id, flow.after]));
  const late = new Set(estate.flows.slice(-Math.ceil(estate.flows.length * LATE)).map(({ id }) => id));

  const askers = [...options.tokens].map(([operator, token], i) =>
    createAsker({
      operator,
      token,
      ledger: acknowledged,
      giveUp: giveUp.signal,
      apiUrls: i % 2 === 0 ? options.apiUrls : [...options.apiUrls].reverse(),
      internal: (text) => internal.push(text),
    }),
  );
  const work = askers.map((asker, i) => operate(asker, `operator-${i + 1}`, randomOf(seed * 31 + i)));

  async function operate(asker: Asker, name: string, random: () => number): Promise<void> {
    const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(random() * list.length)];
    let nth = 0;
    while (!over) {
      await pause(PAUSE_MS.least + random() * (PAUSE_MS.most - PAUSE_MS.least));
      const run = pick(runs);
      if (run === undefined || over) continue;
      const one = async (verb: string, body: Record<string, unknown>, targets: readonly string[]) => {
        nth++;
        const key = `${name}-${seed}-${nth}`;
        const full = verb === 'apply' ? { reason: 'shift' } : { reason: 'shift', ...body };
        const path =
          verb === 'apply' ? `/runs/${run}/rerun-plans/${body.plan}/apply` : `/runs/${run}/${verb}`;
        await asker.operate({ path, body: full, key, run, verb: verb === 'apply' ? 'rerun' : verb, targets });
      };
      const inState = async (...states: string[]): Promise<readonly Flow[]> =>
        (await asker.read<FlowPage>(`/runs/${run}/flows?state=${states.join(',')}&limit=200`))?.items ?? [];
      const redo = async (flows: readonly string[], scope: string, running: string): Promise<void> => {
        const plan = await asker.attempt<Plan>(`/runs/${run}/rerun-plans`, { flows, scope, running });
        if (plan === undefined || plan.members.filter((member) => member.redone).length > REDONE_LIMIT)
          return;
        await one('apply', { plan: plan.id }, flows);
      };
      const tend = async (): Promise<void> => {
        const flow = pick(await inState('failed', 'cancelled', 'outcome_unknown', 'held', 'waiting_person'));
        if (flow === undefined) return;
        if (flow.state === 'held') await one('unhold', { flows: [flow.id] }, [flow.id]);
        else if (flow.state === 'waiting_person') await one('confirm', { flows: [flow.id] }, [flow.id]);
        else if (flow.state !== 'outcome_unknown') await redo([flow.id], 'only', 'wait');
        else if (Date.now() - (flow.resultAt ?? Date.now()) > options.certainAfterMs) {
          const ran = (await options.notes()).some(
            (note) =>
              note.what === 'stop' &&
              note.run === run &&
              note.flow === flow.id &&
              note.generation === flow.generation,
          );
          await one('resolve', { flows: [flow.id], ran }, [flow.id]);
        }
      };
      const act = async (): Promise<void> => {
        const dice = random();
        if (dice < 0.4) return tend();
        if (dice < 0.48) return chosen(await inState('waiting_upstream', 'waiting_agent'), 'hold');
        if (dice < 0.55) return chosen(await inState('held'), 'unhold');
        if (dice < 0.62) return chosen(await inState('waiting_agent'), 'expedite');
        if (dice < 0.67) return chosen(await inState('waiting_upstream'), 'skip');
        if (dice < 0.74) return chosen(await inState('waiting_upstream'), 'start-now');
        if (dice < 0.8) return chosen(await inState('running', 'sent_to_agent'), 'cancel');
        if (dice < 0.84)
          return chosen(await inState('waiting_upstream', 'failed'), 'force-pass', { evidence: 'checked' });
        if (dice < 0.88)
          return chosen(await inState('running'), 'force-pass', { evidence: 'checked', supersede: true });
        if (dice < 0.93) {
          const flow = pick(await inState('waiting_upstream'));
          const from = pick(upstreams.get(flow?.id ?? '') ?? []);
          if (flow !== undefined && from !== undefined)
            await one('waive', { edges: [{ from, to: flow.id }] }, [`${from} -> ${flow.id}`]);
          return;
        }
        if (dice < 0.97) return correct();
        const flow = pick(await inState('succeeded', 'running'));
        if (flow !== undefined) await redo([flow.id], 'downstream', random() < 0.5 ? 'wait' : 'supersede');
      };
      const correct = async (): Promise<void> => {
        const flow = pick((await inState('succeeded')).filter(({ id }) => late.has(id)));
        const from = pick(upstreams.get(flow?.id ?? '') ?? []);
        if (from === undefined) return;
        nth++;
        const body = { table: tableOf(from), period: run.replace('month-', ''), reason: 'shift' };
        const made = await asker.insist<Correction>('/corrections', body, `${name}-${seed}-${nth}`);
        if (made !== undefined) corrections.push(made.id);
      };
      const chosen = async (flows: readonly Flow[], verb: string, more: object = {}): Promise<void> => {
        const flow = pick(flows);
        if (flow !== undefined) await one(verb, { flows: [flow.id], ...more }, [flow.id]);
      };
      await (tending ? tend() : act());
    }
  }

  return {
    acknowledged,
    corrections,
    async enableRule() {
      await askers[0]!.insist(`/rules/${RULE.id}/enable`, { reason: 'faults' });
    },
    internal,
    onlyTend: () => {
      tending = true;
    },
    setRuns: (next) => {
      runs = next;
    },
    async open(period) {
      await askers[0]!.operate({
        path: '/runs',
        run: `month-${period}`,
        verb: 'open',
        targets: [],
        body: { cycle: 'month', period },
        key: `open-${seed}-${period}`,
      });
    },
    async stop(withinMs) {
      over = true;
      const timer = setTimeout(() => giveUp.abort(), withinMs);
      await Promise.all(work);
      clearTimeout(timer);
    },
  };
}
