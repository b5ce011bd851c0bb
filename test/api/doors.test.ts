/** The doors of the API: who gets in, and which answer everybody else gets. */
import { connect } from 'node:net';
import Fastify from 'fastify';
import { beforeAll, describe, expect, test } from 'vitest';
import { demandDeclarations } from '../../api/app.ts';
import { ERRORS } from '../../errors.ts';
import { disableActor } from '../../store/operations/actors.ts';
import { type Caller, callerOf, type Json, startTestApi } from '../support/api.ts';
import { createTestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../support/estate.ts';

const database = await createTestDatabase('doors');
const api = await startTestApi(database);
await applyCatalogue(
  api.pool,
  catalogueText(
    [
      { id: 'A', procedure: 'P01' },
      { id: 'B', after: ['A'], procedure: 'P02' },
      { id: 'GATE', kind: 'gate', person: { role: 'billing' } },
    ],
    {
      procedures: ['P01', 'P02'].map((id) => ({ id, names: { en: id, zh: id }, owner: 'x', cycle: 'month' })),
    },
  ),
);
const run = await openTestRun(api.pool);
await api.coordinator!.settled(run);
const ann = await api.actor({ name: 'ann', kind: 'person', roles: ['operator'] });
const vic = await api.actor({ name: 'vic', kind: 'person', roles: ['viewer'] });
const none = await api.actor({ name: 'nobody', kind: 'person' });
const bill = await api.actor({ name: 'bill', kind: 'person', roles: ['billing'] });
const bot = await api.actor({ name: 'bot', kind: 'agent' });

interface Route {
  readonly method: string;
  readonly path: string;
  readonly url: string;
}
let routes: Route[] = [];
const PUBLIC = ['/healthz', '/readyz', '/openapi.json'];

beforeAll(async () => {
  const { body } = await callerOf(api.app, '').get('/openapi.json');
  expect(body).toMatchObject({ openapi: '3.1.0' });
  routes = Object.entries(body.paths as Record<string, object>).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({
      method: method.toUpperCase(),
      path: path.replace('/api/v1', ''),
      url: path
        .replace('{run}', run)
        .replace('{flow}', 'A')
        .replace('{n}', '1')
        .replace(/\{\w+\}/g, 'x'),
    })),
  );
});

async function inject(method: string, url: string, headers: Record<string, string> = {}, payload?: string) {
  const answer = await api.app.inject({
    method: method as 'GET',
    url,
    headers,
    ...(payload === undefined ? {} : { payload }),
  });
  return { status: answer.statusCode, type: String(answer.headers['content-type']), text: answer.body };
}

/** Expects a failure, in the form that every failure has. */
function expectProblem(answer: { status: number; type: string; text: string }, code?: string) {
  expect(answer.type, answer.text).toBe('application/problem+json; charset=utf-8');
  const problem = JSON.parse(answer.text);
  expect(Object.keys(ERRORS)).toContain(problem.code);
  expect(problem).toMatchObject({ status: answer.status, type: `urn:sluice:error:${problem.code}` });
  expect(problem.traceId).toMatch(/^[0-9a-f]{16}$/);
  if (code !== undefined) expect(problem.code).toBe(code);
}

describe('without a token', () => {
  test('every route but the public ones answers 401', async () => {
    expect(routes.length).toBeGreaterThan(50);
    for (const { method, path, url } of routes) {
      if (PUBLIC.includes(path)) continue;
      for (const headers of [
        {},
        { authorization: 'Bearer' },
        { authorization: `Basic ${ann.token}` },
        { authorization: `Bearer ${ann.token}x` },
        { authorization: `Bearer ${'slc_'.padEnd(47, 'A')}` },
        { authorization: 'Bearer null' },
      ]) {
        const answer = await inject(method, url, headers as Record<string, string>);
        expect([method, path, answer.status]).toEqual([method, path, 401]);
        expectProblem(answer, 'unauthenticated');
      }
    }
  });

  test('no spelling of a path gets around that', async () => {
    const spellings = (url: string) => [
      `${url}/`,
      `/${url}`,
      url.replace('/api', '//api'),
      url.replace('/v1', '/v1/.'),
      url.replace('/v1', '/v1/..;/v1'),
      `${url}/healthz`,
      `${url}%2fhealthz`,
      `${url};/healthz`,
      `${url}?/healthz`,
      `${url}%00`,
      `${url}.json`,
      url.toUpperCase(),
      url.replace('/api/v1', '/api/v1/openapi.json'),
      url.replace('runs', '%72uns'),
    ];
    for (const { method, path, url } of routes) {
      if (PUBLIC.includes(path)) continue;
      for (const spelling of spellings(url)) {
        const answer = await inject(method, spelling, {
          'x-original-url': '/api/v1/healthz',
          'x-http-method-override': 'GET',
        });
        expect([spelling, answer.status >= 400 && answer.status < 500]).toEqual([spelling, true]);
        expectProblem(answer);
      }
    }
  });
});

