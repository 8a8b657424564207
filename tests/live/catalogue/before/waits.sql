/* archon-pool */ SELECT l.pid::bigint AS pid,
       l.mode || ' on ' || CASE l.locktype
         WHEN 'transactionid' THEN 'transaction ' || l.transactionid::text
         WHEN 'virtualxid' THEN 'virtual transaction ' || l.virtualxid
         WHEN 'advisory' THEN 'advisory key ' || CASE l.objsubid
           WHEN 1 THEN ((l.classid::bigint << 32) | l.objid::bigint)::text
           ELSE '(' || l.classid::bigint::bit(32)::integer::text || ', ' || l.objid::bigint::bit(32)::integer::text || ')'
         END
         WHEN 'object' THEN 'object ' || l.objid::text || ' of ' || l.classid::pg_catalog.regclass::text
         ELSE coalesce(CASE l.locktype WHEN 'relation' THEN '' ELSE l.locktype || ' ' END
           || CASE l.locktype WHEN 'tuple' THEN '(' || l.page::text || ',' || l.tuple::text || ') of '
                WHEN 'page' THEN l.page::text || ' of ' WHEN 'extend' THEN 'of ' ELSE '' END
           || 'relation ' || coalesce(pg_catalog.quote_ident(n.nspname::text) || '.' || pg_catalog.quote_ident(c.relname::text),
                             l.relation::text), l.locktype)
       END || CASE WHEN d.datname <> pg_catalog.current_database()
         THEN ' of database ' || d.datname::text || ' (oid ' || d.oid::text || ')' ELSE '' END AS waits_for,
       (pg_catalog.to_jsonb(l) ->> 'waitstart')::timestamptz AS waiting_since,
       CASE WHEN b.pids <> '{}' OR l.mode <> 'AccessExclusiveLock' OR NOT pg_catalog.pg_is_in_recovery()
         THEN pg_catalog.array_to_string(b.pids, ',')
         ELSE (SELECT pg_catalog.array_to_string(pg_catalog.array_agg(DISTINCT g.pid), ',') FROM pg_catalog.pg_locks g
               WHERE g.granted AND g.pid <> l.pid AND g.locktype = l.locktype AND g.database = l.database
                 AND g.relation IS NOT DISTINCT FROM l.relation)
       END AS blocked_by,
       CASE WHEN 0 = ANY (b.pids)
         THEN (SELECT pg_catalog.array_to_string(pg_catalog.array_agg(DISTINCT x.transactionid::text), ',')
               FROM pg_catalog.pg_locks g JOIN pg_catalog.pg_locks x
                 ON x.pid IS NULL AND x.locktype = 'transactionid' AND x.virtualtransaction = g.virtualtransaction
               WHERE g.granted AND g.pid IS NULL AND g.locktype = l.locktype
                 AND (g.database, g.relation, g.page, g.tuple, g.virtualxid, g.transactionid, g.classid, g.objid, g.objsubid)
                   IS NOT DISTINCT FROM
                   (l.database, l.relation, l.page, l.tuple, l.virtualxid, l.transactionid, l.classid, l.objid, l.objsubid))
       END AS blocked_by_prepared
FROM pg_catalog.pg_locks l
LEFT JOIN pg_catalog.pg_database d ON d.oid = l.database
LEFT JOIN pg_catalog.pg_class c
  ON c.oid = l.relation AND (l.database = 0 OR d.datname = pg_catalog.current_database())
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (SELECT pg_catalog.pg_blocking_pids(l.pid) AS pids) b
WHERE NOT l.granted
