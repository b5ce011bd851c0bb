/** Rules beside persons, and rules over wide estates: nothing is lost, nothing is done twice, and nothing goes on for ever. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RuleEngine } from '../../../services/rules/rule-engine.ts';
import type { Answer, Json } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';
import { startTestRules } from '../../support/rules.ts';

const database = await createTestDatabase('rules_at_once');
const DAY = 'day-2026-10-31';
const MONTH = 'month-2026-10';
const { api, ann, kim, engine, warned, look, work, redoneBy, acts, enable, correct } = await startTestRules(
  database,
  [DAY, MONTH],
);

const names = { en: 'carry', zh: '传递' };
const READERS = 2_000;
const FLOWS = [
  { id: 'Load', cycle: 'day', reads: ['ods.src'], writes: ['ods.call'] },
  { id: 'Merge', cycle: 'day', after: ['Load'], reads: ['ods.call', 'ods.rate'], writes: ['dwd.call'] },
  {
    id: 'Sum',
    after: [{ flow: 'Merge', period: 'lastDayOfMonth' }],
    reads: ['dwd.call'],
    writes: ['dwa.sum'],
  },
  { id: 'Fee', after: ['Sum'], reads: ['dwa.sum', 'ods.rate'], writes: ['dwa.fee'] },
  ...Array.from({ length: READERS }, (_, i) => ({ id: `R${i}`, reads: ['dim.wide'], writes: [`rep.r${i}`] })),
];
const limits = { coolDownMs: 0, perFlowAndDay: 100, perRunAndDay: 1_000 };
const carry = { id: 'carry', names, on: 'corrected', settleMs: 0, approval: 'never', limits };
/** A rule that names everything. */
const all = { id: 'all', names, on: 'redone', scope: 'downstream', settleMs: 0, approval: 'never', limits };

await applyCatalogue(api.pool, catalogueText(FLOWS, { rules: [carry, all] }));
await openTestRun(api.pool, '2026-10-31', 'day');
await openTestRun(api.pool);
await work();
await enable('carry');
await enable('all');

/** What still has to be redone because of a correction. */
async function stillToRedo(id: string): Promise<string[]> {
  const { runs } = (await ann.get(`/corrections/${id}`)).body;
  return runs.flatMap(({ redo }: Json) => redo.map(({ flow }: Json) => flow));
}

/** Looks and works until nothing gathers any more. */
async function quiet(): Promise<void> {
  for (;;) {
    await look();
    await work();
    const open = await api.pool.query(
      `select 1 from rule_acts where state = 'gathering' union all select 1 from rule_facts`,
    );
    if (open.rowCount === 0) return;
  }
}

test('a correction of a table that 2,000 flows read asks, as it is more than the rule may; approved, it is one plan', async () => {
  const id = await correct('dim.wide', '2026-10');
  expect(await redoneBy(look)).toEqual([]);
  const [act] = await acts('carry');
  expect(act).toMatchObject({
    correction: id,
    state: 'requested',
    code: 'too_many_members',
    members: READERS,
  });
  expect(await kim.post(`/rule-acts/${act.id}/approve`, { reason: 'agreed' })).toMatchObject({ status: 200 });
  expect(await redoneBy(look)).toHaveLength(READERS);
  expect(await stillToRedo(id)).toEqual([]);
  await quiet();
});

/** Answers that a person gets who was too late, or who met another rerun. */
const TOO_LATE = ['plan_stale', 'wrong_state', 'rerun_pending', 'unknown_plan', 'outcome_unknown'];

/** A rerun as two requests, between which others act. */
async function rerun(by: typeof ann, run: string, flow: string, running: string): Promise<Answer> {
  const asked = { flows: [flow], scope: 'downstream', otherRuns: true, running };
  const made = await by.post(`/runs/${run}/rerun-plans`, asked);
  if (made.status !== 200) return made;
  return by.post(`/runs/${run}/rerun-plans/${made.body.id}/apply`, { reason: 'mended' });
}

const Step = fc.constantFrom('correct', 'rerun', 'rerun waiting', 'cancel', 'look', 'other look', 'work');

const looking = new Map<RuleEngine, Promise<void>>();

/** One look of a process that may have lost the lease, or loses it meanwhile. A process has one at a time. */
function lookOf(process: RuleEngine): Promise<void> {
  const after = (looking.get(process) ?? Promise.resolve()).then(() => tryToLook(process));
  looking.set(process, after);
  return after;
}

async function tryToLook(process: RuleEngine): Promise<void> {
  const lease = await process.keepLease();
  if (lease === null) return;
  await process.look(lease).catch((error: Error) => {
    expect(error.message).toContain('another process evaluates the rules');
  });
}

test('two persons and rules at once: no correction is lost, nobody gets an error of ours, and it comes to rest', async () => {
  const other = new RuleEngine(api.deps, (facts) => warnedToo.push(facts));
  const warnedToo: object[] = [];
  const answers: Answer[] = [];
  const corrections: string[] = [];
  const does: Record<string, () => Promise<unknown>> = {
    correct: async () =>
      corrections.push(await correct(corrections.length % 2 === 0 ? 'ods.src' : 'ods.rate', '2026-10-31')),
    rerun: async () => answers.push(await rerun(kim, DAY, 'Load', 'supersede')),
    'rerun waiting': async () => answers.push(await rerun(ann, MONTH, 'Sum', 'wait')),
    cancel: async () =>
      answers.push(await ann.post(`/runs/${DAY}/cancel`, { flows: ['Merge'], reason: 'too early' })),
    look: () => lookOf(engine),
    'other look': async () => {
      await engine.leave();
      await lookOf(other);
      await other.leave();
    },
    work,
  };
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(Step, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 }),
      async (rounds) => {
        for (const together of rounds) await Promise.all(together.map((step) => does[step]!()));
        await quiet();
      },
    ),
    { numRuns: 15, seed: 20261201, endOnFailure: true },
  );
  expect(answers.length).toBeGreaterThan(20);
  const strange = answers.filter(
    ({ status, body }) => status >= 500 || (status >= 400 && !TOO_LATE.includes(body.code)),
  );
  expect(strange.map(({ status, body }) => `${status} ${body.code}`)).toEqual([]);
  // A person who cancelled Merge, or whose rerun it was, has the last word; then it is rerun once more.
  await rerun(kim, DAY, 'Merge', 'wait');
  await quiet();
  for (const id of corrections) expect(await stillToRedo(id)).toEqual([]);
  const twice = await api.pool.query('select 1 from rule_acts group by rule_id, root having count(*) > 1');
  expect(twice.rowCount).toBe(0);
  expect([...warned, ...warnedToo]).toEqual([]);
});
