/** Every command against a real API: with --json the API's own payload, otherwise what people read, in both languages. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { instant } from '../../cli/text/instant.ts';
import { widthOf } from '../../cli/text/width.ts';
import { createTestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../support/estate.ts';
import { playAgent } from '../support/play.ts';
import { startCliEstate } from './estate.ts';

const { api, sluice, direct } = await startCliEstate(await createTestDatabase('commands'));
const text = catalogueText([
  { id: 'A', names: { en: 'First program', zh: '第一个程序' } },
  { id: 'B', after: ['A'], names: { en: 'Second program', zh: '第二个程序' } },
  { id: 'C', after: ['B'], trigger: 'manual', names: { en: 'Third\u001b[31m program', zh: '第三个程序' } },
  { id: 'GATE', kind: 'gate', person: { role: 'billing' }, names: { en: 'Gate', zh: '账务确认' } },
  { id: 'KEY', after: ['GATE'], key: true, names: { en: 'Key program', zh: '重点程序' } },
]);
await applyCatalogue(api.pool, text);
const played = await playAgent(api.pool, 'agent-1');
const folder = await mkdtemp(join(tmpdir(), 'sluice-test-catalogue-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

let year = 1980;
/** A run of its own with A failed. */
async function freshRun(): Promise<string> {
  const run = await openTestRun(api.pool, `${++year}-01`);
  await api.coordinator!.settled(run);
  const tasks = (await played.claim()).filter((task) => task.run === run);
  await played.start(tasks);
  await played.end(tasks, {
    outcome: 'failed',
    failure: 'program',
    message: 'no \u001b]0;x\u0007rows',
    effect: false,
  });
  await api.coordinator!.settled(run);
  return run;
}
const asked = (verb: string, run: string, ...more: string[]) =>
  sluice([verb, ...more, '--run', run, '--reason', 'test']);

