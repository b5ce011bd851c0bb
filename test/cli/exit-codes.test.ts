/** Every documented exit code, each by the command that has it; and the same failures as problem+json. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../support/estate.ts';
import { commandLine } from './command-line.ts';
import { startCliEstate } from './estate.ts';

const { api, sluice, home } = await startCliEstate(await createTestDatabase('exit_codes'));
await applyCatalogue(
  api.pool,
  catalogueText([
    { id: 'A' },
    { id: 'B', after: ['A'] },
    { id: 'KEY', key: true },
    { id: 'GATE', kind: 'gate', person: { role: 'billing' } },
  ]),
);
const run = await openTestRun(api.pool);
const broken = await mkdtemp(join(tmpdir(), 'sluice-test-broken-'));
beforeAll(() => writeFile(join(broken, 'a.yaml'), 'flows:\n  - id: X\n    nonsense: 1\n'));
afterAll(() => rm(broken, { recursive: true, force: true }));

const pass = ['--run', run, '--reason', 'checked', '--evidence', 'ticket 7'];

describe('the exit code is', () => {
  test.each<[number, string, string[], string]>([
    [0, 'for what was done', ['hold', 'B', '--run', run, '--reason', 'wait'], ''],
    [0, 'for an empty list', ['audit', '--verb', 'nothing'], ''],
    [2, 'for an unknown command', ['hodl', 'A'], 'usage'],
    [2, 'for an unknown option', ['hold', 'A', '--resaon', 'x'], 'usage'],
    [2, 'for a value that is none of the choices', ['rerun', 'A', '--scope', 'all'], 'usage'],
    [2, 'for a number that is none', ['run', 'list', '--limit', '0'], 'usage'],
    [2, 'for a missing reason', ['hold', 'A', '--run', run], 'reason_required'],
    [2, 'for missing evidence', ['force-pass', 'A', '--run', run, '--reason', 'x'], 'evidence_required'],
    [2, 'for resolve without an answer', ['resolve', 'A', '--run', run, '--reason', 'x'], 'usage'],
    [2, 'for a period that is none', ['run', 'open', '2026-13'], 'invalid_period'],
    [2, 'for a folder that is none', ['catalogue', 'check', '/nowhere'], 'usage'],
    [3, 'for an unknown run', ['run', 'show', 'month-1999-01'], 'unknown_run'],
    [3, 'for an unknown flow', ['hold', 'AA', '--run', run, '--reason', 'x'], 'unknown_flow'],
    [3, 'for an unknown operation', ['operations', 'show', 'op-0'], 'unknown_operation'],
    [3, 'for a key under which nothing was done', ['operations', 'no-such-key'], ''],
    [3, 'for an unknown agent', ['agent', 'drain', 'nobody', '--reason', 'x'], 'unknown_agent'],
    [3, 'for an actor that the profile lacks', ['run', 'list', '--as', 'nobody'], 'unknown_actor'],
    [3, 'for the log of a flow that was never tried', ['logs', 'B', '--run', run], 'unknown_attempt'],
    [4, 'for a role that may not', ['force-pass', 'A', ...pass, '--as', 'viewer'], 'forbidden'],
    [4, "for somebody else's gate", ['confirm', 'GATE', '--run', run, '--as', 'operator'], 'role_required'],
    [5, 'for a state that does not allow it', ['trigger', 'A', '--run', run], 'wrong_state'],
    [5, 'for a run that is there', ['run', 'open', '2026-10'], 'run_exists'],
    [5, 'for a dry run of what would be refused', ['trigger', 'A', '--run', run, '--dry-run'], ''],
    [6, 'for a catalogue with problems', ['catalogue', 'check', broken], ''],
    [6, 'for applying a catalogue with problems', ['catalogue', 'apply', broken], 'catalogue_invalid'],
    [7, 'for what a second person must approve', ['force-pass', 'KEY', ...pass, '--as', 'operator'], ''],
    [7, 'for a dry run of such', ['force-pass', 'KEY', ...pass, '--as', 'operator', '--dry-run'], ''],
    [124, 'for a watch that took too long', ['run', 'watch', run, '--timeout', '0.3'], 'timed_out'],
  ])('%i %s', async (exit, _when, args, code) => {
    const text = await sluice(args);
    expect([text.exit, text.err]).toEqual([
      exit,
      expect.stringContaining(code === '' ? '' : `sluice: ${code}: `),
    ]);
  });

  test('1 when the API does not answer', async () => {
    const ran = await commandLine({ token: 'long-enough-token', apiUrl: 'http://127.0.0.1:9' })([
      'run',
      'list',
    ]);
    expect([ran.exit, ran.out]).toEqual([1, '']);
    expect(ran.err).toContain('api_unreachable');
  });

  test('4 when no token is known', async () => {
    const { apiUrl } = JSON.parse((await readProfile()).toString());
    const ran = await commandLine({ apiUrl })(['run', 'list']);
    expect([ran.exit, ran.err]).toEqual([4, expect.stringContaining('unauthenticated')]);
  });

  test('130 when it is interrupted', async () => {
    const stop = new AbortController();
    const watched = sluice(['run', 'watch', run], { signal: stop.signal, onOut: () => stop.abort() });
    expect((await watched).exit).toBe(130);
  });
});

const readProfile = async () => (await import('node:fs/promises')).readFile(join(home, 'cli.json'));

describe('with --json', () => {
  test.each<[string, string[], number]>([
    ['usage', ['hodl', '--json'], 2],
    ['unknown_run', ['run', 'show', 'month-1999-01', '--json'], 3],
    ['forbidden', ['hold', 'A', ...pass.slice(0, 4), '--as', 'viewer', '--json'], 4],
    ['wrong_state', ['trigger', 'A', '--run', run, '--json'], 5],
    ['timed_out', ['run', 'watch', run, '--timeout', '0.3', '--json'], 124],
  ])('%s is one problem on stderr and nothing else', async (code, args, exit) => {
    const ran = await sluice(args);
    expect(ran.exit).toBe(exit);
    expect(JSON.parse(ran.err)).toMatchObject({
      code,
      title: expect.any(String),
      remedy: expect.any(String),
    });
    if (code !== 'timed_out') expect(ran.out).toBe('');
  });

  test("a refusal is the API's own problem, word for word but for its trace id", async () => {
    const ran = await sluice(['trigger', 'A', '--run', run, '--json']);
    const { traceId: _of, facts, ...problem } = JSON.parse(ran.err);
    expect(problem).toMatchObject({ status: 409, instance: `/api/v1/runs/${run}/trigger`, retryable: false });
    expect(facts).toMatchObject({ run, verb: 'trigger', flows: [{ flow: 'A', code: 'wrong_state' }] });
  });

  test('an answer that needs approval is on stdout: nothing went wrong', async () => {
    const ran = await sluice(['force-pass', 'KEY', ...pass, '--as', 'operator', '--json']);
    expect(ran).toMatchObject({ exit: 7, err: '' });
    expect(ran.json()).toMatchObject({ state: 'approval_required', verb: 'force-pass' });
  });
});

test('a refusal in Chinese has title and remedy in Chinese', async () => {
  const ran = await sluice(['run', 'show', 'month-1999-01', '--lang', 'zh']);
  expect(ran.err).toContain('没有该运行');
  expect(ran.err).toContain('处理：');
});

test('a misspelt flow, run or command is answered with what may have been meant', async () => {
  expect((await sluice(['hold', 'GATES', '--run', run, '--reason', 'x'])).err).toContain(
    'did you mean GATE?',
  );
  expect((await sluice(['run', 'show', 'month-2026-1O'])).err).toContain(run);
  expect((await sluice(['force-pas', 'A'])).err).toContain('Did you mean force-pass?');
});
