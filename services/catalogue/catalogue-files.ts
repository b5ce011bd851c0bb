/** Files of a catalogue: read as text, checked, hashed. */
import { createHash } from 'node:crypto';
import type { GivenFile } from '../../contract/catalogue.ts';
import type { Openings } from '../../graph/calendar/openings.ts';
import { type CheckedCatalogue, checkCatalogue } from '../../graph/catalogue/check.ts';
import { placed } from '../../graph/catalogue/parse.ts';
import { openingsOf, unknownHolidays } from '../../graph/catalogue/schedule-check.ts';
import { sharedPeriods } from '../../graph/catalogue/shared-periods.ts';
import { edgesToUnopened } from '../../graph/catalogue/unopened-edges.ts';
import type { Flow } from '../../graph/model.ts';
import type { Finding, Problem } from '../../graph/text/problems.ts';
import type { CatalogueFile, Frame } from '../../store/catalogue/catalogue.ts';
import {
  conditionProblems,
  conditionText,
  programProblems,
  unorderedProblems,
  usedPrograms,
} from '../programs/program-check.ts';
import type { ProgramReader } from '../programs/program-reader.ts';
import { type KnownAgentsAndRoles, surroundingProblems } from './catalogue-surroundings.ts';
import { fileProblem, isYaml, textOfFiles } from './file-text.ts';

export interface CheckedFiles {
  readonly files: readonly CatalogueFile[];
  /** Made when first asked for: a check does not need it. */
  readonly hash: string;
  readonly flows: readonly Flow[];
  readonly frame: Frame;
  readonly problems: readonly Problem[];
  readonly ok: boolean;
}

export interface CheckOptions {
  readonly programs: ProgramReader;
  readonly mode: 'apply' | 'import';
  readonly now?: number;
  /** Agents and people of this installation; null: they are not compared. */
  readonly around?: KnownAgentsAndRoles | null;
}

/**
 * All problems at once: files that are no text, of form, of meaning, programs whose file is missing or whose text is wrong, paths given
 * twice, calendars that do not know the year.
 */
export async function checkFiles(
  given: readonly GivenFile[],
  { programs, mode, now = Date.now(), around = null }: CheckOptions,
): Promise<CheckedFiles> {
  const { files, problems: unread, unreadable } = textOfFiles(given);
  const checked = checkCatalogue(
    files.filter((file) => isYaml(file.path)),
    mode,
  );
  const used = usedPrograms(checked.flows, files);
  const conditions = checked.catalogue.distributions.flatMap(({ where }) =>
    where === undefined ? [] : [conditionText(where)],
  );
  const facts = await programs.read([...used.map(({ text }) => text), ...conditions]);
  const openings = openingsOf(checked.catalogue, checked.problems);
  const place = (finding: Finding) => placed(finding, checked.locate(finding.path, finding.at));
  const problems = [
    ...unread,
    ...checked.problems,
    ...pathsGivenTwice(files),
    ...missingPrograms(checked, [...files.map((file) => file.path), ...unreadable], mode).map(place),
    ...missingHolidays(checked, now).map(place),
    ...programProblems(checked, used, facts, mode),
    ...unopenedPeriods(checked, openings, now).map(place),
    ...schedulesThatShare(checked, openings, now, mode).map(place),
    ...conditionProblems(checked, facts, mode),
    ...unorderedProblems(checked, used, facts),
    ...surroundingProblems(checked, around),
  ];
  const { flows: _flows, distributions: _distributions, ...frame } = checked.catalogue;
  let hash: string | null = null;
  return {
    files,
    get hash() {
      hash ??= createHash('sha256').update(JSON.stringify(files)).digest('hex');
      return hash;
    },
    flows: checked.flows,
    frame,
    problems,
    ok: problems.every((problem) => problem.severity !== 'error'),
  };
}

/** The same path twice is an error; paths that some disks take for the same are a warning: an export there would lose one of them. */
function pathsGivenTwice(files: readonly CatalogueFile[]): Problem[] {
  const twice = files.filter((file, i) => files[i - 1]?.path === file.path);
  const problems = twice.map(({ path }) =>
    fileProblem('duplicate_id', path, `the file '${path}' is given twice`, `文件 '${path}' 重复`),
  );
  const seen = new Map<string, string>();
  for (const { path } of files) {
    const folded = foldedPath(path);
    const first = seen.get(folded) ?? path;
    seen.set(folded, first);
    if (first !== path)
      problems.push({
        ...fileProblem(
          'paths_alike',
          path,
          `'${path}' differs from '${first}' only in case or Unicode form: some disks take the two for one`,
          `'${path}' 与 '${first}' 仅大小写或 Unicode 形式不同：某些磁盘会视为同一文件`,
        ),
        severity: 'warning',
      });
  }
  return problems;
}