describe('with a token', () => {
  test('reading changes nothing and changing needs the right', async () => {
    for (const { method, path, url } of routes.filter((route) => route.method === 'POST')) {
      if (path.startsWith('/catalogue/check') || path.startsWith('/catalogue/diff')) continue;
      const answer = await inject(
        method,
        url,
        { authorization: `Bearer ${vic.token}`, 'content-type': 'application/json' },
        '{}',
      );
      expect([path, answer.status]).toEqual([path, 403]);
      expectProblem(answer, 'forbidden');
    }
    const forAgents = routes.filter(
      (route) =>
        !/^\/agents\/\{agent\}\/(hello|claim|started|heartbeat|complete|logs|leave)$/.test(route.path),
    );
    for (const { method, path, url } of forAgents) {
      if (PUBLIC.includes(path)) continue;
      const answer = await inject(
        method,
        url,
        { authorization: `Bearer ${bot.token}`, 'content-type': 'application/json' },
        method === 'POST' ? '{}' : undefined,
      );
      expect([path, answer.status]).toEqual([path, 403]);
    }
  });

  test('an actor without roles may do nothing; one of a gate reads and confirms', async () => {
    expect(await none.get('/runs')).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    expect((await bill.get('/runs')).status).toBe(200);
    expect(await bill.post(`/runs/${run}/hold`, { flows: ['A'], reason: 'r' })).toMatchObject({
      status: 403,
    });
  });

  test('a disabled actor and a replaced token are refused at once', async () => {
    const eve = { name: 'eve', kind: 'person' as const, roles: ['operator'] };
    const first = await api.actor(eve);
    expect((await first.get('/runs')).status).toBe(200);
    const second = await api.actor(eve);
    await expect.poll(async () => (await first.get('/runs')).status).toBe(401);
    expect((await second.get('/runs')).status).toBe(200);
    await disableActor(api.pool, 'eve');
    await expect.poll(async () => (await second.get('/runs')).status).toBe(401);
  });

  test('a scope is asked for each flow of a list, also of a plan and of an edge', async () => {
    const p1 = await api.actor({
      name: 'p1',
      kind: 'person',
      roles: ['operator'],
      scope: { procedures: ['P01'] },
    });
    const asked: [string, object][] = [
      ['hold', { flows: ['A', 'B'], reason: 'r' }],
      ['hold', { flows: ['A', 'B'], reason: 'r', partial: true }],
      ['hold', { flows: ['B'], reason: 'r', dryRun: true }],
      ['waive', { edges: [{ from: 'A', to: 'B' }], reason: 'r' }],
      ['rerun-plans', { flows: ['A'], scope: 'downstream' }],
      ['pause', { reason: 'r' }],
    ];
    for (const [verb, body] of asked)
      expect([verb, await p1.post(`/runs/${run}/${verb}`, body)]).toMatchObject([
        verb,
        { status: 403, body: { code: 'out_of_scope' } },
      ]);
    expect(await p1.post('/runs', { cycle: 'month', period: '2020-01' })).toMatchObject({
      status: 403,
      body: { code: 'out_of_scope' },
    });
    expect((await p1.post(`/runs/${run}/hold`, { flows: ['A'], reason: 'r', dryRun: true })).status).toBe(
      200,
    );
    expect((await ann.get(`/runs/${run}/flows/B`)).body.flags).toEqual([]);
  });

  test('a route that declares no permission keeps the API from starting', () => {
    const app = Fastify();
    demandDeclarations(app as never);
    expect(() => app.get('/secret', () => 'x')).toThrow(/GET \/secret declares no permission/);
    expect(() => app.post('/change', { config: { permission: 'operate' } }, () => 'x')).toThrow(
      /no verb for the audit/,
    );
  });
});

