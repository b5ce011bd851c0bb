/** Checks and programs of P04's steps 2 to 4 and 6, held against figures worked out from the source rows without SQL. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MONTHS, prepareWarehouse, type Row, rounded, sorted, sumBy, type Warehouse } from './warehouse.ts';

let house: Warehouse;
const month = MONTHS[1];

beforeAll(async () => {
  house = await prepareWarehouse();
});
afterAll(() => house.close());

const succeeded = { outcome: 'succeeded' };
const ofMonth = (table: string, connection: 'yt' | 'mpp' = 'yt') =>
  house.rows(connection, `select * from ${table} where month = $1`, [month]);
const all = (table: string) => house.rows('yt', `select * from ${table}`);

/** Of rows with the same key the one with the highest number. */
function newest(rows: readonly Row[], key: string, number: string): Row[] {
  const found = new Map<unknown, Row>();
  for (const row of rows) {
    const other = found.get(row[key]);
    if (other === undefined || other[number]! < row[number]!) found.set(row[key], row);
  }
  return [...found.values()];
}

async function accountOf(): Promise<Map<unknown, number>> {
  return new Map((await all('ods.subscriber')).map((item) => [item.user_id, Number(item.account_id)]));
}

describe('billing data in place', () => {
  test('is true on both databases once every feed is complete', async () => {
    expect(await house.run('P04.S2.DataInPlaceYt', month)).toEqual(succeeded);
    expect(await house.run('P04.S2.DataInPlaceDb24', month)).toEqual(succeeded);
  });

  test('is false while billing announced nothing for the month', async () => {
    expect(await house.run('P04.S2.DataInPlaceYt', '202611')).toEqual({ outcome: 'false' });
    expect(await house.run('P04.S2.DataInPlaceDb24', '202611')).toEqual({ outcome: 'false' });
  });

  test('is false while one row is missing, or one amount differs', async () => {
    const first =
      'where month = $1 and event_seq = (select min(event_seq) from ods.bill_dtl4 where month = $1)';
    await house.rows(
      'yt',
      `create table keep as select * from ods.bill_dtl4 ${first.replaceAll('$1', `'${month}'`)}`,
    );
    await house.rows('yt', `delete from ods.bill_dtl4 ${first}`, [month]);
    expect(await house.run('P04.S2.DataInPlaceYt', month)).toEqual({ outcome: 'false' });
    await house.rows('yt', 'insert into ods.bill_dtl4 select * from keep');
    expect(await house.run('P04.S2.DataInPlaceYt', month)).toEqual(succeeded);

    const change = (fen: number) =>
      house.rows('db24', `update db24.bill set total_fen = total_fen + $2 where month = $1`, [month, fen]);
    await change(1);
    expect(await house.run('P04.S2.DataInPlaceDb24', month)).toEqual({ outcome: 'false' });
    await change(-1);
    expect(await house.run('P04.S2.DataInPlaceDb24', month)).toEqual(succeeded);
  });

  test('DB24 has the bills of the appliance', async () => {
    const columns = 'month, bill_id, version, account_id, total_fen, discount_fen';
    const there = await house.rows('db24', `select ${columns} from db24.bill`);
    expect(sorted(there)).toEqual(sorted(await house.rows('yt', `select ${columns} from ods.bill`)));
  });
});

