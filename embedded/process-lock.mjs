/**
 * Which process is which, and who holds a lock file. Plain JavaScript without dependencies, because the launcher uses it
 * before any package is installed and on Node 18 too; `process-lock.d.mts` gives it types.
 *
 * A process id alone names nothing: ids are used again. Everything here pairs it with the start time of the process.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { link, mkdir, readFile, rm, rmdir, stat, unlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

let bootId;

/** One boot of the machine: start times are counted from it. */
function boot() {
  if (bootId === undefined) {
    try {
      bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    } catch {
      bootId = '';
    }
  }
  return bootId;
}

/**
 * Start identity of the living process `pid`, or undefined when there is none (a zombie counts as none). Two equal identities
 * of the same pid are the same process.
 */
export function processIdentity(pid) {
  if (existsSync('/proc/self/stat')) {
    try {
      const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
      // The name in brackets may itself hold blanks and brackets: the fields begin after the last one.
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
      return fields[0] === 'Z' || fields[0] === 'X' ? undefined : `${boot()}/${fields[19]}`;
    } catch {
      return undefined;
    }
  }
  try {
    const started = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
    return started === '' ? undefined : started;
  } catch {
    return undefined;
  }
}

/** Who stands in the lock file; undefined when there is no file. What cannot be read as a holder is nobody alive. */
async function holderOf(file) {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    return error.code === 'ENOENT' ? undefined : {};
  }
}

const alive = (holder) => holder.identity !== undefined && processIdentity(holder.pid) === holder.identity;

/**
 * Takes the lock `file` for this process. Answers `{ release }`, or `{ holder: { pid, identity } }` when a living process has it.
 * A lock whose holder died is taken over.
 */
export async function tryLock(file) {
  await mkdir(dirname(file), { recursive: true });
  const mine = {
    pid: process.pid,
    identity: processIdentity(process.pid),
    nonce: randomBytes(6).toString('hex'),
  };
  const draft = `${file}.${mine.nonce}`;
  await writeFile(draft, JSON.stringify(mine), { mode: 0o600 });
  try {
    for (;;) {
      try {
        // link() fails when the name exists, and the file is never seen half written.
        await link(draft, file);
        return {
          release: async () => {
            if ((await holderOf(file))?.nonce === mine.nonce) await rm(file, { force: true });
          },
        };
      } catch (error) {
        if (error.code !== 'EEXIST') throw error;
      }
      const holder = await holderOf(file);
      if (holder === undefined) continue;
      if (alive(holder)) return { holder };
      await removeStale(file);
    }
  } finally {
    await unlink(draft);
  }
}

/** Only one process at a time may remove a dead holder's file, else the second would remove the first one's new lock. */
async function removeStale(file) {
  const gate = `${file}.takeover`;
  try {
    await mkdir(gate);
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    const since = await stat(gate).then(
      (it) => it.mtimeMs,
      () => Date.now(),
    );
    if (Date.now() - since > 10_000) await rmdir(gate).catch(() => undefined);
    await pause(20);
    return;
  }
  try {
    // Only what was read may be removed: where there was no file, the next moment there may be a living holder's. A dead holder's
    // file stays as it is while we have the gate.
    const holder = await holderOf(file);
    if (holder !== undefined && !alive(holder)) await rm(file, { force: true });
  } finally {
    await rmdir(gate).catch(() => undefined);
  }
}

/** Takes the lock, waiting as long as a living process holds it; `onWait(holder)` is called once when it has to wait. */
export async function lock(file, onWait = () => undefined) {
  for (let said = false; ; said = true) {
    const taken = await tryLock(file);
    if (taken.release) return taken.release;
    if (!said) onWait(taken.holder);
    await pause(200);
  }
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
