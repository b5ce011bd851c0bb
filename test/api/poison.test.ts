/**
 * Text that the database refuses, or that is very long, in every column that takes text or JSON. The columns are those of the database
 * itself: a new one is either reached by the tour below, or stands in `CLOSED` with the reason why nobody's words get into it (protocol A5).
 */
import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { type Answer, type Caller, startTestApi } from '../support/api.ts';
import { createTestDatabase } from '../support/database.ts';
import { applyCatalogue, type ShortFlow } from '../support/estate.ts';
import { ask, outcomeOf } from '../support/play.ts';

/** Stands in every text that somebody gives, and is looked for in the columns. */
const MARK = 'MARK7';
/** Characters that often go wrong, and that the record keeps. */
const GOOD = `${MARK} 国\u{1F600}\uffff\u2028'"\\`;
const LONG = 100_000;
const DEPTH = 3_000;

/** Why no text that somebody gives gets into a column as it was given. */
const CLOSED: readonly (readonly [columns: RegExp, why: string])[] = [
  [/^agent_calls\.answer$/, 'epochs, ids of the catalogue and of the engine'],
  [/\.(run_id|id|operation_id|backfill_id|upstream_run|edge_run|runs)$/, 'ids that the engine makes'],
  [
    /\.(flow_id|edge_from|upstream_flow|roots|procedures)$|^backfill(s|_runs)\.flows$/,
    'ids of the catalogue, in letters, digits, dots and dashes',
  ],
  [
    /\.(schedule_id|event|targets|scope)$/,
    'ids of the catalogue or of the engine, and rights that an administrator gives',
  ],
  [
    /\.(platform|pools|locks)$|^(outbox|leases)\.labels$|^pools\.name$|^locks\.key$/,
    'ids of the catalogue: not-storable.test.ts',
  ],
  [
    /\.(actor|agent|name|ended_by|changed_by|created_by|opened_by|approved_by|applied_by|failover_to)$/,
    'names of actors: an administrator makes them',
  ],
  [/^actors\./, 'an administrator makes them'],
  [
    /\.(project|cycle|purpose|kind|state|mode|verb|phase|result|outcome|failure_kind|cause|code|decision|day_class)$/,
    'words of ours',
  ],
  [/\.(waits_code|containment|encoding)$/, 'one of a list that the contract of agents names'],
  [/\.(period|from_period|to_period)$/, 'digits and dashes'],
  [/\.(hash|body_hash|decisions_hash|sha256|work|together)$/, 'hashes and ids of ours'],
  [/\.idempotency_key$/, 'visible ASCII characters'],
  [/^(api_beats\.api|record_identity\.id|runs\.frozen|backfills\.trouble)$/, 'made by the engine'],
  [
    /^(exchanges\.(decisions|answer)|audit\.detail|catalogue_versions\.binds)$/,
    'ids, numbers and words of ours',
  ],
  [/^notices\.recipient$/, 'a role or an owner: an id of the catalogue'],
  [/^schedule_slots\.(en|zh)$/, 'sentences of ours about periods'],
  [/^archived_runs\./, 'written of a run that has gone: names of files and counts'],
  [/^expected_(times|learned)\./, 'flows and groups of the catalogue'],
  [
    /^rule_acts\.(detail|approved_keys|root|lead|run_of_plan|plan_id)$|\.(act_id|correction_id|rule_id|holder)$/,
    'ids of the catalogue and of the engine, and numbers',
  ],
  [/\.definition_hash$/, 'a hash of ours'],
  [/^corrections\.table_name$/, 'a table that flows of the catalogue read or write'],
  [/^migrations\.name$/, 'names of our own files'],
];

const database = await createTestDatabase('poison');
const api = await startTestApi(database);
const { pool } = api;
const coordinator = api.coordinator!;
const ann = await api.actor({ name: 'ann', kind: 'person', roles: ['operator', 'maintainer'] });
const bob = await api.actor({ name: 'bob', kind: 'person', roles: ['operator', 'key'] });
const bot = await api.actor({ name: 'bot', kind: 'agent' });

