/** How a failure is reported: what, which, what to do; on stderr, with `--json` as problem+json. */
import { STATUS_CODES } from 'node:http';
import type { Problem } from '../contract/problem.ts';
import { type ExitCode, SluiceError } from '../errors.ts';
import { ApiProblem } from './client.ts';
import { type CatalogueProblem, catalogueProblemLine } from './text/catalogue-problem.ts';
import type { Paint } from './text/colour.ts';
import type { Lang } from './text/phrases.ts';
import { harmless, oneLine } from './text/width.ts';

/** Any failure as a problem, in the shape in which the API gives its own. */
export function problemFrom(error: unknown, lang: Lang): { problem: Problem; exit: ExitCode } {
  if (error instanceof ApiProblem) return { problem: error.problem, exit: error.exit };
  const own =
    error instanceof SluiceError
      ? error
      : new SluiceError('internal', error instanceof Error ? (error.stack ?? error.message) : String(error), {
          cause: error,
        });
  const { kind } = own;
  return {
    problem: {
      type: `urn:sluice:error:${own.code}`,
      title: kind[lang],
      status: kind.status,
      detail: own.message,
      instance: '',
      code: own.code,
      remedy: kind.remedy[lang],
      retryable: kind.retryable,
      facts: { ...own.facts },
      traceId: '',
    },
    exit: kind.exit,
  };
}

interface FlowRefusal {
  readonly flow?: unknown;
  readonly code?: unknown;
  readonly detail?: unknown;
}

/** Lines for a person; each flow that was refused has its own. */
export function problemLines(problem: Problem, lang: Lang, paint: Paint): string[] {
  const title = problem.title || STATUS_CODES[problem.status] || '';
  const lines = [`${paint('red', `sluice: ${problem.code}`)}: ${oneLine(title)}`];
  for (const line of harmless(problem.detail).split('\n')) lines.push(`  ${line}`);
  const fields = problem.errors ?? [];
  for (const field of fields.slice(1))
    lines.push(`  ${oneLine(`${field.in}${field.pointer}: ${field.detail}`)}`);
  const flows = Array.isArray(problem.facts?.flows) ? (problem.facts.flows as FlowRefusal[]) : [];
  const refused = flows.filter(
    (flow) => typeof flow === 'object' && flow !== null && typeof flow.code === 'string',
  );
  if (refused.length > 1)
    for (const it of refused.slice(0, 20))
      lines.push(
        `  ${oneLine(`${it.flow}: ${it.code}${typeof it.detail === 'string' ? ` (${it.detail})` : ''}`)}`,
      );
  if (problem.code === 'catalogue_invalid' && Array.isArray(problem.facts?.problems))
    for (const it of problem.facts.problems as CatalogueProblem[])
      lines.push(`  ${catalogueProblemLine(it, { lang, paint })}`);
  if (problem.remedy)
    lines.push(paint('dim', `  ${lang === 'zh' ? '处理：' : 'what to do: '}${oneLine(problem.remedy)}`));
  if (problem.code === 'internal' && problem.traceId)
    lines.push(paint('dim', `  trace id ${problem.traceId}`));
  return lines;
}