describe('what is read', () => {
  test.each<[string, (run: string) => string[], (run: string) => string]>([
    ['run list', () => ['run', 'list'], () => '/runs?limit=50'],
    ['run show', (run) => ['run', 'show', run], (run) => `/runs/${run}`],
    ['flow show', (run) => ['flow', 'show', 'A', '--run', run], (run) => `/runs/${run}/flows/A`],
    ['operations list', (run) => ['operations', 'list', '--run', run], (run) => `/operations?run=${run}`],
    ['audit', (run) => ['audit', '--run', run], (run) => `/audit?run=${run}`],
    ['notices', (run) => ['notices', '--run', run], (run) => `/notices?run=${run}`],
    ['verbs', () => ['verbs'], () => '/verbs'],
    ['catalogue versions', () => ['catalogue', 'versions'], () => '/catalogue/versions'],
    ['catalogue show', () => ['catalogue', 'show'], () => '/catalogue'],
    ['catalogue flow', () => ['catalogue', 'flow', 'A', '1'], () => '/catalogue/flows/A?version=1'],
    ['flow list', (run) => ['flow', 'list', '--run', run], (run) => `/runs/${run}/flows?limit=1000`],
    [
      'flow list by state',
      (run) => ['flow', 'list', '--run', run, '--state', 'held,skipped'],
      (run) => `/runs/${run}/flows?state=held,skipped`,
    ],
    ['agent list', () => ['agent', 'list'], () => '/agents'],
    ['platform list', () => ['platform', 'list'], () => '/platforms'],
  ])('%s --json is the payload of the API, also when it is empty', async (_name, args, path) => {
    const run = await freshRun();
    const ran = await sluice([...args(run), '--json']);
    expect(ran).toMatchObject({ exit: 0, err: '' });
    expect(ran.json()).toEqual((await direct('admin').get(path(run))).body);
  });

  test.each<[string, (run: string) => string[], (run: string) => string]>([
    ['why of a flow', (run) => ['why', 'C', '--run', run], (run) => `/runs/${run}/flows/C/why`],
    ['why of a run', (run) => ['why', '--run', run], (run) => `/runs/${run}/why`],
    [
      'critical-path',
      (run) => ['critical-path', 'B', '--run', run],
      (run) => `/runs/${run}/critical-path?target=B`,
    ],
  ])('%s --json is the payload of the API but for its clock', async (_name, args, path) => {
    const run = await freshRun();
    const ran = await sluice([...args(run), '--json']);
    const own = (await direct('admin').get(path(run))).body;
    expect(Object.keys(ran.json())).toEqual(Object.keys(own));
    expect(ran.json().causes?.map((cause: { flow: string }) => cause.flow)).toEqual(
      own.causes?.map((cause: { flow: string }) => cause.flow),
    );
  });

  test('catalogue show counts flows by cycle, and catalogue flow prints a definition without control characters', async () => {
    const shown = await sluice(['catalogue', 'show']);
    expect(shown.out).toContain('flows: 5  month 5');
    expect(shown.out).toContain('pools: none');
    expect((await sluice(['catalogue', 'show', '--lang', 'zh'])).out).toContain('资源池: 无');
    const flow = await sluice(['catalogue', 'flow', 'C']);
    expect(flow.out).toContain('trigger: manual');
    expect(flow.out).not.toContain('\u001b');
    expect((await sluice(['catalogue', 'flow', 'NONE'])).exit).toBe(3);
  });

  test('why names the final cause, its chain and the command that removes it, in both languages', async () => {
    const run = await freshRun();
    const en = await sluice(['why', 'B', '--run', run]);
    expect(en.out).toContain('B <- A');
    expect(en.out).toContain('upstream_failed');
    expect(en.out).toMatch(/sluice rerun A --run \S+ --scope downstream/);
    const zh = await sluice(['why', 'B', '--run', run, '--lang', 'zh']);
    expect(zh.out).toContain('第一个程序');
    expect(zh.out).toContain('等待前置');
  });

  test('why as a tree, a table and a sentence; of a group only its own', async () => {
    const run = await freshRun();
    const tree = (await sluice(['why', 'C', '--run', run, '--tree'])).out.split('\n');
    expect(tree[1]).toBe('C');
    expect(tree[2]).toBe('└─ B');
    expect(tree[3]).toMatch(/^ {3}└─ A {2}upstream_failed \(.*; blocks 2 flows\) {2}sluice rerun A --run /);
    const whole = (await sluice(['why', '--run', run, '--tree'])).out;
    expect(whole.match(/^C$/m)).not.toBeNull();
    expect(whole).toMatch(/^KEY\n└─ GATE {2}gate_unconfirmed/m);
    const both = (await sluice(['why', '--flows', 'B,KEY', '--run', run, '--table'])).out.trim().split('\n');
    expect(both).toHaveLength(3);
    expect(both[0]).toMatch(/^flow +cause +for +blocks +owner +verb +procedure$/);
    expect(
      both
        .slice(1)
        .map((line) => line.split(/ +/).slice(0, 2))
        .toSorted(),
    ).toEqual([
      ['A', 'upstream_failed'],
      ['GATE', 'gate_unconfirmed'],
    ]);
    const zh = (await sluice(['why', 'C', '--run', run, '--sentence', '--lang', 'zh'])).out
      .trim()
      .split('\n');
    expect(zh).toHaveLength(2);
    expect(zh[0]).toMatch(/^A（第一个程序）\d+ 秒前执行失败：/);
    expect(zh[1]).toMatch(/^处理: sluice rerun A .*; P26$/);
    const none = (await sluice(['why', '--layer', 'APP', '--run', run])).out;
    expect(none).toContain('0 flows open');
    expect(none).toContain(`No flow of ${run} is among those asked about.`);
    expect((await sluice(['why', '--run', run, '--tree', '--table'])).exit).toBe(2);
  });

  test('why of a flow that does not exist says so, says what may be meant, and exits with 3', async () => {
    const run = await freshRun();
    const ran = await sluice(['why', 'GAT', '--run', run]);
    expect(ran.exit).toBe(3);
    expect(ran.out).toContain('GATE');
  });

  test('the critical path draws a bar for each piece, and the sum of its kinds is its length', async () => {
    const run = await freshRun();
    const { out } = await sluice(['critical-path', 'A', '--run', run], { columns: 100 });
    expect(out).toContain('failed attempt');
    expect(out).toMatch(/#/);
    for (const line of out.split('\n')) expect(widthOf(line)).toBeLessThanOrEqual(100);
    const path = (await sluice(['critical-path', 'A', '--run', run, '--json'])).json();
    const sum = Object.values<number>(path.kinds).reduce((a, b) => a + b, 0);
    expect(sum).toBe(path.total);
  });

  test.each([80, 120])('tables stay within %i columns in both languages', async (columns) => {
    const run = await freshRun();
    for (const lang of ['en', 'zh'])
      for (const args of [
        ['flow', 'list', '--run', run],
        ['run', 'list'],
        ['audit'],
        ['agent', 'list'],
        ['notices'],
      ]) {
        const { out } = await sluice([...args, '--lang', lang], { columns });
        for (const line of out.split('\n')) expect(widthOf(line), line).toBeLessThanOrEqual(columns);
      }
  });

  test('control sequences in names and messages of others never reach the terminal', async () => {
    const run = await freshRun();
    for (const args of [
      ['flow', 'list'],
      ['flow', 'show', 'A'],
      ['flow', 'show', 'C'],
      ['why', 'B'],
    ]) {
      const { out } = await sluice([...args, '--run', run]);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
      expect(out).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/);
    }
    expect((await sluice(['flow', 'show', 'A', '--run', run])).out).toContain('no rows');
  });

  test('a flow says how long it should run and by when it should be done, and where that is from', async () => {
    const run = await freshRun();
    // The end of the 7th, in whatever zone the test runs.
    const end = new Date(`${run.slice(6, 10)}-02-08T00:00:00+08:00`);
    const { out } = await sluice(['flow', 'show', 'A', '--run', run]);
    expect(out).toMatch(/expected duration: 1 min 00 s {2}nothing is known\n/);
    expect(out).toContain(
      `reference time: ${instant(end.getTime())}  month flows are due by the end of the 7th`,
    );
    const chinese = await sluice(['flow', 'show', 'A', '--run', run, '--lang', 'zh']);
    expect(chinese.out).toMatch(/预计时长.*无依据，取缺省值/);
    // Nobody expects a gate to take a certain time.
    expect((await sluice(['flow', 'show', 'GATE', '--run', run])).out).not.toContain('expected duration');
    const late = await sluice(['late', 'A', '--run', run, '--against', 'reference']);
    expect(late.out).toContain('against its reference time');
    const picture = await sluice(['late', 'A', '--run', run, '--against', 'reference', '--svg']);
    expect(picture.out).toContain(' · reference time');
  });

  test('colours are for terminals that want them', async () => {
    const run = await freshRun();
    const colour = '\x1b[31m';
    expect((await sluice(['flow', 'list', '--run', run], { columns: 100 })).out).toContain(colour);
    expect((await sluice(['flow', 'list', '--run', run, '--no-color'], { columns: 100 })).out).not.toContain(
      '\x1b',
    );
    expect((await sluice(['flow', 'list', '--run', run])).out).not.toContain('\x1b');
  });

  test('without --run the newest open month is meant, and stderr says which', async () => {
    await freshRun();
    const newest = await freshRun();
    const ran = await sluice(['flow', 'list', '--state', 'failed']);
    expect(ran.err).toContain(newest);
    expect((await sluice(['run', 'show', '--json'])).json().id).toBe(newest);
  });

  test('logs show what an attempt wrote; the last one unless another is named', async () => {
    const run = await freshRun();
    const [attempt] = (await direct('admin').get(`/runs/${run}/flows/A/attempts`)).body.items;
    await api.deps.logs.append(
      { run, flow: 'A', epoch: attempt.epoch },
      0,
      Buffer.from('one\u001b[2J\ntwo\n'),
    );
    const ran = await sluice(['logs', 'A', '--run', run]);
    expect(ran.out).toBe('one\ntwo\n');
    expect(ran.err).toContain('#1');
    expect((await sluice(['logs', 'A', '--run', run, '--json'])).json()).toMatchObject({
      run,
      flow: 'A',
      attempt: 1,
    });
    expect((await sluice(['logs', 'A', '--run', run, '--attempt', '9'])).exit).toBe(3);
    expect((await sluice(['logs', 'A', '--run', run, '--raw'])).bytes.toString()).toBe('one\u001b[2J\ntwo\n');
    expect((await sluice(['logs', 'A', '--run', run, '--raw', '--json'])).exit).toBe(2);
  });

  test('doctor finds everything in order, and says what is not', async () => {
    const good = await sluice(['doctor', '--json']);
    expect(good.json().findings.filter((finding: { ok: boolean }) => !finding.ok)).toEqual([]);
    expect(good.exit).toBe(0);
    await asked('hold', await freshRun(), 'A');
    await sluice(['platform', 'pause', 'yt', '--reason', 'window']);
    const paused = await sluice(['doctor']);
    expect(paused.exit).toBe(6);
    expect(paused.out).toMatch(/✗ platforms/);
    await sluice(['platform', 'resume', 'yt']);
  });
});

