/**
 * One run of the fault harness: an installation of its own, runs of many flows with effects, operators at work, faults after a seeded
 * schedule; then a quiet window until everything has ended, then the invariants (docs/reliability.md).
 */
import { existsSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Config, projectFolder } from '../../config.ts';
import { openHome } from '../../embedded/home.ts';
import { SluiceError } from '../../errors.ts';
import { randomOf } from '../load/graphs.ts';
import { drawEstate, PLATFORM_TABLES, parseNotes, writeEstate } from './estate.ts';
import { readFacts } from './facts.ts';
import { carryOut } from './injector.ts';
import {
  GRACE_MS,
  type Installation,
  LEASE_MS,
  ORPHAN_MS,
  removeHome,
  SLOTS,
  startInstallation,
  TASK_TIMEOUT_MS,
} from './installation.ts';
import { staleRefused, violationsOf } from './invariants.ts';
import { processesOf } from './leftovers.ts';
import { type Operators, startOperators } from './operators.ts';
import { drawSchedule, type Fault } from './schedule.ts';
import { openSmallDisk, type SmallDisk, unmountBelow } from './small-disk.ts';
import { survivorsOf } from './survivors.ts';
import type { Violation } from './violation.ts';

export interface FaultOptions {
  readonly seed: number;
  /** How long faults are injected, minutes. */
  readonly minutes: number;
  /** Flows of one run; one run is opened after the other while faults last. */
  readonly flows: number;
  /** The longest that the end may take after the last fault, ms. */
  readonly quietMs: number;
  /** Keep the installation's folder, also when all is well. */
  readonly keep: boolean;
  readonly config: Config;
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
}

export interface FaultSummary {
  readonly seed: number;
  readonly minutes: number;
  readonly injected: Readonly<Record<Fault, number>>;
  /** Injections that struck while nothing was in flight. */
  readonly idle: number;
  readonly runs: number;
  readonly flows: number;
  readonly attempts: number;
  readonly lost: number;
  readonly effects: number;
  /** Attempts of flows that share a SQL file with others. */
  readonly sharedAttempts: number;
  /** Programs that left a daemon behind. */
  readonly daemons: number;
  /** Of these daemons: how many lived on when their attempt had ended or the next one began, and processes left at the end. */
  readonly survivors: number;
  readonly operations: Readonly<Record<string, number>>;
  /** Most tries that one acknowledged request took. */
  readonly mostTries: number;
  /** From the last fault until everything had ended. */
  readonly quietMs: number;
  readonly staleRefused: number;
  /** Corrections that were accepted, and reruns that the rule made of them. */
  readonly corrections: number;
  readonly carried: number;
  readonly violations: readonly Violation[];
  /** Where logs and data are, when they were kept. */
  readonly kept: string | null;
  readonly ok: boolean;
}

/** Runs that are open at once, so that one that is held up does not keep the others. */
const OPEN_LIMIT = 4;
/** With fewer attempts than this sent or waiting for an agent, another run is opened: faults need something to strike. */
const ENOUGH_ATTEMPTS = 8;
/** Least pause between two runs that are opened, ms. */
const OPEN_EVERY_MS = 4_000;
/** Pause between two looks at the progress, ms. */
const LOOK_MS = 500;

