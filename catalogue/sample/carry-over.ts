/**
 * What operators do when a dimension is late: carry last month's account items over as provisional rows, so that programs below it can
 * begin. The month's own program replaces them.
 */
import { connect } from './connect.ts';

/** Copies the account items of `from` into `month` (both `yyyyMM`) where that has none. Answers how many rows; 0 when it has its own. */
export async function carryOver(ytUrl: string, from: string, month: string): Promise<number> {
  const client = await connect(ytUrl);
  try {
    const copied = await client.query(
      `insert into dim.dim_acc_item_code
         (month, item_code, item_name, parent_code, root_code, level, path, category, tax_permille, in_arpu, is_leaf)
       select $2, item_code, item_name, parent_code, root_code, level, path, category, tax_permille, in_arpu, is_leaf
       from dim.dim_acc_item_code
       where month = $1 and not exists (select from dim.dim_acc_item_code where month = $2)`,
      [from, month],
    );
    return copied.rowCount ?? 0;
  } finally {
    await client.end();
  }
}
