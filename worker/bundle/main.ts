/** Builds the workflow bundle of an entry file into the file that is named: `node worker/bundle/main.ts FILE ENTRY`. */
import { writeFile } from 'node:fs/promises';
import { bundleWorkflowCode } from '@temporalio/worker';
import { SluiceError } from '../../errors.ts';

const [file, entry] = process.argv.slice(2);
if (file === undefined || entry === undefined)
  throw new SluiceError('usage', 'node worker/bundle/main.ts FILE ENTRY');

const nothing = (): void => {};
const { code } = await bundleWorkflowCode({
  workflowsPath: entry,
  logger: { log: nothing, trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing },
  webpackConfigHook: (config) => ({
    ...config,
    resolve: { ...config.resolve, extensions: ['.ts', '.js'], fullySpecified: false },
  }),
});
await writeFile(file, code);
