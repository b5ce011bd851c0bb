/**
 * The flows of a run that faults strike. Most are fenced SQL programs: each replaces its period's row of `target` and appends a row to `ledger`,
 * which nothing ever deletes from, in one transaction. Some of them share one file. Some are shell programs that note start and stop in a
 * file; half of these leave a daemon behind, which writes down when it lives. So what was done is known, whatever the engine believes.
 */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { layered, randomOf } from '../load/graphs.ts';

export interface EstateFlow {
  readonly id: string;
  readonly after: readonly string[];
  /** What it leaves behind; null: nothing (gate, notice). */
  readonly effect: 'sql' | 'shell' | null;
  readonly idempotent: boolean;
  readonly pool: string | null;
  readonly lock: string | null;
  /** A SQL program whose file other flows run as well, told apart by a parameter. */
  readonly shared: boolean;
  /** A shell program that starts a process in a session of its own, which would go on for minutes. */
  readonly daemon: boolean;
}

export interface Estate {
  readonly flows: readonly EstateFlow[];
  readonly pools: readonly { readonly id: string; readonly size: number }[];
}

const LAYERS = 10;
/** How long a program takes, ms. */
const PROGRAM_MS = { least: 100, most: 1_500 };
/** A program that hangs on a silent connection is ended. */
const TIMEOUT_MS = 15_000;
export const POOL = { id: 'narrow', size: 4 } as const;

/** Tables on the platform. Two indexes only: the ledger must never refuse a row. */
export const PLATFORM_TABLES = `
create table ledger (id bigserial, run text, flow text, period text, generation int, epoch bigint,
  at timestamptz not null default clock_timestamp());
create table target (flow text, period text, generation int, epoch bigint);
create index target_by_flow on target (flow, period);
`;

/** A graph of about `flows` flows in ten layers, three upstreams each, from the seed. */
export function drawEstate(flows: number, seed: number): Estate {
  const random = randomOf(seed ^ 0x5eed);
  const width = Math.max(3, Math.round(flows / LAYERS));
  const { tasks } = layered('faults', { layers: LAYERS, width, upstreams: 3, seed });
  return {
    pools: [POOL],
    flows: tasks.map(({ id, deps }, i) => {
      const kind = random();
      // Gates stand in the middle: in the first layer all would wait for a person.
      const effect = kind < 0.03 && i >= width ? null : kind < 0.11 ? 'shell' : 'sql';
      const extra = random() < (effect === 'shell' ? 0.5 : 0.15);
      return {
        shared: effect === 'sql' && extra,
        daemon: effect === 'shell' && extra,
        id: id.toUpperCase(),
        after: deps.map((dep) => dep.toUpperCase()),
        effect,
        idempotent: effect === 'shell' && random() < 0.5,
        pool: random() < 0.15 ? POOL.id : null,
        lock: random() < 0.06 ? `L${Math.floor(random() * 3)}` : null,
      };
    }),
  };
}

/** The table that a flow is said to write. Nobody looks into it: rules go by what is declared. */
export const tableOf = (flow: string): string => `own.${flow.toLowerCase()}`;

/** Carries corrections of these tables downstream, at most as many flows as people redo at once. */
export const RULE = {
  id: 'carry',
  names: { en: 'carry', zh: '传递' },
  on: 'corrected',
  approval: 'never',
  settleMs: 1_000,
  limits: { perFlowAndDay: 100, perRunAndDay: 1_000, members: 25, coolDownMs: 0 },
} as const;

/** Where shell programs write. */
export interface Paths {
  /** A file that every program appends to. */
  readonly notes: string;
  /** A folder with a file for each daemon, named by the epoch of its program. */
  readonly beats: string;
}

const SHARED_FILE = 'Shared.sql';