const foldedPath = (path: string): string => path.normalize('NFC').toLowerCase();

/** A SQL program is a file below `programs/` that comes with the catalogue. */
function missingPrograms(
  { catalogue }: CheckedCatalogue,
  paths: readonly string[],
  mode: 'apply' | 'import',
): Finding[] {
  const known = new Set(paths);
  const alike = new Map(paths.map((path) => [foldedPath(path), path]));
  return catalogue.flows.flatMap(({ id, program }, i): Finding[] => {
    if (program?.type !== 'sql' || known.has(`programs/${program.file}`)) return [];
    const path = ['flows', i, 'program', 'file'];
    const meant = alike.get(foldedPath(`programs/${program.file}`));
    const hint =
      meant === undefined
        ? { en: '', zh: '' }
        : {
            en: `; '${meant}' differs from it in case or Unicode form only`,
            zh: `；'${meant}' 与其仅大小写或 Unicode 形式不同`,
          };
    return [
      {
        code: 'unknown_reference',
        severity: mode === 'apply' ? 'error' : 'warning',
        message: {
          en: `there is no file programs/${program.file}${hint.en}`,
          zh: `没有文件 programs/${program.file}${hint.zh}`,
        },
        path,
        id,
        at: 'value',
      },
    ];
  });
}

/** A new year's holidays are announced late in the old one, and somebody has to enter them. */
function missingHolidays({ catalogue, flows }: CheckedCatalogue, now: number): Finding[] {
  return unknownHolidays(catalogue, flows, now).map(({ calendar, year, usedBy }) => {
    const path = ['calendars', catalogue.calendars.findIndex(({ id }) => id === calendar), 'holidays'];
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
      at: 'value',
    };
  });
}

/** A warning at each edge that leads to periods that nobody opens; none while calendars or schedules are wrong. */
function unopenedPeriods(
  { catalogue, flows }: CheckedCatalogue,
  openings: Openings | null,
  now: number,
): Finding[] {
  if (openings === null) return [];
  const found = edgesToUnopened(flows, openings, now);
  if (found.length === 0) return [];
  const sections = ['flows', 'distributions'] as const;
  const written = new Map(
    sections.flatMap((section) =>
      catalogue[section].map((entry, i) => [entry.id, { path: [section, i], entry }] as const),
    ),
  );
  const idOf = new Map(
    [...flows].flatMap((flow) => [flow.id, ...flow.aliases].map((name) => [name, flow.id] as const)),
  );
  return found.map(({ flow, edge, text }) => {
    const of = written.get(flow.id) ?? written.get(flow.id.replace(/\.(export|import)$/, ''));
    const k = (of?.entry.after ?? []).findIndex((item) => {
      const { flow: name, period } = typeof item === 'string' ? { flow: item, period: 'same' } : item;
      const id = idOf.get(name) ?? idOf.get(`${name}.import`);
      return id === edge.from && JSON.stringify(period) === JSON.stringify(edge.period);
    });
    const path = [...(of?.path ?? []), 'after', ...(k < 0 ? [] : [k])];
    return {
      code: 'period_not_opened',
      severity: 'warning',
      message: text,
      path,
      id: flow.id,
      at: 'value',
    };
  });
}

/** An error at each schedule that opens periods of another one for other procedures; none while calendars or schedules are wrong. */
function schedulesThatShare(
  { catalogue, flows }: CheckedCatalogue,
  openings: Openings | null,
  now: number,
  mode: 'apply' | 'import',
): Finding[] {
  if (openings === null) return [];
  return sharedPeriods(catalogue.schedules, flows, openings, now).map(({ index, schedule, text }) => {
    return {
      code: 'schedules_share',
      severity: mode === 'apply' ? 'error' : 'warning',
      message: text,
      path: ['schedules', index, ...(schedule.procedures === undefined ? [] : ['procedures'])],
      id: schedule.id,
      at: 'value',
    };
  });
}
