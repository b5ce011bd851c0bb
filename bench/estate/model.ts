/** What an estate is made of. */
import type { Draws } from './random.ts';

export type Cycle = 'hour' | 'day' | 'month';
export type Mapping =
  | 'same'
  | 'previous'
  | 'lastDayOfMonth'
  | 'everyDayOfMonth'
  | 'everyHourOfDay'
  | { readonly offset: number };

export interface EstateEdge {
  readonly from: EstateFlow;
  readonly period: Mapping;
}

/** One vertex of the graph. */
export interface EstateFlow {
  /** Place in `Estate.flows`. */
  readonly v: number;
  readonly id: string;
  readonly kind: 'job' | 'interface' | 'distribution' | 'gate' | 'check' | 'notify';
  readonly cycle: Cycle;
  readonly names: { readonly en: string; readonly zh: string };
  readonly layer: 'ODS' | 'DIM' | 'DWD' | 'DWA' | 'APP';
  readonly owner: string;
  readonly procedure: string | null;
  /** null: a person, or the engine. */
  readonly platform: 'yt' | 'mpp' | null;
  readonly groups: readonly string[];
  readonly key: boolean;
  readonly pool: string | null;
  readonly startAt: string | null;
  readonly deadline: string | null;
  /** How many times a failed program is tried again. */
  readonly retries: number;
  readonly after: readonly EstateEdge[];
  /** Typical run time, ms; 0 for people and the engine. */
  readonly baseMs: number;
  readonly season: Season;
  /** Both halves of a distribution name it. */
  readonly distribution: Distribution | null;
}

/** How a flow's run time moves with the calendar: 1 = as usual. */
export interface Season {
  /** On Saturday and Sunday. */
  readonly weekend: number;
  /** On the first three days of a month, when billing is busy. */
  readonly monthStart: number;
  readonly monthEnd: number;
}

export interface Distribution {
  readonly id: string;
  readonly half: 'export' | 'import';
  readonly from: { readonly connection: string; readonly table: string };
  readonly to: { readonly connection: string; readonly table: string };
}

export interface Estate {
  readonly seed: number;
  /** Every upstream of the same run, and every flow of a finer cycle, comes before what waits for it. */
  readonly flows: readonly EstateFlow[];
}

/** What may be given for a flow; the rest is drawn or left empty. */
export type Wanted = Pick<EstateFlow, 'id' | 'kind' | 'cycle' | 'names' | 'layer'> & Partial<EstateFlow>;

/** The estate while it grows. */
export interface Growing {
  readonly draws: Draws;
  readonly flows: EstateFlow[];
  add(wanted: Wanted): EstateFlow;
}
