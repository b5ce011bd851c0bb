/** Content that the database refuses never stops a run (protocol A5): here it got into the record past all doors. */
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { exchange } from '../../activities/exchange.ts';
import { decide } from '../../graph/decide.ts';
import { apply } from '../../graph/run/apply.ts';
import type { Group } from '../../graph/run/decisions.ts';
import { restoreState } from '../../graph/run/restore.ts';
import { versionReader } from '../../store/catalogue/catalogue.ts';
import { listNotStorable } from '../../store/record/not-storable.ts';
import { contextReader } from '../../store/record/run-context.ts';
import { loadRun } from '../../store/record/run-state.ts';
import { createPool } from '../../store/schema/pool.ts';
import { createTestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../support/estate.ts';
import { ask, outcomeOf, playAgent, stateIn } from '../support/play.ts';

const database = await createTestDatabase('not-storable');
const pool = createPool(database.url, { max: 8, name: 'test' });
afterAll(() => pool.end());
afterEach(() => pool.query('delete from outbox; delete from leases'));
const agent = await playAgent(pool, 'a1');

let month = 0;

/**
 * A run over flows with `POISON` in them, which is put into the stored definitions as `poison`, a piece of JSON: no check sees it. Steps of
 * its coordinator until nothing is left to do; null answers are those that the database refused altogether.
 */
async function runOf(flows: Parameters<typeof catalogueText>[0], poison = '', mark = 'POISON') {
  // The same catalogue again would be the version that was poisoned before.
  const text = catalogueText(flows.map((flow) => ({ ...flow, note: `for month ${month}` })));
  const version = await applyCatalogue(pool, text);
  if (poison !== '')
    await pool.query(
      'update catalogue_versions set flows = replace(flows::text, $2, $3)::json where version = $1',
      [version, mark, poison],
    );
  const run = await openTestRun(
    pool,
    `20${50 + Math.floor(month / 12)}-${String((month++ % 12) + 1).padStart(2, '0')}`,
  );
  const context = await contextReader(pool, versionReader(pool))(run);
  const { stored } = await loadRun(pool, context, 0);
  const state = restoreState(context.graph, stored);
  let groups: Group[] = decide(context.graph, state, [], state.now);
  const settle = async (): Promise<void> => {
    for (let more = true; more || groups.length > 0; ) {
      const request = { run, n: state.exchange + 1, groups, graph: context.graph.version };
      const answer = await exchange(pool, context, request);
      if ('refused' in answer) throw new Error(answer.refused);
      // A local activity may be repeated: it adopts what was written.
      expect(await exchange(pool, context, request)).toEqual(answer);
      apply(context.graph, state, groups, answer);
      groups = decide(context.graph, state, answer.entries, state.now);
      more = answer.more;
    }
    // What the record holds is what the coordinator believes.
    const again = restoreState(context.graph, (await loadRun(pool, context, 0)).stored);
    expect([...again.result]).toEqual([...state.result]);
    expect([...again.flags]).toEqual([...state.flags]);
    expect(again.cursor).toBe(state.cursor);
  };
  return { run, settle };
}

const rows = async (table: string, columns: string, run: string) =>
  (await pool.query(`select ${columns} from ${table} where run_id = $1 order by 1`, [run])).rows;

const NUL = 'a\0b';
const LONE = 'a\ud800b';
const LONG = randomBytes(50_000).toString('hex');

describe('a text of an operation', () => {
  test.each([
    ['NUL', NUL, '[not storable: 22P05]'],
    ['a lone surrogate', LONE, '[not storable: 22P02]'],
    ['100 kB', LONG, 'as it was given'],
  ])('with %s: the verb is carried out, the text says what became of it', async (_name, reason, kept) => {
    const { run, settle } = await runOf([{ id: 'A' }, { id: 'B' }]);
    const poisoned = await ask(pool, run, 'hold', ['A'], { reason });
    const beside = await ask(pool, run, 'force-pass', ['B'], { reason: 'ticket 7', evidence: reason });
    await settle();
    expect(await outcomeOf(pool, poisoned)).toEqual({ state: 'applied', code: null });
    expect(await outcomeOf(pool, beside)).toEqual({ state: 'applied', code: null });
    const shown = `case when reason = '${LONG}' then 'as it was given' else reason end as reason`;
    expect(
      await rows('overrides', `flow_id, kind, ${shown}, ${shown.replaceAll('reason', 'evidence')}`, run),
    ).toEqual([
      { flow_id: 'A', kind: 'hold', reason: kept, evidence: 'test' },
      { flow_id: 'B', kind: 'force-pass', reason: 'ticket 7', evidence: kept },
    ]);
    expect(await rows('audit', `verb, ${shown}, targets, outcome`, run)).toEqual([
      { verb: 'force-pass', reason: 'ticket 7', targets: ['B'], outcome: 'applied' },
      { verb: 'hold', reason: kept, targets: ['A'], outcome: 'applied' },
    ]);
    const after = await ask(pool, run, 'unhold', ['A']);
    await settle();
    expect(await outcomeOf(pool, after)).toEqual({ state: 'applied', code: null });
    expect(await stateIn(pool, run, 'A')).toMatchObject({ phase: 'waiting_agent' });
  });

  test('of a pause, a resume, a close', async () => {
    const { run, settle } = await runOf([{ id: 'A' }]);
    for (const verb of ['pause', 'resume', 'close', 'reopen']) {
      const asked = await ask(pool, run, verb, [], { reason: NUL });
      await settle();
      expect([verb, await outcomeOf(pool, asked)]).toEqual([verb, { state: 'applied', code: null }]);
    }
    const pauses = await pool.query('select reason, to_ms is not null as over from pauses where scope = $1', [
      `run:${run}`,
    ]);
    expect(pauses.rows).toEqual([{ reason: '[not storable: 22P05]', over: true }]);
  });

  test('of a refused one: the refusal is written with its code', async () => {
    const { run, settle } = await runOf([{ id: 'A' }]);
    const refused = await ask(pool, run, 'confirm', ['A'], { reason: LONE });
    await settle();
    expect((await outcomeOf(pool, refused)).state).toBe('refused');
    expect(await rows('audit', 'outcome, reason', run)).toEqual([
      { outcome: 'refused', reason: '[not storable: 22P02]' },
    ]);
  });
});

describe('a definition that an agent cannot get', () => {
  const flow = (more: object) => [{ id: 'A', ...more }, { id: 'B' }, { id: 'C', after: ['A'] }];
  test.each([
    ['NUL in a label', { labels: ['POISON'] }, 'a\\u0000b', '22P05'],
    ['a lone surrogate in a lock', { locks: ['POISON'] }, 'a\\ud800b', '22P02'],
    ['a lock of 100 kB, which no claim could take', { locks: ['POISON'] }, LONG, '54000'],
    ['a platform of 100 kB, which no index takes', { platform: 'POISON' }, LONG, '54000'],
    ['a number beyond the column', { leaseMs: 987_654 }, '98765432109876543210', '22003'],
  ])('for %s has failed, and says so; everything else goes on', async (_name, more, poison, state) => {
    const { run, settle } = await runOf(flow(more), poison, 'leaseMs' in more ? '987654' : 'POISON');
    await settle();
    expect(await stateIn(pool, run, 'A')).toMatchObject({ result: 'failed' });
    expect(await stateIn(pool, run, 'B')).toMatchObject({ result: null, phase: 'waiting_agent' });
    expect(await rows('outbox', 'flow_id', run)).toEqual([{ flow_id: 'B' }]);
    const [attempt] = await rows('attempts', 'flow_id, agent, outcome, failure_kind, message', run);
    expect(attempt).toMatchObject({
      flow_id: 'A',
      agent: 'engine',
      outcome: 'failed',
      failure_kind: 'program',
    });
    expect(attempt.message).toMatch(new RegExp(`^\\[not storable: ${state}\\] the database refuses`));
    expect((await listNotStorable(pool, 50)).filter((entry) => entry.run === run)).toEqual([
      { run, flow: 'A', what: 'flow', at: expect.any(Number), detail: attempt.message },
    ]);
    expect(await rows('run_log', 'kind, outcome', run)).toEqual([
      { kind: 'not_storable', outcome: 'failed:not_storable' },
    ]);
    // Verbs stay open: the flow may be passed, and what waited for it runs.
    const passed = await ask(pool, run, 'force-pass', ['A']);
    await settle();
    expect(await outcomeOf(pool, passed)).toEqual({ state: 'applied', code: null });
    const tasks = await agent.claim();
    expect(tasks.map((task) => task.flow).sort()).toEqual(['B', 'C']);
  });

  test('uses its retries as any failure of a program', async () => {
    const { run, settle } = await runOf(
      [{ id: 'A', labels: ['POISON'], retries: { program: 2, backoffMs: 0 } }],
      'a\\u0000b',
    );
    await settle();
    expect(await stateIn(pool, run, 'A')).toMatchObject({ result: 'failed' });
    expect(await rows('attempts', 'attempt', run)).toEqual([{ attempt: 1 }, { attempt: 2 }, { attempt: 3 }]);
  });
});

test('a notice that cannot be stored is there without its text', async () => {
  const { run, settle } = await runOf(
    [
      { id: 'N', kind: 'notify', notice: { to: 'duty', en: 'POISON', zh: '通知' } },
      { id: 'M', kind: 'notify', notice: { to: 'duty', en: 'm', zh: 'm' } },
    ],
    'a\\u0000b',
  );
  await settle();
  expect(await rows('notices', 'flow_id, recipient, en, zh', run)).toEqual([
    { flow_id: 'M', recipient: 'duty', en: 'm', zh: 'm' },
    { flow_id: 'N', recipient: 'duty', en: '[not storable: 22P05]', zh: '[not storable: 22P05]' },
  ]);
  expect(await stateIn(pool, run, 'N')).toMatchObject({ result: 'succeeded' });
});
