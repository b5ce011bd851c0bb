/** The client against a server that misbehaves on purpose. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { ApiProblem, type ClientOptions, createClient } from '../../cli/client.ts';
import { followRun } from '../../cli/follow.ts';

interface Heard {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A server whose answers are the test's, one function a request in turn; the last one goes on. */
async function serve(...answers: ((response: ServerResponse, heard: Heard) => void)[]) {
  const heard: Heard[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk;
    });
    request.on('end', () => {
      const it = { method: request.method!, url: request.url!, headers: request.headers, body };
      heard.push(it);
      answers[Math.min(heard.length, answers.length) - 1]!(response, it);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(
    () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  );
  const apiUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    heard,
    apiUrl,
    client: (options: Partial<ClientOptions> = {}) => createClient({ apiUrl, patienceMs: 5_000, ...options }),
  };
}

const json =
  (status: number, body: unknown) =>
  (response: ServerResponse): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
const problem = (status: number, code: string, retryable = false) =>
  json(status, {
    type: '',
    title: code,
    status,
    detail: code,
    instance: '',
    code,
    remedy: '',
    retryable,
    facts: {},
    traceId: 't',
  });
const hangUp = (response: ServerResponse): void => void response.destroy();
const keys = (heard: readonly Heard[]) => heard.map((entry) => entry.headers['idempotency-key']);

describe('a change', () => {
  test('carries an idempotency key, another one each time', async () => {
    const { client, heard } = await serve(json(200, {}));
    await client().post('/runs', {});
    await client().post('/runs', {});
    expect(keys(heard).every((key) => /^[0-9a-f-]{36}$/.test(String(key)))).toBe(true);
    expect(new Set(keys(heard)).size).toBe(2);
  });

  test('that got no answer is sent again with the same key and the same body', async () => {
    const { client, heard } = await serve(
      hangUp,
      problem(503, 'record_unavailable', true),
      json(200, { ok: 1 }),
    );
    expect(await client().post('/runs', { period: '2026-10' })).toEqual({ ok: 1 });
    expect(heard).toHaveLength(3);
    expect(new Set(keys(heard)).size).toBe(1);
    expect(new Set(heard.map((entry) => entry.body))).toEqual(new Set(['{"period":"2026-10"}']));
  });

  test('of which nothing was heard is asked for again with its key, and then it says where to look', async () => {
    const { client, heard } = await serve(hangUp);
    const options = { patienceMs: 0, bridgeMs: 400 };
    const error = await client(options)
      .post('/runs/r/hold', { flows: ['A'] }, 'k1')
      .catch((entry: unknown) => entry);
    expect(error).toMatchObject({
      code: 'maybe_applied',
      message: expect.stringContaining('it may have been applied: sluice operations k1'),
    });
    expect(keys(heard).length).toBeGreaterThan(1);
    expect(new Set(keys(heard))).toEqual(new Set(['k1']));
  });

  test.each([
    ['/backfills', {}, 'sluice operations k1'],
    ['/runs/r/rerun-plans/p/apply', {}, 'sluice operations k1'],
    ['/catalogue/apply', {}, 'sluice catalogue versions'],
    ['/platforms/yt/pause', {}, 'sluice audit'],
    ['/runs/r/hold', { dryRun: true }, null],
    ['/catalogue/check', {}, null],
  ])('that may have been made by %s %o: look with %s', async (path, body, look) => {
    const { client } = await serve(hangUp);
    const error: Error = await client({ patienceMs: 0 })
      .post(path, body, 'k1')
      .then(
        () => expect.fail(),
        (post) => post,
      );
    if (look === null) expect(error.message).not.toContain('may have been applied');
    else expect(error.message).toContain(`may have been applied: ${look}`);
  });

  test('that could not be sent at all was not applied', async () => {
    const client = createClient({ apiUrl: 'http://127.0.0.1:9', patienceMs: 300, bridgeMs: 60_000 });
    await expect(client.post('/runs', {})).rejects.toMatchObject({ code: 'api_unreachable' });
  });

  test('that was taken on is asked after, also when its API dies meanwhile', async () => {
    const { client } = await serve(json(202, { id: 'op-1', state: 'requested' }), hangUp);
    await expect(client({ patienceMs: 0 }).operate('/runs/r/hold', {})).rejects.toMatchObject({
      message: expect.stringContaining('sluice operations op-1'),
    });
  });

  test('that was refused is not sent again', async () => {
    const { client, heard } = await serve(problem(409, 'wrong_state'));
    await expect(client().post('/runs', {})).rejects.toMatchObject({ code: 'wrong_state', exit: 5 });
    expect(heard).toHaveLength(1);
  });

  test('takes the key that it is given', async () => {
    const { client, heard } = await serve(json(200, {}));
    await client().post('/runs', {}, 'mine-1');
    expect(keys(heard)).toEqual(['mine-1']);
  });

  test('that is not decided yet is awaited at the address of its operation', async () => {
    const { client, heard } = await serve(
      json(202, { id: 'op-1', state: 'requested' }),
      json(200, { id: 'op-1', state: 'requested' }),
      json(200, { id: 'op-1', state: 'applied' }),
    );
    expect(await client().operate('/runs/r/hold', {})).toMatchObject({ state: 'applied' });
    expect(heard.map((entry) => `${entry.method} ${entry.url}`)).toEqual([
      'POST /api/v1/runs/r/hold',
      'GET /api/v1/operations/op-1',
      'GET /api/v1/operations/op-1',
    ]);
  });

  test('that is not decided in time ends with timed_out', async () => {
    const { client } = await serve(json(202, { id: 'op-1', state: 'requested' }));
    await expect(client().operate('/runs/r/hold', {}, { waitMs: 300 })).rejects.toMatchObject({
      code: 'timed_out',
    });
  });
});

