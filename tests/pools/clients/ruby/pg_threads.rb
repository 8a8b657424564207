# frozen_string_literal: true

require_relative 'pg_session'

# `pg` without a pool: each thread has a connection of its own, as in a prefork server or a job runner.
class PgThreads
  def initialize(setup)
    @setup = setup
    @opened = []
    @key = :"session_#{object_id}"
  end

  def with
    yield Thread.current[@key] ||= checkout
  end

  # Opens a session; there is nothing to take it from.
  def checkout
    PgSession.open(@setup).tap { |session| @opened << session }
  end

  def sessions
    @opened
  end

  def close
    @opened.each(&:close)
    @opened.clear
    Thread.current[@key] = nil
  end
end
