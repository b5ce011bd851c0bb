/** The check of a catalogue as a whole: what `sluice catalogue check`, `diff`, `apply` and `import` begin with. */

import type { Problem } from '../text/problems.ts';
import { type BuildMode, type BuiltCatalogue, buildCatalogue } from './build.ts';
import { type ParsedCatalogue, parseCatalogue, placed, type SourceFile } from './parse.ts';

export interface CheckedCatalogue
  extends Omit<ParsedCatalogue, 'problems'>,
    Omit<BuiltCatalogue, 'problems'> {
  /** By file, line and column. */
  readonly problems: readonly Problem[];
  /** Whether nothing is worse than a warning: then, and only then, the catalogue may be loaded. */
  readonly ok: boolean;
}

/**
 * Every problem at once, with its place. Goal: 1 s for 13,000 flows; the figure is printed by test/graph/catalogue/check.test.ts.
 */
export function checkCatalogue(files: readonly SourceFile[], mode: BuildMode = 'apply'): CheckedCatalogue {
  const parsed = parseCatalogue(files);
  const built = buildCatalogue(parsed.catalogue, mode, parsed.leftOut);
  const order = new Map(files.map(({ path }, i) => [path, i]));
  const problems = [
    ...parsed.problems,
    ...built.problems.map((finding) => placed(finding, parsed.locate(finding.path, finding.at))),
  ].sort(
    (a, b) =>
      order.get(a.file ?? '')! - order.get(b.file ?? '')! || a.line! - b.line! || a.column! - b.column! || 0,
  );
  return {
    catalogue: parsed.catalogue,
    leftOut: parsed.leftOut,
    locate: parsed.locate,
    flows: built.flows,
    get graph() {
      return built.graph;
    },
    problems,
    ok: problems.every(({ severity }) => severity !== 'error'),
  };
}
