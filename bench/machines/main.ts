/**
 * `npm run machines`: qualifies the several-machine form against a Temporal server by address (docs/reliability.md, "Several machines").
 * One JSON object on stdout, talk on stderr. Exit code 0: the tests passed, and nobody noticed a loss; 1: otherwise; 2: wrong arguments.
 *
 * The server is the one that TEMPORAL_ADDRESS names, or one on PostgreSQL that is built and started here.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadConfig } from '../../config.ts';
import { openHome } from '../../embedded/home.ts';
import { startPostgres } from '../../embedded/postgres.ts';
import { removeOutsideData } from '../../embedded/postgres-data.ts';
import { watchSignals } from '../../embedded/shutdown.ts';
import { SluiceError } from '../../errors.ts';
import { startInstallation } from './installation.ts';
import { loseMachines } from './scenario.ts';
import { obtainServer } from './server-build.ts';
import { runSuite } from './suite.ts';
import { startTemporalServer } from './temporal-server.ts';

const say = (text: string): void =>
  void process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
const shutdown = watchSignals(say);
/** Number of months that have sample data: more than a scenario of the default length opens. */
const MONTHS = 8;

async function main(): Promise<{ readonly ok: boolean; readonly [part: string]: unknown }> {
  const { values: options } = parseArgs({
    options: {
      build: { type: 'boolean', default: false },
      serve: { type: 'boolean', default: false },
      suite: { type: 'boolean', default: true },
      scenario: { type: 'boolean', default: true },
      'dead-seconds': { type: 'string', default: '15' },
      // Kinds of parts, one after the other.
      lose: { type: 'string', default: 'api,worker,agent' },
      keep: { type: 'boolean', default: false },
      // The output is always JSON; scripts may pass the option.
      json: { type: 'boolean', default: true },
    },
    allowNegative: true,
  });
  const deadMs = Number(options['dead-seconds']) * 1_000;
  if (!(deadMs >= 1_000)) throw new SluiceError('usage', '--dead-seconds is a number, at least 1');
  const config = loadConfig();
  const given = config.temporalAddress;
  const programs = given === undefined || options.build ? await obtainServer(config.cache, say) : undefined;
  if (options.build) return { ok: true, ...programs };

  const folder = await mkdtemp(join(tmpdir(), 'sluice-machines-'));
  const home = await openHome(folder);
  shutdown.add('home', async () => {
    await home.release();
    if (options.keep) return say(`kept: ${folder}`);
    await removeOutsideData(folder);
    await rm(folder, { recursive: true, force: true });
  });
  const postgres = await startPostgres({ home, port: 0, shortLived: true });
  shutdown.add('postgres', () => postgres.stop());
  let temporalAddress = given;
  if (programs !== undefined) {
    const namespace = config.temporalNamespace;
    const server = await startTemporalServer({ home, programs, postgresUrl: postgres.url(), namespace });
    shutdown.add('temporal', () => server.stop());
    temporalAddress = server.address;
  }
  say(`Temporal ${temporalAddress}, namespace ${config.temporalNamespace}`);
  if (options.serve) {
    say(`TEMPORAL_ADDRESS=${temporalAddress}; Ctrl-C ends it`);
    await new Promise(() => {});
  }
  const suite = options.suite ? await runSuite(temporalAddress!, folder) : undefined;
  if (suite !== undefined) say(`tests: ${suite.passed} of ${suite.tests} passed`);
  const scenario = options.scenario ? await scenarioOn(temporalAddress!) : undefined;
  for (const problem of scenario?.problems ?? []) say(`PROBLEM ${problem}`);
  return {
    temporal: temporalAddress,
    suite,
    scenario,
    ok: suite?.ok !== false && scenario?.ok !== false,
  };

  async function scenarioOn(address: string) {
    const periods = lastPeriods(MONTHS);
    const installation = await startInstallation({
      home,
      databaseUrl: postgres.url,
      say,
      shutdown,
      temporalAddress: address,
      temporalNamespace: config.temporalNamespace,
      months: periods.map((period) => period.replace('-', '')),
    });
    const kinds = options.lose.split(',');
    const lost = installation.parts.filter(({ kind }) => kinds.includes(kind));
    return loseMachines({ installation, home: folder, lost, periods, deadMs, say });
  }
}

/** The accounting months before the present one, ascending, `2026-10`. */
function lastPeriods(n: number): string[] {
  const now = new Date();
  return Array.from({ length: n }, (_, i) =>
    new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - n + i, 1)).toISOString().slice(0, 7),
  );
}

let exit = 1;
try {
  const answer = await main();
  process.stdout.write(`${JSON.stringify(answer, null, 2)}\n`);
  exit = answer.ok ? 0 : 1;
} catch (error) {
  if (!(error instanceof SluiceError)) {
    await shutdown.run();
    throw error;
  }
  say(`${error.code}: ${error.message}`);
  exit = error.kind.exit;
}
await shutdown.run();
process.exit(exit);
