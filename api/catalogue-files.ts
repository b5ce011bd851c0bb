/** Files of a catalogue: checked, hashed. */
import { createHash } from 'node:crypto';
import { type CheckedCatalogue, checkCatalogue } from '../graph/check.ts';
import type { Flow } from '../graph/model.ts';
import type { Problem } from '../graph/problems.ts';
import { unknownHolidays } from '../graph/schedule-check.ts';
import type { CatalogueFile, Frame } from '../store/catalogue.ts';

export interface CheckedFiles {
  readonly files: readonly CatalogueFile[];
  readonly hash: string;
  readonly flows: readonly Flow[];
  readonly frame: Frame;
  readonly problems: readonly Problem[];
  readonly ok: boolean;
}

export const isYaml = (path: string): boolean => /\.ya?ml$/.test(path);

/** All problems at once: of form, of meaning, programs whose file is missing, paths given twice, calendars that do not know the year. */
export function checkFiles(
  given: readonly CatalogueFile[],
  mode: 'apply' | 'import',
  now = Date.now(),
): CheckedFiles {
  const files = given.map(({ path, text }) => ({ path, text })).sort((a, b) => (a.path < b.path ? -1 : 1));
  const checked = checkCatalogue(
    files.filter((file) => isYaml(file.path)),
    mode,
  );
  const problems = [
    ...checked.problems,
    ...pathsGivenTwice(files),
    ...missingPrograms(checked, files, mode),
    ...missingHolidays(checked, now),
  ];
  const { flows: _flows, distributions: _distributions, ...frame } = checked.catalogue;
  return {
    files,
    hash: createHash('sha256').update(JSON.stringify(files)).digest('hex'),
    flows: checked.flows,
    frame,
    problems,
    ok: problems.every((problem) => problem.severity !== 'error'),
  };
}

function pathsGivenTwice(files: readonly CatalogueFile[]): Problem[] {
  const twice = files.filter((file, i) => files[i - 1]?.path === file.path);
  return twice.map(({ path }) => ({
    code: 'duplicate_id',
    severity: 'error',
    message: { en: `the file '${path}' is given twice`, zh: `文件 '${path}' 重复` },
    path: [],
    id: null,
    file: path,
    line: null,
    column: null,
  }));
}

/** A SQL program is a file below `programs/` that comes with the catalogue. */
function missingPrograms(
  { catalogue, locate }: CheckedCatalogue,
  files: readonly CatalogueFile[],
  mode: 'apply' | 'import',
): Problem[] {
  const known = new Set(files.map((file) => file.path));
  return catalogue.flows.flatMap(({ id, program }, i): Problem[] => {
    if (program?.type !== 'sql' || known.has(`programs/${program.file}`)) return [];
    const path = ['flows', i, 'program', 'file'];
    const place = locate(path);
    return [
      {
        code: 'unknown_reference',
        severity: mode === 'apply' ? 'error' : 'warning',
        message: {
          en: `there is no file programs/${program.file}`,
          zh: `没有文件 programs/${program.file}`,
        },
        path,
        id,
        file: place?.file ?? null,
        line: place?.line ?? null,
        column: place?.column ?? null,
      },
    ];
  });
}

/** A new year's holidays are announced late in the old one, and somebody has to enter them. */
function missingHolidays({ catalogue, flows, locate }: CheckedCatalogue, now: number): Problem[] {
  return unknownHolidays(catalogue, flows, now).map(({ calendar, year, usedBy }) => {
    const path = ['calendars', catalogue.calendars.findIndex(({ id }) => id === calendar), 'holidays'];
    const place = locate(path);
    const more =
      usedBy.length > 1
        ? { en: ` and ${usedBy.length - 1} more`, zh: ` 等 ${usedBy.length} 项` }
        : { en: '', zh: '' };
    return {
      code: 'holidays_unknown',
      severity: 'warning',
      message: {
        en: `${calendar} has no holidays for ${year}, but work days of that year are counted by it (${usedBy[0]}${more.en})`,
        zh: `日历 ${calendar} 没有 ${year} 年的节假日，但 ${usedBy[0]}${more.zh}按其计算该年的工作日`,
      },
      path,
      id: calendar,
      file: place?.file ?? null,
      line: place?.line ?? null,
      column: place?.column ?? null,
    };
  });
}
