/**
 * The wrapper that ran shell programs before the keeper, as it was: an agent must take over what it runs.
 *
 * usage: node old-wrapper.mjs FOLDER. The folder and who writes what in it: platforms/shell/wrapper-folder.ts.
 */
import { spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { processIdentity } from '../../platforms/shell/process-identity.mjs';

const WATCH_MS = 200;
/** What a program leaves running in its group when it ends gets this long between TERM and KILL. */
const LEFTOVER_MS = 2_000;
/** How long output of an ended program may still be on its way through the pipes. */
const PIPES_MS = 100;
const LOOK_MS = 50;
const RETRY_MS = 1_000;
/** setTimeout's limit. */
const LONGEST_MS = 2_147_483_647;

const folder = process.argv[2];
const at = (name) => join(folder, name);
const settings = JSON.parse(readFileSync(at('launch.json'), 'utf8'));

/** The one who creates this file may run the program: this wrapper, or an agent that gives the attempt up unlaunched. */
try {
  const me = { pid: process.pid, identity: processIdentity(process.pid) };
  writeFileSync(at('running.json.new'), JSON.stringify(me), { mode: 0o600 });
  // link() fails when the name exists, and nobody ever reads half a file.
  linkSync(at('running.json.new'), at('running.json'));
} catch (error) {
  if (error.code === 'EEXIST') process.exit(0);
  throw error;
}

const log = createLog(at('log'), settings.headBytes, settings.tailBytes);
const startedAt = Date.now();
const startedOn = performance.now();
let cause = null;
let ended = false;

const child = spawn(settings.command[0], settings.command.slice(1), {
  cwd: settings.cwd,
  env: settings.env,
  detached: true,
  stdio: ['ignore', 'pipe', 'pipe'],
});
// At once: a process that finds this wrapper killed must find the program. While the disk is full, tried again with each look.
let programNoted = child.pid === undefined || noteProgram();
child.stdout.on('data', (chunk) => log.write(chunk));
child.stderr.on('data', (chunk) => log.write(chunk));
child.on('error', (error) => {
  if (child.pid === undefined) finish({ exitCode: null, signal: null, error: error.message });
});
child.on('exit', (exitCode, signal) => {
  ended = true;
  clearInterval(watch);
  const done = () => finish({ exitCode, signal, error: null });
  child.once('close', () => {
    if (!groupLives()) done();
  });
  // A process that left the group may hold the pipes open for ever.
  if (!groupLives()) setTimeout(done, PIPES_MS);
  else endLeftovers(done);
});

/** Time since the last contact is counted here, monotonic: a jump of the clock ends no program. */
let contactStamp = stampOf('contact');
let contactOn = performance.now();
const watch = setInterval(() => {
  if (!programNoted) programNoted = noteProgram();
  const stamp = stampOf('contact');
  if (stamp !== contactStamp) {
    contactStamp = stamp;
    contactOn = performance.now();
  }
  if (existsSync(at('cancel'))) end(readFileSync(at('cancel'), 'utf8').trim() || 'cancel');
  else if (performance.now() - contactOn > settings.orphanMs) end('orphan');
  else if (settings.timeoutMs !== null && performance.now() - startedOn > settings.timeoutMs) end('timeout');
}, WATCH_MS);
if (settings.timeoutMs !== null && settings.timeoutMs < WATCH_MS)
  setTimeout(() => end('timeout'), settings.timeoutMs);
for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(name, () => end('terminated'));

function noteProgram() {
  try {
    const program = { pid: child.pid, identity: processIdentity(child.pid) };
    writeFileSync(at('program.json'), JSON.stringify(program), { mode: 0o600 });
    return true;
  } catch {
    return false;
  }
}

function end(why) {
  if (cause !== null || ended) return;
  cause = why;
  log.write(`-- ending the program: ${why}\n`);
  signalGroup('SIGTERM');
  setTimeout(() => signalGroup('SIGKILL'), Math.min(settings.graceMs, LONGEST_MS));
}

/** An attempt is over when its whole group is: a process left behind could still write. */
function endLeftovers(done) {
  log.write('-- the program ended and left processes behind: they are ended\n');
  signalGroup('SIGTERM');
  const since = performance.now();
  const look = setInterval(() => {
    const late = performance.now() - since > LEFTOVER_MS;
    if (groupLives() && !late) return;
    if (late) signalGroup('SIGKILL');
    clearInterval(look);
    setTimeout(done, PIPES_MS);
  }, LOOK_MS);
}

function signalGroup(name) {
  try {
    process.kill(-child.pid, name);
  } catch {
    // Gone already.
  }
}

/** A dead process that nobody reaps (a container without init) still counts for kill(): look closer where one can. */
function groupLives() {
  try {
    process.kill(-child.pid, 0);
  } catch {
    return false;
  }
  if (!existsSync('/proc/self/stat')) return true;
  return readdirSync('/proc').some((name) => /^\d/.test(name) && livesInGroup(name));
}

function livesInGroup(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state, , group] = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return group === String(child.pid) && state !== 'Z' && state !== 'X';
  } catch {
    return false;
  }
}

function stampOf(name) {
  return statSync(at(name), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** Leaves the result under its name only when it is whole and on the disk; while the disk is full, tries again. */
function finish(how) {
  log.end();
  const result = { ...how, cause, startedAt, endedAt: Date.now(), leftOutBytes: log.leftOut() };
  const attempt = () => {
    try {
      const file = openSync(at('result.json.new'), 'w', 0o600);
      writeSync(file, JSON.stringify(result));
      fsyncSync(file);
      closeSync(file);
      renameSync(at('result.json.new'), at('result.json'));
      process.exit(0);
    } catch {
      // Without the folder nobody will ever read a result.
      if (!existsSync(folder)) process.exit(1);
      setTimeout(attempt, RETRY_MS);
    }
  };
  attempt();
}

/** Appends to the file up to `headBytes`; of the rest the last `tailBytes` are kept and appended at the end. */
function createLog(path, headBytes, tailBytes) {
  const file = openSync(path, 'a', 0o600);
  let size = 0;
  let tail = [];
  let tailSize = 0;
  let dropped = 0;
  const append = (bytes) => {
    try {
      writeSync(file, bytes);
    } catch {
      // A full disk must not end the program; the result says what is missing.
      dropped += bytes.length;
    }
  };
  return {
    write(data) {
      let bytes = Buffer.from(data);
      if (size < headBytes) {
        const head = bytes.subarray(0, headBytes - size);
        append(head);
        size += head.length;
        bytes = bytes.subarray(head.length);
      }
      if (bytes.length === 0) return;
      tail.push(bytes);
      tailSize += bytes.length;
      while (tailSize - tail[0].length >= tailBytes) {
        tailSize -= tail[0].length;
        dropped += tail.shift().length;
      }
    },
    end() {
      const bytes = Buffer.concat(tail);
      const kept = bytes.subarray(Math.max(0, bytes.length - tailBytes));
      dropped += bytes.length - kept.length;
      tail = [];
      if (dropped > 0) append(Buffer.from(`\n-- ${dropped} bytes left out --\n`));
      append(kept);
      closeSync(file);
    },
    leftOut: () => dropped,
  };
}
