# frozen_string_literal: true

require 'zlib'
require_relative 'paces'

# Behaviours that lose nothing.
class Healthy
  def initialize(client)
    @client = client
    @setup = client.setup
  end

  def start
    case @setup.behaviour
    when 'steady', 'prefork', 'validated', 'half-dead', 'refill' then @client.workers(@setup.workers)
    when 'burst', 'keepalive' then spawn { burst_first }
    when 'bursts'
      spawn { burst_repeatedly }
      @client.workers(1)
    when 'ebb' then Paces.new(@client).ebb
    when 'uneven' then Paces.new(@client).uneven
    when 'standby' then @client.burst(0.1, @setup.min || 1)
    when 'rare' then @setup.workers.times { spawn { work_rarely } }
    when 'cron' then spawn { run_jobs }
    when 'batch'
      spawn { run_batch }
      @client.workers(@setup.workers - 1)
    when 'listener' then hold("LISTEN changes_#{Zlib.crc32(@setup.id) % 100}")
    when 'leader' then hold("SELECT pg_advisory_lock(#{Zlib.crc32(@setup.id) % 100_000})")
    when 'drain' then spawn { drain }
    when 'streaming'
      spawn { stream }
      @client.workers(@setup.workers)
    when 'reaped' then spawn { forget_in_threads }
    else raise "no healthy behaviour #{@setup.behaviour}"
    end
  end

  private

  def spawn(&block)
    @client.spawn(&block)
  end

  def burst_first
    @client.burst(5)
    @client.workers([@setup.workers, 2].min)
    return unless @setup.behaviour == 'keepalive'

    loop do
      sleep 4
      ping_all
    end
  end

  # Takes all sessions at once, since a stack would hand out the same one each time.
  def ping_all
    threads = Array.new(@setup.size) do
      spawn do
        @client.pool.with do |session|
          session.run('SELECT 1')
          sleep 0.2
        end
      end
    end
    threads.each(&:join)
  end

  def burst_repeatedly
    loop do
      @client.burst(4)
      @setup.pause(@setup.period_s)
    end
  end

  def work_rarely
    sleep(@setup.draw(5000) / 1000.0)
    loop do
      @client.serve
      @setup.pause(@setup.period_s)
    end
  end

  def run_jobs
    loop do
      @client.open
      6.times do
        @client.serve
        sleep 0.25
      end
      @client.pool.close
      @setup.pause(@setup.period_s)
    end
  end

  def run_batch
    loop do
      @client.pool.with do |session|
        session.begin
        60.times do
          @client.work.order(session)
          @setup.pause(1.5)
        end
        session.commit
      end
    end
  end

  # Holds a session for as long as the program runs.
  def hold(sql)
    spawn do
      @held = @client.pool.checkout
      @held.run(sql)
      sleep
    end
    @client.workers(@setup.workers)
  end

  def drain
    finish = Time.now + @setup.period_s
    @client.burst(2) while Time.now < finish
  end

  def stream
    loop do
      @client.pool.with do |session|
        session.begin
        session.run('DECLARE export CURSOR FOR SELECT "items".* FROM "items" ORDER BY "name"')
        20.times do
          session.run('FETCH FORWARD 50 FROM export')
          sleep 1
        end
        session.commit
      end
      @setup.pause(@setup.pace_ms / 1000.0)
    end
  end

  # Threads end without returning their session, and the pool's reaper takes it back.
  def forget_in_threads
    @client.workers(1)
    loop do
      Thread.new { @client.work.request(@client.pool.checkout) }.join
      @setup.pause(@setup.period_s)
    rescue StandardError => e
      warn e.message
    end
  end
end
