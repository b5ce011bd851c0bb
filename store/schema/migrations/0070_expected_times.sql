-- What the past of scheduled runs tells about the next one (docs/decisions/0013). Written by the API that learns, once an hour at most.

create table expected_times (
  cycle text not null check (cycle in ('hour', 'day', 'month')),
  -- '' = all days; otherwise the class of graph/calendar/day-class.ts, durationClass
  day_class text not null,
  -- a flow, or kind, layer and platform of flows that are alike
  series text not null,
  -- duration of the last successful attempt, outliers limited; null: it has ends only, as what a person confirms
  n integer not null,
  p10_ms bigint,
  p50_ms bigint,
  p90_ms bigint,
  -- average of the last seven days
  week_n integer,
  week_ms bigint,
  -- usual end, ms after the beginning of the period
  end_n integer,
  end_ms bigint,
  primary key (cycle, day_class, series)
);

create table expected_learned (
  cycle text primary key,
  learned_ms bigint not null,
  -- scheduled runs of the cycle that were finished then: with another number there is something to learn
  finished_runs integer not null,
  -- of which flows that are alike were found
  catalogue_version integer not null
);
