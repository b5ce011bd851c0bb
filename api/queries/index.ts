/** All template queries, by number. */
import { q01, q02 } from './overview.ts';
import type { Query } from './query.ts';

export const QUERIES: readonly Query[] = [q01, q02].sort((a, b) => (a.id < b.id ? -1 : 1));