export async function runUnderFaults(options: FaultOptions): Promise<FaultSummary> {
  const { seed, minutes, config, say, signal } = options;
  const homes = join(projectFolder, '.sluice', 'faults');
  await mkdir(homes, { recursive: true });
  await removeDeadHomes(homes);
  const home = await openHome(await mkdtemp(join(homes, `seed-${seed}-`)));
  const random = randomOf(seed ^ 0xfa017);
  const estate = drawEstate(options.flows, seed);
  const paths = { notes: join(home.path, 'notes.txt'), beats: join(home.path, 'beats') };
  await appendFile(paths.notes, '');
  await mkdir(paths.beats);
  const catalogue = join(home.path, 'catalogue');
  await writeEstate(estate, { seed, folder: catalogue, paths, orphanMs: ORPHAN_MS });
  const disks = new Map<string, SmallDisk>();
  let installation: Installation | undefined;
  let operators: Operators | undefined;
  let kept: string | null = home.path;
  try {
    installation = await startInstallation({
      config,
      home,
      random,
      say,
      catalogue,
      platformTables: PLATFORM_TABLES,
      prepareSpool: async (agent, folder) => {
        disks.set(agent, await openSmallDisk(folder));
      },
    });
    const { record, platform, agents, apis, workers, links } = installation;
    const schedule = drawSchedule(
      ...([seed, minutes] as const),
      { agents, apis, workers, links: [...links.keys()].sort() },
      { leaseMs: LEASE_MS, taskTimeoutMs: TASK_TIMEOUT_MS },
    );
    say(
      `seed ${seed}: ${schedule.length} faults in ${minutes} minutes, runs of ${estate.flows.length} flows`,
    );
    for (const it of schedule)
      say(`  ${(it.atMs / 1_000).toFixed(1)} s ${it.fault} ${it.target} ${it.forMs} ms`);
    operators = startOperators({
      seed,
      estate,
      apiUrls: installation.apiUrls,
      tokens: installation.tokens,
      notes: async () => parseNotes(await readFile(paths.notes, 'utf8')),
      certainAfterMs: ORPHAN_MS + GRACE_MS + 5_000,
    });
    await operators.enableRule();
    const faults = { active: true };
    const periods = keepRunsComing(installation, operators, faults, options);
    const injected = await carryOut(schedule, { installation, disks, random, say, signal });
    faults.active = false;
    operators.onlyTend();
    say('no more faults: waiting until everything has ended');
    const quietFrom = performance.now();
    const opened = await periods;
    if (signal.aborted) {
      kept = null;
      throw new SluiceError('interrupted', 'stopped before the end: nothing is proved');
    }
    await untilIdle(installation, performance.now() + 30_000);
    await operators.stop(30_000);
    const quietMs = Math.round(performance.now() - quietFrom);
    const facts = await readFacts(record, platform, {
      estate,
      paths,
      acknowledged: operators.acknowledged,
      corrections: operators.corrections,
      slots: Object.fromEntries(agents.map((agent) => [agent, SLOTS])),
    });
    await installation.stop();
    const violations = [...violationsOf(facts)];
    for (const text of installation.crashes)
      violations.push({ invariant: 'no_crash', detail: text, facts: {} });
    for (const text of operators.internal)
      violations.push({ invariant: 'no_internal', detail: `an API answered 500: ${text}`, facts: {} });
    const leftovers = await processesOf(home.path);
    for (const left of leftovers)
      violations.push({
        invariant: 'no_orphan',
        detail: `process ${left.pid} is left: ${left.command}`,
        facts: { ...left },
      });
    const ok = violations.length === 0 && !signal.aborted;
    if (ok && !options.keep) kept = null;
    const shared = new Set(estate.flows.filter((flow) => flow.shared).map((flow) => flow.id));
    const outcomes: Record<string, number> = {};
    for (const { outcome } of facts.acknowledged) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    const summary: FaultSummary = {
      seed,
      minutes,
      injected: injected.counts,
      idle: injected.idle,
      runs: opened,
      flows: facts.flows.length,
      attempts: facts.attempts.length,
      lost: facts.attempts.filter((attempt) => attempt.outcome === 'lost').length,
      effects: facts.effects.length + facts.notes.filter((note) => note.what === 'stop').length,
      sharedAttempts: facts.attempts.filter((attempt) => shared.has(attempt.flow)).length,
      daemons: facts.beats.length,
      survivors: survivorsOf(facts).length + leftovers.length,
      operations: outcomes,
      mostTries: Math.max(0, ...facts.acknowledged.map((entry) => entry.tries)),
      quietMs,
      staleRefused: staleRefused(facts),
      corrections: facts.corrections.length,
      carried: facts.carried.length,
      violations,
      kept,
      ok,
    };
    if (kept !== null) await writeFile(join(home.path, KEPT), JSON.stringify({ summary, facts }));
    return summary;
  } finally {
    await operators?.stop(0);
    await installation?.stop();
    for (const disk of disks.values()) await disk.remove().catch(() => {});
    if (kept === null) await removeHome(home);
    else await home.release();
  }
}

