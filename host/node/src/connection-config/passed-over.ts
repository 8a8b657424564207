// Ignored parameters of libpq, drivers, frameworks and providers, as in the Rust host.

/** Ignored parameter names as their origin writes them; each paragraph lists one origin. */
export const PASSED_OVER: readonly string[] = `
  client_encoding application_name fallback_application_name keepalives keepalives_idle keepalives_interval
  keepalives_count tcp_user_timeout sslcompression sslsni max_protocol_version krbsrvname gsslib gssdelegation
  load_balance_hosts authtype tty

  statement_timeout lock_timeout idle_in_transaction_session_timeout idle_session_timeout transaction_timeout
  search_path timezone datestyle intervalstyle extra_float_digits bytea_output client_min_messages
  default_transaction_isolation default_transaction_read_only default_transaction_deferrable
  standard_conforming_strings synchronous_commit row_security jit plan_cache_mode work_mem maintenance_work_mem geqo
  tcp_keepalives_idle tcp_keepalives_interval tcp_keepalives_count log_statement

  supa workaround

  pgbouncer schema connection_limit pool_timeout socket_timeout statement_cache_size max_connection_lifetime
  max_idle_connection_lifetime single_use_connections

  prepared_statement_cache_size prepared_statement_name_func max_cached_statement_lifetime
  max_cacheable_statement_size command_timeout prepare_threshold async_fallback executemany_mode max_overflow
  pool_recycle pool_pre_ping min_size max_size timeout

  conn_max_age conn_health_checks disable_server_side_cursors

  adapter pool encoding charset reconnect prepared_statements statement_limit advisory_locks checkout_timeout
  reaping_frequency idle_timeout schema_search_path min_messages max_connections min_connections connection_retries
  database_tasks

  pool_size pool_count queue_target queue_interval prepare

  pool_max_conns pool_min_conns pool_min_idle_conns pool_max_conn_lifetime pool_max_conn_lifetime_jitter
  pool_max_conn_idle_time pool_health_check_period default_query_exec_mode statement_cache_mode
  statement_cache_capacity description_cache_capacity prefer_simple_protocol binary_parameters
  disable_prepared_binary_result

  uselibpqcompat max min keepAlive idleTimeoutMillis connectionTimeoutMillis query_timeout max_lifetime fetch_types
  binary

  serverVersion

  keepalives_retries

  currentSchema prepareThreshold preparedStatementCacheQueries preparedStatementCacheSizeMiB
  databaseMetadataCacheFields databaseMetadataCacheFieldsMiB defaultRowFetchSize loginTimeout socketTimeout
  cancelSignalTimeout tcpKeepAlive tcpNoDelay ApplicationName readOnly readOnlyMode autosave cleanupSavepoints
  stringtype reWriteBatchedInserts loadBalanceHosts hostRecheckSeconds binaryTransfer binaryTransferEnable
  binaryTransferDisable preferQueryMode assumeMinServerVersion disableColumnSanitiser escapeSyntaxCallMode
  hideUnprivilegedObjects logUnclosedConnections logServerErrorDetail loggerLevel loggerFile maxResultBuffer
  adaptiveFetch receiveBufferSize sendBufferSize unknownLength quoteReturningIdentifiers allowEncodingChanges
  jaasLogin useSpnego sslResponseTimeout wrapperPlugins wrapperDialect
`
  .trim()
  .split(/\s+/);

const names = new Set(PASSED_OVER.map((name) => name.toLowerCase().replace(/[-_]/g, "")));

/** Returns true if a normalised name (lower case, no `-` or `_`) is ignored. */
export function isPassedOver(name: string): boolean {
  return names.has(name);
}
