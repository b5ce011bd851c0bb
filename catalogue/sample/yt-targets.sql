-- Tables that the programs on the appliance fill. Every one is keyed by the month or day whose rows a program replaces.

create schema dim;
create schema dwd;

-- Dimensions ---------------------------------------------------------------------------------------------------------
create table dim.dim_acc_item_code (
  month text not null,
  item_code text not null,
  item_name text not null,
  parent_code text,
  root_code text not null,
  level int not null,
  path text not null,
  category text,
  tax_permille int,
  in_arpu boolean not null,
  is_leaf boolean not null,
  primary key (month, item_code)
);
create table dim.dim_evt_ivr_node (
  month text not null,
  node_id int not null,
  node_name text not null,
  parent_id int,
  depth int not null,
  path text not null,
  item_code text,
  item_category text,
  primary key (month, node_id)
);
create table dim.dim_evt_csr_skill (
  month text not null,
  skill_code text not null,
  skill_name text not null,
  category text not null,
  items int not null,
  agents int not null,
  senior_agents int not null,
  primary key (month, skill_code)
);
create table dim.dim_acc_wms_navtreemap (
  month text not null,
  nav_id int not null,
  root_nav_id int not null,
  depth int not null,
  title_path text not null,
  item_code text not null,
  root_code text not null,
  primary key (month, nav_id)
);
create table dim.dim_main_plan (
  month text not null,
  plan_code text not null,
  plan_name text not null,
  family text not null,
  monthly_fee_fen bigint not null,
  fee_change_fen bigint not null,
  on_sale boolean not null,
  maintained_month text not null,
  users int not null,
  primary key (month, plan_code)
);
create table dim.dim_completion_flag (
  dimension text not null,
  month text not null,
  dimension_rows bigint not null,
  completed_at timestamptz not null,
  primary key (dimension, month)
);

-- Month chain --------------------------------------------------------------------------------------------------------
create table dwd.dwd_merge_bill_m (
  month text not null,
  bill_id bigint not null,
  account_id bigint not null,
  customer_id bigint not null,
  region_code text not null,
  pay_mode text not null,
  total_fen bigint not null,
  discount_fen bigint not null,
  due_fen bigint not null,
  corrections int not null,
  primary key (month, bill_id)
);
create table dwd.dwd_merge_bill_prod_m (
  month text not null,
  account_id bigint not null,
  user_id bigint not null,
  prod_code text not null,
  charges int not null,
  amount_fen bigint not null,
  primary key (month, user_id, prod_code)
);
create table dwd.dwd_merge_bill_item_m (
  month text not null,
  bill_id bigint not null,
  user_id bigint not null,
  item_code text not null,
  items int not null,
  amount_fen bigint not null
);
create table dwd.dwd_merge_bill_dtl4_m (
  month text not null,
  account_id bigint not null,
  user_id bigint not null,
  service_code text not null,
  events int not null,
  active_days int not null,
  units bigint not null,
  amount_fen bigint not null,
  primary key (month, user_id, service_code)
);
create table dwd.dwd_acc_fin_item_dtl_m (
  month text not null,
  account_id bigint not null,
  customer_id bigint,
  category text not null,
  amount_fen bigint not null,
  tax_fen bigint not null,
  net_fen bigint not null,
  primary key (month, account_id, category)
);
create table dwd.dwd_acc_prepay_splited_m (
  month text not null,
  account_id bigint not null,
  prepayments int not null,
  split_fen bigint not null,
  remaining_fen bigint not null,
  charged_fen bigint not null,
  covered_fen bigint not null,
  primary key (month, account_id)
);
create table dwd.dwd_svc_grp_mem_prod_m (
  month text not null,
  group_id bigint not null,
  prod_code text not null,
  members int not null,
  charges int not null,
  amount_fen bigint not null,
  primary key (month, group_id, prod_code)
);
create table dwd.dwd_svc_grp_srv_attr_m (
  month text not null,
  group_id bigint not null,
  service_code text not null,
  bandwidth_mbps int,
  seats int,
  sla_hours int,
  member_units bigint not null,
  primary key (month, group_id, service_code)
);
create table dwd.dwd_svc_usr_oxxtate_m (
  month text not null,
  user_id bigint not null,
  account_id bigint not null,
  state text not null,
  state_since date not null,
  days_in_state int not null,
  changes_in_month int not null,
  primary key (month, user_id)
);
create table dwd.dwd_prty_grp_info_m (
  month text not null,
  group_id bigint not null,
  group_name text not null,
  region_code text not null,
  value_class text not null,
  accounts int not null,
  members int not null,
  billed_fen bigint not null,
  primary key (month, group_id)
);
create table dwd.dwd_acc_writeoff_rec_m (
  month text not null,
  account_id bigint not null,
  due_fen bigint not null,
  paid_fen bigint not null,
  open_fen bigint not null,
  payments int not null,
  electronic_fen bigint not null,
  primary key (month, account_id)
);
create table dwd.dwd_acc_adjust_busi_rec_dm_m (
  month text not null,
  account_id bigint not null,
  reason_type text not null,
  adjustments int not null,
  amount_fen bigint not null,
  revenue_effect_fen bigint not null,
  primary key (month, account_id, reason_type)
);
create table dwd.dwd_acc_pocket_m (
  month text not null,
  account_id bigint not null,
  cash_fen bigint not null,
  gift_fen bigint not null,
  points_fen bigint not null,
  used_fen bigint not null,
  primary key (month, account_id)
);
create table dwd.dwd_acc_sum_bill_m (
  month text not null,
  customer_id bigint not null,
  segment text not null,
  bills int not null,
  due_fen bigint not null,
  rank_in_segment int not null,
  primary key (month, customer_id)
);
create table dwd.dwd_acc_grp_adjust_m (
  month text not null,
  group_id bigint not null,
  adjustments int not null,
  credit_fen bigint not null,
  debit_fen bigint not null,
  billed_fen bigint not null,
  primary key (month, group_id)
);
create table dwd.dwd_acc_grp_owe_info_m (
  month text not null,
  group_id bigint not null,
  accounts int not null,
  owed_fen bigint not null,
  oldest_bill_month text not null,
  billed_fen bigint not null,
  primary key (month, group_id)
);
create table dwd.dwd_acc_owe_m (
  month text not null,
  account_id bigint not null,
  owed_fen bigint not null,
  owed_1_3_fen bigint not null,
  owed_4_6_fen bigint not null,
  owed_over_6_fen bigint not null,
  months_owed int not null,
  due_this_month_fen bigint not null,
  primary key (month, account_id)
);

