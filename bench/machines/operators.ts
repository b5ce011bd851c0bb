/**
 * Operators of a month start who know nothing of machines: one reads, one holds and lets go, one confirms and starts by hand, one follows
 * the events, one uses the command line. Each has a client with both addresses and takes every answer for what it says.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Client } from '../../cli/client.ts';
import { childEnvironment, projectFolder } from '../../config.ts';
import type { Flow, FlowPage } from '../../contract/flows.ts';
import type { RunDetail } from '../../contract/runs.ts';
import type { Requests } from './requests.ts';

const run = promisify(execFile);

/** What a person of the month start triggers, and what is looked at before (docs of the catalogue: trigger manual). */
const BY_HAND = {
  'P02.S4.DimAccItemCode': 'P02.S3.CheckRptVr011',
  'P03.S2.UpdateMainPlan': 'P03.S1.CustomerNotice',
  'P03.S3.CompletionFlag': 'P03.S2.UpdateMainPlan',
  'P06.S4.ForcePassMppTasks': 'P06.S3.DistributionComplete.import',
} as const;
const READ_EVERY_MS = 100;
const HOLD_EVERY_MS = 400;
/** One confirmation after the other, as people come: it also makes a run last. */
const CONFIRM_EVERY_MS = 1_000;
const COMMAND_EVERY_MS = 3_000;

export interface Operators {
  /** Opens the run of a month (`2026-10`) and works until it is finished; answers its id. */
  month(period: string): Promise<string>;
  readonly events: () => number;
  /** Fulfils when what is under way has been answered and nothing is held any more. */
  stop(): Promise<void>;
}

export function startOperators(given: {
  readonly requests: Requests;
  readonly client: (actor: string) => Client;
  /** SLUICE_HOME with the profile of the command line. */
  readonly home: string;
}): Operators {
  const { requests } = given;
  const over = new AbortController();
  const { signal } = over;
  let current: string | null = null;
  let events = 0;

  /** Again and again while a run is open, with a rest between; ends with `over`. */
  async function each(everyMs: number, act: (run: string) => Promise<void>): Promise<void> {
    while (!signal.aborted) {
      if (current !== null) await act(current);
      await pause(everyMs, undefined, { signal }).catch(() => {});
    }
  }

  const reader = given.client('viewer');
  let turn = 0;
  const reads = (id: string): string => {
    const paths = ['', '/flows?limit=1000', '/why', '/critical-path', '/flows/P04.S7.AllSucceeded/why'];
    return turn++ % 8 === 7 ? '/agents' : `/runs/${id}${paths[turn % paths.length]}`;
  };
  const reading = each(READ_EVERY_MS, async (id) => {
    const path = reads(id);
    await requests.ask('read', `GET ${path}`, () => reader.get(path));
  });

  const holder = given.client('operator');
  const operate = (client: Client, id: string, verb: string, body: object) =>
    requests.ask('verb', `${verb} ${JSON.stringify(body)}`, () =>
      client.operate(`/runs/${id}/${verb}`, { reason: 'qualification', ...body }),
    );
  const inStates = async (client: Client, id: string, states: string): Promise<readonly Flow[]> =>
    (
      await requests.ask('read', `GET flows ${states}`, () =>
        client.get<FlowPage>(`/runs/${id}/flows`, { state: states, limit: 1_000 }),
      )
    )?.items ?? [];
  const unholdAll = async (id: string): Promise<void> => {
    const held = await inStates(holder, id, 'held');
    if (held.length > 0)
      await operate(holder, id, 'unhold', { flows: held.map((flow) => flow.id), partial: true });
  };
  let nth = 0;
  const holding = each(HOLD_EVERY_MS, async (id) => {
    const waiting = await inStates(holder, id, 'waiting_upstream,waiting_agent');
    const flow = waiting[nth++ % Math.max(1, waiting.length)];
    if (flow === undefined) return;
    await operate(holder, id, 'hold', { flows: [flow.id] });
    await unholdAll(id);
  });

  const people = given.client('demo');
  const tending = each(CONFIRM_EVERY_MS, async (id) => {
    const page = await requests.ask('read', 'GET flows', () =>
      people.get<FlowPage>(`/runs/${id}/flows`, { limit: 1_000 }),
    );
    const flows = new Map((page?.items ?? []).map((flow) => [flow.id, flow]));
    const turns = [...flows.values()].filter(
      (flow) => flow.state === 'waiting_person' && !flow.flags.includes('confirmed'),
    );
    if (turns[0] !== undefined)
      await operate(people, id, 'confirm', { flows: [turns[0].id], evidence: 'seen' });
    for (const [flow, after] of Object.entries(BY_HAND))
      if (flows.get(flow)?.state === 'not_triggered' && flows.get(after)?.state === 'succeeded')
        await operate(people, id, 'trigger', { flows: [flow] });
  });

  const commanding = each(COMMAND_EVERY_MS, async (id) => {
    const command = ['flow', 'list', '--run', id, '--json'];
    await requests.ask('command', `sluice ${command.join(' ')}`, () =>
      run(process.execPath, [join(projectFolder, 'cli', 'sluice.mjs'), ...command], {
        env: childEnvironment({ SLUICE_HOME: given.home, SLUICE_TOKEN: '', SLUICE_API_URL: '' }),
        maxBuffer: 64 * 1024 * 1024,
      }),
    );
  });

  async function follow(id: string, until: AbortSignal): Promise<void> {
    const watcher = given.client('viewer');
    try {
      for await (const _event of watcher.events(`/runs/${id}/events`, {}, until)) events++;
    } catch (error) {
      if (!until.aborted)
        await requests.ask('read', 'following the events', () => Promise.reject(error as Error));
    }
  }

  return {
    events: () => events,
    async month(period) {
      const opened = await requests.ask('verb', `open ${period}`, () =>
        people.post<RunDetail>('/runs', { cycle: 'month', period }),
      );
      if (opened === null) throw new Error(`the run of ${period} could not be opened`);
      current = opened.id;
      const ended = new AbortController();
      const following = follow(opened.id, ended.signal);
      for (let finished = false; !finished && !signal.aborted; ) {
        await pause(250);
        const seen = await requests.ask('read', 'GET run', () => people.get<RunDetail>(`/runs/${opened.id}`));
        finished = seen !== null && seen.finishedAt !== null;
      }
      current = null;
      ended.abort();
      await following;
      return opened.id;
    },
    async stop() {
      over.abort();
      await Promise.all([reading, holding, tending, commanding]);
    },
  };
}
