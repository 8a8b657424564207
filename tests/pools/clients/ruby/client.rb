# frozen_string_literal: true

# Application of one set-up: `client.rb SETUP`.
require_relative 'setup'
require_relative 'events'
require_relative 'work'
require_relative 'healthy'
require_relative 'leaks'

# Application of this process.
class Client
  attr_reader :setup, :work, :pool, :library

  def initialize(setup)
    @setup = setup
    @work = Work.new(setup)
    @library = Client.library(setup.library)
    open unless setup.behaviour == 'cron'
  end

  def self.library(name)
    case name
    when 'activerecord'
      require_relative 'active_record_pool'
      ActiveRecordPool
    when 'connection-pool'
      require_relative 'connection_pool_gem'
      ConnectionPoolGem
    when 'pg'
      require_relative 'pg_threads'
      PgThreads
    else raise "no library #{name}"
    end
  end

  # Opens a pool, which replaces the one before.
  def open
    @pool = @library.new(@setup)
  end

  def start
    (@setup.lose.positive? ? Leaks : Healthy).new(self).start
    Events.emit(event: 'ready')
  end

  def spawn(&block)
    Thread.new do
      block.call
    rescue StandardError => e
      warn e.full_message
    end
  end

  # Handles one request, as it should be done; a block does something else before the session is returned.
  def serve
    @pool.with do |session|
      @work.request(session)
      if block_given? then yield
      elsif @setup.draw(3).zero? then sleep(@setup.draw(150) / 1000.0)
      end
    end
  rescue StandardError => e
    warn e.message
  end

  def workers(count)
    count.times do
      spawn do
        loop do
          serve
          @setup.pause(@setup.pace_ms / 1000.0)
        end
      end
    end
  end

  # Takes sessions all at once and works with each, for this time.
  def burst(seconds, count = @setup.size)
    finish = Time.now + seconds
    threads = Array.new(count) do
      spawn do
        loop do
          @pool.with do |session|
            @work.request(session)
            sleep 0.2
          end
          break unless Time.now < finish
        end
      end
    end
    threads.each(&:join)
  end
end

Client.new(Setup.new(ARGV[0])).start
$stdin.read
Events.emit(event: 'end')
exit!(0)