-- Month-end days -----------------------------------------------------------------------------------------------------
create table dwd.dwd_merge_rc_bill_dtl_d (
  day text not null,
  account_id bigint not null,
  user_id bigint not null,
  item_code text not null,
  amount_fen bigint not null,
  primary key (day, user_id, item_code)
);
create table dwd.dwd_merge_prom_bill_d (
  day text not null,
  account_id bigint not null,
  user_id bigint not null,
  item_code text not null,
  promotions int not null,
  discount_fen bigint not null,
  primary key (day, user_id, item_code)
);
create table dwd.dwd_merge_srvc_dtl1_d (
  day text not null,
  account_id bigint not null,
  user_id bigint not null,
  item_code text not null,
  units bigint not null,
  amount_fen bigint not null,
  primary key (day, user_id, item_code)
);
create table dwd.dwd_merge_daily_bill_d (
  day text not null,
  account_id bigint not null,
  region_code text not null,
  batches int not null,
  amount_fen bigint not null,
  primary key (day, account_id)
);
create table dwd.dwd_merge_usage_billt_d (
  day text not null,
  account_id bigint not null,
  user_id bigint not null,
  usage_type text not null,
  item_code text not null,
  units bigint not null,
  busy_hour_units bigint not null,
  amount_fen bigint not null,
  primary key (day, user_id, usage_type)
);
create table dwd.dwd_merge_bill_dtl3_d (
  day text not null,
  account_id bigint not null,
  user_id bigint not null,
  item_code text not null,
  details int not null,
  amount_fen bigint not null,
  primary key (day, user_id, item_code)
);
create table dwd.dwd_acc_item_dtl_d (
  day text not null,
  account_id bigint not null,
  item_code text not null,
  users int not null,
  amount_fen bigint not null,
  in_daily_bill boolean not null,
  primary key (day, account_id, item_code)
);
create table dwd.dwd_acc_fin_item_dtl_d (
  day text not null,
  account_id bigint not null,
  category text not null,
  amount_fen bigint not null,
  tax_fen bigint not null,
  billed_fen bigint not null,
  primary key (day, account_id, category)
);
create table dwd.dwd_acc_prepay_splited_d (
  day text not null,
  account_id bigint not null,
  split_fen bigint not null,
  charged_fen bigint not null,
  items int not null,
  covered_fen bigint not null,
  primary key (day, account_id)
);

-- The localized user table. It is generated outside this catalogue (gate P06.S1) and distributed to the MPP.
create table dwd.dwd_usr_localized_m (
  month text not null,
  user_id bigint not null,
  account_id bigint not null,
  plan_code text not null,
  cell_id text not null,
  region_code text not null,
  primary key (month, user_id)
);
