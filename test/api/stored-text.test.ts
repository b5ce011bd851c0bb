/** Text at the doors of the API: what the record cannot keep is refused with its place, and no schema can forget it. */
import Fastify from 'fastify';
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import type { Api } from '../../api/instance.ts';
import { createMetrics } from '../../api/metrics.ts';
import { registerRoutes } from '../../api/routes/index.ts';
import { isStorable } from '../../graph/text/storable-text.ts';
import { startTestApi } from '../support/api.ts';
import { createTestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../support/estate.ts';

const database = await createTestDatabase('stored-text');
interface Given {
  readonly where: string;
  readonly schema: z.ZodType;
}
/** Every schema of what comes in, by route. */
const given: Given[] = [];
const api = await startTestApi(database);
const routes = Fastify().withTypeProvider<ZodTypeProvider>() as unknown as Api;
routes.setValidatorCompiler(validatorCompiler);
routes.setSerializerCompiler(serializerCompiler);
routes.addHook('onRoute', ({ method, url, schema }) => {
  for (const part of ['body', 'querystring', 'params', 'headers'] as const) {
    const it = (schema as Record<string, unknown> | undefined)?.[part];
    if (it !== undefined) given.push({ where: `${String(method)} ${url} ${part}`, schema: it as z.ZodType });
  }
});
registerRoutes(routes, api.deps, createMetrics(routes, api.deps));
await applyCatalogue(api.pool, catalogueText([{ id: 'A' }, { id: 'E', trigger: 'event', event: 'Landed' }]));
const run = await openTestRun(api.pool);
await api.coordinator!.settled(run);
const ann = await api.actor({ name: 'ann', kind: 'person', roles: ['operator', 'maintainer'] });

interface Def {
  readonly type: string;
  readonly innerType?: z.core.$ZodType;
  readonly in?: z.core.$ZodType;
  readonly out?: z.core.$ZodType;
  readonly left?: z.core.$ZodType;
  readonly right?: z.core.$ZodType;
  readonly options?: readonly z.core.$ZodType[];
  readonly shape?: Readonly<Record<string, z.core.$ZodType>>;
  readonly element?: z.core.$ZodType;
  readonly keyType?: z.core.$ZodType;
  readonly valueType?: z.core.$ZodType;
}

/** The schemas of single texts, and of any JSON, below a schema, with the way to them. */
function leavesOf(schema: z.core.$ZodType, way: string): { way: string; leaf: z.ZodType }[] {
  const { def } = schema as unknown as { def: Def };
  // A text that is read as something else, e.g. a truth value: what comes out is what is kept.
  if (def.type === 'pipe' && !takesBadText(schema as z.ZodType)) return [];
  const below: [string, z.core.$ZodType | undefined][] = [
    ...Object.entries(def.shape ?? {}),
    ...(def.options ?? []).map((option, i) => [`|${i}`, option] as [string, z.core.$ZodType]),
    ['', def.innerType],
    ['', def.in],
    ['', def.left],
    ['', def.right],
    ['[]', def.element],
    ['{key}', def.type === 'record' ? def.keyType : undefined],
    ['{}', def.valueType],
  ];
  const inner = below.flatMap(([step, it]) =>
    it === undefined ? [] : leavesOf(it, step === '' ? way : `${way}/${step}`),
  );
  return ['string', 'unknown', 'any', 'custom', 'template_literal'].includes(def.type)
    ? [...inner, { way, leaf: schema as z.ZodType }]
    : inner;
}

const BAD_TEXTS = ['a\0b', 'a\ud800b', 'a\udc00', '\0', '2026-10\0'];
const takesBadText = (schema: z.ZodType): boolean =>
  BAD_TEXTS.some((text) => {
    const { success, data } = schema.safeParse(text);
    // What a program says is made storable where it comes in.
    return success && !(typeof data === 'string' && isStorable(data));
  });

/**
 * Texts that are allowed to hold anything, with the reason. Names and values of an event's payload are looked through together, by the schema that stands beside.
 */
const ELSEWHERE = [/\/events body\/payload\/\{(key)?\}$/, / body\/chunks\/\[\]\//];

test('every text that comes in refuses NUL and lone surrogates', () => {
  expect(given.length).toBeGreaterThan(60);
  const leaves = given.flatMap(({ where, schema }) => leavesOf(schema, where));
  expect(leaves.length).toBeGreaterThan(150);
  const open = leaves.filter(
    ({ way, leaf }) => !ELSEWHERE.some((entry) => entry.test(way)) && takesBadText(leaf),
  );
  expect(open.map(({ way }) => way)).toEqual([]);
});

async function send(url: string, payload: string | Buffer, type = 'application/json') {
  const answer = await api.app.inject({
    method: 'POST',
    url: `/api/v1${url}`,
    headers: { authorization: `Bearer ${ann.token}`, 'content-type': type },
    payload,
  });
  return { status: answer.statusCode, ...(JSON.parse(answer.body) as { code: string; detail: string }) };
}
const hold = (reason: string): string => `{"flows":["A"],"reason":"${reason}"}`;

describe('a body', () => {
  test.each([
    ['NUL', hold('a\\u0000b'), '/reason: holds a NUL character (U+0000): remove it'],
    ['a lone surrogate', hold('a\\ud800b'), '/reason: holds half of a surrogate pair'],
    ['a pair the wrong way round', hold('\\udc00\\ud800'), '/reason: holds half of a surrogate pair'],
    ['NUL in a name', '{"flows":["A"],"a\\u0000":1}', ': a name here holds a NUL character'],
  ])('with %s is refused at its place', async (_name, body, detail) => {
    const answer = await send(`/runs/${run}/hold`, body);
    expect(answer).toMatchObject({ status: 400, code: 'invalid_request' });
    expect(answer.detail).toContain(`body${detail}`);
  });

  test('that is no UTF-8 is refused with the place of the first bad byte', async () => {
    const gbk = Buffer.concat([
      Buffer.from(hold('').slice(0, -2)),
      Buffer.from([0xb1, 0xb1]),
      Buffer.from('"}'),
    ]);
    const answer = await send(`/runs/${run}/hold`, gbk);
    expect(answer).toMatchObject({ status: 400, code: 'malformed_json' });
    expect(answer.detail).toMatch(/^line 1, column 26: not UTF-8: byte 26 \(0xB1\)/);
    const wide = Buffer.from(`\ufeff${hold('x')}`, 'utf16le');
    expect((await send(`/runs/${run}/hold`, wide)).detail).toMatch(/the file is UTF-16LE/);
    expect(await send(`/runs/${run}/hold`, hold('x'), 'application/json; charset=gbk')).toMatchObject({
      status: 415,
      code: 'unsupported_media_type',
    });
  });

  test('may begin with a byte order mark, and holds any other character', async () => {
    const reason = '值班 \u2028 \u{1F600} \\ud83d\\ude00 \\u00e9';
    const answer = await send(
      `/runs/${run}/hold`,
      Buffer.from(`\ufeff${hold(reason)}`),
      'application/json; charset=UTF-8',
    );
    expect(answer).toMatchObject({ status: 200 });
    const found = await api.pool.query("select reason from overrides where run_id = $1 and kind = 'hold'", [
      run,
    ]);
    expect(found.rows).toEqual([{ reason: '值班 \u2028 \u{1F600} \u{1F600} é' }]);
  });

  test.each([
    [
      '{"event":"Landed","period":"2026-10","payload":{"id":12345678901234567890}}',
      '/payload/id: 12345678901234567890 would arrive as 12345678901234567000: write it in quotes',
    ],
    [
      '{"event":"Landed","period":"2026-10","payload":{"list":[1,9007199254740993]}}',
      '/payload/list/1: 9007199254740993 would arrive as 9007199254740992',
    ],
    [
      '{"event":"Landed","period":"2026-10","payload":{"x":1e400}}',
      '/payload/x: 1e400 would arrive as Infinity',
    ],
    [
      '{"event":"Landed","period":"2026-10","payload":{"x":0.12345678901234567890}}',
      '/payload/x: 0.12345678901234567890 would arrive as',
    ],
  ])('%s would lose a number, and is refused', async (body, detail) => {
    const answer = await send('/events', body);
    expect(answer).toMatchObject({ status: 400, code: 'invalid_request' });
    expect(answer.detail).toContain(`body${detail}`);
  });

  test('where only a number may stand, the refusal says which', async () => {
    const range = '"cycle":"month","from":"2026-01","to":"2026-02","reason":"r"';
    const answer = await send('/backfills', `{${range},"concurrency":12345678901234567890}`);
    expect(answer).toMatchObject({ status: 400, code: 'invalid_request' });
    expect(answer.detail).toContain('write a whole number from 1 to 100');
  });

  test('keeps numbers that a double keeps', async () => {
    const payload =
      '{"a":9007199254740991,"b":1.10,"c":1e3,"d":"12345678901234567890","e":0.1,"f":1780000000123456}';
    const answer = await send('/events', `{"event":"Landed","period":"2026-10","payload":${payload}}`);
    expect(answer).toMatchObject({ status: 200, payload: JSON.parse(payload) });
  });

  test('whose payload lies too deep, or is too long, is refused', async () => {
    const event = (payload: string) => `{"event":"Landed","period":"2026-10","payload":{"x":${payload}}}`;
    const deep = await send('/events', event('['.repeat(5_000) + ']'.repeat(5_000)));
    expect(deep).toMatchObject({ status: 400, code: 'invalid_request' });
    expect(deep.detail).toContain('must not lie more than 100 deep');
    const long = await send('/events', event(`"${'x'.repeat(100_000)}"`));
    expect(long).toMatchObject({ status: 400, code: 'invalid_request' });
    expect(long.detail).toContain('at most 65536 characters');
    expect(await send(`/runs/${run}/hold`, '['.repeat(400_000))).toMatchObject({ status: 400 });
  });

  test('with a reason of 100 kB, or a number beyond the column, is refused', async () => {
    expect(await send(`/runs/${run}/hold`, hold('x'.repeat(100_000)))).toMatchObject({ status: 400 });
    const answer = await api.app.inject({
      url: '/api/v1/catalogue?version=99999999999',
      headers: { authorization: `Bearer ${ann.token}` },
    });
    expect(answer.statusCode).toBe(400);
  });
});

test.each([
  '/audit?actor=%ff',
  '/audit?actor=%ed%a0%80',
  '/audit?actor=a%00b',
  '/runs/a%00b',
  '/runs/%ff',
  `/audit?cursor=${Buffer.from('{"id":1e400}').toString('base64url')}`,
])('GET %s is refused', async (url) => {
  const answer = await api.app.inject({
    url: `/api/v1${url}`,
    headers: { authorization: `Bearer ${ann.token}` },
  });
  expect([url, answer.statusCode]).toEqual([url, 400]);
});

test('what an agent says is kept with its characters made visible, whatever they are', async () => {
  const bot = await api.actor({ name: 'bot', kind: 'agent' });
  const call = (what: string, body: object) =>
    api.app.inject({
      method: 'POST',
      url: `/api/v1/agents/bot/${what}`,
      headers: { authorization: `Bearer ${bot.token}`, 'content-type': 'application/json' },
      payload: JSON.stringify(body),
    });
  const open = await openTestRun(api.pool, '2031-01');
  await api.coordinator!.settled(open);
  const instance = 'instance-1';
  await call('hello', {
    instance,
    lockToken: 'x'.repeat(16),
    platform: 'yt',
    slots: 2,
    version: '1',
    protocol: 2,
    held: [],
  });
  const claimed = await call('claim', {
    claimId: 'claim-0001',
    instance,
    platform: 'yt',
    free: 2,
    waitMs: 0,
  });
  const [task] = (claimed.json() as { tasks: { lease: object & { epoch: number } }[] }).tasks;
  await call('started', { requestId: 'started-1', instance, leases: [{ epoch: task!.lease.epoch }] });
  const ending = { outcome: 'failed', kind: 'program', message: `ORA-1\0 \ud800 ${'x'.repeat(10_000)}` };
  const done = await call('complete', {
    requestId: 'complete-1',
    instance,
    results: [{ ...task!.lease, ending }],
  });
  expect(done.json()).toMatchObject({ accepted: [task!.lease.epoch] });
  const found = await api.pool.query('select message from attempts where epoch = $1', [task!.lease.epoch]);
  expect(found.rows[0].message).toMatch(/^ORA-1␀ \ufffd x+$/);
});

test('why says that a flow could not be handed over, and the list for the doctor names it', async () => {
  await applyCatalogue(api.pool, catalogueText([{ id: 'P', labels: ['POISON'] }]));
  await api.pool.query(
    `update catalogue_versions set flows = replace(flows::text, 'POISON', 'a' || chr(92) || 'u0000')::json
     where version = (select max(version) from catalogue_versions)`,
  );
  const poisoned = await openTestRun(api.pool, '2032-01');
  await api.coordinator!.settled(poisoned);
  const why = await ann.get(`/runs/${poisoned}/flows/P/why`);
  expect(why.status).toBe(200);
  expect(JSON.stringify(why.body)).toContain('[not storable: 22P05]');
  expect((await ann.get('/not-storable')).body.items[0]).toMatchObject({
    run: poisoned,
    flow: 'P',
    what: 'flow',
  });
});
