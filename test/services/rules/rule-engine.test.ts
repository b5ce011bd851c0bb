/** Rules that act: what was corrected or redone upstream is carried downstream by itself, once, within its limits, and with a person for key flows. */
import { expect, test } from 'vitest';
import { RuleEngine } from '../../../services/rules/rule-engine.ts';
import type { Json } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';
import { startTestRules } from '../../support/rules.ts';

const database = await createTestDatabase('rule_engine');
const DAY = 'day-2026-10-31';
const MONTH = 'month-2026-10';
const { api, ann, kim, engine, warned, look, work, redoneBy, acts, enable, correct } = await startTestRules(
  database,
  [DAY, MONTH],
);

/** Days load and merge, the month adds them up; the fee is a key flow, the report is only ordered after it. */
const FLOWS = [
  { id: 'Load', cycle: 'day', reads: ['ods.src'], writes: ['ods.call'] },
  { id: 'Merge', cycle: 'day', after: ['Load'], reads: ['ods.call'], writes: ['dwd.call'] },
  {
    id: 'Sum',
    after: [{ flow: 'Merge', period: 'lastDayOfMonth' }],
    reads: ['dwd.call', 'ods.rate'],
    writes: ['dwa.sum'],
  },
  { id: 'Fee', after: ['Sum'], reads: ['dwa.sum'], writes: ['dwa.fee'], key: true },
  { id: 'Report', after: ['Fee'], reads: ['dim.x'], writes: ['rep.x'] },
  { id: 'Lone', reads: ['lone.t'], writes: ['lone.u'] },
];
const names = { en: 'carry', zh: '传递' };
const RULES = [
  { id: 'carry', names, on: 'corrected', settleMs: 0, limits: { coolDownMs: 0, perFlowAndDay: 3 } },
  {
    id: 'follow',
    names,
    on: 'redone',
    where: { flows: ['Load'] },
    settleMs: 0,
    approval: 'never',
    limits: { coolDownMs: 0 },
  },
];
await applyCatalogue(api.pool, catalogueText(FLOWS, { rules: RULES }));
await openTestRun(api.pool, '2026-10-31', 'day');
await openTestRun(api.pool);

await work();

const actOf = async (rule: string, correction: string): Promise<Json> =>
  (await acts(rule)).find((act) => act.correction === correction);

test('a new rule only reports', async () => {
  const id = await correct('lone.t', '2026-10');
  expect(await redoneBy(look)).toEqual([]);
  expect(await actOf('carry', id)).toMatchObject({ state: 'reported', code: 'not_enabled', members: 1 });
  expect((await ann.get('/rules')).body).toMatchObject({
    paused: null,
    items: [
      { id: 'carry', mode: 'reports', enabledBy: null },
      { id: 'follow', mode: 'reports' },
    ],
  });
});

test('somebody with the role key enables it, nobody else', async () => {
  const body = { reason: 'agreed' };
  expect(await ann.post('/rules/carry/enable', body)).toMatchObject({ status: 403 });
  expect(await kim.post('/rules/cary/enable', body)).toMatchObject({
    status: 404,
    body: { code: 'unknown_rule', facts: { near: ['carry'] } },
  });
  expect(await kim.post('/rules/carry/enable', body)).toMatchObject({
    status: 200,
    body: { mode: 'acts', enabledBy: 'kim' },
  });
});

test('what was corrected is redone, once, under the name of the rule', async () => {
  const id = await correct('lone.t', '2026-10');
  expect(await redoneBy(look)).toEqual(['Lone']);
  expect(await redoneBy(look)).toEqual([]);
  const act = await actOf('carry', id);
  expect(act).toMatchObject({ state: 'applied', runs: [{ run: MONTH, redone: 1 }], keyFlows: [] });
  const { body } = await ann.get(`/operations/${act.operation}`);
  expect(body).toMatchObject({ actor: 'rule:carry', verb: 'rerun', state: 'applied' });
  const plan = await ann.get(`/runs/${act.plan.run}/rerun-plans/${act.plan.id}`);
  expect(plan.body).toMatchObject({ actor: 'rule:carry', scope: 'stale', correction: id });
  const audit = await ann.get('/audit?actor=rule:carry');
  expect(audit.body.items[0]).toMatchObject({ verb: 'rerun', outcome: 'applied', targets: ['Lone'] });
});

