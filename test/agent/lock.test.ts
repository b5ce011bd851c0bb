import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { takeLock } from '../../agent/lock.ts';
import { SluiceError } from '../../errors.ts';

let spool: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  spool = mkdtempSync(join(tmpdir(), 'sluice-lock-'));
});
afterEach(async () => {
  await Promise.all(children.splice(0).map(kill));
  rmSync(spool, { recursive: true, force: true });
});

const module = join(import.meta.dirname, '../../agent/lock.ts');

/** A process that tries to take the lock at once, says what came of it, and lives on. */
function contender(): { child: ChildProcess; said: Promise<string> } {
  const code = `
    const { takeLock } = await import(${JSON.stringify(module)});
    try { process.stdout.write('taken ' + takeLock(${JSON.stringify(spool)}).token); }
    catch (error) { process.stdout.write(String(error.code)); }
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  return { child, said: once(child.stdout!, 'data').then(([chunk]) => String(chunk)) };
}
async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

describe('the lock of an agent (protocol C8)', () => {
  it('is refused while a living process holds it, and names that process', () => {
    const { release } = takeLock(spool);
    expect(() => takeLock(spool)).toThrow(SluiceError);
    expect(() => takeLock(spool)).toThrow(`process ${process.pid} runs an agent`);
    release();
    takeLock(spool).release();
  });

  it('is taken over from a killed process, with the same token', async () => {
    const first = contender();
    const said = await first.said;
    expect(said).toMatch(/^taken [0-9a-f]{32}$/);
    expect(() => takeLock(spool)).toThrow(SluiceError);
    await kill(first.child);
    expect(`taken ${takeLock(spool).token}`).toBe(said);
  });

  it('is not fooled by another process with the id of the dead one', () => {
    writeFileSync(
      join(spool, 'lock.3'),
      JSON.stringify({ pid: process.pid, identity: 'some earlier start' }),
    );
    takeLock(spool);
    expect(readdirSync(spool).filter((name) => name.startsWith('lock'))).toEqual(['lock.4']);
  });

  it('is taken by exactly one of many that find a dead holder at the same moment', async () => {
    for (let round = 0; round < 3; round++) {
      const said = await Promise.all(Array.from({ length: 6 }, () => contender().said));
      expect(said.filter((one) => one.startsWith('taken'))).toHaveLength(1);
      expect(said.filter((one) => one === 'already_running')).toHaveLength(5);
      await Promise.all(children.splice(0).map(kill));
    }
  });
});
