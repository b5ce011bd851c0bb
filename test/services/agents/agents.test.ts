import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';

const database = await createTestDatabase('agents');
const api = await startTestApi(database);
await applyCatalogue(api.pool, catalogueText([{ id: 'A' }, { id: 'B' }, { id: 'M', platform: 'mpp' }]));
const ann = await api.actor({ name: 'ann', kind: 'person', roles: ['operator'] });
const yan = await api.actor({
  name: 'yan',
  kind: 'person',
  roles: ['operator'],
  scope: { platforms: ['mpp'] },
});

async function agent(name: string, platform = 'yt') {
  const caller = await api.actor({ name, kind: 'agent' });
  const instance = randomUUID();
  await caller.post(`/agents/${name}/hello`, {
    instance,
    lockToken: randomUUID(),
    platform,
    slots: 4,
    version: '1',
    protocol: 2,
  });
  const claim = async () =>
    (
      await caller.post(`/agents/${name}/claim`, {
        instance,
        claimId: randomUUID(),
        platform,
        free: 4,
        waitMs: 0,
      })
    ).body.tasks;
  return { claim };
}

test('C8: a drained agent claims nothing; undrained it goes on', async () => {
  const run = await openTestRun(api.pool);
  await api.coordinator!.settled(run);
  const a = await agent('a1');
  const drained = await ann.post('/agents/a1/drain', { reason: 'new kernel' });
  expect(drained).toMatchObject({
    status: 200,
    body: { name: 'a1', drained: true, alive: true, slots: 4, used: 0 },
  });
  expect(await a.claim()).toEqual([]);
  expect((await ann.get(`/runs/${run}/flows/A`)).body.blockers).toMatchObject([{ code: 'drained' }]);
  await ann.post('/agents/a1/undrain');
  expect(await a.claim()).toHaveLength(2);
  expect((await ann.get('/agents')).body.items).toMatchObject([{ name: 'a1', used: 2, drained: false }]);
});

test('C8: with fenced: true everything that an agent held goes to the others at once', async () => {
  const b = await agent('b1');
  const answer = await ann.post('/agents/a1/failover', { to: 'b1', fenced: true, reason: 'host is gone' });
  expect(answer).toMatchObject({
    status: 200,
    body: { requeued: 2, lost: 0, agent: { failoverTo: 'b1', drained: true } },
  });
  expect(await b.claim()).toHaveLength(2);
  const other = await agent('m1', 'mpp');
  expect(await other.claim()).toHaveLength(1);
  expect(await ann.post('/agents/a1/failover', { to: 'm1', reason: 'r' })).toMatchObject({
    status: 400,
    body: { code: 'invalid_request' },
  });
  expect(await ann.post('/agents/b2/drain', { reason: 'r' })).toMatchObject({
    status: 404,
    body: { code: 'unknown_agent', facts: { near: ['b1'] } },
  });
});

test('C9: a paused platform gives nothing out; pauses are audited and within scope', async () => {
  expect(await yan.post('/platforms/yt/pause', { reason: 'r' })).toMatchObject({
    status: 403,
    body: { code: 'out_of_scope' },
  });
  const paused = await yan.post('/platforms/mpp/pause', { reason: 'space' });
  expect(paused).toMatchObject({
    status: 200,
    body: { platform: 'mpp', pause: { by: 'yan', reason: 'space' } },
  });
  expect(await ann.post('/platforms/mpp/pause', { reason: 'r' })).toMatchObject({
    status: 409,
    body: { code: 'already_paused' },
  });
  expect((await ann.post('/platforms/mpp/resume')).body.pause).toBeNull();
  expect(await ann.post('/platforms/mpp/resume')).toMatchObject({
    status: 409,
    body: { code: 'not_paused' },
  });
  expect(await ann.post('/platforms/mmp/pause', { reason: 'r' })).toMatchObject({
    status: 404,
    body: { code: 'unknown_platform', facts: { near: ['mpp'] } },
  });
  const audit = await ann.get('/audit?target=mpp');
  expect(audit.body.items.map((item: { verb: string; actor: string }) => [item.verb, item.actor])).toEqual([
    ['resume-platform', 'ann'],
    ['pause-platform', 'yan'],
  ]);
  expect((await ann.get('/platforms')).body.items.map((item: { platform: string }) => item.platform)).toEqual(
    ['mpp', 'yt'],
  );
});
