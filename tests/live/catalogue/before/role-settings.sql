/* archon-pool */ SELECT r.rolname::text AS role,
       d.datname::text AS database,
       o.setting
FROM pg_catalog.pg_db_role_setting s
CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS o(setting)
LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
WHERE ((o.setting COLLATE pg_catalog."C" >= 'idle_in_transaction_session_timeout='
        AND o.setting COLLATE pg_catalog."C" < 'idle_in_transaction_session_timeout>')
       OR (o.setting COLLATE pg_catalog."C" >= 'transaction_timeout='
           AND o.setting COLLATE pg_catalog."C" < 'transaction_timeout>'))
  AND (s.setrole = 0 OR EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.usesysid = s.setrole))
