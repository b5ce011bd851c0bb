/**
 * The effects of an exchange, each under a savepoint of its own: how they are written when the database has refused the exchange for the
 * content of a row (protocol A5). The decision is written in any case; only a text that is refused becomes `[not storable: CODE]`.
 */
import type { Effect } from '../../graph/run/decisions.ts';
import { isStorable } from '../../graph/text/storable-text.ts';
import type { Transaction } from '../schema/pool.ts';
import { notStorable, underSavepoint } from '../schema/under-savepoint.ts';
import {
  begin,
  end,
  type Instead,
  NOTHING_INSTEAD,
  notifyOperations,
  type Of,
  of,
  writeAudits,
  writeDecided,
  writeNotices,
  writeRun,
  writeStopsAndMet,
} from './outcomes.ts';
import type { RunContext } from './run-context.ts';

export async function writeEffectsOneByOne(
  client: Transaction,
  context: RunContext,
  now: number,
  effects: readonly Effect[],
): Promise<void> {
  for (const effect of effects) await writeOne(client, context, now, effect);
  notifyOperations(client, of(effects, 'outcome'));
  await writeStopsAndMet(client, context, now, effects);
}

async function writeOne(
  client: Transaction,
  context: RunContext,
  now: number,
  effect: Effect,
): Promise<void> {
  switch (effect.t) {
    case 'override':
      await withTexts(client, effect.operation, (inner, instead) =>
        begin(inner, { context, now }, [effect], instead),
      );
      return;
    case 'end_override':
      end(client, context, now, [effect]);
      return;
    case 'outcome':
      await withTexts(client, effect.operation, (inner, instead) =>
        writeDecided(inner, now, [spoken(effect, instead)]),
      );
      await withTexts(client, effect.operation, (inner, instead) =>
        writeAudits(inner, { context, now }, [spoken(effect, instead)], instead),
      );
      return;
    case 'notice':
      await withTexts(client, null, (inner, instead) =>
        writeNotices(inner, { context, now }, [effect], instead),
      );
      return;
    case 'run':
    case 'finished':
      await withTexts(client, effect.t === 'run' ? effect.operation : null, (inner, instead) =>
        writeRun(inner, { context, now }, [effect], instead),
      );
      return;
    default:
      // Rows of flows, generations and other runs carry them, or `writeStopsAndMet`.
      return;
  }
}

/**
 * Writes with the texts as the statements find them, then with those of the operation that can be stored, then without the words of the
 * engine, at last without any: each time less, and the row in any case.
 */
async function withTexts(
  client: Transaction,
  operation: string | null,
  write: (inner: Transaction, instead: Instead) => void,
): Promise<void> {
  const refused = await underSavepoint(client, (inner) => write(inner, NOTHING_INSTEAD));
  if (refused === null) return;
  const text = notStorable(refused.state);
  if (operation !== null) {
    const own = await textsOf(client, operation, text);
    if ((await underSavepoint(client, (inner) => write(inner, own))) === null) return;
    const ownOnly = { ...own, detail: text };
    if ((await underSavepoint(client, (inner) => write(inner, ownOnly))) === null) return;
  }
  write(client, { reason: text, evidence: text, detail: text });
}

/** Texts of an operation as its body holds them, which is read here: the database stumbles over any part of a body that one part spoils. */
async function textsOf(client: Transaction, operation: string, otherwise: string): Promise<Instead> {
  const found = await client.query<{ body: { reason?: unknown; evidence?: unknown } }>(
    'select body from operations where id = $1',
    [operation],
  );
  const { reason, evidence } = found.rows[0]?.body ?? {};
  const kept = (value: unknown): string | null =>
    typeof value !== 'string' ? null : isStorable(value) ? value : otherwise;
  return { reason: kept(reason) ?? '', evidence: kept(evidence), detail: null };
}

/** The outcome with a text of ours in the place of its own ones. */
function spoken(effect: Of<'outcome'>, { detail }: Instead): Of<'outcome'> {
  if (detail === null) return effect;
  const { outcome } = effect;
  return {
    ...effect,
    outcome: {
      ...outcome,
      detail: outcome.detail === null ? null : detail,
      flows: outcome.flows.map((flow) => (flow.detail === undefined ? flow : { ...flow, detail })),
    },
  };
}
