/**
 * Sample rows of two databases. The MPP (a massively parallel database) holds its own users, base stations and bill details, and the report table
 * of account items that the customer maintains. DB24 is another database, which loads one family of bill details itself.
 */
import { dtl4Statement } from './billing.ts';
import { CATEGORIES, UserColumns } from './parties.ts';
import { ACC_ITEMS, daysOf, numbered, type Scale } from './scale.ts';

export function mppStatements(scale: Scale): string[] {
  const users = new UserColumns(scale);
  const draw = users.draw;
  const statements = [
    users.subscribers('ods_mpp'),
    users.baseStations('ods_mpp'),
    `insert into ods_mpp.usr_terminal
      select u, ${draw.word('u', 200, ['5G', '5G', '5G', '4G', '4G', 'IoT'])} from generate_series(1, ${scale.users}) u`,
  ];
  for (const name of scale.months) {
    const month = daysOf(name);
    const id = `user_id * 1000000 + ${name}`;
    statements.push(
      // A tree: six roots, two lines below each root, the items below the lines. The line of an item changes from month to month,
      // and some items are left out: rows of another month would be wrong, not only old.
      `insert into shfin.r_vr011
        select '${name}', ${numbered('c', 'L', 1)}, (array['${CATEGORIES.join("', '")}'])[c], null, c < 6, c * 1000
          from generate_series(1, 6) c
        union all
        select '${name}', ${numbered('c', 'L', 1)} || '-' || line, 'line ' || c || '.' || line, ${numbered('c', 'L', 1)}, c < 6, c * 1000 + line
          from generate_series(1, 6) c, generate_series(1, 2) line
        union all
        select '${name}', ${numbered('n', 'A', 4)}, 'report item ' || n, ${numbered('1 + n % 6', 'L', 1)} || '-' || (1 + ${draw.of(`n::bigint * 1000000 + ${name}`, 201, 2)}),
            ${draw.of(`n::bigint * 1000000 + ${name}`, 202, 5)} > 0, 10000 + n
          from generate_series(1, ${ACC_ITEMS}) n where ${draw.of(`n::bigint * 1000000 + ${name}`, 203, 20)} > 0`,
      `insert into ods_mpp.usr_roamed_cell
        select '${name}', user_id, ${users.roamedCell('user_id', name)} from ods_mpp.subscriber
        where activated_on <= date '${month.last}' and ${users.roams('user_id', name)}`,
      `insert into ods_mpp.usr_usage
        select '${name}', user_id, ${draw.between(id, 204, 0, 60000)}, ${draw.between(id, 205, 0, 900)} from ods_mpp.subscriber
        where activated_on <= date '${month.last}' and ${draw.of(id, 206, 10)} > 0`,
      dtl4Statement(scale, 'ods_mpp.bill_dtl4', month, true),
    );
  }
  return statements;
}

/** The rows that DB24 loads itself. Its bills are those of the appliance, copied by prepare.ts. */
export function db24Statements(scale: Scale): string[] {
  return scale.months.map((month) => dtl4Statement(scale, 'db24.bill_dtl4', daysOf(month), false));
}
