# frozen_string_literal: true

require 'zlib'

# Requests of one application. Its texts differ from those of other set-ups.
class Work
  def initialize(setup)
    @setup = setup
    number = Zlib.crc32(setup.id) % 10_000
    @columns = [%w[id name], %w[name stock], %w[id stock], %w[id name stock]][number % 4].map { |c| "\"items\".\"#{c}\"" }
    @least = number % 37
    @limit = 5 + number % 23
  end

  # Runs one to three statements, and a transaction in one of four requests.
  def request(session)
    case @setup.draw(4)
    when 0
      session.begin
      order(session)
      session.commit
    when 1 then page(session)
    when 2
      item(session)
      session.run("SELECT COUNT(*) FROM \"orders\" WHERE \"orders\".\"item\" = $1 AND \"quantity\" > #{@least}", draw_item)
    else item(session)
    end
  end

  def item(session)
    session.run("SELECT #{@columns.join(', ')} FROM \"items\" WHERE \"items\".\"id\" = $1 LIMIT 1", draw_item)
  end

  def page(session)
    session.run("SELECT #{@columns.join(', ')} FROM \"items\" WHERE \"items\".\"stock\" >= #{@least} " \
                "ORDER BY \"items\".\"id\" ASC LIMIT $1", @limit)
  end

  # Writes within the caller's transaction.
  def order(session)
    bought = draw_item
    session.run("INSERT INTO \"orders\" (\"item\", \"quantity\") VALUES ($1, #{1 + @limit % 5}) RETURNING \"id\"", bought)
    session.run("UPDATE \"items\" SET \"stock\" = \"items\".\"stock\" WHERE \"items\".\"id\" = $1 AND #{@least} < 0", bought)
  end

  # Runs a statement that fails, as a request with bad input does.
  def fail(session)
    session.run("SELECT \"stock\" / ($1 - #{@limit}) FROM \"items\" LIMIT 1", @limit)
  rescue StandardError => e
    warn e.message
  end

  private

  def draw_item
    1 + @setup.draw(1000)
  end
end
