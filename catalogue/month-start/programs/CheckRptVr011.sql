-- Is the report table of the account items there, and is it this month's?
-- A table that exists may hold last month's rows, so the newest import of this period must have finished (deal_stat 99).
select exists (
         select from information_schema.tables
         where table_schema = 'shfin' and table_name like '%rpt_vr011%'
       )
   and coalesce((
         select deal_stat = 99
         from sluice.disp_import_ctl
         where distribution = 'P02.S2.DistributeRptVr011' and period = :period
         order by updated_at desc, generation desc
         limit 1
       ), false) as in_place;