/** Opens run after run while faults last, then answers how many there were once all have finished, or the time is over. */
async function keepRunsComing(
  { record }: Installation,
  operators: Operators,
  faults: { active: boolean },
  { quietMs, say, signal }: FaultOptions,
): Promise<number> {
  let opened = 0;
  let openedAt = Number.NEGATIVE_INFINITY;
  let until = Number.POSITIVE_INFINITY;
  let saidAt = 0;
  while (performance.now() < until && !signal.aborted) {
    if (!faults.active && until === Number.POSITIVE_INFINITY) until = performance.now() + quietMs;
    // Read first: operators report no corrections any more, so nothing is carried after this.
    const carried = !faults.active && (await isCarried(record));
    const runs = await progressOf(record).catch(() => undefined);
    if (runs !== undefined) {
      const open = runs.filter((run) => !run.finished);
      operators.setRuns(open.map((entry) => entry.run));
      const due = runs.length === opened && performance.now() - openedAt > OPEN_EVERY_MS;
      if (faults.active && due && open.length < OPEN_LIMIT && (await atWork(record)) < ENOUGH_ATTEMPTS) {
        await operators.open(periodOf(opened++));
        openedAt = performance.now();
      }
      if (carried && open.length === 0 && runs.length === opened) return opened;
      if (performance.now() - saidAt > 10_000) {
        saidAt = performance.now();
        const asked = operators.acknowledged.length;
        say(
          `  ${runs.length} runs, ${open.map((entry) => `${entry.run} ${entry.done}/${entry.flows}`).join(', ')}; ${asked} requests`,
        );
      }
    }
    await pause(LOOK_MS);
  }
  return opened;
}

const periodOf = (nth: number): string =>
  `${2030 + Math.floor(nth / 12)}-${String((nth % 12) + 1).padStart(2, '0')}`;

/** Attempts that are sent or wait for an agent; many when the record does not answer. */
async function atWork(record: Installation['record']): Promise<number> {
  const found = await record
    .query<{ n: number }>('select count(*)::int as n from outbox')
    .catch(() => ({ rows: [{ n: ENOUGH_ATTEMPTS }] }));
  return found.rows[0]!.n;
}

/** Whether rules have nothing under way any more. */
async function isCarried(record: Installation['record']): Promise<boolean> {
  const found = await record
    .query<{ n: number }>(
      `select (select count(*) from rule_facts)::int + (select count(*) from rule_acts where state = 'gathering')::int as n`,
    )
    .catch(() => ({ rows: [{ n: 1 }] }));
  return found.rows[0]!.n === 0;
}

async function progressOf(record: Installation['record']) {
  const found = await record.query<{ run: string; finished: boolean; done: number; flows: number }>(
    `select r.id as run, r.finished_ms is not null as finished, count(*)::int as flows,
       (count(*) filter (where f.result in ('succeeded', 'skipped', 'force_passed')))::int as done
     from runs r join run_flows f on f.run_id = r.id group by r.id, r.finished_ms, r.period order by r.period`,
  );
  return found.rows;
}

/** Until no attempt is open and every log is read: superseded programs may outlive their run for a while. */
async function untilIdle({ record }: Installation, until: number): Promise<void> {
  const busy = async (): Promise<boolean> => {
    const found = await record.query<{ busy: boolean }>(
      `select exists (select 1 from leases) or exists (select 1 from outbox)
         or exists (select 1 from run_counters where log_seq > cursor) as busy`,
    );
    return found.rows[0]!.busy;
  };
  while (performance.now() < until && (await busy().catch(() => true))) await pause(LOOK_MS);
  // What an agent still has to say of an attempt that is over comes with its next calls.
  await pause(2_000);
}

/** In a home that was kept for reading; one without it was left by a harness that was killed. */
const KEPT = 'summary.json';

async function removeDeadHomes(homes: string): Promise<void> {
  for (const name of await readdir(homes)) {
    const path = join(homes, name);
    if (existsSync(join(path, KEPT))) continue;
    try {
      const home = await openHome(path);
      await unmountBelow(path);
      await removeHome(home);
    } catch (error) {
      // Another harness is at work in it.
      if (!(error instanceof SluiceError) || error.code !== 'already_running') throw error;
    }
  }
}