describe('what is asked', () => {
  test('open says the cycle by the form of the period', async () => {
    const ran = await sluice(['run', 'open', '2031-01', '--purpose', 'rehearsal', '--json']);
    expect(ran.json()).toMatchObject({ cycle: 'month', period: '2031-01', purpose: 'rehearsal' });
    expect((await sluice(['run', 'open', 'month-2031-02'])).out).toContain('month-2031-02');
  });

  test('the same key twice is one request with one effect', async () => {
    const run = await freshRun();
    const key = randomUUID();
    const first = (await asked('hold', run, 'B', '--key', key, '--json')).json();
    const again = (await asked('hold', run, 'B', '--key', key, '--json')).json();
    expect(again).toEqual(first);
  });

  test('every verb of flows: done by the command of the same name', async () => {
    const run = await freshRun();
    const state = async (flow: string) => (await direct('admin').get(`/runs/${run}/flows/${flow}`)).body;
    const ok = async (verb: string, ...more: string[]) => {
      const ran = await asked(verb, run, ...more);
      expect([verb, ran.exit, ran.err]).toEqual([verb, 0, '']);
      expect(ran.out).toContain(`${verb} ${more[0]}`);
    };
    await ok('hold', 'B');
    expect((await state('B')).flags).toContain('held');
    await ok('unhold', 'B');
    await ok('skip', 'B');
    await ok('unskip', 'B');
    await ok('expedite', 'B');
    expect((await state('B')).flags).toEqual(['expedite']);
    await ok('trigger', 'C');
    expect((await state('C')).state).toBe('waiting_upstream');
    await ok('confirm', 'GATE', '--as', 'billing', '--evidence', 'mail 3');
    expect((await state('GATE')).state).toBe('succeeded');
    await ok('force-pass', 'A', '--evidence', 'ticket 1');
    expect(await state('A')).toMatchObject({ state: 'force_passed', flags: ['tainted'] });
    await ok('retire', 'C');
    expect((await state('C')).state).toBe('retired');
    await ok('unretire', 'C');
    await ok('start-now', 'C');
    expect((await state('C')).state).toBe('waiting_agent');
  });

  test('a gate is confirmed early, withdrawn, rejected', async () => {
    const run = await freshRun();
    await asked('hold', run, 'GATE');
    expect((await asked('confirm', run, 'GATE', '--as', 'billing')).exit).toBe(0);
    expect((await asked('confirm', run, 'GATE', '--as', 'billing')).err).toContain('already_confirmed');
    expect((await asked('withdraw', run, 'GATE', '--as', 'billing')).exit).toBe(0);
    expect((await asked('reject', run, 'GATE', '--as', 'billing')).exit).toBe(0);
    expect((await direct('admin').get(`/runs/${run}/flows/GATE`)).body.state).toBe('failed');
  });

  test('cancel and resolve', async () => {
    const run = await openTestRun(api.pool, `${++year}-01`);
    await api.coordinator!.settled(run);
    const tasks = (await played.claim()).filter((task) => task.run === run && task.flow === 'A');
    await played.start(tasks);
    expect((await asked('cancel', run, 'A')).exit).toBe(0);
    expect((await direct('admin').get(`/runs/${run}/flows/A`)).body.flags).toContain('stopping');
    const resolved = await sluice(['resolve', 'A', '--run', run, '--ran', '--reason', 'seen']);
    expect([resolved.exit, resolved.err]).toEqual([5, expect.stringContaining('wrong_state')]);
    expect((await sluice(['resolve', 'A', '--run', run, '--ran', '--did-not-run'])).exit).toBe(2);
  });

  test('a dependency is waived and unwaived', async () => {
    const run = await freshRun();
    const waived = await asked('waive', run, 'A', 'B');
    expect(waived.out).toContain('A -> B');
    expect((await asked('waive', run, 'A', 'B')).err).toContain('already_waived');
    expect((await direct('admin').get(`/runs/${run}/flows/B`)).body.upstream).toMatchObject([
      { waived: true },
    ]);
  });

  test('nothing is changed under --dry-run, and what would start is named', async () => {
    const run = await freshRun();
    const count = async () =>
      (await api.pool.query('select count(*)::int as n from operations where run_id = $1', [run])).rows[0].n;
    const before = await count();
    for (const args of [
      ['force-pass', 'A', '--evidence', 'e'],
      ['hold', 'B'],
      ['skip', 'B'],
      ['waive', 'A', 'B'],
      ['trigger', 'C'],
      ['start-now', 'B'],
      ['retire', 'B'],
    ]) {
      const ran = await asked(args[0]!, run, ...args.slice(1), '--dry-run');
      expect([args[0], ran.exit]).toEqual([args[0], 0]);
      expect(ran.out).toContain('nothing was changed');
    }
    expect((await asked('force-pass', run, 'A', '--evidence', 'e', '--dry-run')).out).toMatch(
      /starts at once \(1\):\n {2}B/,
    );
    expect(await count()).toBe(before);
  });

  test('all or nothing, unless --partial; then each flow has its line', async () => {
    const run = await freshRun();
    const none = await asked('skip', run, 'A', 'B');
    expect(none.exit).toBe(5);
    expect((await direct('admin').get(`/runs/${run}/flows/B`)).body.flags).toEqual([]);
    const some = await asked('skip', run, 'A', 'B', '--partial');
    expect(some.exit).toBe(0);
    expect(some.out).toMatch(/✗ A \(failed\): wrong_state/);
    expect(some.out).toMatch(/✓ B/);
  });

  test('what needs a second person is approved, or refused, by another one', async () => {
    const run = await freshRun();
    await asked('confirm', run, 'GATE', '--as', 'billing');
    const wait = async () => {
      const ran = await asked('force-pass', run, 'KEY', '--evidence', 'e', '--as', 'operator');
      expect(ran.exit).toBe(7);
      return /sluice approve (\S+)/.exec(ran.out)![1]!;
    };
    const first = await wait();
    expect((await sluice(['approve', first, '--as', 'operator'])).err).toContain('own_approval');
    expect((await sluice(['refuse', first, '--reason', 'no'])).exit).toBe(0);
    const second = await wait();
    const approved = await sluice(['approve', second]);
    expect([approved.exit, approved.out]).toEqual([0, expect.stringContaining('force-pass KEY applied')]);
    const shown = await sluice(['operations', 'show', second]);
    expect(shown.out).toContain('approved by: admin');
  });

  test('a rerun is a plan first; --apply carries it out; the plan applied again is the same', async () => {
    const run = await freshRun();
    const plan = await sluice(['rerun', 'A', '--run', run]);
    expect(plan.out).toMatch(/1 redone, 2 wait/);
    const id = /plan (plan-\S+)/.exec(plan.out)![1]!;
    expect((await direct('admin').get(`/runs/${run}/flows/A`)).body.generation).toBe(1);
    expect((await sluice(['rerun', '--plan', id, '--run', run, '--apply'])).err).toContain('reason_required');
    const applied = await sluice([
      'rerun',
      '--plan',
      id,
      '--run',
      run,
      '--apply',
      '--reason',
      'fixed',
      '--json',
    ]);
    expect(applied.json()).toMatchObject({ verb: 'rerun', state: 'applied' });
    expect((await direct('admin').get(`/runs/${run}/flows/A`)).body.generation).toBe(2);
    const again = await sluice([
      'rerun',
      '--plan',
      id,
      '--run',
      run,
      '--apply',
      '--reason',
      'fixed',
      '--json',
    ]);
    expect(again.json()).toEqual(applied.json());
    const other = await freshRun();
    const selection = (...flows: string[]) =>
      sluice(['rerun', ...flows, '--run', other, '--scope', 'selection', '--json']);
    expect((await selection('A')).json().scope).toBe('selection');
    // Protocol E: what never ran is not redone.
    const refused = await selection('A', 'B');
    expect(refused.exit).toBe(5);
    expect(JSON.parse(refused.err)).toMatchObject({ code: 'wrong_state', facts: { flow: 'B' } });
    expect((await sluice(['rerun', '--run', run])).exit).toBe(2);
  });

  test('a run is paused, goes on, is closed and opened again', async () => {
    const run = await freshRun();
    for (const [verb, field, value] of [
      ['pause', 'paused', true],
      ['resume', 'paused', false],
      ['close', 'state', 'closed'],
      ['reopen', 'state', 'open'],
    ] as const) {
      expect((await sluice(['run', verb, run, '--reason', 'test'])).exit).toBe(0);
      expect((await direct('admin').get(`/runs/${run}`)).body[field]).toBe(value);
    }
    expect((await sluice(['run', 'reopen', '--reason', 'x'])).exit).toBe(2);
  });

  test('an agent is drained and undrained; a platform paused and resumed', async () => {
    expect((await sluice(['agent', 'drain', 'agent-1', '--reason', 'x'])).out).toContain('drained');
    expect((await sluice(['agent', 'undrain', 'agent-1', '--json'])).json()).toMatchObject({
      drained: false,
    });
    expect((await sluice(['platform', 'pause', 'yt'])).err).toContain('reason_required');
    expect((await sluice(['platform', 'pause', 'yt', '--reason', 'x'])).out).toContain('paused');
    expect((await sluice(['platform', 'resume', 'yt', '--json'])).json().pause).toBeNull();
  });
});

