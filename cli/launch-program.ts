/** A program of the project as a child with this terminal, e.g. an agent: signals go to it, its exit code comes back. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export async function launchProgram(file: string, env: Readonly<Record<string, string>>): Promise<number> {
  const path = fileURLToPath(new URL(`../${file}`, import.meta.url));
  const child = spawn(process.execPath, [path], { stdio: 'inherit', env });
  // Ctrl-C of a terminal reaches the child by itself; what is sent to this process alone is passed on.
  const pass = (signal: NodeJS.Signals): void => {
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
  };
  for (const signal of SIGNALS) process.on(signal, pass);
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 143)));
    });
  } finally {
    for (const signal of SIGNALS) process.off(signal, pass);
  }
}
