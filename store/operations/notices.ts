/** Lists notices: messages of the engine to people. The exchange writes them; those of kind `foreign_effect` are written by agents' calls. */
import type { Queryable } from '../schema/pool.ts';

export interface NoticeRow {
  readonly id: number;
  readonly run: string | null;
  readonly flow: string | null;
  readonly kind: string;
  readonly recipient: string;
  readonly en: string;
  readonly zh: string;
  readonly at: number;
  readonly sentAt: number | null;
  /** True for a rehearsal: the notice is sent to nobody. */
  readonly recordedOnly: boolean;
}

export interface NoticeFilter {
  readonly run?: string | undefined;
  readonly flow?: string | undefined;
  readonly kind?: string | undefined;
  readonly recipient?: string | undefined;
}

/** Newest first; `before` is the id of the last row of the page before. */
export async function listNotices(
  client: Queryable,
  filter: NoticeFilter,
  page: { before: number | null; limit: number },
): Promise<NoticeRow[]> {
  const found = await client.query<NoticeRow>(
    `select id, run_id as run, flow_id as flow, kind, recipient, en, zh, at_ms as at, sent_ms as "sentAt",
       exists (select from runs r where r.id = run_id and r.purpose = 'rehearsal') as "recordedOnly" from notices
     where ($1::text is null or run_id = $1) and ($2::text is null or flow_id = $2) and ($3::text is null or kind = $3)
       and ($4::text is null or recipient = $4) and ($5::bigint is null or id < $5) order by id desc limit $6`,
    [
      filter.run ?? null,
      filter.flow ?? null,
      filter.kind ?? null,
      filter.recipient ?? null,
      page.before,
      page.limit,
    ],
  );
  return found.rows;
}
