/** Our own programs as children: those that serve (api, worker, agent), and one-off steps of a start (set-up, sample data). */
import { SluiceError } from '../errors.ts';
import { describe, type NodeChild, spawnOwned } from './children.ts';
import type { Home } from './home.ts';

/** How long a program may take until it says that it is ready, ms. A worker that has to build its bundle takes 10 s on a slow machine. */
const READY_MS = 60_000;

/** Added to the environment of this process; an undefined value takes a key away. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface Program {
  /** Names pid file and log file of the home. */
  readonly name: string;
  /** Absolute path. */
  readonly file: string;
  readonly env?: Environment;
  readonly args?: readonly string[];
}

/**
 * Starts a program that serves and waits until it says that it is ready (the contract of `spawnOwned`); `facts` is what it said.
 * Throws `child_failed` when it ends before or is not ready after 60 s. Fit as the `start` of `supervise`.
 */
export async function startProgram(
  home: Home,
  { name, file, env, args }: Program,
): Promise<NodeChild & { readonly facts: Record<string, unknown> }> {
  const child = await spawnOwned(home.path, name, file, env, args);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    void child.kill9();
  }, READY_MS);
  try {
    return { ...child, facts: await child.ready };
  } catch (error) {
    if (!late) throw error;
    const detail = `${name} was not ready after ${READY_MS / 1000} s:\n${await child.tail()}`;
    throw new SluiceError('child_failed', detail, { facts: { name } });
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Runs a program under this Node until it ends; its output goes to `<home>/logs/<name>.log`. Answers what it said with
 * `process.send({ ready: true, ...facts })`, if it said anything. Throws `child_failed` with its last lines when it ends otherwise
 * than with 0. It is owned like every child: when this process is killed, the next start ends it.
 */
export async function runToEnd(
  home: Home,
  { name, file, env, args }: Program,
): Promise<Record<string, unknown>> {
  const child = await spawnOwned(home.path, name, file, env, args);
  const facts = child.ready.catch(() => ({}));
  const exit = await child.exited;
  if (exit.code !== 0) {
    const detail = `${name} ended (${describe(exit)}):\n${await child.tail()}`;
    throw new SluiceError('child_failed', detail, { facts: { name, ...exit } });
  }
  return facts;
}
