# frozen_string_literal: true

require 'connection_pool'
require_relative 'pg_session'

# `connection_pool` over `pg`, as services without Rails use it: last in, first out, opened when needed, never validated.
class ConnectionPoolGem
  def initialize(setup)
    @setup = setup
    @opened = []
    @pool = ConnectionPool.new(size: setup.size, timeout: 5) do
      PgSession.open(setup).tap { |session| @opened << session }
    end
  end

  def with(&block)
    @pool.with do |session|
      session.run('SELECT 1') if @setup.behaviour == 'validated'
      block.call(session)
    end
  rescue Timeout::Error
    Events.exhausted
  end

  # Takes a session that the caller's thread has to return.
  def checkout
    @pool.checkout
  rescue Timeout::Error
    Events.exhausted
    raise
  end

  def sessions
    @opened
  end

  def close
    @pool.shutdown(&:close)
  end
end
