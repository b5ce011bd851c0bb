/** Answers of agents' calls, so that a call repeated with the same id gets the same one (protocol C1). Purged by age. */
import { type Queryable, sqlState, type Transaction } from '../schema/pool.ts';

interface CallId {
  readonly agent: string;
  readonly id: string;
}

/** Answers given before, by `agent id`. */
export async function storedAnswers(
  client: Queryable,
  calls: readonly CallId[],
): Promise<Map<string, unknown>> {
  if (calls.length === 0) return new Map();
  const found = await client.query<{ agent: string; call_id: string; answer: unknown }>({
    name: 'stored-answers',
    text: `select c.agent, c.call_id, c.answer from agent_calls c
      join unnest($1::text[], $2::text[]) as x (agent, call_id) on x.agent = c.agent and x.call_id = c.call_id`,
    values: [calls.map((call) => call.agent), calls.map((call) => call.id)],
  });
  return new Map(found.rows.map((row) => [`${row.agent} ${row.call_id}`, row.answer]));
}

/**
 * Keeps answers in the transaction that carries out their calls. It fails when another API has answered one of the calls meanwhile, so nothing
 * is done twice: see `isAnsweredElsewhere`.
 */
export function storeAnswers(
  client: Transaction,
  answers: readonly (CallId & { readonly answer: unknown })[],
): void {
  if (answers.length === 0) return;
  client.send({
    name: 'store-answers',
    text: `insert into agent_calls (agent, call_id, answer, at_ms)
      select agent, call_id, answer::json, clock_ms() from unnest($1::text[], $2::text[], $3::text[]) as x (agent, call_id, answer)`,
    values: [
      answers.map((answer) => answer.agent),
      answers.map((answer) => answer.id),
      answers.map((answer) => JSON.stringify(answer.answer)),
    ],
  });
}

/** Whether a transaction failed because one of its calls was answered by another API at the same time (protocol C1). */
export function isAnsweredElsewhere(error: unknown): boolean {
  return sqlState(error) === '23505' && (error as { constraint?: string }).constraint === 'agent_calls_pkey';
}

/** Deletes answers older than `keepMs`. Default: 10 minutes, because no agent repeats a call for that long. */
export async function purgeAnswers(client: Queryable, keepMs = 600_000): Promise<number> {
  const gone = await client.query('delete from agent_calls where at_ms < clock_ms() - $1::bigint', [keepMs]);
  return gone.rowCount ?? 0;
}
