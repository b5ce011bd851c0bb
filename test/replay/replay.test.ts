/**
 * Protocol A7: what the workflows did once, the present bundle does again. Recorded again by `SLUICE_RECORD=1 npm test -- test/replay/record.test.ts`
 * when a change of the coordinator or of a rule is meant.
 */
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from '@temporalio/worker';
import { expect, test } from 'vitest';
import { projectFolder } from '../../config.ts';
import type { Entry } from '../../graph/run/decisions.ts';
import { VERBS } from '../../graph/verbs/verbs.ts';
import { type Bundle, workflowBundle } from '../../worker/bundle.ts';
import { incompatibleBundle } from '../support/doctored.ts';
import '../support/quiet-temporal.ts';
import { answersIn, FOLDER, type Recorded, readCorpus, replayable } from './corpus.ts';

const present = await workflowBundle(join(projectFolder, '.sluice', 'bundles'));
const corpus = await readCorpus(present.build);
const histories = [...corpus.values()].flat();

/** Histories that do not replay, as `id: why`. */
async function complaints(bundle: Bundle, of: readonly Recorded[]): Promise<string[]> {
  const found: string[] = [];
  for await (const { workflowId, error } of Worker.runReplayHistories(
    {
      workflowBundle: bundle,
      sinks: { coordinator: { otherBuild: { fn: () => {}, callDuringReplay: true } } },
    },
    of.map(replayable),
  ))
    if (error !== undefined) found.push(`${workflowId}: ${error.message}`);
  return found;
}

test('A7: every recorded history replays against the present bundle', async () => {
  expect(await complaints(present, histories)).toEqual([]);
});

test('a deliberately incompatible change, one more timer before the loop, turns every run red', async () => {
  const other = await incompatibleBundle();
  // Under the present build's name: otherwise the coordinators would not even look at their histories (decision 0009).
  const codePath = join(projectFolder, '.sluice', 'bundles', `workflows-red-${other.build}.js`);
  await writeFile(codePath, (await readFile(other.codePath, 'utf8')).replaceAll(other.build, present.build));
  const runs = histories.filter(({ workflowId }) => workflowId !== 'openScheduled');
  expect(await complaints({ ...present, codePath }, runs)).toHaveLength(runs.length);
});

test('decision 0009: a history that says it was made by another build is refused, whether it would fit or not', async () => {
  const runs = [...(await readCorpus('another build')).values()].flat();
  const refused = (await complaints(present, runs)).filter(
    (complaint) => !complaint.startsWith('openScheduled'),
  );
  expect(refused).toHaveLength(histories.length - 1);
});

test('the corpus has every workflow, every verb, and what else comes into a log or ends an execution', async () => {
  const entries = histories.flatMap((history) =>
    answersIn(history).flatMap((answer) => (answer.entries ?? []) as Entry[]),
  );
  const verbs = entries.flatMap((entry) => (entry.kind === 'operation' ? [entry.request.verb] : []));
  expect([...VERBS.keys()].filter((verb) => !verbs.includes(verb))).toEqual([]);
  const heard = new Set(
    entries.flatMap((entry) => [
      entry.kind,
      ...(entry.kind === 'external' ? [entry.body.type] : []),
      ...(entry.kind === 'completion' ? [entry.outcome] : []),
    ]),
  );
  for (const what of ['lost', 'failed', 'false', 'cancelled', 'effect', 'end', 'event', 'upstream'])
    expect(heard).toContain(what);
  const events = new Set(histories.flatMap(({ history }) => history.events.flatMap(Object.keys)));
  for (const what of ['workflowExecutionContinuedAsNew', 'workflowExecutionCompleted', 'timerFired'])
    expect(events).toContain(`${what}EventAttributes`);
  expect(histories.map((history) => history.workflowId)).toContain('openScheduled');
  const refused = new Set(histories.flatMap((history) => answersIn(history).map((answer) => answer.refused)));
  for (const what of ['pruned', 'ahead']) expect(refused).toContain(what);
});

test('it is small', async () => {
  const sizes = await Promise.all(
    [...corpus.keys()].map(async (name) => (await stat(join(FOLDER, `${name}.json.gz`))).size),
  );
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(3_000_000);
});
