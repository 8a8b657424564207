# frozen_string_literal: true

# Healthy workers, each with a pace of its own.
class Paces
  # Mean pauses of the workers of `uneven`, in turn.
  UNEVEN_S = [1, 5, 15, 30].freeze

  def initialize(client)
    @client = client
    @setup = client.setup
    @hold = (@setup.option('hold_ms') || 300) / 1000.0
  end

  # Starts workers that end one by one until a fast and a slow one are left; the sessions stay in the pool.
  def ebb
    slow = @setup.option('slow') || 1
    pace = @setup.pace_ms / 1000.0
    slow_pace = (@setup.option('slow_ms') || 14_000) / 1000.0
    work(pace)
    work(slow_pace)
    leaving = [pace] * (@setup.workers - slow - 1) + [slow_pace] * (slow - 1)
    leaving.each_with_index { |own, number| work(own, @setup.first_loss_s + number * @setup.loss_every_s) }
  end

  def uneven
    @setup.workers.times { |number| work(UNEVEN_S[number % UNEVEN_S.size]) }
  end

  private

  # Starts a worker, whose thread ends after this time.
  def work(pace, seconds = Float::INFINITY)
    start = Process.clock_gettime(Process::CLOCK_MONOTONIC)
    @client.spawn do
      while Process.clock_gettime(Process::CLOCK_MONOTONIC) - start < seconds
        @client.serve { sleep @hold }
        @setup.pause(pace)
      end
    end
  end
end
