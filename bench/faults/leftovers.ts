/** Processes that should be gone: found by what their command line or environment says of the installation's folder. */
import { readdir, readFile } from 'node:fs/promises';

export interface Leftover {
  readonly pid: number;
  readonly command: string;
}

/** Linux only; elsewhere nothing is found. This process itself does not count. */
export async function processesOf(home: string): Promise<Leftover[]> {
  const found: Leftover[] = [];
  for (const name of await readdir('/proc').catch(() => [])) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const [command, environment] = await Promise.all(
      ['cmdline', 'environ'].map((entry) => readFile(`/proc/${pid}/${entry}`, 'utf8').catch(() => '')),
    );
    if (command !== '' && (command!.includes(home) || environment!.includes(home)))
      found.push({ pid, command: command!.replaceAll('\0', ' ').trim().slice(0, 200) });
  }
  return found;
}
