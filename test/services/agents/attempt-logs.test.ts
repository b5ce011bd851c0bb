import { expect, test } from 'vitest';
import { startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';

const database = await createTestDatabase('attempt_logs');
const api = await startTestApi(database);
const shell = (more: object = {}) => ({ type: 'shell', command: ['true'], ...more });
await applyCatalogue(
  api.pool,
  catalogueText([
    { id: 'Gbk', program: shell({ encoding: 'GBK' }) },
    { id: 'Agents', program: shell() },
    { id: 'Inside', program: { type: 'noop' } },
  ]),
);
const ann = await api.actor({ name: 'ann', kind: 'person', roles: ['viewer'] });

const ERROR_IN_GBK = Buffer.from([0xb4, 0xed, 0xce, 0xf3, 0x0a]);
const ERROR_IN_BIG5 = Buffer.from([0xbf, 0xf9, 0xbb, 0x7e, 0x0a]);

let month = 0;
/** A run whose three flows are with an agent that declares big5. */
async function attempts() {
  const run = await openTestRun(api.pool, `${2030 + ++month}-01`);
  await api.coordinator!.settled(run);
  await api.pool.query('delete from outbox where run_id <> $1', [run]);
  const name = `agent-${month}`;
  const agent = await api.actor({ name, kind: 'agent' });
  const call = async (operation: string, body: object) => {
    const answer = await agent.post(`/agents/${name}/${operation}`, { instance: 'instance-1', ...body });
    expect(answer).toMatchObject({ status: 200 });
    return answer.body;
  };
  const who = {
    platform: 'yt',
    lockToken: 'x'.repeat(16),
    slots: 4,
    version: '1',
    protocol: 2,
    encoding: 'big5',
  };
  await call('hello', who);
  const { tasks } = await call('claim', { claimId: 'claim-001', platform: 'yt', free: 4, waitMs: 0 });
  const leaseOf = (flow: string) =>
    tasks.find((task: { lease: { flow: string } }) => task.lease.flow === flow).lease;
  const address = (flow: string, query = '') => `/api/v1/runs/${run}/flows/${flow}/attempts/1/log${query}`;
  const headers = { authorization: `Bearer ${ann.token}` };
  return {
    tasks,
    write: (flow: string, offset: number, data: Buffer) =>
      call('logs', { chunks: [{ ...leaseOf(flow), offset, data: data.toString('base64') }] }),
    end: (flow: string, more: object = {}) =>
      call('complete', {
        requestId: `complete-${flow}`,
        results: [{ ...leaseOf(flow), ending: { outcome: 'succeeded' }, ...more }],
      }),
    read: async (flow: string, query = '') =>
      (await api.app.inject({ url: address(flow, query), headers })).rawPayload,
    frames: async (flow: string, query = '') => {
      const { body } = await api.app.inject({ url: address(flow, `?frames=true${query}`), headers });
      return body.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
    },
    attempt: async (flow: string) => (await ann.get(`/runs/${run}/flows/${flow}/attempts`)).body.items[0],
  };
}

test('bytes that are no text come back as they were; replaced is only what is shown', async () => {
  const it = await attempts();
  const bytes = Buffer.from(Array.from({ length: 512 }, (_, i) => i % 256));
  await it.write('Inside', 0, bytes);
  expect(await it.read('Inside', '?raw=true')).toEqual(bytes);
  expect((await it.read('Inside')).toString()).toBe(new TextDecoder().decode(bytes));
});

test('output is shown in the encoding of the program, else of the agent; what runs inside the agent speaks utf-8', async () => {
  const it = await attempts();
  await it.write('Gbk', 0, ERROR_IN_GBK);
  await it.write('Agents', 0, ERROR_IN_BIG5);
  await it.write('Inside', 0, Buffer.from('错误\n'));
  const shown = () =>
    Promise.all(['Gbk', 'Agents', 'Inside'].map(async (flow) => (await it.read(flow)).toString()));
  expect(await shown()).toEqual(['错误\n', '錯誤\n', '错误\n']);
  expect(await it.read('Gbk', '?raw=true')).toEqual(ERROR_IN_GBK);
  // The record keeps what the agent used, whatever it declares later.
  await it.end('Agents', { logBytes: 5, encoding: 'big5' });
  await it.end('Inside', { logBytes: 7 });
  await api.pool.query("update agents set encoding = 'gbk'");
  expect(await shown()).toEqual(['错误\n', '錯誤\n', '错误\n']);
  expect(await it.attempt('Agents')).toMatchObject({ encoding: 'big5', logBytes: 5 });
});

test('a character that is cut by a chunk is shown whole, and one that is cut by the end as far as it is', async () => {
  const it = await attempts();
  await it.write('Gbk', 0, ERROR_IN_GBK.subarray(0, 3));
  expect((await it.read('Gbk')).toString()).toBe('错\ufffd');
  await it.write('Gbk', 3, ERROR_IN_GBK.subarray(3));
  expect((await it.read('Gbk')).toString()).toBe('错误\n');
});

test('a log is read on from the place that was reached', async () => {
  const it = await attempts();
  await it.write('Inside', 0, Buffer.from('äöü\n€'));
  const [first, second] = await it.frames('Inside');
  expect(first).toEqual({ from: 0, next: 7, text: 'äöü\n', encoding: 'utf-8' });
  expect(second).toEqual({ from: 7, next: 10, text: '€', encoding: 'utf-8' });
  expect(await it.frames('Inside', '&from=7')).toEqual([second]);
  expect(await it.frames('Inside', '&from=10')).toEqual([]);
  expect(await it.frames('Inside', '&raw=true')).toEqual([
    { from: 0, next: 10, data: btoa('Ã¤Ã¶Ã¼\nâ\x82¬') },
  ]);
});

test('what has not come when an attempt has ended is left out, to the byte', async () => {
  const it = await attempts();
  await it.write('Inside', 10, Buffer.from('abc\n'));
  await it.end('Inside', { logBytes: 20 });
  expect(await it.frames('Inside')).toEqual([
    { from: 0, next: 10, leftOut: 10 },
    { from: 10, next: 14, text: 'abc\n', encoding: 'utf-8' },
    { from: 14, next: 20, leftOut: 6 },
  ]);
  expect(await it.read('Inside', '?raw=true')).toEqual(Buffer.from('abc\n'));
});

test('the last bytes of an ended attempt are waited for while they come', async () => {
  const it = await attempts();
  await it.end('Inside', { logBytes: 8 });
  const reading = it.read('Inside');
  await it.write('Inside', 0, Buffer.from('one\n'));
  await it.write('Inside', 4, Buffer.from('two\n'));
  expect((await reading).toString()).toBe('one\ntwo\n');
});

test('an encoding that output cannot have is refused, of an agent as of a program', async () => {
  const agent = await api.actor({ name: 'agent-utf16', kind: 'agent' });
  const hello = {
    instance: 'instance-1',
    platform: 'yt',
    lockToken: 'x'.repeat(16),
    slots: 4,
    version: '1',
    protocol: 2,
  };
  const answer = await agent.post('/agents/agent-utf16/hello', { ...hello, encoding: 'utf-16le' });
  expect(answer.status).toBe(400);
  for (const encoding of ['utf-16le', 'klingon', ''])
    await expect(
      applyCatalogue(api.pool, catalogueText([{ id: 'A', program: shell({ encoding }) }])),
    ).rejects.toThrow(/invalid_value/);
});
