-- DB24: the second place where billing data must lie before the month chain may start.

create schema db24;

create table db24.bill (
  month text not null,
  bill_id bigint not null,
  version int not null,
  account_id bigint not null,
  total_fen bigint not null,
  discount_fen bigint not null,
  primary key (month, bill_id, version)
);
create table db24.bill_dtl4 (
  month text not null,
  event_seq bigint not null,
  user_id bigint not null,
  service_code text not null,
  units int not null,
  amount_fen bigint not null
);
create table db24.billing_control (
  month text not null,
  feed text not null,
  expected_rows bigint not null,
  expected_fen bigint not null,
  primary key (month, feed)
);
