import { expect, test } from 'vitest';
import { startLearning } from '../../../services/upkeep/learning.ts';
import { startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';
import { playAgent } from '../../support/play.ts';

const database = await createTestDatabase('learning');
const api = await startTestApi(database);
await applyCatalogue(api.pool, catalogueText([{ id: 'A', cycle: 'day' }]));
const agent = await playAgent(api.pool, 'played');

test('an API learns by itself what was done, and ends in the middle of it without a warning', async () => {
  for (const period of ['2026-11-18', '2026-11-19', '2026-11-20']) {
    const run = await openTestRun(api.pool, period, 'day');
    await api.coordinator!.settled(run);
    const tasks = await agent.claim();
    await agent.start(tasks);
    await agent.end(tasks);
    await api.coordinator!.settled(run);
  }
  const warnings: string[] = [];
  const learned = Promise.withResolvers<object>();
  const log = {
    debug: (facts: object) => learned.resolve(facts),
    warn: (_: object, message: string) => void warnings.push(message),
  };
  const stop = startLearning(api.deps, log, { firstMs: 0, everyMs: 5 });
  expect(await learned.promise).toMatchObject({ reports: [{ cycle: 'day', runs: 3, durations: 3 }] });
  await stop();
  // All three are work days, so there is no class beside the whole; flows like A are A alone.
  const rows = await api.pool.query('select day_class, series, n from expected_times order by series');
  expect(rows.rows).toEqual([
    { day_class: '', series: 'A', n: 3 },
    { day_class: '', series: 'day/job/UNSPECIFIED/yt', n: 1 },
  ]);
  const other = startLearning(api.deps, log, { firstMs: 0, everyMs: 5 });
  await other();
  expect(warnings).toEqual([]);
});
