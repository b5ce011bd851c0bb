/** Operations and previews of them (a dry run), as lines. */
import type { Operation, OperationPreview } from '../../contract/operations.ts';
import type { Printing } from '../session.ts';
import { stateWord } from './states.ts';
import { oneLine } from './width.ts';

type FlowOutcomes = OperationPreview['outcome']['flows'];

export function operationLines(it: Operation, session: Printing): string[] {
  const { paint, phrase } = session;
  const what = targetsOf(it);
  const head = { verb: it.verb, what, run: it.run, id: it.id };
  switch (it.state) {
    case 'applied':
      return [
        `${paint('green', '✓')} ${phrase('operation_applied', head)}`,
        // The members of a plan were listed with it.
        ...(it.verb === 'rerun' ? [] : outcomeLines(it.outcome?.flows ?? [], session)),
      ];
    case 'approval_required':
      return [
        `${paint('yellow', '!')} ${phrase('operation_approval', head)}`,
        ...(it.outcome?.detail ? [`  ${oneLine(it.outcome.detail)}`] : []),
        `  sluice approve ${it.id}`,
      ];
    case 'refused':
      return [
        `${paint('red', '✗')} ${phrase('operation_refused', { ...head, code: it.outcome?.code ?? '' })}`,
        ...(it.outcome?.detail ? [`  ${oneLine(it.outcome.detail)}`] : []),
        ...outcomeLines(it.outcome?.flows ?? [], session),
      ];
    case 'requested':
      return [`${paint('blue', '.')} ${phrase('operation_requested', head)}`];
    default:
      return it.state satisfies never;
  }
}

export function previewLines(it: OperationPreview, session: Printing): string[] {
  const { paint, phrase } = session;
  const colour = it.state === 'applied' ? 'green' : it.state === 'refused' ? 'red' : 'yellow';
  const lines = [
    paint(colour, phrase(`preview_${it.state}`, { verb: it.verb, run: it.run, code: it.outcome.code ?? '' })),
  ];
  if (it.outcome.detail) lines.push(`  ${oneLine(it.outcome.detail)}`);
  lines.push(...outcomeLines(it.outcome.flows, session, true));
  if (it.state === 'applied')
    lines.push(
      it.freed.length === 0
        ? phrase('frees_none')
        : `${phrase('frees', { n: it.freed.length })}\n${it.freed.map((flow) => `  ${flow}`).join('\n')}`,
    );
  lines.push(paint('dim', phrase('dry_run_changed_nothing')));
  return lines;
}

/** One line a flow, when there is more to say than the head says. */
function outcomeLines(flows: FlowOutcomes, { paint, lang }: Printing, always = false): string[] {
  if (!always && flows.length < 2 && flows.every((flow) => flow.code === null)) return [];
  return flows.map((flow) => {
    const state = flow.state === null ? '' : ` (${stateWord(flow.state, lang)})`;
    return flow.code === null
      ? `  ${paint('green', '✓')} ${oneLine(flow.flow)}${state}`
      : `  ${paint('red', '✗')} ${oneLine(flow.flow)}${state}: ${oneLine(flow.code)}${flow.detail ? `, ${oneLine(flow.detail)}` : ''}`;
  });
}

/** The targets in a few words. */
export function targetsOf(it: Operation): string {
  const { flows, edges, plan } = it.request;
  const all = [
    ...flows,
    ...edges.map((edge) => `${edge.from} -> ${edge.to}`),
    ...(plan === null ? [] : [plan]),
  ];
  const [first, ...rest] = all;
  if (first === undefined) return it.run;
  return oneLine(rest.length === 0 ? first : `${first} (+${rest.length})`);
}
