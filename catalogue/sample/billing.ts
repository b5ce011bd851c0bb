/** What is billed: a month's bills, their items and details, and the daily details of a month's last day. */
import { UserColumns } from './parties.ts';
import { ACC_ITEMS, daysOf, type MonthDays, numbered, PRODUCTS, type Scale, SERVICES } from './scale.ts';

/** Bill numbers: month, then account; `202610` and account 12 -> 2026100000000012. */
const billId = (month: string, account: string): string => `(${month}0000000000::bigint + ${account})`;

/**
 * Value-added details, the fourth detail family. Appliance, MPP and DB24 each load this feed themselves, so each database
 * makes the same rows from the same numbers.
 */
export function dtl4Statement(scale: Scale, table: string, month: MonthDays, withDate: boolean): string {
  const users = new UserColumns(scale);
  const draw = users.draw;
  const id = `n::bigint * 1000000 + ${month.month}`;
  return `insert into ${table}
    select '${month.month}', n, u, ${draw.code(id, 101, 'S00', SERVICES)},
      ${withDate ? `date '${month.first}' + ${draw.of(id, 102, month.days)}::int,` : ''}
      ${draw.between(id, 103, 1, 30)}::int, ${draw.between(id, 104, 10, 3000)}
    from (select n, ${draw.between(id, 100, 1, scale.users)} as u from generate_series(1, ${Math.floor(scale.billItems / 4)}) n) events
    where ${users.activatedOn('u')} <= date '${month.last}'`;
}

/** Statements that fill one month's billing on the appliance. */
export function billingStatements(scale: Scale, monthName: string): string[] {
  const users = new UserColumns(scale);
  const draw = users.draw;
  const { accounts, groups } = scale;
  const month = daysOf(monthName);
  const m = month.month;
  const id = (n: string) => `${n}::bigint * 1000000 + ${m}`;
  const active = `${users.activatedOn('u')} <= date '${month.last}'`;
  return [
    // One item in 50 was corrected: delivered a second time with another amount.
    `insert into ods.bill_item
      select '${m}', n, delivery, ${billId(m, users.account('u'))}, u, ${draw.code(id('n'), 61, 'A0000', ACC_ITEMS)},
        ${draw.between(`${id('n')} + delivery * 100000000000000`, 62, 5, 3000)}
      from (select n, ${draw.between(id('n'), 60, 1, scale.users)} as u, delivery
            from generate_series(1, ${scale.billItems}) n, generate_series(1, 2) delivery
            where delivery = 1 or ${draw.of(id('n'), 63, 50)} = 0) items
      where ${active}`,
    // Version 1 of a bill adds up the first deliveries; a bill with corrected items has a version 2 that adds up the last ones.
    `insert into ods.bill
      with first as (
        select bill_id, sum(amount_fen)::bigint as first_fen from ods.bill_item where month = '${m}' and delivery = 1 group by bill_id
      ), correction as (
        select bill_id, sum(later.amount_fen - item.amount_fen)::bigint as change_fen
        from ods.bill_item later join ods.bill_item item using (month, bill_id, item_seq)
        where later.month = '${m}' and later.delivery = 2 and item.delivery = 1 group by bill_id
      ), bills as (
        select bill_id, first_fen, first_fen + coalesce(change_fen, 0) as last_fen, change_fen is not null as corrected
        from first left join correction using (bill_id)
      )
      select '${m}', bill_id, version, bill_id % 10000000000, total_fen,
        total_fen * ${draw.of('bill_id', 65, 4)} / 20, date '${month.last}' + version
      from bills, lateral (values (1, first_fen), (2, last_fen)) versions (version, total_fen)
      where version = 1 or corrected`,
    `insert into ods.bill_prod
      select '${m}', n, ${billId(m, users.account('u'))}, u, ${draw.code(id('n'), 71, 'P00', PRODUCTS)}, ${draw.between(id('n'), 72, 100, 9900)}
      from (select n, ${draw.between(id('n'), 70, 1, scale.users)} as u from generate_series(1, ${Math.floor(scale.billItems / 8)}) n) charges
      where ${active}`,
    dtl4Statement(scale, 'ods.bill_dtl4', month, true),
    `insert into ods.writeoff
      with due as (select distinct on (bill_id) bill_id, total_fen - discount_fen as due_fen from ods.bill where month = '${m}' order by bill_id, version desc)
      select '${m}', row_number() over (order by bill_id, part), bill_id, due_fen * ${draw.between('bill_id * 4 + part', 75, 2, 5)} / 10,
        ${draw.word('bill_id * 4 + part', 76, ['app', 'bank', 'counter', 'agent'])}
      from due, generate_series(1, 2) part
      where due_fen > 0 and ${draw.of('bill_id * 4 + part', 77, 10)} < 7`,
    // A fifth of the adjustments is for group accounts.
    `insert into ods.adjustment
      select '${m}', n, case when n % 5 = 0 then ${draw.between(id('n'), 80, 1, 2 * groups)} else ${draw.between(id('n'), 81, 1, accounts)} end,
        ${draw.code(id('n'), 82, 'J00', 10)}, ${draw.between(id('n'), 83, -5000, 2000)}, ${draw.of(id('n'), 84, 7)} > 0
      from generate_series(1, ${Math.max(40, Math.floor(accounts / 8))}) n`,
    `insert into ods.pocket
      select '${m}', a, kind, ${draw.between(`${id('a')} + n * 100000000000000`, 85, 0, 30000)}, ${draw.between(`${id('a')} + n * 100000000000000`, 86, 0, 10000)},
        ${draw.between(`${id('a')} + n * 100000000000000`, 87, 0, 9000)}
      from generate_series(1, ${accounts}) a, (values (1, 'cash'), (2, 'gift'), (3, 'points')) kinds (n, kind)
      where n = 1 or ${draw.of(`${id('a')} + n * 100000000000000`, 88, 5)} < 2`,
    `insert into ods.owe
      select '${m}', a, to_char(date '${month.first}' - make_interval(months => (back * step)::int), 'YYYYMM'), ${draw.between(`${id('a')} + back * 100000000000000`, 90, 500, 20000)}
      from (select a, ${draw.between(id('a'), 91, 1, 7)} as step from generate_series(1, ${accounts}) a
            where ${draw.of(id('a'), 92, 8)} = 0 or (a <= ${2 * groups} and ${draw.of(id('a'), 93, 3)} = 0)) owing,
        lateral generate_series(1, 1 + step % 3) back`,
    ...dayStatements(scale, month),
    `insert into ods.billing_control
      select '${m}', 'bill', count(*), sum(total_fen) from ods.bill where month = '${m}'
      union all select '${m}', 'bill_item', count(*), sum(amount_fen) from ods.bill_item where month = '${m}'
      union all select '${m}', 'bill_prod', count(*), sum(amount_fen) from ods.bill_prod where month = '${m}'
      union all select '${m}', 'bill_dtl4', count(*), sum(amount_fen) from ods.bill_dtl4 where month = '${m}'`,
    `insert into dwd.dwd_usr_localized_m
      select '${m}', user_id, account_id, plan_code, cell, left(cell, 3)
      from (select *, case when ${users.roams('user_id', m)} then ${users.roamedCell('user_id', m)} else home_cell end as cell
            from ods.subscriber where activated_on <= date '${month.last}') located`,
  ];
}

