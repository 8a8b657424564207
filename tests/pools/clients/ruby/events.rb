# frozen_string_literal: true

require 'json'

# Lines to the runner.
module Events
  LOCK = Mutex.new

  module_function

  def emit(fields)
    LOCK.synchronize do
      $stdout.puts(JSON.generate(fields))
      $stdout.flush
    end
  end

  # Reports a session by `pid` or `port`.
  def lost(reference, how)
    emit({ event: 'lost', at_us: now, how: how }.merge(reference))
  end

  def exhausted
    emit(event: 'exhausted', at_us: now)
  end

  def now
    Process.clock_gettime(Process::CLOCK_REALTIME, :microsecond)
  end
end
