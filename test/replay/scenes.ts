/** What is recorded: a scene for each verb, and one for each thing that else happens to a run. */
import { expect } from 'vitest';
import type { Verb } from '../../graph/run/decisions.ts';
import { versionReader } from '../../store/catalogue/catalogue.ts';
import { contextReader } from '../../store/record/run-context.ts';
import { appendLog } from '../../store/record/run-log.ts';
import { adoptVersion } from '../../store/schedules/adopt.ts';
import { OPEN_WORKFLOW, RELOAD_SIGNAL } from '../../workflows/messages.ts';
import type { Meddling } from '../support/coordinated.ts';
import { applyCatalogue, catalogueText } from '../support/estate.ts';
import { ask } from '../support/play.ts';
import { FLOWS, type Stage } from './stage.ts';

const KEEPER = ['keeper'];
const EDGE = { edges: [{ from: 'A', to: 'B' }] };
const SHELL = { program: { type: 'shell', command: ['true'] } };
const FAILED = { outcome: 'failed', failure: 'program', effect: false } as const;

const resolving = async (s: Stage): Promise<void> => {
  await s.open([
    { id: 'S', ...SHELL },
    { id: 'T', after: ['S'] },
  ]);
  await s.lose(await s.start('S'));
  await s.ask('resolve', 'S', { ran: false });
  await s.lose(await s.start('S'));
  await s.ask('resolve', 'S', { ran: true });
  await s.work('T');
};

/** After `open`; afterwards the run is recorded. */
export const VERB_SCENES: Record<Verb, (s: Stage) => Promise<void>> = {
  'force-pass': async (s) => {
    await s.ask('force-pass', 'A');
    const tasks = await s.start('B');
    await s.ask('force-pass', 'B', { supersede: true });
    await s.end(tasks);
    await s.work('C');
  },
  skip: async (s) => {
    await s.ask('skip', 'B');
    await s.work('A C');
  },
  unskip: async (s) => {
    await s.ask('skip', 'B');
    await s.ask('unskip', 'B');
    await s.work('A B');
  },
  waive: async (s) => {
    await s.ask('waive', '', EDGE);
    await s.work('B A');
  },
  unwaive: async (s) => {
    await s.ask('hold', 'B');
    await s.ask('waive', '', EDGE);
    await s.ask('unwaive', '', EDGE);
    await s.work('A');
  },
  'start-now': async (s) => {
    await s.ask('start-now', 'C');
    await s.work('C A B');
  },
  trigger: async (s) => {
    await s.ask('trigger', 'M');
    await s.work('M A');
  },
  hold: async (s) => {
    await s.ask('hold', 'B');
    await s.work('A');
  },
  unhold: async (s) => {
    await s.ask('hold', 'A B');
    await s.ask('unhold', 'A B');
    await s.work('A B');
  },
  expedite: async (s) => {
    await s.ask('expedite', 'A C');
    await s.work('A');
  },
  cancel: async (s) => {
    const tasks = await s.start('A');
    await s.ask('cancel', 'A');
    await s.end(tasks, { outcome: 'cancelled', effect: false });
  },
  confirm: async (s) => {
    await s.ask('confirm', 'G', {}, KEEPER);
    await s.work('A');
  },
  reject: async (s) => {
    await s.work('A');
    await s.ask('reject', 'G', {}, KEEPER);
  },
  withdraw: async (s) => {
    await s.ask('confirm', 'G', {}, KEEPER);
    await s.ask('withdraw', 'G', {}, KEEPER);
    await s.work('A');
  },
  resolve: resolving,
  retire: async (s) => {
    await s.ask('retire', 'B');
    await s.work('A');
  },
  unretire: async (s) => {
    await s.ask('retire', 'B');
    await s.ask('unretire', 'B');
    await s.work('A B');
  },
  rerun: async (s) => {
    await s.work('A B C');
    await s.rerun('A');
    await s.work('A B C');
  },
  pause: async (s) => {
    await s.work('A');
    await s.ask('pause', '');
  },
  resume: async (s) => {
    await s.ask('pause', '');
    await s.ask('resume', '');
    await s.work('A');
  },
  close: async (s) => {
    await s.work('A');
    await s.ask('close', '');
  },
  reopen: async (s) => {
    await s.ask('close', '');
    await s.ask('reopen', '');
    await s.work('A');
  },
};

export interface Scene {
  readonly meddling?: Meddling;
  play(s: Stage): Promise<void>;
}