test('key flows ask a person with the role key; then everything is redone, the report is spared', async () => {
  const id = await correct('ods.src', '2026-10-31');
  expect(await redoneBy(look)).toEqual([]);
  const act = await actOf('carry', id);
  expect(act).toMatchObject({
    state: 'requested',
    code: 'key_flows',
    members: 4,
    keyFlows: [`${MONTH} Fee`],
  });
  expect(await redoneBy(look)).toEqual([]);
  expect((await ann.get(`/runs/${MONTH}/flows/Sum/why`)).body).toMatchObject({
    rules: [{ rule: 'carry', act: act.id, state: 'requested' }],
  });
  expect((await ann.get(`/runs/${MONTH}/flows/Report/why`)).body).toMatchObject({ rules: [] });
  const path = `/rule-acts/${act.id}/approve`;
  expect(await ann.post(path, { reason: 'x' })).toMatchObject({ status: 403 });
  expect(await kim.post(path, { reason: 'agreed' })).toMatchObject({
    status: 200,
    body: { approvedBy: 'kim' },
  });
  expect(await kim.post(path, { reason: 'again' })).toMatchObject({
    status: 409,
    body: { code: 'not_awaiting_approval' },
  });
  expect(await redoneBy(look)).toEqual(['Fee', 'Load', 'Merge', 'Sum']);
  expect(await actOf('carry', id)).toMatchObject({ state: 'applied', approvedBy: 'kim' });
});

test('what a person refuses is not done', async () => {
  const id = await correct('ods.rate', '2026-10');
  await look();
  const act = await actOf('carry', id);
  expect(await kim.post(`/rule-acts/${act.id}/refuse`, { reason: 'not now' })).toMatchObject({ status: 200 });
  expect(await redoneBy(look)).toEqual([]);
  expect(await actOf('carry', id)).toMatchObject({ state: 'refused', code: 'approval_refused' });
});

test('several corrections at once are one plan, each flow once', async () => {
  const first = await correct('lone.t', '2026-10');
  const second = await correct('lone.t', '2026-10');
  expect(await redoneBy(look)).toEqual(['Lone']);
  const [a, b] = [await actOf('carry', first), await actOf('carry', second)];
  expect([a.state, b.state].toSorted()).toEqual(['applied', 'merged']);
  expect([a.lead, b.lead]).toContain(a.state === 'applied' ? a.id : b.id);
});

test('a flow that was redone often enough today is left to a person', async () => {
  await correct('lone.t', '2026-10');
  expect(await redoneBy(look)).toEqual(['Lone']);
  const id = await correct('lone.t', '2026-10');
  expect(await redoneBy(look)).toEqual([]);
  expect(await actOf('carry', id)).toMatchObject({ state: 'requested', code: 'flow_limit' });
});

async function rerun(flow: string, scope: string): Promise<void> {
  const made = await ann.post(`/runs/${DAY}/rerun-plans`, { flows: [flow], scope });
  const path = `/runs/${DAY}/rerun-plans/${made.body.id}/apply`;
  expect(await ann.post(path, { reason: 'mended' })).toMatchObject({ status: 200 });
  await work();
}

test('a newer result is carried on, also one that a person asked for', async () => {
  await kim.post('/rules/follow/enable', { reason: 'agreed' });
  expect(await redoneBy(() => rerun('Load', 'only'))).toEqual(['Load']);
  expect(await redoneBy(look)).toEqual(['Fee', 'Merge', 'Sum']);
  expect((await acts('follow'))[0]).toMatchObject({ state: 'applied', run: DAY, flow: 'Load', depth: 1 });
});