describe('an answer', () => {
  test('that never comes is reported with the address', async () => {
    const client = createClient({ apiUrl: 'http://127.0.0.1:9', patienceMs: 0 });
    await expect(client.get('/runs')).rejects.toMatchObject({
      code: 'api_unreachable',
      message: expect.stringContaining('127.0.0.1:9'),
    });
  });

  test('that takes too long ends with timed_out', async () => {
    const { client } = await serve(() => {});
    await expect(client({ timeoutMs: 100 }).get('/runs')).rejects.toMatchObject({ code: 'timed_out' });
  });

  test('is given up when the person stops waiting', async () => {
    const { client } = await serve(() => {});
    const stop = new AbortController();
    const asked = client({ signal: stop.signal }).get('/runs');
    stop.abort();
    await expect(asked).rejects.toMatchObject({ code: 'interrupted' });
  });

  test.each([
    [404, 'newer_not_found', 3],
    [403, 'newer_forbidden', 4],
    [401, 'newer_unauthenticated', 4],
    [400, 'newer_invalid', 2],
    [409, 'newer_conflict', 5],
    [500, 'newer_failure', 1],
  ])('%i with an unknown code %s has the exit code of its status: %i', async (status, code, exit) => {
    const { client } = await serve(problem(status, code));
    await expect(client().get('/x')).rejects.toMatchObject({ exit });
  });

  test('of a proxy that is no problem document is reported with its status', async () => {
    const { client } = await serve((response) => void response.writeHead(500).end('<html>'));
    const error: unknown = await client()
      .get('/x')
      .catch((entry: unknown) => entry);
    expect(error).toBeInstanceOf(ApiProblem);
    expect((error as ApiProblem).message).toContain('500');
  });

  test('of several pages is one list, up to the limit', async () => {
    const page = (from: number, next: string | null) =>
      json(200, { items: [from, from + 1], nextCursor: next });
    const { client, heard } = await serve(page(0, 'c1'), page(2, 'c2'), page(4, null));
    expect(await client().list('/runs')).toEqual({ items: [0, 1, 2, 3, 4, 5], nextCursor: null });
    expect(heard.map((entry) => new URL(entry.url, 'http://x').searchParams.get('cursor'))).toEqual([
      null,
      'c1',
      'c2',
    ]);
  });
});

