/**
 * One shell program under a containment level, in a process of its own that another user can run: says how the attempt
 * ended. usage: node contained-program.ts '{"spool", "level", "script", "timeoutMs"}'; a line on stdin cancels.
 */
import { join } from 'node:path';
import { containmentFor } from '../../agent/containment-level.ts';
import { createShellPlatform } from '../../platforms/shell/shell.ts';
import { contextOf, taskOf } from '../platforms/task.ts';

const { spool, level, script, timeoutMs, leaves } = JSON.parse(process.argv[2]!);
const platform = createShellPlatform({
  spool,
  keeper: join(import.meta.dirname, '../../agent/keeper/main.ts'),
  containment: containmentFor(level, spool),
  environment: { PATH: '/usr/local/bin:/usr/bin:/bin' },
  cwd: spool,
  graceMs: 300,
});
const context = contextOf();
// What it says besides goes to stderr; a second line on stdin is a person's word that survivors are left alive.
const said = { ...context, waits: (what: unknown) => void process.stderr.write(`${JSON.stringify(what)}\n`) };
process.stdin.once('data', () => {
  context.controller.abort('cancel');
  process.stdin.once('data', () => platform.force(1));
});
const task = taskOf({ type: 'shell', command: ['sh', '-c', script], env: {} }, { timeoutMs, leaves });
const ending = await platform.execute(task, said);
process.stdout.write(JSON.stringify(ending));
process.exit(0);
