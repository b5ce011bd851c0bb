import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Agent } from '../../agent/agent.ts';
import { ensurePlatformSchema } from '../../platforms/sql/fence.ts';
import { fencesOf } from '../../platforms/sql/fence-report.ts';
import { taskOf, workKey } from '../platforms/task.ts';
import { createEmptyDatabase } from '../support/database.ts';
import { FakeApi } from './fake-api.ts';
import { agentFor, platformsIn } from './test-agent.ts';

const { url } = await createEmptyDatabase('agent_on_db');
let api: FakeApi;
let spool: string;
let db: pg.Client;
let agent: Agent | undefined;
let over: Promise<void> | undefined;

beforeEach(async () => {
  spool = mkdtempSync(join(tmpdir(), 'sluice-agent-'));
  api = new FakeApi();
  await api.start();
  db = new pg.Client(url);
  await db.connect();
  await ensurePlatformSchema(db);
  await db.query('truncate sluice.sluice_work');
  for (const [record, run] of [
    ['own', 'day-1'],
    ['own', 'day-2'],
    ['other', 'day-1'],
  ])
    await db.query(`insert into sluice.sluice_work values ($1, 5, $2, $3, 'F', 1, true)`, [
      workKey(`${record} ${run}`),
      record,
      run,
    ]);
});
afterEach(async () => {
  agent?.stop();
  await over;
  await api.end();
  await db.end();
  rmSync(spool, { recursive: true, force: true });
});

function begin(): void {
  agent = agentFor(api, spool, {
    platforms: platformsIn(spool, { connections: { yt: url }, environment: {} }),
    slots: 1,
    fences: fencesOf({ yt: url }),
  });
  over = agent.run();
}

const told = () => api.of('heartbeat').map(({ body }) => JSON.parse(body));
const left = async () =>
  (await db.query('select record, run from sluice.sluice_work order by 1, 2')).rows.map(
    ({ record, run }) => `${record} ${run}`,
  );

it('an agent takes the rows away of runs that have left the record of its API', async () => {
  api.record = 'own';
  api.archived.add('day-1');
  begin();
  await expect.poll(left, { interval: 20 }).toEqual(['other day-1', 'own day-2']);
  const [said] = told().filter(({ fences }) => fences !== undefined);
  expect([...said.fenceRuns].sort()).toEqual(['day-1', 'day-2']);
});

it('an API that does not tell its record is sent the counts alone', async () => {
  begin();
  await expect
    .poll(() => told().filter(({ fences }) => fences !== undefined), { interval: 20 })
    .toHaveLength(1);
  expect(told().every((beat) => !('fenceRuns' in beat))).toBe(true);
  expect(await left()).toHaveLength(3);
});

it('an agent says how far a program has come whose statements commit by themselves', async () => {
  api.record = 'own';
  begin();
  const sql = 'select 1; select 2; select pg_sleep(60)';
  const spec = { type: 'sql', sql, check: false, transaction: 'none' } as const;
  api.offer(taskOf(spec, { epoch: 7, fenced: false, orphanMs: 60_000 }));
  const reached = () =>
    told()
      .flatMap((beat) => beat.reached ?? [])
      .at(-1);
  await expect.poll(reached, { interval: 20 }).toEqual({
    epoch: 7,
    said: expect.stringMatching(
      /^statement 3 of 3 was reached: select pg_sleep\(60\); 2 of 3 .* is committed and stays$/,
    ),
  });
});
