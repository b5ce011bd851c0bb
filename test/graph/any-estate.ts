/** Random estates and what people do to them, for fast-check: what happens is `Execution`'s. */
import fc from 'fast-check';
import { type Action, type Estate, OPENED, type SimFlow, VERBS } from './run/execution.ts';

const idOf = (v: number): string => `F${String(v).padStart(2, '0')}`;

const flow: fc.Arbitrary<SimFlow & { ups: number }> = fc
  .noBias(
    fc.record({
      ups: fc.nat(0xffff),
      kind: fc.nat(11),
      bits: fc.nat(0xffffff),
      runs: fc.integer({ min: 0, max: 12 }),
    }),
  )
  .map(({ ups, kind, bits, runs }) => {
    const backoffMs = (bits >> 4) % 8;
    return {
      id: '',
      ups,
      kind: kind === 0 ? 'gate' : kind === 1 ? 'notify' : kind === 2 ? 'interface' : 'job',
      onRerun: (bits & 1) === 0 ? 'keep' : 'ask',
      trigger: kind === 3 ? 'manual' : 'auto',
      start: kind === 4 || bits % 13 === 5 ? OPENED + ((bits >> 8) % 60) : 0,
      retries: { program: (bits >> 2) % 3, infrastructure: 0, timeout: 0, lost: 0, backoffMs },
      runs,
      fails: bits % 5 === 1 ? (bits >> 7) % 3 : 0,
      ...(bits % 4 === 2 ? { lock: `L${(bits >> 3) % 2}` } : {}),
      ...(bits % 7 === 3 ? { pool: 1 + ((bits >> 5) % 2) } : {}),
    };
  });

const action: fc.Arbitrary<Action> = fc.noBias(
  fc.record({
    at: fc.integer({ min: OPENED, max: OPENED + 150 }),
    verb: fc.constantFrom(...VERBS),
    flow: fc.nat(9),
    other: fc.nat(9),
  }),
);

export const anyEstate: fc.Arbitrary<Estate> = fc
  .record({
    flows: fc.noBias(fc.array(flow, { minLength: 1, maxLength: 10, size: 'max' })),
    actions: fc.noBias(fc.array(action, { maxLength: 30, size: 'max' })),
    slots: fc.integer({ min: 1, max: 4 }),
    engineEvery: fc.integer({ min: 1, max: 3 }),
    now: fc.integer({ min: OPENED + 1, max: OPENED + 260 }),
    loop: fc.nat(19),
  })
  .map(({ flows, loop, ...rest }) => ({
    ...rest,
    poolSize: 2,
    flows: flows.map(({ ups, ...it }, v): SimFlow => {
      const after = flows.flatMap((_, u) => (u < v && ((ups >> (u % 12)) & 3) === 0 ? [idOf(u)] : []));
      // Now and then two neighbours wait for each other.
      if (loop === 1 && v === 1) after.push(idOf(0));
      if (loop === 1 && v === 0 && flows.length > 1) after.push(idOf(1));
      return { ...it, id: idOf(v), after: [...new Set(after)] };
    }),
  }));
