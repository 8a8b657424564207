/* archon-pool */ SELECT pg_catalog.clock_timestamp() AS at,
       d.stats_reset,
       (d.xact_commit + d.xact_rollback)::bigint AS transactions,
       (pg_catalog.to_jsonb(d) ->> 'sessions')::bigint AS sessions,
       (pg_catalog.to_jsonb(d) ->> 'sessions_abandoned')::bigint AS abandoned,
       (pg_catalog.to_jsonb(d) ->> 'active_time')::float8 AS active_ms,
       (pg_catalog.to_jsonb(d) ->> 'idle_in_transaction_time')::float8 AS idle_in_transaction_ms,
       d.numbackends::bigint AS backends
FROM pg_catalog.pg_stat_database d
WHERE d.datname = pg_catalog.current_database()
