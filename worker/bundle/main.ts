/** Builds the workflow bundle into the file that is named: `node worker/bundle/main.ts FILE`. */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';
import { SluiceError } from '../../errors.ts';

const [file] = process.argv.slice(2);
if (file === undefined) throw new SluiceError('usage', 'node worker/bundle/main.ts FILE');

const nothing = (): void => {};
const { code } = await bundleWorkflowCode({
  workflowsPath: fileURLToPath(new URL('../../workflows/index.ts', import.meta.url)),
  logger: { log: nothing, trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing },
  webpackConfigHook: (config) => ({
    ...config,
    resolve: { ...config.resolve, extensions: ['.ts', '.js'], fullySpecified: false },
  }),
});
await writeFile(file, code);