/** Writes catalogue and programs below `folder`, as `api/setup/main.ts` reads them. */
export async function writeEstate(
  estate: Estate,
  options: { seed: number; folder: string; paths: Paths; orphanMs: number },
): Promise<void> {
  const { seed, folder, paths, orphanMs } = options;
  const random = randomOf(seed ^ 0xdead);
  const seconds = (): string =>
    ((PROGRAM_MS.least + random() * (PROGRAM_MS.most - PROGRAM_MS.least)) / 1_000).toFixed(2);
  await mkdir(join(folder, 'programs'), { recursive: true });
  const works = new Set(estate.flows.filter((flow) => flow.effect !== null).map((flow) => flow.id));
  const flows = estate.flows.map((flow) => ({
    id: flow.id,
    names: { en: flow.id, zh: flow.id },
    cycle: 'month',
    after: flow.after,
    ...(flow.effect === null
      ? { kind: 'gate', person: { role: 'gatekeeper' } }
      : {
          kind: 'job',
          platform: 'yt',
          // So a correction of one flow's table concerns those below it.
          reads: flow.after.filter((from) => works.has(from)).map(tableOf),
          writes: [tableOf(flow.id)],
          // Broken platforms and lost agents are what this is about: their budgets are wide, the program's own is not.
          retries: { program: 0, infrastructure: 20, timeout: 20, lost: 20, backoffMs: 200 },
          timeoutMs: TIMEOUT_MS,
          idempotent: flow.idempotent,
          orphanMs,
          ...(flow.pool === null ? {} : { uses: [{ pool: flow.pool }] }),
          ...(flow.lock === null ? {} : { locks: [flow.lock] }),
          ...(flow.shared ? { parameters: { name: { value: flow.id }, seconds: { value: seconds() } } } : {}),
          program:
            flow.effect === 'sql'
              ? { type: 'sql', file: flow.shared ? SHARED_FILE : `${flow.id}.sql`, connection: 'yt' }
              : {
                  type: 'shell',
                  command: ['sh', '-c', shellText(seconds(), flow.daemon)],
                  env: { NOTES: paths.notes, BEATS: paths.beats },
                },
        }),
  }));
  const catalogue = {
    connections: [{ id: 'yt', platform: 'yt' }],
    pools: estate.pools,
    rules: [RULE],
    flows,
  };
  await writeFile(join(folder, 'faults.yaml'), JSON.stringify(catalogue));
  for (const flow of estate.flows)
    if (flow.effect === 'sql' && !flow.shared)
      await writeFile(join(folder, 'programs', `${flow.id}.sql`), sqlText(`'${flow.id}'`, seconds()));
  await writeFile(join(folder, 'programs', SHARED_FILE), sqlText(':name', ':seconds::float8'));
}

/** The epoch stands in the session's name (protocol C6): so each effect says which attempt left it. */
const EPOCH = "substr(split_part(current_setting('application_name'), ' ', 2), 2)::bigint";

const sqlText = (flow: string, seconds: string): string => `select pg_sleep(${seconds});
delete from target where flow = ${flow} and period = :period;
insert into ledger (run, flow, period, generation, epoch) values (:run, ${flow}, :period, :generation, ${EPOCH});
insert into target (flow, period, generation, epoch) values (${flow}, :period, :generation, ${EPOCH});
`;

/** Writes its time, ms, five times a second for five minutes, in a session and process group of its own. */
const DAEMON = `setsid sh -c 'i=0; while [ $i -lt 1500 ]; do date +%s%3N >> "$0"; sleep 0.2; i=$((i+1)); done' "$BEATS/$SLUICE_EPOCH" > /dev/null 2>&1 & while [ ! -s "$BEATS/$SLUICE_EPOCH" ]; do sleep 0.02; done; `;

/** One line is one write: lines of programs that run at once do not mix. */
const shellText = (seconds: string, daemon: boolean): string => {
  const who = '$SLUICE_RUN $SLUICE_FLOW $SLUICE_GENERATION $SLUICE_ATTEMPT $SLUICE_EPOCH';
  const begun = `echo "start ${who}" >> "$NOTES"; echo working; `;
  return `${begun}${daemon ? DAEMON : ''}sleep ${seconds}; echo "stop ${who}" >> "$NOTES"`;
};

export interface Note {
  readonly what: 'start' | 'stop';
  readonly run: string;
  readonly flow: string;
  readonly generation: number;
  readonly attempt: number;
  readonly epoch: number;
}

export function parseNotes(text: string): Note[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [what, run, flow, generation, attempt, epoch] = line.split(' ');
      return {
        what: what as Note['what'],
        run: run!,
        flow: flow!,
        generation: Number(generation),
        attempt: Number(attempt),
        epoch: Number(epoch),
      };
    });
}

/** The life of the daemon that a program started: its first and last word, PostgreSQL's and its own clock being this machine's. */
export interface Beats {
  readonly epoch: number;
  readonly firstMs: number;
  readonly lastMs: number;
}

export async function readBeats(folder: string): Promise<Beats[]> {
  const found: Beats[] = [];
  for (const name of await readdir(folder).catch(() => [])) {
    // The last line may be half a number: it was being written.
    const times = (await readFile(join(folder, name), 'utf8')).split('\n').slice(0, -1).map(Number);
    if (times.length > 0) found.push({ epoch: Number(name), firstMs: times[0]!, lastMs: times.at(-1)! });
  }
  return found;
}
