/**
 * What a rehearsal executes instead of a flow's program: SQL and copies on the `rehearsal` twin of each connection, shell programs as the
 * catalogue says. A program without these is never executed in a rehearsal. Pure.
 */
import type { Connection, Flow, Program } from '../model.ts';

export type RehearsalForm =
  /** `twins`: twin -> the connection that it stands for. */
  | { readonly kind: 'run'; readonly program: Program; readonly twins: Readonly<Record<string, string>> }
  /** The catalogue leaves it out: `rehearsal: skip`. */
  | { readonly kind: 'skip' }
  /** `connection`: the one without a twin; null = a shell program that does not say what a rehearsal does. */
  | { readonly kind: 'missing'; readonly connection: string | null };

/** Connections of the catalogue -> their twins. */
export function twinsOf(connections: readonly Pick<Connection, 'id' | 'rehearsal'>[]): Map<string, string> {
  return new Map(
    connections.flatMap(({ id, rehearsal }) => (rehearsal === undefined ? [] : [[id, rehearsal]])),
  );
}

/**
 * What a rehearsal does for this flow; null for a flow without a program (gates, notices). A check only reads, so without a twin it uses the
 * connection itself.
 */
export function rehearsalForm(
  { kind, platform, program }: Pick<Flow, 'kind' | 'platform' | 'program'>,
  twins: ReadonlyMap<string, string>,
): RehearsalForm | null {
  switch (program?.type) {
    case undefined:
      return null;
    case 'noop':
      return { kind: 'run', program, twins: {} };
    case 'shell':
      return shellForm(program);
    case 'sql': {
      const connection = program.connection ?? platform ?? null;
      const twin = connection === null ? undefined : twins.get(connection);
      if (connection !== null && twin !== undefined)
        return { kind: 'run', program: { ...program, connection: twin }, twins: { [twin]: connection } };
      return kind === 'check'
        ? { kind: 'run', program, twins: {} }
        : { kind: 'missing', connection: connection ?? '' };
    }
    case 'export': {
      const { from, to } = program;
      const [source, target] = [twins.get(from.connection), twins.get(to.connection)];
      if (source === undefined) return { kind: 'missing', connection: from.connection };
      if (target === undefined) return { kind: 'missing', connection: to.connection };
      return {
        kind: 'run',
        program: { ...program, from: { ...from, connection: source }, to: { ...to, connection: target } },
        twins: { [source]: from.connection, [target]: to.connection },
      };
    }
    case 'import': {
      const target = twins.get(program.to.connection);
      if (target === undefined) return { kind: 'missing', connection: program.to.connection };
      return {
        kind: 'run',
        program: { ...program, to: { ...program.to, connection: target } },
        twins: { [target]: program.to.connection },
      };
    }
    default:
      return program satisfies never;
  }
}

function shellForm(program: Extract<Program, { type: 'shell' }>): RehearsalForm {
  const { rehearsal } = program;
  if (rehearsal === undefined) return { kind: 'missing', connection: null };
  if (rehearsal === 'skip') return { kind: 'skip' };
  const command = rehearsal === 'command' ? program.command : rehearsal;
  return { kind: 'run', program: { ...program, command }, twins: {} };
}

export interface RehearsalGap {
  readonly flow: string;
  readonly connection: string | null;
}

/** Flows that a rehearsal cannot carry out, in their order. O(flows). */
export function rehearsalGaps(
  flows: Iterable<Pick<Flow, 'id' | 'kind' | 'platform' | 'program'>>,
  connections: readonly Pick<Connection, 'id' | 'rehearsal'>[],
): RehearsalGap[] {
  const twins = twinsOf(connections);
  const gaps: RehearsalGap[] = [];
  for (const flow of flows) {
    const form = rehearsalForm(flow, twins);
    if (form?.kind === 'missing') gaps.push({ flow: flow.id, connection: form.connection });
  }
  return gaps;
}

/** What is missing, as text for a message. */
export function gapText({ flow, connection }: RehearsalGap): string {
  return connection === null
    ? `${flow} (a shell program that does not say rehearsal: skip, command or a command of its own)`
    : `${flow} (connection ${connection} has no rehearsal twin)`;
}
