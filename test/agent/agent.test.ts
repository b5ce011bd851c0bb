import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Agent, AgentOptions } from '../../agent/agent.ts';
import { createApiClient } from '../../agent/api-client.ts';
import type { ProgramSpec, Task } from '../../contract/agent.ts';
import { SluiceError } from '../../errors.ts';
import { createSimulatedPlatform, type Scripted, type SimulatedPlatform } from '../../platforms/simulated.ts';
import { sqlSpec, type TaskOptions, taskOf } from '../platforms/task.ts';
import { FakeApi } from './fake-api.ts';
import { agentFor, platformsIn } from './test-agent.ts';

let api: FakeApi;
let spool: string;
let sql: SimulatedPlatform;
let script: (task: Task) => Scripted | undefined;
const running: { agent: Agent; over: Promise<void> }[] = [];

beforeEach(async () => {
  spool = mkdtempSync(join(tmpdir(), 'sluice-agent-'));
  api = new FakeApi();
  await api.start();
  script = () => undefined;
  sql = createSimulatedPlatform((task) => script(task));
});
afterEach(async () => {
  for (const { agent, over } of running.splice(0)) {
    agent.stop();
    await over.catch(() => {});
  }
  await api.end();
  // The keeper ends meanwhile, and still has a file to make or to remove.
  rmSync(spool, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
});

function agentOf(more: Partial<AgentOptions> = {}): { agent: Agent; over: Promise<void> } {
  const agent = agentFor(api, spool, { platforms: { ...platformsIn(spool), sql }, labels: ['big'], ...more });
  const over = agent.run();
  over.catch(() => {});
  running.push({ agent, over });
  return { agent, over };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
const noop: ProgramSpec = { type: 'noop', ms: 0, failTimes: 0 };
const task = (epoch: number, options: TaskOptions = {}, spec = sqlSpec('select 1')) =>
  taskOf(spec, { epoch, ...options });

describe('an agent', () => {
  it('says hello, claims what its slots allow, and reports what it ran', async () => {
    api.offer(...Array.from({ length: 10 }, (_, index) => task(index + 1, {}, noop)));
    agentOf();
    await until(() => api.results.length === 10);
    expect(JSON.parse(api.calls[0]!.body)).toMatchObject({
      lockToken: '0123456789abcdef',
      slots: 4,
      labels: ['big'],
      held: [],
    });
    const claims = api.of('claim').map(({ body }) => JSON.parse(body));
    expect(claims.every(({ free }) => free <= 4)).toBe(true);
    expect(api.results.every(({ ending }) => ending.outcome === 'succeeded')).toBe(true);
    expect(api.results[0]).toMatchObject({
      run: 'month-2026-10',
      flow: 'Flow',
      generation: 1,
      attempt: 1,
      epoch: 1,
    });
  });

  describe('of two APIs', () => {
    let other: FakeApi;
    beforeEach(async () => {
      other = new FakeApi();
      await other.start();
      const apiUrl = `${api.url},${other.url}`;
      agentOf({ client: createApiClient({ apiUrl, agent: 'yt-1', token: 'secret-token-of-test' }) });
      await until(() => api.of('claim').length === 1);
    });
    afterEach(() => other.end());

    it('goes on with the other when one is lost, a call under way with the identical body, and stays there', async () => {
      await api.end();
      await until(() => other.of('claim').length === 1);
      expect(other.of('claim')[0]!.body).toBe(api.of('claim')[0]!.body);
      const before = api.calls.length;
      other.offer(task(1, {}, noop));
      await until(() => other.results.length === 1);
      await api.startAgain();
      other.offer(task(2, {}, noop));
      await until(() => other.results.length === 2);
      expect(api.calls).toHaveLength(before);
    });

    it('leaves one that is frozen as soon as a heartbeat is not answered, with the claim that waits there', async () => {
      api.mishap = () => 'hang';
      await until(() => other.of('claim').length === 1);
      expect(other.of('claim')[0]!.body).toBe(api.of('claim').at(-1)!.body);
    });
  });

  it('gathers many tasks into few calls', async () => {
    api.offer(...Array.from({ length: 400 }, (_, index) => task(index + 1, {}, noop)));
    agentOf({ slots: 100 });
    await until(() => api.results.length === 400);
    expect(new Set(api.results.map(({ epoch }) => epoch)).size).toBe(400);
    expect(api.of('started').length).toBeLessThanOrEqual(12);
    expect(api.of('complete').length).toBeLessThanOrEqual(12);
  });

  it('fails a noop while its attempt is not above failTimes', async () => {
    const spec: ProgramSpec = { type: 'noop', ms: 5, failTimes: 1 };
    api.offer(task(1, { attempt: 1 }, spec), task(2, { attempt: 2 }, spec));
    agentOf();
    await until(() => api.results.length === 2);
    expect([1, 2].map((epoch) => api.result(epoch)!.ending.outcome)).toEqual(['failed', 'succeeded']);
  });

  it('delivers results that a full disk cannot keep, and goes on', async () => {
    const said: string[] = [];
    const error = (_facts: object, text: string) => void said.push(text);
    api.offer(task(1), task(2));
    agentOf({ logger: { info() {}, warn() {}, error } });
    // Nothing can be written into the spool of results, as on a full disk.
    rmSync(join(spool, 'results'), { recursive: true });
    writeFileSync(join(spool, 'results'), '');
    await until(() => api.results.length === 2);
    expect(api.results.map(({ ending }) => ending.outcome)).toEqual(['succeeded', 'succeeded']);
    expect(said).toEqual(Array.from({ length: 2 }, () => 'a result cannot be kept on the disk'));
  });

  it.each(['claim', 'started', 'complete'])(
    'repeats the identical %s when the answer was lost (protocol C1)',
    async (operation) => {
      api.mishap = (call, index) => (call.operation === operation && index < 2 ? 'lose' : undefined);
      api.offer(task(1));
      agentOf();
      await until(() => api.result(1) !== undefined && api.of(operation).length >= 3);
      const [first, second, third] = api.of(operation);
      expect(second).toEqual(first);
      expect(third).toEqual(first);
      expect(sql.executed).toHaveLength(1);
      expect(api.results).toHaveLength(1);
    },
  );

  it('launches nothing before started is answered ok, and not what is refused (protocol C4)', async () => {
    api.refuseStart.add(2);
    let launchedBefore = -1;
    api.mishap = ({ operation }) => {
      if (operation === 'started' && launchedBefore < 0) launchedBefore = sql.executed.length;
      return undefined;
    };
    api.offer(task(1), task(2), task(3));
    agentOf();
    await until(() => api.results.length === 2);
    expect(launchedBefore).toBe(0);
    expect(sql.executed.map(({ lease }) => lease.epoch)).toEqual([1, 3]);
    // The slot of the refused one is free again.
    api.offer(...[4, 5, 6, 7].map((epoch) => task(epoch)));
    await until(() => api.results.length === 6);
  });

  it('asks again when the answer is older than a lease: it may have stood still meanwhile', async () => {
    // Said yes, and taken the attempt away before the agent hears of it.
    api.delayOf = ({ operation }, index) => {
      if (operation !== 'started' || index > 0) return 0;
      api.refuseStart.add(1);
      return 1_500;
    };
    api.offer(task(1), task(2));
    agentOf();
    await until(() => api.result(2) !== undefined);
    expect(api.of('started').length).toBeGreaterThan(1);
    expect(sql.executed.map(({ lease }) => lease.epoch)).toEqual([2]);
  });

  it('cancels the attempts that the API stops', async () => {
    script = () => 'never';
    api.offer(task(1), task(2));
    agentOf();
    await until(() => sql.executed.length === 2);
    api.stop.add(1);
    await until(() => api.result(1) !== undefined);
    expect(api.result(1)!.ending).toEqual({ outcome: 'cancelled', effect: false });
    expect(api.result(2)).toBeUndefined();
  });

  it('cancels what a heartbeat no longer knows', async () => {
    script = () => 'never';
    api.offer(task(1));
    agentOf();
    await until(() => sql.executed.length === 1);
    api.unknown.add(1);
    await until(() => api.result(1) !== undefined);
  });

  it('does not launch what is stopped between claim and started', async () => {
    api.stop.add(1);
    api.offer(task(1));
    agentOf();
    await until(() => api.result(1) !== undefined);
    expect(api.result(1)!.ending).toEqual({ outcome: 'cancelled', effect: false });
    expect(sql.executed).toEqual([]);
  });

  it('keeps running programs while the API is away, and delivers when it is back', async () => {
    script = () => ({ afterMs: 100, ending: { outcome: 'succeeded', rows: 3 } });
    api.offer(task(1));
    agentOf();
    await until(() => sql.executed.length === 1);
    await api.end();
    await until(() => existsSync(join(spool, 'results', '1.json')));
    await api.startAgain();
    await until(() => api.result(1) !== undefined);
    expect(api.result(1)!.ending).toEqual({ outcome: 'succeeded', rows: 3 });
    await until(() => !existsSync(join(spool, 'results', '1.json')));
  });

  it('ends programs inside it that had no contact for orphanMs (protocol C4)', async () => {
    script = () => 'never';
    api.offer(task(1, { orphanMs: 300 }));
    agentOf();
    await until(() => sql.executed.length === 1);
    await api.end();
    await until(() => existsSync(join(spool, 'results', '1.json')));
    await api.startAgain();
    await until(() => api.result(1) !== undefined);
    expect(api.result(1)!.ending).toMatchObject({ outcome: 'failed', kind: 'infrastructure' });
  });

  it('delivers what an earlier process could not', async () => {
    api.offer(task(1));
    // A result that the first process has under way when it ends may arrive after its farewell: it is refused, too.
    api.mishap = ({ operation }) =>
      operation === 'complete' && api.of('hello').length < 2
        ? { status: 503, code: 'unavailable' }
        : undefined;
    const first = agentOf();
    await until(() => existsSync(join(spool, 'results', '1.json')));
    first.agent.stop();
    await first.over;
    expect(JSON.parse(api.of('leave')[0]!.body).held).toEqual([1]);
    agentOf();
    await until(() => api.result(1) !== undefined);
    expect(JSON.parse(api.of('hello')[1]!.body).held).toEqual([1]);
    expect(sql.executed).toHaveLength(1);
  });

  it('sets a result aside that the API will never accept, and delivers the others', async () => {
    api.mishap = ({ operation, body }) =>
      operation === 'complete' && body.includes('"epoch":2')
        ? { status: 422, code: 'invalid_request' }
        : undefined;
    api.offer(task(1), task(2), task(3));
    agentOf();
    await until(() => api.results.length === 2);
    await until(() => existsSync(join(spool, 'results', 'refused', '2.json')));
    expect(api.results.map(({ epoch }) => epoch).sort()).toEqual([1, 3]);
  });

  it('registers again when the API does not know it any more', async () => {
    api.mishap = ({ operation }, index) =>
      operation === 'claim' && index === 0 ? { status: 409, code: 'agent_name_taken' } : undefined;
    api.offer(task(1));
    agentOf();
    await until(() => api.result(1) !== undefined);
    expect(api.of('hello')).toHaveLength(2);
  });

  it('ends when another process holds its name (protocol C8)', async () => {
    api.mishap = ({ operation }) =>
      operation === 'hello' ? { status: 409, code: 'agent_name_taken' } : undefined;
    const { over } = agentOf();
    await expect(over).rejects.toSatisfy(
      (error) => error instanceof SluiceError && error.code === 'agent_name_taken',
    );
  });

  it.each([401, 403])('ends when the API answers its first hello with %i', async (status) => {
    api.mishap = ({ operation }) => (operation === 'hello' ? { status, code: 'out_of_scope' } : undefined);
    const { over } = agentOf();
    await expect(over).rejects.toMatchObject({
      code: 'agent_refused',
      facts: { status, code: 'out_of_scope' },
    });
  });

  it('ships the whole log once, also when answers are lost, and says how long it is', async () => {
    const lines = Array.from({ length: 50 }, (_, index) => `第${index}行 𠀀\n`);
    api.mishap = ({ operation }, index) => (operation === 'logs' && index === 0 ? 'lose' : undefined);
    const talking = {
      async execute(_task: Task, { log }: { log: (text: string) => void }) {
        for (const line of lines) {
          log(line);
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
        return { outcome: 'succeeded' as const };
      },
    };
    api.offer(task(1));
    agentOf({ platforms: { ...platformsIn(spool), sql: talking } });
    await until(() => api.logText(1) === lines.join('') && api.result(1) !== undefined);
    expect(api.of('logs').length).toBeGreaterThan(2);
    expect(api.result(1)).toMatchObject({ logBytes: Buffer.byteLength(lines.join('')) });
  });

  const shell = (script: string, encoding?: string): ProgramSpec => ({
    type: 'shell',
    command: ['sh', '-c', script],
    env: {},
    encoding,
  });

  it('does not hold a result back for an API that takes no logs: the log follows when it does', async () => {
    let takes = false;
    api.mishap = ({ operation }) =>
      operation === 'logs' && !takes ? { status: 500, code: 'internal' } : undefined;
    api.offer(task(1, {}, shell('echo hello')), task(2, {}, shell('echo two; exit 3')));
    agentOf({ slots: 1 });
    await until(() => api.result(1) !== undefined && api.result(2) !== undefined);
    expect(api.logText(1)).toBe('');
    takes = true;
    await until(() => api.logText(1) === 'hello\n' && api.logText(2) === 'two\n');
    await until(() => readdirSync(join(spool, 'attempts')).length === 0);
  });

  it('sends what is left of a log after its own restart, and does not report the attempt again', async () => {
    let takes = false;
    api.mishap = ({ operation }) =>
      operation === 'logs' && !takes ? { status: 500, code: 'internal' } : undefined;
    api.offer(task(1, {}, shell('echo hello')));
    const first = agentOf();
    await until(() => api.result(1) !== undefined);
    await until(() => existsSync(join(spool, 'attempts', '1', 'reported')));
    first.agent.stop();
    await first.over;
    takes = true;
    agentOf();
    await until(() => api.logText(1) === 'hello\n');
    await until(() => readdirSync(join(spool, 'attempts')).length === 0);
    expect(api.of('hello').map(({ body }) => JSON.parse(body).held)).toEqual([[], []]);
    expect(api.results.length).toBe(1);
  });

  it('keeps what the API cannot store, and comes again with it without holding up other logs', async () => {
    api.full.add(1);
    api.offer(task(1, {}, shell('echo one')), task(2, {}, shell('echo two')));
    agentOf();
    await until(() => api.logText(2) === 'two\n' && api.result(1) !== undefined);
    expect(api.logText(1)).toBe('');
    api.full.clear();
    await until(() => api.logText(1) === 'one\n');
  });

  it('reports 100 MB of output at once, and what is kept of it follows with the number of the others', async () => {
    const bytes = 100 * 1024 * 1024;
    api.offer(task(1, {}, shell(`head -c ${bytes} /dev/zero | tr '\\0' x; echo broken >&2; exit 3`)));
    agentOf();
    let sentAtResult: number | undefined;
    await until(() => {
      if (api.result(1) !== undefined) sentAtResult ??= api.log(1).length;
      return api.logEnd(1) === bytes + 7;
    });
    expect(api.result(1)).toMatchObject({
      logBytes: bytes + 7,
      ending: { outcome: 'failed', exitCode: 3, message: 'exit code 3\nstderr: broken' },
    });
    expect(sentAtResult).toBeLessThan(bytes / 2);
    expect(api.log(1).length).toBeLessThan(25 * 1024 * 1024);
    // In its place among the output: last, or where it was when somebody looked before the end was known.
    expect(api.log(1).toString('latin1').split('broken\n')).toHaveLength(2);
  });

  it('cancels a flood at once, and a quiet program beside it is heard', async () => {
    api.offer(task(1, {}, shell('while :; do head -c 10000000 /dev/zero; done')));
    agentOf();
    await until(() => api.log(1).length > 1_000_000);
    const beats = api.of('heartbeat').length;
    api.offer(task(2, {}, shell('echo quiet')));
    await until(() => api.logText(2) === 'quiet\n' && api.result(2) !== undefined);
    await until(() => api.of('heartbeat').length > beats);
    // Nothing of the flood's end was reached when the quiet one was heard.
    expect(api.result(1)).toBeUndefined();
    api.stop.add(1);
    await until(() => api.result(1) !== undefined);
    expect(api.result(1)?.ending.outcome).toBe('cancelled');
    await until(() => api.logEnd(1) === api.result(1)!.logBytes);
  });

  it('shows and reports output in the encoding of the program, else in its own', async () => {
    const gbk = "printf '\\264\\355\\316\\363\\n' >&2; exit 3";
    api.offer(task(1, {}, shell(gbk, 'gbk')), task(2, {}, shell(gbk)), task(3, {}, shell(gbk, 'utf-8')));
    agentOf({ encoding: 'big5' });
    await until(() => [1, 2, 3].every((epoch) => api.result(epoch) !== undefined));
    expect(api.result(1)).toMatchObject({
      encoding: 'gbk',
      ending: { message: 'exit code 3\nstderr: 错误' },
    });
    expect(api.result(2)).toMatchObject({ encoding: 'big5' });
    expect(api.result(3)?.encoding).toBeUndefined();
    expect(JSON.parse(api.of('hello')[0]!.body).encoding).toBe('big5');
    await until(() => api.log(1).equals(Buffer.from([0xb4, 0xed, 0xce, 0xf3, 0x0a])));
  });

  it('drains politely: it claims nothing more, lets programs end, and says farewell', async () => {
    script = () => ({ afterMs: 100, ending: { outcome: 'succeeded' } });
    api.offer(task(1));
    const { agent, over } = agentOf({ drainMs: 5_000 });
    await until(() => sql.executed.length === 1);
    agent.stop();
    api.offer(task(2));
    await over;
    expect(api.results.map(({ epoch }) => epoch)).toEqual([1]);
    expect(api.calls.at(-1)!.operation).toBe('leave');
    expect(JSON.parse(api.calls.at(-1)!.body).held).toEqual([]);
  });

  it('leaves a program that does not end in time as lost', async () => {
    script = () => 'never';
    api.offer(task(1));
    const { agent, over } = agentOf({ drainMs: 50 });
    await until(() => sql.executed.length === 1);
    agent.stop();
    await over;
    expect(api.result(1)!.ending).toMatchObject({ outcome: 'lost' });
  });

  it('takes its shell programs along when it owns them, and leaves them to their keeper when not', async () => {
    const sleeper: ProgramSpec = {
      type: 'shell',
      command: ['sh', '-c', 'echo up; while [ ! -e gate ]; do sleep 0.02; done'],
      env: {},
    };
    api.offer(task(1, {}, sleeper));
    const first = agentOf({ drainMs: 50, endPrograms: false });
    await until(() => api.logText(1) === 'up\n');
    first.agent.stop();
    await first.over;
    expect(JSON.parse(api.of('leave')[0]!.body).held).toEqual([1]);

    api.offer(task(2, {}, sleeper));
    const second = agentOf({ drainMs: 50, interruptedMs: 60_000, endPrograms: true });
    await until(() => api.logText(2) === 'up\n');
    second.agent.stop();
    await second.over;
    expect([1, 2].map((epoch) => api.result(epoch)!.ending.outcome)).toEqual(['lost', 'lost']);
    expect(readdirSync(join(spool, 'attempts'))).toEqual([]);
  });

  it('finds a shell program of an earlier process and reports it under its epoch (protocol C5)', async () => {
    const sleeper: ProgramSpec = {
      type: 'shell',
      command: ['sh', '-c', 'echo up; while [ ! -e gate ]; do sleep 0.02; done; exit 3'],
      env: {},
    };
    api.offer(task(7, {}, sleeper));
    const first = agentOf({ endPrograms: false });
    await until(() => api.logText(7) === 'up\n');
    first.agent.stop();
    await first.over;
    agentOf();
    writeFileSync(join(spool, 'gate'), '');
    await until(() => api.result(7) !== undefined);
    expect(api.result(7)!.ending).toMatchObject({ outcome: 'failed', exitCode: 3 });
    expect(api.logText(7)).toBe('up\n');
  });
});
