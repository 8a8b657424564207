/* archon-pool */ SELECT s.name, coalesce(s.setting, '') AS value, s.unit
FROM pg_catalog.pg_settings s
WHERE s.name IN ('idle_in_transaction_session_timeout', 'tcp_user_timeout', 'track_activities')