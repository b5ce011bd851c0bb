import { expect, test } from 'vitest';
import { tracedRun } from '../../../bench/estate/trace.ts';
import { writePast } from '../../../bench/estate/write-past.ts';
import { catalogueOf } from '../../../bench/load/graph-catalogue.ts';
import { startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue } from '../../support/estate.ts';

const database = await createTestDatabase('retention_api');
const api = await startTestApi(database, { coordinator: false });
const maintainer = await api.actor({ name: 'wang', kind: 'person', roles: ['maintainer'] });
const viewer = await api.actor({ name: 'li', kind: 'person', roles: ['viewer'] });

const GRAPH = {
  name: 'recorded',
  tasks: [
    { id: 'A', deps: [], runtimeSeconds: 60 },
    { id: 'B', deps: ['A'], runtimeSeconds: 30 },
  ],
};

test('a recorded workflow is a run with its measured times; after its time it goes, says so, and comes back', async () => {
  await applyCatalogue(api.pool, Object.values(catalogueOf(GRAPH, { program: 'noop', speedup: 1 }))[0]!);
  await writePast(api.deps.copyPool, tracedRun(GRAPH, { last: '2025-03-01', days: 1 }), () => {});
  const run = 'day-2025-03-01';
  const path = await viewer.get(`/runs/${run}/critical-path?target=B`);
  expect(path.body).toMatchObject({ unattributed: 0, total: 90_000 });

  const shown = await viewer.get('/retention');
  expect(shown.body).toMatchObject({
    keepDays: { day: 190 },
    due: [{ run, keptBecause: null }],
    archived: [],
  });
  expect((await viewer.post('/retention/run', {})).body).toMatchObject({ code: 'forbidden' });
  const dry = await maintainer.post('/retention/run', { dryRun: true });
  expect(dry.body).toMatchObject({ dryRun: true, due: [{ run }], archived: [] });
  expect((await viewer.get(`/runs/${run}`)).status).toBe(200);

  const done = await maintainer.post('/retention/run', {});
  expect(done.body).toMatchObject({ archived: [{ run, file: `day/202503/${run}.jsonl.gz` }], more: false });
  const gone = await viewer.get(`/runs/${run}`);
  expect(gone.body).toMatchObject({
    code: 'unknown_run',
    detail: expect.stringContaining(`retention restore ${run}`),
  });
  expect((await viewer.get(`/runs/${run}/flows`)).body).toMatchObject({ code: 'unknown_run' });
  const audit = await viewer.get('/audit?verb=run-retention');
  expect(audit.body.items[0]).toMatchObject({ actor: 'wang', outcome: 'applied', detail: { runs: [run] } });

  expect((await maintainer.post(`/retention/restore/${run}`, {})).body).toMatchObject({
    run,
    rows: { run_flows: 2 },
  });
  expect((await viewer.get(`/runs/${run}/flows`)).body.items).toHaveLength(2);
  expect((await viewer.get(`/runs/${run}`)).body).toMatchObject({ state: 'closed' });
});
