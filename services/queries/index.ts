/** All template queries, by number. */

import { q23, q24, q26 } from './catalogue/configuration.ts';
import { q04, q05, q27 } from './lineage/impact.ts';
import { q03, q07, q08 } from './lineage/lineage.ts';
import { q36 } from './lineage/retirement-sheet.ts';
import { q29 } from './night/distributions.ts';
import { q09, q25 } from './night/durations.ts';
import { q12 } from './night/failures.ts';
import { q11, q13, q21 } from './night/interfaces.ts';
import { q14, q15 } from './night/key-flows.ts';
import { q06, q28 } from './night/month-start.ts';
import { q16, q18, q19, q20, q22 } from './night/open-flows.ts';
import { q01, q02 } from './night/overview.ts';
import { q30, q34, q35 } from './night/quality.ts';
import { q10, q17 } from './night/why.ts';
import type { Query } from './query.ts';
import { q32, q33, q37 } from './records.ts';

export const QUERIES: readonly Query[] = [
  q03,
  q07,
  q08,
  q23,
  q24,
  q26,
  q01,
  q02,
  q04,
  q05,
  q06,
  q09,
  q25,
  q10,
  q11,
  q12,
  q13,
  q14,
  q15,
  q16,
  q17,
  q18,
  q19,
  q20,
  q21,
  q22,
  q27,
  q28,
  q29,
  q30,
  q32,
  q33,
  q34,
  q35,
  q36,
  q37,
].sort((a, b) => (a.id < b.id ? -1 : 1));