describe('of several APIs', () => {
  const DEAD = 'http://127.0.0.1:9';
  const alive = (response: ServerResponse, { url }: Heard) => json(200, { asked: url })(response);

  test('one that refuses connections is passed over at once, and the one that answers is stayed with', async () => {
    const { apiUrl, heard } = await serve(json(200, {}));
    const client = createClient({ apiUrl: `${DEAD},${apiUrl}`, patienceMs: 0 });
    await client.get('/runs');
    await client.get('/runs');
    expect(heard).toHaveLength(2);
    expect(client.addresses).toEqual([DEAD, apiUrl]);
  });

  test('the change that one did not answer goes to the other with the same key and the same body', async () => {
    const first = await serve(hangUp);
    const second = await serve(json(200, { ok: 1 }));
    const client = createClient({ apiUrl: `${first.apiUrl},${second.apiUrl}`, patienceMs: 0 });
    expect(await client.post('/runs', { period: '2026-10' })).toEqual({ ok: 1 });
    expect(keys(second.heard)).toEqual(keys(first.heard));
    expect(second.heard.map((entry) => entry.body)).toEqual(first.heard.map((entry) => entry.body));
    await client.post('/runs', {});
    expect([first.heard.length, second.heard.length]).toEqual([1, 2]);
  });

  test('an answer that breaks off in the middle is asked for at the other', async () => {
    const first = await serve((response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).write('{"half":');
      setTimeout(() => response.destroy(), 50);
    });
    const second = await serve(json(200, { whole: 1 }));
    const client = createClient({ apiUrl: `${first.apiUrl},${second.apiUrl}`, patienceMs: 0 });
    expect(await client.get('/runs')).toEqual({ whole: 1 });
  });

  test('one that is there and says nothing any more is left after three seconds, one that only takes long is not', async () => {
    const frozen = await serve(() => {});
    const slow = await serve((response, heard) =>
      heard.url.endsWith('/healthz')
        ? json(200, { ok: true })(response)
        : void setTimeout(() => json(200, { slow: 1 })(response), 3_500),
    );
    const client = createClient({ apiUrl: `${frozen.apiUrl},${slow.apiUrl}` });
    const begun = performance.now();
    expect(await client.post('/runs', {})).toEqual({ slow: 1 });
    expect(performance.now() - begun).toBeGreaterThan(6_000);
    expect(new Set(keys([frozen.heard[0]!, slow.heard[0]!])).size).toBe(1);
    const other = createClient({ apiUrl: `${slow.apiUrl},${frozen.apiUrl}` });
    expect(await other.get('/runs')).toEqual({ slow: 1 });
  });

  test('a refusal is final, wherever it comes from; an outage is asked about everywhere', async () => {
    const outage = await serve(problem(503, 'record_unavailable', true));
    const refusing = await serve(problem(409, 'wrong_state'));
    const client = createClient({ apiUrl: `${outage.apiUrl},${refusing.apiUrl}`, patienceMs: 0 });
    await expect(client.post('/runs', {})).rejects.toMatchObject({ code: 'wrong_state' });
    expect([outage.heard.length, refusing.heard.length]).toEqual([1, 1]);
  });

  test('all dead: the address that was asked last is reported, after one round', async () => {
    const client = createClient({ apiUrl: `${DEAD},http://127.0.0.1:10`, patienceMs: 0 });
    await expect(client.get('/runs')).rejects.toMatchObject({
      code: 'api_unreachable',
      message: expect.stringContaining('127.0.0.1:10'),
    });
  });

  test('a log that breaks off goes on at the place that was reached, without a byte twice', async () => {
    const frames = ['Zeile 1 äöü€\n', 'Zeile 2 😀\n'].map((text, i) => ({
      from: i * 17,
      next: (i + 1) * 17,
      text,
    }));
    const lines = frames.map((frame) => Buffer.from(`${JSON.stringify(frame)}\n`));
    const asked: string[] = [];
    const first = await serve((response) => {
      // The second piece breaks in the middle of a character.
      const head = Buffer.concat([lines[0]!, lines[1]!.subarray(0, lines[1]!.indexOf('😀') + 2)]);
      response.writeHead(200, { 'content-type': 'application/x-ndjson' }).write(head);
      setTimeout(() => response.destroy(), 50);
    });
    const second = await serve((response, request) => {
      asked.push(request.url!);
      response.writeHead(200).end(lines[1]);
    });
    const client = createClient({ apiUrl: `${first.apiUrl},${second.apiUrl}` });
    let got = '';
    for await (const { text } of client.log('/log', { follow: true })) got += text;
    expect(got).toBe('Zeile 1 äöü€\nZeile 2 😀\n');
    expect(asked).toEqual(['/api/v1/log?follow=true&frames=true&from=17']);
  });

  test('events go on at the other from the last one seen', async () => {
    const first = await serve((response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('id: 7\ndata: a\n\n');
      setTimeout(() => response.destroy(), 50);
    }, hangUp);
    const second = await serve((response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('id: 8\ndata: b\n\n');
    });
    const client = createClient({ apiUrl: `${first.apiUrl},${second.apiUrl}` });
    const got: string[] = [];
    for await (const { data } of client.events('/runs/r/events')) {
      got.push(data);
      if (data === 'b') break;
    }
    expect(got).toEqual(['a', 'b']);
    expect(second.heard.map((entry) => entry.headers['last-event-id'])).toEqual(['7']);
  });

  test('each can be asked whether it lives', async () => {
    const { apiUrl } = await serve(alive);
    const client = createClient({ apiUrl: `${DEAD},${apiUrl}` });
    expect(await client.reach(apiUrl)).toBeGreaterThan(0);
    await expect(client.reach(DEAD)).rejects.toMatchObject({ code: 'api_unreachable' });
  });
});

