/** Rules with `on: cause`: flows that failed for good are run once more, alone, up to a limit, and then a person is asked. */
import { expect, test } from 'vitest';
import type { Json } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';
import { startTestRules } from '../../support/rules.ts';

const database = await createTestDatabase('rule_retries');
const MONTH = 'month-2026-10';
const { api, ann, kim, warned, look, work, redoneBy, acts, enable } = await startTestRules(database, [MONTH]);

const once = { retries: { program: 0 } };
const FLOWS = [
  { id: 'Load', ...once, kind: 'interface' },
  { id: 'Merge', ...once, after: ['Load'] },
  { id: 'Fee', ...once, after: ['Load'], key: true },
  { id: 'Sum', after: ['Merge'] },
  { id: 'Held', ...once },
];
const names = { en: 'once more', zh: '重试' };
const again = {
  id: 'again',
  names,
  on: 'cause',
  causes: ['interface_failed', 'upstream_failed'],
  do: 'retry',
  settleMs: 0,
  limits: { coolDownMs: 0 },
};
const define = async (rule: object): Promise<unknown> =>
  applyCatalogue(api.pool, catalogueText(FLOWS, { rules: [rule] }));

await define(again);
await openTestRun(api.pool);

const stateOf = async (flow: string): Promise<string> =>
  (await ann.get(`/runs/${MONTH}/flows/${flow}`)).body.state;
const newest = async (flow: string): Promise<Json> =>
  (await acts('again')).find((act) => act.flow === flow) ?? null;
const rerun = async (flow: string): Promise<void> => {
  const made = await ann.post(`/runs/${MONTH}/rerun-plans`, { flows: [flow], scope: 'only' });
  const applied = await ann.post(`/runs/${MONTH}/rerun-plans/${made.body.id}/apply`, { reason: 'mended' });
  expect(applied).toMatchObject({ status: 200 });
};

test('a rule that nobody enabled says what it would do', async () => {
  await work(['Load', 'Held']);
  expect(await redoneBy(look)).toEqual([]);
  expect(await newest('Load')).toMatchObject({
    kind: 'failed',
    state: 'reported',
    code: 'not_enabled',
    members: 1,
  });
});

test('a flow that failed is run once more, alone, under the name of the rule; what waits below goes on', async () => {
  await enable('again');
  expect(await redoneBy(() => rerun('Load'), ['Load'])).toEqual(['Load']);
  expect(await redoneBy(look)).toEqual(['Load']);
  expect(await stateOf('Sum')).toBe('succeeded');
  const act = await newest('Load');
  expect(act).toMatchObject({ state: 'applied', depth: 1, runs: [{ run: MONTH, redone: 1 }] });
  const plan = await ann.get(`/runs/${MONTH}/rerun-plans/${act.plan.id}`);
  expect(plan.body).toMatchObject({ actor: 'rule:again', scope: 'only', keepWaives: true });
});

test('one that fails again and again is left to a person at its limit, and says so', async () => {
  expect(await redoneBy(() => rerun('Merge'), ['Merge'])).toEqual(['Merge']);
  for (let i = 0; i < 2; i++) expect(await redoneBy(look, ['Merge'])).toEqual(['Merge']);
  for (let i = 0; i < 3; i++) expect(await redoneBy(look, ['Merge'])).toEqual([]);
  const act = await newest('Merge');
  expect(act).toMatchObject({ state: 'requested', code: 'flow_limit', depth: 1 });
  expect((await ann.get(`/runs/${MONTH}/flows/Merge/why`)).body).toMatchObject({
    rules: [{ run: MONTH, flow: 'Merge', rule: 'again', act: act.id, state: 'requested' }],
  });
  expect(await kim.post(`/rule-acts/${act.id}/approve`, { reason: 'mended' })).toMatchObject({ status: 200 });
  expect(await redoneBy(look)).toEqual(['Merge']);
  expect(await stateOf('Merge')).toBe('succeeded');
});

