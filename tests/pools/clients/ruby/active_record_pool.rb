# frozen_string_literal: true

require 'active_record'
require_relative 'pg_session'

# ActiveRecord's pool: a thread keeps its session for a request, and `SELECT 1` validates it when it is taken. A reaper
# takes sessions back from threads that have ended, every minute, and closes those unused for five.
class ActiveRecordPool
  # Takes and returns what the pool hands out, and speaks to it through ActiveRecord.
  class Session
    def initialize(connection)
      @connection = connection
    end

    def run(sql, *parameters)
      binds = parameters.map { |value| ActiveModel::Attribute.with_cast_value('value', value, TYPE) }
      @connection.exec_query(sql, 'SQL', binds, prepare: @connection.prepared_statements && !binds.empty?).rows
    end

    def begin
      @connection.begin_transaction(joinable: false, _lazy: false)
    end

    def commit
      @connection.commit_transaction
    end

    def leave_rows(sql)
      PgSession.new(@connection.raw_connection).leave_rows(sql)
    end

    def reference(direct)
      PgSession.new(@connection.raw_connection).reference(direct)
    end
  end
  TYPE = ActiveModel::Type::Integer.new

  @count = 0
  class << self
    # Returns the number of the next class with a pool of its own.
    def next_number
      @count += 1
    end
  end

  def initialize(setup)
    name = "Tenant#{self.class.next_number}"
    @owner = Class.new(ActiveRecord::Base) { define_singleton_method(:name) { name } }
    @owner.abstract_class = true
    @owner.establish_connection(configuration(setup))
    @pool = @owner.connection_pool
  end

  # Serves a request, after which Rails' executor returns the thread's session.
  def with
    yield Session.new(@owner.connection)
  rescue ActiveRecord::ConnectionTimeoutError
    Events.exhausted
  ensure
    @pool.release_connection
  end

  def checkout
    Session.new(@pool.checkout)
  rescue ActiveRecord::ConnectionTimeoutError
    Events.exhausted
    raise
  end

  def sessions
    @pool.connections.map { |connection| Session.new(connection) }
  end

  def close
    @pool.disconnect!
  end

  private

  def configuration(setup)
    settings = { adapter: 'postgresql', host: setup.host, port: setup.port, username: setup.user,
                 password: setup.password, database: setup.database, pool: setup.size, checkout_timeout: 5 }
    settings[:variables] = { application_name: setup.application_name } if setup.application_name
    settings[:prepared_statements] = false if setup.mode == 'bouncer-transaction'
    settings.merge!(idle_timeout: 8, reaping_frequency: 4) if setup.behaviour == 'refill'
    settings
  end
end
