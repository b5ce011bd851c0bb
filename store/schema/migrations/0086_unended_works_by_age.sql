-- They are forgotten by age with each attempt whose end is not known: thousands in the night of an outage.
create index unended_works_by_age on unended_works (at_ms);