describe('hostile requests', () => {
  const HOSTILE = [
    "' or 1=1 --",
    "'; drop table runs; --",
    '$1',
    '%',
    '_',
    '../../etc/passwd',
    '..',
    '\u202e',
    '\ud800',
    '😀'.repeat(30),
    'x'.repeat(160),
    '__proto__',
    'constructor',
    'toString',
    '-1',
    '1e309',
    'null',
    '{"a":1}',
    '<script>alert(1)</script>',
    'a\nb',
  ];

  test('hostile ids in addresses are not found', async () => {
    for (const id of HOSTILE) {
      const part = encodeURIComponent(id.toWellFormed());
      for (const path of [
        `/runs/${part}`,
        `/runs/${part}/flows`,
        `/runs/${run}/flows/${part}`,
        `/runs/${run}/flows/A/attempts/${part}/log`,
        `/runs/${run}/rerun-plans/${part}`,
        `/operations/${part}`,
        `/catalogue/flows/${part}`,
      ]) {
        const answer = await ann.get(path);
        expect([path, answer.status >= 400 && answer.status < 500]).toEqual([path, true]);
      }
    }
    expect((await ann.get(`/runs/${encodeURIComponent('a\0b')}`)).body.code).toBe('invalid_request');
    expect((await ann.get(`/runs/${'y'.repeat(400)}`)).status).toBe(400);
    expect((await ann.get(`/runs/${'y'.repeat(5_000)}`)).status).toBe(400);
  });

  test('hostile values in filters, keys and bodies change nothing and break nothing', async () => {
    const count = async () =>
      (await api.pool.query('select (select count(*) from runs) + (select count(*) from run_flows) as n'))
        .rows[0].n;
    const before = await count();
    for (const value of [...HOSTILE, 'a\0b']) {
      const part = encodeURIComponent(value.toWellFormed());
      for (const path of [
        `/runs?period=${part}`,
        `/runs?cursor=${part}`,
        `/runs/${run}/flows?q=${part}`,
        `/runs/${run}/flows?state=${part}`,
        `/runs/${run}/flows?procedure=${part}`,
        `/runs/${run}/flows?limit=${part}`,
        `/audit?actor=${part}`,
        `/audit?target=${part}`,
        `/notices?kind=${part}`,
        `/operations?run=${part}`,
      ])
        expect([path, (await ann.get(path)).status < 500]).toEqual([path, true]);
      for (const [verb, body] of [
        ['hold', { flows: [value], reason: value }],
        ['hold', { flows: value, reason: 'r' }],
        ['hold', { flows: [{ $ne: null }], reason: { toString: 'x' } }],
        ['waive', { edges: [{ from: value, to: 'B' }], reason: value }],
        ['rerun-plans', { flows: [value], scope: value }],
      ] as [string, object][]) {
        const answer = await ann.post(`/runs/${run}/${verb}`, body);
        expect([verb, value, answer.status >= 400 && answer.status < 500]).toEqual([verb, value, true]);
      }
    }
    expect(await count()).toBe(before);
    expect(
      (await ann.post(`/runs/${run}/hold`, { flows: ['A'], reason: 'r' }, { 'idempotency-key': 'a b' })).body
        .code,
    ).toBe('invalid_request');
  });

  test('bodies that are too large, no JSON, of another type or unknown shape are problems of their own', async () => {
    const url = `/api/v1/runs/${run}/hold`;
    const auth = { authorization: `Bearer ${ann.token}` };
    const json = { ...auth, 'content-type': 'application/json' };
    const large = JSON.stringify({ flows: ['A'], reason: 'x'.repeat(2_000_000) });
    expectProblem(await inject('POST', url, json, large), 'body_too_large');
    expectProblem(await inject('POST', url, json, '{"flows": ["A"'), 'malformed_json');
    expectProblem(await inject('POST', url, json, ''), 'malformed_json');
    expectProblem(
      await inject('POST', url, json, '{"__proto__": {"x": 1}, "flows": ["A"]}'),
      'malformed_json',
    );
    expectProblem(
      await inject('POST', url, json, `${'['.repeat(50_000)}${']'.repeat(50_000)}`),
      'invalid_request',
    );
    expectProblem(
      await inject('POST', url, { ...auth, 'content-type': 'text/plain' }, 'flows=A'),
      'unsupported_media_type',
    );
    expectProblem(
      await inject('POST', url, { ...auth, 'content-type': 'application/x-www-form-urlencoded' }, 'flows=A'),
      'unsupported_media_type',
    );
    expectProblem(
      await inject('POST', url, { ...auth, 'content-type': 'nonsense' }, '{}'),
      'unsupported_media_type',
    );
    const unknown = await ann.post(`/runs/${run}/hold`, { flows: ['A'], reason: 'r', force: true });
    expect(unknown.body).toMatchObject({
      code: 'invalid_request',
      errors: [{ in: 'body', detail: expect.stringContaining('force') }],
    });
    const wrong = await ann.post(`/runs/${run}/hold`, { flows: ['A', 7] });
    expect(wrong.body.errors).toMatchObject([{ in: 'body', pointer: '/flows/1' }]);
    const flows = Array.from({ length: 20_001 }, (_, i) => `F${i}`);
    expectProblem(await inject('POST', url, json, JSON.stringify({ flows, reason: 'r' })), 'invalid_request');
  });

  test('addresses and bytes that are no HTTP are problems, too', async () => {
    expectProblem(await inject('GET', '/nowhere'), 'unknown_route');
    expectProblem(
      await inject('PATCH', '/api/v1/runs', { authorization: `Bearer ${ann.token}` }),
      'unknown_route',
    );
    expectProblem(
      await inject('GET', '/api/v1/runs/%zz', { authorization: `Bearer ${ann.token}` }),
      'invalid_request',
    );
    await api.app.listen({ host: '127.0.0.1', port: 0 });
    const { port } = api.app.server.address() as { port: number };
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => socket.write('NONSENSE\r\n\r\n'));
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk;
      });
      socket.on('end', () => resolve(text));
      socket.on('error', reject);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    const [, body] = answer.split('\r\n\r\n');
    expect(JSON.parse(body!)).toMatchObject({ code: 'invalid_request', status: 400 });
  });
});