const NOOP = { platform: 'yt', program: { type: 'noop' } };
const yaml = (text: string, also: readonly ShortFlow[] = []): string =>
  JSON.stringify({
    schedules: [{ id: 'days', names: { en: text, zh: text }, cycle: 'day', at: '02:00' }],
    rules: [{ id: 'carry', names: { en: text, zh: text }, on: 'corrected' }],
    flows: [
      { id: 'A', names: { en: text, zh: text }, note: text, reads: ['ods.poison'], ...NOOP },
      {
        id: 'S',
        platform: 'yt',
        program: { type: 'shell', command: ['echo', text], env: { X: text } },
        parameters: { p: { value: text } },
      },
      { id: 'N', kind: 'notify', notice: { to: 'duty', en: text, zh: text } },
      { id: 'G', kind: 'gate', person: { role: 'key' } },
      { id: 'K', key: true, ...NOOP },
      { id: 'E', trigger: 'event', event: 'Landed', ...NOOP },
      { id: 'W', after: ['A'], ...NOOP },
      ...['L1', 'L2', 'L3'].map((id) => ({ id, ...NOOP })),
      ...also,
    ].map((flow) => ({ kind: 'job', cycle: 'month', names: { en: flow.id, zh: flow.id }, ...flow })),
  });

type Lease = Readonly<{ epoch: number; run: string; flow: string }>;
/** Of the agent's process; every request has an id with the mark. */
const instance = `${GOOD} ${randomUUID()}`;
const fresh = (): string => `${GOOD} ${randomUUID()}`;
const agent = (operation: string, body: object) =>
  bot.post(`/agents/bot/${operation}`, { instance, ...body });

async function claim(): Promise<Lease[]> {
  const claimed = await agent('claim', { claimId: fresh(), platform: 'yt', free: 50, waitMs: 0 });
  const leases = claimed.body.tasks.map((task: { lease: Lease }) => task.lease);
  if (leases.length > 0)
    await agent('started', {
      requestId: fresh(),
      leases: leases.map((lease: Lease) => ({ epoch: lease.epoch })),
    });
  return leases;
}

/** Everything by which people and agents give words, with `text` in each, in a run of its own. Answers the run and each call's answer. */
async function tour(text: string, period: string, payload: object) {
  const run = `month-${period}`;
  const reason = text;
  const answers: [what: string, answer: Answer][] = [];
  const call = async (who: Caller, path: string, body: object): Promise<Answer> => {
    const answer = await who.post(path, who === bot ? { instance, ...body } : body);
    answers.push([path, answer]);
    return answer;
  };
  await call(ann, '/catalogue/import', {
    files: [{ path: 'test.yaml', text: yaml(text) }],
    remove: true,
    reason,
  });
  expect((await ann.post('/runs', { cycle: 'month', period, purpose: 'scheduled', far: true })).status).toBe(
    202,
  );
  await coordinator.settled(run);
  await call(bot, '/agents/bot/hello', {
    lockToken: fresh(),
    platform: 'yt',
    slots: 50,
    protocol: 2,
    version: text,
    labels: [text],
  });
  await call(ann, `/runs/${run}/hold`, { flows: ['W'], reason });
  await call(ann, `/runs/${run}/unhold`, { flows: ['W'], reason });
  await call(ann, `/runs/${run}/waive`, { edges: [{ from: 'A', to: 'W' }], reason, evidence: text });
  await call(bob, `/runs/${run}/confirm`, { flows: ['G'], reason, evidence: text });
  const passed = await call(ann, `/runs/${run}/force-pass`, { flows: ['K'], reason, evidence: text });
  await call(bob, `/operations/${passed.body.id ?? 'none'}/approve`, { reason });
  for (const verb of ['pause', 'resume', 'close', 'reopen'])
    await call(ann, `/runs/${run}/${verb}`, { reason });
  for (const verb of ['pause', 'resume']) {
    await call(ann, `/platforms/yt/${verb}`, { reason });
    await call(ann, `/schedules/days/${verb}`, { reason });
  }
  for (const verb of ['drain', 'undrain']) await call(ann, `/agents/bot/${verb}`, { reason });
  await call(ann, '/events', { event: 'Landed', period, far: true, payload });
  await call(bob, '/rules/carry/enable', { reason });
  await call(ann, '/corrections', { table: 'ods.poison', period, reason });
  await call(ann, '/backfills', { cycle: 'month', from: '2020-01', to: '2020-01', reason });
  const leases = await claim();
  const row = { epoch: 5, record: text, run: text, flow: text, generation: 1, at: text };
  await call(bot, '/agents/bot/heartbeat', {
    leases: leases.map((lease) => lease.epoch),
    waits: leases.map((lease) => ({ epoch: lease.epoch, code: 'fence_held_elsewhere', by: text })),
    reached: leases.map((lease) => ({ epoch: lease.epoch, said: text })),
    trouble: text,
    fences: [{ connection: text, records: [{ record: text, works: 1, newest: 1 }] }],
    fenceRuns: [text],
  });
  const endings = [
    { outcome: 'succeeded', over: row },
    { outcome: 'failed', kind: 'program', message: text },
    { outcome: 'cancelled', effect: false, stale: true, heldBy: row, message: text },
    { outcome: 'lost', message: text },
  ];
  // One stays open, with what it waits for.
  const results = leases.slice(1).map((lease, i) => ({ ...lease, ending: endings[i % endings.length] }));
  expect(results.length).toBeGreaterThanOrEqual(endings.length);
  await call(bot, '/agents/bot/complete', { requestId: fresh(), results });
  // Once more: the leases are no longer its own, what it says is a remark.
  await call(bot, '/agents/bot/complete', { requestId: fresh(), results });
  await coordinator.settled(run);
  const plan = await ann.post(`/runs/${run}/rerun-plans`, {
    flows: ['A'],
    scope: 'only',
    running: 'supersede',
  });
  await call(ann, `/runs/${run}/rerun-plans/${plan.body.id}/apply`, { reason });
  await applyCatalogue(pool, yaml(GOOD, [{ id: 'Z', note: period, ...NOOP }]), 'import');
  await call(ann, `/runs/${run}/adopt`, { reason });
  await call(ann, `/runs/${run}/reload`, { reason });
  await coordinator.settled(run);
  return { run, answers };
}

