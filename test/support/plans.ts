/** What statements really read: PostgreSQL's module auto_explain tells the plan of each with the rows that passed through it. */
import type pg from 'pg';

export interface Ran {
  readonly text: string;
  /** Rows that its nodes gave or threw away, loops counted: the work, whatever the machine does beside it. */
  readonly rows: number;
  readonly plan: unknown;
}

interface Node {
  readonly 'Actual Rows'?: number;
  readonly 'Actual Loops'?: number;
  readonly Plans?: readonly Node[];
  readonly [key: string]: unknown;
}

const SETTINGS = `load 'auto_explain'; set auto_explain.log_min_duration = 0; set auto_explain.log_analyze = on;
  set auto_explain.log_timing = off; set auto_explain.log_format = json; set auto_explain.log_level = notice;
  set auto_explain.log_nested_statements = off; set client_min_messages = notice`;

/** Collects what all connections of a pool run from now on; the pool must be new. */
export function watchPlans(pool: pg.Pool): Ran[] {
  const ran: Ran[] = [];
  pool.on('connect', (client) => {
    client.on('notice', ({ message }) => {
      const at = message?.indexOf('plan:') ?? -1;
      if (at < 0) return;
      const { 'Query Text': text, Plan } = JSON.parse(message!.slice(at + 5)) as {
        'Query Text': string;
        Plan: Node;
      };
      ran.push({ text, rows: rowsOf(Plan), plan: Plan });
    });
    void client.query(SETTINGS);
  });
  return ran;
}

function rowsOf(node: Node): number {
  const loops = node['Actual Loops'] ?? 0;
  let rows = (node['Actual Rows'] ?? 0) * loops;
  for (const [key, value] of Object.entries(node))
    if (key.startsWith('Rows Removed by')) rows += Number(value) * loops;
  for (const below of node.Plans ?? []) rows += rowsOf(below);
  return rows;
}