test('what the plan of a person covers already triggers nothing', async () => {
  expect(await redoneBy(() => rerun('Load', 'downstream'))).toEqual([
    'Fee',
    'Load',
    'Merge',
    'Report',
    'Sum',
  ]);
  expect(await redoneBy(look)).toEqual([]);
  expect((await acts('follow'))[0]).toMatchObject({ state: 'covered', code: 'nothing_to_redo' });
});

test('while the rules are paused nothing is lost and nothing is done', async () => {
  expect(await ann.post('/rules/pause', { reason: 'cutover' })).toMatchObject({
    body: { paused: { by: 'ann' } },
  });
  const id = await correct('dim.x', '2026-10');
  expect(await redoneBy(look)).toEqual([]);
  expect(await actOf('carry', id)).toBeUndefined();
  expect(await ann.post('/rules/resume', { reason: 'x' })).toMatchObject({ status: 403 });
  expect(await kim.post('/rules/resume', { reason: 'over' })).toMatchObject({ body: { paused: null } });
  expect(await redoneBy(look)).toEqual(['Report']);
});

test('one process evaluates at a time; one that has lost its lease does nothing', async () => {
  const other = new RuleEngine(api.deps, () => {});
  const lost = (await engine.keepLease())!;
  expect(await other.keepLease()).toBeNull();
  await engine.leave();
  const taken = (await other.keepLease())!;
  expect(taken).toBe(lost + 1);
  const id = await correct('dim.x', '2026-10');
  await expect(engine.look(lost)).rejects.toThrow('another process evaluates the rules');
  expect(await actOf('carry', id)).toBeUndefined();
  expect(await redoneBy(() => other.look(taken))).toEqual(['Report']);
  await other.leave();
});

test('what a rule would have done in the last days is said from the record', async () => {
  const { body } = await ann.get('/rules/follow/try?days=1');
  expect(body.items.length).toBeGreaterThanOrEqual(2);
  const [first] = body.items.filter((it: Json) => it.members > 0);
  expect(first).toMatchObject({ state: 'applied', keyFlows: [`${MONTH} Fee`], roots: [`${DAY} Load 3`] });
  expect(first.runs).toEqual([
    { run: DAY, redone: 1 },
    { run: MONTH, redone: 2 },
  ]);
  expect((await ann.get('/rules/carry/try?days=1')).body.items.length).toBeGreaterThanOrEqual(5);
  expect(await ann.get('/rules/nothing/try')).toMatchObject({ status: 404 });
});

test('a closed run is asked about by itself while the others are redone; the approval reopens it', async () => {
  await applyCatalogue(
    api.pool,
    catalogueText(FLOWS, {
      rules: [{ ...RULES[0], approval: 'never', limits: { coolDownMs: 0, perFlowAndDay: 99 } }],
    }),
  );
  await enable('carry');
  expect(await ann.post(`/runs/${MONTH}/close`, { reason: 'the month is over' })).toMatchObject({
    status: 200,
  });
  const ids = [await correct('ods.src', '2026-10-31'), await correct('ods.src', '2026-10-31')];
  expect(await redoneBy(look)).toEqual(['Load', 'Merge']);
  const asking = async (): Promise<Json[]> =>
    (await acts('carry')).filter((act) => ids.includes(act.correction) && act.code === 'left_out');
  expect((await asking()).map(({ state }) => state).toSorted()).toEqual(['merged', 'requested']);
  const act = (await asking()).find(({ state }) => state === 'requested');
  expect(act).toMatchObject({ leftOut: [{ run: MONTH, code: 'run_closed' }] });
  expect(await redoneBy(look)).toEqual([]);
  await kim.post(`/rule-acts/${act.id}/approve`, { reason: 'late file' });
  await look();
  // Its key flow was not named when it was approved.
  expect((await acts('carry')).find(({ id }) => id === act.id)).toMatchObject({
    state: 'requested',
    code: 'key_flows_changed',
    keyFlows: [`${MONTH} Fee`],
  });
  await kim.post(`/rule-acts/${act.id}/approve`, { reason: 'late file' });
  expect(await redoneBy(look)).toEqual(['Fee', 'Sum']);
  expect(await redoneBy(look)).toEqual([]);
});

