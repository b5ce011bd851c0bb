/**
 * Records the corpus again: `SLUICE_RECORD=1 npm test -- test/replay/record.test.ts`. When that is right: a change of the coordinator or of a rule is
 * meant, and replay.test.ts is red because of it. Running coordinators need nothing else: a new build begins from the record (decision 0009).
 */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { projectFolder } from '../../config.ts';
import { createPool } from '../../store/schema/pool.ts';
import { workflowBundle } from '../../worker/bundle.ts';
import { createTestDatabase } from '../support/database.ts';
import { playAgent } from '../support/play.ts';
import { type Recorded, writeCorpus } from './corpus.ts';
import { OTHER_SCENES, type Scene, VERB_SCENES } from './scenes.ts';
import { Stage } from './stage.ts';

describe.runIf(process.env.SLUICE_RECORD !== undefined)('recording', () => {
  test('the corpus is recorded again', async () => {
    const database = await createTestDatabase('record');
    const pool = createPool(database.url, { max: 6, name: 'test' });
    const agent = await playAgent(pool, 'played');
    const { build } = await workflowBundle(join(projectFolder, '.sluice', 'bundles'));
    const verbs = Object.entries(VERB_SCENES).map(([verb, play]): [string, Scene] => [
      verb,
      {
        async play(s) {
          if (verb !== 'resolve') await s.open();
          await play(s);
          await s.record();
        },
      },
    ]);
    const corpus = new Map<string, readonly Recorded[]>();
    for (const [name, scene] of [...verbs, ...Object.entries(OTHER_SCENES)]) {
      const stage = await Stage.build({ database, pool, agent, build }, scene.meddling);
      try {
        await scene.play(stage);
      } catch (error) {
        throw new Error(`scene '${name}'`, { cause: error });
      } finally {
        await stage.coordinated.stop();
      }
      expect(stage.recorded.length, name).toBeGreaterThan(0);
      corpus.set(name.replaceAll(/[^a-z]+/gi, '-'), stage.recorded);
    }
    await writeCorpus(corpus);
    await pool.end();
  });
});
