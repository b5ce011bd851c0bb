/** The period mapping of a dependency as text. */
import type { Retirement } from '../../contract/retirement.ts';

type Mapping = Retirement['upstream'][number]['period'];

/** Empty for the same period, which needs no mention. */
export const mappingText = (period: Mapping): string =>
  period === 'same' ? '' : `  ${typeof period === 'object' ? period.offset : period}`;
