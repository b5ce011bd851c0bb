/** What the worker bundles. */
export { run } from './run.ts';