/** Carries out what the agent gets and passes what is left: every flow of the run can still come to its end. */
async function finish(run: string): Promise<void> {
  await agent('hello', {
    lockToken: fresh(),
    platform: 'yt',
    slots: 50,
    protocol: 2,
    version: '1',
    labels: [],
  });
  for (let round = 0; round < 5; round++) {
    await coordinator.settled(run);
    const results = (await claim()).map((lease) => ({ ...lease, ending: { outcome: 'succeeded' } }));
    if (results.length > 0) await agent('complete', { requestId: fresh(), results });
    await coordinator.settled(run);
  }
  const left = await pool.query<{ flow: string }>(
    `select flow_id as flow from run_flows where run_id = $1 and (result is null or result not in ('succeeded', 'skipped', 'force_passed'))`,
    [run],
  );
  const flows = left.rows.map((row) => row.flow);
  if (flows.length > 0) await ask(pool, run, 'force-pass', flows, { supersede: true }, ['key', 'operator']);
  await coordinator.settled(run);
  const found = await pool.query(
    'select finished_ms is not null as finished, frozen from runs where id = $1',
    [run],
  );
  expect(found.rows).toEqual([{ finished: true, frozen: null }]);
}

async function columns(): Promise<{ column: string; holds: boolean }[]> {
  const found = await pool.query<{ table: string; name: string }>(
    `select table_name as table, column_name as name
     from information_schema.columns join information_schema.tables using (table_schema, table_name)
     where table_schema = 'public' and table_type = 'BASE TABLE'
       and (data_type in ('text', 'json', 'jsonb', 'character varying') or udt_name in ('_text', '_json', '_jsonb', '_varchar'))
     order by 1, 2`,
  );
  const all: { column: string; holds: boolean }[] = [];
  for (const { table, name } of found.rows) {
    const { rows } = await pool.query<{ it: boolean }>(
      `select exists (select 1 from "${table}" where "${name}"::text like $1) as it`,
      [`%${MARK}%`],
    );
    all.push({ column: `${table}.${name}`, holds: rows[0]!.it });
  }
  return all;
}

const good = await tour(GOOD, '2026-01', { [GOOD]: GOOD });

test('every column that takes text or JSON is reached by words that somebody gives, or closed to them for a reason', async () => {
  expect(
    good.answers
      .filter(([, answer]) => answer.status >= 300)
      .map(([what, { status, body }]) => [what, status, body]),
  ).toEqual([]);
  const all = await columns();
  const open = all.filter((item) => item.holds).map((item) => item.column);
  const whyOf = (column: string) => CLOSED.find(([pattern]) => pattern.test(column))?.[1];
  expect({
    // Reach it by the tour, or say above why nobody's words get there.
    forgotten: all
      .filter((item) => !item.holds && whyOf(item.column) === undefined)
      .map((item) => item.column),
    closedAndReached: open.filter((column) => whyOf(column) !== undefined),
    reasonsForNothing: CLOSED.filter(([pattern]) => !all.some((item) => pattern.test(item.column))).map(
      ([, why]) => why,
    ),
  }).toEqual({ forgotten: [], closedAndReached: [], reasonsForNothing: [] });
  await finish(good.run);
});

