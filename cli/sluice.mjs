#!/usr/bin/env node
/** The command `sluice`: runs `cli/main.ts` in this process, or fetches first what it needs to run. */
import { readFileSync } from 'node:fs';

const args = process.argv.slice(2);
if (args.length === 1 && (args[0] === '--version' || args[0] === '-V')) {
  // Answered without loading anything else: half the time would go into making TypeScript runnable.
  const file = new URL('../package.json', import.meta.url);
  process.stdout.write(`${JSON.parse(readFileSync(file, 'utf8')).version}\n`);
} else {
  const { launch } = await import('../embedded/bootstrap.mjs');
  await launch(['cli/main.ts', ...args]);
}