/** Daily details of the month's last day. */
function dayStatements(scale: Scale, month: MonthDays): string[] {
  const users = new UserColumns(scale);
  const draw = users.draw;
  const day = month.lastDay;
  const id = (n: string) => `${n}::bigint * 100000000 + ${day}`;
  const rows = (count: number, salt: number, of = scale.users) =>
    `(select n, ${draw.between(id('n'), salt, 1, Math.floor(of))} as u from generate_series(1, ${Math.floor(count)}) n) rows
     where ${users.activatedOn('u')} <= date '${month.last}'`;
  return [
    `insert into ods.rc_bill_dtl
      select '${day}', n, u, ${draw.code(id('n'), 121, 'A0000', ACC_ITEMS)}, ${draw.between(id('n'), 122, 1, 300)} * 100, ${draw.between(id('n'), 123, 1, month.days)}::int
      from ${rows(scale.users, 120)}`,
    // A tenth of the users gets all promotions, several on the same item.
    `insert into ods.prom_bill
      select '${day}', n, u, ${draw.code(id('n'), 131, 'M00', 15)}, ${draw.code(id('n'), 132, 'A0000', 6)}, ${draw.between(id('n'), 133, 10, 900)}
      from ${rows(scale.users / 3, 130, scale.users / 10)}`,
    `insert into ods.srvc_dtl1
      select '${day}', n, u, ${draw.code(id('n'), 141, 'S00', SERVICES)}, ${draw.between(id('n'), 142, 1, 20)}::int, ${draw.between(id('n'), 143, 10, 2000)}
      from ${rows(scale.users / 2, 140)}`,
    `insert into ods.daily_bill
      select '${day}', a, batch, ${draw.between(`${id('a')} + batch * 10000000000000000`, 150, 100, 4000)}
      from generate_series(1, ${scale.accounts}) a, generate_series(1, 2) batch
      where ${draw.of(`${id('a')} + batch * 10000000000000000`, 151, 10)} < 7`,
    `insert into ods.usage_bill
      select '${day}', n, u, ${draw.word(id('n'), 161, ['voice_local', 'voice_local', 'data_domestic', 'data_domestic', 'data_roaming', 'voice_roaming', 'message'])},
        ${draw.of(id('n'), 162, 24)}::int, ${draw.between(id('n'), 163, 1, 5000)}::int, ${draw.between(id('n'), 164, 0, 800)}
      from ${rows(scale.users * 2, 160)}`,
    `insert into ods.bill_dtl3
      select '${day}', n, delivery, u, ${draw.code(id('n'), 171, 'A0000', ACC_ITEMS)}, ${draw.between(`${id('n')} + delivery * 10000000000000000`, 172, 5, 1500)}
      from (select n, u, delivery from (select n, ${draw.between(id('n'), 170, 1, scale.users)} as u from generate_series(1, ${Math.floor(scale.users / 2)}) n) details,
              generate_series(1, 2) delivery
            where delivery = 1 or ${draw.of(id('n'), 173, 25)} = 0) rows
      where ${users.activatedOn('u')} <= date '${month.last}'`,
  ];
}

/** Amounts paid in advance, spread over 3 to 24 months. They do not belong to one month. */
export function prepayStatement(scale: Scale): string {
  const draw = new UserColumns(scale).draw;
  return `insert into ods.prepay
    select n, ${draw.between('n', 110, 1, scale.accounts)}, ${draw.between('n', 111, 1000, 99999)},
      '2026' || ${numbered(draw.between('n', 112, 1, 10), '', 2)}, (array[3, 6, 12, 24])[1 + ${draw.of('n', 113, 4)}]
    from generate_series(1, ${Math.max(60, Math.floor(scale.accounts / 5))}) n`;
}