describe.each([
  ['NUL', `${MARK}\0b`, 'a\\u0000b'],
  ['a lone surrogate', `${MARK}\ud800b`, 'a\\ud800b'],
  ['100 kB', MARK.padEnd(LONG, 'x'), 'y'.repeat(LONG)],
])('with %s', (name, text, written) => {
  const year = 2027 + ['NUL', 'a lone surrogate', '100 kB'].indexOf(name);

  test('in each of them a call is refused or its words are made storable, and the run goes on', async () => {
    const { run, answers } = await tour(text, `${year}-01`, { x: text });
    expect(answers.filter(([, { status }]) => status >= 500).map(([what, { body }]) => [what, body])).toEqual(
      [],
    );
    // Words of programs come with results, which must not be lost over them.
    const kept = answers.filter(([what]) => /heartbeat|complete/.test(what)).map(([, { status }]) => status);
    expect(kept).toEqual([200, 200, 200]);
    await finish(run);
  });

  test('in the record, past all doors: verbs, adopt and reload do their work, and the run goes on', async () => {
    await applyCatalogue(pool, yaml(GOOD), 'import');
    const run = `month-${year}-02`;
    await ann.post('/runs', { cycle: 'month', period: `${year}-02`, purpose: 'scheduled', far: true });
    await coordinator.settled(run);
    const asked: string[] = [];
    for (const [verb, flows] of [
      ['hold', ['W']],
      ['unhold', ['W']],
      ['force-pass', ['A']],
      ['pause', []],
      ['resume', []],
    ] as const)
      asked.push(await ask(pool, run, verb, flows, { reason: text, evidence: text }));
    const version = await applyCatalogue(
      pool,
      yaml('BAD7', [
        { id: 'LABEL', labels: ['BAD7'], ...NOOP },
        { id: 'LOCK', locks: ['BAD7'], ...NOOP },
        { id: 'OWNER', owner: 'BAD7', ...NOOP },
        { id: 'PLACE', ...NOOP, platform: 'BAD7' },
        { id: 'TO', kind: 'notify', notice: { to: 'BAD7', en: 'x', zh: 'x' } },
        { id: 'Z', note: `${year}`, ...NOOP },
      ]),
      'import',
    );
    await pool.query(
      `update catalogue_versions set flows = replace(flows::text, 'BAD7', $2)::json, frame = replace(frame::text, 'BAD7', $2)::json where version = $1`,
      [version, written],
    );
    await coordinator.settled(run);
    for (const operation of asked)
      expect(await outcomeOf(pool, operation)).toEqual({ state: 'applied', code: null });
    expect((await ann.post(`/runs/${run}/adopt`, { version, reason: 'test' })).status).toBe(200);
    expect((await ann.post(`/runs/${run}/reload`, { reason: 'test' })).status).toBe(202);
    await coordinator.settled(run);
    const leases = await claim();
    expect(leases.length).toBeGreaterThan(3);
    const over = { epoch: 5, record: 'r', run: 'r', flow: 'f', generation: 1, at: null };
    const results = leases.map((lease) => ({ ...lease, ending: { outcome: 'succeeded', over } }));
    expect((await agent('complete', { requestId: fresh(), results })).body.accepted).toHaveLength(
      results.length,
    );
    await finish(run);
  });
});

test('JSON that lies deep is refused by the doors, and in the record it stops no run', async () => {
  const deep: unknown = JSON.parse(`${'['.repeat(DEPTH)}"${MARK}"${']'.repeat(DEPTH)}`);
  const { run, answers } = await tour(GOOD, '2035-01', { deep });
  expect(
    answers.filter(([, { status }]) => status >= 300).map(([what, { status }]) => [what, status]),
  ).toEqual([['/events', 400]]);
  const asked = await ask(pool, run, 'hold', ['W'], { deep, reason: 'ticket 7' });
  await coordinator.settled(run);
  expect((await outcomeOf(pool, asked)).state).toMatch(/applied|refused/);
  await finish(run);
});
