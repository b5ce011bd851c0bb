/** From `node launch.mjs FILE.ts` on whatever Node there is, to FILE.ts running on a fit one with all packages installed. */
import { spawn } from 'node:child_process';
import module from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { BootstrapError, cacheFolder, installPackages, obtainNode, pathWith, say } from './runtime.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** What `--check` runs, all of them, even after one failed. */
const CHECKS = [
  ['tsc', ['--noEmit', '-p', '.']],
  ['biome', ['check', '.']],
  ['knip', []],
];

/**
 * `[FILE.ts, ...args]`, `['--test', ...args of vitest]` or `['--check']`. FILE is relative to the project. On a fit Node the file
 * runs in this very process; otherwise in a child with the same standard streams, signals and exit, and with a channel whose end
 * tells the child that this process died.
 */
export async function launch(argv) {
  try {
    const cache = cacheFolder();
    const node = await obtainNode(cache);
    await installPackages(root, node);
    // What is launched must agree with this launcher on the cache and on which Node is the first on PATH.
    Object.assign(process.env, { SLUICE_CACHE: cache, PATH: pathWith(node) });
    const [target, ...args] = argv;
    if (target === undefined)
      throw new BootstrapError('usage', 'nothing to launch', 'Give a file, --test or --check.');
    if (target === '--test')
      exitLike(await run(node, [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', ...args], root));
    else if (target === '--check') process.exit(await check());
    else await program(node, cache, resolve(root, target), args);
  } catch (error) {
    if (!(error instanceof BootstrapError)) throw error;
    say(`${error.code}: ${error.message}`);
    say(`what to do: ${error.remedy}`);
    process.exit(2);
  }
}

/**
 * Node keeps what it made of our TypeScript in the cache folder, for this program and for those that it starts: without the compiler that
 * strips types a process takes 20 MB less for its whole life. Not for tests: each of their temporary files would stay there.
 */
async function program(node, cache, file, args) {
  process.env.NODE_COMPILE_CACHE ??= join(cache, 'compile');
  if (node !== process.execPath) return exitLike(await run(node, [file, ...args], undefined, ['ipc']));
  module.enableCompileCache?.(process.env.NODE_COMPILE_CACHE);
  process.argv = [process.execPath, file, ...args];
  await import(pathToFileURL(file).href);
}

async function check() {
  let failed = 0;
  for (const [tool, args] of CHECKS) {
    const from = Date.now();
    const { code } = await run(join(root, 'node_modules', '.bin', tool), args, root);
    say(
      `${tool} ${code === 0 ? 'found nothing' : 'found problems'} (${((Date.now() - from) / 1000).toFixed(1)} s)`,
    );
    if (code !== 0) failed = 1;
  }
  return failed;
}

/** Runs a child to its end, passing on the signals that ask this process to stop. */
function run(command, args, cwd, more = []) {
  const child = spawn(command, args, { cwd, stdio: ['inherit', 'inherit', 'inherit', ...more] });
  const pass = (signal) => child.kill(signal);
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, pass);
  return new Promise((ended, failed) => {
    child.once('error', failed);
    child.once('exit', (code, signal) => {
      for (const name of signals) process.off(name, pass);
      ended({ code, signal });
    });
  });
}

function exitLike({ code, signal }) {
  if (signal !== null) process.kill(process.pid, signal);
  else process.exit(code);
}
