#!/usr/bin/env node
/** The command `sluice`: runs `cli/main.ts` in this process, or fetches first what it needs to run. */
import { launch } from '../embedded/bootstrap.mjs';

await launch(['cli/main.ts', ...process.argv.slice(2)]);
