/** Random graphs of 2 to 12 flows and random days with them, for fast-check: small numbers that shrink well. */
import fc from 'fast-check';
import type { FlowSpec } from '../../support/run-graph.ts';
import type { Command } from './simulation.ts';

export interface RandomRun {
  readonly specs: readonly FlowSpec[];
  readonly commands: readonly Command[];
}

interface Seeded {
  readonly up: number;
  readonly kind: number;
  readonly bits: number;
}

// Without bias: small numbers mean nothing special here.
const flow: fc.Arbitrary<Seeded> = fc.noBias(
  fc.record({ up: fc.nat(0xffffff), kind: fc.nat(19), bits: fc.nat(0x3fffffff) }),
);

const command: fc.Arbitrary<Command> = fc.noBias(
  fc.record({ k: fc.nat(119), a: fc.nat(255), b: fc.nat(255), c: fc.nat(255) }),
);

export const randomRun: fc.Arbitrary<RandomRun> = fc
  .record({
    flows: fc.noBias(fc.array(flow, { minLength: 2, maxLength: 12, size: 'max' })),
    loop: fc.nat(63),
    partly: fc.nat(3),
    calm: fc.boolean(),
    commands: fc.noBias(fc.array(command, { maxLength: 80, size: 'max' })),
  })
  .map(({ flows, loop, partly, calm, commands }) => ({
    specs: calm ? specsOf(flows, 0, false).map(calmed) : specsOf(flows, loop, partly === 3),
    commands,
  }));

const idOf = (v: number): string => `F${String(v).padStart(2, '0')}`;

function specsOf(flows: readonly Seeded[], loop: number, partly: boolean): FlowSpec[] {
  const specs = flows.map((other, v) => specOf(other, v, partly));
  if (loop % 5 !== 1) return specs;
  // One loop of one to three neighbours.
  const from = (loop >> 3) % specs.length;
  const to = Math.min(specs.length - 1, from + (loop % 3));
  return specs.map((spec, v) => {
    const after = [...(spec.after ?? [])];
    if (v > from && v <= to) after.push(idOf(v - 1));
    if (v === from) after.push(idOf(to));
    return v >= from && v <= to ? { ...spec, after: [...new Set(after)] } : spec;
  });
}

/** A flow that goes without ado, so that runs get far. */
function calmed({ foreign: _, forcePassRequires: __, ...spec }: FlowSpec): FlowSpec {
  return { ...spec, trigger: 'auto', event: null, onTrigger: false, start: 0 };
}

function specOf({ up, kind, bits }: Seeded, v: number, partly: boolean): FlowSpec {
  // Takes the next bits of the seed.
  let rest = bits;
  const next = (n: number): number => {
    const taken = rest % n;
    rest = Math.floor(rest / n);
    return taken;
  };
  const id = idOf(v);
  const mask = up & (up >> 12);
  const after = Array.from({ length: v }, (_, u) => u).filter(
    (u) => ((mask >> ((v - 1 - u) % 12)) & 1) === 1,
  );
  const program = next(4);
  const trigger = (['auto', 'auto', 'auto', 'auto', 'auto', 'manual', 'event', 'time'] as const)[next(8)]!;
  const start = next(6);
  const other = next(12);
  const retries = next(4);
  const lost = next(3);
  const onTrigger = (trigger === 'manual' || trigger === 'event') && next(2) === 0;
  const swap = next(4) === 3;
  const key = next(7) === 6;
  const requires = next(9);
  const excluded = partly && next(2) === 0;
  // 0 to 11: a job.
  // One run, two, the same flow in two runs, or one whose name a flow of this run has, too.
  const foreign = [
    undefined,
    undefined,
    ['X1'],
    ['X1', 'X2'],
    ['X1', 'X1@day-2026-10-30'],
    ['GATE1'],
    [`${idOf(Math.max(0, v - 1))}@month-2026-09`, 'X1'],
  ][other];
  const what =
    (['gate', 'gate', 'gate', 'gate', 'check', 'check', 'check', 'notify'] as const)[kind - 12] ?? 'job';
  const personal = what === 'gate' || kind === 16;
  const keeps = (what === 'gate' || what === 'notify') !== swap;
  return {
    id,
    kind: what,
    ...(personal ? { runner: 'person' as const } : {}),
    ...(personal && other === 7 ? { role: null } : {}),
    after: [...after.map(idOf), ...(other === 1 ? ['GONE'] : [])],
    ...(foreign === undefined ? {} : { foreign }),
    trigger,
    event: trigger === 'event' ? 'files' : null,
    onRerun: keeps ? 'keep' : 'ask',
    onTrigger,
    key,
    fenced: program < 2,
    idempotent: program === 2,
    retries: {
      program: retries,
      infrastructure: retries >> 1,
      timeout: retries & 1,
      lost,
      backoffMs: retries === 3 ? 0 : 1500,
    },
    everyMs: 2000,
    giveUpAfterMs: retries < 2 ? 5000 : null,
    orphanMs: 3000,
    start: start === 5 ? 3000 : start === 4 ? 9000 : 0,
    excluded,
    ...(requires > 6 ? { forcePassRequires: [requires === 7 && v > 0 ? idOf(v - 1) : 'NOBODY'] } : {}),
    ...(personal
      ? {
          moments: [
            { at: 2000, kind: 'gate_reminder', recipient: 'gatekeeper' },
            { at: 8000, kind: 'gate_reminder', recipient: 'gatekeeper' },
            { at: 8000 + v, kind: 'gate_escalation', recipient: 'boss' },
          ] as const,
        }
      : {}),
  };
}
