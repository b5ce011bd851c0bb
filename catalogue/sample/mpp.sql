-- Tables of the MPP: its own copies of some interfaces, the customer's report table, and what its programs fill.
-- No table of it has the name of a table of the appliance: lineage knows tables by name.

create schema ods_mpp;
create schema shfin;
create schema dwd_mpp;
create schema app;

-- Maintained by the customer each month start; the distribution of P02 carries it to the appliance.
create table shfin.r_vr011 (
  month text not null,
  item_code text not null,
  item_name text not null,
  parent_code text,
  in_arpu boolean not null,
  sort_no int not null,
  primary key (month, item_code)
);
create table ods_mpp.subscriber (
  user_id bigint primary key,
  account_id bigint not null,
  plan_code text not null,
  home_cell text not null,
  activated_on date not null
);
create table ods_mpp.base_station (
  cell_id text primary key,
  region_code text not null,
  technology text not null,
  on_air_since date not null
);
-- Users who spent a month mostly at another cell than their home cell.
create table ods_mpp.usr_roamed_cell (
  month text not null,
  user_id bigint not null,
  cell_id text not null,
  primary key (month, user_id)
);
create table ods_mpp.usr_terminal (
  user_id bigint primary key,
  terminal_class text not null check (terminal_class in ('4G', '5G', 'IoT'))
);
create table ods_mpp.usr_usage (
  month text not null,
  user_id bigint not null,
  data_mb bigint not null,
  voice_min bigint not null,
  primary key (month, user_id)
);
create table ods_mpp.bill_dtl4 (
  month text not null,
  event_seq bigint not null,
  user_id bigint not null,
  service_code text not null,
  event_on date not null,
  units int not null,
  amount_fen bigint not null
);

create table dwd_mpp.dwd_merge_bill_dtl4_m (
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
create table dwd_mpp.dwd_usr_localized_m (
  month text not null,
  user_id bigint not null,
  account_id bigint not null,
  plan_code text not null,
  cell_id text not null,
  region_code text not null,
  primary key (month, user_id)
);
create table app.app_region_user_m (
  month text not null,
  region_code text not null,
  plan_code text not null,
  users int not null,
  new_users int not null,
  data_mb bigint not null,
  voice_min bigint not null,
  primary key (month, region_code, plan_code)
);
create table app.app_region_terminal_m (
  month text not null,
  region_code text not null,
  users int not null,
  users_5g int not null,
  users_5g_on_4g_cell int not null,
  share_5g_permille int not null,
  primary key (month, region_code)
);
