/** `npm start` without npm, in a home and on ports of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, vi } from 'vitest';
import { childEnvironment, projectFolder } from '../../config.ts';
import { freePort } from '../../embedded/ports.ts';
import { removeOutsideData } from '../../embedded/postgres-data.ts';

const started: ChildProcess[] = [];

/** Stops what was started since the last call and still runs. */
export async function stopStarted(): Promise<void> {
  for (const child of started.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
}

/** A home that goes away after the tests of the file, once everything that was started in it has stopped. */
export async function scratchHome(changes: Readonly<Record<string, string>> = {}) {
  const home = await mkdtemp(join(tmpdir(), 'sluice-start-'));
  afterAll(async () => {
    await stopStarted();
    await removeOutsideData(home);
    await rm(home, { recursive: true, force: true });
  });
  const [postgres, temporal, api] = await Promise.all([freePort(), freePort(), freePort()]);
  const env = childEnvironment({
    SLUICE_HOME: home,
    SLUICE_POSTGRES_PORT: String(postgres),
    SLUICE_TEMPORAL_PORT: String(temporal),
    SLUICE_PORT: String(api),
    ...changes,
  });
  return { home, env };
}

export interface Started {
  readonly child: ChildProcess;
  /** What it has written to stderr so far. */
  readonly said: string;
  /** What it has written to stdout so far. */
  readonly printed: string;
  readonly exit: Promise<[number | null, string | null]>;
  /** Waits until it has said `text`. */
  until(text: string): Promise<void>;
}

/** Runs `npm start -- ...args`. */
export function npmStart(env: Record<string, string>, ...args: string[]): Started {
  const child = spawn(
    process.execPath,
    [join(projectFolder, 'embedded', 'launch.mjs'), 'embedded/main.ts', ...args],
    // With a channel it stops by itself when this test is killed.
    { cwd: projectFolder, env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] },
  );
  started.push(child);
  const it = { said: '', printed: '' };
  child.stderr!.on('data', (chunk: Buffer) => {
    it.said += chunk;
  });
  child.stdout!.on('data', (chunk: Buffer) => {
    it.printed += chunk;
  });
  return Object.assign(it, {
    child,
    exit: once(child, 'close') as Promise<[number | null, string | null]>,
    until: (text: string) =>
      vi.waitFor(() => expect(it.said).toContain(text), { timeout: 120_000, interval: 20 }),
  });
}