test('until it acts, why of a flow says which rule reruns it and when', async () => {
  const rules = RULES.map((rule) => ({ ...rule, settleMs: 60_000 }));
  await applyCatalogue(api.pool, catalogueText(FLOWS, { rules }));
  await kim.post('/rules/carry/enable', { reason: 'agreed' });
  const id = await correct('dim.x', '2026-10');
  expect(await redoneBy(look)).toEqual([]);
  const act = await actOf('carry', id);
  expect(act).toMatchObject({ state: 'gathering', code: 'settling', dueAt: act.at + 60_000 });
  const { rules: ahead } = (await ann.get(`/runs/${MONTH}/flows/Report/why`)).body;
  expect(ahead).toEqual([
    { run: MONTH, flow: 'Report', rule: 'carry', act: act.id, state: 'gathering', at: act.at + 60_000 },
  ]);
  await applyCatalogue(api.pool, catalogueText(FLOWS));
  await look();
  expect(await actOf('carry', id)).toMatchObject({ state: 'withdrawn' });
  expect((await ann.get(`/runs/${MONTH}/flows/Report/why`)).body).toMatchObject({ rules: [] });
});

test('what a person approved is planned once while the rule rests; said to be hurried, it is done with all that was merged', async () => {
  const calm = { id: 'calm', names, on: 'corrected', settleMs: 0, limits: { coolDownMs: 3_600_000 } };
  await applyCatalogue(api.pool, catalogueText(FLOWS, { rules: [calm] }));
  await kim.post('/rules/calm/enable', { reason: 'agreed' });
  const ids = [await correct('ods.src', '2026-10-31'), await correct('ods.src', '2026-10-31')];
  await look();
  await correct('lone.t', '2026-10');
  expect(await redoneBy(look)).toEqual(['Lone']);
  const both = async (): Promise<Json[]> => Promise.all(ids.map((id) => actOf('calm', id)));
  const lead = (await both()).find(({ state }) => state === 'requested');
  await kim.post(`/rule-acts/${lead.id}/approve`, { reason: 'agreed' });
  const plans = async (): Promise<number> =>
    (await api.pool.query(`select 1 from rerun_plans where actor = 'rule:calm'`)).rowCount!;
  const before = await plans();
  for (let i = 0; i < 3; i++) await look();
  expect((await both()).map(({ state }) => state).toSorted()).toEqual(['gathering', 'merged']);
  expect(await actOf('calm', lead.correction)).toMatchObject({ state: 'gathering', code: 'cool_down' });
  expect((await plans()) - before).toBe(1);
  await ann.post(`/rule-acts/${lead.id}/now`, { reason: 'it is urgent' });
  expect(await redoneBy(look)).toEqual(['Fee', 'Load', 'Merge', 'Sum']);
  expect((await both()).map(({ state }) => state).toSorted()).toEqual(['applied', 'merged']);
});

test('a changed rule only reports until it is enabled once more', async () => {
  const rules = RULES.map((rule) => ({ ...rule, limits: { coolDownMs: 0, perFlowAndDay: 9 } }));
  await applyCatalogue(api.pool, catalogueText(FLOWS, { rules }));
  expect((await ann.get('/rules/carry')).body).toMatchObject({ mode: 'reports', enabledBy: 'kim' });
  const id = await correct('dim.x', '2026-10');
  expect(await redoneBy(look)).toEqual([]);
  expect(await actOf('carry', id)).toMatchObject({ state: 'reported' });
  expect(warned).toEqual([]);
});
