import { expect, test } from 'vitest';
import { restoreState } from '../../../graph/run/restore.ts';
import { readWhyFacts } from '../../../store/history/history.ts';
import { nothingKept } from '../../../store/record/run-context.ts';
import { loadRun } from '../../../store/record/run-state.ts';
import { type Json, startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';
import { playAgent } from '../../support/play.ts';

const database = await createTestDatabase('answers');
const api = await startTestApi(database);
const operator = await api.actor({ name: 'wang', kind: 'person', roles: ['operator', 'region', 'key'] });

const FLOWS = [
  {
    id: 'Gate',
    kind: 'gate',
    person: { role: 'region' },
    names: { en: 'Region gate', zh: '区域确认' },
    owner: 'li',
  },
  { id: 'Load', after: ['Gate'], owner: 'zhang' },
  { id: 'Sum', after: ['Load'], key: true },
  { id: 'Other' },
  { id: 'Report', after: ['Sum', 'Other'], trigger: 'manual' },
];
await applyCatalogue(api.pool, catalogueText(FLOWS));
let year = 2000;

/** A run of a month of its own, decided up to now. */
async function freshRun(): Promise<string> {
  await api.pool.query(
    "update runs set state = 'closed'; delete from outbox; delete from leases; delete from locks; delete from agents",
  );
  const run = await openTestRun(api.pool, `${++year}-10`);
  await api.coordinator!.settled(run);
  return run;
}

const codes = (causes: Json[]): string[] => causes.map((cause) => `${cause.flow} ${cause.code}`);

async function whyOf(run: string, flow: string): Promise<Json> {
  const { status, body } = await operator.get(`/runs/${run}/flows/${flow}/why`);
  expect({ status, body }).toMatchObject({ status: 200 });
  return body;
}

async function verb(run: string, name: string, flows: string[], rest: object = {}): Promise<void> {
  const body = { flows, reason: 'test', ...rest };
  const answer = await operator.post(`/runs/${run}/${name}`, body, {
    'idempotency-key': `${run}-${name}-${flows}`,
  });
  expect(answer).toMatchObject({ status: 200, body: { state: 'applied' } });
}

test('why names the final causes of a flow with chain, owner, blocked flows and the command that helps', async () => {
  const run = await freshRun();
  const why = await whyOf(run, 'Report');
  expect(why).toMatchObject({ run, flow: 'Report', state: 'not_triggered', nextCount: 1 });
  expect(codes(why.causes).sort()).toEqual(['Gate gate_unconfirmed', 'Other no_live_agent']);
  expect(codes(why.next)).toEqual(['Report not_triggered']);
  const gate = why.causes.find((json: Json) => json.flow === 'Gate');
  expect(gate).toMatchObject({
    chain: ['Report', 'Sum', 'Load', 'Gate'],
    owner: 'li',
    by: 'region',
    blocks: 3,
    state: 'waiting_person',
    remedy: { verb: 'confirm', command: `sluice confirm Gate --run ${run}` },
  });
  expect(gate.text.en).toMatch(/^Gate \(Region gate\) is not confirmed by role region for \d/);
  expect(gate.text.zh).toMatch(/^Gate（区域确认）等待角色 region 确认/);
  expect(why.blockers.map((json: Json) => json.code).sort()).toEqual([
    'not_triggered',
    'upstream',
    'upstream',
  ]);
});

test('why for the whole run gives every open flow its first cause, and every cause the flows it blocks', async () => {
  const run = await freshRun();
  await verb(run, 'hold', ['Other']);
  const { status, body } = await operator.get(`/runs/${run}/why?limit=3`);
  expect(status).toBe(200);
  expect(body).toMatchObject({ run, open: 5, causeCount: 3 });
  // No agent is there, so the held flow would not run either when it is no longer held.
  expect(codes(body.causes).sort()).toEqual(['Gate gate_unconfirmed', 'Other held', 'Other no_live_agent']);
  expect(body.items).toHaveLength(3);
  const rest = await operator.get(`/runs/${run}/why?limit=3&cursor=${body.nextCursor}`);
  const lines = [...body.items, ...rest.body.items];
  expect(rest.body.nextCursor).toBeNull();
  expect(new Map(lines.map((json: Json) => [json.flow, json.causes]))).toEqual(
    new Map([
      ['Gate', 1],
      ['Other', 2],
      ['Load', 1],
      ['Sum', 1],
      ['Report', 3],
    ]),
  );
  for (const line of lines) {
    const one = await whyOf(run, line.flow);
    expect([line.causes, line.first]).toEqual([
      one.causeCount,
      { flow: one.causes[0].flow, code: one.causes[0].code },
    ]);
  }
});

test('why follows an attempt from the outbox to its failure, each with the agent', async () => {
  const run = await freshRun();
  const agent = await playAgent(api.pool, 'a1', { slots: 1 });
  expect(codes((await whyOf(run, 'Other')).causes)).toEqual(['Other waiting_agent']);
  const tasks = await agent.claim();
  expect((await whyOf(run, 'Other')).causes[0]).toMatchObject({ code: 'sent_to_agent', by: 'a1' });
  await verb(run, 'confirm', ['Gate']);
  await api.coordinator!.settled(run);
  expect((await whyOf(run, 'Sum')).causes[0]).toMatchObject({ flow: 'Load', code: 'no_free_slot', by: 'a1' });
  await operator.post(`/runs/${run}/pause`, { reason: 'disk full' }, { 'idempotency-key': `p-${run}` });
  const paused = await whyOf(run, 'Sum');
  expect(codes(paused.causes).sort()).toEqual(['Load no_free_slot', 'Load paused']);
  expect(paused.causes.find((json: Json) => json.code === 'paused')).toMatchObject({
    reason: 'disk full',
    remedy: { verb: 'resume', command: `sluice run resume ${run}` },
  });
  await agent.start(tasks);
  expect((await whyOf(run, 'Report')).causes[0]).toMatchObject({ flow: 'Load' });
  expect((await whyOf(run, 'Other')).causes[0]).toMatchObject({ code: 'upstream_running', by: 'a1' });
  await agent.end(tasks, { outcome: 'failed', failure: 'program', message: 'no rows\nin source' });
  await api.coordinator!.settled(run);
  const failed = (await whyOf(run, 'Other')).causes[0];
  expect(failed).toMatchObject({
    code: 'upstream_failed',
    reason: 'no rows\nin source',
    remedy: { verb: 'rerun', procedure: 'P26' },
  });
  expect(failed.text.en).toMatch(/^Other failed \d+ s ago: no rows\.$/);
});

test('what is done answers that it has run, with its state', async () => {
  const run = await freshRun();
  await verb(run, 'force-pass', ['Other'], { evidence: 'seen' });
  expect((await whyOf(run, 'Other')).causes).toMatchObject([
    { code: 'already_ran', by: 'force_passed', chain: ['Other'] },
  ]);
});

test('what does not exist is answered too: flow, run, retired flow; only an id that can be no run is a mistake', async () => {
  const run = await freshRun();
  const typo = await whyOf(run, 'Laod');
  expect(typo).toMatchObject({ state: null, near: ['Load'], causes: [{ code: 'not_in_catalogue' }] });
  expect(typo.text.en).toBe('Laod is not in the catalogue; did you mean Load?');
  const absent = await whyOf('month-2031-01', 'Load');
  expect(absent.causes).toMatchObject([
    { flow: null, code: 'run_not_opened', remedy: { command: 'sluice run open 2031-01 --cycle month' } },
  ]);
  const whole = await operator.get('/runs/month-2031-01/why');
  expect(whole).toMatchObject({ status: 200, body: { open: 0, causes: [{ code: 'run_not_opened' }] } });
  const nonsense = await operator.get('/runs/yesterday/flows/Load/why');
  expect(nonsense).toMatchObject({ status: 404, body: { code: 'unknown_run' } });
  await verb(run, 'retire', ['Load']);
  expect((await whyOf(run, 'Load')).causes).toMatchObject([{ code: 'retired', by: 'wang', reason: 'test' }]);
  expect((await whyOf(run, 'Sum')).causes).toMatchObject([
    {
      flow: 'Load',
      code: 'retired',
      remedy: { verb: 'waive', command: `sluice waive Load Sum --run ${run} --reason "..."` },
    },
  ]);
});

test('a flow that only other catalogue versions have says so', async () => {
  const run = await freshRun();
  await applyCatalogue(
    api.pool,
    catalogueText([...FLOWS, { id: 'Newcomer' }, { id: 'Daily', cycle: 'day' }]),
  );
  expect((await whyOf(run, 'Newcomer')).causes).toMatchObject([{ code: 'not_in_run' }]);
  const later = await freshRun();
  expect((await whyOf(later, 'Daily')).causes).toMatchObject([
    { code: 'not_in_run', reason: 'it belongs to the day runs' },
  ]);
  await applyCatalogue(api.pool, catalogueText([...FLOWS]).replace('Region gate', 'Region gate '));
  const last = await freshRun();
  expect((await whyOf(last, 'Newcomer')).causes).toMatchObject([{ code: 'retired' }]);
});

test('the critical path of a real run adds up: gate, runs, a failed attempt and its rerun', async () => {
  const run = await freshRun();
  const agent = await playAgent(api.pool, 'a2');
  const work = async (flow: string, how: object = {}) => {
    await api.coordinator!.settled(run);
    const tasks = (await agent.claim()).filter((task) => task.flow === flow);
    expect(tasks).toHaveLength(1);
    await agent.start(tasks);
    await new Promise((resolve) => setTimeout(resolve, 5));
    await agent.end(tasks, how);
    await api.coordinator!.settled(run);
  };
  await work('Other');
  const live = await operator.get(`/runs/${run}/critical-path?target=Report`);
  expect(live.body).toMatchObject({
    endedAt: null,
    unattributed: 0,
    flows: ['Gate', 'Load', 'Sum', 'Report'],
  });
  expect(live.body.pieces.at(-1)).toMatchObject({ flow: 'Gate', kind: 'waiting_person' });
  await verb(run, 'confirm', ['Gate']);
  await work('Load', { outcome: 'failed', failure: 'program', message: 'no rows' });
  const plan = await operator.post(`/runs/${run}/rerun-plans`, { flows: ['Load'], scope: 'downstream' });
  const applied = await operator.post(
    `/runs/${run}/rerun-plans/${plan.body.id}/apply`,
    { reason: 'fixed' },
    { 'idempotency-key': `r-${run}` },
  );
  expect(applied).toMatchObject({ status: 200, body: { state: 'applied' } });
  await work('Load');
  await work('Sum');
  await verb(run, 'trigger', ['Report']);
  await work('Report');
  const { body: path } = await operator.get(`/runs/${run}/critical-path`);
  expect(path).toMatchObject({ target: 'Report', unattributed: 0, flows: ['Gate', 'Load', 'Sum', 'Report'] });
  expect(path.total).toBe(path.endedAt - path.openedAt);
  let at = path.openedAt;
  for (const piece of path.pieces) {
    expect(piece.from).toBe(at);
    at = piece.to;
  }
  expect(at).toBe(path.endedAt);
  const kinds = path.pieces.map((json: Json) => `${json.flow} ${json.kind}`);
  for (const piece of [
    'Gate waiting_person',
    'Load failed_attempt',
    'Load rework',
    'Load run',
    'Sum run',
    'Report run',
  ])
    expect(kinds).toContain(piece);
  expect(await operator.get(`/runs/${run}/critical-path?target=Nobody`)).toMatchObject({ status: 404 });
});

test('the state that answers are computed on is the one that the coordinator would load, also when it is brought up to date', async () => {
  const run = await freshRun();
  const context = await api.deps.contextOf(run);
  await readWhyFacts(api.pool, context, api.deps);
  const agent = await playAgent(api.pool, 'a3');
  await agent.start(await agent.claim());
  await verb(run, 'hold', ['Load']);
  await verb(run, 'confirm', ['Gate']);
  await operator.post(
    `/runs/${run}/waive`,
    { edges: [{ from: 'Load', to: 'Sum' }], reason: 'test' },
    { 'idempotency-key': `w-${run}` },
  );
  await api.coordinator!.settled(run);
  // Brought up to date by the exchanges since, and read as a whole.
  const kept = await readWhyFacts(api.pool, context, api.deps);
  const whole = await readWhyFacts(api.pool, { ...context, kept: nothingKept() }, api.deps);
  const loaded = restoreState(context.graph, (await loadRun(api.pool, context, 0)).stored);
  expect({ ...kept.state, moments: [] }).toEqual({ ...loaded, moments: [] });
  expect(whole.state).toEqual(kept.state);
  for (const name of ['generationAt', 'triggeredAt', 'releasedAt', 'resultAt', 'deadline'] as const)
    expect([name, kept.facts[name]]).toEqual([name, whole.facts[name]]);
  expect((await readWhyFacts(api.pool, context, api.deps)).state).toEqual(kept.state);
});
