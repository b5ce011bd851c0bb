/** What the worker bundles. */
export { run } from './run.ts';
export { openScheduled } from './schedule.ts';
