/**
 * `npm run picture -- --run RUN [--lang zh] [--out FILE]`: draws a run of the installation in `SLUICE_HOME`, into a file or onto stdout. The
 * pictures of both READMEs are made by it (CONTRIBUTING.md).
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { childEnvironment, loadConfig } from '../../../config.ts';
import { SluiceError } from '../../../errors.ts';
import { createClient } from '../../client.ts';
import { problemFrom, problemLines } from '../../problem.ts';
import { identityOf } from '../../profile.ts';
import { painter } from '../../text/colour.ts';
import { monthPicture } from './drawing.ts';
import { monthOf, readRun } from './month.ts';

async function main(): Promise<number> {
  const config = loadConfig();
  try {
    const { run, lang, out } = optionsOf(config.lang);
    const identity = identityOf({
      home: config.home,
      apiUrl: config.apiUrl,
      token: config.token,
      as: undefined,
    });
    const picture = monthPicture(monthOf(await readRun(createClient({ ...identity, lang }), run)), lang);
    if (out === undefined) process.stdout.write(picture);
    else await writeFile(out, picture);
    return 0;
  } catch (error) {
    const { problem, exit } = problemFrom(error, config.lang);
    const colours = !childEnvironment().NO_COLOR && process.stderr.isTTY === true;
    for (const line of problemLines(problem, config.lang, painter(colours)))
      process.stderr.write(`${line}\n`);
    return exit;
  }
}

function optionsOf(usualLang: 'en' | 'zh'): { run: string; lang: 'en' | 'zh'; out: string | undefined } {
  const { values } = parseArgs({
    options: { run: { type: 'string' }, lang: { type: 'string' }, out: { type: 'string' } },
  });
  const { run, lang = usualLang, out } = values;
  if (run === undefined) throw new SluiceError('usage', 'picture: --run names the run to draw');
  if (lang !== 'en' && lang !== 'zh')
    throw new SluiceError('usage', `picture: --lang is en or zh, not '${lang}'`);
  return { run, lang, out };
}

process.exitCode = await main();
