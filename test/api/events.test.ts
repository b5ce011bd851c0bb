import { once } from 'node:events';
import http from 'node:http';
import { afterAll, expect, test } from 'vitest';
import { startTestApi } from '../support/api.ts';
import { createTestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../support/estate.ts';

const database = await createTestDatabase('events');
const api = await startTestApi(database);
await applyCatalogue(api.pool, catalogueText([{ id: 'A' }, { id: 'B', after: ['A'] }]));
const ann = await api.actor({ name: 'ann', kind: 'person', roles: ['operator'] });
await api.app.listen({ host: '127.0.0.1', port: 0 });
const { port } = api.app.server.address() as { port: number };

const open: http.ClientRequest[] = [];
afterAll(() => {
  for (const request of open) request.destroy();
});

interface Event {
  readonly event: string;
  readonly id: number;
  readonly data: { flows: { flow: string; state: string }[]; operations: { id: string }[] };
}

/** Connects; `next` answers the events one by one. */
async function watch(run: string, lastEventId?: number) {
  const request = http.get({
    host: '127.0.0.1',
    port,
    path: `/api/v1/runs/${run}/events`,
    headers: {
      authorization: `Bearer ${ann.token}`,
      ...(lastEventId === undefined ? {} : { 'last-event-id': String(lastEventId) }),
    },
  });
  open.push(request);
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  response.setEncoding('utf8');
  let text = '';
  const blocks = response[Symbol.asyncIterator]();
  async function next(): Promise<Event> {
    for (;;) {
      const end = text.indexOf('\n\n');
      if (end < 0) {
        const part = await blocks.next();
        if (part.done) throw new Error('the stream ended');
        text += part.value;
        continue;
      }
      const block = text.slice(0, end);
      text = text.slice(end + 2);
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1];
      if (field('event') === undefined) continue;
      return { event: field('event')!, id: Number(field('id')), data: JSON.parse(field('data')!) };
    }
  }
  return { response, next, close: () => request.destroy() };
}

test('a watcher sees what is decided, and what it missed when it comes back', async () => {
  const run = await openTestRun(api.pool);
  await api.coordinator!.settled(run);
  const first = await watch(run);
  expect(first.response.headers['content-type']).toContain('text/event-stream');
  const passed = await ann.post(`/runs/${run}/force-pass`, { flows: ['A'], reason: 'r', evidence: 'e' });
  const event = await first.next();
  expect(event).toMatchObject({
    event: 'decided',
    data: {
      flows: [
        { flow: 'A', state: 'force_passed', flags: ['tainted'] },
        { flow: 'B', state: 'waiting_agent' },
      ],
      operations: [{ id: passed.body.id, state: 'applied' }],
    },
  });
  first.close();
  const held = await ann.post(`/runs/${run}/hold`, { flows: ['B'], reason: 'r' });
  const second = await watch(run, event.id);
  expect((await second.next()).data.operations).toMatchObject([{ id: held.body.id }]);
  second.close();
});

test('a client that was away longer than events are kept has to read the run again', async () => {
  const run = await openTestRun(api.pool, '2026-09');
  await api.coordinator!.settled(run);
  await ann.post(`/runs/${run}/hold`, { flows: ['B'], reason: 'r' });
  await api.pool.query('delete from exchanges where run_id = $1 and n = 1', [run]);
  const watcher = await watch(run, 0);
  expect((await watcher.next()).event).toBe('reset');
  expect((await watcher.next()).event).toBe('decided');
  watcher.close();
});

test('a followed log ends with its attempt', async () => {
  const run = await openTestRun(api.pool, '2026-08');
  await api.coordinator!.settled(run);
  const agent = await api.actor({ name: 'a1', kind: 'agent' });
  const call = (operation: string, body: object) =>
    agent.post(`/agents/a1/${operation}`, { instance: 'instance-1', ...body });
  await api.pool.query('delete from outbox where run_id <> $1', [run]);
  await call('hello', { lockToken: 'x'.repeat(16), platform: 'yt', slots: 4, version: '1', protocol: 2 });
  const [task] = (await call('claim', { claimId: 'claim-001', platform: 'yt', free: 1, waitMs: 0 })).body
    .tasks;
  await call('started', { requestId: 'started-1', leases: [{ epoch: task.lease.epoch }] });
  await call('logs', { chunks: [{ ...task.lease, offset: 0, data: btoa('one\n') }] });
  const response = await fetch(`http://127.0.0.1:${port}/api/v1/runs/${run}/flows/A/attempts/1/log?follow`, {
    headers: { authorization: `Bearer ${ann.token}` },
  });
  await call('logs', { chunks: [{ ...task.lease, offset: 4, data: btoa('two\n') }] });
  await call('complete', {
    requestId: 'complete-1',
    results: [{ ...task.lease, ending: { outcome: 'succeeded' } }],
  });
  expect(await response.text()).toBe('one\ntwo\n');
});
