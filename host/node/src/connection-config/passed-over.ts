// Parameters of libpq, of frameworks and of providers that change nothing here.

/** Names as they are written where they come from. */
export const PASSED_OVER: readonly string[] = `
  application_name fallback_application_name client_encoding keepalives keepalives_idle keepalives_interval
  keepalives_count tcp_user_timeout load_balance_hosts max_protocol_version krbsrvname gsslib gssdelegation
  sslcompression sslsni

  statement_timeout lock_timeout idle_in_transaction_session_timeout idle_session_timeout transaction_timeout
  search_path TimeZone DateStyle IntervalStyle extra_float_digits geqo default_transaction_isolation
  default_transaction_read_only standard_conforming_strings jit plan_cache_mode

  pgbouncer supa workaround schema connection_limit pool_timeout socket_timeout statement_cache_size
  single_use_connections pgbouncer_mode

  command_timeout prepared_statement_cache_size prepared_statement_name_func max_cached_statement_lifetime
  max_cacheable_statement_size async_fallback server_settings prepare_threshold autosave

  uselibpqcompat max min idleTimeoutMillis connectionTimeoutMillis query_timeout idle_timeout max_lifetime
  statement-cache-capacity prepare keepAlive connectionLimit maxUses allowExitOnIdle fetch_types onnotice debug

  pool reconnect prepared_statements encoding checkout_timeout reaping_frequency min_messages variables adapter
  advisory_locks insert_returning idle_pool_timeout connect_retries

  conn_max_age conn_health_checks disable_server_side_cursors atomic_requests

  pool_size queue_target queue_interval timeout ownership_timeout pool_count max_overflow pool_recycle pool_pre_ping
  pool_use_lifo

  pool_max_conns pool_min_conns pool_min_idle_conns pool_max_conn_lifetime pool_max_conn_lifetime_jitter
  pool_max_conn_idle_time pool_health_check_period default_query_exec_mode statement_cache_capacity
  description_cache_capacity statement_cache_mode prefer_simple_protocol binary_parameters
  disable_prepared_binary_result

  serverVersion charset defaultTableOptions persistent unix_socket

  currentSchema prepareThreshold preparedStatementCacheQueries preparedStatementCacheSizeMiB ApplicationName
  reWriteBatchedInserts tcpKeepAlive tcpNoDelay loginTimeout socketTimeout cancelSignalTimeout loadBalanceHosts
  hostRecheckSeconds stringtype defaultRowFetchSize binaryTransfer binaryTransferEnable binaryTransferDisable
  databaseMetadataCacheFields databaseMetadataCacheFieldsMiB assumeMinServerVersion readOnly readOnlyMode
  unknownLength logUnclosedConnections disableColumnSanitiser preferQueryMode escapeSyntaxCallMode adaptiveFetch
  cleanupSavepoints logServerErrorDetail loggerLevel loggerFile sendBufferSize receiveBufferSize maxResultBuffer
  allowEncodingChanges hideUnprivilegedObjects quoteReturningIdentifiers jaasApplicationName jaasLogin
  kerberosServerName useSpnego sspiServiceClass groupStartupParameters maxSendBufferSize
`
  .trim()
  .split(/\s+/);

const names = new Set(PASSED_OVER.map((name) => name.toLowerCase().replace(/[-_]/g, "")));

/** Whether a name in lower case, without `-` and `_`, is one of them. */
export function isPassedOver(name: string): boolean {
  return names.has(name);
}