describe('what a problem says', () => {
  test('its title and remedy are in the language of the caller', async () => {
    const zh = await ann.get('/runs/x', { 'accept-language': 'fr, zh-CN;q=0.9, en;q=0.2' });
    expect(zh.body).toMatchObject({ title: ERRORS.unknown_run.zh, remedy: ERRORS.unknown_run.remedy.zh });
    const en = await ann.get('/runs/x', { 'accept-language': 'en, zh;q=0.5' });
    expect(en.body).toMatchObject({ title: ERRORS.unknown_run.en, remedy: ERRORS.unknown_run.remedy.en });
  });

  test('a failure inside shows nothing of itself', async () => {
    const broken = {
      ...api.deps,
      contextOf: Object.assign(() => Promise.reject(new Error('password=secret at 10.0.0.1')), {
        forget() {},
      }),
      logLevel: 'silent',
    };
    const { buildApp } = await import('../../api/app.ts');
    const app = await buildApp(broken);
    const answer = await callerOf(app, ann.token).get(`/runs/${run}/flows`);
    expect(answer).toMatchObject({ status: 500, body: { code: 'internal' } });
    expect(JSON.stringify(answer.body)).not.toContain('secret');
    await app.close();
  });

  test('a database that is away is 503, and one may ask again', async () => {
    const { buildApp } = await import('../../api/app.ts');
    const { createPool } = await import('../../store/schema/pool.ts');
    const pool = createPool('postgres://nobody@127.0.0.1:1/none', { max: 1, name: 'test-away' });
    const app = await buildApp({ ...api.deps, pool, logLevel: 'silent' });
    const caller: Caller = callerOf(app, ann.token);
    const answer = await caller.get('/runs');
    expect(answer).toMatchObject({
      status: 503,
      headers: { 'retry-after': '1' },
      body: { code: 'record_unavailable', retryable: true },
    });
    expect(await caller.get('/readyz')).toMatchObject({ status: 503, body: { code: 'not_ready' } });
    expect((await caller.get('/healthz')).status).toBe(200);
    await app.close();
    await pool.end();
  });

  test('metrics count requests by route, not by what was typed', async () => {
    await ann.get('/runs/never-there');
    const { body } = await ann.get('/metrics');
    expect(body).toContain(
      'sluice_http_request_seconds_count{method="GET",route="/api/v1/runs/:run",status="404"}',
    );
    expect(body).not.toContain('never-there');
    expect(body).toMatch(/^sluice_open_runs \d+$/m);
  });

  test('every refused change of a known actor is in the audit', async () => {
    const before: Json[] = (await ann.get('/audit?outcome=rejected&limit=1')).body.items;
    await vic.post(`/runs/${run}/hold`, { flows: ['A'], reason: 'may I?' });
    const after: Json[] = (await ann.get('/audit?outcome=rejected&limit=1')).body.items;
    expect(after[0]).toMatchObject({ actor: 'vic', verb: 'hold', run, targets: ['A'], code: 'forbidden' });
    expect(after[0].id).not.toBe(before[0]?.id);
  });
});