export const OTHER_SCENES: Record<string, Scene> = {
  'retries and a check': {
    async play(s) {
      const check = { kind: 'check', program: { type: 'noop' }, everyMs: 100, giveUpAfterMs: 60_000 };
      await s.open([
        { id: 'R', retries: { program: 1, backoffMs: 100 } },
        { id: 'Q', ...check, after: ['R'] },
      ]);
      await s.end(await s.start('R'), FAILED);
      await s.work('R');
      await s.end(await s.start('Q'), { outcome: 'false', effect: false });
      await s.work('Q');
      await s.record();
    },
  },
  'lost attempts': {
    async play(s) {
      const idempotent = { ...SHELL, idempotent: true };
      await s.open([
        { id: 'F' },
        { id: 'I', ...idempotent, orphanMs: 200, after: ['F'] },
        { id: 'L', ...idempotent, after: ['I'] },
        { id: 'Z', after: ['L'] },
      ]);
      const old = await s.start('F');
      await s.lose(old);
      await s.work('F');
      // Its effect is reported when the flow below has begun.
      const waiting = await s.start('I');
      await s.end(old);
      await s.lose(waiting);
      await s.work('I');
      const late = await s.start('L');
      await s.lose(late);
      await s.end(late, FAILED);
      await s.work('L Z');
      await s.record();
    },
  },
  'an event from outside': {
    async play(s) {
      await s.open([{ id: 'E', trigger: 'event', event: 'files' }, { id: 'A' }]);
      const client = await s.pool.connect();
      const nothing = { flow: null, generation: null, attempt: null, epoch: null, outcome: null };
      const body = { type: 'event', event: 'files' };
      await appendLog(client, s.run, [{ kind: 'external', ...nothing, operation: null, body }]);
      client.release();
      await s.settled();
      await s.work('E');
      await s.record();
    },
  },
  'news of another run': {
    async play(s) {
      const up = await s.open([
        { id: 'A' },
        { id: 'D', after: ['A', { flow: 'D', period: 'previous' }] },
        { id: 'Z', after: ['D'] },
      ]);
      await s.ask('waive', '', { edges: [{ from: 'D', to: 'D' }] });
      // The stage opens odd months only.
      const down = await s.openAt(
        up.replace(/^month-/, '').replace(/\d\d$/, (month) => `${Number(month) + 1}`.padStart(2, '0')),
      );
      await s.settled();
      await s.work('A');
      await s.work('A');
      await s.work('D');
      await s.settled(down);
      await s.work('D');
      s.run = up;
      await s.rerun('D');
      await s.settled(down);
      await s.record();
      s.run = down;
      await s.record();
    },
  },
  'another version is adopted': {
    async play(s) {
      await s.open();
      await s.work('A');
      const version = await applyCatalogue(s.pool, catalogueText([...FLOWS, { id: 'X', after: ['C'] }]));
      const versionOf = versionReader(s.pool);
      const context = await contextReader(s.pool, versionOf)(s.run);
      const request = { actor: 'operator', roles: [], key: 'adopt', bodyHash: '', reason: 'test' };
      await adoptVersion(s.pool, context, await versionOf(version), { graceMs: 0, request });
      await s.work('B C X');
      await s.record();
    },
  },
  'continue-as-new again and again': {
    meddling: { continueAfterEvents: 20 },
    async play(s) {
      await s.open(
        Array.from({ length: 12 }, (_, i) => ({ id: `F${i}`, after: i < 2 ? [] : [`F${i - 2}`] })),
      );
      await s.ask('hold', 'F11');
      await s.work('F0 F1 F2 F3 F4 F5 F6 F7 F8 F9');
      await s.ask('unhold', 'F11');
      await s.work('F10 F11');
      await s.record();
    },
  },
  'parked, completed, and begun again by a late row': {
    meddling: { keepMs: 300 },
    async play(s) {
      await s.open([{ id: 'A' }, { id: 'B', after: ['A'] }]);
      await s.work('A B');
      const handle = s.coordinated.client.workflow.getHandle(s.coordinated.workflowId(s.run));
      const status = async (): Promise<string> => (await handle.describe()).status.name;
      await expect.poll(status).toBe('COMPLETED');
      await s.record();
      await s.rerun('B');
      await s.work('B');
      await s.record();
    },
  },
  'frozen, and loaded again': {
    async play(s) {
      await s.open();
      await s.work('A');
      const { rows } = await s.pool.query('select exchange from run_counters where run_id = $1', [s.run]);
      const before = rows[0].exchange - 2;
      await s.pool.query('update run_counters set exchange = $2 where run_id = $1', [s.run, before]);
      await s.pool.query('delete from exchanges where run_id = $1 and n > $2', [s.run, before]);
      await ask(s.pool, s.run, 'hold', ['C']);
      await expect
        .poll(
          async () => (await s.pool.query('select frozen from runs where id = $1', [s.run])).rows[0].frozen,
        )
        .not.toBeNull();
      await s.coordinated.client.workflow.getHandle(s.coordinated.workflowId(s.run)).signal(RELOAD_SIGNAL);
      await s.settled();
      await s.record();
    },
  },
  openScheduled: {
    async play(s) {
      await applyCatalogue(
        s.pool,
        catalogueText([{ id: 'A', cycle: 'hour' }], {
          schedules: [{ id: 'hours', cycle: 'hour', at: '00:07' }],
        }),
      );
      const { client, taskQueue } = s.coordinated;
      const workflowId = `${taskQueue}/opening`;
      await client.workflow.execute(OPEN_WORKFLOW, {
        workflowId,
        taskQueue,
        args: [{ schedule: 'hours' }],
      });
      await s.record(workflowId, OPEN_WORKFLOW);
    },
  },
};