describe('merges of the month', () => {
  test('bills count in their last version and add up to the last deliveries of their items', async () => {
    const bills = newest(await ofMonth('ods.bill'), 'bill_id', 'version');
    const accounts = new Map((await all('ods.account')).map((item) => [item.account_id, item]));
    const customers = new Map((await all('ods.customer')).map((item) => [item.customer_id, item]));
    const expected = bills.map((bill) => {
      const account = accounts.get(bill.account_id!)!;
      return {
        month,
        bill_id: bill.bill_id!,
        account_id: bill.account_id!,
        customer_id: account.customer_id!,
        region_code: customers.get(account.customer_id!)!.region_code!,
        pay_mode: account.pay_mode!,
        total_fen: bill.total_fen!,
        discount_fen: bill.discount_fen!,
        due_fen: Number(bill.total_fen) - Number(bill.discount_fen),
        corrections: Number(bill.version) - 1,
      };
    });
    expect(await house.run('P04.S3.DwdMergeBillM', month)).toEqual({
      outcome: 'succeeded',
      rows: expected.length,
    });
    const actual = await all('dwd.dwd_merge_bill_m');
    expect(sorted(actual)).toEqual(sorted(expected));
    expect(actual.filter((entry) => entry.corrections === 1).length).toBeGreaterThan(10);

    const items = newest(await ofMonth('ods.bill_item'), 'item_seq', 'delivery');
    const totals = sumBy(
      items,
      (item) => item.bill_id,
      (item) => Number(item.amount_fen),
    );
    for (const bill of actual) expect(bill.total_fen).toBe(totals.get(String(bill.bill_id)));
  });

  test('product charges are added up by user and product', async () => {
    const accounts = await accountOf();
    const groups = Map.groupBy(
      await ofMonth('ods.bill_prod'),
      (entry) => `${entry.user_id} ${entry.prod_code}`,
    );
    const expected = [...groups.values()].map((charges) => ({
      month,
      account_id: accounts.get(charges[0]!.user_id)!,
      user_id: charges[0]!.user_id!,
      prod_code: charges[0]!.prod_code!,
      charges: charges.length,
      amount_fen: charges.reduce((sum, charge) => sum + Number(charge.amount_fen), 0),
    }));
    expect(await house.run('P04.S3.DwdMergeBillProdM', month)).toMatchObject({ rows: expected.length });
    expect(sorted(await all('dwd.dwd_merge_bill_prod_m'))).toEqual(sorted(expected));
  });

  test('bill items count with their last delivery', async () => {
    const items = newest(await ofMonth('ods.bill_item'), 'item_seq', 'delivery');
    const groups = Map.groupBy(items, (item) => `${item.bill_id} ${item.user_id} ${item.item_code}`);
    const expected = [...groups.values()].map((list) => ({
      month,
      bill_id: list[0]!.bill_id!,
      user_id: list[0]!.user_id!,
      item_code: list[0]!.item_code!,
      items: list.length,
      amount_fen: list.reduce((sum, item) => sum + Number(item.amount_fen), 0),
    }));
    expect(items.filter((item) => item.delivery === 2).length).toBeGreaterThan(10);
    expect(await house.run('P04.S3.DwdMergeBillItemM', month)).toMatchObject({ rows: expected.length });
    expect(sorted(await all('dwd.dwd_merge_bill_item_m'))).toEqual(sorted(expected));
  });

  test('value-added details come to the same on the appliance and on the MPP', async () => {
    const accounts = await accountOf();
    const groups = Map.groupBy(
      await ofMonth('ods.bill_dtl4'),
      (entry) => `${entry.user_id} ${entry.service_code}`,
    );
    const expected = [...groups.values()].map((list) => ({
      month,
      account_id: accounts.get(list[0]!.user_id)!,
      user_id: list[0]!.user_id!,
      service_code: list[0]!.service_code!,
      events: list.length,
      active_days: new Set(list.map((item) => item.event_on)).size,
      units: list.reduce((sum, item) => sum + Number(item.units), 0),
      amount_fen: list.reduce((sum, item) => sum + Number(item.amount_fen), 0),
    }));
    expect(await house.run('P04.S3.DwdMergeBillDtl4M', month)).toMatchObject({ rows: expected.length });
    expect(sorted(await all('dwd.dwd_merge_bill_dtl4_m'))).toEqual(sorted(expected));
    expect(await house.run('P04.S6.DwdMergeBillDtl4M_MPP', month)).toMatchObject({ rows: expected.length });
    expect(sorted(await ofMonth('dwd_mpp.dwd_merge_bill_dtl4_m', 'mpp'))).toEqual(sorted(expected));
  });
});

describe('financial details of the month', () => {
  test('refuse a month whose items were not merged', async () => {
    const ending = await house.run('P04.S4.DwdAccFinItemDtlM', MONTHS[0]);
    expect(JSON.stringify(ending)).toContain('dwd.dwd_merge_bill_item_m has no rows of month 202608');
  });

  test('add up items by category, products and value-added details, with the tax in them', async () => {
    const accounts = await accountOf();
    const items = new Map((await all('ods.acc_item')).map((item) => [item.item_code, item]));
    const customers = new Map((await all('ods.account')).map((item) => [item.account_id, item.customer_id]));
    const charges: { account: number; category: unknown; permille: number; fen: number }[] = [
      ...newest(await ofMonth('ods.bill_item'), 'item_seq', 'delivery').map((entry) => ({
        // A bill's number ends in its account.
        account: Number(entry.bill_id) % 10_000_000_000,
        category: items.get(entry.item_code!)!.category,
        permille: Number(items.get(entry.item_code!)!.tax_permille),
        fen: Number(entry.amount_fen),
      })),
      ...(await ofMonth('ods.bill_prod')).map((entry) => ({
        account: accounts.get(entry.user_id)!,
        category: 'product',
        permille: 60,
        fen: Number(entry.amount_fen),
      })),
      ...(await ofMonth('ods.bill_dtl4')).map((entry) => ({
        account: accounts.get(entry.user_id)!,
        category: 'detail4',
        permille: 60,
        fen: Number(entry.amount_fen),
      })),
    ];
    const groups = Map.groupBy(charges, (charge) => `${charge.account} ${charge.category}`);
    const expected = [...groups.values()].map((list) => {
      const { account, category, permille } = list[0]!;
      const amount = list.reduce((sum, item) => sum + item.fen, 0);
      const tax = rounded(amount, permille, 1000 + permille);
      return {
        month,
        account_id: account,
        customer_id: customers.get(account)!,
        category: category as string,
        amount_fen: amount,
        tax_fen: tax,
        net_fen: amount - tax,
      };
    });
    expect(await house.run('P04.S4.DwdAccFinItemDtlM', month)).toMatchObject({ rows: expected.length });
    expect(sorted(await all('dwd.dwd_acc_fin_item_dtl_m'))).toEqual(sorted(expected));
  });
});

test('a program that runs again replaces its month and leaves the other one', async () => {
  await house.run('P04.S3.DwdMergeBillProdM', MONTHS[0]);
  const before = await all('dwd.dwd_merge_bill_prod_m');
  expect(new Set(before.map((entry) => entry.month))).toEqual(new Set(MONTHS));
  await house.rows('yt', 'update dwd.dwd_merge_bill_prod_m set amount_fen = 0 where month = $1', [month]);
  expect(await house.run('P04.S3.DwdMergeBillProdM', month)).toMatchObject(succeeded);
  expect(sorted(await all('dwd.dwd_merge_bill_prod_m'))).toEqual(sorted(before));
});
