/** Beginnings of a catalogue: whether they are periods, and whether a flow begins with its cycle or later. */
import { comparePeriods, isPeriod } from '../calendar/calendar.ts';
import type { Catalogue, Cycle } from '../model.ts';
import { type Finding, finding, type Path } from '../text/problems.ts';
import type { Draft } from './distribution.ts';

export class BeginningCheck {
  readonly #problems: Finding[];
  readonly #begins: ReadonlyMap<Cycle, string>;

  constructor({ cycles }: Pick<Catalogue, 'cycles'>, problems: Finding[]) {
    this.#problems = problems;
    this.#begins = new Map(cycles.map(({ id, begins }) => [id, begins]));
    cycles.forEach(({ id, begins }, i) => {
      if (!isPeriod(id, begins)) this.#noPeriod(id, id, begins, ['cycles', i, 'begins']);
    });
  }

  /** The first period that the flow has; undefined: it has all. What is no period counts as not written. */
  of({ id, cycle, begins }: Draft, path: Path): string | undefined {
    const given = this.#begins.get(cycle);
    const all = given !== undefined && isPeriod(cycle, given) ? given : undefined;
    if (begins === undefined) return all;
    const at = [...path, 'begins'];
    if (!isPeriod(cycle, begins)) {
      this.#noPeriod(id, cycle, begins, at);
      return all;
    }
    if (all === undefined || comparePeriods(begins, all) >= 0) return begins;
    const en = `${begins} lies before ${all}, with which the ${cycle} runs begin`;
    this.#add('bad_combination', { id, path: at }, { en, zh: `${begins} 早于该类运行的起始账期 ${all}` });
    return all;
  }

  #noPeriod(id: string, cycle: Cycle, text: string, path: Path): void {
    const en = `'${text}' is not a ${cycle}; write it like ${EXAMPLE[cycle]}`;
    this.#add('invalid_value', { id, path }, { en, zh: `'${text}' 不是有效账期；写法如 ${EXAMPLE[cycle]}` });
  }

  #add(...given: Parameters<typeof finding>): void {
    this.#problems.push(finding(...given));
  }
}

const EXAMPLE: Record<Cycle, string> = { hour: '2026112208', day: '2026-11-22', month: '2026-10' };
