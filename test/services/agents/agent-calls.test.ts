import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { type Caller, callerOf, startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';

const database = await createTestDatabase('agent_calls');
const api = await startTestApi(database);
await applyCatalogue(
  api.pool,
  catalogueText([
    { id: 'A' },
    { id: 'B', after: ['A'] },
    { id: 'C' },
    { id: 'D' },
    { id: 'X', platform: 'mpp' },
  ]),
);
const ann = await api.actor({ name: 'ann', kind: 'person', roles: ['operator'] });

let month = 0;
let before: string | undefined;
const freshRun = async () => {
  // What the run before still had to do must not meet this one's agents.
  if (before !== undefined) await api.coordinator!.settled(before);
  await api.pool.query("update runs set state = 'closed'; delete from outbox; delete from leases");
  const run = await openTestRun(api.pool, `${2000 + ++month}-01`);
  before = run;
  await api.coordinator!.settled(run);
  return run;
};

interface TestAgent extends Caller {
  readonly name: string;
  readonly instance: string;
  call(operation: string, body?: object): ReturnType<Caller['post']>;
  claim(
    free?: number,
    waitMs?: number,
    claimId?: string,
  ): Promise<{ flow: string; epoch: number; run: string; generation: number; attempt: number }[]>;
}

let count = 0;
async function agent(platform = 'yt', slots = 10): Promise<TestAgent> {
  const name = `agent-${++count}`;
  const caller = await api.actor({ name, kind: 'agent' });
  const instance = randomUUID();
  const call = (operation: string, body: object = {}) =>
    caller.post(`/agents/${name}/${operation}`, { instance, ...body });
  const hello = await call('hello', { lockToken: randomUUID(), platform, slots, version: '1', protocol: 2 });
  const record = expect.stringMatching(/^[0-9a-f-]{36}$/);
  expect(hello.body).toEqual({ leaseMs: 60_000, heartbeatMs: 10_000, orphanMs: 1_800_000, record });
  return {
    ...caller,
    name,
    instance,
    call,
    async claim(free = slots, waitMs = 0, claimId: string = randomUUID()) {
      const answer = await call('claim', { claimId, platform, free, waitMs });
      expect(answer.status).toBe(200);
      return answer.body.tasks.map((task: { lease: object }) => task.lease);
    },
  };
}

test('an agent claims, starts and completes; the answer of a repeated call is the same', async () => {
  const run = await freshRun();
  const a = await agent();
  const claimId = randomUUID();
  const leases = await a.claim(10, 0, claimId);
  expect(leases.map((lease) => lease.flow).sort()).toEqual(['A', 'C', 'D']);
  expect(await a.claim(10, 0, claimId)).toEqual(leases);
  expect((await ann.get(`/runs/${run}/flows/A`)).body).toMatchObject({
    state: 'sent_to_agent',
    agent: a.name,
  });

  const started = await a.call('started', {
    requestId: randomUUID(),
    leases: leases.map(({ epoch }) => ({ epoch })),
  });
  expect(started.body).toEqual({ ok: leases.map((lease) => lease.epoch), refused: [], stop: [] });
  expect((await ann.get(`/runs/${run}/flows/A`)).body.state).toBe('running');

  const requestId = randomUUID();
  const results = leases.map((lease) => ({ ...lease, ending: { outcome: 'succeeded', rows: 3 } }));
  const done = await a.call('complete', { requestId, results });
  expect(done.body).toEqual({ accepted: leases.map((lease) => lease.epoch), stale: [], stop: [] });
  expect((await a.call('complete', { requestId, results })).body).toEqual(done.body);
  expect((await a.call('complete', { requestId: randomUUID(), results })).body).toMatchObject({
    accepted: [],
  });

  const attempts = await ann.get(`/runs/${run}/flows/A/attempts`);
  expect(attempts.body.items).toMatchObject([{ n: 1, outcome: 'succeeded', rows: 3, agent: a.name }]);
});

test('a waiting claim is answered as soon as something is released', { timeout: 50_000 }, async () => {
  const run = await freshRun();
  const a = await agent();
  await ann.post(`/runs/${run}/hold`, { flows: ['A', 'C', 'D'], reason: 'later' });
  // The longest that a claim may wait: when nothing wakes it, it is beyond the time-out.
  const waiting = a.claim(10, 60_000);
  await ann.post(`/runs/${run}/unhold`, { flows: ['C'] });
  expect((await waiting).map((entry) => entry.flow)).toEqual(['C']);
});

test('a claim with nothing to do answers empty when its time is over', async () => {
  await freshRun();
  const a = await agent('elsewhere');
  const since = performance.now();
  expect(await a.claim(10, 300)).toEqual([]);
  expect(performance.now() - since).toBeGreaterThan(290);
});

test('a cancel reaches the agent with the claim that waits, and a refused start says why', async () => {
  const run = await freshRun();
  const a = await agent();
  const leases = await a.claim(10);
  const c = leases.find((lease) => lease.flow === 'C')!;
  await a.call('started', { requestId: randomUUID(), leases: [{ epoch: c.epoch }] });
  const waiting = a.call('claim', { claimId: randomUUID(), platform: 'yt', free: 5, waitMs: 20_000 });
  expect((await ann.post(`/runs/${run}/cancel`, { flows: ['C', 'D'], reason: 'wrong data' })).status).toBe(
    200,
  );
  const d = leases.find((lease) => lease.flow === 'D')!;
  expect((await waiting).body).toEqual({ tasks: [], stop: [c.epoch, d.epoch].sort((x, y) => x - y) });
  const started = await a.call('started', {
    requestId: randomUUID(),
    leases: [{ epoch: d.epoch }, { epoch: 999_999 }],
  });
  expect(started.body).toMatchObject({
    ok: [],
    refused: [
      { epoch: d.epoch, code: 'stopping' },
      { epoch: 999_999, code: 'stale_lease' },
    ],
  });
  const ended = { ...c, ending: { outcome: 'cancelled', effect: false } };
  await a.call('complete', { requestId: randomUUID(), results: [ended] });
  await api.coordinator!.settled(run);
  expect((await ann.get(`/runs/${run}/flows/C`)).body.state).toBe('cancelled');
});

test('many agents at once: each flow goes to one of them', async () => {
  const run = await freshRun();
  const agents = await Promise.all(Array.from({ length: 12 }, () => agent()));
  const claimed = (await Promise.all(agents.map((other) => other.claim(2)))).flat();
  expect(claimed.map((entry) => entry.flow).sort()).toEqual(['A', 'C', 'D']);
  expect(claimed.every((entry) => entry.run === run)).toBe(true);
});

test('an agent speaks for itself only, and does nothing that people do', async () => {
  const run = await freshRun();
  const a = await agent();
  const b = await agent();
  const foreign = await callerOf(api.app, a.token).post(`/agents/${b.name}/heartbeat`, {
    instance: a.instance,
    leases: [],
  });
  expect(foreign).toMatchObject({ status: 403, body: { code: 'forbidden' } });
  expect((await a.post(`/runs/${run}/hold`, { flows: ['A'], reason: 'r' })).status).toBe(403);
  expect((await a.get('/runs')).status).toBe(403);
  expect((await ann.post(`/agents/${a.name}/heartbeat`, { instance: a.instance, leases: [] })).status).toBe(
    403,
  );
});

test('of the runs that rows of fences name, an agent hears which have left the record and are not back', async () => {
  const run = await freshRun();
  const a = await agent();
  const runs = [run, 'month-1998-01', 'month-1998-02'];
  await api.pool.query(
    `insert into archived_runs (run_id, cycle, period, purpose, file, sha256, bytes, rows, opened_ms, archived_ms)
     select id, 'month', right(id, 7), 'scheduled', 'f', '', 0, '{}', 0, 0 from unnest($1::text[]) as x (id)`,
    [[run, 'month-1998-01']],
  );
  const answer = await a.call('heartbeat', { leases: [], fences: [], fenceRuns: runs });
  expect(answer.body).toEqual({ stop: [], unknown: [], force: [], archived: ['month-1998-01'] });
  expect((await a.call('heartbeat', { leases: [] })).body).toMatchObject({ archived: [] });
});

test('of a lost attempt whose statements commit by themselves the record says how far it had come', async () => {
  const run = await freshRun();
  const a = await agent();
  const leases = await a.claim();
  const { epoch } = leases.find((lease) => lease.flow === 'A')!;
  const started = leases.map((lease) => ({ epoch: lease.epoch }));
  await a.call('started', { requestId: randomUUID(), leases: started });
  const beat = { leases: leases.map((lease) => lease.epoch) };
  const said = 'statement 3 of 4 was reached: call load(2); 2 of 4 statements had finished';
  await a.call('heartbeat', { ...beat, reached: [{ epoch, said }] });
  await a.call('heartbeat', beat);
  await a.call('leave', { held: [] });
  const attempts = async (flow: string) => (await ann.get(`/runs/${run}/flows/${flow}`)).body.attempts;
  expect(await attempts('A')).toMatchObject([
    { outcome: 'lost', message: `when its agent was last heard, ${said}` },
  ]);
  expect(await attempts('C')).toMatchObject([{ outcome: 'lost', message: null }]);
});

test('another process with the name is refused while the first one lives', async () => {
  const a = await agent();
  const answer = await a.post(`/agents/${a.name}/hello`, {
    instance: randomUUID(),
    lockToken: randomUUID(),
    platform: 'yt',
    slots: 1,
    version: '1',
    protocol: 2,
  });
  expect(answer).toMatchObject({ status: 409, body: { code: 'agent_name_taken' } });
});

test('a process that leaves has its waiting claim answered and its name freed', async () => {
  await freshRun();
  const a = await agent('elsewhere');
  const waiting = a.call('claim', { claimId: randomUUID(), platform: 'elsewhere', free: 5, waitMs: 20_000 });
  // The claim has looked once and waits when the next call of the same agent is answered after it.
  await a.claim(1);
  await a.call('leave', { held: [] });
  expect((await waiting).body).toEqual({ tasks: [], stop: [] });
});

test('what an attempt writes is stored once, and by its own agent only', async () => {
  const run = await freshRun();
  const a = await agent();
  const b = await agent();
  const leases = await a.claim(10);
  const lease = leases.find((lease) => lease.flow === 'A')!;
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const chunk = { ...lease, offset: 0, data: base64('line one\n') };
  await a.call('logs', { chunks: [chunk] });
  await a.call('logs', { chunks: [chunk, { ...lease, offset: 9, data: base64('Zeile zwei äöü\n') }] });
  await b.call('logs', { chunks: [{ ...lease, offset: 27, data: base64('not mine') }] });
  const log = await ann.get(`/runs/${run}/flows/A/attempts/1/log`);
  expect(log).toMatchObject({ status: 200, body: 'line one\nZeile zwei äöü\n' });
  expect(await ann.get(`/runs/${run}/flows/A/attempts/2/log`)).toMatchObject({
    status: 404,
    body: { code: 'unknown_attempt' },
  });
});

test('a task carries the zone of its flow’s calendar, else that of China', async () => {
  const calendars = [
    { id: 'berlin', timeZone: 'Europe/Berlin' },
    { id: 'old', timeZone: 'Europe/Paris' },
  ];
  const flows = [{ id: 'Here' }, { id: 'There', calendar: 'berlin' }, { id: 'Old', calendar: 'old' }];
  const version = await applyCatalogue(api.pool, catalogueText(flows, { calendars }));
  // Versions stored before names were required may hold an offset.
  await api.pool.query(
    `update catalogue_versions set frame = replace(frame::text, 'Europe/Paris', '+08:00')::json where version = $1`,
    [version],
  );
  await freshRun();
  const a = await agent();
  const { body } = await a.call('claim', { claimId: randomUUID(), platform: 'yt', free: 10, waitMs: 0 });
  const tasks: { lease: { flow: string }; timeZone: string }[] = body.tasks;
  expect(Object.fromEntries(tasks.map((task) => [task.lease.flow, task.timeZone]))).toEqual({
    Here: 'Asia/Shanghai',
    There: 'Europe/Berlin',
    Old: '<+0800>-08:00',
  });
});
