/**
 * The Temporal server that a data centre runs, and the tool for its schema, built from their Go modules into the cache folder: there is no
 * package of them that could be fetched. Takes some ten minutes once, and a Go of the version that the module asks for.
 */
import { execFile, spawn } from 'node:child_process';
import { access, constants, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { childEnvironment } from '../../config.ts';
import { SluiceError } from '../../errors.ts';

const run = promisify(execFile);

export const SERVER_VERSION = '1.30.1';
/** Package of the module `go.temporal.io/server` -> name of the program that Go makes of it. */
const PACKAGES = { server: 'cmd/server', tool: 'cmd/tools/sql' } as const;

export interface ServerPrograms {
  /** `temporal-server` */
  readonly server: string;
  /** `temporal-sql-tool` */
  readonly tool: string;
}

/** Finds the two programs in the cache folder, or builds them at the lowest priority. Throws `temporal_unavailable`. */
export async function obtainServer(cache: string, say: (text: string) => void): Promise<ServerPrograms> {
  const kept = join(cache, `temporal-server-${SERVER_VERSION}-${process.platform}-${process.arch}`);
  const programs = { server: join(kept, 'server'), tool: join(kept, 'sql') };
  if (await areThere(programs)) return programs;
  const go = await run('go', ['version'], { env: childEnvironment() }).catch((cause) => {
    throw new SluiceError(
      'temporal_unavailable',
      `the Temporal server ${SERVER_VERSION} is built with Go, and there is no go on PATH`,
      { cause },
    );
  });
  say(`building the Temporal server ${SERVER_VERSION} with ${go.stdout.trim()}: some ten minutes, once`);
  await mkdir(cache, { recursive: true });
  const draft = await mkdtemp(join(cache, 'temporal-server-draft-'));
  const begun = Date.now();
  try {
    await install(draft);
    // Two builders at once: the first one's is kept.
    await rename(draft, kept).catch(async (error: unknown) => {
      if (!(await areThere(programs))) throw error;
    });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SluiceError('temporal_unavailable', `the Temporal server could not be built: ${why}`, {
      cause,
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  say(`built after ${Math.round((Date.now() - begun) / 1_000)} s`);
  return programs;
}

const areThere = (programs: ServerPrograms): Promise<boolean> =>
  Promise.all(Object.values(programs).map((text: string) => access(text, constants.X_OK))).then(
    () => true,
    () => false,
  );

function install(folder: string): Promise<void> {
  const packages = Object.values(PACKAGES).map(
    (other) => `go.temporal.io/server/${other}@v${SERVER_VERSION}`,
  );
  return new Promise((resolve, reject) => {
    const child = spawn('go', ['install', ...packages], {
      env: childEnvironment({ GOBIN: folder }),
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    child.once('error', reject);
    child.once('spawn', () => setPriority(child.pid!, 19));
    child.once('exit', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`go install ended with ${code ?? signal}`));
    });
  });
}
