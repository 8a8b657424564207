# frozen_string_literal: true

require 'pg'

# Connection of the `pg` driver, as the pools below hand it out.
class PgSession
  attr_reader :raw

  def self.open(setup)
    new(PG.connect(setup.conninfo))
  end

  def initialize(raw)
    @raw = raw
  end

  def run(sql, *parameters)
    parameters.empty? ? @raw.exec(sql).values : @raw.exec_params(sql, parameters).values
  end

  def begin
    @raw.exec('BEGIN')
  end

  def commit
    @raw.exec('COMMIT')
  end

  # Asks for rows one by one, and reads only the first.
  def leave_rows(sql)
    @raw.send_query(sql)
    @raw.set_single_row_mode
    @raw.get_result
  end

  # Returns how the runner finds the server process. Behind a pooler the driver's pid is the pooler's invention.
  def reference(direct)
    direct ? { pid: @raw.backend_pid } : { port: @raw.socket_io.local_address.ip_port }
  end

  def close
    @raw.close unless @raw.finished?
  end
end
