/** Q04, Q05, Q27 and Q36 over a day and a month that wait for each other. */
import { expect, test } from 'vitest';
import { type Json, startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';
import { playAgent } from '../../support/play.ts';

const database = await createTestDatabase('queries_impact');
const api = await startTestApi(database);
const reader = await api.actor({ name: 'zhao', kind: 'person', roles: ['analyst'] });
const ann = await api.actor({ name: 'ann', kind: 'person', roles: ['operator', 'key'] });
const agent = await playAgent(api.pool, 'a1');

await applyCatalogue(
  api.pool,
  catalogueText([
    { id: 'IF', kind: 'interface', cycle: 'day', interface: { no: '04113' }, key: true },
    { id: 'SRC', cycle: 'day', after: ['IF'], layer: 'DWD', writes: ['DWD.SRC'] },
    { id: 'A', after: [{ flow: 'SRC', period: 'lastDayOfMonth' }], reads: ['DWD.SRC'], writes: ['DWA.A'] },
    { id: 'B', after: ['A'] },
    { id: 'C', after: ['A', 'B'], key: true, deadline: '+1 month, day 1, 23:59' },
    { id: 'D', after: ['C'] },
    { id: 'ALONE', aliases: ['LONELY'] },
  ]),
);
const day = await openTestRun(api.pool, '2001-01-31', 'day');
const month = await openTestRun(api.pool, '2001-01');

async function does(...ids: string[]): Promise<void> {
  for (const id of ids) {
    for (const run of [day, month, day]) await api.coordinator!.settled(run);
    const tasks = (await agent.claim()).filter((task) => task.flow === id);
    expect(tasks).toHaveLength(1);
    await agent.start(tasks);
    await agent.end(tasks);
  }
  for (const run of [day, month]) await api.coordinator!.settled(run);
}
await does('IF', 'SRC', 'A');

async function ask(query: string): Promise<Json> {
  const { status, body } = await reader.get(`/queries/${query}`);
  expect({ status, body }).toMatchObject({ status: 200 });
  return body;
}
const texts = (items: Json): string[] => items.map((json: Json) => `${json.flowId} ${json.effect.en}`);

test('Q04: everything below, over cycles, nearest first, with the shortest way and the state', async () => {
  const { items, about } = await ask('Q04?flows=SRC');
  expect(about).toEqual({ flows: 'SRC', catalogue: '1' });
  expect(items.map((json: Json) => [json.flowId, json.depth, json.path.join('>'), json.run])).toEqual([
    ['A', 1, 'SRC>A', month],
    ['B', 2, 'SRC>A>B', month],
    ['C', 2, 'SRC>A>C', month],
    ['D', 3, 'SRC>A>C>D', month],
  ]);
  expect(items.map((json: Json) => json.state)).toEqual([
    'succeeded',
    'waiting_agent',
    'waiting_upstream',
    'waiting_upstream',
  ]);
  expect(items[2]).toMatchObject({ root: 'SRC', key: true, platform: 'yt', layer: 'UNSPECIFIED' });
  expect(
    (await ask('Q04?flows=SRC,C&depth=1')).items.map((json: Json) => `${json.root} ${json.flowId}`),
  ).toEqual(['SRC A', 'C D']);
});

test('Q05: everything above, interfaces as the last, with when they were finished', async () => {
  const { items } = await ask('Q05?flows=C');
  expect(items.map((json: Json) => [json.flowId, json.kind, json.depth])).toEqual([
    ['A', 'job', 1],
    ['B', 'job', 1],
    ['SRC', 'job', 2],
    ['IF', 'interface', 3],
  ]);
  const interfaceRow = items[3];
  const flow = await reader.get(`/runs/${day}/flows/IF`);
  expect(interfaceRow).toMatchObject({ state: 'succeeded', finishedAt: flow.body.resultAt, run: day });
  expect((await ask('Q05?flows=LONELY')).items).toEqual([]);
  expect(await reader.get('/queries/Q05?flows=NOBODY')).toMatchObject({
    status: 404,
    body: { code: 'unknown_flow' },
  });
});

test('Q27: a rerun redoes what has run and lets the rest wait, as its plan does', async () => {
  const { items, about } = await ask('Q27?verb=rerun&flows=A');
  expect(about).toEqual({ verb: 'rerun', run: month });
  expect(texts(items)).toEqual(['A done again', 'B waits for it', 'C waits for it', 'D waits for it']);
  expect(items.map((json: Json) => json.order)).toEqual([1, 2, 3, 4]);
  expect(items[2]).toMatchObject({ key: true, deadline: Date.parse('2001-02-01T23:59:00+08:00') });
  // A rerun is what is meant without a verb.
  expect((await ask('Q27?flows=A')).items).toEqual(items);
  const plan = await ann.post(`/runs/${month}/rerun-plans`, { flows: ['A'] });
  expect(plan.body.members.map((json: Json) => json.flow)).toEqual(items.map((json: Json) => json.flowId));
});

test('Q27: a forced pass frees what waited for it alone and taints the rest; nothing is changed by asking', async () => {
  const { items } = await ask('Q27?verb=force-pass&flows=B');
  expect(texts(items)).toEqual([
    'B force-passed',
    'C starts at once',
    'D waits on; its result will be tainted',
  ]);
  const real = await ann.post(`/runs/${month}/force-pass`, {
    flows: ['B'],
    reason: 'r',
    evidence: 'e',
    dryRun: true,
  });
  expect(real.body.freed).toEqual(['C']);
  expect(texts((await ask('Q27?verb=force-pass&flows=A')).items)).toContain('A refused: wrong_state');
  expect((await reader.get(`/runs/${month}/flows/B`)).body.state).toBe('waiting_agent');
});

test('Q27: a retirement blocks what waits for it, and what is below that', async () => {
  const { items } = await ask(`Q27?verb=retire&flows=B&run=${month}`);
  expect(texts(items)).toEqual([
    'B leaves the run',
    'C blocked: its dependency is invalid',
    'D waits for what is blocked',
  ]);
  expect(await reader.get('/queries/Q27?verb=hold&flows=B')).toMatchObject({ status: 400 });
});

test('Q27 names what runs now', async () => {
  const tasks = (await agent.claim()).filter((task) => task.flow === 'B');
  await agent.start(tasks);
  await api.coordinator!.settled(month);
  const { items } = await ask('Q27?verb=rerun&flows=A');
  expect(items.map((json: Json) => json.conflict)).toEqual([null, 'running', null, null]);
});

test('Q36 lists the sheet, with what stands against a retirement', async () => {
  const { items } = await ask('Q36?flow=A');
  const lines = items.map((json: Json) => `${json.part.en}: ${json.item}${json.obstacle ? ' !' : ''}`);
  for (const line of [
    'reads: DWD.SRC',
    'writes: DWA.A',
    'waits for: SRC',
    'would wait for ever: B !',
    'would wait for ever: C !',
    'everything below: 3',
    'key flow below: C',
    `last run: ${month}`,
    `open run: ${month}`,
  ])
    expect(lines).toContain(line);
  expect(items.find((json: Json) => json.item === 'DWD.SRC').detail).toBe('SRC');
  // Nobody waits for it, but an agent has it.
  const alone = (await ask('Q36?flow=ALONE')).items.filter((json: Json) => json.obstacle);
  expect(alone.map((json: Json) => `${json.part.en}: ${json.item} ${json.detail}`)).toEqual([
    `open run: ${month} sent_to_agent`,
  ]);
});
