/**
 * Who is billed: customers, accounts, users, groups, base stations, and the reference data of the appliance. The MPP makes
 * its own copy of users and stations with the same expressions, so both platforms know the same users.
 */
import { ACC_ITEMS, Draw, numbered, PLANS, REGIONS, type Scale, SERVICES } from './scale.ts';

export const CATEGORIES = ['voice', 'data', 'message', 'value_added', 'broadband', 'device'] as const;
const TAX_PERMILLE = [90, 60, 60, 60, 90, 130] as const;

/** Expressions over a user's number that several tables of several databases agree on. */
export class UserColumns {
  readonly draw: Draw;
  readonly scale: Scale;

  constructor(scale: Scale) {
    this.scale = scale;
    this.draw = new Draw(scale.seed);
  }

  /** Every account has one user; the users beyond that are spread over the accounts. */
  account(user: string): string {
    return `(case when ${user} <= ${this.scale.accounts} then (${user})::bigint
      else 1 + ${this.draw.of(user, 1, this.scale.accounts)} end)`;
  }

  /** Between 2019-01-01 and 2026-10-31. */
  activatedOn(user: string): string {
    return `(date '2019-01-01' + ${this.draw.of(user, 2, 2861)}::int)`;
  }

  cell(id: string, salt: number): string {
    return `(${this.draw.code(id, salt, 'R00', REGIONS)} || '-' || ${this.draw.code(id, salt + 1, '0000', this.scale.cellsPerRegion)})`;
  }

  homeCell(user: string): string {
    return this.cell(user, 3);
  }

  /** One user in 20 spends a month mostly elsewhere. */
  roams(user: string, month: string): string {
    return `${this.draw.of(`${user} * 1000000 + ${month}`, 5, 20)} = 0`;
  }

  roamedCell(user: string, month: string): string {
    return this.cell(`${user} * 1000000 + ${month}`, 6);
  }

  subscribers(schema: string): string {
    return `insert into ${schema}.subscriber
      select u, ${this.account('u')}, ${this.draw.code('u', 8, 'PL00', PLANS)}, ${this.homeCell('u')}, ${this.activatedOn('u')}
      from generate_series(1, ${this.scale.users}) u`;
  }

  baseStations(schema: string): string {
    return `insert into ${schema}.base_station
      select cell, left(cell, 3), ${this.draw.word('n', 9, ['4G', '5G', '5G'])}, date '2018-01-01' + ${this.draw.of('n', 10, 3000)}::int
      from (select ${numbered('r', 'R', 2)} || '-' || ${numbered('c', '', 4)} as cell, r * 100000 + c as n
            from generate_series(1, ${REGIONS}) r, generate_series(1, ${this.scale.cellsPerRegion}) c) stations`;
  }
}

