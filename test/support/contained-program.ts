/**
 * One shell program under a containment level, in a process of its own that another user can run: says how the attempt
 * ended. usage: node contained-program.ts '{"spool", "level", "script", "timeoutMs"}'; a line on stdin cancels.
 */
import { join } from 'node:path';
import { containmentFor } from '../../agent/containment-level.ts';
import { createShellPlatform } from '../../platforms/shell.ts';
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
process.stdin.once('data', () => context.controller.abort('cancel'));
const task = taskOf({ type: 'shell', command: ['sh', '-c', script], env: {} }, { timeoutMs, leaves });
const ending = await platform.execute(task, context);
process.stdout.write(JSON.stringify(ending));
process.exit(0);
