/** How a shim is started, and why a program cannot be started (protocol C5: then the attempt is `failed`, and nothing ran). */
import { accessSync, closeSync, constants, existsSync, openSync, readSync, statSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import type { AttemptFolder, KeptLaunch } from '../../platforms/shell/attempt-folder.ts';

export const SHIM = join(import.meta.dirname, '..', 'shim.sh');
/** PATH of the shim and of unshare. The program does not get it. */
export const SHIM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const NAMESPACE = ['--pid', '--fork', '--kill-child=SIGKILL'];
/** A user other than root needs a user namespace around the PID namespace. */
const OWN_USERS = process.getuid?.() === 0 ? [] : ['--user', '--map-current-user'];

export const namespaceArguments: readonly string[] = [...OWN_USERS, ...NAMESPACE];

/** The system's code of an error, such as ENOENT. */
export function codeOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return /^E[A-Z0-9]+$/.test(code) ? code : 'EINVAL';
}

/**
 * Why the program certainly cannot be started; undefined when no reason is found. It looks where exec would look. Other reasons
 * (E2BIG, ETXTBSY, EPERM ...) come from exec itself: see `execProblem`.
 */
export function launchProblem(launch: KeptLaunch): string | undefined {
  try {
    if (!statSync(launch.cwd).isDirectory()) return 'ENOTDIR';
    accessSync(launch.cwd, constants.X_OK);
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? 'ENOCWD' : codeOf(error);
  }
  const name = launch.program;
  if (name === '') return 'ENOENT';
  if (name.includes('/')) return fileProblem(resolve(launch.cwd, name));
  let worst: string | undefined = 'ENOENT';
  for (const folder of (launch.path ?? SHIM_PATH).split(':')) {
    const path = join(isAbsolute(folder) ? folder : resolve(launch.cwd, folder), name);
    if (!existsSync(path)) continue;
    const problem = fileProblem(path);
    if (problem === undefined) return undefined;
    if (problem === 'EACCES' || problem === 'ENOEXEC') worst = problem;
  }
  return worst;
}

function fileProblem(path: string): string | undefined {
  try {
    const stat = statSync(path);
    if (stat.isDirectory()) return 'EACCES';
    accessSync(path, constants.X_OK);
    // A shell would run an empty file as a script that succeeds.
    if (stat.size === 0 && stat.isFile()) return 'ENOEXEC';
    return undefined;
  } catch (error) {
    return codeOf(error);
  }
}

const TEXTS: readonly (readonly [RegExp, string])[] = [
  [/argument list too long/i, 'E2BIG'],
  [/text file busy/i, 'ETXTBSY'],
  [/permission denied|is a directory/i, 'EACCES'],
  [/not a directory/i, 'ENOTDIR'],
  [/too many levels of symbolic links/i, 'ELOOP'],
  [/file ?name too long/i, 'ENAMETOOLONG'],
  [/operation not permitted/i, 'EPERM'],
  [/cannot allocate memory/i, 'ENOMEM'],
  [/resource temporarily unavailable/i, 'EAGAIN'],
  [/too many open files in system/i, 'ENFILE'],
  [/too many open files/i, 'EMFILE'],
  [/exec format error|cannot execute binary/i, 'ENOEXEC'],
  [/not found|no such file/i, 'ENOENT'],
  [/input\/output error/i, 'EIO'],
];
const FIRST_BYTES = 4_096;

/**
 * Why the shim's exec failed, taken from the message of the shell; undefined when the program was started. Only the shell
 * can have begun `err` with the name of the shim.
 */
export function execProblem(folder: AttemptFolder, status: number): string | undefined {
  if (status !== 126 && status !== 127) return undefined;
  let text: string;
  try {
    const file = openSync(folder.file('err'), 'r');
    try {
      const bytes = Buffer.alloc(FIRST_BYTES);
      text = bytes.toString('utf8', 0, readSync(file, bytes, 0, FIRST_BYTES, 0));
    } finally {
      closeSync(file);
    }
  } catch {
    return undefined;
  }
  if (!text.startsWith(`${SHIM}: `)) return undefined;
  return TEXTS.find(([pattern]) => pattern.test(text))?.[1] ?? 'ENOEXEC';
}
