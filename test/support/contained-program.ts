/**
 * Shell programs under a containment level, in a process of its own that another user can run. usage: node contained-program.ts '{"spool",
 * "level"}'. A line on stdin is `{"epoch", "script", "timeoutMs"}`, which starts a program, or `{"epoch", "end"}`: 'cancel' as a person
 * cancels, 'force' is a person's word that survivors are left alive. A line on stdout says of an epoch how it ended, or what it waits for.
 */
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { containmentFor } from '../../agent/containment-level.ts';
import { createShellPlatform } from '../../platforms/shell/shell.ts';
import { contextOf, type TestContext, taskOf } from '../platforms/task.ts';

const { spool, level } = JSON.parse(process.argv[2]!);
const platform = createShellPlatform({
  spool,
  keeper: join(import.meta.dirname, '../../agent/keeper/main.ts'),
  containment: containmentFor(level, spool),
  environment: { PATH: '/usr/local/bin:/usr/bin:/bin' },
  cwd: spool,
  graceMs: 300,
});
const contexts = new Map<number, TestContext>();
const say = (what: object): void => void process.stdout.write(`${JSON.stringify(what)}\n`);

async function run(epoch: number, script: string, more: object): Promise<void> {
  const context = contextOf();
  contexts.set(epoch, context);
  const task = taskOf({ type: 'shell', command: ['sh', '-c', script], env: {} }, { epoch, ...more });
  const ending = await platform.execute(task, {
    ...context,
    waits: (what: unknown) => say({ epoch, waits: what }),
  });
  say({ epoch, ending });
}

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const { epoch, end, script, ...more } = JSON.parse(line);
  if (end === 'cancel') contexts.get(epoch)!.controller.abort('cancel');
  else if (end === 'force') platform.force(epoch);
  else void run(epoch, script, more);
});
lines.once('close', () => process.exit(0));
