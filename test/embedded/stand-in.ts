/**
 * A process for tests of ownership: `node stand-in.ts HOME parent` opens the home, owns one Node child and says both pids;
 * `node stand-in.ts child` is that child, keeping the contract of `spawnOwned`.
 */

import { spawnOwned, startOwned } from '../../embedded/children.ts';
import { openHome } from '../../embedded/home.ts';

const [first, role] = process.argv.slice(2);

if (first === 'child') {
  process.once('disconnect', () => process.exit(0));
  process.once('SIGTERM', () => process.exit(0));
  process.send?.({ ready: true, said: process.argv[3] });
} else if (role === 'parent') {
  const home = await openHome(first ?? '');
  const child = await spawnOwned(home.path, 'stand-in', import.meta.filename, {}, ['child']);
  await child.ready;
  const sleeper = await startOwned(home.path, {
    name: 'sleeper',
    command: 'sleep',
    args: ['600'],
    env: { PATH: '/usr/bin:/bin' },
  });
  process.stdout.write(`${JSON.stringify({ child: child.pid, sleeper: sleeper.pid })}\n`);
}