describe('server-sent events', () => {
  const stream =
    (text: string, end = true) =>
    (response: ServerResponse) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(text);
      if (end) response.end();
    };

  test('go on from the last one seen when the stream breaks', async () => {
    const { client, heard } = await serve(
      stream(
        ': hello\n\nevent: decided\nid: 7\ndata: {"a":\ndata: 1}\n\nid: 8\r\ndata: x\r\n\r\nid: 9\ndata: cut',
      ),
      hangUp,
      stream('id: 10\ndata: y\n\n', false),
    );
    const got = [];
    for await (const event of client().events('/runs/r/events')) {
      got.push(event);
      if (event.data === 'y') break;
    }
    expect(got).toEqual([
      { id: '7', event: 'decided', data: '{"a":\n1}' },
      { id: '8', event: 'message', data: 'x' },
      { id: '10', event: 'message', data: 'y' },
    ]);
    expect(heard.map((entry) => entry.headers['last-event-id'])).toEqual([undefined, '8', '8']);
  });

  test('a run is followed over a restart of its API: nothing is lost and nothing comes twice', async () => {
    let runs = 0;
    let refused = 0;
    let changes = 0;
    const { client } = await serve((response, { url }) => {
      // A look asks for the run twice; after the first one the API is away for a while.
      if (runs >= 2 && refused < 25) {
        refused++;
        return hangUp(response);
      }
      if (url.includes('/events')) return json(404, {})(response);
      if (url.includes('/flows'))
        return json(200, { items: [{ id: 'A', n: ++changes }], nextCursor: null })(response);
      runs++;
      json(200, { finishedAt: changes > 2 ? 1 : null })(response);
    });
    const seen: unknown[] = [];
    for await (const { run, flows } of followRun(client({ patienceMs: 50 }), 'r', { pollMs: 20, gapMs: 1 })) {
      seen.push(...flows.map((flow) => (flow as unknown as { n: number }).n));
      if (run.finishedAt !== null) break;
    }
    expect(refused).toBe(25);
    expect(seen).toEqual([...new Set(seen)].sort());
  });

  test('a run that cannot be seen at all is said at once', async () => {
    const sights = followRun(createClient({ apiUrl: 'http://127.0.0.1:9', patienceMs: 0 }), 'r');
    await expect(sights.next()).rejects.toMatchObject({ code: 'api_unreachable' });
  });

  test('a run is looked at again at once when an event comes, and not before', async () => {
    let send: ((text: string) => void) | null = null;
    let looks = 0;
    const { client } = await serve((response, { url }) => {
      if (url.includes('/events')) {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': here\n\n');
        send = (text) => void response.write(text);
      } else if (url.includes('/flows')) json(200, { items: [], nextCursor: null })(response);
      else json(200, { finishedAt: null, looks: ++looks })(response);
    });
    const sights = followRun(client(), 'r', { pollMs: 60_000, gapMs: 10 });
    await sights.next();
    const before = looks;
    const second = sights.next();
    await expect.poll(() => send).not.toBeNull();
    send!('id: 1\ndata: {}\n\n');
    await second;
    expect(looks).toBeGreaterThan(before);
    await sights.return(undefined);
  });
});
