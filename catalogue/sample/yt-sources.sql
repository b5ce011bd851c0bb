-- Source tables of the appliance: what interfaces and customers deliver. Programs read them and never write them.
-- Money is in fen (1/100 yuan). `month` is yyyyMM, `day` yyyyMMdd, both the business period of the row.

create schema ods;
create schema shfin;

-- Parties, accounts, users -------------------------------------------------------------------------------------------
create table ods.customer (
  customer_id bigint primary key,
  customer_name text not null,
  segment text not null check (segment in ('consumer', 'family', 'group')),
  region_code text not null
);
create table ods.account (
  account_id bigint primary key,
  customer_id bigint not null,
  pay_mode text not null check (pay_mode in ('prepaid', 'postpaid')),
  opened_on date not null
);
create table ods.subscriber (
  user_id bigint primary key,
  account_id bigint not null,
  plan_code text not null,
  home_cell text not null,
  activated_on date not null
);
-- A user's states in time; the last one on or before a day holds on that day.
create table ods.user_state_event (
  event_id bigint primary key,
  user_id bigint not null,
  state text not null check (state in ('active', 'suspended', 'ported_out', 'closed')),
  happened_on date not null
);
create table ods.base_station (
  cell_id text primary key,
  region_code text not null,
  technology text not null check (technology in ('4G', '5G')),
  on_air_since date not null
);
create table ods.group_customer (
  group_id bigint primary key,
  customer_id bigint not null,
  group_name text not null,
  industry text not null,
  value_class text not null
);
create table ods.group_member (
  group_id bigint not null,
  user_id bigint not null,
  joined_on date not null,
  left_on date,
  primary key (group_id, user_id)
);
create table ods.group_service_attr (
  group_id bigint not null,
  service_code text not null,
  attr_name text not null,
  attr_value int not null,
  valid_from date not null,
  valid_to date,
  primary key (group_id, service_code, attr_name, valid_from)
);

-- Reference data -----------------------------------------------------------------------------------------------------
create table ods.acc_item (
  item_code text primary key,
  item_name text not null,
  category text not null,
  tax_permille int not null
);
create table ods.service (
  service_code text primary key,
  service_name text not null,
  item_code text not null
);
create table ods.usage_type (
  usage_type text primary key,
  unit text not null,
  item_code text not null
);
create table ods.adjust_reason (
  reason_code text primary key,
  reason_type text not null,
  affects_revenue boolean not null
);
create table ods.ivr_node (
  node_id int not null,
  parent_id int,
  node_name text not null,
  item_code text,
  valid_from date not null,
  valid_to date,
  primary key (node_id, valid_from)
);
create table ods.csr_skill (
  skill_code text primary key,
  skill_name text not null,
  category text not null
);
create table ods.csr_agent_skill (
  agent_no int not null,
  skill_code text not null,
  grade int not null,
  valid_from date not null,
  valid_to date,
  primary key (agent_no, skill_code)
);
create table ods.wms_nav_tree (
  nav_id int primary key,
  parent_id int,
  title text not null,
  item_code text
);
-- What the customer maintains for the main plans; the newest row up to a month is the plan's definition in that month.
create table shfin.main_plan_maintained (
  plan_code text not null,
  month text not null,
  plan_name text not null,
  family text not null,
  monthly_fee_fen bigint not null,
  on_sale boolean not null,
  primary key (plan_code, month)
);
-- Copy of the customer's account-item report table; the distribution from the MPP fills it.
create table shfin.rpt_vr011 (
  month text not null,
  item_code text not null,
  item_name text not null,
  parent_code text,
  in_arpu boolean not null,
  sort_no int not null,
  primary key (month, item_code)
);

-- Billing of a month -------------------------------------------------------------------------------------------------
-- Billing redelivers what it corrected: of rows with the same key the highest delivery (version) counts.
create table ods.bill (
  month text not null,
  bill_id bigint not null,
  version int not null,
  account_id bigint not null,
  total_fen bigint not null,
  discount_fen bigint not null,
  billed_on date not null,
  primary key (month, bill_id, version)
);
create table ods.bill_item (
  month text not null,
  item_seq bigint not null,
  delivery int not null,
  bill_id bigint not null,
  user_id bigint not null,
  item_code text not null,
  amount_fen bigint not null
);
create table ods.bill_prod (
  month text not null,
  charge_seq bigint not null,
  bill_id bigint not null,
  user_id bigint not null,
  prod_code text not null,
  amount_fen bigint not null
);
create table ods.bill_dtl4 (
  month text not null,
  event_seq bigint not null,
  user_id bigint not null,
  service_code text not null,
  event_on date not null,
  units int not null,
  amount_fen bigint not null
);
-- What billing says it delivered: number of rows and sum of amounts of each feed.
create table ods.billing_control (
  month text not null,
  feed text not null,
  expected_rows bigint not null,
  expected_fen bigint not null,
  primary key (month, feed)
);
create table ods.prepay (
  prepay_id bigint primary key,
  account_id bigint not null,
  amount_fen bigint not null,
  first_month text not null,
  months int not null
);
create table ods.writeoff (
  month text not null,
  writeoff_id bigint not null,
  bill_id bigint not null,
  paid_fen bigint not null,
  channel text not null,
  primary key (month, writeoff_id)
);
create table ods.adjustment (
  month text not null,
  adjust_id bigint not null,
  account_id bigint not null,
  reason_code text not null,
  amount_fen bigint not null,
  approved boolean not null,
  primary key (month, adjust_id)
);
create table ods.pocket (
  month text not null,
  account_id bigint not null,
  pocket_type text not null check (pocket_type in ('cash', 'gift', 'points')),
  opening_fen bigint not null,
  in_fen bigint not null,
  out_fen bigint not null,
  primary key (month, account_id, pocket_type)
);
create table ods.owe (
  month text not null,
  account_id bigint not null,
  bill_month text not null,
  owed_fen bigint not null,
  primary key (month, account_id, bill_month)
);

-- Daily billing detail -----------------------------------------------------------------------------------------------
create table ods.rc_bill_dtl (
  day text not null,
  seq bigint not null,
  user_id bigint not null,
  item_code text not null,
  full_fen bigint not null,
  used_days int not null,
  primary key (day, seq)
);
create table ods.prom_bill (
  day text not null,
  seq bigint not null,
  user_id bigint not null,
  promo_code text not null,
  item_code text not null,
  discount_fen bigint not null,
  primary key (day, seq)
);
create table ods.srvc_dtl1 (
  day text not null,
  seq bigint not null,
  user_id bigint not null,
  service_code text not null,
  units int not null,
  amount_fen bigint not null,
  primary key (day, seq)
);
create table ods.daily_bill (
  day text not null,
  account_id bigint not null,
  batch int not null,
  amount_fen bigint not null,
  primary key (day, account_id, batch)
);
create table ods.usage_bill (
  day text not null,
  seq bigint not null,
  user_id bigint not null,
  usage_type text not null,
  hour int not null,
  units int not null,
  amount_fen bigint not null,
  primary key (day, seq)
);
create table ods.bill_dtl3 (
  day text not null,
  seq bigint not null,
  delivery int not null,
  user_id bigint not null,
  item_code text not null,
  amount_fen bigint not null,
  primary key (day, seq, delivery)
);
