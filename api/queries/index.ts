/** All template queries, by number. */

import { q23, q24, q26 } from './configuration.ts';
import { q29 } from './distributions.ts';
import { q09, q25 } from './durations.ts';
import { q12 } from './failures.ts';
import { q04, q05, q27 } from './impact.ts';
import { q11, q13, q21 } from './interfaces.ts';
import { q14, q15 } from './key-flows.ts';
import { q03, q07, q08 } from './lineage.ts';
import { q06, q28 } from './month-start.ts';
import { q16, q18, q19, q20, q22 } from './open-flows.ts';
import { q01, q02 } from './overview.ts';
import { q30, q34, q35 } from './quality.ts';
import type { Query } from './query.ts';
import { q32, q33, q37 } from './records.ts';
import { q36 } from './retirement-sheet.ts';
import { q10, q17 } from './why.ts';

export const QUERIES: readonly Query[] = [
  ...[q03, q07, q08, q23, q24, q26],
  ...[q01, q02, q04, q05, q06],
  ...[q09, q25],
  ...[q10, q11, q12, q13, q14, q15, q16, q17, q18, q19, q20, q21, q22],
  ...[q27, q28, q29, q30, q32, q33, q34, q35, q36, q37],
].sort((a, b) => (a.id < b.id ? -1 : 1));