describe('a catalogue', () => {
  test('is exported as it was applied, checked, compared, applied and imported', async () => {
    const place = join(folder, 'exported');
    expect((await sluice(['catalogue', 'export', place])).exit).toBe(0);
    expect(await readFile(join(place, 'test.yaml'), 'utf8')).toBe(text);
    expect((await sluice(['catalogue', 'check', place, '--json'])).json()).toEqual({
      ok: true,
      flows: 5,
      problems: [],
      leftOut: [],
    });
    expect((await sluice(['catalogue', 'diff', place])).out).toContain('no differences');
    const changed = JSON.parse(text);
    changed.flows.push({ ...changed.flows[0], id: 'NEW' });
    await writeFile(join(place, 'test.yaml'), JSON.stringify(changed));
    expect((await sluice(['catalogue', 'diff', place])).out).toContain('+ NEW');
    expect((await sluice(['catalogue', 'apply', place, '--dry-run'])).out).toContain('nothing was changed');
    expect((await sluice(['catalogue', 'export', place])).err).toContain('--force');
    expect((await sluice(['catalogue', 'apply', place, '--reason', 'grows'])).out).toContain('version 2');
    expect((await sluice(['catalogue', 'import', place, '--json'])).json()).toMatchObject({ created: false });
    expect((await sluice(['catalogue', 'apply', place, '--as', 'operator'])).exit).toBe(4);
    expect((await sluice(['catalogue', 'export', place, '1', '--force'])).exit).toBe(0);
    const blocked = await sluice(['catalogue', 'export', '/dev/null', '1']);
    expect(blocked).toMatchObject({ exit: 2, out: '' });
    expect(blocked.err).toContain('file_unwritable');
    expect(await readFile(join(place, 'test.yaml'), 'utf8')).toBe(text);
  });

  test('with problems: each has file, line and column', async () => {
    const place = join(folder, 'bad.yaml');
    await writeFile(place, 'flows:\n  - id: X\n    nonsense: 1\n');
    const ran = await sluice(['catalogue', 'check', folder]);
    expect(ran.exit).toBe(6);
    expect(ran.out).toMatch(/^bad\.yaml:3:5: error unknown_field: /m);
  });
});

test('run reload --dry-run shows the run and reloads nothing', async () => {
  const run = await freshRun();
  await api.pool.query("update runs set frozen = 'ahead of the record' where id = $1", [run]);
  const ran = await sluice(['run', 'reload', run, '--dry-run', '--reason', 'test', '--json']);
  expect(ran).toMatchObject({ exit: 0, err: '' });
  expect(ran.json()).toMatchObject({ id: run, frozen: 'ahead of the record' });
  expect((await sluice(['audit', '--run', run, '--verb', 'reload', '--json'])).json().items).toEqual([]);
});
