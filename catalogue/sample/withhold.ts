/**
 * Trouble on demand for the demo: takes the source rows of one program away for one month, so that `DwdAccPocketM` of the
 * month chain really fails, and gives the very same rows back.
 */
import { connect } from './connect.ts';

/** Flow that fails while its source is withheld. */
export const WITHHELD_FLOW = 'P04.S5.DwdAccPocketM';

const columns = 'month, account_id, pocket_type, opening_fen, in_fen, out_fen';

/** Moves the pocket rows of a month (`yyyyMM`) aside. Answers how many; 0 when they are aside already. */
export function withholdSource(ytUrl: string, month: string): Promise<number> {
  return move(ytUrl, month, 'ods.pocket', 'sample.withheld_pocket');
}

/** Puts the withheld rows of a month back. Answers how many; 0 when none was withheld. */
export function supplySource(ytUrl: string, month: string): Promise<number> {
  return move(ytUrl, month, 'sample.withheld_pocket', 'ods.pocket');
}

async function move(url: string, month: string, from: string, to: string): Promise<number> {
  const client = await connect(url);
  try {
    await client.query('begin');
    await client.query(`create table if not exists sample.withheld_pocket (like ods.pocket including all)`);
    const moved = await client.query(
      `with gone as (delete from ${from} where month = $1 returning ${columns})
       insert into ${to} (${columns}) select ${columns} from gone`,
      [month],
    );
    await client.query('commit');
    return moved.rowCount ?? 0;
  } finally {
    await client.end();
  }
}