test('a key flow asks a person; flows that failed with it do not wait for that', async () => {
  await rerun('Fee');
  await rerun('Held');
  expect(await redoneBy(async () => {}, ['Fee', 'Held'])).toEqual([]);
  expect(await redoneBy(look)).toEqual(['Held']);
  expect(await newest('Fee')).toMatchObject({
    state: 'requested',
    code: 'key_flows',
    keyFlows: [`${MONTH} Fee`],
  });
});

test('what a person has mended before it lasted long enough is let alone; until then why of what waits says when', async () => {
  await define({ ...again, settleMs: 60_000 });
  await enable('again');
  const all = async (): Promise<void> => {
    const made = await ann.post(`/runs/${MONTH}/rerun-plans`, { flows: ['Merge'], scope: 'downstream' });
    await ann.post(`/runs/${MONTH}/rerun-plans/${made.body.id}/apply`, { reason: 'late rows' });
  };
  expect(await redoneBy(all, ['Merge'])).toEqual(['Merge', 'Sum']);
  await look();
  const act = await newest('Merge');
  expect(act).toMatchObject({ state: 'gathering', code: 'lasting', dueAt: act.at + 60_000 });
  expect((await ann.get(`/runs/${MONTH}/flows/Sum/why`)).body).toMatchObject({
    causes: [{ flow: 'Merge', code: 'upstream_failed' }],
    rules: [{ flow: 'Merge', rule: 'again', at: act.at + 60_000 }],
  });
  await redoneBy(() => rerun('Merge'));
  await ann.post(`/rule-acts/${act.id}/now`, { reason: 'look now' });
  expect(await redoneBy(look)).toEqual([]);
  expect(await newest('Merge')).toMatchObject({ state: 'covered', code: 'not_failed' });
});

test('what it would have done is said from the record', async () => {
  const { body } = await ann.get('/rules/again/try?days=1');
  const ofMerge = body.items.filter((it: Json) => it.roots[0].startsWith(`${MONTH} Merge `));
  expect(ofMerge.map((it: Json) => it.code)).toEqual([
    'not_failed',
    'not_failed',
    'not_failed',
    'not_failed',
  ]);
  await define(again);
  const again0 = (await ann.get('/rules/again/try?days=1')).body.items;
  expect(again0.filter((it: Json) => it.roots[0].startsWith(`${MONTH} Merge `))).toMatchObject([
    { state: 'applied', members: 1 },
    { state: 'applied', members: 1 },
    { state: 'requested', code: 'flow_limit' },
    { state: 'requested', code: 'flow_limit' },
  ]);
});

test('only failures of the kinds that the rule names', async () => {
  await define({ ...again, failures: ['infrastructure'] });
  await enable('again');
  const before = await acts('again');
  expect(await redoneBy(() => rerun('Held'), ['Held'])).toEqual(['Held']);
  expect(await redoneBy(look)).toEqual([]);
  expect(await acts('again')).toEqual(before);
});

test('a closed run stays as it is: a person is asked, and the approval reopens it', async () => {
  await define(again);
  await enable('again');
  expect(await redoneBy(() => rerun('Held'), ['Held'])).toEqual(['Held']);
  expect(await ann.post(`/runs/${MONTH}/close`, { reason: 'cutover' })).toMatchObject({ status: 200 });
  expect(await redoneBy(look)).toEqual([]);
  expect(await newest('Held')).toMatchObject({
    state: 'requested',
    code: 'left_out',
    leftOut: [{ run: MONTH, code: 'run_closed' }],
  });
  const { id } = await newest('Held');
  const lone = await api.actor({ name: 'lone', kind: 'person', roles: ['key'] });
  expect(await lone.post(`/rule-acts/${id}/approve`, { reason: 'late' })).toMatchObject({
    status: 403,
    body: { detail: expect.stringContaining('the approval reopens month-2026-10') },
  });
  expect(await kim.post(`/rule-acts/${id}/approve`, { reason: 'late' })).toMatchObject({ status: 200 });
  expect(await redoneBy(look)).toEqual(['Held']);
  expect(await newest('Held')).toMatchObject({ state: 'applied', approvedBy: 'kim' });
  expect((await ann.get('/audit?actor=kim')).body.items).toContainEqual(
    expect.objectContaining({ verb: 'reopen', run: MONTH, reason: 'late' }),
  );
  expect(warned).toEqual([]);
});
