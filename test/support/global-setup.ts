/**
 * Starts ONE PostgreSQL and ONE Temporal server for the whole test run, in a home of its own, and stops them at its end, also when
 * the run fails. An interrupted run ends without teardown: then children.ts asks the servers to stop, and the next run removes the
 * home. What a run killed with -9 left is ended by the next one too. Runs at the same time do not meet.
 *
 * SLUICE_TEST_TEMPORAL=host:port uses that Temporal server instead (its namespace `default`), which may be a real one; not the
 * TEMPORAL_ADDRESS that a person has for other work.
 */
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { loadConfig, projectFolder } from '../../config.ts';
import { type Home, openHome } from '../../embedded/home.ts';
import { createDatabase, startPostgres } from '../../embedded/postgres.ts';
import { removeOutsideData } from '../../embedded/postgres-data.ts';
import { startTemporal } from '../../embedded/temporal.ts';
import { obtainTemporal } from '../../embedded/temporal-binary.ts';
import { SluiceError } from '../../errors.ts';
import { migrate } from '../../store/schema/migrate.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** URL of the server's maintenance database, with its superuser. */
    serverUrl: string;
    /** Name of the migrated database that test databases are copied from. */
    templateDatabase: string;
    /** host:port of the Temporal server. */
    temporalAddress: string;
  }
}

const TEMPLATE = 'sluice_template';
const homes = join(projectFolder, '.sluice', 'test');

export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const stops: (() => Promise<unknown>)[] = [];
  const teardown = async () => {
    await Promise.allSettled(stops.map((stop) => stop()));
  };

  await mkdir(homes, { recursive: true });
  await removeDeadHomes();
  const home = await openHome(await mkdtemp(join(homes, 'home-')));
  try {
    const starts = await Promise.allSettled([
      startPostgres({ home, port: 0, shortLived: true }).then((postgres) => {
        stops.push(() => postgres.stop());
        return postgres;
      }),
      temporalOf(home, stops),
    ]);
    const [postgres, temporalAddress] = starts.map((start) => {
      if (start.status === 'rejected') throw start.reason;
      return start.value;
    }) as [Awaited<ReturnType<typeof startPostgres>>, string];
    await createDatabase(postgres.url(), TEMPLATE);
    await migrateTemplate(postgres.url(TEMPLATE));
    provide('serverUrl', postgres.url());
    provide('templateDatabase', TEMPLATE);
    provide('temporalAddress', temporalAddress);
  } catch (error) {
    await teardown();
    await removeHome(home);
    throw error;
  }
  return async () => {
    await teardown();
    await removeHome(home);
  };
}

/** host:port of the server for this run; one that is started here is added to `stops`. */
async function temporalOf(home: Home, stops: (() => Promise<unknown>)[]): Promise<string> {
  const given = process.env.SLUICE_TEST_TEMPORAL;
  if (given) return given;
  const { cache, temporalBin } = loadConfig();
  const say = (text: string) => process.stderr.write(`${text}\n`);
  const program = await obtainTemporal({ cache, chosen: temporalBin, say });
  const temporal = await startTemporal({ home, program, port: 0 });
  stops.push(() => temporal.stop());
  return temporal.address;
}

async function migrateTemplate(url: string): Promise<void> {
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  try {
    await migrate(pool);
  } finally {
    await pool.end();
  }
}

async function removeHome(home: Home): Promise<void> {
  await home.release();
  await removeOutsideData(home.path);
  await rm(home.path, { recursive: true, force: true });
}

/** Homes of runs that were killed: opening one ends what it left; one whose run still lives refuses to open and is left alone. */
async function removeDeadHomes(): Promise<void> {
  for (const name of await readdir(homes)) {
    try {
      await removeHome(await openHome(join(homes, name)));
    } catch (error) {
      if (!(error instanceof SluiceError) || error.code !== 'already_running') throw error;
    }
  }
}
