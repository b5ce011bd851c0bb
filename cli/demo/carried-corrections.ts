/**
 * The last act of the demo: after the month is done, sources of it are corrected, and the rule of the catalogue carries that downstream. What reads
 * the corrected table is redone once, in order; the key flow asks first; what is only ordered after it is spared.
 */
import type { CorrectionAnswer } from '../../contract/corrections.ts';
import type { RuleAct, RuleActPage } from '../../contract/rules.ts';
import { part } from '../client.ts';
import { look } from '../follow.ts';
import { duration } from '../text/instant.ts';
import { shortList } from './people.ts';
import { isDone } from './run-view.ts';
import type { Stage } from './stage.ts';

const RULE = 'carry-corrections';
/** The sources: bills, from which the month's chain is made, and prepayments, of which a key flow of P05 is made. */
const BILLS = 'ods.bill';
const PREPAYMENTS = 'ods.prepay';

/** What came of one correction. */
export interface Carried {
  readonly table: string;
  readonly redone: readonly string[];
  readonly spared: readonly string[];
  /** Key flows for which the rule asked a person; empty: it did not ask. */
  readonly asked: readonly string[];
  readonly ms: number;
}

export async function carriedCorrections(stage: Stage, run: string): Promise<Carried[]> {
  const { admin, narrator } = stage;
  await admin.post(`/rules/${RULE}/enable`, { reason: 'demo: the month is done' });
  narrator.narrate('rule_enabled', { rule: RULE });
  return [await carry(stage, run, BILLS), await carry(stage, run, PREPAYMENTS)];
}

async function carry(stage: Stage, run: string, table: string): Promise<Carried> {
  const { demo, admin, narrator, deadlineMs } = stage;
  const since = performance.now();
  const period = run.replace('month-', '');
  const body = { table, period, reason: 'demo: rows of the source were corrected' };
  const found = await demo.post<CorrectionAnswer>('/corrections', body);
  const { redo, spared } = found.runs.find((item) => item.run === run)!;
  narrator.narrate('corrected', { table, n: redo.length, flows: shortList(redo.map(({ flow }) => flow)) });
  const before = await generations(stage, run);
  const act = await until(deadlineMs, async () => actOf(stage, found.id));
  // Nothing more comes: the five minutes of the rule need not be waited for.
  await demo.post(`/rule-acts/${part(act.id)}/now`, { reason: 'demo: nothing more comes' });
  const decided = await until(deadlineMs, async () => {
    const now = await actOf(stage, found.id);
    return now !== null && now.state !== 'gathering' ? now : null;
  });
  if (decided.state === 'requested') {
    narrator.narrate('rule_asks', { flows: decided.keyFlows.join(', ') });
    await admin.post(`/rule-acts/${part(act.id)}/approve`, { reason: 'demo: it may be redone' });
  }
  const redone = await until(deadlineMs, async () => {
    const { flows } = await look(demo, run);
    const again = flows.filter(({ id, generation }) => generation > (before.get(id) ?? 0));
    return again.length >= redo.length && flows.every(isDone) ? again.map(({ id }) => id) : null;
  });
  const ms = Math.round(performance.now() - since);
  narrator.narrate('carried', { table, n: redone.length, spared: spared.length, took: duration(ms) });
  return { table, redone, spared, asked: decided.state === 'requested' ? decided.keyFlows : [], ms };
}

async function generations({ demo }: Stage, run: string): Promise<Map<string, number>> {
  const { flows } = await look(demo, run);
  return new Map(flows.map(({ id, generation }) => [id, generation]));
}

async function actOf({ demo }: Stage, correction: string): Promise<RuleAct | null> {
  const { items } = await demo.get<RuleActPage>('/rule-acts', { rule: RULE, limit: 10 });
  return items.find((act) => act.correction === correction) ?? null;
}

/** Asks again every 100 ms until there is an answer; throws after `deadlineMs`. */
async function until<T>(deadlineMs: number, ask: () => Promise<T | null>): Promise<T> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const found = await ask();
    if (found !== null) return found;
    if (performance.now() > end) throw new Error('the rule did not act in time');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
