# frozen_string_literal: true

require 'json'

# Set-up of this process, as PROTOCOL.md describes it.
class Setup
  FIELDS = %w[id library behaviour host port user password database mode size min workers pace_ms lose first_loss_s
              loss_every_s period_s].freeze
  FIELDS.each { |field| define_method(field) { @fields[field] } }

  def initialize(text)
    @fields = JSON.parse(text)
    @random = Random.new(@fields['seed'] * 1000 + (@fields['instance'] || 0))
  end

  # Returns an option of the library.
  def option(name)
    (@fields['options'] || {})[name]
  end

  # Returns the name to set, or nil for the driver's default, which is the program's.
  def application_name
    @fields['application_name']&.gsub('{pid}', Process.pid.to_s)
  end

  def direct?
    mode == 'direct'
  end

  # Returns a number from 0 to the limit, exclusively.
  def draw(limit)
    @random.rand(limit)
  end

  # Pauses for half to one and a half of the mean.
  def pause(seconds)
    sleep(seconds * (0.5 + @random.rand))
  end

  # Returns what libpq needs.
  def conninfo
    info = { host: host, port: port, user: user, password: password, dbname: database }
    info[:application_name] = application_name if application_name
    info
  end
end
