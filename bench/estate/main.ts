/**
 * `npm run estate`: a catalogue the size of the estate from a seed, or one from a recorded workflow; sent to the API with `--apply`, given a
 * past with `--history DAYS`. One JSON object on stdout, talk on stderr.
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ApiProblem, createClient } from '../../cli/client.ts';
import { identityOf } from '../../cli/profile.ts';
import { type Config, loadConfig } from '../../config.ts';
import { SluiceError } from '../../errors.ts';
import { createPool } from '../../store/schema/pool.ts';
import { catalogueOf as catalogueOfGraph } from '../load/graph-catalogue.ts';
import { readGraphFile } from '../load/graph-file.ts';
import { catalogueOf, type EstateFile } from './catalogue.ts';
import { FEWEST, makeEstate } from './estate.ts';
import { periodOfDay, yesterday } from './moments.ts';
import { pastRuns } from './past.ts';
import { tracedRun } from './trace.ts';
import { writePast } from './write-past.ts';

const say = (text: string): void => void process.stderr.write(`estate: ${text}\n`);
const usage = (detail: string): SluiceError => new SluiceError('usage', detail);

async function main(): Promise<unknown> {
  const { values: options } = parseArgs({
    options: {
      flows: { type: 'string', default: '13000' },
      seed: { type: 'string', default: '42' },
      // Programs take their typical or recorded time divided by this.
      speedup: { type: 'string', default: '1000' },
      // Distributions as pairs of programs that do nothing, so that agents can carry everything out.
      noop: { type: 'boolean', default: false },
      trace: { type: 'string' },
      out: { type: 'string' },
      apply: { type: 'boolean', default: false },
      // With --apply: flows and schedules of the newest version that the estate lacks may go.
      remove: { type: 'boolean', default: false },
      as: { type: 'string' },
      history: { type: 'string' },
      // Last day of the history. Default: the day before yesterday, whose run is over.
      until: { type: 'string' },
    },
  });
  const config = loadConfig();
  const seed = wholeNumber('seed', options.seed, 0);
  const speedup = wholeNumber('speedup', options.speedup, 1);
  const until = periodOfDay(options.until ?? yesterday(Date.now() - 86_400_000));
  if (until === null) throw usage(`--until wants a day like 2026-11-21, not '${options.until}'`);

  const made = options.trace === undefined ? ofEstate() : await ofTrace(options.trace);
  if (options.out !== undefined) await writeFolder(options.out, made.files);
  const answer: Record<string, unknown> = {
    flows: made.flows,
    files: made.files.length,
    bytes: made.files.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0),
    ...(options.out === undefined ? {} : { out: options.out }),
  };
  if (options.apply) answer.version = await applyTo(config, options.as, made.files, options.remove);
  if (options.history !== undefined) {
    const pool = createPool(await databaseUrl(config), { max: 2, name: 'estate', copies: true });
    try {
      answer.history = await writePast(pool, made.runs(wholeNumber('history', options.history, 1)), say);
    } finally {
      await pool.end();
    }
  }
  return answer;

  function ofEstate() {
    const flows = wholeNumber('flows', options.flows, FEWEST);
    const estate = makeEstate({ flows, seed });
    return {
      flows: estate.flows.length,
      files: catalogueOf(estate, { speedup, noop: options.noop }),
      runs: (days: number) => pastRuns(estate, { last: until!, days }),
    };
  }

  /** `--history N` of a recorded workflow: N runs of it, on N days. */
  async function ofTrace(path: string) {
    const graph = await readGraphFile(path);
    const texts = catalogueOfGraph(graph, { program: 'noop', speedup });
    return {
      flows: graph.tasks.length,
      files: Object.entries(texts).map(([path, text]) => ({ path, text })),
      runs: (days: number) => tracedRun(graph, { last: until!, days }),
    };
  }
}

function wholeNumber(option: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least)
    throw usage(`--${option} wants a whole number from ${least} on, not '${text}'`);
  return value;
}

/** Names of files that this program writes. */
const OURS = /^(frame|bench|(interfaces|distributions|programs)-(hour|day|month)-\d\d)\.yaml$/;

/** What an earlier call left in the folder goes: two estates in one folder are no catalogue. */
async function writeFolder(folder: string, files: readonly EstateFile[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of await readdir(folder)) if (OURS.test(name)) await rm(join(folder, name));
  for (const { path, text } of files) await writeFile(join(folder, path), text);
  say(`${files.length} files in ${folder}`);
}

async function applyTo(
  config: Config,
  as: string | undefined,
  files: readonly EstateFile[],
  remove: boolean,
): Promise<number> {
  const { apiUrl, token } = identityOf({ ...config, as });
  const client = createClient({ apiUrl, token, timeoutMs: 120_000 });
  const { version } = await client.post<{ version: number }>('/catalogue/apply', { files, remove });
  say(`applied as version ${version}`);
  return version;
}

/** DATABASE_URL, or the embedded server of the home, which must be running. */
async function databaseUrl(config: Config): Promise<string> {
  if (config.databaseUrl !== undefined) return config.databaseUrl;
  const note = await readFile(join(config.home, 'postgres.json'), 'utf8').then(
    (text) => JSON.parse(text) as { port?: number; password: string },
    () => null,
  );
  if (note?.port === undefined)
    throw usage('where is the record? Set DATABASE_URL, or start Sluice with npm start first');
  return `postgres://sluice:${note.password}@127.0.0.1:${note.port}/sluice`;
}

try {
  process.stdout.write(`${JSON.stringify(await main(), null, 2)}\n`);
} catch (error) {
  if (error instanceof ApiProblem) {
    say(`${error.code}: ${error.message}`);
    say(error.problem.remedy);
    process.exitCode = error.exit;
  } else {
    if (!(error instanceof SluiceError) && !(error instanceof TypeError && 'code' in error)) throw error;
    const failure = error instanceof SluiceError ? error : usage(error.message);
    say(`${failure.code}: ${failure.message}`);
    say(failure.kind.remedy.en);
    process.exitCode = failure.kind.exit;
  }
}