/** Statements that fill the parties and the reference data of the appliance. */
export function partyStatements(scale: Scale): string[] {
  const users = new UserColumns(scale);
  const draw = users.draw;
  const { accounts, customers, groups } = scale;
  const category = (n: string) => `(array['${CATEGORIES.join("', '")}'])[1 + (${n}) % ${CATEGORIES.length}]`;
  const monthsMaintained = scale.months.map((month, at) => `(${at + 1}, '${month}')`).join(', ');
  return [
    `insert into ods.customer
      select c, 'customer ' || c, case when c <= ${groups} then 'group' else ${draw.word('c', 20, ['consumer', 'consumer', 'family'])} end,
        ${draw.code('c', 21, 'R00', REGIONS)}
      from generate_series(1, ${customers}) c`,
    // The first two accounts of every group come first, so that group programs have something to add up.
    `insert into ods.account
      select a, case when a <= ${2 * groups} then 1 + (a - 1) % ${groups} else ${draw.between('a', 22, groups + 1, customers)} end,
        ${draw.word('a', 23, ['postpaid', 'postpaid', 'prepaid'])}, date '2015-01-01' + ${draw.of('a', 24, 3600)}::int
      from generate_series(1, ${accounts}) a`,
    users.subscribers('ods'),
    users.baseStations('ods'),
    `insert into ods.user_state_event
      select user_id, user_id, 'active', activated_on from ods.subscriber`,
    `insert into ods.user_state_event
      select ${scale.users} + n, user_id, ${draw.word('n', 26, ['suspended', 'active', 'closed', 'ported_out', 'suspended'])},
        greatest(activated_on, date '2026-01-01' + ${draw.of('n', 27, 304)}::int)
      from generate_series(1, ${Math.floor(scale.users / 3)}) n join ods.subscriber on user_id = ${draw.between('n', 25, 1, scale.users)}`,
    `insert into ods.group_customer
      select g, g, 'group ' || g, ${draw.word('g', 28, ['finance', 'education', 'logistics', 'health', 'retail'])},
        ${draw.word('g', 29, ['A', 'B', 'B', 'C'])}
      from generate_series(1, ${groups}) g`,
    // Of those who left, half did so on the last day of a month: on that day they are members no more.
    `insert into ods.group_member
      select ${draw.between('user_id', 30, 1, groups)}, user_id, greatest(activated_on, date '2022-01-01' + ${draw.of('user_id', 31, 1700)}::int),
        case ${draw.of('user_id', 32, 10)} when 0 then date '2026-07-15' + ${draw.of('user_id', 33, 110)}::int
          when 1 then case when user_id % 8 = 0 then date '2026-09-30' else date '2026-08-31' end end
      from ods.subscriber where user_id % 4 = 0`,
    // A fifth of the attributes changed on 2026-09-15: month programs must take the value of their month's last day.
    `insert into ods.group_service_attr
      select g, ${numbered('s', 'S', 2)}, attr, ${draw.between('(g * 1000 + s * 10 + n) * 10 + version', 34, 1, 80)},
        case version when 1 then date '2024-01-01' else date '2026-09-15' end,
        case when version = 1 and changes then date '2026-09-14' end
      from (select g, s, n, attr, ${draw.of('g * 1000 + s * 10 + n', 35, 5)} = 0 as changes
            from generate_series(1, ${groups}) g, generate_series(1, 4) s,
              (values (1, 'bandwidth_mbps'), (2, 'seats'), (3, 'sla_hours')) attrs (n, attr)
            where ${draw.of('g * 1000 + s * 10 + n', 36, 6)} > 0) a,
        generate_series(1, 2) version
      where version = 1 or changes`,
    `insert into ods.acc_item
      select ${numbered('n', 'A', 4)}, 'account item ' || n, ${category('n')}, (array[${TAX_PERMILLE.join(', ')}])[1 + n % ${CATEGORIES.length}]
      from generate_series(1, ${ACC_ITEMS}) n`,
    `insert into ods.service
      select ${numbered('s', 'S', 2)}, 'service ' || s, ${draw.code('s', 37, 'A0000', ACC_ITEMS)} from generate_series(1, ${SERVICES}) s`,
    `insert into ods.usage_type
      select name, unit, ${draw.code('n', 38, 'A0000', ACC_ITEMS)}
      from (values (1, 'voice_local', 'second'), (2, 'voice_roaming', 'second'), (3, 'data_domestic', 'kilobyte'),
        (4, 'data_roaming', 'kilobyte'), (5, 'message', 'piece')) types (n, name, unit)`,
    `insert into ods.adjust_reason
      select ${numbered('n', 'J', 2)}, ${draw.word('n', 39, ['complaint', 'system', 'goodwill', 'dispute'])}, n % 3 > 0
      from generate_series(1, 10) n`,
    // Leaves of the menu tree may change the item they speak about in the middle of September.
    `insert into ods.ivr_node
      select n, case when n > 1 then (n + 1) / 3 end, 'menu ' || n,
        case when n > 40 then ${draw.code('n * 10 + version', 40, 'A0000', ACC_ITEMS)} end,
        case version when 1 then date '2026-01-01' else date '2026-09-15' end,
        case when version = 1 and n > 40 and n % 7 = 0 then date '2026-09-14' end
      from generate_series(1, 120) n, generate_series(1, 2) version
      where version = 1 or (n > 40 and n % 7 = 0)`,
    `insert into ods.csr_skill
      select ${numbered('n', 'K', 2)}, 'skill ' || n, ${category('n')} from generate_series(1, 24) n`,
    `insert into ods.csr_agent_skill
      select a, ${numbered('n', 'K', 2)}, ${draw.between('a * 100 + n', 42, 1, 5)}::int, date '2025-01-01' + ${draw.of('a * 100 + n', 43, 640)}::int,
        case when ${draw.of('a * 100 + n', 44, 8)} = 0 then date '2026-08-15' + ${draw.of('a * 100 + n', 45, 90)}::int end
      from generate_series(1, 200) a, generate_series(1, 24) n where ${draw.of('a * 100 + n', 41, 5)} = 0`,
    `insert into ods.wms_nav_tree
      select n, case when n > 3 then (n + 2) / 4 end, 'page ' || n, case when n > 20 then ${draw.code('n', 46, 'A0000', ACC_ITEMS)} end
      from generate_series(1, 100) n`,
    // Plan PL01 is maintained every month, the others now and then; the last one is new in the second month.
    `insert into shfin.main_plan_maintained
      select ${numbered('p', 'PL', 2)}, month, 'plan ' || p || case when at > 0 then ' (' || month || ')' else '' end,
        ${draw.word('p', 47, ['family', 'youth', 'business', 'basic'])}, ${draw.between('p * 100 + at', 48, 8, 400)} * 100,
        ${draw.of('p * 100 + at', 49, 6)} > 0
      from generate_series(1, ${PLANS}) p, (values (0, '202601'), ${monthsMaintained}) maintained (at, month)
      where (at = 0 and p < ${PLANS}) or p = 1 or (p = ${PLANS} and at = 2) or (p < ${PLANS} and ${draw.of('p * 100 + at', 50, 4)} = 0)`,
  ];
}
