/** A program of the project as a process of its own, run to its end. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { projectFolder } from '../../config.ts';

/** What it printed: data on stdout, the end of its talk on stderr. */
export async function runProgram(
  file: string,
  args: readonly string[],
): Promise<{ readonly code: number | null; readonly out: string; readonly talk: string }> {
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', join(projectFolder, file), ...args],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let out = '';
  let talk = '';
  child.stdout.on('data', (text) => {
    out += text;
  });
  child.stderr.on('data', (text) => {
    talk += text;
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, out, talk: talk.slice(-4_000) };
}
